package scoring

import (
	"math"
	"slices"
)

// Test names the way a check-in was found.
type Test uint8

// The tests.
const (
	NoTest Test = iota
	// Interval: intervals between check-ins agree more than those of memoryless traffic.
	Interval
	// Clock: check-ins are in phase with a clock, whatever goes on between them.
	Clock
	// Lattice: intervals are multiples of a round period.
	Lattice
	// Schedule: check-ins at the same time of every round period, whatever else goes on.
	Schedule
	// Echo: a period after a check-in there is another one, whatever goes on between.
	Echo
)

const (
	// fewestConnections is the least a candidate needs to be judged.
	fewestConnections = 4
	// What p-values are multiplied by for the number of tests: half of the chance goes to INTERVAL, 0.12 to missed
	// check-ins, 0.04 to wide sleeps, 0.03 to pauses, 0.07 to each of the four others, 0.015 to each of two sizes.
	intervalShare, missedShare, sleepShare, pauseShare, otherShare, sizeShare = 2, 1 / 0.12, 1 / 0.04, 1 / 0.03, 1 / 0.07, 1 / 0.015
	// lowestLogP stands for any p-value below it.
	lowestLogP = -300
	// wellExplained: an INTERVAL result that explains this share of the intervals, at a p-value (log10) of
	// intervalSure, is not overruled by the other tests, which may name a fraction of its period.
	wellExplained, intervalSure = 0.8, -8
	// timerFactor lowers what looks like a timer that restarts on use to low at most.
	timerFactor = 0.39
	// Timers are quasi-periodic for a while: only this much agreement shows a clock or a lattice beneath.
	lockedResultant, lockedCosine = 0.5, 0.5
	// A size is looked at alone if at least so many connections have it, and at most this share of all.
	sizeFewest, sizeMost = 8, 0.9
	// clockSure is the p-value (log10) from which a clock or a schedule is not asked for its echo.
	clockSure = -9
	// A rhythm of so many check-ins, so unlikely (log10) and in so large a share of the intervals is beyond doubt, and
	// weighs so much.
	beyondCheckIns, beyondLogP, beyondFraction, beyondValue = 36, -12, 0.9, 0.4
	// Or of a few, if it was held for so many seconds: pages that poll for some minutes are many.
	beyondFewest, beyondHeld = 9, 2700
	// With so many check-ins and so unlikely, it weighs so much more: nobody waits alike so often, however short the
	// time.
	plentyCheckIns, plentyLogP, plentyValue = 60, -25, 0.25
	// Timing weighs as it scores up to timingHigh; from there to 1 it is brought into what is left below timingMost, of
	// which timingOrder tells the best from one another.
	timingHigh, timingMost, timingOrder = 0.58, 0.85, 0.02
	// hoursEnough: a rhythm held for half a window, or twelve hours of a longer one, counts as held all along.
	hoursEnough = 12 * 3600.0
)

// Beacon is the rhythm found in one series. It does not depend on the number of candidates tested; Score does. The zero
// Beacon stands for a series of too few connections, and scores 0.
type Beacon struct {
	// Connections in the window, and CheckIns: connections without those that follow within Burst seconds.
	Connections, CheckIns int
	Burst                 float64
	// LogP is log10 of the probability that some memoryless traffic of as many connections looks at least like this by
	// the test that was chosen, all that was tried counted in. 0 to -300.
	LogP float64
	// Test that was chosen; NoTest if there was nothing to choose from.
	Test Test
	// Period in seconds and Jitter as a share of it: of the main rhythm, of all rhythms.
	Period, Jitter float64
	// Fraction of the intervals (Clock: of the check-ins) that keep a rhythm; Intervals is how many intervals there
	// were.
	Fraction  float64
	Intervals int
	// Covered is for how many seconds in all the rhythm was held, Coverage its share of the window.
	Covered, Coverage float64
	// Occupied is the share of the periods with a check-in in them; by Clock and Schedule only, else 0.
	Occupied float64
	// Efficiency is how completely and tightly the rhythm explains what it claims to, 0..1.
	Efficiency float64
	// Enough is for how many seconds a rhythm must be held to count fully.
	Enough float64
	// Modes are the rhythms, the first the main one, ModeCount of them.
	Modes     [maxModes]Mode
	ModeCount int
	// Sized is how many connections the result rests on where only those of one size, Size bytes, keep the rhythm;
	// 0 where it rests on all.
	Sized int
	Size  int64
	// Paused: the rhythm is that of the pauses between the end of one connection and the start of the next, Pause
	// seconds long, as of a loop that works and then sleeps. Period is from start to start, Jitter of the pauses.
	Paused bool
	Pause  float64
	// Timer: the intervals look like a timer that restarts on use, or as spread as what people do.
	Timer bool
	// Faint is how evenly the check-ins are spread, 0..1, where no test found much: it orders what would score nothing.
	Faint float64
}

