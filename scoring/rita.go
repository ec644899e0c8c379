package scoring

import (
	"math"
	"slices"
)

// RITAWindow is the time RITA scores beacons over: whole Unix seconds, Min to Max, both inside.
type RITAWindow struct{ Min, Max int64 }

// RITAWindowOf is RITA's window over data whose oldest and newest connection start at minMs and maxMs (Unix
// milliseconds): from the oldest, but at most the 24 hours before the newest.
func RITAWindowOf(minMs, maxMs int64) RITAWindow {
	oldest, newest := floorDiv(minMs, second), floorDiv(maxMs, second)
	return RITAWindow{Min: max(oldest, newest-day/second), Max: newest}
}

// From is the first Unix millisecond that RITA uses: the start of the hour (UTC) of Min. So it may use up to 25 hours;
// what lies before Min counts in the first histogram bar.
func (w RITAWindow) From() int64 { return floorDiv(w.Min, hour/second) * hour }

// RITAResult holds the numbers RITA v5.1.1 has for a pair. The scores are 0..1, rounded to three decimals as RITA does.
type RITAResult struct {
	// Score is the beacon score: the mean of the four that follow.
	Score float64
	// Timestamp, DataSize, Histogram and Duration are RITA's ts, ds, hist and dur score.
	Timestamp, DataSize, Histogram, Duration float64
	// Count is the number of connections, Unique the number of different seconds they start in.
	Count, Unique int
	// TopInterval is the most frequent interval between different seconds, in seconds, the shortest of equals.
	TopInterval int64
}

// RITA scores no beacon with fewer different seconds, or with more connections (a strobe).
const (
	ritaMinUnique = 4
	ritaBars      = 24
	// ritaMinBars of the 24 bars must be filled for a duration score, ritaBimodalBars for a bimodal fit. A run of
	// ritaIdealRun filled bars is fully consistent.
	ritaMinBars, ritaBimodalBars, ritaIdealRun = 6, 11, 12
	ritaModeSensitivity                        = 0.05
	// ritaLargestSize keeps the arithmetic exact. Nothing depends on the difference between a petabyte and more.
	ritaLargestSize = 1 << 50
)

// RITA computes RITA v5.1.1's beacon score of a pair's connections, whatever their port. It leaves out what lies
// before w.From() or after w.Max. It reports false where RITA scores no beacon: connections in fewer than four
// different seconds, or RITAStrobeConnections or more; Count and Unique are set even then. RITA reads an absent size
// as zero bytes. Its cap of 86,400 list items cannot bite below the strobe's limit.
func (sc *Scorer) RITA(s Series, w RITAWindow) (RITAResult, bool) { return sc.rita.score(s, w) }

// ritaScratch holds buffers for reuse.
type ritaScratch struct{ times, intervals, sizes, deviations, scratch []int64 }

func (b *ritaScratch) score(s Series, w RITAWindow) (RITAResult, bool) {
	b.times, b.intervals, b.sizes = b.times[:0], b.intervals[:0], b.sizes[:0]
	from := floorDiv(w.From(), second)
	for i, ms := range s.Start {
		t := floorDiv(ms, second)
		if t < from || t > w.Max {
			continue
		}
		b.times = append(b.times, t)
		if s.Size == nil {
			b.sizes = append(b.sizes, 0)
		} else {
			b.sizes = append(b.sizes, min(max(0, s.Size[i]), ritaLargestSize))
		}
	}
	r := RITAResult{Count: len(b.times)}
	if r.Count == 0 {
		return r, false
	}
	sortInts(b.times)
	for i, t := range b.times[1:] {
		if interval := t - b.times[i]; interval > 0 {
			b.intervals = append(b.intervals, interval)
		}
	}
	r.Unique = len(b.intervals) + 1
	if r.Unique < ritaMinUnique || r.Count >= RITAStrobeConnections || w.Max <= w.Min {
		return r, false
	}
	bars := ritaHistogram(b.times, w)
	r.Duration = ritaDuration(b.times[len(b.times)-1]-b.times[0], w.Max-w.Min, &bars)
	r.Histogram = ritaHistogramScore(&bars)
	b.scratch = sortDigits(b.intervals, b.scratch, 0)
	b.scratch = sortDigits(b.sizes, b.scratch, 0)
	r.Timestamp = b.regularity(b.intervals, 1)
	r.DataSize = b.regularity(b.sizes, 0)
	r.TopInterval, _ = mostFrequent(b.intervals)
	r.Score = round3(0.25*r.Timestamp + 0.25*r.DataSize + 0.25*r.Duration + 0.25*r.Histogram)
	return r, true
}

