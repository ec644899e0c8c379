package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"dwell/internal/hunt"
	"dwell/so-config"
)

// Done gives the ends of the windows as long as that were hunted and stored with the given settings and end after since.
// A hunt that was incomplete counts: it says so in its document, and hunting it for ever would not mend it.
func (s *Store) Done(ctx context.Context, since time.Time, window time.Duration, profile, direction string, internal []string) ([]time.Time, error) {
	var out []time.Time
	q := search{op: "look which windows were hunted", index: soconfig.HuntStream, source: true,
		filter: []any{map[string]any{"range": map[string]any{"dwell.window.end": map[string]any{"gt": since.UnixMilli(), "format": "epoch_millis"}}},
			term("dwell.profile", profile), term("dwell.hunt.direction", direction)},
		sort: []any{ascending("event.ingested"), ascending("dwell.hunt_id"), ascending("dwell.revision")}}
	err := s.pages(ctx, q, func(h hit) (bool, error) {
		var d hunt.Document
		if err := json.Unmarshal(h.Source, &d); err != nil {
			return false, fmt.Errorf("read document %s of %s: %w", h.ID, soconfig.HuntStream, err)
		}
		w := d.Dwell.Window
		if w.End.Sub(w.Start.Time) == window && slices.Equal(slices.Sorted(slices.Values(d.Dwell.Hunt.Internal)), slices.Sorted(slices.Values(internal))) {
			out = append(out, w.End.Time)
		}
		return true, nil
	})
	return out, err
}
