// Package dsl builds searches in Elasticsearch's query language and pages through their answers.
package dsl

import (
	"encoding/json"
	"maps"
	"strings"

	"dwell/internal/es"
)

// Object is a JSON object of a request.
type Object = map[string]any

// Term matches documents with a value in a field; of an address, the value may be a network.
func Term(field string, value any) Object { return Object{"term": Object{field: value}} }

// Terms matches documents with one of some values in a field.
func Terms[T any](field string, values []T) Object { return Object{"terms": Object{field: values}} }

// Exists matches documents with any value in a field.
func Exists(field string) Object { return Object{"exists": Object{"field": field}} }

// Prefix matches documents with a value that begins with a text.
func Prefix(field, text string) Object { return Object{"prefix": Object{field: text}} }

// Below matches documents with a name below a domain in a field; the domain's own characters stand for themselves.
func Below(field, domain string, anyCase bool) Object {
	value := Object{"value": "*." + strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`).Replace(domain)}
	if anyCase {
		value["case_insensitive"] = true
	}
	return Object{"wildcard": Object{field: value}}
}

// Range matches documents with a value within bounds: gte, gt, lt, lte.
func Range(field string, bounds Object) Object { return Object{"range": Object{field: bounds}} }

// Millis is Range for times, the bounds being Unix milliseconds.
func Millis(field string, bounds Object) Object {
	bounds["format"] = "epoch_millis"
	return Range(field, bounds)
}

// All matches what all clauses match, and everything where there is none.
func All(clauses ...any) Object {
	if len(clauses) == 0 {
		return Object{"match_all": Object{}}
	}
	return Object{"bool": Object{"filter": clauses}}
}

// None matches nothing.
func None() Object { return Object{"match_none": Object{}} }

// Any matches what one of some clauses matches.
func Any(clauses ...any) Object {
	return Object{"bool": Object{"should": clauses, "minimum_should_match": 1}}
}

// Not matches what no clause matches.
func Not(clauses ...any) Object { return Object{"bool": Object{"must_not": clauses}} }

// Values counts documents by the values of a field, the size most frequent, with aggregations below each if there are
// any.
func Values(field string, size int, below Object) Object {
	return with(Object{"terms": Object{"field": field, "size": size}}, below)
}

// ValuesOf is Values of some values alone.
func ValuesOf[T any](field string, values []T, below Object) Object {
	return with(Object{"terms": Object{"field": field, "size": len(values), "include": values}}, below)
}

// Under is aggregations over what a query matches.
func Under(query any, below Object) Object { return with(Object{"filter": query}, below) }

// UnderEach is aggregations over what each of some queries matches: a list, or an object that names them.
func UnderEach(queries any, below Object) Object {
	return with(Object{"filters": Object{"filters": queries}}, below)
}

// Min and Max are the least and the largest value of a field.
func Min(field string) Object { return Object{"min": Object{"field": field}} }

// Max is described at Min.
func Max(field string) Object { return Object{"max": Object{"field": field}} }

// Histogram counts documents by intervals of time, such as "1h", and leaves out those without any.
func Histogram(field, interval string, below Object) Object {
	return with(Object{"date_histogram": Object{"field": field, "fixed_interval": interval, "min_doc_count": 1}}, below)
}

// Composite makes a bucket of each combination of values of its sources, at most size after the given key (nil for the
// first).
func Composite(size int, sources []any, after json.RawMessage, below Object) Object {
	c := Object{"size": size, "sources": sources}
	if after != nil {
		c["after"] = after
	}
	return with(Object{"composite": c}, below)
}

// Source is a source of Composite: a name and the field whose values it has.
func Source(name, field string) Object {
	return Object{name: Object{"terms": Object{"field": field}}}
}

func with(agg, below Object) Object {
	if below != nil {
		agg["aggs"] = below
	}
	return agg
}

// Ascending and Descending sort by a field.
func Ascending(field string) Object { return Object{field: Object{"order": "asc"}} }

// Descending is described at Ascending.
func Descending(field string) Object { return Object{field: Object{"order": "desc"}} }

// Search is a search for documents or for aggregations. Names of indices that do not exist have none.
type Search struct {
	// Op says what is searched for, in errors and logs; Index is where.
	Op    string
	Index []string
	// Query says which documents; nil means all.
	Query any
	// Aggs are the aggregations by name, nil for none.
	Aggs Object
	// Size is how many documents a page has at most, 0 for none. Sort must end in a field that differs from document to
	// document where pages are to follow each other.
	Size int
	Sort []any
	// Fields are those of each document that the answer has, in the form of the fields API. Source is what of the
	// document itself it has: true, a list of fields, or nil for nothing.
	Fields []any
	Source any
	// More are further members of the request.
	More Object
	// FilterPath is as in [es.SearchRequest].
	FilterPath []string
}

// Body is the request as JSON.
func (s *Search) Body() []byte {
	b := Object{"size": s.Size, "track_total_hits": false}
	if s.Query != nil {
		b["query"] = s.Query
	}
	if s.Aggs != nil {
		b["aggs"] = s.Aggs
	}
	if s.Size > 0 {
		b["_source"] = false
		if s.Source != nil {
			b["_source"] = s.Source
		}
	}
	if s.Sort != nil {
		b["sort"] = s.Sort
	}
	if s.Fields != nil {
		b["fields"] = s.Fields
	}
	maps.Copy(b, s.More)
	return Encode(b)
}

// Encode is an object as JSON. It is made of plain values only, for which that cannot go wrong.
func Encode(o Object) []byte {
	b, err := json.Marshal(o)
	if err != nil {
		panic("dsl: encode a request: " + err.Error())
	}
	return b
}

// Request is the search as [es.Client] takes it.
func (s *Search) Request() es.SearchRequest {
	return es.SearchRequest{Op: s.Op, Index: s.Index, Body: s.Body(), MissingOK: true, FilterPath: s.FilterPath}
}
