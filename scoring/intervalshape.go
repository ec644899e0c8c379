package scoring

import (
	"math"
	"slices"
)

const (
	// shapeFewest is the least number of intervals whose shape can be recognized. shapeMost are used, evenly chosen by
	// length, or shapeClose where missed check-ins are a close second: wide jitter and a timer differ little.
	shapeFewest, shapeMost, shapeClose = 12, 200, 1600
	// closeBy is how much (ln of the likelihood ratio) a close second may lack.
	closeBy = 12.0
	// shapeEdges is the number of places tried for a window's edge.
	shapeEdges = 40
	// The limits of a beacon: this delay after the timer as a share of the whole, log-normal intervals of this sigma,
	// gamma intervals of this shape. Only wider ones may be a timer that restarts on use.
	checkInDelay, checkInSigma, checkInShape = 0.06, 0.45, 5.0
	// In doubt (ln of the likelihood ratio) a rhythm with less jitter than wideJitter is taken for a beacon. One with
	// more that leaves over a tenth of the intervals unexplained is taken for a timer.
	tightDoubt                                  = 3.0
	wideJitter, wideShare, wideDoubt, fullDoubt = 0.3, 0.9, 3.0, 2.0
	// wideMargin is how much likelier a beacon must be whose jitter is over half its period and that misses check-ins.
	wideMargin = 8.0
	// edgeShare is the least share of a loop's intervals at their lower edge.
	edgeShare = 0.25
	// Strays are log-uniform over 1 ms to 12 days: a density of 1/(20.7 x).
	strayRange, logStrayRange = 20.7, 3.0301337
)

// restarts says whether the intervals look like a timer that restarts on use (a keep-alive, a cache's time to live, a
// rate limit: a limit, then memoryless) or like people (log-normal, gamma), rather than like a beacon (bounded on both
// sides, one to three rhythms). It compares the families, each with its own share of strays, by the Bayesian
// information criterion. The test against memoryless traffic cannot distinguish them: both score high.
// With bursts, intervals are measured from end to start, as a timer runs, and from start to start, as a beacon runs.
// Only what looks like a timer both ways is one.
func (sc *Scorer) restarts(intervals []intervalOrder, burst int64, w intervalWindow) bool {
	if len(intervals) < shapeFewest || edged(intervals, burst) {
		return false
	}
	doubt := 0.0
	switch full := float64(w.k) >= wideShare*float64(len(intervals)); {
	case w.t.jitter < wideJitter:
		doubt = -tightDoubt
	case full:
		doubt = -fullDoubt
	default:
		doubt = wideDoubt
	}
	values := sc.values[:0]
	for _, g := range intervals {
		values = append(values, g.length()-burst)
	}
	sc.values = values
	if !sc.smooth(values, doubt) {
		return false
	}
	if burst == 0 {
		return true
	}
	sc.strides(burst)
	for i, g := range intervals {
		values[i] = sc.stride[g.place()]
	}
	sc.intScratch = sortDigits(values, sc.intScratch, 0)
	return sc.smooth(values, doubt)
}

// edged says whether the intervals pile up at their lower edge, as in a loop that sleeps and then works for a moment.
// After its limit a timer waits for people, who take far longer than a second: a seventh of its intervals at most lie
// there, nearly two thirds of a loop's that works for a second. The edge is the end of the shortest fiftieth, so that a
// few strays do not move it.
func edged(intervals []intervalOrder, burst int64) bool {
	at := len(intervals) / 50
	edge := intervals[at].length() - burst
	if edge < shortestInterval {
		return false
	}
	near := 0
	for _, g := range intervals[at:] {
		if g.length()-burst > edge+max(second, edge/100) {
			break
		}
		near++
	}
	return float64(near) >= edgeShare*float64(len(intervals))
}

