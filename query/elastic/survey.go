package elastic

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"dwell/internal/es"
	"dwell/internal/es/dsl"
	"dwell/internal/hunt"
)

// Survey is what `dwell check` reports about the data before a hunt.
type Survey struct {
	// Names are the indices that a hunt would read; Notes are about their choice.
	Names []string
	Notes []hunt.Note
	// OutOfScope is what the scope leaves out of the last day.
	OutOfScope []hunt.Note
	// Newest is the start of the newest connection, zero if there is none.
	Newest time.Time
	// Connections of the last 24 hours, in or out of scope; Hours is the number of those hours with any.
	Connections int64
	Hours       int
	// Fields are those that a hunt reads, most important first.
	Fields []Field
}

// Field is one field of zeek.conn documents as the indices have it.
type Field struct {
	Name string
	// Types are the types it is mapped as; several mean that indices disagree, none that it is not mapped.
	Types []string
	// Wanted are the types that can be read.
	Wanted []string
	// Filled is the share of the last day's connections that have a value, 0..1; NaN without connections.
	Filled float64
	// Needed says that a connection must have it.
	Needed bool
}

// Good says whether every type can be read.
func (f Field) Good() bool {
	return len(f.Types) > 0 && !slices.ContainsFunc(f.Types, func(t string) bool { return !slices.Contains(f.Wanted, t) })
}

func surveyed() []Field {
	ip, number, word, date := []string{"ip"}, []string{"long", "integer"}, []string{"keyword"}, []string{"date"}
	return []Field{
		{Name: fieldTime, Wanted: date, Needed: true}, {Name: fieldSource, Wanted: ip, Needed: true}, {Name: fieldDest, Wanted: ip, Needed: true},
		{Name: fieldDataset, Wanted: []string{"keyword", "constant_keyword"}, Needed: true},
		{Name: fieldDstPort, Wanted: number}, {Name: fieldTransport, Wanted: word}, {Name: fieldService, Wanted: word},
		{Name: fieldOrigIP, Wanted: number}, {Name: fieldOrig, Wanted: number}, {Name: fieldResp, Wanted: number},
		{Name: fieldDuration, Wanted: []string{"long", "float", "double", "integer"}}, {Name: fieldSrcPort, Wanted: number}, {Name: "log.id.uid", Wanted: word},
	}
}

// Survey looks at the data that a hunt would read: which indices, how new, how complete, how mapped.
func (s *Source) Survey(ctx context.Context, scope hunt.Scope) (*Survey, error) {
	clock, _, err := s.clock(ctx)
	if err != nil {
		return nil, err
	}
	names, notes, err := s.indices(ctx)
	if err != nil {
		return nil, err
	}
	out := &Survey{Names: names, Notes: notes, Fields: surveyed()}
	if err := s.fieldTypes(ctx, out); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(out.Fields, func(f Field) bool { return f.Needed && !f.Good() }) {
		return out, s.fill(ctx, clock, out)
	}
	left, err := s.outside(ctx, names, clock.Add(-24*time.Hour).UnixMilli(), clock.UnixMilli(), &scope, nil)
	if err != nil {
		return nil, err
	}
	out.OutOfScope = left.Notes()
	return out, s.fill(ctx, clock, out)
}

func (s *Source) fieldTypes(ctx context.Context, out *Survey) error {
	fields := make([]string, len(out.Fields))
	for i, f := range out.Fields {
		fields[i] = f.Name
	}
	yes := true
	var caps struct {
		Fields map[string]map[string]struct {
			Type string `json:"type"`
		} `json:"fields"`
	}
	err := s.client.Do(ctx, es.Call{Op: "ask how fields are mapped", Index: strings.Join(out.Names, ","), Decode: es.JSON(&caps, "fields"), Request: esapi.FieldCapsRequest{
		Index: out.Names, Fields: fields, IgnoreUnavailable: &yes, AllowNoIndices: &yes}})
	if err != nil {
		return err
	}
	for i := range out.Fields {
		for t := range caps.Fields[out.Fields[i].Name] {
			if t != "unmapped" {
				out.Fields[i].Types = append(out.Fields[i].Types, t)
			}
		}
		slices.Sort(out.Fields[i].Types)
	}
	return nil
}

// fill counts the last day's connections, its hours and how many have each field, in one search.
func (s *Source) fill(ctx context.Context, now time.Time, out *Survey) error {
	filters := object{}
	for _, f := range out.Fields {
		filters[f.Name] = dsl.Exists(f.Name)
	}
	last := between(now.Add(-24*time.Hour).UnixMilli(), now.UnixMilli())
	q := dsl.Search{Op: "look at the last day's connections", Index: out.Names, Query: only(datasetConn), Aggs: object{
		"newest": dsl.Max(fieldTime),
		"day": dsl.Under(last, object{
			"hours":  dsl.Histogram(fieldTime, "1h", nil),
			"filled": dsl.UnderEach(filters, nil),
		}),
	}}
	var a struct {
		Newest struct {
			Value *float64 `json:"value"`
		} `json:"newest"`
		Day struct {
			Count int64 `json:"doc_count"`
			Hours struct {
				Buckets []json.RawMessage `json:"buckets"`
			} `json:"hours"`
			Filled struct {
				Buckets map[string]struct {
					Count int64 `json:"doc_count"`
				} `json:"buckets"`
			} `json:"filled"`
		} `json:"day"`
	}
	if err := q.Aggregations(ctx, s.client, &a); err != nil {
		return err
	}
	if a.Newest.Value != nil {
		out.Newest = time.UnixMilli(int64(*a.Newest.Value)).UTC()
	}
	out.Connections, out.Hours = a.Day.Count, min(len(a.Day.Hours.Buckets), 24)
	for i, f := range out.Fields {
		out.Fields[i].Filled = float64(a.Day.Filled.Buckets[f.Name].Count) / float64(a.Day.Count)
	}
	return nil
}
