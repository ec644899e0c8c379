package report

import (
	"fmt"
	"html/template"
	"slices"
	"strings"

	"dwell/internal/hunt"
)

// columns draws counts as bars of an SVG path, step wide and up to high tall.
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

// timeline draws the check-ins over the window.
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
		wide, high+1, hunt.Many(total, "check-in"), hunt.Count(slices.Max(t.Counts)), hunt.Brief(t.Step), high, wide, columns(t.Counts, step, high)))
}

// spark is a small timeline that joins every two parts.
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

// intervals is a histogram with its description.
type intervals struct {
	Picture template.HTML
	// From and To bound the picture; Peak is the fullest bin, Share its share.
	From, To, Peak, Share string
	// Elsewhere is the number of intervals outside the picture.
	Elsewhere int64
}

// widest and narrowest are the maximum and minimum number of bins.
const widest, narrowest = 28, 12

// histogram draws the number of intervals by length, in the bins around the fullest one. It is nil without intervals.
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

// around returns the bounds of the bins to show and the index of the peak: all that have intervals, at most widest and
// at least narrowest, so that a single bin is visibly alone.
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

// bar draws a share between 0 and 1.
func bar(v float64) template.HTML {
	return template.HTML(fmt.Sprintf(`<svg class="b" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true"><path class="track" d="M0 4h100"/><path d="M0 4h%.0f"/></svg>`, 100*min(max(v, 0), 1))) //nolint:gosec // a number
}