// smooth compares the families on values in ascending order, milliseconds.
func (sc *Scorer) smooth(values []int64, doubt float64) bool {
	x := sc.sample(values, shapeMost)
	best := doubt + max(sc.timerFit(x, false), sc.pausedFit(x), sc.logNormalFit(x), sc.gammaFit(x))
	if best <= sc.timerFit(x, true) || best <= sc.checkInFit(x, best) {
		return false
	}
	missed := sc.missedFit(x, best)
	if missed < best-closeBy || missed >= best || len(values) <= shapeMost {
		return missed < best
	}
	x = sc.sample(values, shapeClose)
	best = doubt + max(sc.timerFit(x, false), sc.pausedFit(x), sc.logNormalFit(x), sc.gammaFit(x))
	return best > sc.missedFit(x, best)
}

// sample chooses up to that many values, evenly, as seconds, with their logarithms in sc.logs and sc.stray.
func (sc *Scorer) sample(values []int64, most float64) []float64 {
	x := sc.shape[:0]
	sc.logs, sc.stray = sc.logs[:0], sc.stray[:0]
	step := max(1, float64(len(values))/most)
	for at := step / 2; int(at) < len(values); at += step {
		v := max(0.001, float64(values[int(at)])/second)
		l := math.Log(v)
		x, sc.logs, sc.stray = append(x, v), append(sc.logs, l), append(sc.stray, -l-logStrayRange)
	}
	sc.shape = x
	return x
}

// mixed is the log-likelihood of the best of a few shares of strays, less the price of parameters.
func (sc *Scorer) mixed(x []float64, parameters float64, density func(i int) float64) float64 {
	ratios, base := sc.ratios[:0], 0.0
	for i, v := range x {
		base += sc.stray[i]
		ratios = append(ratios, min(density(i)*v*strayRange, 1e80))
	}
	sc.ratios = ratios
	best := math.Inf(-1)
	for _, stray := range [...]float64{0.01, 0.05, 0.15, 0.3} {
		sum, product := 0.0, 1.0
		for _, r := range ratios {
			// One logarithm for many factors.
			product *= (1-stray)*r + stray
			if product > 1e200 || product < 1e-200 {
				sum += math.Log(product)
				product = 1
			}
		}
		best = max(best, sum+math.Log(product))
	}
	return base + best - parameters/2*math.Log(float64(len(x)))
}

// timerFit fits a limit and an exponential beyond it: long for a timer, short for a beacon that takes a while to
// answer.
func (sc *Scorer) timerFit(x []float64, beat bool) float64 {
	best := math.Inf(-1)
	n := len(x)
	for i, at := range [...]int{0, n / 50, n / 20} {
		if i > 0 && at == 0 {
			continue
		}
		limit := x[at]
		rest := x[at:]
		mean := (rest[len(rest)/2] - limit) / math.Ln2
		// With the third quartile, since strays pull the median up.
		if q := (rest[len(rest)/4] - limit) / 0.28768207; q > 0 {
			mean = math.Sqrt(max(mean, 1e-6) * q)
		}
		if most := checkInDelay / (1 - checkInDelay) * limit; beat {
			mean = max(min(mean, most), 0.01)
		} else {
			mean = max(mean, most, 0.01)
		}
		fit := func(mean float64) float64 {
			limit := limit - mean/float64(len(rest)) // the smallest of n lies that far beyond the limit
			return sc.mixed(x, 3, func(i int) float64 {
				v := x[i]
				if v < limit {
					return 0
				}
				return math.Exp((limit-v)/mean) / mean
			})
		}
		best = max(best, fit(mean))
		if !beat {
			// Pauses are strays; many of them pull the mean up.
			for _, less := range [...]float64{0.5, 0.7} {
				if m := mean * less; m >= checkInDelay/(1-checkInDelay)*limit {
					best = max(best, fit(m))
				}
			}
		}
	}
	return best
}

