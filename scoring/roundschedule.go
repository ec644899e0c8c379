package scoring

import "math"

const (
	// foldFewest and foldFewestPeriods are the least numbers of events and periods.
	foldFewest, foldFewestPeriods = 12, 12
	foldMost                      = 20000
	// foldWorth: a period is tried only if a check-in in each period would have this -ln p or more.
	foldWorth = 20
	// foldCrowd is the largest number of events a period where the intervals agree by themselves.
	foldCrowd               = 1.5
	foldPeriods, foldWidths = 7, 4
	// foldWindows is how many windows of the narrowest width there are: they overlap by half.
	foldWindows = 200
)

// foldResult is a round period with check-ins at the same time of each.
type foldResult struct {
	logP   float64 // ln
	period float64 // seconds
	width  float64 // of the window, as a share of the period
	hits   float64 // periods with an event in the window, beyond chance
	share  float64 // of all periods, that is
	events int
}

func (f *foldResult) efficiency() float64 { return 1 - f.width/2/jitterCost }
func (f *foldResult) covered() float64    { return f.hits * f.period }

// foldTest looks for schedules: an event at the same time of every hour, or every ten minutes, however much else goes
// on. It folds times by round periods; each period votes once for every window with an event in it.
// If events fall evenly over the period, a period with c events has one in a window of width h with probability c h at
// most, the expected number. So the tail of the number of periods with one is at most that of a binomial of the mean
// probability (Hoeffding 1956). It is not 1-(1-h)^c: joining connections within two seconds keeps events apart, and
// dense memoryless traffic then hits a window more often than independent events would. Narrow windows show schedules
// that Rayleigh's test, whose window is half the period, does not. Periods with more than crowd events on average are
// left out.
func (sc *Scorer) foldTest(crowd float64) (best foldResult, ok bool) {
	t := sc.collapse(clockBurst)
	if len(t) < foldFewest || len(t) > foldMost {
		return best, false
	}
	for _, period := range [foldPeriods]int64{3600, 1800, 900, 600, 300, 120, 60} {
		period *= second
		periods := int(t[len(t)-1]/period-t[0]/period) + 1
		// There must be enough periods to vote, few empty ones, and no more than crowd events a period.
		if periods < foldFewestPeriods || periods > 3*len(t) || float64(len(t)) > crowd*float64(periods) {
			continue
		}
		occupied := float64(sc.phases(t, period))
		c := float64(len(t)) / occupied
		for _, h := range [foldWidths]float64{0.01, 0.03, 0.1, 0.2} {
			// Skip windows narrower than the burst, and those so wide that even a check-in in every period would be no
			// surprise.
			if h*float64(period) < clockBurst || -math.Log(min(1, c*h))*occupied < foldWorth {
				continue
			}
			if !sc.perhapsFold(h, periods) {
				continue
			}
			hits, chance := sc.fold(h)
			p := chance / float64(periods)
			logP := sc.logBinomialTail(hits, periods, p) + math.Log(foldPeriods*foldWidths*2/h)
			if logP < best.logP {
				beyond := (float64(hits) - chance) / (1 - p)
				if hits == periods {
					beyond = float64(periods) // exactly
				}
				best = foldResult{logP: logP, period: float64(period) / second, width: h, hits: beyond, share: beyond / float64(periods), events: len(t)}
			}
		}
	}
	return best, best.logP <= clockReach
}

// phase is where an event falls: in which period, and at which share of it.
type phase struct {
	period int64
	share  float64
}

// phases folds the times by a period, and counts the periods that have any.
func (sc *Scorer) phases(t []int64, period int64) (occupied int) {
	sc.folded, sc.crowds = sc.folded[:0], sc.crowds[:0]
	parts := [foldWindows]int32{}
	p, next := int64(0), int64(math.MinInt64)
	for _, at := range t {
		if at >= next {
			p = floorDiv(at, period)
			next = (p + 1) * period
			sc.crowds = append(sc.crowds, 0)
		}
		share := float64(at-p*period) / float64(period)
		sc.folded = append(sc.folded, phase{p, share})
		sc.crowds[len(sc.crowds)-1]++
		parts[min(foldWindows-1, int(share*foldWindows))]++
	}
	for i, n := range parts {
		sc.before[i+1] = sc.before[i] + n
	}
	for i := range foldWindows { // a window may go on in the next period
		sc.before[foldWindows+1+i] = int32(len(t)) + sc.before[i+1]
	}
	return len(sc.crowds)
}

// perhapsFold says whether a width can reach clockReach: false is certain, and costs less than the test. It takes the
// events of a window for its hits, and the first term for the binomial tail.
func (sc *Scorer) perhapsFold(h float64, periods int) bool {
	chance := 0.0
	for _, n := range sc.crowds {
		chance += min(1, h*float64(n))
	}
	p := chance * (1 - 1e-9) / float64(periods)
	windows := int(math.Round(2 / h))
	step, width := float64(foldWindows)/float64(windows), 2 // in parts
	if windows < foldWindows {
		width = int(math.Ceil(2*step)) + 3 // it may begin within a part, and rounding moves an event by one at most
	}
	hits := 0
	for w := range windows {
		from := int(float64(w) * step)
		if windows < foldWindows {
			from += foldWindows - 1 // a part before it
		}
		from %= foldWindows
		hits = max(hits, int(sc.before[from+width]-sc.before[from]))
	}
	if hits = min(hits, len(sc.crowds)); float64(hits) <= p*float64(periods) {
		return false
	}
	first := sc.logFactorial(periods) - sc.logFactorial(hits) - sc.logFactorial(periods-hits) + float64(hits)*math.Log(p) + float64(periods-hits)*math.Log1p(-p)
	return first+math.Log(foldPeriods*foldWidths*2/h) <= clockReach+1e-9
}

// fold returns the largest number of periods with an event in one window of width h, and the number expected for any
// one window.
func (sc *Scorer) fold(h float64) (most int, chance float64) {
	windows := int(math.Round(2 / h))
	last, counts := sc.foldLast[:windows], sc.foldCounts[:windows]
	for i := range last {
		last[i], counts[i] = math.MinInt64, 0
	}
	current, expected := sc.folded[0].period, 0.0
	for _, at := range sc.folded {
		if at.period != current {
			chance += min(1, expected)
			current, expected = at.period, 0
		}
		expected += h
		// The window that begins here and the one that began half a width earlier.
		w := min(windows-1, int(at.share*float64(windows)))
		for range 2 {
			if last[w] != at.period {
				last[w] = at.period
				counts[w]++
				most = max(most, counts[w])
			}
			if w--; w < 0 {
				w = windows - 1
			}
		}
	}
	return most, chance + min(1, expected)
}
