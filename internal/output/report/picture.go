package report

import (
	"fmt"
	"html/template"
	"slices"
	"strings"

	"dwell/internal/hunt"
)

// columns draws counts as bars of a path, each step wide and high of the largest.
func columns(counts []int64, step, high int) string {
	top := max(slices.Max(counts), 1)
	var b strings.Builder
	for i, n := range counts {
		if n <= 0 {
			continue
		}
		fmt.Fprintf(&b, "M%d %dv-%d", i*step+step/2, high, max(1, n*int64(high)/top))
	}
	return b.String()
}

// timeline draws when check-ins were, over the window.
func timeline(t *hunt.Timeline) template.HTML {
	if t == nil || len(t.Counts) == 0 {
		return ""
	}
	const step, high = 8, 60
	wide := step * len(t.Counts)
	var total int64
	for _, n := range t.Counts {
		total += n
	}
	return template.HTML(fmt.Sprintf(`<svg class="t" viewBox="0 0 %d %d" preserveAspectRatio="none" role="img" aria-label="timeline: %s, at most %s in %s"><path class="base" d="M0 %dh%d"/><path class="bars" d="%s"/></svg>`, //nolint:gosec // numbers alone
		wide, high+1, hunt.Many(total, "check-in"), hunt.Count(slices.Max(t.Counts)), hunt.Seconds(t.Step), high, wide, columns(t.Counts, step, high)))
}

// spark is a small timeline, two parts together.
func spark(t *hunt.Timeline) template.HTML {
	if t == nil || len(t.Counts) == 0 {
		return ""
	}
	half := make([]int64, (len(t.Counts)+1)/2)
	for i, n := range t.Counts {
		half[i/2] += n
	}
	return template.HTML(fmt.Sprintf(`<svg class="s" viewBox="0 0 %d 16" aria-hidden="true"><path d="%s"/></svg>`, 2*len(half), columns(half, 2, 16))) //nolint:gosec // numbers alone
}

// intervals is a histogram with its words.
type intervals struct {
	Picture template.HTML
	// From and To are the bounds of the picture, Peak the bin with the most, Share its share.
	From, To, Peak, Share string
	// Elsewhere is how many intervals are not in the picture.
	Elsewhere int64
}

// widest is how many bins a histogram has at most, narrowest at least.
const widest, narrowest = 28, 12

// histogram draws how many intervals there are of each length: the bins around the one with the most. It is nil without intervals.
func histogram(t *hunt.Timeline) *intervals {
	if t == nil || len(t.Intervals) == 0 {
		return nil
	}
	peak, total := t.Intervals[0], int64(0)
	for _, b := range t.Intervals {
		total += b.Count
		if b.Count > peak.Count {
			peak = b
		}
	}
	edges, at := around(t.Intervals, peak)
	counts := make([]int64, len(edges)-1)
	shown := int64(0)
	for _, b := range t.Intervals {
		if i, ok := slices.BinarySearch(edges[:len(counts)], b.From); ok {
			counts[i] = b.Count
			shown += b.Count
		}
	}
	const step, high = 16, 60
	wide := step * len(counts)
	picture := fmt.Sprintf(`<svg class="h" viewBox="0 0 %d %d" preserveAspectRatio="none" role="img" aria-label="intervals: %s of %s are %s to %s"><path class="base" d="M0 %dh%d"/><path class="bars" d="%s"/><path class="peak" d="M%d %dv-%d"/></svg>`,
		wide, high+1, hunt.Count(peak.Count), hunt.Count(total), hunt.Brief(peak.From), hunt.Brief(peak.To), high, wide, columns(counts, step, high), at*step+step/2, high, high)
	return &intervals{Picture: template.HTML(picture), From: hunt.Brief(edges[0]), To: hunt.Brief(edges[len(edges)-1]), //nolint:gosec // numbers alone
		Peak: hunt.Brief(peak.From) + " to " + hunt.Brief(peak.To), Share: fmt.Sprintf("%d%%", 100*peak.Count/total), Elsewhere: total - shown}
}

// around gives the bounds of the bins that a histogram shows, and which of them the peak is: all that have intervals, but no more than widest
// and no fewer than narrowest, so that one bin alone is seen to be alone.
func around(bins []hunt.IntervalBin, peak hunt.IntervalBin) (edges []float64, at int) {
	all := hunt.IntervalEdges()
	index := func(from float64) int {
		i, _ := slices.BinarySearch(all, from)
		return i
	}
	middle := index(peak.From)
	low, high := index(bins[0].From), index(bins[len(bins)-1].From)
	low, high = max(low, middle-widest/2), min(high, middle+widest/2-1)
	for high-low+1 < narrowest && (low > 0 || high < len(all)-2) {
		low, high = max(low-1, 0), min(high+1, len(all)-2)
	}
	return all[low : high+2], middle - low
}

// bar draws a share of 1.
func bar(v float64) template.HTML {
	return template.HTML(fmt.Sprintf(`<svg class="b" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true"><path class="track" d="M0 4h100"/><path d="M0 4h%.0f"/></svg>`, 100*min(max(v, 0), 1))) //nolint:gosec // a number
}
