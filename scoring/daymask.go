package scoring

import (
	"math"
	"sync"
)

const (
	// maskNight is the shortest pause that is left out, in milliseconds: a night of someone who is up for fifteen
	// hours.
	maskNight = 9 * hour
	// maskWindow is the shortest window, in milliseconds, that has enough nights. maskNights is the least number of
	// pauses that are left out.
	maskWindow, maskNights = 3 * day, 2
	// maskFewest is the least number of intervals in rhythm. maskShortest is the shortest, in milliseconds: INTERVAL
	// finds faster beacons.
	maskFewest, maskShortest = 5, 20 * minute
	// In windows of maskWindow or more the day mask has a tenth of the chance, which INTERVAL lacks.
	maskShare, maskedIntervalShare = 1 / 0.1, 1 / 0.4
)

// maskWidth is one width of the window, with the part of the chance that it may use. The largest share of intervals in it
// is its jitter.
type maskWidth struct {
	tightness
	weight float64
}

func maskWidths() [4]maskWidth {
	var out [4]maskWidth
	for i, of := range [...][2]float64{{1.2, 0.1}, {1.5, 0.45}, {2, 0.15}, {3, 0.3}} {
		jitter := (of[0] - 1) / (of[0] + 1)
		out[i] = maskWidth{tightness{ratio: of[0], jitter: jitter, reach: jitter, place: i}, of[1]}
	}
	return out
}

func maskBursts() [2]missedBurst { return [...]missedBurst{{0, 0.75}, {30 * second, 0.25}} }

// maskSharpness is for two connections in some hours a day, x being a part of these hours. The density of the logarithm
// of their interval is 2x(1-x), at most a half.
var maskSharpness = sync.OnceValue(func() *[4]sharpness {
	var out [4]sharpness
	for i, of := range maskWidths() {
		out[i] = newSharpness(0.5, of.jitter, func(x float64) float64 {
			left, beyond := max(0, 1-x), max(0, 1-of.ratio*x)
			return left*left - beyond*beyond
		})
	}
	return &out
})

// maskCell is the densest window of the day mask.
type maskCell struct {
	intervalWindow
	burst  int64
	within []intervalOrder // shorter than maskNight
	all    int             // intervals, nights included
}

// maskTest looks for a rhythm of the intervals within days: a slow beacon in working hours, or of a laptop. Pauses of
// maskNight or more (nights, weekends) say nothing about it.
//
// It is the INTERVAL test on the other intervals, with another bound, since leaving out the long ones makes the rest
// more alike. A window from x to rx, where maskNight is (r+1)x or more, has a share of j = (r-1)/(r+1) at most:
//   - For an exponential of any rate q that share is sinh(q(r-1)x/2)/sinh(q maskNight/2) or less. It falls with q from
//     (r-1)x/maskNight, at most j. So it is for mixtures of exponentials.
//   - For n memoryless connections in some hours of a day, whichever, it is (1-x)^n - (1-rx)^n, x as a part of these
//     hours. It is largest for two: 2(r-1)x - (r^2-1)x^2, at most j. Several intervals of one day are all in the window
//     less often than independent ones.
//
// The active hours need not be known, so no choice of them is paid for.
func (sc *Scorer) maskTest() (best maskCell, ok bool) {
	for _, of := range maskBursts() {
		intervals := sc.beyond(of.burst)
		if of.burst > 0 && len(intervals) == len(sc.intervals) {
			continue // a burst that joins nothing is the same again
		}
		m := forward(intervals, 0, of.burst, float64(maskNight-of.burst-1))
		if m < maskFewest || len(intervals)-m < maskNights {
			continue
		}
		sc.lengths = lessBurst(sc.lengths, intervals[:m], of.burst)
		for i, width := range maskWidths() {
			w := intervalWindow{t: width.tightness}
			if w.first, w.k = mostWithin(sc.lengths, maskShortest, math.Floor(float64(maskNight-of.burst)/(width.ratio+1)), width.ratio, maskFewest); w.k >= 2 {
				w.logP = sc.logPairs(w.k-1, m-1, width.reach, &maskSharpness()[i])
			}
			if w.logP -= math.Log(width.weight * of.weight); w.k >= maskFewest && w.logP < best.logP {
				best, ok = maskCell{w, of.burst, intervals[:m], len(intervals)}, true
			}
		}
	}
	return best, ok
}

// dayMask replaces the result if the intervals within days explain more.
func (sc *Scorer) dayMask(w Window, b *Beacon) {
	if w.Length() < maskWindow || !b.Timer && b.LogP < missedDecided && b.Fraction >= beyondFraction {
		return
	}
	c, ok := sc.maskTest()
	if !ok || b.Timer && len(c.within) < shapeFewest {
		return // too few to tell a timer from a beacon
	}
	sc.strides(c.burst)
	of := c.within[c.first : c.first+c.k]
	o := Beacon{
		Connections: b.Connections, Enough: b.Enough, Test: Interval, LogP: log10P(c.logP, maskShare),
		Burst: float64(c.burst) / second, CheckIns: c.all + 1, Intervals: len(c.within), Nights: c.all - len(c.within),
		Jitter: spread(of, c.burst), Fraction: float64(c.k) / float64(len(c.within)), ModeCount: 1,
	}
	o.Modes[0] = Mode{Period: sc.medianStride(of), Jitter: o.Jitter, Tightness: c.t.jitter, Intervals: c.k}
	o.Period, o.Efficiency = o.Modes[0].Period, o.Fraction*(1-o.Jitter/jitterCost)
	for _, g := range of {
		o.Covered += float64(sc.stride[g.place()]) / second
	}
	if c.logP <= modeLogP {
		// The end of a day cuts a timer's long intervals off, so that in doubt nothing less than all of them shows a beacon.
		window := intervalWindow{t: c.t}
		if c.k == len(c.within) {
			window.k = c.k
		}
		o.Timer = sc.restarts(c.within, c.burst, window)
	}
	if o.weight() > b.weight() {
		*b = o
	}
}
