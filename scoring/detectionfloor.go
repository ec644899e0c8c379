package scoring

import "math"

// Floor is the weakest beacon that a hunt finds.
type Floor struct {
	// CheckIns is the number of connections that must be seen in the window; 0 if no number that fits is enough.
	CheckIns int
	// Hours is how long it must be active for that, missed check-ins included.
	Hours float64
}

// floorConfidence is the probability that a beacon at the floor is found, whichever of its check-ins are missed.
const (
	floorConfidence = 0.95
	// floorMargin allows for a test that settles on a tighter window with one interval less.
	floorMargin = 1.05
)

// DetectionFloor returns the least number of check-ins, and so of hours, with which a beacon scores above cut. keys is
// the number of the hunt's candidates, window and period are in seconds; jitter is a share of the period, at most 0.5,
// and missed the share of check-ins that are not seen. It counts what the INTERVAL test finds and, unless the jitter
// could pass for a timer, what the bets on missed check-ins win; the other tests only add to that.
func DetectionFloor(keys int, window, period, jitter, missed, cut float64) Floor {
	var sc Scorer
	enough := min(window/2, hoursEnough)
	if !(period > 0) || !(missed >= 0 && missed < 1) || enough <= 0 {
		return Floor{}
	}
	for n := fewestConnections; ; n++ {
		hours := float64(n) * period / (1 - missed) / 3600
		if hours*3600 > window {
			return Floor{}
		}
		m := n - 1
		k := sc.surely(m, 1-missed)
		for _, t := range tightnesses() {
			if t.jitter < jitter-1e-9 || k < 2 {
				continue
			}
			b := Beacon{
				LogP:       log10P(sc.densestLogP(m, k, t.reach)+math.Log(intervalCells(0)), intervalShare),
				Efficiency: float64(k) / float64(m) * (1 - jitter/jitterCost),
				Covered:    float64(k) * period, Enough: enough,
			}
			if b.Score(keys).Score > cut*floorMargin {
				return Floor{CheckIns: n, Hours: hours}
			}
		}
		if b, ok := sc.missedFloor(m, period, jitter, missed); ok {
			b.Enough = enough
			if b.Score(keys).Score > cut*floorMargin {
				return Floor{CheckIns: n, Hours: hours}
			}
		}
	}
}

// missedFloor is the least, with probability floorConfidence, that the bets on missed check-ins win on m intervals: the
// mean of what each interval yields, explains and covers, less their spread, which is normal for so many.
func (sc *Scorer) missedFloor(m int, period, jitter, missed float64) (b Beacon, ok bool) {
	if missed <= 0 || m < missedFewest || m > missedMost {
		return b, false
	}
	for i, bet := range missedBets() {
		t := missedTightness(i / missedShares)
		if t.jitter < jitter-1e-9 || t.jitter > wideJitter {
			continue
		}
		var won, explained, covered moments
		share, left := 1-missed, 1.0
		for k := range missedPeriods {
			p := share * [missedPeriods]float64{1, 0.96, 0.95}[k] // what its window holds of even jitters
			won.add(p, bet.gain[k])
			explained.add(p, 1)
			covered.add(p, period*float64(k+1))
			share, left = share*missed, left-p
		}
		won.add(left, bet.loss)
		log := won.least(m) - math.Log(float64(m)) + math.Log(missedBursts()[0].weight/(missedRatios*missedShares))
		c := Beacon{LogP: log10P(-max(0, log), missedShare), Efficiency: explained.least(m) / float64(m) * (1 - jitter/jitterCost), Covered: covered.least(m)}
		if !ok || c.LogP < b.LogP {
			b, ok = c, true
		}
	}
	return b, ok
}

// moments are the mean and mean square of what one interval adds.
type moments struct{ mean, square float64 }

func (x *moments) add(p, value float64) { x.mean, x.square = x.mean+p*value, x.square+p*value*value }

// least is the least sum of n intervals, with probability floorConfidence.
func (x *moments) least(n int) float64 {
	const quantile = 1.645
	return float64(n)*x.mean - quantile*math.Sqrt(float64(n)*max(0, x.square-x.mean*x.mean))
}

// surely is the largest k with P[Bin(n, p) >= k] of at least floorConfidence.
func (sc *Scorer) surely(n int, p float64) int {
	if p >= 1 {
		return n
	}
	below := 0.0
	for k := range n + 1 {
		below += math.Exp(sc.logFactorial(n) - sc.logFactorial(k) - sc.logFactorial(n-k) + float64(k)*math.Log(p) + float64(n-k)*math.Log1p(-p))
		if below > 1-floorConfidence {
			return k
		}
	}
	return n
}
