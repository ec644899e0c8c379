package scoring

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// Two others: the integral of (exp(-y)-exp(-ry))^2/y is ln((1+r)^2/4r), of one other ln r (Frullani).
func TestIntervalSharpness(t *testing.T) {
	widths := tightnesses()
	for _, w := range append(widths[:], exactly) {
		s := intervalSharpness()[w.place]
		require.InDelta(t, min(0, math.Log(math.Log(w.ratio)/math.E/w.reach)), s[1], 0.002, "r=%v", w.ratio)
		require.InDelta(t, min(0, math.Log(math.Log((1+w.ratio)*(1+w.ratio)/4/w.ratio)/math.E/w.reach/w.reach)), s[2], 0.002, "r=%v", w.ratio)
		for k := 2; k <= sharpMost; k++ {
			require.LessOrEqual(t, s[k], s[k-1], "r=%v k=%d", w.ratio, k)
		}
	}
}

// The bound holds for few intervals, and is within a factor of two where all of them agree: exponentials of one rate.
func TestIntervalBoundIsClose(t *testing.T) {
	r := rand.New(rand.NewPCG(81, 9))
	var sc Scorer
	const m, runs = 5, 200_000
	w := tightnesses()[4]
	bound := math.Exp(sc.densestLogP(m, m, w))
	all := 0
	for range runs {
		low, high := math.Inf(1), 0.0
		for range m {
			x := r.ExpFloat64()
			low, high = min(low, x), max(high, x)
		}
		if high <= w.ratio*low {
			all++
		}
	}
	require.LessOrEqual(t, float64(all)/runs, bound)
	require.Greater(t, 2*float64(all)/runs, bound)
}
