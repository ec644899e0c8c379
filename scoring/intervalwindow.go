package scoring

import (
	"math"
	"slices"
)

// tightness is one width of the GAP test's window: all gaps between x and ratio*x. reach is the largest share of its
// gaps that any exponential distribution, and so any mixture of them, can put into such a window.
type tightness struct{ ratio, jitter, reach float64 }

// tightnesses go from +-5% to +-50%. jitter is (r-1)/(r+1), and reach (1-1/r) r^(-1/(r-1)), since exp(-a) - exp(-ra)
// is largest at a = ln r/(r-1).
func tightnesses() [5]tightness {
	return [...]tightness{
		{1.1, 0.047619047619047658, 0.035049389948139262},
		{1.25, 0.1111111111111111, 0.081919999999999979},
		{1.5, 0.20000000000000001, 0.14814814814814817},
		{2, 0.33333333333333331, 0.25},
		{3, 0.5, 0.38490017945975052},
	}
}

// exactly is the width that slow sleeps without jitter need, where there are exactMost gaps or fewer: a wider window
// could not tell five of them from chance.
var exactly = tightness{1.02, 0.00990099009900991, 0.007284860433862011}

// exactMost is up to how many gaps the exact window is looked at. exactCells is what its p-value is multiplied by.
const exactMost, exactCells = 16, 84

const (
	// shortestGap, in milliseconds: no window begins below it, since what a host does within a second is one act.
	shortestGap = second
	// maxModes is how many rhythms are told apart in one series.
	maxModes = 3
	// modeLogP is the p-value (ln) that a further mode needs, and a cell to be looked at closer.
	modeLogP = -4 * math.Ln10
	// nominalKeys weighs, where several cells are significant, a tighter fit against a smaller p-value. The choice must
	// not depend on the size of the hunt, which is not known yet.
	nominalKeys = 1e6
	// reachExponent says how the hours that a rhythm was held count: linearly would bury a flawless beat of four hours.
	reachExponent = 0.4
	// jitterCost: a jitter of 100% would take this part (one in jitterCost) of a rhythm's efficiency.
	jitterCost = 3
)

// gapCells is what a p-value is multiplied by for the number of windows tried. Half of the chance goes to the five
// tightnesses without bursts, since slow beats, which need it most, have none; a quarter to those of ten seconds, which
// join what one act of a program opens; a quarter to the other twenty and to the exact one.
func gapCells(burst int64) float64 {
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
	// Period in seconds from the start of a beat to the start of the next, the median.
	Period float64
	// Jitter is how far the gaps lie from their middle, as a share of it, but for the most extreme 5%.
	Jitter float64
	// Window is the tightness at which the test saw them, 0.05 to 0.5: Jitter is at most that.
	Window float64
	// Gaps is how many gaps follow this rhythm.
	Gaps int
}

// window is the densest window of one tightness.
type gapWindow struct {
	logP     float64 // ln
	first, k int
	t        tightness
}

// densest finds, in gaps of ascending length (less burst), the window of tightness t that holds the most, and how
// likely it would hold as many if the gaps had no memory.
func (sc *Scorer) densest(gaps []gapOrder, burst int64, t tightness) gapWindow {
	best := gapWindow{t: t}
	m := len(gaps)
	if m < 3 {
		return best
	}
	first, _ := slices.BinarySearch(gaps, gapOrder(uint64(shortestGap+burst)<<placeBits))
	ratio := t.ratio * (1 + 1e-12)
	// Only a window that holds one more than the best so far is of interest, so one gap is looked at for each that may
	// begin one; windows that begin too late to hold as many are not.
	for i := first; i+best.k < m; i++ {
		// The first gap beyond the window, with any place, ends it: compared as packed, without unpacking.
		beyond := gapOrder(uint64(int64(float64(gaps[i].gap()-burst)*ratio)+burst+1) << placeBits)
		for ; i+best.k < m && gaps[i+best.k] < beyond; best.k++ {
			best.first = i
		}
	}
	best.logP = sc.densestLogP(m, best.k, t.reach)
	return best
}

