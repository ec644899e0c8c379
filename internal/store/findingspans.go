package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"dwell/internal/es"
	soconfig "dwell/so-config"
)

// Stories gives each story that hunts of a span (by the end of their windows) stored, with when its traffic was first and last seen
// according to them, Unix milliseconds.
func (s *Store) Stories(ctx context.Context, from, to time.Time, take func(story string, first, last int64)) error {
	type moment struct {
		Value float64 `json:"value"`
	}
	type story struct {
		Key struct {
			Story string `json:"story"`
		} `json:"key"`
		First, Last moment
	}
	clauses := []any{map[string]any{"range": map[string]any{"dwell.window.end": map[string]any{"gt": from.UnixMilli(), "lte": to.UnixMilli(), "format": "epoch_millis"}}}}
	span := map[string]any{"first": map[string]any{"min": map[string]any{"field": "event.start"}}, "last": map[string]any{"max": map[string]any{"field": "event.end"}}}
	return byStory(ctx, s, "look up when findings were seen", soconfig.FindingStream, clauses, span, func(b story) error {
		if b.First.Value > 0 && b.Last.Value >= b.First.Value {
			take(b.Key.Story, int64(b.First.Value), int64(b.Last.Value))
		}
		return nil
	})
}

// byStory goes over the stories of a stream, page by page; B is what a bucket holds with the given aggregations.
func byStory[B any](ctx context.Context, s *Store, op, stream string, clauses []any, aggs map[string]any, take func(B) error) error {
	var after json.RawMessage
	for {
		composite := map[string]any{"size": storiesPerPage, "sources": []any{map[string]any{"story": map[string]any{"terms": map[string]any{"field": "dwell.finding_id"}}}}}
		if after != nil {
			composite["after"] = after
		}
		body, err := json.Marshal(map[string]any{
			"size": 0, "query": filtered(clauses), "track_total_hits": false,
			"aggs": map[string]any{"stories": map[string]any{"composite": composite, "aggs": aggs}},
		})
		if err != nil {
			return fmt.Errorf("encode search: %w", err)
		}
		var page struct {
			Stories struct {
				AfterKey json.RawMessage `json:"after_key"`
				Buckets  []B             `json:"buckets"`
			} `json:"stories"`
		}
		err = s.client.Search(ctx, es.SearchRequest{Op: op, Index: []string{stream}, Body: body, MissingOK: true},
			func(r es.SearchResult) error {
				if r.Aggregations == nil {
					return nil
				}
				return json.Unmarshal(r.Aggregations, &page)
			})
		if err != nil {
			return err
		}
		for _, b := range page.Stories.Buckets {
			if err := take(b); err != nil {
				return err
			}
		}
		if after = page.Stories.AfterKey; after == nil {
			return nil
		}
	}
}
