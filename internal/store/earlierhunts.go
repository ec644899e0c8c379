package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"dwell/internal/es"
	"dwell/internal/hunt"
	"dwell/so-config"
)

// Past gives what is stored of the hunts with these ids ([hunt.Definition.ID]); those without a document are left out.
func (s *Store) Past(ctx context.Context, ids []string) (map[string]hunt.Past, error) {
	out := map[string]hunt.Past{}
	for some := range slices.Chunk(ids, maxHunts) {
		q := search{op: "look which windows were hunted", index: soconfig.HuntStream,
			source: []string{"dwell.hunt_id", "dwell.hunt.complete", "dwell.hunt.connections", "dwell.window.end", "event.ingested"},
			filter: []any{map[string]any{"terms": map[string]any{"dwell.hunt_id": some}}},
			sort:   []any{ascending("event.ingested"), ascending("dwell.hunt_id"), ascending("dwell.revision")}}
		err := s.pages(ctx, q, func(h hit) (bool, error) {
			var d hunt.Document
			if err := json.Unmarshal(h.Source, &d); err != nil {
				return false, fmt.Errorf("read document %s of %s: %w", h.ID, soconfig.HuntStream, err)
			}
			past := out[d.Dwell.HuntID]
			past.Add(&d)
			out[d.Dwell.HuntID] = past
			return true, nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Clock gives the cluster's time beside this host's. Credentials that may not ask a node are told by a search of our own
// stream, in which "now" is the cluster's.
func (s *Store) Clock(ctx context.Context) (es.Clock, error) {
	c, err := s.client.Clock(ctx)
	if !es.Is(err, es.Permission) {
		return c, err
	}
	denied := err
	body, err := json.Marshal(map[string]any{"size": 0, "track_total_hits": false, "query": map[string]any{"match_none": map[string]any{}},
		"aggs": map[string]any{"clock": map[string]any{"date_range": map[string]any{"field": "@timestamp", "ranges": []any{map[string]any{"from": "now"}}}}}})
	if err != nil {
		return c, fmt.Errorf("encode search: %w", err)
	}
	var answer struct {
		Clock struct {
			Buckets []struct {
				From float64 `json:"from"`
			} `json:"buckets"`
		} `json:"clock"`
	}
	before := time.Now()
	err = s.client.Search(ctx, es.SearchRequest{Op: "ask for the cluster's time", Index: []string{soconfig.HuntStream}, Body: body, MissingOK: true},
		func(r es.SearchResult) error {
			if r.Aggregations == nil {
				return nil
			}
			return json.Unmarshal(r.Aggregations, &answer)
		})
	took := time.Since(before)
	if err != nil || len(answer.Clock.Buckets) == 0 {
		return c, denied
	}
	now := time.UnixMilli(int64(answer.Clock.Buckets[0].From)).UTC()
	return es.Clock{Now: now, RoundTrip: took, Skew: before.Add(took / 2).Sub(now).Round(time.Millisecond)}, nil
}