// BeaconScore is a beacon's score in a hunt of a number of candidates.
type BeaconScore struct {
	// Score is the beacon score, 0..1.
	Score float64
	// LogExpected is log10 of how many of the candidates would look like this if no intervals had memory.
	LogExpected float64
	// Confidence is 1/(1+expected).
	Confidence float64
	// Quality is the score at full confidence.
	Quality float64
}

// quality is the score of a rhythm beyond doubt: how well it explains, and for which share of enough it was held.
func quality(efficiency, held float64) float64 {
	return math.Sqrt(max(0, efficiency)) * math.Pow(min(1, max(0, held)), reachExponent)
}

// MeanInterval is the period, in seconds, or where check-ins are there in some periods only, as CLOCK and SCHEDULE may
// find them, the mean time between them.
func (b Beacon) MeanInterval() float64 {
	if b.Occupied > 0 {
		return b.Period / b.Occupied
	}
	return b.Period
}

// Quality is the score at full confidence.
func (b Beacon) Quality() float64 {
	if b.Enough <= 0 {
		return 0
	}
	q := quality(b.Efficiency, b.Covered/b.Enough)
	if b.Timer {
		q *= timerFactor
	}
	return Clamp(q)
}

// Beyond says that the rhythm is beyond doubt, however short it was: many check-ins, nearly all in step, and no timer.
func (b Beacon) Beyond() bool {
	many := b.CheckIns >= beyondCheckIns || b.CheckIns >= beyondFewest && b.Covered >= beyondHeld
	return !b.Timer && many && b.LogP <= beyondLogP && b.Test == Interval && b.Fraction >= beyondFraction
}

// Value is what the beacon weighs as an indicator in a hunt of so many candidates: its score by how alike the sizes
// are, and medium at least where it is beyond doubt. Timing alone weighs 0.85 at most, so that evidence beside it still
// counts; the less likely and tighter of two rhythms comes first, so that the best do not tie.
func (b Beacon) Value(keys int, size SizeScore) float64 {
	s := b.Score(keys)
	v := s.Score * size.Factor()
	if b.Beyond() {
		sure := min(1, (b.LogP-beyondLogP)/(plentyLogP-beyondLogP)) * min(1, float64(b.CheckIns)/plentyCheckIns)
		v = max(v, beyondValue+plentyValue*sure)
	}
	if v <= timingHigh {
		return v
	}
	strength := 0.5*(1-math.Exp(min(0, s.LogExpected)/50)) + 0.5*(1-min(1, b.Jitter))
	x := (v - timingHigh) / (1 - timingHigh)
	return timingHigh + (timingMost-timingOrder*(1-strength)-timingHigh)*x
}

// Chance is the severity that a rhythm may have by what is expected by chance: critical where less than 0.01 of the
// candidates tested would look like this without any memory, high up to 0.1, medium beyond.
func (b Beacon) Chance(keys int) Severity {
	switch e := b.Score(keys).LogExpected; {
	case e <= -2:
		return Critical
	case e <= -1:
		return High
	}
	return Medium
}

// Score weighs a beacon in a hunt of so many candidates, of all kinds. Fewer than one count as one. Scores up to 0.05
// may only order candidates that no test detects (Faint).
func (b Beacon) Score(keys int) BeaconScore {
	s := BeaconScore{LogExpected: math.Log10(float64(max(1, keys))) + b.LogP, Quality: b.Quality()}
	s.Confidence = 1 / (1 + math.Pow(10, s.LogExpected))
	s.Score = Clamp(max(s.Confidence*s.Quality, faintMost*b.Faint))
	return s
}

