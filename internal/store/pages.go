package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"

	"dwell/internal/es/dsl"
)

// pageSize is the number of hits per request; the limit is index.max_result_window, 10,000.
const pageSize = 2000

// hit is one search hit.
type hit struct {
	dsl.Hit
	Source json.RawMessage `json:"_source"`
}

// versioned requests each document's sequence number.
func versioned() dsl.Object { return dsl.Object{"seq_no_primary_term": true} }

// each passes every document of a search to take, decoded into a D if the source is requested, until take returns false
// or an error.
func each[D any](ctx context.Context, s *Store, q dsl.Search, take func(hit, *D) (more bool, err error)) error {
	q.Size = cmp.Or(q.Size, pageSize)
	return dsl.EachPage(ctx, s.client, q, func(hits []hit) (bool, error) {
		for _, h := range hits {
			d, err := read[D](&h)
			if err != nil {
				return false, err
			}
			if more, err := take(h, d); err != nil || !more {
				return false, err
			}
		}
		return true, nil
	})
}

// read decodes a hit's document.
func read[D any](h *hit) (*D, error) {
	d := new(D)
	if h.Source == nil {
		return d, nil
	}
	if err := json.Unmarshal(h.Source, d); err != nil {
		return nil, fmt.Errorf("read document %s of %s: %w", h.ID, h.Index, err)
	}
	return d, nil
}

// eachFinding passes a bucket B with the given aggregations for each finding id in a stream.
func eachFinding[B any](ctx context.Context, s *Store, op, stream string, query any, below dsl.Object, take func(B) error) error {
	return dsl.EachBucket(ctx, s.client, dsl.Search{Op: op, Index: []string{stream}, Query: query}, findingsPerPage,
		[]any{dsl.Source("finding", "dwell.finding_id")}, below, take)
}

// latest passes the first document of each finding id in a stream, in the given order.
func latest[D any](ctx context.Context, s *Store, stream string, query any, order []any, take func(hit, *D) error) error {
	type bucket struct {
		Latest struct {
			Hits struct {
				Hits []hit `json:"hits"`
			} `json:"hits"`
		} `json:"latest"`
	}
	first := dsl.Object{"latest": dsl.Object{"top_hits": dsl.Object{"size": 1, "sort": order}}}
	return eachFinding(ctx, s, "list findings", stream, query, first, func(b bucket) error {
		for _, h := range b.Latest.Hits.Hits {
			d, err := read[D](&h)
			if err != nil {
				return err
			}
			if err := take(h, d); err != nil {
				return err
			}
		}
		return nil
	})
}
