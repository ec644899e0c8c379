package scoring

import (
	"math"
	"slices"
)

// Test is the test that found a beacon.
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
	// fewestConnections is the least number of connections that are judged.
	fewestConnections = 4
	// The factors of p-values for the number of tests: half of the chance goes to INTERVAL, 0.12 to missed check-ins,
	// 0.04 to wide sleeps, 0.03 to pauses, 0.07 to each of the four others, 0.015 to each of two sizes. In windows of
	// maskWindow or more the day mask takes 0.1 of INTERVAL's half.
	intervalShare, missedShare, sleepShare, pauseShare, otherShare, sizeShare = 2, 1 / 0.12, 1 / 0.04, 1 / 0.03, 1 / 0.07, 1 / 0.015
	// lowestLogP stands for any smaller p-value.
	lowestLogP = -300
	// wellExplained: an INTERVAL result that explains this share of the intervals, at a p-value (log10) of intervalSure
	// or less, stands. The other tests may name a fraction of its period.
	wellExplained, intervalSure = 0.8, -8
	// timerFactor lowers what looks like a timer that restarts on use to low at most.
	timerFactor = 0.39
	// Timers are quasi-periodic for a while: only this much agreement shows a clock or a lattice under them.
	lockedResultant, lockedCosine = 0.5, 0.5
	// A size is tested alone if at least this many connections have it, and at most this share of all.
	sizeFewest, sizeMost = 8, 0.9
	// clockSure is the p-value (log10) at or below which a clock or a schedule needs no echo test.
	clockSure = -9
	// A rhythm with this many check-ins, this p-value (log10) and this share of the intervals is beyond doubt, and has
	// this value.
	beyondCheckIns, beyondLogP, beyondFraction, beyondValue = 36, -12, 0.9, 0.4
	// The same with fewer check-ins, if it lasted this many seconds: pages that poll for some minutes are common.
	beyondFewest, beyondHeld = 9, 2700
	// With this many check-ins and this p-value it has a higher value, however short it was: people do not wait alike
	// so often.
	plentyCheckIns, plentyLogP, plentyValue = 60, -25, 0.25
	// The score counts fully up to timingHigh. Higher scores are mapped to the range up to timingMost, where
	// timingOrder orders the best.
	timingHigh, timingMost, timingOrder = 0.58, 0.85, 0.02
	// hoursEnough: a rhythm that lasts for half a window, or twelve hours of a longer one, counts as lasting
	// throughout.
	hoursEnough = 12 * 3600.0
)

// Beacon is the rhythm found in one series. It does not depend on the number of candidates tested; Score does. The zero
// Beacon has too few connections, and scores 0.
type Beacon struct {
	// Connections in the window. CheckIns leaves out those that follow within Burst seconds.
	Connections, CheckIns int
	Burst                 float64
	// LogP is log10 of a bound on the probability that memoryless traffic with as many connections looks at least like
	// this in the chosen test, all tests counted. 0 to -300.
	LogP float64
	// Test that was chosen; NoTest if none applied.
	Test Test
	// Period in seconds and Jitter as a share of it: Period of the main rhythm, Jitter of all.
	Period, Jitter float64
	// Fraction of the intervals (Clock: of the check-ins) in rhythm; Intervals is the number of intervals.
	Fraction  float64
	Intervals int
	// Covered is the number of seconds that the rhythm lasted in all, Coverage its share of the window.
	Covered, Coverage float64
	// Occupied is the share of the periods with a check-in; 0 unless by Clock or Schedule.
	Occupied float64
	// Efficiency is how completely and tightly the rhythm explains the intervals, 0..1.
	Efficiency float64
	// Enough is the number of seconds that a rhythm must last to count fully.
	Enough float64
	// Modes are the rhythms, the main one first; ModeCount is their number.
	Modes     [maxModes]Mode
	ModeCount int
	// Sized is the number of connections with the rhythm if only those of one size, Size bytes, have it; 0 if it is
	// that of all.
	Sized int
	Size  int64
	// Paused: the rhythm is that of the pauses between the end of one connection and the start of the next, Pause
	// seconds long, as in a loop that works and then sleeps. Period is from start to start; Jitter is that of the
	// pauses.
	Paused bool
	Pause  float64
	// Nights is the number of pauses of nine hours or more that were left out, as in a beacon of working hours;
	// Intervals and Fraction are of the others. 0 if none was left out.
	Nights int
	// Timer: the intervals look like a timer that restarts on use, or spread as widely as people's.
	Timer bool
	// Faint is how evenly the check-ins are spread, 0..1, if no test found much: it orders what would score nothing.
	Faint float64
}

// BeaconScore is a beacon's score in a hunt.
type BeaconScore struct {
	// Score is the beacon score, 0..1.
	Score float64
	// LogExpected is log10 of the number of candidates expected to look like this without memory.
	LogExpected float64
	// Confidence is 1/(1+expected).
	Confidence float64
	// Quality is the score at full confidence.
	Quality float64
}

