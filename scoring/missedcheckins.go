package scoring

import (
	"math"
	"sync"
)

const (
	// missedFewest and missedMost bound the number of intervals. Fewer say nothing; with more, INTERVAL sees single
	// periods well enough.
	missedFewest, missedMost = 5, 500
	// missedPeriods: intervals of one, two and three periods are distinguished.
	missedPeriods              = 3
	missedRatios, missedShares = 9, 2
	// missedDecided is the p-value (log10) of INTERVAL below which this test is not needed.
	missedDecided = -12
)

// missedBet is a bet on all other intervals, given one that is taken for the shortest of a beacon: a tightness and a
// share of missed check-ins. Intervals of k periods lie between from[k] and to[k] times that one and multiply the stake
// by exp(gain[k]); others multiply it by exp(loss).
type missedBet struct {
	from, to, gain [missedPeriods]float64
	loss           float64
}

// missedBets are made once.
var missedBets = sync.OnceValue(makeMissedBets)

// missedTightness is one of the widths that are bet on: +-5% to +-50%, in finer steps than INTERVAL's. Bets cost less
// than tests.
func missedTightness(i int) tightness {
	r := [missedRatios]float64{1.1, 1.175, 1.25, 1.37, 1.5, 1.72, 2, 2.45, 3}[i]
	return tightness{ratio: r, jitter: (r - 1) / (r + 1), reach: (1 - 1/r) * math.Pow(r, -1/(r-1))}
}

// makeMissedBets makes the bets, for each tightness one after the other.
// The mean jitter of several periods is narrower than that of one: 96% of two uniform ones lie within 0.8 of it, of
// three within 0.65. An interval of k periods gains the ratio of two likelihoods: that of a beacon, and that of the
// exponential that puts most into the first window. The gains are scaled so that no exponential gains on average.
func makeMissedBets() *[missedRatios * missedShares]missedBet {
	var out [missedRatios * missedShares]missedBet
	for i := range missedRatios {
		t := missedTightness(i)
		for j, missed := range [missedShares]float64{0.1, 0.4} {
			b := missedBet{from: [...]float64{1, 0, 0}, to: [...]float64{t.ratio, 0, 0}}
			for k, narrow := range [...]float64{1, 0.8, 0.65} {
				if k > 0 {
					// Down to the range of the next tighter bet; the tightest goes down to no jitter at all.
					middle, lowest := float64(k+1)*(1+t.ratio)/2, float64(k+1)
					if i > 0 {
						tighter := missedTightness(i - 1)
						lowest *= (1 + tighter.ratio) / 2 * (1 - narrow*tighter.jitter)
					}
					b.from[k], b.to[k] = max(lowest, b.to[k-1]), middle*(1+narrow*t.jitter)
				}
			}
			rate := math.Log(t.ratio) / (t.ratio - 1)
			inside, left, share := 0.0, 1.0, 1-missed
			for k := range missedPeriods {
				q := math.Exp(-rate*b.from[k]) - math.Exp(-rate*b.to[k])
				p := 0.97 * share
				b.gain[k] = p / q
				inside, left, share = inside+q, left-p, share*missed
			}
			b.loss = left / (1 - inside)
			most := 0.0
			for rate := 1e-3; rate < 30; rate *= 1.01 {
				most = max(most, b.mean(rate))
			}
			most *= 1.0005 // between two of the rates looked at
			for k := range b.gain {
				b.gain[k] = math.Log(b.gain[k] / most)
			}
			b.loss = math.Log(b.loss / most)
			out[i*missedShares+j] = b
		}
	}
	return &out
}

// mean is what the bet yields on average for exponential intervals of a rate, in units of the first interval. Here gain
// and loss are factors, not yet logarithms.
func (b *missedBet) mean(rate float64) float64 {
	sum := b.loss
	for k := range missedPeriods {
		sum += (b.gain[k] - b.loss) * (math.Exp(-rate*b.from[k]) - math.Exp(-rate*b.to[k]))
	}
	return sum
}

// missedBurst is an interval up to which connections are one check-in, and the share of all that is bet on it.
type missedBurst struct {
	burst  int64
	weight float64
}

func missedBursts() [2]missedBurst {
	return [...]missedBurst{{0, 0.6}, {10 * second, 0.4}}
}

