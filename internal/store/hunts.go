package store

import (
	"context"
	"encoding/json"
	"fmt"

	"dwell/internal/es"
	"dwell/internal/hunt"
	"dwell/so-config"
)

// Hunts gives the newest n hunt documents, newest first; 0 means all.
func (s *Store) Hunts(ctx context.Context, n int) ([]hunt.Document, error) {
	var out []hunt.Document
	q := search{op: "list hunts", index: soconfig.HuntStream, source: true,
		sort: []any{descending("event.ingested"), ascending("dwell.hunt_id"), ascending("dwell.revision")}}
	if n > 0 {
		q.size = min(n, pageSize)
	}
	err := s.pages(ctx, q, func(h hit) (bool, error) {
		var d hunt.Document
		if err := json.Unmarshal(h.Source, &d); err != nil {
			return false, fmt.Errorf("read document %s of %s: %w", h.ID, soconfig.HuntStream, err)
		}
		out = append(out, d)
		return n == 0 || len(out) < n, nil
	})
	return out, err
}

// maxHunts bounds what one list may look at: a terms query takes 65,536 values (docs/facts/security-onion.md, 7), which is
// seven years of hourly hunts.
const maxHunts = 65_000

// revisions gives the newest revision of every hunt whose window can hold a finding that the filter wants.
func (s *Store) revisions(ctx context.Context, f *Filter) (map[string]string, error) {
	type newest struct {
		revision string
		ingested float64
	}
	var filter []any
	if f.HuntID != "" {
		filter = append(filter, term("dwell.hunt_id", f.HuntID))
	}
	if !f.Since.IsZero() {
		filter = append(filter, map[string]any{"range": map[string]any{"dwell.window.end": map[string]any{"gte": f.Since.UnixMilli(), "format": "epoch_millis"}}})
	}
	found := map[string]newest{}
	var after json.RawMessage
	for {
		sources := []any{}
		for _, field := range []string{"hunt_id", "revision"} {
			sources = append(sources, map[string]any{field: map[string]any{"terms": map[string]any{"field": "dwell." + field}}})
		}
		composite := map[string]any{"size": pageSize, "sources": sources}
		if after != nil {
			composite["after"] = after
		}
		body, err := json.Marshal(map[string]any{"size": 0, "query": filtered(filter), "track_total_hits": false,
			"aggs": map[string]any{"hunts": map[string]any{"composite": composite,
				"aggs": map[string]any{"ingested": map[string]any{"max": map[string]any{"field": "event.ingested"}}}}}})
		if err != nil {
			return nil, fmt.Errorf("encode search: %w", err)
		}
		var page huntPage
		err = s.client.Search(ctx, es.SearchRequest{Op: "list hunts", Index: []string{soconfig.HuntStream}, Body: body, MissingOK: true},
			func(r es.SearchResult) error {
				if r.Aggregations == nil {
					return nil
				}
				return json.Unmarshal(r.Aggregations, &page)
			})
		if err != nil {
			return nil, err
		}
		for _, b := range page.Hunts.Buckets {
			if had, ok := found[b.Key.HuntID]; !ok || b.Ingested.Value > had.ingested {
				found[b.Key.HuntID] = newest{b.Key.Revision, b.Ingested.Value}
			}
		}
		if len(found) > maxHunts {
			return nil, fmt.Errorf("list findings: more than %d hunts are to be looked at: ask for a shorter time (--age)", maxHunts)
		}
		if after = page.Hunts.AfterKey; after == nil {
			break
		}
	}
	out := make(map[string]string, len(found))
	for id, n := range found {
		out[id] = n.revision
	}
	return out, nil
}

// huntPage is a page of the aggregation by hunt and revision.
type huntPage struct {
	Hunts struct {
		AfterKey json.RawMessage `json:"after_key"`
		Buckets  []struct {
			Key struct {
				HuntID   string `json:"hunt_id"`
				Revision string `json:"revision"`
			} `json:"key"`
			Ingested struct {
				Value float64 `json:"value"`
			} `json:"ingested"`
		} `json:"buckets"`
	} `json:"hunts"`
}

// current is the clause that keeps the newest revision of each known hunt, and everything of hunts that have no document:
// a hunt killed while writing, or one whose document was deleted before its findings, still has something to say.
func current(revisions map[string]string) []any {
	if len(revisions) == 0 {
		return nil
	}
	ids, newest := make([]string, 0, len(revisions)), make([]string, 0, len(revisions))
	for id, revision := range revisions {
		ids, newest = append(ids, id), append(newest, revision)
	}
	return []any{anyOf(map[string]any{"terms": map[string]any{"dwell.revision": newest}},
		not(map[string]any{"terms": map[string]any{"dwell.hunt_id": ids}}))}
}
