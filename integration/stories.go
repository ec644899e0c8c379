package integration

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
	clauses := []any{map[string]any{"range": map[string]any{"dwell.window.end": map[string]any{"gt": from.UnixMilli(), "lte": to.UnixMilli(), "format": "epoch_millis"}}}}
	var after json.RawMessage
	for {
		composite := map[string]any{"size": storiesPerPage, "sources": []any{map[string]any{"story": map[string]any{"terms": map[string]any{"field": "dwell.story_id"}}}}}
		if after != nil {
			composite["after"] = after
		}
		body, err := json.Marshal(map[string]any{
			"size": 0, "query": filtered(clauses), "track_total_hits": false,
			"aggs": map[string]any{"stories": map[string]any{"composite": composite, "aggs": map[string]any{
				"first": map[string]any{"min": map[string]any{"field": "event.start"}}, "last": map[string]any{"max": map[string]any{"field": "event.end"}}}}},
		})
		if err != nil {
			return fmt.Errorf("encode search: %w", err)
		}
		type moment struct {
			Value float64 `json:"value"`
		}
		var page struct {
			Stories struct {
				AfterKey json.RawMessage `json:"after_key"`
				Buckets  []struct {
					Key struct {
						Story string `json:"story"`
					} `json:"key"`
					First, Last moment
				} `json:"buckets"`
			} `json:"stories"`
		}
		err = s.client.Search(ctx, es.SearchRequest{Op: "look when stories were seen", Index: []string{soconfig.FindingStream}, Body: body, MissingOK: true},
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
			if b.First.Value > 0 && b.Last.Value >= b.First.Value {
				take(b.Key.Story, int64(b.First.Value), int64(b.Last.Value))
			}
		}
		if after = page.Stories.AfterKey; after == nil {
			return nil
		}
	}
}
