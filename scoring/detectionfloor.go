package scoring

import "math"

// Floor is the weakest beacon that a hunt finds.
type Floor struct {
	// CheckIns is the number of connections that must be seen in the window; 0 if no number that fits is enough.
	CheckIns int
	// Hours is how long it must be active for that, missed check-ins included.
	Hours float64
}

const (
	// floorConfidence is the probability that a beacon at the floor is found, whichever of its check-ins are missed;
	// floorQuantile is the number of standard deviations to it.
	floorConfidence, floorQuantile = 0.95, 1.645
	// floorMargin allows for a test that settles on a tighter window with one interval less.
	floorMargin = 1.05
	// floorUnlike is the number of check-ins from which jitter above wideJitter with missed check-ins passes for a timer
	// in less than one case of twenty. That was measured, not computed.
	floorUnlike = 220
	// floorLess is the share of check-ins that bets on wide sleeps, and pauses between works of any length, count on.
	floorLess = 0.95
	// floorWidest: with more jitter than INTERVAL's windows hold, and less than this, one beacon in ten passes for a
	// timer.
	floorWidest = 0.85
	// floorDrift is the jitter from which the times of check-ins differ from one day to the next.
	floorDrift = 0.2
	// floorSpread is the standard deviation of a day's number of check-ins from then on, those of its neighbors counted.
	floorSpread = 0.6
	// WorkingHours is how long a beacon of working hours is active a day.
	WorkingHours = 10.0
)

// DetectionFloor returns the least number of check-ins, and so of hours, with which a beacon scores above cut. keys is
// the number of the hunt's candidates, window and period are in seconds; jitter is a share of the period, and missed
// the share of check-ins that are not seen, 0 if the jitter is above 0.5. It counts what the INTERVAL test finds and,
// unless the jitter could pass for a timer, what the bets on missed check-ins and on wide sleeps win; the other tests
// only add to that.
func DetectionFloor(keys int, window, period, jitter, missed, cut float64) Floor {
	var sc Scorer
	enough := min(window/2, hoursEnough)
	if !(period > 0) || !(missed >= 0 && missed < 1) || enough <= 0 {
		return Floor{}
	}
	found := func(b Beacon) bool {
		b.Enough = enough
		return b.Score(keys).Score > cut*floorMargin
	}
	for n := fewestConnections; ; n++ {
		hours := float64(n) * period / (1 - missed) / 3600
		if hours*3600 > window {
			return Floor{}
		}
		m := n - 1
		if jitter <= wideJitter || missed <= 0 || n >= floorUnlike {
			k := sc.surely(m, 1-missed)
			for _, t := range tightnesses() {
				if t.jitter >= jitter-1e-9 && k >= 2 && found(Beacon{
					LogP:       log10P(sc.densestLogP(m, k, t)+math.Log(intervalCells(0)), intervalPart(window)),
					Efficiency: float64(k) / float64(m) * (1 - jitter/jitterCost), Covered: float64(k) * period,
				}) {
					return Floor{CheckIns: n, Hours: hours}
				}
			}
		}
		if b, ok := sc.missedFloor(m, period, jitter, missed); ok && found(b) {
			return Floor{CheckIns: n, Hours: hours}
		}
		if b, ok := wideFloor(m, period, jitter, missed); ok && found(b) {
			return Floor{CheckIns: n, Hours: hours}
		}
	}
}

// PauseFloor is the same for a loop that works for a time of any length, up to half of all time, and then sleeps.
// period is the mean of both together, jitter that of the sleeps.
func PauseFloor(keys int, window, period, jitter, cut float64) Floor {
	var sc Scorer
	enough := min(window/2, hoursEnough)
	if !(period > 0) || enough <= 0 || jitter > pauseJitter {
		return Floor{}
	}
	for n := pauseFewest; float64(n)*period <= window; n++ {
		for _, t := range tightnesses() {
			b := Beacon{
				LogP:       log10P(sc.densestLogP(n-1, n-1, t)+math.Log(intervalCells(0)), pauseShare),
				Efficiency: floorLess * (1 - jitter/jitterCost), Covered: floorLess * float64(n-1) * period, Enough: enough,
			}
			if t.jitter >= jitter-1e-9 && b.LogP <= pauseLogP && b.Score(keys).Score > cut*floorMargin {
				return Floor{CheckIns: n, Hours: float64(n) * period / 3600}
			}
		}
	}
	return Floor{}
}

// DayFloor is the same for a beacon that is active for WorkingHours of each day: as many of these hours as a number of
// whole days has. A day has one interval less than check-ins. How many depends on when its first one is, which without
// jitter may be the same time each day. What cannot check in three times a day is not counted.
func DayFloor(keys int, window, period, jitter, cut float64) Floor {
	var sc Scorer
	const active = WorkingHours * 3600
	if !(period > 0) || window*second < maskWindow || 2*period*(1+jitter) > active {
		return Floor{}
	}
	if f := DetectionFloor(keys, window, period, jitter, 0, cut); f.CheckIns > 0 && float64(f.CheckIns) <= math.Floor(active/period/(1+jitter)) {
		return Floor{CheckIns: f.CheckIns, Hours: WorkingHours} // one day is enough
	}
	for days := 1.0; days*day <= window*second; days++ {
		k := int(days * (math.Floor(active/period/(1+jitter)) - 1))
		if jitter >= floorDrift {
			k = int(days*(active/period-1) - floorQuantile*floorSpread*math.Sqrt(days))
		}
		if k < maskFewest || days <= maskNights {
			continue
		}
		for i, of := range maskWidths() {
			shortest := period * (1 - jitter) * second
			if of.jitter < jitter-1e-9 || shortest < maskShortest || shortest*(of.ratio+1) > float64(maskNight) {
				continue
			}
			b := Beacon{
				LogP:       log10P(sc.logPairs(k-1, k-1, of.jitter, &maskSharpness()[i])-math.Log(of.weight*maskBursts()[0].weight), maskShare),
				Efficiency: 1 - jitter/jitterCost, Covered: float64(k) * period, Enough: min(window/2, hoursEnough),
			}
			if b.Score(keys).Score > cut*floorMargin {
				return Floor{CheckIns: k + int(days), Hours: days * WorkingHours}
			}
		}
	}
	return Floor{}
}

// wideFloor is the least, with probability floorConfidence, that the bets on wide sleeps win on m intervals with more
// jitter than INTERVAL's widest window holds.
func wideFloor(m int, period, jitter, missed float64) (best Beacon, ok bool) {
	if jitter < floorWidest || jitter >= 1 || missed > 0 || m < wideFewest || m > wideMost {
		return best, false
	}
	sure := int(floorLess * float64(m))
	for _, bet := range wideBets() {
		var won moments
		shortest := (1 - jitter) / (1 + jitter)
		for bin := 1; bin <= -wideLowest*wideOctave; bin++ {
			low, high := max(shortest, wideEdge(bin-1)), wideEdge(bin)
			won.add(max(0, high-low)/(1-shortest), bet.gain[bin])
		}
		log := won.least(sure) + math.Log(missedBursts()[0].weight/(wideRanges*wideLosses)/float64(m))
		b := Beacon{LogP: log10P(-max(0, log), sleepShare), Efficiency: floorLess * (1 - jitter/jitterCost), Covered: float64(sure) * period}
		if !ok || b.LogP < best.LogP {
			best, ok = b, true
		}
	}
	return best, ok
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
	return float64(n)*x.mean - floorQuantile*math.Sqrt(float64(n)*max(0, x.square-x.mean*x.mean))
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
