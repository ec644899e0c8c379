package store

import (
	"context"
	"fmt"

	"dwell/internal/es/dsl"
	"dwell/internal/hunt"
	"dwell/so-config"
)

// Hunts returns the newest n hunt documents, newest first; 0 means all.
func (s *Store) Hunts(ctx context.Context, n int) ([]hunt.Document, error) {
	var out []hunt.Document
	q := dsl.Search{Op: "list hunts", Index: []string{soconfig.HuntStream}, Source: true, Size: min(n, pageSize),
		Sort: []any{dsl.Descending("event.ingested"), dsl.Ascending("dwell.hunt_id"), dsl.Ascending("dwell.revision")}}
	err := each(ctx, s, q, func(_ hit, d *hunt.Document) (bool, error) {
		out = append(out, *d)
		return n == 0 || len(out) < n, nil
	})
	return out, err
}

// maxHunts limits the hunts of one list: a terms query takes 65,536 values (docs/facts/security-onion.md, 7), seven
// years of hourly hunts.
const maxHunts = 65_000

// revisions returns the newest revision of every hunt whose window can have a matching finding.
func (s *Store) revisions(ctx context.Context, f *Filter) (map[string]string, error) {
	type bucket struct {
		Key struct {
			HuntID   string `json:"hunt_id"`
			Revision string `json:"revision"`
		} `json:"key"`
		Ingested struct {
			Value float64 `json:"value"`
		} `json:"ingested"`
	}
	var filter []any
	if f.HuntID != "" {
		filter = append(filter, dsl.Term("dwell.hunt_id", f.HuntID))
	}
	if !f.Since.IsZero() {
		filter = append(filter, dsl.Millis("dwell.window.end", dsl.Object{"gte": f.Since.UnixMilli()}))
	}
	out, newest := map[string]string{}, map[string]float64{}
	err := dsl.EachBucket(ctx, s.client, dsl.Search{Op: "list hunts", Index: []string{soconfig.HuntStream}, Query: dsl.All(filter...)}, pageSize,
		[]any{dsl.Source("hunt_id", "dwell.hunt_id"), dsl.Source("revision", "dwell.revision")}, dsl.Object{"ingested": dsl.Max("event.ingested")},
		func(b bucket) error {
			if had, ok := newest[b.Key.HuntID]; !ok || b.Ingested.Value > had {
				out[b.Key.HuntID], newest[b.Key.HuntID] = b.Key.Revision, b.Ingested.Value
			}
			if len(out) > maxHunts {
				return fmt.Errorf("list findings: more than %d hunts are to be looked at: ask for a shorter time (--age)", maxHunts)
			}
			return nil
		})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// current is the clause that keeps the newest revision of each known hunt, and all findings of hunts without a
// document: such a hunt was killed while writing, or its document was deleted before its findings.
func current(revisions map[string]string) []any {
	if len(revisions) == 0 {
		return nil
	}
	ids, newest := make([]string, 0, len(revisions)), make([]string, 0, len(revisions))
	for id, revision := range revisions {
		ids, newest = append(ids, id), append(newest, revision)
	}
	return []any{dsl.Any(dsl.Terms("dwell.revision", newest), dsl.Not(dsl.Terms("dwell.hunt_id", ids)))}
}
