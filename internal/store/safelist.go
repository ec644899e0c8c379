package store

import (
	"context"
	"fmt"

	"dwell/internal/es"
	"dwell/internal/es/dsl"
	"dwell/internal/hunt"
	"dwell/internal/store/bulk"
	"dwell/so-config"
)

// Safelist updates the stored findings and alerts that the filter selects and for which decide returns another rule
// (nil: none) than they have. Only dwell.safelisted and dwell.safelist change, each document with its sequence number,
// so that concurrent changes survive. It returns the number of documents changed; repeating it is safe.
func (s *Store) Safelist(ctx context.Context, f Filter, decide func(*hunt.Finding) (*hunt.SafelistRule, bool)) (int, error) {
	changed := 0
	for _, stream := range []string{soconfig.FindingStream, soconfig.AlertStream} {
		n, err := s.safelist(ctx, stream, f.of(), decide)
		changed += n
		if err != nil {
			return changed, fmt.Errorf("mark what a safelist rule matches in %s: %w", stream, err)
		}
	}
	return changed, nil
}

func (s *Store) safelist(ctx context.Context, stream string, clauses []any, decide func(*hunt.Finding) (*hunt.SafelistRule, bool)) (changed int, err error) {
	for range maxConflicts {
		err := s.client.Do(ctx, es.Call{Op: "refresh", Index: stream, Request: es.Request{Method: "POST", Path: "/" + stream + "/_refresh"}})
		if es.Is(err, es.NotFound) {
			return changed, nil
		}
		if err != nil {
			return changed, err
		}
		var hits []hit
		var docs []any
		err = each(ctx, s, dsl.Search{Op: "look for what a safelist rule matches", Index: []string{stream}, More: versioned(), Source: true,
			Query: dsl.All(clauses...), Sort: []any{dsl.Ascending("event.id")},
		}, func(h hit, f *hunt.Finding) (bool, error) {
			rule, wanted := decide(f)
			if wanted && !same(rule, f.Dwell.Safelist) {
				h.Source = nil
				hits = append(hits, h)
				docs = append(docs, map[string]any{"dwell": map[string]any{"safelisted": rule.Marks(), "safelist": rule}}) // null removes the rule
			}
			return true, nil
		})
		if err != nil || len(hits) == 0 {
			return changed, err
		}
		for from := 0; from < len(hits); from += bulk.DefaultMaxDocs {
			to := min(from+bulk.DefaultMaxDocs, len(hits))
			n, err := s.update(ctx, hits[from:to], docs[from:to])
			changed += n
			if err != nil {
				return changed, err
			}
		}
	}
	return changed, fmt.Errorf("the documents kept changing meanwhile; try again")
}

// same reports whether two rules are identical.
func same(a, b *hunt.SafelistRule) bool { return a == b || a != nil && b != nil && *a == *b }
