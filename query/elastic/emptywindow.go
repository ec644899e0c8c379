package elastic

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"dwell/internal/es"
	"dwell/internal/es/dsl"
	"dwell/internal/hunt"
	"dwell/internal/securityonion"
)

// explainNothing says why a window has no connection in scope. With Zeek data elsewhere that is a note. Without any it
// is an error, because the hunt looked in the wrong place.
func (r *reading) explainNothing(ctx context.Context, now time.Time) error {
	if r.shards == 0 {
		return r.noZeek(ctx)
	}
	newest, found, err := r.newest(ctx, isConn())
	r.latest = newest
	if err != nil {
		return err
	}
	if !found {
		sets, err := r.datasets(ctx)
		if err == nil && slices.Contains(sets, strconv.Quote(securityonion.Dataset("dns"))) {
			r.note("", hunt.Note{What: "there is no conn log, so no beacon, long connection or strobe can be found", Where: strings.Join(r.place.asked, ","),
				Hint: "see whether zeek.conn documents arrive", Logs: []string{"conn"}})
			return nil
		}
		return r.noZeek(ctx)
	}
	inWindow, err := r.count(ctx, dsl.All(between(r.from, r.to), only(datasetConn)))
	if err != nil {
		return err
	}
	if inWindow > 0 && r.req.Scope.Narrowed() { // for a question about one destination, none is the answer
		return r.future(ctx, now)
	}
	if inWindow > 0 {
		r.note("", hunt.Note{
			What:  fmt.Sprintf("the window holds %s, but none is %s by the internal networks given", hunt.Many(inWindow, "connection"), r.req.Scope.Direction),
			Where: strings.Join(r.place.asked, ","), Hint: "check --internal and --direction",
		})
		return r.future(ctx, now)
	}
	age := "in the future"
	if d := now.Sub(newest); d >= 0 {
		age = hunt.Brief(d.Seconds()) + " ago"
	}
	r.note("", hunt.Note{
		What:  fmt.Sprintf(hunt.EmptyWindow+"; the newest one started %s, %s", stamp(newest.UnixMilli()), age),
		Where: strings.Join(r.place.asked, ","), Hint: "choose another window, or check that Zeek's logs still arrive",
	})
	return r.future(ctx, now)
}

// Newest is hunt.Session's.
func (s *Source) Newest(ctx context.Context) (time.Time, error) {
	p, err := s.place(ctx)
	if err != nil {
		return time.Time{}, err
	}
	r := newReading(s, p, log{rows: func() rows { return nil }}, hunt.Request{})
	t, _, err := r.newest(ctx, dsl.All(only(datasetConn),
		dsl.Range(fieldTime, object{"lte": "now"})))
	return t, err
}

// newest returns the time of the newest document that matches.
func (r *reading) newest(ctx context.Context, query object) (t time.Time, found bool, err error) {
	q := dsl.Search{Op: "find the newest connection", Query: query, Size: 1, Sort: newestFirst(), FilterPath: []string{"hits.hits.sort"}}
	hits, err := dsl.Hits[struct {
		Sort []int64 `json:"sort"`
	}](ctx, r, q)
	if err != nil || len(hits) == 0 || len(hits[0].Sort) == 0 {
		return t, false, err
	}
	return time.UnixMilli(hits[0].Sort[0]).UTC(), true, nil
}

// newestFirst sorts by time, where an index has it.
func newestFirst() []any {
	return []any{object{fieldTime: object{"order": "desc", "unmapped_type": "date"}}}
}

// future reports connections that start after now: a sensor's clock is wrong, and its rhythms with it.
func (r *reading) future(ctx context.Context, now time.Time) error {
	const tolerance = time.Minute
	from := now.Add(tolerance).UnixMilli()
	far := now.AddDate(100, 0, 0).UnixMilli()
	n, ok, err := r.afterwards(ctx, r.query.in(from, far))
	if !ok {
		return err
	}
	if n > 0 {
		r.note("future", hunt.Note{
			What: fmt.Sprintf("%d connections start in the future", n), Where: strings.Join(r.place.asked, ","),
			Hint: "the clock of a sensor is wrong (observer.name tells which)",
		})
	}
	return nil
}

// noZeek is the error for a cluster without any Zeek connection: what was looked for, and what is there instead.
func (r *reading) noZeek(ctx context.Context) error {
	e := &es.Error{Kind: es.NotFound, Op: "look for " + datasetConn + " in", Index: strings.Join(r.place.asked, ","), Reason: "no Zeek connection is there at all",
		Hint: "check the index names, that Zeek's logs arrive, and that the user or API key may read them"}
	if r.shards == 0 {
		e.Reason = "no such index is there, or none that may be read"
	}
	suricata := []string{securityonion.StreamSuricata}
	if slices.ContainsFunc(r.place.asked, grid) {
		suricata[0] = securityonion.AnyCluster + suricata[0]
	}
	meant := r.place
	r.place = &place{names: suricata}
	_, found, err := r.newest(ctx, dsl.Term(fieldDataset, "suricata.conn"))
	r.place = meant
	if err == nil && found {
		e.Reason = "no Zeek connection is there, but suricata.conn is in " + strings.Join(suricata, ",") + ": this grid uses Suricata for metadata"
		e.Hint = "dwell reads Zeek's connections: set Security Onion's global.mdengine to ZEEK, or hunt on Zeek logs with --zeek"
		return e
	}
	if r.shards > 0 {
		if sets, err := r.datasets(ctx); err == nil && len(sets) > 0 {
			e.Reason += "; it holds " + strings.Join(sets, ", ")
		}
	}
	return e
}

// datasets names the most frequent kinds of documents.
func (r *reading) datasets(ctx context.Context) ([]string, error) {
	var a struct {
		D terms `json:"d"`
	}
	q := dsl.Search{Op: "list datasets", Aggs: object{"d": dsl.Values(fieldDataset, 5, nil)}, FilterPath: []string{"aggregations.d.buckets.key"}}
	err := q.Aggregations(ctx, r, &a)
	var out []string
	for _, b := range a.D.Buckets {
		out = append(out, fmt.Sprintf("%q", b.Key))
	}
	return out, err
}
