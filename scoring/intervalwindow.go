package scoring

import (
	"math"
	"slices"
)

// tightness is one width of the INTERVAL test's window: all intervals between x and ratio*x. reach is the largest share
// of intervals that any exponential distribution, and so any mixture of them, puts into such a window. place is where
// intervalSharpness has it.
type tightness struct {
	ratio, jitter, reach float64
	place                int
}

// tightnesses go from +-5% to +-50%. jitter is (r-1)/(r+1), and reach (1-1/r) r^(-1/(r-1)), since exp(-a) - exp(-ra)
// is largest at a = ln r/(r-1).
func tightnesses() [5]tightness {
	return [...]tightness{
		{1.1, 0.047619047619047658, 0.035049389948139262, 0},
		{1.25, 0.1111111111111111, 0.081919999999999979, 1},
		{1.5, 0.20000000000000001, 0.14814814814814817, 2},
		{2, 0.33333333333333331, 0.25, 3},
		{3, 0.5, 0.38490017945975052, 4},
	}
}

// exactly is the width for slow sleeps without jitter, used with exactMost intervals or fewer. A wider window cannot
// tell five such intervals from chance.
var exactly = tightness{1.02, 0.00990099009900991, 0.007284860433862011, 5}

// exactMost is the largest number of intervals for which the exact window is tried. exactCells multiplies its p-value.
const exactMost, exactCells = 16, 84

const (
	// shortestInterval, in milliseconds: no window begins below it, since what a host does within a second is one
	// action.
	shortestInterval = second
	// maxModes is how many rhythms are distinguished in one series.
	maxModes = 3
	// modeLogP is the p-value (ln) that a further mode needs, and a cell to be looked at closer.
	modeLogP = -4 * math.Ln10
	// nominalKeys weighs a tighter fit against a smaller p-value where several cells are significant. The choice must
	// not depend on the size of the hunt, which is not known yet.
	nominalKeys = 1e6
	// reachExponent weighs the hours for which a rhythm lasted. A linear weight would bury a flawless beacon of four
	// hours.
	reachExponent = 0.4
	// jitterCost: a jitter of 100% takes one part in jitterCost of a rhythm's efficiency.
	jitterCost = 3
)

// intervalCells multiplies a p-value for the number of windows tried. Half of the chance goes to the five tightnesses
// without bursts, since slow check-ins have none and need it most. A quarter goes to bursts of ten seconds, which join
// the connections of one action; a quarter to the other twenty windows and the exact one.
func intervalCells(burst int64) float64 {
	switch burst {
	case 0:
		return 10
	case 10 * second:
		return 20
	}
	return 84
}

// Mode is one rhythm of a series.
type Mode struct {
	// Period in seconds from the start of a check-in to the start of the next, the median.
	Period float64
	// Jitter is half the width of the middle 95% of the intervals, as a share of their middle.
	Jitter float64
	// Tightness is the jitter that the test allowed, 0.05 to 0.5. Only the comparison with the reference reads it.
	Tightness float64
	// Intervals is how many intervals follow this rhythm.
	Intervals int
}

// intervalWindow is the densest window of one tightness.
type intervalWindow struct {
	logP     float64 // ln
	first, k int
	t        tightness
}

// lessBurst fills lengths with those of intervals less burst, in milliseconds, in order.
func lessBurst(lengths []float64, intervals []intervalOrder, burst int64) []float64 {
	lengths = lengths[:0]
	for _, g := range intervals {
		lengths = append(lengths, float64(g.length()-burst))
	}
	return lengths
}

// densest finds the window of tightness t that holds the most intervals (ascending, less burst), and a bound on the
// chance that memoryless intervals put as many into one window. A window whose chance (ln) is above highest is of no
// interest: its k may be 0 or 1.
func (sc *Scorer) densest(lengths []float64, t tightness, highest float64) intervalWindow {
	w := intervalWindow{t: t}
	if len(lengths) < 3 {
		return w
	}
	sharp := &intervalSharpness()[t.place]
	fewest := sc.fewestPairs(len(lengths)-1, t.reach, sharp, highest) + 1
	if w.first, w.k = mostWithin(lengths, shortestInterval, longestInterval, t.ratio, fewest); w.k >= 2 {
		w.logP = sc.logPairs(w.k-1, len(lengths)-1, t.reach, sharp)
	}
	return w
}

// mostWithin finds the window of a ratio that holds the most lengths (ascending), k from first on, if that are fewest or
// more. It begins at from or later, and at last or earlier.
func mostWithin(lengths []float64, from, last, ratio float64, fewest int) (first, k int) {
	i, _ := slices.BinarySearch(lengths, from)
	ratio *= 1 + 1e-12
	// Only a window with one more than the best so far is of interest. So each start costs one comparison, and starts too
	// late for that are skipped.
	found := false
	for k = fewest - 1; i+k < len(lengths) && lengths[i] <= last; i++ {
		for beyond := lengths[i] * ratio; i+k < len(lengths) && lengths[i+k] <= beyond; k++ {
			first, found = i, true
		}
	}
	if !found {
		return 0, 0
	}
	return first, k
}