// Beacon looks for a rhythm in the connections that start in the window. Fewer than four are not judged, nor is a
// window without length. Connections at the same instant have no interval that could be judged: they score 0.
func (sc *Scorer) Beacon(s Series, w Window) Beacon {
	w = w.bounded()
	sc.inside = sc.inside[:0]
	for _, t := range s.Start {
		if t >= w.Start && t < w.End {
			sc.inside = append(sc.inside, t)
		}
	}
	b := Beacon{Connections: len(sc.inside), CheckIns: len(sc.inside)}
	if len(sc.inside) < fewestConnections {
		return b
	}
	length := float64(w.Length()) / second
	b.Enough = min(length/2, hoursEnough)
	sc.load(sc.inside)
	if !sc.intervalBeacon(&b, intervalShare) {
		return b
	}
	gap := b
	sc.missedCheckIns(&b)
	sc.wideSleeps(&b)
	faint := 0.0
	if b.LogP > faintLogP {
		faint = sc.evenness(b.Enough)
	}
	if gap.Timer || gap.LogP > intervalSure || gap.Fraction < wellExplained {
		sc.otherTests(&b, gap)
		sc.sizeTests(s, w, &b)
		sc.pauseTest(s, w, &b)
	}
	b.Coverage = min(1, b.Covered/length)
	if b.LogP > faintLogP {
		b.Faint = faint
	}
	return b
}

// intervalBeacon fills b with what the INTERVAL test says of the series that is loaded; false if there are too few
// intervals.
func (sc *Scorer) intervalBeacon(b *Beacon, share float64) bool {
	c, ok := sc.intervalTest(b.Enough)
	if ok {
		sc.take(b, &c, share)
	}
	return ok
}

// missedCheckIns replaces what INTERVAL found where it is undecided and a check-in of which some are missing explains
// more.
func (sc *Scorer) missedCheckIns(b *Beacon) {
	if b.LogP >= 0 || b.LogP < missedDecided || b.Timer {
		return
	}
	c, ok := sc.missedTest()
	if !ok {
		return
	}
	o := Beacon{Connections: b.Connections, Enough: b.Enough}
	sc.take(&o, &c, missedShare)
	if o.weight() > b.weight() {
		*b = o
	}
}

// wideSleeps replaces what was found where a range of sleeps wider than INTERVAL's windows explains more.
func (sc *Scorer) wideSleeps(b *Beacon) {
	if b.Timer || b.LogP < missedDecided && b.Fraction >= beyondFraction {
		return
	}
	c, ok := sc.wideTest()
	if !ok {
		return
	}
	o := Beacon{Connections: b.Connections, Enough: b.Enough}
	sc.take(&o, &c, sleepShare)
	if o.weight() > b.weight() || o.Beyond() && !b.Beyond() {
		*b = o
	}
}

// take fills b with what a cell says of the intervals that are loaded.
func (sc *Scorer) take(b *Beacon, c *intervalCell, share float64) {
	b.Test, b.LogP = Interval, log10P(c.logP, share)
	b.Burst, b.CheckIns, b.Intervals = float64(c.burst)/second, c.intervals+1, c.intervals
	b.Modes, b.ModeCount, b.Period = c.modes, c.modeCount, c.modes[0].Period
	b.Fraction, b.Jitter, b.Efficiency, b.Covered = c.fraction, c.jitter, c.efficiency(), c.covered
	b.Timer = c.logP <= modeLogP && sc.restarts(sc.beyond(c.burst), c.burst, c.window)
}

// sizeTests looks at the connections of the two most frequent sizes alone: an implant sends the same each time,
// and people on the same candidate send other sizes.
func (sc *Scorer) sizeTests(s Series, w Window, b *Beacon) {
	if s.Size == nil {
		return
	}
	sizes := sc.values[:0]
	for i, t := range s.Start {
		if t >= w.Start && t < w.End && s.Size[i] >= 0 {
			sizes = append(sizes, s.Size[i])
		}
	}
	sc.intScratch = sortDigits(sizes, sc.intScratch, 0)
	sc.values = sizes
	first, count := mostFrequent(sizes)
	var next int64
	nextCount := 0
	if from, ok := slices.BinarySearch(sizes, first); ok {
		next, nextCount = mostFrequent(sizes[:from])
		if v, c := mostFrequent(sizes[from+count:]); c > nextCount {
			next, nextCount = v, c
		}
	}
	for _, of := range [...]struct {
		size  int64
		count int
	}{{first, count}, {next, nextCount}} {
		if of.count < sizeFewest || float64(of.count) > sizeMost*float64(b.Connections) {
			continue
		}
		sc.inside = sc.inside[:0]
		for i, t := range s.Start {
			if t >= w.Start && t < w.End && s.Size[i] == of.size {
				sc.inside = append(sc.inside, t)
			}
		}
		sc.load(sc.inside)
		o := Beacon{Connections: b.Connections, Enough: b.Enough, Size: of.size, Sized: of.count}
		if sc.intervalBeacon(&o, sizeShare) && o.weight() > b.weight() {
			*b = o
		}
	}
}

