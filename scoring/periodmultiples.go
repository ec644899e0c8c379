package scoring

import (
	"math"
	"slices"
	"sync"
)

const (
	latticeBurst = 60 * second
	// latticeFewest is the least number of intervals. latticeOne is the largest share that may be the same multiple:
	// above it there is one rhythm, which the INTERVAL test judges.
	latticeFewest, latticeOne = 20, 0.8
	latticePeriods            = 18
	// latticeMany intervals count fully.
	latticeMany = 32
	// latticeLapse is after how many periods without a check-in the rhythm counts as interrupted.
	latticeLapse = 8
	// latticeClose: of periods with p-values (ln) this close, the longest is taken.
	latticeClose = 2 * math.Ln10
)

// latticeResult is a period of which the intervals are multiples.
type latticeResult struct {
	logP      float64 // ln
	period    float64 // seconds
	cosine    float64 // mean of cos(2 pi interval/period)
	intervals int
	covered   float64 // seconds, without intervals of more than latticeLapse periods
	// occupied is the share of all multiples, while it ran, at which there was a check-in.
	occupied float64
}

// efficiency falls with the share of multiples without a check-in, and with few intervals. People's programs wake by
// the minute, too: a dozen acts that agree are no persistence yet.
func (l *latticeResult) efficiency() float64 {
	return max(0, l.cosine) * math.Pow(l.occupied, 0.2) * min(1, float64(l.intervals)/latticeMany)
}

// latticeTest looks for intervals that are multiples of a round period although the phase wanders: a program that wakes
// regularly and acts at some of those times.
// The statistic is the mean of cos(2 pi d/T) over the intervals d longer than some (k+1/2)T. A density that falls and
// is convex there, as that of every mixture of exponentials, puts no more weight near multiples of T than between them.
// So the expected mean is at most 0, and its moment generating function at most that of a uniform phase, I0(x). By
// Chernoff P(mean >= c) <= exp(-m sup_x (x c - ln I0(x))), for any m: memoryless traffic of any rate stays silent
// however long the window is.
func (sc *Scorer) latticeTest() (best latticeResult, ok bool) {
	intervals := sc.beyond(latticeBurst)
	periods := [latticePeriods]int64{7200, 3600, 1800, 1200, 900, 600, 450, 300, 240, 180, 150, 120, 90, 60, 30, 20, 15, 10}
	if !slices.ContainsFunc(periods[:], func(period int64) bool { return perhapsLattice(intervals, period*second) }) {
		return best, false
	}
	for _, period := range periods {
		if l, ok := lattice(intervals, period*second); ok && l.logP < best.logP-latticeClose {
			best = l
		}
	}
	return best, best.logP <= clockReach
}

// beyondHalf are the intervals that a period, in milliseconds, is tested on, if there are enough. All are in order of
// their length.
func beyondHalf(intervals []intervalOrder, period int64) (long []intervalOrder, enough bool) {
	// Halfway between two multiples, at or beyond the burst: collapsing removed everything shorter.
	from := period/2 + period*((max(0, latticeBurst-period/2)+period-1)/period)
	first, _ := slices.BinarySearch(intervals, intervalOrder(uint64(from+1)<<placeBits))
	intervals = intervals[first:]
	m := len(intervals)
	return intervals, m >= latticeFewest && 2*intervals[m/2].length() >= 3*period
}

// cosineSteps is the number of parts of a period in cosineMost, which has the largest cosine in each.
const cosineSteps = 512

var cosineMost = sync.OnceValue(func() *[cosineSteps]float64 {
	var out [cosineSteps]float64
	for i := range out {
		edge := min(i, cosineSteps-1-i)                               // the nearer one of the two multiples
		out[i] = math.Cos(2*math.Pi*float64(edge)/cosineSteps) + 2e-6 // cosine's error
	}
	return &out
})

// perhapsLattice says whether a period can reach clockReach: false is certain, and costs a tenth of the test. It takes the
// largest cosine near each interval's phase. cosineRate(c) is at most -ln(1-c^2), because the Bessel functions' ratio is
// at least x/(1+sqrt(1+x^2)) (Amos 1974).
func perhapsLattice(intervals []intervalOrder, period int64) bool {
	intervals, enough := beyondHalf(intervals, period)
	if !enough {
		return false
	}
	most, sum, perPeriod := cosineMost(), 0.0, cosineSteps/float64(period)
	for _, g := range intervals {
		sum += most[int64(float64(g.length())*perPeriod)&(cosineSteps-1)]
	}
	m := float64(len(intervals))
	return sum > 0 && sum*sum >= -0.999*m*m*math.Expm1((clockReach-math.Log(latticePeriods))/m)
}

// lattice tests one period, in milliseconds.
func lattice(intervals []intervalOrder, period int64) (l latticeResult, ok bool) {
	intervals, ok = beyondHalf(intervals, period)
	if !ok {
		return l, false
	}
	m := len(intervals)
	sum, covered, perPeriod := 0.0, 0.0, 1/float64(period)
	multiple, run, longestRun := int64(0), 0, 0
	hits, wakes := 0, int64(0)
	for _, g := range intervals {
		d := g.length()
		k := (d + period/2) / period
		if k != multiple {
			multiple, run = k, 0
		}
		run++
		longestRun = max(longestRun, run)
		sum += cosine(float64(d-k*period) * perPeriod)
		if k <= latticeLapse {
			covered += float64(d) / second
			hits++
			wakes += k
		}
	}
	l = latticeResult{period: float64(period) / second, cosine: sum / float64(m), intervals: m, covered: covered, occupied: float64(hits) / float64(max(1, wakes))}
	if l.cosine <= 0 || float64(longestRun) > latticeOne*float64(m) {
		return l, false
	}
	l.logP = min(0, math.Log(latticePeriods)-float64(m)*cosineRate(l.cosine))
	return l, true
}

// cosine is cos(2 pi u) for u from -0.5 to 0.5, by its series up to u^16, within 1e-6. It is several times as fast as
// the library's, which takes any argument.
func cosine(u float64) float64 {
	x := 4 * math.Pi * math.Pi * u * u
	return 1 - x/2*(1-x/12*(1-x/30*(1-x/56*(1-x/90*(1-x/132*(1-x/182*(1-x/240)))))))
}

// cosineRate is sup over x of x c - ln I0(x), for 0 < c <= 1: the rate at which a mean as large as c becomes unlikely
// for uniform phases. Any x gives a valid bound; this one is close to the best.
func cosineRate(c float64) float64 {
	c = min(c, 0.9999)
	x := c * (2 - c*c) / (1 - c*c)
	return max(0, x*c-logBesselI0(x))
}

// logBesselI0 is ln of the modified Bessel function of order 0 (Abramowitz and Stegun 9.8.1 and 9.8.2).
func logBesselI0(x float64) float64 {
	if x < 3.75 {
		t := x / 3.75
		t *= t
		return math.Log(1 + t*(3.5156229+t*(3.0899424+t*(1.2067492+t*(0.2659732+t*(0.0360768+t*0.0045813))))))
	}
	t := 3.75 / x
	p := 0.39894228 + t*(0.01328592+t*(0.00225319+t*(-0.00157565+t*(0.00916281+t*(-0.02057706+t*(0.02635537+t*(-0.01647633+t*0.00392377)))))))
	return x - 0.5*math.Log(x) + math.Log(p)
}
