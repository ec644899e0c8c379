package store

import (
	"context"
	"time"

	"dwell/internal/es/dsl"
	soconfig "dwell/so-config"
)

// FindingSpans passes each finding of hunts whose windows end in a span to take, with the times at which its traffic
// was first and last seen, in Unix milliseconds.
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
