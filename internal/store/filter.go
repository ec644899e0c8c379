package store

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"dwell/internal/es/dsl"
	"dwell/internal/hunt"
)

// Order is the sort order of findings. Ties are broken by score, then by id, so that results are stable.
type Order string

// The orders.
const (
	// ByScore is strongest first, the default.
	ByScore Order = "score"
	// ByTime is newest first.
	ByTime Order = "time"
	// BySource and ByDestination are lowest address first; ByConnections and ByBytes most first.
	BySource      Order = "source"
	ByDestination Order = "destination"
	ByConnections Order = "connections"
	ByBytes       Order = "bytes"
)

// Filter selects findings. The zero value selects the latest document of every finding.
type Filter struct {
	// MinSeverity is 1 low to 4 critical, 0 for all; MinScore is 0..1.
	MinSeverity int
	MinScore    float64
	// Source and Destination are networks that contain the address; a single address is a network of full length. The
	// zero value means any.
	Source, Destination netip.Prefix
	// Internal is the finding's internal host, on either side; the zero value means any.
	Internal netip.Addr
	// Domain is a destination's name, or a parent domain: "evil.example" also finds "cdn.evil.example".
	Domain string
	// Since and Until limit the start of a finding's last connection, [Since, Until); zero means no limit.
	Since, Until time.Time
	// HuntID, FindingID and EventID select one hunt's findings, one finding over all hunts (FindingID may be a prefix),
	// or one document. With Every, a document that is not its finding's latest is found too.
	HuntID, FindingID, EventID string
	// Campaign is the id of a campaign, or a prefix of it.
	Campaign string
	// Indicators are those of which one must have fired; nil means any. Disposition is open, benign or escalated; empty
	// means any.
	Indicators  []string
	Disposition string
	// Every returns the documents of every hunt instead of each finding's latest.
	Every bool
	// HideSafelisted omits safelisted findings.
	HideSafelisted bool
	// Where, if set, is called last for each finding, and may change it; false omits it.
	Where func(*hunt.Finding) bool
	// Sort is ByScore if empty.
	Sort Order
	// Limit is the maximum number of findings, 0 for all.
	Limit int
}

// Validate returns all problems of the filter.
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

// of is the part of the filter that is constant for a finding, and so can be applied before its latest document is
// known. What may change between hunts (severity, score, indicators, safelist) must be applied after that: otherwise a
// finding that was high last week and is low today would be listed as high.
func (f *Filter) of() []any {
	var out []any
	if f.Internal.IsValid() {
		out = append(out, dsl.Term("dwell.internal_ip", f.Internal.String()))
	}
	if f.Source.IsValid() {
		out = append(out, dsl.Term("source.ip", f.Source.Masked().String()))
	}
	if f.Destination.IsValid() {
		out = append(out, dsl.Term("destination.ip", f.Destination.Masked().String()))
	}
	if f.Domain != "" {
		name := strings.ToLower(strings.Trim(f.Domain, "."))
		out = append(out, dsl.Any(dsl.Term("destination.domain", name),
			dsl.Below("destination.domain", name, false)))
	}
	if !f.Since.IsZero() || !f.Until.IsZero() {
		span := dsl.Object{}
		if !f.Since.IsZero() {
			span["gte"] = f.Since.UnixMilli()
		}
		if !f.Until.IsZero() {
			span["lt"] = f.Until.UnixMilli()
		}
		out = append(out, dsl.Millis("@timestamp", span))
	}
	if f.HuntID != "" {
		out = append(out, dsl.Term("dwell.hunt_id", f.HuntID))
	}
	if f.FindingID != "" {
		if len(f.FindingID) < 32 {
			out = append(out, dsl.Prefix("dwell.finding_id", f.FindingID))
		} else {
			out = append(out, dsl.Term("dwell.finding_id", f.FindingID))
		}
	}
	if f.Campaign != "" {
		out = append(out, dsl.Prefix("dwell.campaign.id", f.Campaign))
	}
	if f.EventID != "" {
		out = append(out, dsl.Term("event.id", f.EventID))
	}
	return out
}

// late is the rest of the filter, as clauses.
func (f *Filter) late() []any {
	var out []any
	if f.MinSeverity > 0 {
		out = append(out, dsl.Range("event.severity", dsl.Object{"gte": f.MinSeverity}))
	}
	if f.MinScore > 0 {
		out = append(out, dsl.Range("dwell.score", dsl.Object{"gte": f.MinScore}))
	}
	if len(f.Indicators) > 0 {
		out = append(out, dsl.Terms("dwell.indicators", f.Indicators))
	}
	if f.Disposition != "" {
		out = append(out, dsl.Term("dwell.disposition", f.Disposition))
	}
	if f.HideSafelisted {
		out = append(out, dsl.Not(dsl.Term("dwell.safelisted", true)))
	}
	return out
}
