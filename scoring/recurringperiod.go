package scoring

import (
	"math"
	"slices"
)

const (
	// echoFewest and echoMost bound the number of events.
	echoFewest, echoMost = 60, 6000
	// echoBlocks is the number of equal parts of the time, each with one vote.
	echoBlocks = 256
	// echoFewestBlocks must have events: z^2 is at most their number.
	echoFewestBlocks = 48
	// echoShift leaves seven bits of a distance's mantissa: bins 0.4 to 0.8% wide.
	echoShift = 45
	// echoOrders: distances of one, two and three periods are looked at together.
	echoOrders = 3
	// echoGlance: periods with fewer standard errors of plain counting are not looked at more closely.
	echoGlance = 5
)

// echoWidths are the jitters tried.
func echoWidths() [4]float64 { return [...]float64{0.03, 0.07, 0.14, 0.25} }

// echoResult is a period after which events recur, whatever else goes on between.
type echoResult struct {
	logP   float64 // ln
	period float64 // seconds
	jitter float64
	pairs  float64 // check-ins that were followed by another one period later, beyond chance
	events int
	span   float64 // from the first event to the last, seconds
}

func (e *echoResult) efficiency() float64 { return 1 - e.jitter/jitterCost }

// covered is how long check-ins followed one another, in seconds.
func (e *echoResult) covered() float64 { return min(e.span, e.pairs*e.period) }

// echoTest looks for check-ins with jitter among other connections to the same destination. Those cut the intervals
// into pieces and the phase wanders, but one period after a check-in there is another one.
// For a period T and a jitter w, D is the number of pairs of events at distances within w of T, 2T and 3T, less the
// number at distances just outside on either side. Over equal blocks of time, z = sum D/sqrt(sum D^2). For independent
// events of any slowly varying rate the number of pairs changes smoothly with the distance: D is as likely positive as
// negative, and P(z > x) <= exp(-x^2/2) by Hoeffding, whatever the blocks' sizes. For events in clusters and sessions
// the number falls convexly, and D tends to be negative. Two pages that happen to be T apart count many pairs, but in
// one block. Joining connections within two seconds changes nothing, since all distances are three seconds or more.
func (sc *Scorer) echoTest() (best echoResult, ok bool) {
	t := sc.collapse(clockBurst)
	n := len(t)
	if n < echoFewest || n > echoMost {
		return best, false
	}
	span := float64(t[n-1]-t[0]) / second
	mean := span / float64(n)
	shortest := max(0.7*mean, 3*clockBurst/second)
	longest := min(1.2*math.Cbrt(span)*math.Pow(mean, 2.0/3), span/20)
	if !(longest > 1.2*shortest) {
		return best, false
	}
	if occupiedBlocks(t, echoBlocks) < echoFewestBlocks {
		return best, false
	}
	base := echoBin(shortest * (1 - 2*0.25))
	bins := echoBin(3*longest*(1+2*0.25/math.Sqrt(3))) - base + 2
	// Plain counts of all pairs come first: few periods deserve a closer look.
	sc.countPairs(t, base, bins, 1)
	sc.near = sc.near[:0]
	tried := 0.0
	for _, w := range echoWidths() {
		for period := shortest; period <= longest; period *= 1 + w*0.7 {
			tried++
			e := newEchoEdges(period, w, base, bins)
			middle, sides, variance, _ := e.look(sc.pairs)
			if d := middle - sides; d > 0 && d*d > echoGlance*echoGlance*variance {
				sc.near = append(sc.near, echoCandidate{period, w})
			}
		}
	}
	if len(sc.near) == 0 {
		return best, false
	}
	sc.countPairs(t, base, bins, echoBlocks)
	for _, c := range sc.near {
		e := newEchoEdges(c.period, c.width, base, bins)
		sum, squares, first := 0.0, 0.0, 0.0
		for b := range echoBlocks {
			middle, sides, _, one := e.look(sc.pairs[b*bins : (b+1)*bins])
			d := middle - sides
			sum += d
			squares += d * d
			first += one
		}
		if sum <= 0 || first <= 0 {
			continue
		}
		if logP := math.Log(tried) - sum*sum/squares/2; logP < best.logP {
			best = echoResult{logP: logP, period: c.period, jitter: c.width, pairs: first, events: n, span: span}
		}
	}
	return best, best.logP <= clockReach
}

// echoCandidate is a period and a jitter for a closer look.
type echoCandidate struct{ period, width float64 }

// echoEdges are the bins of a period's middles and sides, for one, two and three periods, and what a side counts.
type echoEdges struct {
	bin         [echoOrders][4]int
	left, right [echoOrders]float64
}

func newEchoEdges(period, w float64, base, bins int) (e echoEdges) {
	for k := range echoOrders {
		lag, half := period*float64(k+1), w/math.Sqrt(float64(k+1))
		for i, edge := range [...]float64{1 - 2*half, 1 - half, 1 + half, 1 + 2*half} {
			e.bin[k][i] = min(bins-1, max(0, echoBin(lag*edge)-base))
		}
		width := func(i int) float64 { return echoEdge(e.bin[k][i+1]+base) - echoEdge(e.bin[k][i]+base) }
		// Both sides together count as wide as the middle.
		e.left[k], e.right[k] = 0.5*width(1)/max(width(0), 1e-9), 0.5*width(1)/max(width(2), 1e-9)
	}
	return e
}

// look compares the pairs in the middles with those at the sides, from cumulated counts c; more periods weigh less.
// variance is that of plain counting, one the difference for a single period.
func (e *echoEdges) look(c []int32) (middle, sides, variance, one float64) {
	for k := range echoOrders {
		b, weight := &e.bin[k], 1/float64(k+1)
		m := float64(c[b[2]] - c[b[1]])
		l, r := float64(c[b[1]]-c[b[0]]), float64(c[b[3]]-c[b[2]])
		s := l*e.left[k] + r*e.right[k]
		if k == 0 {
			one = m - s
		}
		middle += m * weight
		sides += s * weight
		variance += (m + l*e.left[k]*e.left[k] + r*e.right[k]*e.right[k]) * weight * weight
	}
	return middle, sides, variance, one
}

func echoBin(distance float64) int { return int(math.Float64bits(distance) >> echoShift) }
func echoEdge(bin int) float64     { return math.Float64frombits(uint64(bin) << echoShift) }

// countPairs fills sc.pairs: for each block of time, the number of pairs that begin in it and are nearer than the lower
// edge of each bin, bins counted from base.
func (sc *Scorer) countPairs(t []int64, base, bins, blocks int) {
	size := blocks * bins
	sc.pairs = slices.Grow(sc.pairs[:0], size)[:size]
	clear(sc.pairs)
	low, high := int64(math.Ceil(echoEdge(base)*second)), int64(echoEdge(base+bins-1)*second)
	perBlock := float64(blocks) / float64(t[len(t)-1]-t[0]+1)
	begin := 1
	for i, from := range t {
		b := int(float64(from-t[0]) * perBlock)
		row := sc.pairs[b*bins : (b+1)*bins]
		begin = max(begin, i+1)
		for begin < len(t) && t[begin]-from < low {
			begin++
		}
		for _, to := range t[begin:] {
			if to-from >= high {
				break
			}
			row[echoBin(float64(to-from)*(1.0/second))-base+1]++
		}
	}
	for b := range blocks {
		row := sc.pairs[b*bins : (b+1)*bins]
		for i := 1; i < bins; i++ {
			row[i] += row[i-1]
		}
	}
}
