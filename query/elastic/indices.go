package elastic

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"dwell/internal/es"
	"dwell/internal/es/dsl"
	"dwell/internal/hunt"
	"dwell/internal/securityonion"
)

// Name returns the indices that a hunt reads, as its Reading.Source names them.
func (s *Source) Name(ctx context.Context) (string, error) {
	p, err := s.place(ctx)
	if err != nil {
		return "", err
	}
	return strings.Join(p.asked, ","), nil
}

// readable finds out which of the named indices the user may read, because a search over several silently leaves out
// the others. Patterns and remote names are left to the server. With auto, an index without permission is a note if
// another is readable; otherwise it is an error.
func (r *reading) readable(ctx context.Context) error {
	var denied error
	readable := 0
	var notes []hunt.Note
	for _, name := range r.place.now() {
		if strings.ContainsAny(name, "*:") {
			readable++
			continue
		}
		req := nowhere([]string{name}, false)
		req.MissingOK = false // a missing index is not the same as one without permission
		err := r.src.client.Search(ctx, req, func(es.SearchResult) error { return nil })
		switch {
		case err == nil:
			readable++
		case es.Is(err, es.NotFound), closedIndex(err):
		case es.Is(err, es.Permission):
			if !slices.Equal(r.src.opt.Index, []string{Auto}) {
				return err
			}
			denied = err
			notes = append(notes, hunt.Note{What: "cannot be read (missing privilege) and is left out", Where: name, Hint: "grant the index privilege read, or name the indices to search"})
		default:
			return err
		}
	}
	if readable == 0 && denied != nil {
		return denied
	}
	r.notes = append(r.notes, notes...)
	return nil
}

// doubleCount warns of an index that is named both plainly and through remote clusters: Security Onion's managers are
// their own remote, so its connections would count twice.
func doubleCount(names []string) []hunt.Note {
	var notes []hunt.Note
	for _, n := range names {
		if cluster, plain, ok := strings.Cut(n, ":"); ok && strings.Contains(cluster, "*") && slices.Contains(names, plain) {
			notes = append(notes, hunt.Note{
				What: fmt.Sprintf("%s and %s are both searched; on a Security Onion manager the second holds the first, and connections count twice", plain, n),
				Hint: "name one of them, or use auto",
			})
		}
	}
	return notes
}

// wantType says whether a field's type suits its use.
func wantType(field, typ string) bool {
	switch field {
	case fieldTime:
		return typ == "date"
	case fieldSource, fieldDest:
		return typ == "ip"
	case fieldSrcPort, fieldDstPort, fieldSOCKSPort, fieldDepth, fieldDuration, fieldOrigIP, fieldRespIP, fieldOrig, fieldResp:
		return slices.Contains([]string{"long", "integer", "short", "unsigned_long", "byte"}, typ) ||
			field == fieldDuration && (typ == "float" || typ == "double" || typ == "half_float" || typ == "scaled_float")
	}
	return typ == "keyword" || typ == "constant_keyword" || typ == "wildcard"
}

// capabilities are the mapped types, by field and type.
type capabilities struct {
	Indices []string                     `json:"indices"`
	Fields  map[string]map[string]mapped `json:"fields"`
}

type mapped struct {
	Indices      []string `json:"indices"`
	Aggregatable bool     `json:"aggregatable"`
}

// of says whether a type of a field is readable.
func (m mapped) of(field, typ string) bool {
	return typ == "unmapped" || wantType(field, typ) && m.Aggregatable
}

// capabilities looks at the indices that may have something of a span: how others are mapped does not matter.
func (s *Source) capabilities(ctx context.Context, names, fields []string, from, to int64) (answer capabilities, err error) {
	yes := true
	err = s.client.Do(ctx, es.Call{Op: "check the fields of", Index: strings.Join(names, ","), Decode: es.JSON(&answer, "indices", "fields"),
		Request: esapi.FieldCapsRequest{Index: names, Fields: fields, IgnoreUnavailable: &yes, AllowNoIndices: &yes,
			Body: bytes.NewReader(dsl.Encode(object{"index_filter": between(from, to)}))}})
	return answer, err
}

