package elastic

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"dwell/internal/es"
	"dwell/internal/hunt"
	"dwell/internal/securityonion"
)

// indices settles what is searched.
func (s *Source) indices(ctx context.Context) ([]string, []hunt.Note, error) {
	if !slices.Equal(s.opt.Index, []string{Auto}) {
		return s.opt.Index, doubleCount(s.opt.Index), nil
	}
	plain := securityonion.Indices(false)
	remotes := map[string]json.RawMessage{}
	err := s.client.Do(ctx, es.Call{Op: "ask for remote clusters", Request: esapi.ClusterRemoteInfoRequest{}, Decode: es.JSON(&remotes)})
	switch {
	case es.Is(err, es.Permission):
		return plain, []hunt.Note{{
			What: "remote clusters could not be asked for, so only this cluster is searched",
			Hint: "grant the cluster privilege monitor, or name the indices",
		}}, nil
	case err != nil:
		return nil, nil, err
	case len(remotes) == 0:
		return plain, nil, nil
	}
	return securityonion.Indices(true), nil, nil
}

// Name gives the indices that a hunt reads, as its Reading.Source names them.
func (s *Source) Name(ctx context.Context) (string, error) {
	names, _, err := s.indices(ctx)
	return join(names), err
}

// readable finds out which of the named indices may be read, because a search over several leaves out in silence what
// the user may not see. Patterns and remote names are left to the server. With auto, an index that may not be read is a
// note as long as another may; otherwise it is an error.
func (r *reading) readable(ctx context.Context) error {
	var denied error
	readable := 0
	var notes []hunt.Note
	for _, name := range r.names {
		if strings.ContainsAny(name, "*:") {
			readable++
			continue
		}
		err := r.src.client.Search(ctx, es.SearchRequest{Op: "search", Index: []string{name},
			Body: body(object{"size": 0, "track_total_hits": false, "query": object{"match_none": object{}}})}, func(es.SearchResult) error { return nil })
		switch {
		case err == nil:
			readable++
		case es.Is(err, es.NotFound):
		case es.Is(err, es.Permission):
			if !slices.Equal(r.src.opt.Index, []string{Auto}) {
				return err
			}
			denied = err
			notes = append(notes, hunt.Note{What: "may not be read and is left out", Where: name, Hint: "grant the index privilege read, or name the indices to search"})
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

// wantType says whether a field's type suits what is asked of it.
func wantType(field, typ string) bool {
	switch field {
	case fieldTime:
		return typ == "date"
	case fieldSource, fieldDest:
		return typ == "ip"
	case fieldSrcPort, fieldDstPort, fieldDuration, fieldOrigIP, fieldOrig, fieldResp:
		return slices.Contains([]string{"long", "integer", "short", "unsigned_long", "byte"}, typ) ||
			field == fieldDuration && (typ == "float" || typ == "double" || typ == "half_float" || typ == "scaled_float")
	}
	return typ == "keyword" || typ == "constant_keyword" || typ == "wildcard"
}

// capabilities are what fields are mapped as, by field and type.
type capabilities struct {
	Indices []string `json:"indices"`
	Fields  map[string]map[string]struct {
		Indices      []string `json:"indices"`
		Aggregatable bool     `json:"aggregatable"`
	} `json:"fields"`
}

func (s *Source) capabilities(ctx context.Context, names, fields []string) (answer capabilities, err error) {
	yes := true
	err = s.client.Do(ctx, es.Call{Op: "check the fields of", Index: join(names), Decode: es.JSON(&answer, "indices", "fields"),
		Request: esapi.FieldCapsRequest{Index: names, Fields: fields, IgnoreUnavailable: &yes, AllowNoIndices: &yes}})
	return answer, err
}

// countable gives runtime mappings for those of the fields that cannot be aggregated as they are mapped: the server then
// takes their values out of the documents. That is slow, so it is for searches about few documents.
func (s *Source) countable(ctx context.Context, names []string, fields ...string) (object, error) {
	answer, err := s.capabilities(ctx, names, fields)
	if err != nil {
		return nil, err
	}
	out := object{}
	for _, f := range fields {
		for typ, caps := range answer.Fields[f] {
			if typ != "unmapped" && !(wantType(f, typ) && caps.Aggregatable) {
				out[f] = object{"type": "keyword"}
			}
		}
	}
	return out, nil
}

// checkFields refuses mappings over which the same query would silently mean something else: an address that is a
// keyword matches no network. A field that is mapped nowhere is only told, since all its values are absent then.
func (r *reading) checkFields(ctx context.Context) error {
	fields := append([]string{fieldDataset}, r.query.also...)
	for _, s := range r.query.sources {
		fields = append(fields, s.field)
	}
	answer, err := r.src.capabilities(ctx, r.names, fields)
	if err != nil {
		return err
	}
	if len(answer.Indices) == 0 {
		return nil // The plan will find nothing and explain it.
	}
	var missing, unusable []string
	for _, f := range fields {
		types := answer.Fields[f]
		if len(types) == 0 {
			missing = append(missing, f)
		}
		for typ, caps := range types {
			if typ == "unmapped" || wantType(f, typ) && caps.Aggregatable {
				continue
			}
			if r.query.spare[f] != "" {
				unusable = append(unusable, f)
				r.note("spare "+f, hunt.Note{What: fmt.Sprintf("%s is of type %s%s, which cannot be counted, %s", f, typ, where(caps.Indices), r.query.spare[f]),
					Where: join(r.names), Hint: "map it as keyword, as Security Onion does, to have it"})
				continue
			}
			return &es.Error{Kind: es.Mapping, Op: "check the fields of", Index: join(r.names),
				Reason: fmt.Sprintf("%s is of type %s%s, which cannot be read as Zeek's", f, typ, where(caps.Indices)),
				Hint:   "these are not Security Onion's own indices, or a template was changed: name the right ones, or leave that index out"}
		}
	}
	if len(unusable) > 0 {
		r.query.sources = slices.DeleteFunc(slices.Clone(r.query.sources), func(s source) bool { return slices.Contains(unusable, s.field) })
	}
	needed := func(s source) bool { return !s.optional && slices.Contains(missing, s.field) }
	if slices.Contains(missing, fieldDataset) || slices.ContainsFunc(r.query.sources, needed) {
		return nil // No records can be there: the same.
	}
	if len(missing) > 0 && !r.told {
		r.note("fields", hunt.Note{
			What: fmt.Sprintf("%s: not in any of the indices, so absent in every connection", strings.Join(missing, ", ")), Where: join(r.names)})
	}
	return nil
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
