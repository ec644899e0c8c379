package elastic

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"dwell/internal/es"
	"dwell/internal/es/dsl"
	"dwell/internal/hunt"
)

// A search over a stream silently leaves out closed indices. Security Onion's clean-up closes indices before it deletes
// them. So the indices behind the names are listed, closed ones included, and one that may have part of the window is a
// gap.

// resolved is the answer of _resolve/index.
type resolved struct {
	Indices []struct {
		Name       string   `json:"name"`
		Attributes []string `json:"attributes"`
		Stream     string   `json:"data_stream"`
	} `json:"indices"`
}

func closedIndex(err error) bool {
	var e *es.Error
	return errors.As(err, &e) && e.Type == "index_closed_exception"
}

// backing returns the indices behind names: those of that name, and those of streams of that name.
func backing(names []string) (out []string) {
	for _, n := range names {
		out = append(out, n)
		cluster, plain, found := strings.Cut(n, ":")
		if !found {
			cluster, plain = "", n
		} else {
			cluster += ":"
		}
		out = append(out, cluster+".ds-"+plain+"-*")
	}
	return out
}

// closed looks for closed indices that may have what a reading wants.
func (r *reading) closed(ctx context.Context) error {
	var answer resolved
	err := r.src.client.Do(ctx, es.Call{Op: "look for closed indices of", Index: strings.Join(r.place.asked, ","), Decode: es.JSON(&answer, "indices"),
		Request: esapi.IndicesResolveIndexRequest{Name: backing(r.place.now()), ExpandWildcards: "open,closed,hidden"}})
	switch {
	case es.Is(err, es.Permission):
		r.note("closed", hunt.Note{What: "whether an index is closed could not be asked", Where: strings.Join(r.place.asked, ","), Hint: "grant view_index_metadata on these indices"})
		return nil
	case es.Is(err, es.NotFound, es.Fatal):
		return nil // no such index: the plan will explain it
	case err != nil:
		return err
	}
	var open, closed []string
	for _, i := range answer.Indices {
		if slices.Contains(i.Attributes, "closed") {
			closed = append(closed, i.Name)
		} else {
			open = append(open, i.Name)
		}
	}
	var may []string
	for _, c := range closed {
		before, err := r.before(ctx, c, open)
		if err != nil {
			return err
		}
		if !before {
			may = append(may, c)
		}
	}
	if len(may) > 0 {
		slices.Sort(may)
		r.mu.Lock()
		r.gaps = append(r.gaps, hunt.Note{Where: strings.Join(may, ", "),
			What: "a closed index cannot be searched, and it may hold connections of the window",
			Hint: "open it (POST INDEX/_open), or delete it if the clean-up closed it"})
		r.mu.Unlock()
	}
	return nil
}

// generation splits a backing index's name: stream, day of creation, number.
var generation = regexp.MustCompile(`^((?:[^:]+:)?\.ds-.+)-(\d{4}\.\d\d\.\d\d)-(\d{6})$`)

const (
	// late is how long after its end a connection's record may arrive.
	late = 2 * time.Hour
	// enough is the number of older records that shows that an index was already written before the window.
	enough = 1000
)

// before says that an index has nothing of the window: it was written before the next index of its stream was made, and
// that was before the window. Names have only the day; for the day itself the next index's records decide.
func (r *reading) before(ctx context.Context, closed string, open []string) (bool, error) {
	own := generation.FindStringSubmatch(closed)
	if own == nil {
		return false, nil
	}
	var next []string
	for _, name := range open {
		m := generation.FindStringSubmatch(name)
		if m == nil || m[1] != own[1] || m[3] <= own[3] || next != nil && m[3] >= next[3] {
			continue
		}
		next = m
	}
	if next == nil {
		return false, nil
	}
	from := r.window.Start
	if day, err := time.Parse("2006.01.02", next[2]); err == nil && !day.Add(24*time.Hour).After(from) {
		return true, nil
	}
	// Long connections began long before they arrived.
	short := dsl.Not(dsl.Range(fieldDuration, object{"gte": int64(late.Seconds())}))
	in := func(filter ...any) object {
		return dsl.All(append(filter, dsl.Term("_index", next[0]), short)...)
	}
	older, err := r.count(ctx, in(dsl.Millis(fieldTime, object{"lt": from.Add(-2 * late).UnixMilli()})))
	if err != nil || older == 0 {
		return false, err
	}
	all, err := r.count(ctx, in())
	return older >= enough || 20*older >= all, err
}