// countable returns runtime mappings for fields that cannot be aggregated as they are mapped: the server then reads
// their values from the documents. That is slow, so it is for searches over few documents.
func (s *Source) countable(ctx context.Context, names []string, req hunt.Request, fields ...string) (object, error) {
	answer, err := s.capabilities(ctx, names, fields, req.From.UnixMilli(), req.To.UnixMilli())
	if err != nil {
		return nil, err
	}
	out := object{}
	for _, f := range fields {
		for typ, m := range answer.Fields[f] {
			if !m.of(f, typ) {
				out[f] = object{"type": "keyword"}
			}
		}
	}
	return out, nil
}

// dispensable are the fields that a connection can lack. Another type for any other field makes an index unreadable.
func dispensable(field string) bool {
	return slices.Contains([]string{fieldSrcPort, fieldDepth, securityonion.FieldObserver, fieldDuration, fieldOrigIP, fieldRespIP, fieldOrig, fieldResp, fieldState}, field)
}

// checkFields looks for mappings that would silently change a query's meaning: an address mapped as keyword matches no
// network. A dispensable field is left out with a note; otherwise the index is left out, which is a gap. No readable
// index is an error.
func (r *reading) checkFields(ctx context.Context) error {
	fields := append([]string{fieldDataset}, r.query.also...)
	for _, s := range r.query.sources {
		fields = append(fields, s.field)
	}
	answer, err := r.src.capabilities(ctx, r.place.now(), fields, r.from, r.to)
	if err != nil {
		return err
	}
	if len(answer.Indices) == 0 {
		return nil // the plan will find nothing and explain it
	}
	var missing, without, unreadable []string
	var why hunt.Note
	for _, f := range fields {
		types := answer.Fields[f]
		if len(types) == 0 && f != fieldState { // without it no connection is known to be unanswered, as if all were answered
			missing = append(missing, f)
		}
		for typ, m := range types {
			if m.of(f, typ) {
				continue
			}
			in := m.Indices
			if len(in) == 0 {
				in = answer.Indices
			}
			if spare := r.spare(f); spare != "" {
				without = append(without, f)
				r.note("spare "+f, hunt.Note{What: fmt.Sprintf("%s is of type %s%s, which cannot be counted, %s", f, typ, where(in), spare),
					Where: strings.Join(r.place.asked, ","), Hint: "map it as Security Onion does, to have it"})
				continue
			}
			why = hunt.Note{What: fmt.Sprintf("%s is of type %s%s, which cannot be read as Zeek's", f, typ, where(in)), Where: strings.Join(r.place.asked, ","),
				Hint: "these are not Security Onion's own indices, or a template was changed: name the right ones, or leave that index out"}
			unreadable = append(unreadable, in...)
		}
	}
	r.query.sources = slices.DeleteFunc(slices.Clone(r.query.sources), func(s source) bool { return slices.Contains(without, s.field) })
	if len(unreadable) > 0 {
		slices.Sort(unreadable)
		unreadable = slices.Compact(unreadable)
		if len(unreadable) == len(answer.Indices) && !r.past {
			return &es.Error{Kind: es.Mapping, Op: "check the fields of", Index: why.Where, Reason: why.What, Hint: why.Hint}
		}
		r.unreadable = unreadable
		r.query.mustNot = append(slices.Clone(r.query.mustNot), dsl.Terms("_index", unreadable))
		if r.past {
			return nil
		}
		why.What += fmt.Sprintf(", so its %s are missing", r.many)
		r.mu.Lock()
		if !r.noted["unreadable"] {
			r.noted["unreadable"], r.gaps = true, append(r.gaps, why)
		}
		r.mu.Unlock()
	}
	needed := func(s source) bool { return !s.optional && slices.Contains(missing, s.field) }
	if slices.Contains(missing, fieldDataset) || slices.ContainsFunc(r.query.sources, needed) {
		return nil // no records either
	}
	if len(missing) > 0 && !r.reported {
		r.note("fields", hunt.Note{
			What: fmt.Sprintf("%s: not in any of the indices, so absent in every connection", strings.Join(missing, ", ")), Where: strings.Join(r.place.asked, ",")})
	}
	return nil
}

// spare drops a field that can be left out.
func (r *reading) spare(field string) string {
	if s := r.query.spare[field]; s != "" || !dispensable(field) {
		return s
	}
	return "so it is absent in every record"
}

// where names the indices that differ from the others, at most three.
func where(indices []string) string {
	if len(indices) == 0 {
		return ""
	}
	more := ""
	if len(indices) > 3 {
		more = fmt.Sprintf(" and %d more", len(indices)-3)
		indices = indices[:3]
	}
	return " in " + strings.Join(indices, ", ") + more
}
