package store

import (
	"context"
	"fmt"

	"dwell/internal/es/dsl"
	"dwell/internal/hunt"
	"dwell/so-config"
)

// Safelist updates the stored findings and alerts that the filter selects and for which decide returns another rule
// (nil: none) than they have. Only dwell.safelisted and dwell.safelist change, each document with its sequence number,
// so that concurrent changes survive. It returns the number of documents changed; repeating it is safe.
func (s *Store) Safelist(ctx context.Context, f Filter, decide func(*hunt.Finding) (*hunt.SafelistRule, bool)) (int, error) {
	changed := 0
	q := dsl.Search{Op: "look for what a safelist rule matches", Source: true, Query: dsl.All(f.of()...)}
	for _, stream := range []string{soconfig.FindingStream, soconfig.AlertStream} {
		n, err := revise(ctx, s, stream, q, func(f *hunt.Finding) any {
			rule, wanted := decide(f)
			if !wanted || same(rule, f.Dwell.Safelist) {
				return nil
			}
			return map[string]any{"dwell": map[string]any{"safelisted": rule.Marks(), "safelist": rule}} // null removes the rule
		})
		changed += n
		if err != nil {
			return changed, fmt.Errorf("mark what a safelist rule matches in %s: %w", stream, err)
		}
	}
	return changed, nil
}

// same reports whether two rules are identical.
func same(a, b *hunt.SafelistRule) bool { return a == b || a != nil && b != nil && *a == *b }
