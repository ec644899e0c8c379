package hunt

import (
	"cmp"
	"math"
	"slices"
)

// TimelineParts is the number of equal parts of a timeline.
const TimelineParts = 96

// Timeline is the distribution of a finding's check-ins, for pictures.
type Timeline struct {
	// Step is the length of a part in seconds, Counts the check-ins that start in each of the TimelineParts parts of
	// the window.
	Step   float64 `json:"step"`
	Counts []int64 `json:"counts"`
	// Intervals is the number of intervals by length, shortest first, without empty bins.
	Intervals []IntervalBin `json:"intervals,omitempty"`
}

// IntervalBin counts intervals in [From, To) seconds.
type IntervalBin struct {
	From  float64 `json:"from"`
	To    float64 `json:"to"`
	Count int64   `json:"count"`
}

// NewTimeline counts the starts (Unix milliseconds, ascending) in [begin, end), in milliseconds. It is nil if there are
// none.
func NewTimeline(starts []int64, begin, end int64) *Timeline {
	from, _ := slices.BinarySearch(starts, begin)
	to, _ := slices.BinarySearch(starts, end)
	if starts = starts[from:max(from, to)]; len(starts) == 0 {
		return nil
	}
	t := EmptyTimeline(begin, end)
	t.Intervals = Intervals(starts)
	for _, s := range starts {
		t.Counts[(s-begin)*TimelineParts/(end-begin)]++
	}
	return t
}

// EmptyTimeline has no check-ins yet.
func EmptyTimeline(begin, end int64) *Timeline {
	return &Timeline{Step: float64(end-begin) / TimelineParts / 1000, Counts: make([]int64, TimelineParts)}
}

// edges are the bounds of bins: 0, 1 s, then growing by a quarter, so that a jitter of 20% fills about two bins at any
// interval.
var edges = func() []float64 {
	list := []float64{0, 1}
	for list[len(list)-1] < 31*86400 {
		list = append(list, math.Round(list[len(list)-1]*1250)/1000)
	}
	return list
}()

// IntervalEdges are the bounds of the bins of Intervals, ascending.
func IntervalEdges() []float64 { return edges }

// Intervals counts the intervals between starts (Unix milliseconds, ascending) by length, shortest first, without empty
// bins.
func Intervals(starts []int64) []IntervalBin {
	counts := make([]int64, len(edges))
	for i := 1; i < len(starts); i++ {
		at, found := slices.BinarySearch(edges, float64(starts[i]-starts[i-1])/1000)
		if !found {
			at--
		}
		counts[min(at, len(counts)-1)]++
	}
	var out []IntervalBin
	for i, c := range counts {
		if c > 0 {
			out = append(out, IntervalBinAt(i, c))
		}
	}
	return out
}

// IntervalBinAt is the bin that begins at a place in IntervalEdges.
func IntervalBinAt(i int, count int64) IntervalBin {
	return IntervalBin{From: edges[i], To: edges[min(i+1, len(edges)-1)], Count: count}
}

// Add adds another timeline of the same window, as for a campaign's members; one of another window is ignored.
func (t *Timeline) Add(more *Timeline) {
	if more == nil || len(more.Counts) != TimelineParts || more.Step != t.Step && t.Step != 0 {
		return
	}
	t.Step = more.Step
	if t.Counts == nil {
		t.Counts = make([]int64, TimelineParts)
	}
	for i, n := range more.Counts {
		t.Counts[i] += n
	}
	for _, b := range more.Intervals {
		at, found := slices.BinarySearchFunc(t.Intervals, b.From, func(x IntervalBin, from float64) int { return cmp.Compare(x.From, from) })
		if !found {
			t.Intervals = slices.Insert(t.Intervals, at, IntervalBin{From: b.From, To: b.To})
		}
		t.Intervals[at].Count += b.Count
	}
}