// densestLogP bounds ln P that some window of this tightness holds k of m intervals. Given its first interval, each
// other falls into it with probability reach at most, and any of the m may be the first.
func (sc *Scorer) densestLogP(m, k int, t tightness) float64 {
	if k < 2 {
		return 0
	}
	return sc.logPairs(k-1, m-1, t.reach, &intervalSharpness()[t.place])
}

// intervalCell is one burst and tightness with the modes found.
type intervalCell struct {
	logP      float64 // ln, with the number of cells counted in
	burst     int64
	intervals int
	modes     [maxModes]Mode
	modeCount int
	fraction  float64
	jitter    float64
	covered   float64 // seconds
	window    intervalWindow
}

func (c *intervalCell) efficiency() float64 { return c.fraction * (1 - c.jitter/jitterCost) }

// intervalTest looks for intervals that agree more than those of memoryless traffic can. It returns the cell that
// explains most; enough is the time, in seconds, that counts as the whole window. ok is false with too few intervals, or
// if all cells' chances (ln) are above highest.
func (sc *Scorer) intervalTest(enough, highest float64) (best intervalCell, ok bool) {
	bestWeight := -1.0
	least, leastWindow, leastBurst := highest, intervalWindow{}, int64(0)
	for _, burst := range bursts() {
		intervals := sc.beyond(burst)
		if burst > 0 && len(intervals) == len(sc.intervals) {
			continue
		}
		if len(intervals) < 3 {
			break
		}
		loaded := false
		sc.lengths = lessBurst(sc.lengths, intervals, burst)
		cells := math.Log(intervalCells(burst))
		for _, t := range tightnesses() {
			w := sc.densest(sc.lengths, t, max(least, modeLogP)-cells)
			if w.k < 2 {
				continue
			}
			logP := w.logP + cells
			if logP < least {
				least, leastWindow, leastBurst = logP, w, burst
			}
			if logP > modeLogP {
				continue
			}
			if !loaded {
				sc.strides(burst)
				loaded = true
			}
			c := sc.modes(intervals, burst, w)
			if weight := quality(c.efficiency(), c.covered/enough) / (1 + nominalKeys*math.Exp(c.logP)); weight > bestWeight {
				best, bestWeight = c, weight
			}
		}
	}
	if m := len(sc.intervals); m >= 3 && m <= exactMost {
		sc.lengths = lessBurst(sc.lengths, sc.intervals, 0)
		if w := sc.densest(sc.lengths, exactly, modeLogP-math.Log(exactCells)); w.k >= 2 && w.logP+math.Log(exactCells) <= modeLogP {
			sc.strides(0)
			c := sc.modes(sc.intervals, 0, w)
			c.logP = min(0, w.logP+math.Log(exactCells))
			if weight := quality(c.efficiency(), c.covered/enough) / (1 + nominalKeys*math.Exp(c.logP)); weight > bestWeight {
				best, bestWeight = c, weight
			}
		}
	}
	if bestWeight >= 0 {
		return best, true
	}
	if leastWindow.k < 2 {
		return best, false
	}
	sc.strides(leastBurst)
	return sc.modes(sc.beyond(leastBurst), leastBurst, leastWindow), true
}

// modes removes the window's intervals and looks for further rhythms in the rest.
func (sc *Scorer) modes(intervals []intervalOrder, burst int64, w intervalWindow) intervalCell {
	c := intervalCell{logP: min(0, w.logP+math.Log(intervalCells(burst))), burst: burst, intervals: len(intervals), window: w}
	sc.rest = append(sc.rest[:0], intervals...)
	total := 0
	for {
		of := sc.rest[w.first : w.first+w.k]
		m := Mode{Period: sc.medianStride(of), Jitter: spread(of, burst), Tightness: w.t.jitter, Intervals: w.k}
		c.modes[c.modeCount] = m
		c.modeCount++
		total += w.k
		c.jitter += float64(w.k) * m.Jitter
		for _, o := range of {
			c.covered += float64(sc.stride[o.place()]) / second
		}
		sc.rest = append(sc.rest[:w.first], sc.rest[w.first+w.k:]...)
		if len(sc.rest) < 4 || c.modeCount == maxModes {
			break
		}
		w = intervalWindow{logP: math.Nextafter(modeLogP, 0)}
		sc.restLengths = lessBurst(sc.restLengths, sc.rest, burst)
		for _, t := range tightnesses() {
			if v := sc.densest(sc.restLengths, t, w.logP); v.logP < w.logP {
				w = v
			}
		}
		if w.k < 2 {
			break
		}
	}
	c.fraction = float64(total) / float64(c.intervals)
	c.jitter /= float64(total)
	return c
}

// spread is the half width of the middle 95% of some intervals in order of their length, as a share of their middle.
func spread(of []intervalOrder, burst int64) float64 {
	cut := len(of) / 40
	low, high := of[cut].length()-burst, of[len(of)-1-cut].length()-burst
	return float64(high-low) / float64(max(1, high+low))
}

// medianStride of some intervals, in seconds.
func (sc *Scorer) medianStride(of []intervalOrder) float64 {
	sc.values = sc.values[:0]
	for _, o := range of {
		sc.values = append(sc.values, sc.stride[o.place()])
	}
	sc.intScratch = sortDigits(sc.values, sc.intScratch, 0)
	return median(sc.values) / second
}
