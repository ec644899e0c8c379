package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"dwell/internal/es/dsl"
	"dwell/internal/hunt"
	"dwell/so-config"
)

// List is a list of findings, with what is needed to read it.
type List struct {
	Findings []hunt.Finding
	// Total is the number of matches; the rest of the list was cut by Filter.Limit.
	Total int
	// Hunts is the number of hunts considered. Unfinished counts findings whose hunt has no document: it was killed
	// while writing, or its document was deleted.
	Hunts, Unfinished int
}

// findingsPerPage is the number of findings per page of the aggregation, each with its latest document (about 2 kB):
// about 2 MB a page.
const findingsPerPage = 1000

// Findings returns stored findings. Of a hunt written more than once only the newest revision counts and, unless
// Filter.Every is set, of each finding only the document of the latest window (of windows with the same end, the one
// written last). All matches are read page by page; Limit cuts the sorted list, and Total is its full length.
func (s *Store) Findings(ctx context.Context, f Filter) (List, error) {
	var list List
	if err := f.Validate(); err != nil {
		return list, fmt.Errorf("findings: %w", err)
	}
	revisions, err := s.revisions(ctx, &f)
	if err != nil {
		return list, err
	}
	list.Hunts = len(revisions)
	keep := func(found *hunt.Finding) {
		if f.Where != nil && !f.Where(found) {
			return
		}
		if _, known := revisions[found.Dwell.HuntID]; !known {
			list.Unfinished++
		}
		list.Findings = append(list.Findings, *found)
	}
	clauses := append(f.of(), current(revisions)...)
	if f.Every {
		q := dsl.Search{Op: "list findings", Index: []string{soconfig.FindingStream}, Query: dsl.All(append(clauses, f.late()...)...),
			Sort: []any{dsl.Ascending("event.id")}, Source: true}
		err = each(ctx, s, q, func(_ hit, found *hunt.Finding) (bool, error) {
			keep(found)
			return true, nil
		})
	} else {
		err = latest(ctx, s, soconfig.FindingStream, dsl.All(clauses...), newestFinding(), func(_ hit, found *hunt.Finding) error {
			if f.passes(found) {
				keep(found)
			}
			return nil
		})
	}
	if err != nil {
		return List{}, err
	}
	slices.SortFunc(list.Findings, f.compare)
	list.Total = len(list.Findings)
	if f.Limit > 0 && list.Total > f.Limit {
		list.Findings = list.Findings[:f.Limit:f.Limit]
	}
	return list, nil
}

// newestFinding orders findings and alerts by the latest window end, then by the latest time of writing.
func newestFinding() []any {
	return []any{dsl.Descending("dwell.window.end"), dsl.Descending("event.ingested"), dsl.Descending("event.id")}
}

// passes applies the late part of the filter to one document, with the same fields as [Filter.late].
func (f *Filter) passes(d *hunt.Finding) bool {
	return d.Event.Severity >= f.MinSeverity && d.Dwell.Score >= f.MinScore &&
		(len(f.Indicators) == 0 || slices.ContainsFunc(f.Indicators, func(i string) bool { return slices.Contains(d.Dwell.Indicators, i) })) &&
		(f.Disposition == "" || d.Dwell.Disposition == f.Disposition) &&
		(!f.HideSafelisted || !d.Dwell.Safelisted)
}

// compare orders findings by the filter's order.
func (f *Filter) compare(a, b hunt.Finding) int {
	first := 0
	switch f.Sort {
	case ByTime:
		first = b.Timestamp.Compare(a.Timestamp.Time)
	case BySource:
		first = a.Source.IP.Compare(b.Source.IP)
	case ByDestination:
		first = cmp.Or(a.Destination.IP.Compare(b.Destination.IP), cmp.Compare(a.Destination.Domain, b.Destination.Domain))
	case ByConnections:
		first = cmp.Compare(b.Network.Connections, a.Network.Connections)
	case ByBytes:
		first = cmp.Compare(b.Network.Bytes, a.Network.Bytes)
	case "", ByScore:
	}
	return cmp.Or(first, cmp.Compare(b.Dwell.Score, a.Dwell.Score), b.Timestamp.Compare(a.Timestamp.Time),
		cmp.Compare(a.Event.ID, b.Event.ID))
}