// quality is the score of a rhythm beyond doubt: how well it explains the intervals, and for which share of enough it
// lasted.
func quality(efficiency, held float64) float64 {
	return math.Sqrt(max(0, efficiency)) * math.Pow(min(1, max(0, held)), reachExponent)
}

// MeanInterval is the period in seconds, or the mean time between check-ins if only some periods have one, as with
// CLOCK and SCHEDULE.
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

// Beyond says whether the rhythm is beyond doubt, however short it was: many check-ins, nearly all in step, and no
// timer.
func (b Beacon) Beyond() bool {
	many := b.CheckIns >= beyondCheckIns || b.CheckIns >= beyondFewest && b.Covered >= beyondHeld
	return !b.Timer && many && b.LogP <= beyondLogP && b.Test == Interval && b.Fraction >= beyondFraction
}

// Value is the beacon's value as an indicator in a hunt of this many candidates: its score by the similarity of the
// sizes, and medium at least if it is beyond doubt. Timing alone gives 0.85 at most, so that other evidence still
// counts. The less likely and tighter of two rhythms ranks higher, so that the best do not tie.
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

// Chance is the highest severity that the expected number allows: critical if less than 0.01 of the tested candidates
// would look like this without memory, high up to 0.1, else medium.
func (b Beacon) Chance(keys int) Severity {
	switch e := b.Score(keys).LogExpected; {
	case e <= -2:
		return Critical
	case e <= -1:
		return High
	}
	return Medium
}

// Score weighs a beacon in a hunt of this many candidates of all kinds, at least one. Scores up to 0.05 only order
// candidates that no test detects (Faint).
func (b Beacon) Score(keys int) BeaconScore {
	s := BeaconScore{LogExpected: math.Log10(float64(max(1, keys))) + b.LogP, Quality: b.Quality()}
	s.Confidence = 1 / (1 + math.Pow(10, s.LogExpected))
	s.Score = Clamp(max(s.Confidence*s.Quality, faintMost*b.Faint))
	return s
}

// Beacon looks for a rhythm in the connections that start in the window. It judges four or more, in a window with a
// length. Connections at the same instant have no interval: they score 0.
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
	if !sc.intervalBeacon(&b, intervalPart(length), math.Inf(1)) {
		return b
	}
	gap := b
	sc.missedCheckIns(&b)
	sc.wideSleeps(&b)
	sc.dayMask(w, &b)
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

// intervalPart is INTERVAL's factor for the number of tests in a window of so many seconds.
func intervalPart(window float64) float64 {
	if window*second >= maskWindow {
		return maskedIntervalShare
	}
	return intervalShare
}

// intervalBeacon fills b with the INTERVAL test's result for the loaded series; false if there are too few intervals, or
// if its chance (ln) is above highest.
func (sc *Scorer) intervalBeacon(b *Beacon, share, highest float64) bool {
	c, ok := sc.intervalTest(b.Enough, highest)
	if ok {
		sc.take(b, &c, share)
	}
	return ok
}

// missedCheckIns replaces INTERVAL's result if that is undecided and a beacon with missed check-ins explains more.
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

// wideSleeps replaces the result if a range of sleeps wider than INTERVAL's windows explains more.
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

// take fills b with a cell's result for the loaded intervals.
func (sc *Scorer) take(b *Beacon, c *intervalCell, share float64) {
	b.Test, b.LogP = Interval, log10P(c.logP, share)
	b.Burst, b.CheckIns, b.Intervals = float64(c.burst)/second, c.intervals+1, c.intervals
	b.Modes, b.ModeCount, b.Period = c.modes, c.modeCount, c.modes[0].Period
	b.Fraction, b.Jitter, b.Efficiency, b.Covered = c.fraction, c.jitter, c.efficiency(), c.covered
	b.Timer = c.logP <= modeLogP && sc.restarts(sc.beyond(c.burst), c.burst, c.window)
}

// sizeTests tests the connections of the two most frequent sizes alone: an implant sends the same each time, and people
// on the same candidate send other sizes.
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
		if sc.intervalBeacon(&o, sizeShare, math.Inf(1)) && o.weight() > b.weight() {
			*b = o
		}
	}
}

// weight is a result's weight before the number of candidates is known.
func (b Beacon) weight() float64 { return b.Quality() / (1 + nominalKeys*math.Pow(10, b.LogP)) }

// otherTests replaces b if another test found better; gap is INTERVAL's result.
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
	// What is regular by itself falls more evenly over a long period than by chance.
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
		return // regular by itself: the echo test would find that
	}
	if (b.Test == Clock || b.Test == Schedule) && b.LogP <= clockSure {
		return // an echo of it could only be at a multiple of its period
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

// log10P turns ln p of one test into log10, times the factor for the number of tests.
func log10P(ln, share float64) float64 {
	return max(lowestLogP, min(0, (ln+math.Log(share))/math.Ln10))
}