// pausedFit fits a limit and an exponential beyond it, in sessions: the longest intervals are pauses of even density,
// as a beacon's last window may be.
func (sc *Scorer) pausedFit(x []float64) float64 {
	best := math.Inf(-1)
	n := len(x)
	for i, at := range [...]int{0, n / 50, n / 20} {
		if i > 0 && at == 0 {
			continue
		}
		before := 0.0
		for j := range at {
			before += sc.stray[j]
		}
		for part := 0.5; part < 0.95; part += 0.05 {
			cut := max(int(part*float64(n)), at+2)
			if n-cut < 3 {
				break
			}
			sum := 0.0
			for _, v := range x[at:cut] {
				sum += v - x[at]
			}
			k, rest := float64(cut-at), float64(n-cut)
			mean := max(sum/(k-1), checkInDelay/(1-checkInDelay)*x[at], 0.01)
			width := max((x[n-1]-x[cut])*(rest+1)/(rest-1), 0.01*x[n-1], 0.05)
			l := before - sum/mean - 1 - k*math.Log(mean) + k*math.Log(k/float64(n)) + rest*math.Log(rest/float64(n)/width)
			if at > 0 {
				l += float64(at) * math.Log(float64(at)/float64(n))
			}
			best = max(best, l)
		}
	}
	return best - 3*math.Log(float64(n)) - 1
}

// logNormalFit fits by quartiles, which strays do not move.
func (sc *Scorer) logNormalFit(x []float64) float64 {
	n := len(x)
	mu := math.Log(x[n/2])
	sigma := max(checkInSigma, math.Log(x[3*n/4]/x[n/4])/1.3489795)
	norm := 1 / (sigma * 2.5066283)
	return sc.mixed(x, 3, func(i int) float64 {
		z := (sc.logs[i] - mu) / sigma
		return math.Exp(-0.5*z*z) * norm / x[i]
	})
}

// gammaFit fits by maximum likelihood to the middle 98%.
func (sc *Scorer) gammaFit(x []float64) float64 {
	cut := len(x) / 100
	mean, logs := 0.0, 0.0
	middle := x[cut : len(x)-cut]
	for i, v := range middle {
		mean += v / float64(len(middle))
		logs += sc.logs[cut+i] / float64(len(middle))
	}
	s := max(1e-6, math.Log(mean)-logs)
	shape := min(checkInShape, (3-s+math.Sqrt((s-3)*(s-3)+24*s))/(12*s)) // Minka's start, within 1.5%
	norm, _ := math.Lgamma(shape)
	rate := shape / mean
	norm -= shape * math.Log(rate)
	return sc.mixed(x, 3, func(i int) float64 {
		return math.Exp((shape-1)*sc.logs[i] - rate*x[i] - norm)
	})
}

// checkInFit fits one to three windows of even density, each where it gains most, until that is enough.
func (sc *Scorer) checkInFit(x []float64, enough float64) float64 {
	strays := sc.strays[:0] // sums of sc.stray, by index
	sum := 0.0
	for i := range x {
		strays = append(strays, sum)
		sum += sc.stray[i]
	}
	strays = append(strays, sum)
	sc.strays = strays

	best, first := windowsSearch(x, strays, math.Inf(1), enough)
	if best >= enough {
		return best
	}
	// One window over several rhythms leaves no room for those within it.
	narrower, _ := windowsSearch(x, strays, math.Sqrt(x[first[1]-1]/x[first[0]]), enough)
	return max(best, narrower)
}

// windowsSearch places up to three windows, none wider than a ratio, each where it gains most.
func windowsSearch(x, strays []float64, widest, enough float64) (best float64, first [2]int) {
	var windows [maxModes][2]int
	n := len(x)
	best = math.Inf(-1)
	first = [2]int{0, n}
	for count := 1; count <= maxModes && best < enough; count++ {
		before := windowsPlaced(x, strays, windows[:count-1])
		found := [2]int{}
		gain := math.Inf(-1)
		step := max(1, float64(n)/shapeEdges)
		for from := 0.0; int(from) < n; from += step {
			for to := from + step; ; to += step {
				a, b := int(from), min(n, int(math.Round(to)))
				if b-a >= 3 && x[b-1] > widest*x[a] {
					break
				}
				if b-a >= 3 && apart(windows[:count-1], a, b) {
					if g := before.with(x, strays, a, b).fit(); g > gain {
						gain, found = g, [2]int{a, b}
					}
				}
				if b >= n {
					break
				}
			}
		}
		if math.IsInf(gain, -1) {
			break
		}
		windows[count-1] = found
		if count == 1 {
			first = found
		}
		best = max(best, gain-float64(count)*(1.5*math.Log(float64(n))+1))
	}
	return best, first
}

