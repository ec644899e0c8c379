package history

import (
	"cmp"
	"slices"
	"strconv"
	"time"
)

// daysAfter is how long after their end hours stay separate: late records have arrived by then.
const daysAfter = 48 * time.Hour

// mergeDays merges the hours of each day that ended before the given time into one segment a kind, if all 24 are there.
func (s *Store) mergeDays(spans []Span, before time.Time) ([]Span, error) {
	byDay := map[int64][]Span{}
	const dayMS = 24 * hourMS
	for _, sp := range spans {
		if sp.Hours == 1 && sp.end() <= before.UnixMilli() {
			byDay[sp.Start/dayMS] = append(byDay[sp.Start/dayMS], sp)
		}
	}
	spans = slices.Clone(spans)
	for day, hours := range byDay {
		if len(hours) != 24 {
			continue
		}
		merged := Span{Start: day * dayMS, Hours: 24}
		stem := time.UnixMilli(merged.Start).UTC().Format("20060102") + "-" + strconv.FormatInt(s.o.Now().UnixNano(), 36) + "-"
		kinds := map[Kind][]Segment{}
		for i := range hours {
			merged.States = append(merged.States, hours[i].States[0])
			merged.Longest = max(merged.Longest, hours[i].Longest)
			for _, seg := range hours[i].Segments {
				kinds[seg.Kind] = append(kinds[seg.Kind], seg)
			}
		}
		for kind, of := range kinds {
			seg, err := s.merge(kind, stem, of)
			if err != nil {
				return nil, err
			}
			merged.Segments = append(merged.Segments, seg)
		}
		slices.SortFunc(merged.Segments, func(a, b Segment) int { return cmp.Compare(a.Kind, b.Kind) })
		spans = slices.DeleteFunc(spans, func(sp Span) bool { return sp.Hours == 1 && sp.Start/dayMS == day })
		spans = append(spans, merged)
	}
	slices.SortFunc(spans, func(a, b Span) int { return cmp.Compare(a.Start, b.Start) })
	return spans, nil
}

// merge makes one segment of several of a kind.
func (s *Store) merge(kind Kind, stem string, of []Segment) (one Segment, err error) {
	file := stem + string(kind) + ".parquet"
	switch kind {
	case Connections:
		one, err = merge[connection](s.dir, file, of)
	case Names:
		one, err = merge[name](s.dir, file, of)
	case Queries:
		one, err = merge[query](s.dir, file, of)
	}
	for i := range of {
		one.Commit = max(one.Commit, of[i].Commit)
	}
	return one, err
}