// regularity is RITA's score of sorted intervals or sizes: the mean of how little they are skewed (Bowley) and how
// close they lie to their median. Below a median of 1 the second half is dflt.
func (b *ritaScratch) regularity(sorted []int64, dflt float64) float64 {
	q1, q2, q3 := quartiles(sorted)
	skew := 0.0
	if q3-q1 >= 10 && q2 != q1 && q2 != q3 {
		skew = (q1 + q3 - 2*q2) / (q3 - q1)
	}
	near := dflt
	if q2 >= 1 {
		near = max(0, (q2-b.medianDeviation(sorted, q2))/q2)
	}
	return round3((1 - math.Abs(skew) + near) / 2)
}

// medianDeviation is the median distance of the values from their median. Distances are doubled to stay whole, since
// the median of an even number of whole values may end in a half.
func (b *ritaScratch) medianDeviation(sorted []int64, center float64) float64 {
	twice := int64(2 * center)
	b.deviations = b.deviations[:0]
	// Outward from the median, the nearer side first: the distances ascend without sorting.
	above := len(sorted) / 2
	below := above - 1
	for below >= 0 || above < len(sorted) {
		if above == len(sorted) || below >= 0 && twice-2*sorted[below] <= 2*sorted[above]-twice {
			b.deviations = append(b.deviations, twice-2*sorted[below])
			below--
		} else {
			b.deviations = append(b.deviations, 2*sorted[above]-twice)
			above++
		}
	}
	return median(b.deviations) / 2
}

// quartiles of sorted values: the median, and the medians of both halves, without the middle element where there is
// one.
func quartiles(sorted []int64) (q1, q2, q3 float64) {
	n := len(sorted)
	return median(sorted[:n/2]), median(sorted), median(sorted[n-n/2:])
}

// median of sorted values, the mean of the middle two if their number is even, 0 if there are none.
func median(sorted []int64) float64 {
	n := len(sorted)
	if n == 0 {
		return 0
	}
	if n%2 == 1 {
		return float64(sorted[n/2])
	}
	return float64(sorted[n/2-1]+sorted[n/2]) / 2
}

// ritaHistogram counts the times in 24 equal bars of the window. Times before it fall into the first bar.
func ritaHistogram(times []int64, w RITAWindow) (bars [ritaBars]int) {
	width := float64(w.Max-w.Min) / ritaBars
	for _, t := range times {
		i := int(float64(t-w.Min) / width)
		bars[min(max(i, 0), ritaBars-1)]++
	}
	return bars
}

// ritaHistogramScore is the better of how even the bars are, and how well two heights describe them.
func ritaHistogramScore(bars *[ritaBars]int) float64 {
	sum, highest, filled := 0, 0, 0
	for _, b := range bars {
		sum += b
		highest = max(highest, b)
		if b > 0 {
			filled++
		}
	}
	mean := float64(sum) / ritaBars
	variance := 0.0
	for _, b := range bars {
		variance += (float64(b) - mean) * (float64(b) - mean) / ritaBars
	}
	even := 0.0
	if cv := math.Sqrt(variance) / mean; cv <= 1 {
		even = round3(1 - cv)
	}
	if filled < ritaBimodalBars {
		return even
	}
	step := int(math.Ceil(float64(highest) * ritaModeSensitivity))
	var steps, counts [ritaBars]int
	kinds := 0
	for _, b := range bars {
		if b == 0 {
			continue
		}
		at := slices.Index(steps[:kinds], b/step)
		if at < 0 {
			at = kinds
			steps[at] = b / step
			kinds++
		}
		counts[at]++
	}
	slices.Sort(counts[:kinds])
	top := counts[kinds-1]
	if kinds > 1 {
		top += counts[kinds-2]
	}
	// One bar is allowed to be an outlier.
	return max(even, min(1, round3(float64(top)/float64(max(filled-1, 1)))))
}

// ritaDuration is the better of two: the share of the window that the pair spans, and its longest run of filled bars,
// with the day as a ring.
func ritaDuration(span, window int64, bars *[ritaBars]int) float64 {
	filled, run, longest := 0, 0, 0
	for i := range 2 * ritaBars {
		if bars[i%ritaBars] == 0 {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
		if i < ritaBars {
			filled++
		}
	}
	if filled < ritaMinBars {
		return 0
	}
	coverage := min(1, ceil3(float64(span)/float64(window)))
	consistency := min(1, ceil3(float64(longest)/ritaIdealRun))
	return max(coverage, consistency)
}

// mostFrequent is the most frequent of sorted values, the smallest of equals, with its count.
func mostFrequent(sorted []int64) (value int64, count int) {
	for i := 0; i < len(sorted); {
		j := i + 1
		for j < len(sorted) && sorted[j] == sorted[i] {
			j++
		}
		if j-i > count {
			value, count = sorted[i], j-i
		}
		i = j
	}
	return value, count
}

// sortInts sorts. Start times are mostly sorted already, so it checks first.
func sortInts(v []int64) {
	if !slices.IsSorted(v) {
		slices.Sort(v)
	}
}

// floorDiv divides rounding down, so that times before 1970 fall on the right side too.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

func round3(x float64) float64 { return math.Round(x*1000) / 1000 }

func ceil3(x float64) float64 { return math.Ceil(x*1000) / 1000 }