// missedFit fits check-ins of uniform jitter of which some are missed: sums of k periods. The lower edge is about the
// shortest interval, the upper is tried at some ratios, and what lies beyond says how many are missed. It stops when
// that is enough.
func (sc *Scorer) missedFit(x []float64, enough float64) float64 {
	best := math.Inf(-1)
	n := len(x)
	for i, at := range [...]int{0, n / 50, n / 20} {
		if i > 0 && at == 0 {
			continue
		}
		fit := func(ratio, more float64) float64 {
			high := x[at] * ratio
			within, _ := slices.BinarySearch(x, high)
			if within -= at; within < n/4 {
				return math.Inf(-1)
			}
			// With wide jitter some sums of two periods are as short as one.
			missed := min(0.9, more*float64(n-at-within)/float64(n-at))
			period, half := (x[at]+high)/2, (high-x[at])/2*(1+1/float64(within))
			l := sc.mixed(x, 4, func(i int) float64 { return missedDensity(x[i], period, half, missed) })
			if ratio > 3.3 {
				l -= wideMargin // several programs together spread as wide
			}
			return l
		}
		of, most := 0.0, math.Inf(-1)
		for _, ratio := range [...]float64{1.05, 1.15, 1.3, 1.5, 1.75, 2, 2.3, 2.65, 3, 4, 6, 10, 19} {
			if l := fit(ratio, 1); l > most {
				if of, most = ratio, l; most >= enough {
					return most
				}
			}
		}
		if most > math.Inf(-1) {
			for _, step := range [...]float64{0.93, 0.965, 1.035, 1.07} {
				most = max(most, fit(of*step, 1))
			}
			for _, more := range [...]float64{1.3, 1.6} {
				most = max(most, fit(of, more))
			}
		}
		best = max(best, most)
	}
	return best
}

// missedRoots are the square roots of k/3: the standard deviation of k periods with a jitter of 1.
var missedRoots = [...]float64{0, math.Sqrt(1. / 3), math.Sqrt(2. / 3), 1, math.Sqrt(4. / 3), math.Sqrt(5. / 3), math.Sqrt2, math.Sqrt(7. / 3), math.Sqrt(8. / 3)}

// missedDensity is the density of intervals of one, two, three... periods, each with uniform jitter of half.
func missedDensity(v, period, half, missed float64) float64 {
	sum, share := 0.0, 1-missed
	for k := 1; k < len(missedRoots) && share > 1e-4; k++ {
		d, sd := v-float64(k)*period, half*missedRoots[k]
		switch {
		case k > 1 && d <= -4*sd:
			return sum // all further sums of periods are longer
		case k == 1 && math.Abs(d) <= half:
			sum += share / (2 * half)
		case k == 2 && math.Abs(d) < 2*half:
			sum += share * (2*half - math.Abs(d)) / (4 * half * half)
		case k > 2 && d < 4*sd:
			sum += share * math.Exp(-0.5*d*d/(sd*sd)) / (2.5066283 * sd)
		}
		share *= missed
	}
	return sum
}

func apart(windows [][2]int, a, b int) bool {
	for _, w := range windows {
		if a < w[1] && w[0] < b {
			return false
		}
	}
	return true
}

// placed is a set of windows of even density, with strays outside: sums over what lies within, and how many values are
// left.
type placed struct{ sum, outside, kept, n float64 }

func windowsPlaced(x, strays []float64, windows [][2]int) placed {
	p := placed{outside: strays[len(x)], kept: float64(len(x)), n: float64(len(x))}
	for _, w := range windows {
		p = p.with(x, strays, w[0], w[1])
	}
	return p
}

// with places one more window, from a to b (indices).
func (p placed) with(x, strays []float64, a, b int) placed {
	k, low, high := float64(b-a), x[a], x[b-1]
	width := max((high-low)*(k+1)/(k-1), 0.01*high, 0.05)
	p.sum += k * math.Log(k/p.n/width)
	p.outside -= strays[b] - strays[a]
	p.kept -= k
	return p
}

// fit is the log-likelihood of the placed windows.
func (p placed) fit() float64 { return p.sum + p.outside + p.kept*math.Log(max(p.kept, 0.5)/p.n) }
