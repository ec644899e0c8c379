package scoring

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// No exponential gains on average by any bet, looked at ten times as closely as when the bets are made; none is wasted.
func TestWideBets(t *testing.T) {
	for i, b := range makeWideBets() {
		most := 0.0
		for rate := 1e-4; rate < 1e4; rate *= 1.001 {
			sum := 0.0
			for k, g := range b.gain {
				sum += math.Exp(g) * exponentialMass(k, rate)
			}
			most = max(most, sum)
		}
		require.LessOrEqual(t, most, 1.0, "bet %d", i)
		require.Greater(t, most, 0.997, "bet %d", i)
	}
}

// exponentials draws a day of intervals, each of one of two rates, at random.
func exponentials(r *rand.Rand, n int, other float64) (s Series) {
	mean := float64(day) / float64(n)
	for at := 0.0; at < day; {
		s.Start = append(s.Start, int64(at))
		if r.Float64() < 0.3 {
			at += mean * other * r.ExpFloat64()
		} else {
			at += mean * r.ExpFloat64()
		}
	}
	return s
}

// What is bet on memoryless traffic is lost: of 3,000 series at most 3 + 2 standard errors reach one in a thousand.
func TestWideSleepsBound(t *testing.T) {
	r := rand.New(rand.NewPCG(71, 9))
	var sc Scorer
	reached := 0
	for i := range 3000 {
		s := exponentials(r, 13+r.IntN(150), []float64{1, 0.05, 8}[i%3])
		sc.load(s.Start)
		if c, ok := sc.wideTest(); ok && c.logP <= math.Log(1e-3) {
			reached++
		}
	}
	require.LessOrEqual(t, reached, 6)
}

// Sleeps of a tenth to nineteen tenths of the period are told from chance with a hundred check-ins, and described by
// their bounds.
func TestWideSleepsAreFound(t *testing.T) {
	r := rand.New(rand.NewPCG(72, 9))
	var sc Scorer
	found := 0
	for range 50 {
		var s Series
		for at, i := 0.0, 0; i < 100; i++ {
			s.Start = append(s.Start, int64(at))
			at += 60 * second * (0.1 + 1.8*r.Float64())
		}
		sc.load(s.Start)
		c, ok := sc.wideTest()
		if ok && c.logP <= math.Log(1e-8) {
			found++
			require.Greater(t, c.fraction, 0.85)
			require.InDelta(t, 60, c.modes[0].Period, 15)
		}
	}
	require.GreaterOrEqual(t, found, 48)
}
