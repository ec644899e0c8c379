package scoring

import "math"

// Floor is the least that a beacon must do to be found.
type Floor struct {
	// CheckIns is the number of connections that must show in the window; 0 if no number within a window would do.
	CheckIns int
	// Hours is how long it must be alive for that, those included that go missing.
	Hours float64
}

// floorConfidence: with this probability a beacon above the floor is found, whichever of its check-ins went missing.
const (
	floorConfidence = 0.95
	// floorMargin covers that the test may settle on a tighter window that holds an interval less.
	floorMargin = 1.05
)

// DetectionFloor says from how many check-ins, and so hours, on a beacon scores above cut in a hunt of so many keys
// over a window of so many seconds: one that waits period seconds, give or take jitter (a share, at most 0.5), from
// check-in to check-in, and of whose check-ins the share missed does not show. It counts what the INTERVAL test sees of
// single periods and, where the jitter is not so wide that it may be taken for a timer, what is won by betting on
// missed check-ins; the other tests only help.
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

// missedFloor is what the bets on missed check-ins say at least, with a probability of floorConfidence, of m intervals
// of a check-in of which some are missing: the mean of what each interval yields, explains and covers, less what they
// spread, which is normal for so many.
func (sc *Scorer) missedFloor(m int, period, jitter, missed float64) (b Beacon, ok bool) {
	if missed <= 0 || m < missedFewest || m > missedMost {
		return b, false
	}
	for i, bet := range sc.missedBets() {
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

// moments are of what one of many alike things adds.
type moments struct{ mean, square float64 }

func (x *moments) add(p, value float64) { x.mean, x.square = x.mean+p*value, x.square+p*value*value }

// least is what n of them add up to at least, with a probability of floorConfidence.
func (x *moments) least(n int) float64 {
	const quantile = 1.645
	return float64(n)*x.mean - quantile*math.Sqrt(float64(n)*max(0, x.square-x.mean*x.mean))
}

// surely is the largest k for which P[Bin(n, p) >= k] is at least floorConfidence.
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
