package dsl

import (
	"context"
	"encoding/json"
	"maps"

	"dwell/internal/es"
)

// Searcher sends searches: [es.Client], or what narrows them first.
type Searcher interface {
	Search(ctx context.Context, req es.SearchRequest, decode func(es.SearchResult) error) error
}

// Aggregations sends the search and reads its aggregations into v; without an index there are none, and v stays as it
// is.
func (s *Search) Aggregations(ctx context.Context, by Searcher, v any) error {
	return by.Search(ctx, s.Request(), func(r es.SearchResult) error {
		if r.Aggregations == nil {
			return nil
		}
		return json.Unmarshal(r.Aggregations, v)
	})
}

// Hit is what every document of an answer has. Types for hits embed it and add _source or fields.
type Hit struct {
	ID    string          `json:"_id"`
	Index string          `json:"_index"`
	Sort  json.RawMessage `json:"sort"`
	// SeqNo and PrimaryTerm name the version of the document, where the search asked for it (seq_no_primary_term).
	SeqNo       int64 `json:"_seq_no"`
	PrimaryTerm int64 `json:"_primary_term"`
}

func (h Hit) after() json.RawMessage { return h.Sort }

// Hits sends the search and gives the documents of its one page.
func Hits[H any](ctx context.Context, by Searcher, s Search) ([]H, error) {
	var page struct {
		Hits []H `json:"hits"`
	}
	err := by.Search(ctx, s.Request(), func(r es.SearchResult) error {
		page.Hits = nil
		if r.Hits == nil {
			return nil
		}
		return json.Unmarshal(r.Hits, &page)
	})
	return page.Hits, err
}

// EachPage gives all documents of a search, page by page, until take says false or errs. It pages by search_after on a
// total order rather than by a point in time: documents are not changed in the fields that we sort by, and what is
// added meanwhile sorts where it belongs.
func EachPage[H interface{ after() json.RawMessage }](ctx context.Context, by Searcher, s Search, take func([]H) (more bool, err error)) error {
	s.More = maps.Clone(s.More)
	for {
		hits, err := Hits[H](ctx, by, s)
		if err != nil {
			return err
		}
		if more, err := take(hits); err != nil || !more || len(hits) < s.Size {
			return err
		}
		if s.More == nil {
			s.More = Object{}
		}
		s.More["search_after"] = hits[len(hits)-1].after()
	}
}

// EachBucket gives all buckets of a composite aggregation over the documents of a search, size at a time.
func EachBucket[B any](ctx context.Context, by Searcher, s Search, size int, sources []any, below Object, take func(B) error) error {
	var after json.RawMessage
	for {
		s.Aggs = Object{"page": Composite(size, sources, after, below)}
		var answer struct {
			Page struct {
				After   json.RawMessage `json:"after_key"`
				Buckets []B             `json:"buckets"`
			} `json:"page"`
		}
		if err := s.Aggregations(ctx, by, &answer); err != nil {
			return err
		}
		for _, b := range answer.Page.Buckets {
			if err := take(b); err != nil {
				return err
			}
		}
		if after = answer.Page.After; after == nil {
			return nil
		}
	}
}
