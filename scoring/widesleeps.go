package scoring

import (
	"math"
	"sync"
)

const (
	// wideFewest and wideMost bound the number of intervals: fewer say nothing, more need no such test.
	wideFewest, wideMost = 12, 2000
	// Intervals are counted in wideBins bins, wideOctave to an octave, above 2^wideLowest of the longest sleep. One
	// more on either side takes the rest.
	wideOctave, wideLowest, wideBins = 4, -6, 36
	wideRanges, wideLosses           = 5, 3
	// wideAnchors is the number of intervals tried as the longest sleep.
	wideAnchors = 12
	// wideTail: if the longest tenth begins at more than this many medians, no sleeps win. That of memoryless intervals
	// begins at 3.3.
	wideTail = 2.6
	// wideStrays is the share of a stake that is not bet, so that no interval loses everything.
	wideStrays = 0.03
)

// wideBet is a bet on sleeps spread evenly up to a longest one, and on a share of missed check-ins.
type wideBet struct {
	// shortest is the shortest sleep as a share of the longest.
	shortest float64
	missed   float64
	// gain is ln of the factor by which an interval multiplies the stake, by its bin.
	gain [wideBins + 2]float64
}

// wideEdges are the upper edges of the bins, as shares of the longest sleep.
var wideEdges = sync.OnceValue(func() *[wideBins + 1]float64 {
	var out [wideBins + 1]float64
	for bin := range out {
		out[bin] = math.Exp2(wideLowest + float64(bin)/wideOctave)
	}
	return &out
})

func wideEdge(bin int) float64 { return wideEdges()[bin] }

// wideBets are made once.
var wideBets = sync.OnceValue(makeWideBets)

// makeWideBets makes the bets. A bin gains the ratio of two likelihoods of an interval in it: that of the sleeps and
// that of the exponential with their mean; what is longer than all bins gains nothing. The gains are scaled so that no
// exponential gains on average.
func makeWideBets() *[wideRanges * wideLosses]wideBet {
	var out [wideRanges * wideLosses]wideBet
	for i, shortest := range [wideRanges]float64{1.0 / 19, 1.0 / 10, 1.0 / 5, 1.0 / 3, 1.0 / 2} {
		for j, missed := range [wideLosses]float64{0, 0.1, 0.3} {
			b := wideBet{shortest: shortest, missed: missed}
			period, half := (1+shortest)/2, (1-shortest)/2
			var mass [wideBins + 2]float64
			for k := 1; k <= wideBins; k++ {
				const steps = 16
				low, high := wideEdge(k-1), wideEdge(k)
				for s := range steps {
					v := low + (high-low)*(float64(s)+0.5)/steps
					mass[k] += missedDensity(v, period, half, missed) * (high - low) / steps
				}
			}
			for k := range b.gain {
				b.gain[k] = (1-wideStrays)*mass[k]/exponentialMass(k, (1-missed)/period) + wideStrays
			}
			out[i*wideLosses+j] = b
		}
	}
	var most [len(out)]float64
	for rate := 1e-3; rate < 1e3; rate *= 1.02 {
		var share [wideBins + 2]float64
		for k := range share {
			share[k] = exponentialMass(k, rate)
		}
		for i := range out {
			sum := 0.0
			for k, g := range out[i].gain {
				sum += g * share[k]
			}
			most[i] = max(most[i], sum)
		}
	}
	for i := range out {
		for k, g := range out[i].gain {
			out[i].gain[k] = math.Log(g / (most[i] * 1.002)) // it is more between two of the rates tried
		}
	}
	return &out
}

// exponentialMass is the share of an exponential's intervals in a bin.
func exponentialMass(bin int, rate float64) float64 {
	low, high := 0.0, math.Inf(1)
	if bin > 0 {
		low = wideEdge(bin - 1)
	}
	if bin <= wideBins {
		high = wideEdge(bin)
	}
	return math.Exp(-rate*low) - math.Exp(-rate*high)
}

// wideTest looks for sleeps with so much jitter that no narrow range of intervals stands out: from a tenth of the
// period to nearly twice of it, say, with some missed.
//
// It bets like the test of missed check-ins. Take any one interval for the longest sleep: the product of the others'
// yields is at most 1 on average if they are exponential, of whatever rates. So is the mean E over all intervals and
// bets; what is left out only lowers it. By Markov's inequality P(E >= x) <= 1/x, for any mixture of exponentials. It
// wins more than the densest window because an exponential's density falls within the window and that of sleeps does
// not: twice as much with 90% jitter.
func (sc *Scorer) wideTest() (best intervalCell, ok bool) {
	bets, won := wideBets(), noWinnings()
	for _, of := range missedBursts() {
		intervals := sc.beyond(of.burst)
		m := len(intervals)
		if m < wideFewest || m > wideMost || of.burst > 0 && m == len(sc.intervals) {
			continue // a burst that joins nothing is the same again
		}
		if float64(intervals[m*9/10].length()-of.burst) > wideTail*float64(intervals[m/2].length()-of.burst) {
			continue // lowers E, like everything that is left out
		}
		weight := math.Log(of.weight / float64(len(bets)*m))
		last := -1
		for i := range wideAnchors {
			at := m - 1 - i
			if i > 3 {
				at = m - 1 - (i-3)*m/18 // down to the median
			}
			if at == last || float64(intervals[at].length()-of.burst) < shortestInterval {
				continue
			}
			last = at
			counts := wideCounts(intervals, of.burst, at)
			var some [wideBins + 2]uint8 // the bins that have any
			filled := 0
			for k, n := range counts {
				if n != 0 {
					some[filled] = uint8(k)
					filled++
				}
			}
			for j := range bets {
				l := weight
				for _, k := range some[:filled] {
					l += float64(counts[k]) * bets[j].gain[k]
				}
				won.add(l, j, at, of.burst)
			}
		}
	}
	if won.all <= 0 {
		return best, false
	}
	return sc.wideCell(&bets[won.bet], won.burst, won.at, -won.all)
}

// wideCounts counts the other intervals by bins, one of them being the longest sleep.
func wideCounts(intervals []intervalOrder, burst int64, at int) (counts [wideBins + 2]int) {
	longest, from := float64(intervals[at].length()-burst), 0
	for k, edge := range wideEdges() {
		to := forward(intervals, from, burst, longest*edge*(1+1e-12))
		counts[k], from = to-from, to
	}
	counts[wideBins+1] = len(intervals) - from
	counts[-wideLowest*wideOctave]-- // the longest itself ends its bin
	return counts
}

// wideCell describes the sleeps that a bet won on: up to the longest, and up to twice and three times that if some are
// missed.
func (sc *Scorer) wideCell(b *wideBet, burst int64, at int, logP float64) (c intervalCell, ok bool) {
	intervals := sc.beyond(burst)
	longest := float64(intervals[at].length() - burst)
	first := forward(intervals, 0, burst, longest*b.shortest*(1-1e-9))
	ratio := 1 / b.shortest
	of := missedBet{from: [...]float64{1, ratio, 2 * ratio}, to: [...]float64{ratio, ratio, 2 * ratio}}
	if b.missed > 0 {
		of.to = [...]float64{ratio, 2 * ratio, 3 * ratio}
	}
	if first >= len(intervals) {
		return c, false
	}
	t := tightness{ratio: ratio, jitter: (ratio - 1) / (ratio + 1)}
	return sc.missedCell(&of, t, burst, first, logP), true
}