// missedTest looks for beacons with missed check-ins: intervals of one, two and three periods.
// It bets. Given any one interval, the product of the yields of all others is at most 1 on average if they are
// exponential, of whatever rates. So is the mean of these products over all intervals, and the weighted mean E over all
// bets. By Markov's inequality P(E >= x) <= 1/x: a bound for any mixture of exponentials, like INTERVAL's. With a third
// of the check-ins missing it needs two thirds of the check-ins that INTERVAL needs.
func (sc *Scorer) missedTest() (best intervalCell, ok bool) {
	bets, won := missedBets(), noWinnings()
	for _, of := range missedBursts() {
		gaps := sc.beyond(of.burst)
		if len(gaps) < missedFewest || len(gaps) > missedMost {
			continue
		}
		weight := math.Log(of.weight / float64(len(bets)))
		for t := range missedRatios {
			logs, at := sc.missedLogs(gaps, of.burst, t)
			for j, l := range logs {
				won.add(l+weight, t*missedShares+j, at[j], of.burst)
			}
		}
	}
	if won.all <= 0 {
		return best, false
	}
	return sc.missedCell(&bets[won.bet], missedTightness(won.bet/missedShares), won.burst, won.at, -won.all), true
}

// winnings are what all bets won together, and the bet that won most. They are logarithms.
type winnings struct {
	all, most float64
	// bet is its number, at the interval that it is based on.
	bet, at int
	burst   int64
}

func noWinnings() winnings { return winnings{all: math.Inf(-1), most: math.Inf(-1)} }

func (w *winnings) add(won float64, bet, at int, burst int64) {
	w.all = logAdd(w.all, won)
	if won > w.most {
		w.most, w.bet, w.at, w.burst = won, bet, at, burst
	}
}

// missedLogs returns ln of the mean product for each share of a tightness, and the interval with the largest product.
func (sc *Scorer) missedLogs(gaps []intervalOrder, burst int64, t int) (logs [missedShares]float64, at [missedShares]int) {
	bets := missedBets()[t*missedShares : (t+1)*missedShares]
	var from, to [missedPeriods]int
	var highest [missedShares]float64
	for j := range logs {
		logs[j], highest[j] = math.Inf(-1), math.Inf(-1)
	}
	m := len(gaps)
	for i, g := range gaps {
		x := float64(g.length() - burst)
		if x < shortestInterval {
			continue
		}
		outside := m - 1
		var count [missedPeriods]int
		for k := range missedPeriods {
			if k > 0 {
				from[k] = forward(gaps, max(from[k], to[k-1]), burst, x*bets[0].from[k])
			} else {
				from[k] = i
			}
			to[k] = forward(gaps, max(to[k], from[k]), burst, x*bets[0].to[k]*(1+1e-12))
			count[k] = to[k] - from[k]
			outside -= count[k]
		}
		count[0]-- // the interval itself
		outside++
		for j := range bets {
			b := &bets[j]
			l := float64(outside) * b.loss
			for k, n := range count {
				l += float64(n) * b.gain[k]
			}
			if l > highest[j] {
				highest[j], at[j] = l, i
			}
			logs[j] = logAdd(logs[j], l)
		}
	}
	for j := range logs {
		logs[j] -= math.Log(float64(m))
	}
	return logs, at
}

// forward is the first place from at on whose interval, less burst, is longer than x.
func forward(gaps []intervalOrder, at int, burst int64, x float64) int {
	beyond := intervalOrder(uint64(min(int64(x), longestInterval-burst-1)+burst+1) << placeBits)
	for at < len(gaps) && gaps[at] < beyond {
		at++
	}
	return at
}

// logAdd is ln(exp(a)+exp(b)).
func logAdd(a, b float64) float64 {
	if a < b {
		a, b = b, a
	}
	if a-b > 30 || math.IsInf(b, -1) {
		return a
	}
	return a + math.Log1p(math.Exp(b-a))
}

// missedCell describes the beacon that a bet won on: its modes are the intervals of one, two and three periods.
func (sc *Scorer) missedCell(b *missedBet, t tightness, burst int64, at int, logP float64) intervalCell {
	gaps := sc.beyond(burst)
	sc.strides(burst)
	c := intervalCell{logP: logP, burst: burst, intervals: len(gaps)}
	x, total, from := float64(gaps[at].length()-burst), 0, at
	for k := range missedPeriods {
		if k > 0 {
			from = forward(gaps, from, burst, x*b.from[k])
		}
		to := forward(gaps, from, burst, x*b.to[k]*(1+1e-12))
		of := gaps[from:to]
		from = to
		if len(of) == 0 {
			continue
		}
		m := Mode{Period: sc.medianStride(of), Jitter: spread(of, burst), Tightness: (b.to[k] - b.from[k]) / (b.to[k] + b.from[k]), Intervals: len(of)}
		c.modes[c.modeCount] = m
		c.modeCount++
		total += len(of)
		c.jitter += float64(len(of)) * m.Jitter
		for _, o := range of {
			c.covered += float64(sc.stride[o.place()]) / second
		}
	}
	c.window = intervalWindow{logP: logP, first: at, k: c.modes[0].Intervals, t: t}
	c.fraction = float64(total) / float64(c.intervals)
	c.jitter /= float64(total)
	if len(gaps) == len(sc.intervals) {
		c.burst = 0 // it joins nothing
	}
	return c
}