// densestLogP bounds ln P that some window of this reach holds k of m gaps: given its first gap, the others fall into
// it with at most the probability reach; and any of the m may be the first.
func (sc *Scorer) densestLogP(m, k int, reach float64) float64 {
	if k < 2 {
		return 0
	}
	return min(0, math.Log(float64(m))+sc.logBinomialTail(k-1, m-1, reach))
}

// gapCell is one burst and tightness with the modes found.
type gapCell struct {
	logP      float64 // ln, with the number of cells counted in
	burst     int64
	gaps      int
	modes     [maxModes]Mode
	modeCount int
	fraction  float64
	jitter    float64
	covered   float64 // seconds
	window    gapWindow
}

func (c *gapCell) efficiency() float64 { return c.fraction * (1 - c.jitter/jitterCost) }

// gapTest looks for gaps that agree more than those of memoryless traffic could. It gives the cell that explains most;
// enough is the time, in seconds, that counts as held all along. ok is false if there are too few gaps to look at.
func (sc *Scorer) gapTest(enough float64) (best gapCell, ok bool) {
	bestWeight := -1.0
	least, leastWindow, leastBurst := math.Inf(1), gapWindow{}, int64(0)
	for _, burst := range bursts() {
		gaps := sc.beyond(burst)
		if burst > 0 && len(gaps) == len(sc.gaps) {
			continue
		}
		if len(gaps) < 3 {
			break
		}
		loaded := false
		for _, t := range tightnesses() {
			w := sc.densest(gaps, burst, t)
			if w.k < 2 {
				continue
			}
			logP := w.logP + math.Log(gapCells(burst))
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
			c := sc.modes(gaps, burst, w)
			if weight := quality(c.efficiency(), c.covered/enough) / (1 + nominalKeys*math.Exp(c.logP)); weight > bestWeight {
				best, bestWeight = c, weight
			}
		}
	}
	if m := len(sc.gaps); m >= 3 && m <= exactMost {
		if w := sc.densest(sc.gaps, 0, exactly); w.k >= 2 && w.logP+math.Log(exactCells) <= modeLogP {
			sc.strides(0)
			c := sc.modes(sc.gaps, 0, w)
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

// modes takes the window's gaps away and looks for further rhythms in the rest.
func (sc *Scorer) modes(gaps []gapOrder, burst int64, w gapWindow) gapCell {
	c := gapCell{logP: min(0, w.logP+math.Log(gapCells(burst))), burst: burst, gaps: len(gaps), window: w}
	sc.rest = append(sc.rest[:0], gaps...)
	total := 0
	for {
		of := sc.rest[w.first : w.first+w.k]
		m := Mode{Period: sc.medianStride(of), Jitter: spread(of, burst), Window: w.t.jitter, Gaps: w.k}
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
		w = gapWindow{logP: math.Inf(1)}
		for _, t := range tightnesses() {
			if v := sc.densest(sc.rest, burst, t); v.logP < w.logP {
				w = v
			}
		}
		if w.logP > modeLogP || w.k < 2 {
			break
		}
	}
	c.fraction = float64(total) / float64(c.gaps)
	c.jitter /= float64(total)
	return c
}

// spread is the half width of the middle 95% of some gaps in order of their length, as a share of their middle.
func spread(of []gapOrder, burst int64) float64 {
	cut := len(of) / 40
	low, high := of[cut].gap()-burst, of[len(of)-1-cut].gap()-burst
	return float64(high-low) / float64(max(1, high+low))
}

// medianStride of some gaps, in seconds.
func (sc *Scorer) medianStride(of []gapOrder) float64 {
	sc.values = sc.values[:0]
	for _, o := range of {
		sc.values = append(sc.values, sc.stride[o.place()])
	}
	sc.intScratch = sortDigits(sc.values, sc.intScratch, 0)
	return median(sc.values) / second
}
