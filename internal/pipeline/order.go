package pipeline

import (
	"cmp"
	"slices"

	"dwell/internal/hunt"
)

// order sorts findings, the largest weight first. It sorts their numbers, then moves each finding once: a finding has a
// kilobyte, and a month has hundreds of thousands.
func order(findings []hunt.Finding, by Ranking) {
	from := make([]int, len(findings))
	for i := range from {
		from[i] = i
	}
	slices.SortFunc(from, func(i, j int) int {
		a, b := &findings[i], &findings[j]
		return cmp.Or(cmp.Compare(by.Weight(b), by.Weight(a)), cmp.Compare(b.Dwell.Parts.Strobe, a.Dwell.Parts.Strobe),
			cmp.Compare(b.Dwell.Parts.Beacon, a.Dwell.Parts.Beacon), cmp.Compare(b.Network.Connections, a.Network.Connections),
			cmp.Compare(a.Dwell.Pair, b.Dwell.Pair))
	})
	for begin := range from { // each cycle of the permutation
		if from[begin] < 0 {
			continue
		}
		first, to := findings[begin], begin
		for from[to] != begin {
			next := from[to]
			findings[to], from[to], to = findings[next], -1, next
		}
		findings[to], from[to] = first, -1
	}
}
