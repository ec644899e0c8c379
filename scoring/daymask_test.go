package scoring

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// No window has a larger share than its jitter: of exponentials of any rate that are shorter than a night, nor of two
// to twelve memoryless connections in some hours.
func TestMaskShare(t *testing.T) {
	for i, of := range maskWidths() {
		r, j := of.ratio, of.jitter
		mixtures := 0.0
		for rate := 1e-4; rate < 100; rate *= 1.2 {
			var sum [sharpMost + 1]float64
			for l := -9.0; l <= 0; l += 0.02 { // x up to maskNight/(r+1)
				x := math.Exp(l) / (r + 1)
				all := -math.Expm1(-rate)
				share := (math.Exp(-rate*x) - math.Exp(-rate*r*x)) / all
				require.LessOrEqual(t, share, j*(1+1e-9), "r=%v rate=%v x=%v", r, rate, x)
				mixtures = max(mixtures, x*rate*math.Exp(-rate*x)/all)
				for k := 1; k <= sharpMost; k++ {
					sum[k] += 0.02 * math.Pow(share/j, float64(k))
				}
			}
			for k := 4; k <= sharpMost; k++ { // the sharpness covers them, too
				require.LessOrEqual(t, math.Log(0.5*sum[k]), maskSharpness()[i][k], "r=%v rate=%v k=%d", r, rate, k)
			}
		}
		require.LessOrEqual(t, mixtures, 0.5, "density, r=%v", r)
		for n := 2.0; n <= 12; n++ {
			for x := 0.001; x < 1; x += 0.001 {
				require.LessOrEqual(t, math.Pow(1-x, n)-math.Pow(max(0, 1-r*x), n), j*(1+1e-9), "r=%v n=%v x=%v", r, n, x)
			}
		}
	}
}

// days draws connections of some days: from two to most a day at any time of ten hours, or exponential intervals round
// the clock.
func days(r *rand.Rand, count, most int) (s []int64) {
	if most == 0 {
		mean := float64(hour) * []float64{3, 6, 12}[r.IntN(3)]
		for at := 0.0; at < float64(count)*day; at += mean * r.ExpFloat64() {
			s = append(s, int64(at))
		}
		return s
	}
	for d := range count {
		for range 2 + r.IntN(most-1) {
			s = append(s, int64(d)*day+8*hour+r.Int64N(10*hour))
		}
	}
	return s
}

// Of 4,000 memoryless series none has a chance of one in a hundred more often than that: two a day at any time, where
// the bound is closest, several a day, and round the clock.
func TestMaskBound(t *testing.T) {
	for name, most := range map[string]int{"two a day": 2, "two to four": 4, "two to nine": 9, "round the clock": 0} {
		r := rand.New(rand.NewPCG(82, 9))
		var sc Scorer
		reached := 0
		for range 4000 {
			sc.load(days(r, 7+r.IntN(24), most))
			if c, ok := sc.maskTest(); ok && c.logP <= math.Log(0.01) {
				reached++
			}
		}
		require.LessOrEqual(t, reached, 40, name)
	}
}

// A beacon of ten hours a day, every four hours with 20% jitter, is found in seven days, and so described. In two days
// nothing is left out.
func TestMaskFinds(t *testing.T) {
	r := rand.New(rand.NewPCG(83, 9))
	var sc Scorer
	found := 0
	for range 50 {
		var s Series
		for at := 4 * hour * r.Float64(); at < 7*day; at += 4 * hour * (0.8 + 0.4*r.Float64()) {
			if h := int64(at) % day / hour; h >= 8 && h < 18 {
				s.Start = append(s.Start, int64(at))
			}
		}
		b := sc.Beacon(s, Window{End: 7 * day})
		if b.Score(10_000).Score >= 0.2 {
			found++
			require.Equal(t, Interval, b.Test)
			require.InDelta(t, 4*3600, b.Period, 3000)
			require.False(t, b.Timer)
			require.GreaterOrEqual(t, b.Nights, 5)
			require.Equal(t, b.CheckIns-1, b.Intervals+b.Nights)
			require.Contains(t, b.Reasons(10_000)[1], "left out")
		}
		require.Zero(t, sc.Beacon(s, Window{End: 2 * day}).Nights)
	}
	require.GreaterOrEqual(t, found, 38)
}
