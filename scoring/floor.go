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
	// floorMargin covers that the test may settle on a tighter window that holds a gap less.
	floorMargin = 1.05
)

// DetectionFloor says from how many check-ins, and so hours, on a beacon scores above cut in a hunt of so many keys over a window of
// so many seconds: one that waits period seconds, give or take jitter (a share, at most 0.5), from check-in to check-in, and of
// whose check-ins the share missed does not show. It counts what the GAP test sees of single periods, and nothing
// else: double periods and the other tests only help.
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
				LogP:       log10P(sc.densestLogP(m, k, t.reach)+math.Log(gapCells(0)), gapShare),
				Efficiency: float64(k) / float64(m) * (1 - jitter/jitterCost),
				Covered:    float64(k) * period, Enough: enough,
			}
			if b.Score(keys).Score > cut*floorMargin {
				return Floor{CheckIns: n, Hours: hours}
			}
		}
	}
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
