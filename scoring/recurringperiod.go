package scoring

import (
	"math"
	"slices"
	"sync"
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
	if !sc.countPairs(t, 0, n, base, bins) {
		return best, false
	}
	sc.near = sc.near[:0]
	tried, rims := 0.0, echoRims()
	for i, w := range echoWidths() {
		for period := shortest; period <= longest; period *= 1 + w*0.7 {
			tried++
			e := newEchoEdges(period, &rims[i], base, bins)
			if e.few(sc.pairs) {
				continue
			}
			e.weigh(base)
			middle, sides, variance, _ := e.look(sc.pairs)
			if d := middle - sides; d > 0 && d*d > echoGlance*echoGlance*variance {
				sc.near = append(sc.near, echoCandidate{echoEdges: e, period: period, width: i})
			}
		}
	}
	if len(sc.near) == 0 {
		return best, false
	}
	perBlock := float64(echoBlocks) / float64(t[n-1]-t[0]+1)
	for from, to := 0, 0; from < n; from = to {
		for block := int(float64(t[from]-t[0]) * perBlock); to < n && int(float64(t[to]-t[0])*perBlock) == block; {
			to++
		}
		if !sc.countPairs(t, from, to, base, bins) {
			continue
		}
		for i := range sc.near {
			c := &sc.near[i]
			middle, sides, _, one := c.look(sc.pairs)
			d := middle - sides
			c.sum += d
			c.squares += d * d
			c.first += one
		}
	}
	for i := range sc.near {
		c := &sc.near[i]
		if c.sum <= 0 || c.first <= 0 {
			continue
		}
		if logP := math.Log(tried) - c.sum*c.sum/c.squares/2; logP < best.logP {
			best = echoResult{logP: logP, period: c.period, jitter: echoWidths()[c.width], pairs: c.first, events: n, span: span}
		}
	}
	return best, best.logP <= clockReach
}

// echoCandidate is a period and a jitter for a closer look.
type echoCandidate struct {
	echoEdges
	period float64
	width  int // of echoWidths
	// sum and squares are those of D over the blocks, first is the sum for a single period.
	sum, squares, first float64
}

// echoEdges are the bins of a period's middles and sides, for one, two and three periods, and what a side counts.
type echoEdges struct {
	bin         [echoOrders][4]int
	left, right [echoOrders]float64
}

// echoRims are the rims of the sides and the middle for each of the echoWidths and number of periods, as shares of their
// distance.
var echoRims = sync.OnceValue(func() *[4][echoOrders][4]float64 {
	var out [4][echoOrders][4]float64
	for i, w := range echoWidths() {
		for k := range out[i] {
			half := w / math.Sqrt(float64(k+1))
			out[i][k] = [...]float64{1 - 2*half, 1 - half, 1 + half, 1 + 2*half}
		}
	}
	return &out
})

func newEchoEdges(period float64, rims *[echoOrders][4]float64, base, bins int) (e echoEdges) {
	for k := range rims {
		lag := period * float64(k+1)
		for i, rim := range &rims[k] {
			e.bin[k][i] = min(bins-1, max(0, echoBin(lag*rim)-base))
		}
	}
	return e
}

// weigh sets what a side counts: both together are as wide as the middle.
func (e *echoEdges) weigh(base int) {
	for k := range e.bin {
		b := &e.bin[k]
		width := func(i int) float64 { return echoEdge(b[i+1]+base) - echoEdge(b[i]+base) }
		e.left[k], e.right[k] = 0.5*width(1)/max(width(0), 1e-9), 0.5*width(1)/max(width(2), 1e-9)
	}
}

// few says that the middles have too few pairs, whatever the sides have: those only lower the difference and add to its
// variance.
func (e *echoEdges) few(c []int32) bool {
	middle, variance := 0.0, 0.0
	for k := range e.bin {
		weight := 1 / float64(k+1)
		m := float64(c[e.bin[k][2]] - c[e.bin[k][1]])
		middle += m * weight
		variance += m * weight * weight
	}
	return middle*middle < 0.999*echoGlance*echoGlance*variance || middle == 0
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

// countPairs fills sc.pairs: the number of pairs that begin with one of the events from begins to ends and are nearer than
// the lower edge of each bin, bins counted from base. It returns false if there are none.
func (sc *Scorer) countPairs(t []int64, begins, ends, base, bins int) bool {
	low, high := int64(math.Ceil(echoEdge(base)*second)), int64(echoEdge(base+bins-1)*second)
	first, _ := slices.BinarySearch(t, t[begins]+low)
	if first = max(first, begins+1); first == len(t) || t[first]-t[ends-1] >= high {
		return false
	}
	sc.pairs = slices.Grow(sc.pairs[:0], bins)[:bins]
	clear(sc.pairs)
	for i, from := range t[begins:ends] {
		first = max(first, begins+i+1)
		for first < len(t) && t[first]-from < low {
			first++
		}
		for _, to := range t[first:] {
			if to-from >= high {
				break
			}
			sc.pairs[echoBin(float64(to-from)*(1.0/second))-base+1]++
		}
	}
	for i := 1; i < bins; i++ {
		sc.pairs[i] += sc.pairs[i-1]
	}
	return true
}