// weight is what a result is worth before the number of candidates is known.
func (b Beacon) weight() float64 { return b.Quality() / (1 + nominalKeys*math.Pow(10, b.LogP)) }

// otherTests replaces b where another test found better; gap is what INTERVAL found.
func (sc *Scorer) otherTests(b *Beacon, gap Beacon) {
	if c, ok := sc.clockTest(); ok && (!gap.Timer || c.resultant >= lockedResultant || log10P(c.logP, otherShare) <= clockSure) {
		o := gap
		o.Test, o.LogP, o.Timer = Clock, log10P(c.logP, otherShare), false
		o.Period, o.Jitter, o.Fraction, o.Efficiency, o.Covered = c.period, c.jitter, c.fraction, c.efficiency(), c.covered
		o.Modes, o.ModeCount, o.Burst = [maxModes]Mode{{Period: c.period, Jitter: c.jitter, Intervals: c.checkIns}}, 1, clockBurst/second
		o.CheckIns, o.Occupied = len(sc.checkIns), c.occupied
		if o.weight() > b.weight() {
			*b = o
		}
	}
	if l, ok := sc.latticeTest(); ok && (!gap.Timer || l.cosine >= lockedCosine) {
		o := gap
		o.Test, o.LogP, o.Timer = Lattice, log10P(l.logP, otherShare), false
		o.Period, o.Jitter, o.Fraction, o.Efficiency, o.Covered = l.period, 0, l.cosine, l.efficiency(), l.covered
		o.Modes, o.ModeCount, o.Burst = [maxModes]Mode{{Period: l.period, Intervals: l.intervals}}, 1, 0
		o.Intervals = l.intervals
		if o.weight() > b.weight() {
			*b = o
		}
	}
	// What is regular by itself falls more evenly over a long period than chance would have it.
	crowd := math.Inf(1)
	if gap.LogP <= modeLogP/math.Ln10 {
		crowd = foldCrowd
	}
	if f, ok := sc.foldTest(crowd); ok {
		o := gap
		o.Test, o.LogP, o.Timer = Schedule, log10P(f.logP, otherShare), false
		o.Period, o.Jitter, o.Occupied, o.Fraction, o.Efficiency, o.Covered = f.period, f.width/2, f.share, min(1, f.hits/float64(f.events)), f.efficiency(), f.covered()
		o.Modes, o.ModeCount, o.Burst = [maxModes]Mode{{Period: f.period, Jitter: f.width / 2, Tightness: f.width / 2, Intervals: int(f.hits)}}, 1, clockBurst/second
		o.CheckIns = f.events
		if o.weight() > b.weight() {
			*b = o
		}
	}
	if gap.Timer {
		return // regular by itself: that is what an echo would hear
	}
	if (b.Test == Clock || b.Test == Schedule) && b.LogP <= clockSure {
		return // an echo of it could only name a multiple of its period
	}
	if e, ok := sc.echoTest(); ok {
		o := gap
		o.Test, o.LogP = Echo, log10P(e.logP, otherShare)
		o.Period, o.Jitter, o.Fraction, o.Efficiency, o.Covered = e.period, e.jitter, min(1, e.pairs/float64(e.events)), e.efficiency(), e.covered()
		o.Modes, o.ModeCount, o.Burst = [maxModes]Mode{{Period: e.period, Jitter: e.jitter, Tightness: e.jitter, Intervals: int(e.pairs)}}, 1, clockBurst/second
		o.CheckIns = e.events
		if o.weight() > b.weight() {
			*b = o
		}
	}
}

// log10P turns ln p of one test into log10, multiplied by what is due for the number of tests.
func log10P(ln, share float64) float64 {
	return max(lowestLogP, min(0, (ln+math.Log(share))/math.Ln10))
}
