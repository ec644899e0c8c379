package scoring

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// No exponential gains on average by any bet, looked at ten times as closely as when the bets are made; and none is
// wasted.
func TestMissedBets(t *testing.T) {
	for i, b := range missedBets() {
		most := 0.0
		for rate := 1e-4; rate < 100; rate *= 1.001 {
			sum := math.Exp(b.loss)
			for k := range missedPeriods {
				require.LessOrEqual(t, b.from[k], b.to[k])
				sum += (math.Exp(b.gain[k]) - math.Exp(b.loss)) * (math.Exp(-rate*b.from[k]) - math.Exp(-rate*b.to[k]))
			}
			most = max(most, sum)
		}
		require.LessOrEqual(t, most, 1.0, "bet %d", i)
		require.Greater(t, most, 0.999, "bet %d", i)
		require.LessOrEqual(t, b.to[0], b.from[1])
		require.LessOrEqual(t, b.to[1], b.from[2])
	}
}

// The mean product over all intervals and bets, interval by interval and pair by pair.
func TestMissedByHand(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	var sc Scorer
	for range 50 {
		var start []int64
		period := 1000 * math.Exp(4+4*r.Float64())
		for at, i := 0.0, 0; i < 20+r.IntN(20); i++ {
			if r.Float64() > 0.3 {
				start = append(start, int64(at))
			}
			at += period * (0.7 + 0.6*r.Float64())
		}
		sc.load(start)
		cell, ok := sc.missedTest()
		sum := 0.0
		for _, of := range []struct{ burst, weight float64 }{{0, 0.6}, {10_000, 0.4}} {
			var x []float64
			for i := 1; i < len(start); i++ {
				if gap := float64(start[i] - start[i-1]); gap > of.burst {
					x = append(x, gap-of.burst)
				}
			}
			bets := missedBets()
			for _, b := range bets {
				for i := range x {
					product := of.weight / float64(len(bets)*len(x))
					if x[i] < 1000 {
						continue
					}
					for j := range x {
						if j == i {
							continue
						}
						yield := b.loss
						for k := range missedPeriods {
							if u := x[j] / x[i]; u >= b.from[k] && u <= b.to[k]*(1+1e-12) {
								yield = b.gain[k]
							}
						}
						product *= math.Exp(yield)
					}
					sum += product
				}
			}
		}
		if sum > 1.01 {
			require.True(t, ok)
			require.InEpsilon(t, math.Log(sum), -cell.logP, 1e-3)
			require.LessOrEqual(t, cell.fraction, 1.0)
		}
	}
}

// Memoryless intervals, of one rate or two: p is at most so small as often as it says.
func TestMissedIsABound(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	var sc Scorer
	const series = 4000
	below := map[float64]int{0.1: 0, 0.01: 0}
	for n := range series {
		start := []int64{0}
		for range 6 + r.IntN(60) {
			mean := 600e3
			if n%2 == 1 && r.Float64() < 0.7 {
				mean = 60e3
			}
			start = append(start, start[len(start)-1]+int64(r.ExpFloat64()*mean))
		}
		sc.load(start)
		if c, ok := sc.missedTest(); ok {
			for p := range below {
				if c.logP <= math.Log(p) {
					below[p]++
				}
			}
		}
	}
	for p, n := range below {
		require.LessOrEqual(t, float64(n), series*p, "p <= %v", p)
	}
}

// Sixteen check-ins of a day, one an hour with 20% jitter and a third missed, are found about every other time;
// INTERVAL alone gives them a median of 0.04.
func TestMissedBeats(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	var sc Scorer
	found := 0
	for range 100 {
		var s Series
		for at := 0.0; at < 86400; at += 3600 * (0.8 + 0.4*r.Float64()) {
			if r.Float64() > 0.3 {
				s.Start = append(s.Start, int64(at*1000))
			}
		}
		b := sc.Beacon(s, Window{0, day})
		if b.Score(100_000).Score > 0.4 {
			found++
			require.InDelta(t, 3600, b.Period, 600)
		}
	}
	require.Greater(t, found, 30)
}
