package store

import (
	"context"
	"slices"
	"time"

	"dwell/internal/es"
	"dwell/internal/es/dsl"
	"dwell/internal/hunt"
	"dwell/so-config"
)

// Past returns what is stored of the hunts with these ids ([hunt.Definition.ID]); those without a document are absent.
func (s *Store) Past(ctx context.Context, ids []string) (map[string]hunt.Past, error) {
	out := map[string]hunt.Past{}
	for some := range slices.Chunk(ids, maxHunts) {
		q := dsl.Search{Op: "look up hunted windows", Index: []string{soconfig.HuntStream}, Query: dsl.Terms("dwell.hunt_id", some),
			Source: []string{"dwell.hunt_id", "dwell.hunt.complete", "dwell.hunt.connections", "dwell.window.end", "event.ingested"},
			Sort:   []any{dsl.Ascending("event.ingested"), dsl.Ascending("dwell.hunt_id"), dsl.Ascending("dwell.revision")}}
		err := each(ctx, s, q, func(_ hit, d *hunt.Document) (bool, error) {
			past := out[d.Dwell.HuntID]
			past.Add(d)
			out[d.Dwell.HuntID] = past
			return true, nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Clock returns the cluster's time with this host's. Without the privilege to query a node it searches dwell's own
// stream, where "now" is the cluster's.
func (s *Store) Clock(ctx context.Context) (es.Clock, error) {
	c, err := s.client.Clock(ctx)
	if !es.Is(err, es.Permission) {
		return c, err
	}
	denied := err
	q := dsl.Search{Op: "ask for the cluster's time", Index: []string{soconfig.HuntStream}, Query: dsl.None(),
		Aggs: dsl.Object{"clock": dsl.Object{"date_range": dsl.Object{"field": "@timestamp", "ranges": []any{dsl.Object{"from": "now"}}}}}}
	var answer struct {
		Clock struct {
			Buckets []struct {
				From float64 `json:"from"`
			} `json:"buckets"`
		} `json:"clock"`
	}
	before := time.Now()
	err = q.Aggregations(ctx, s.client, &answer)
	took := time.Since(before)
	if err != nil || len(answer.Clock.Buckets) == 0 {
		return c, denied
	}
	now := time.UnixMilli(int64(answer.Clock.Buckets[0].From)).UTC()
	return es.Clock{Now: now, RoundTrip: took, Skew: before.Add(took / 2).Sub(now).Round(time.Millisecond)}, nil
}
