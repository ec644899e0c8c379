package store

import (
	"context"
	"time"

	"dwell/internal/es/dsl"
	soconfig "dwell/so-config"
)

// FindingSpans gives the id of each finding that hunts of a span (by the end of their windows) stored, with when its traffic was first and
// last seen according to them, Unix milliseconds.
func (s *Store) FindingSpans(ctx context.Context, from, to time.Time, take func(id string, first, last int64)) error {
	type moment struct {
		Value float64 `json:"value"`
	}
	type bucket struct {
		Key struct {
			Finding string `json:"finding"`
		} `json:"key"`
		First, Last moment
	}
	within := dsl.Millis("dwell.window.end", dsl.Object{"gt": from.UnixMilli(), "lte": to.UnixMilli()})
	span := dsl.Object{"first": dsl.Min("event.start"), "last": dsl.Max("event.end")}
	return eachFinding(ctx, s, "look up when findings were seen", soconfig.FindingStream, within, span, func(b bucket) error {
		if b.First.Value > 0 && b.Last.Value >= b.First.Value {
			take(b.Key.Finding, int64(b.First.Value), int64(b.Last.Value))
		}
		return nil
	})
}
