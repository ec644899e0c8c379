package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"dwell/internal/hunt"
	"dwell/so-config"
)

// List is what was asked for, and what one must know to read it.
type List struct {
	Findings []hunt.Finding
	// Total is how many there are; where it is more than len(Findings), the rest was cut by Filter.Limit.
	Total int
	// Hunts is how many hunts were there to look at. Unfinished counts findings in the list whose hunt has no document
	// of its own: it was killed while writing, or its document is gone.
	Hunts, Unfinished int
}

// storiesPerPage is how many stories one page of the aggregation holds, each with its latest finding in full (about
// 2 kB): about 2 MB a page.
const storiesPerPage = 1000

// Findings gives what was written. Of a hunt that was written more than once only the newest revision counts, and unless
// Filter.Every is set, of each story only the finding of the latest window (of windows that end together, the one
// written last). All that match are read, page by page; Limit cuts the sorted list and Total says how long it was.
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
	keep := func(source json.RawMessage, id string) error {
		var found hunt.Finding
		if err := json.Unmarshal(source, &found); err != nil {
			return fmt.Errorf("read document %s of %s: %w", id, soconfig.FindingStream, err)
		}
		if f.Where != nil && !f.Where(&found) {
			return nil
		}
		if _, known := revisions[found.Dwell.HuntID]; !known {
			list.Unfinished++
		}
		list.Findings = append(list.Findings, found)
		return nil
	}
	clauses := append(f.of(), current(revisions)...)
	if f.Every {
		err = s.pages(ctx, search{op: "list findings", index: soconfig.FindingStream, filter: append(clauses, f.late()...),
			sort: []any{ascending("event.id")}, source: true}, func(h hit) (bool, error) { return true, keep(h.Source, h.ID) })
	} else {
		err = s.latest(ctx, clauses, &f, keep)
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

// latest gives each story's latest finding, if that passes the late part of the filter.
func (s *Store) latest(ctx context.Context, clauses []any, f *Filter, keep func(json.RawMessage, string) error) error {
	return s.latestOf(ctx, soconfig.FindingStream, clauses, newestFinding(), func(source json.RawMessage, id string) error {
		ok, err := f.passes(source)
		if err != nil {
			return fmt.Errorf("read document %s of %s: %w", id, soconfig.FindingStream, err)
		}
		if !ok {
			return nil
		}
		return keep(source, id)
	})
}

// newestFinding orders findings and alerts: the one whose window ends last first, and of those the one written last.
func newestFinding() []any {
	return []any{descending("dwell.window.end"), descending("event.ingested"), descending("event.id")}
}

// latestOf gives the first document of each story in a stream, in the given order.
func (s *Store) latestOf(ctx context.Context, stream string, clauses, order []any, take func(json.RawMessage, string) error) error {
	type story struct {
		Latest struct {
			Hits struct {
				Hits []hit `json:"hits"`
			} `json:"hits"`
		} `json:"latest"`
	}
	latest := map[string]any{"latest": map[string]any{"top_hits": map[string]any{"size": 1, "sort": order}}}
	return byStory(ctx, s, "list findings", stream, clauses, latest, func(b story) error {
		for _, h := range b.Latest.Hits.Hits {
			if err := take(h.Source, h.ID); err != nil {
				return err
			}
		}
		return nil
	})
}

// passes applies the late part of the filter to one document, by the same fields as [Filter.late].
func (f *Filter) passes(source json.RawMessage) (bool, error) {
	var d struct {
		Event struct {
			Severity int `json:"severity"`
		} `json:"event"`
		Dwell struct {
			Score       float64  `json:"score"`
			Indicators  []string `json:"indicators"`
			Disposition string   `json:"disposition"`
			Safelisted  bool     `json:"safelisted"`
		} `json:"dwell"`
	}
	if err := json.Unmarshal(source, &d); err != nil {
		return false, err
	}
	return d.Event.Severity >= f.MinSeverity && d.Dwell.Score >= f.MinScore &&
		(len(f.Indicators) == 0 || slices.ContainsFunc(f.Indicators, func(i string) bool { return slices.Contains(d.Dwell.Indicators, i) })) &&
		(f.Disposition == "" || d.Dwell.Disposition == f.Disposition) &&
		(!f.HideSafelisted || !d.Dwell.Safelisted), nil
}

// compare puts findings into the filter's order.
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
