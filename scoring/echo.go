package scoring

import (
	"math"
	"slices"
)

const (
	// echoFewest and echoMost bound the number of events.
	echoFewest, echoMost = 60, 6000
	// echoBlocks is the number of parts of the time that each have one vote.
	echoBlocks = 96
	// echoBins of equal ratio hold the distances between events: 1 % wide, from the shortest on.
	echoStep = 0.01
	// echoOrders: distances of one, two and three periods are looked at together.
	echoOrders = 3
)

// echoWidths are the jitters tried.
func echoWidths() [4]float64 { return [...]float64{0.03, 0.07, 0.14, 0.25} }

// echoResult is a period at which events come back after one another, whatever else goes on between.
type echoResult struct {
	logP   float64 // ln
	period float64 // seconds
	jitter float64
	pairs  float64 // beats that were followed by another one period later, beyond chance
	events int
}

func (e *echoResult) efficiency() float64 { return 1 - e.jitter/jitterCost }

// covered is how long beats followed one another, in seconds.
func (e *echoResult) covered() float64 { return e.pairs * e.period }

// echoTest looks for beats that each time wait anew, with jitter, while people use the same key: their gaps are cut to
// pieces by what goes on between, and their phase wanders, but a period after a beat there is another one.
//
// For a period T and a jitter w it counts the pairs of events whose distance lies within w of T, 2T and 3T (the
// jitters of several periods add up, so wider there), less the pairs that lie as far to either side: D. The time is cut into
// blocks; z = sum D/sqrt(sum D^2) over the blocks. Where the number of pairs changes smoothly with their distance, as
// for independent events of any slowly varying rate, D is as likely positive as negative, and P(z > x) <= exp(-x^2/2) by
// Hoeffding whatever the blocks' sizes; where it falls off convexly, as for events that come in clusters and
// sessions, D tends to be negative. Two pages that happen to be T apart count many pairs, but in one block.
func (sc *Scorer) echoTest() (best echoResult, ok bool) {
	t := sc.collapse(clockBurst)
	n := len(t)
	if n < echoFewest || n > echoMost {
		return best, false
	}
	span := float64(t[n-1]-t[0]) / second
	mean := span / float64(n)
	shortest := max(0.7*mean, 3*clockBurst/second)
	longest := min(2*math.Cbrt(span)*math.Pow(mean, 2.0/3), span/20)
	if !(longest > 1.2*shortest) {
		return best, false
	}
	base := shortest * (1 - 2*0.25)
	bins := int(math.Log(3*longest*(1+2*0.25/math.Sqrt(3))/base)/echoStep) + 2
	sc.countPairs(t, base, span, bins)

	tried := 0.0
	for _, w := range echoWidths() {
		for period := shortest; period <= longest; period *= 1 + w*0.7 {
			tried++
			sum, squares := 0.0, 0.0
			var at [echoOrders][4]int
			for k := range echoOrders {
				lag, half := period*float64(k+1), w/math.Sqrt(float64(k+1))
				for i, edge := range [...]float64{1 - 2*half, 1 - half, 1 + half, 1 + 2*half} {
					at[k][i] = min(bins-1, max(0, int(math.Round(math.Log(lag*edge/base)/echoStep))))
				}
			}
			first := 0.0
			for b := range echoBlocks {
				c := sc.pairs[b*bins : (b+1)*bins]
				d := 0.0
				for k := range echoOrders {
					e := &at[k]
					// The bins are of equal ratio: what lies to the sides is scaled to the middle's width.
					middle := float64(c[e[2]] - c[e[1]])
					sides := float64(c[e[1]]-c[e[0]])*sideScale(e[0], e[1], e[1], e[2]) + float64(c[e[3]]-c[e[2]])*sideScale(e[2], e[3], e[1], e[2])
					if k == 0 {
						first += middle - sides
					}
					d += (middle - sides) / float64(k+1)
				}
				sum += d
				squares += d * d
			}
			if sum <= 0 || first <= 0 || squares == 0 {
				continue
			}
			if logP := -sum * sum / squares / 2; logP < best.logP {
				best = echoResult{logP: logP, period: period, jitter: w, pairs: first, events: n}
			}
		}
	}
	best.logP = min(0, best.logP+math.Log(max(1, tried)))
	return best, best.logP <= clockReach
}

// sideScale weighs the pairs of a side (bins from, to), so that both sides together have half the middle's width each.
func sideScale(from, to, low, high int) float64 {
	width := func(a, b int) float64 { return math.Exp(float64(b)*echoStep) - math.Exp(float64(a)*echoStep) }
	return 0.5 * width(low, high) / max(width(from, to), 1e-12)
}

// countPairs fills sc.pairs: for each block of time, how many pairs that begin in it are less far apart than each
// bin's lower edge, base*exp(bin*echoStep) seconds.
func (sc *Scorer) countPairs(t []int64, base, span float64, bins int) {
	size := echoBlocks * bins
	sc.pairs = slices.Grow(sc.pairs[:0], size)[:size]
	clear(sc.pairs)
	low, high := int64(base*second), int64(base*math.Exp(float64(bins-2)*echoStep)*second)
	begin := 1
	for i, from := range t {
		b := min(echoBlocks-1, int(float64(from-t[0])/second/span*echoBlocks))
		row := sc.pairs[b*bins : (b+1)*bins]
		begin = max(begin, i+1)
		for begin < len(t) && t[begin]-from < low {
			begin++
		}
		for j := begin; j < len(t) && t[j]-from < high; j++ {
			if bin := int(math.Log(float64(t[j]-from)/second/base)/echoStep) + 1; bin >= 0 && bin < bins {
				row[bin]++
			}
		}
	}
	for b := range echoBlocks {
		row := sc.pairs[b*bins : (b+1)*bins]
		for i := 1; i < bins; i++ {
			row[i] += row[i-1]
		}
	}
}
