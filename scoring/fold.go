package scoring

import "math"

const (
	// foldFewest events, and periods, must there be.
	foldFewest, foldFewestPeriods = 12, 12
	foldMost                      = 20000
	// foldCrowd events a period at most, where the gaps agree by themselves.
	foldCrowd               = 1.5
	foldPeriods, foldWidths = 9, 5
	// foldWindows is how many windows of the narrowest width there are: they overlap by half.
	foldWindows = 200
)

// foldResult is a round period with beats at the same time of each.
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

// foldTest looks for schedules: something that happens at the same time of every hour, or every ten minutes, however
// much else goes on. Times are folded by round periods, and each period votes once for every window it has an event in.
//
// If events fall evenly over the period, one with c events has one in a window of width h with probability
// 1-(1-h)^c at most (less if events crowd together), so the number of periods that have is at most as large, in its tail,
// as a binomial of the mean probability (Hoeffding 1956). Narrow windows make it see a schedule that Rayleigh's test,
// whose window is half the period, does not. Periods with more than crowd events on average are left out.
func (sc *Scorer) foldTest(crowd float64) (best foldResult, ok bool) {
	t := sc.collapse(clockBurst)
	if len(t) < foldFewest || len(t) > foldMost {
		return best, false
	}
	for _, period := range [foldPeriods]int64{7200, 3600, 1800, 1200, 900, 600, 300, 120, 60} {
		period *= second
		periods := int(t[len(t)-1]/period-t[0]/period) + 1
		// All periods must be able to vote, and beats must be the lesser part of what there is to see.
		if periods < foldFewestPeriods || periods > 3*len(t) || float64(len(t)) > crowd*float64(periods) {
			continue
		}
		for _, h := range [foldWidths]float64{0.01, 0.02, 0.05, 0.1, 0.2} {
			if h*float64(period) < clockBurst {
				continue
			}
			hits, chance := sc.fold(t, period, h)
			p := chance / float64(periods)
			logP := sc.logBinomialTail(hits, periods, p) + math.Log(foldPeriods*foldWidths*2/h)
			if logP < best.logP {
				beyond := (float64(hits) - chance) / (1 - p)
				best = foldResult{logP: logP, period: float64(period) / second, width: h, hits: beyond, share: beyond / float64(periods), events: len(t)}
			}
		}
	}
	return best, best.logP <= clockReach
}

// fold counts, over all windows of width h of the period, the most periods that have an event in one; chance is how
// many would be expected for any one window.
func (sc *Scorer) fold(t []int64, period int64, h float64) (most int, chance float64) {
	windows := int(math.Round(2 / h))
	last, counts := &sc.foldLast, &sc.foldCounts
	for i := range windows {
		last[i], counts[i] = -1, 0
	}
	perWindow := float64(windows) / float64(period)
	current, events := t[0]/period, 0
	for _, at := range t {
		p := at / period
		if p != current {
			chance += 1 - math.Pow(1-h, float64(events))
			current, events = p, 0
		}
		events++
		w := min(windows-1, int(float64(at-p*period)*perWindow))
		// The window that begins here and the one that began half a width earlier.
		for range 2 {
			if last[w] != p {
				last[w] = p
				counts[w]++
				most = max(most, counts[w])
			}
			w = (w + windows - 1) % windows
		}
	}
	return most, chance + 1 - math.Pow(1-h, float64(events))
}
