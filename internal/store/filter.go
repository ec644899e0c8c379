package store

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"dwell/internal/hunt"
)

// Order is what findings are sorted by. Ties go by score and then by id, so that the same question has the same answer.
type Order string

// The orders.
const (
	// ByScore is strongest first, and what the zero value means.
	ByScore Order = "score"
	// ByTime is newest first.
	ByTime Order = "time"
	// BySource and ByDestination are lowest address first; ByConnections and ByBytes most first.
	BySource      Order = "source"
	ByDestination Order = "destination"
	ByConnections Order = "connections"
	ByBytes       Order = "bytes"
)

// Filter says which findings are wanted. The zero value wants the latest document of every finding.
type Filter struct {
	// MinSeverity is 1 low to 4 critical, 0 for all; MinScore is 0..1.
	MinSeverity int
	MinScore    float64
	// Source and Destination are networks that the address must lie in; a single address is a network of full length.
	// The zero value means any.
	Source, Destination netip.Prefix
	// Internal is the host that a finding is about, whichever side it is on; the zero value means any.
	Internal netip.Addr
	// Domain is a destination's name, or a name above it: "evil.example" finds "cdn.evil.example" too.
	Domain string
	// Since and Until bound the start of a finding's last connection, [Since, Until); zero means no bound.
	Since, Until time.Time
	// HuntID, FindingID and EventID pick one hunt's findings, one finding over all hunts, or one document (with Every: a document that is
	// not its finding's latest is found only then).
	// FindingID may be the beginning of one.
	HuntID, FindingID, EventID string
	// Campaign is the id of a campaign, or the beginning of one.
	Campaign string
	// Indicators are those of which one must have fired; nil means any. Disposition is open, benign or escalated; empty means any.
	Indicators  []string
	Disposition string
	// Every gives the documents of every hunt instead of each finding's latest.
	Every bool
	// HideSafelisted leaves out what a safelist rule matched.
	HideSafelisted bool
	// Where, if set, is asked last of each finding that would be listed, and may change it; what it refuses is left out.
	Where func(*hunt.Finding) bool
	// Sort is ByScore when empty.
	Sort Order
	// Limit is how many are wanted, 0 for all.
	Limit int
}

// Validate gives all that is wrong with the filter.
func (f *Filter) Validate() error {
	var errs []error
	if f.MinSeverity < 0 || f.MinSeverity > 4 {
		errs = append(errs, fmt.Errorf("severity %d is not 0 to 4", f.MinSeverity))
	}
	if f.MinScore < 0 || f.MinScore > 1 {
		errs = append(errs, fmt.Errorf("score %g is not 0 to 1", f.MinScore))
	}
	if !f.Since.IsZero() && !f.Until.IsZero() && !f.Until.After(f.Since) {
		errs = append(errs, fmt.Errorf("until %s is not after since %s", f.Until.Format(time.RFC3339), f.Since.Format(time.RFC3339)))
	}
	if f.Disposition != "" && !slices.Contains([]string{hunt.Open, hunt.Benign, hunt.Escalated}, f.Disposition) {
		errs = append(errs, fmt.Errorf("status %q is not one of open, benign, escalated", f.Disposition))
	}
	if f.Limit < 0 {
		errs = append(errs, fmt.Errorf("limit %d is below 0", f.Limit))
	}
	switch f.Sort {
	case "", ByScore, ByTime, BySource, ByDestination, ByConnections, ByBytes:
	default:
		errs = append(errs, fmt.Errorf("order %q is not one of score, time, source, destination, connections, bytes", f.Sort))
	}
	return errors.Join(errs...)
}

// of is the part of the filter that holds for a finding over all hunts or for a time, and so may be asked before its latest
// document is known. What may change from hunt to hunt (severity, score, indicators, safelist) must be asked after it:
// otherwise a finding that was high last week and is low today would be listed as high.
func (f *Filter) of() []any {
	var out []any
	if f.Internal.IsValid() {
		out = append(out, term("dwell.internal_ip", f.Internal.String()))
	}
	if f.Source.IsValid() {
		out = append(out, term("source.ip", f.Source.Masked().String()))
	}
	if f.Destination.IsValid() {
		out = append(out, term("destination.ip", f.Destination.Masked().String()))
	}
	if f.Domain != "" {
		name := strings.ToLower(strings.Trim(f.Domain, "."))
		out = append(out, anyOf(term("destination.domain", name),
			map[string]any{"wildcard": map[string]any{"destination.domain": "*." + escapeWildcard(name)}}))
	}
	if !f.Since.IsZero() || !f.Until.IsZero() {
		span := map[string]any{"format": "epoch_millis"}
		if !f.Since.IsZero() {
			span["gte"] = f.Since.UnixMilli()
		}
		if !f.Until.IsZero() {
			span["lt"] = f.Until.UnixMilli()
		}
		out = append(out, map[string]any{"range": map[string]any{"@timestamp": span}})
	}
	if f.HuntID != "" {
		out = append(out, term("dwell.hunt_id", f.HuntID))
	}
	if f.FindingID != "" {
		if len(f.FindingID) < 32 {
			out = append(out, map[string]any{"prefix": map[string]any{"dwell.finding_id": f.FindingID}})
		} else {
			out = append(out, term("dwell.finding_id", f.FindingID))
		}
	}
	if f.Campaign != "" {
		out = append(out, map[string]any{"prefix": map[string]any{"dwell.campaign.id": f.Campaign}})
	}
	if f.EventID != "" {
		out = append(out, term("event.id", f.EventID))
	}
	return out
}

// late is the rest of the filter, as clauses.
func (f *Filter) late() []any {
	var out []any
	if f.MinSeverity > 0 {
		out = append(out, map[string]any{"range": map[string]any{"event.severity": map[string]any{"gte": f.MinSeverity}}})
	}
	if f.MinScore > 0 {
		out = append(out, map[string]any{"range": map[string]any{"dwell.score": map[string]any{"gte": f.MinScore}}})
	}
	if len(f.Indicators) > 0 {
		out = append(out, map[string]any{"terms": map[string]any{"dwell.indicators": f.Indicators}})
	}
	if f.Disposition != "" {
		out = append(out, term("dwell.disposition", f.Disposition))
	}
	if f.HideSafelisted {
		out = append(out, not(term("dwell.safelisted", true)))
	}
	return out
}

// escapeWildcard takes the meaning away from the characters that a wildcard query knows.
func escapeWildcard(s string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`).Replace(s)
}

func anyOf(clauses ...any) any {
	return map[string]any{"bool": map[string]any{"should": clauses, "minimum_should_match": 1}}
}

func not(clauses ...any) any {
	return map[string]any{"bool": map[string]any{"must_not": clauses}}
}
