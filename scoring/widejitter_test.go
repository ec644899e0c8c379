package scoring

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// Sleeps with 90 % jitter, a third of the check-ins lost, look nearly like a timer. Some hundred intervals do not tell
// them apart, some thousand do; a timer of as many stays one.
func TestWideJitterWithLossIsNoTimer(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	draw := func(missed float64, sleep func() float64) (s Series) {
		for at := 0.0; at < 8*3600; at += sleep() {
			if r.Float64() >= missed {
				s.Start = append(s.Start, int64(at*second))
			}
		}
		return s
	}
	var sc Scorer
	w := Window{0, day}
	for range 5 {
		require.False(t, sc.Beacon(draw(0.3, func() float64 { return 5 * (0.1 + 1.8*r.Float64()) }), w).Timer, "both ways")
		require.False(t, sc.Beacon(draw(0.3, func() float64 { return 5 * (1 - 0.9*r.Float64()) }), w).Timer, "shorter only")
		require.True(t, sc.Beacon(draw(0, func() float64 { return 2.5 * (r.ExpFloat64() + r.ExpFloat64()) }), w).Timer, "gamma")
		require.True(t, sc.Beacon(draw(0, func() float64 { return 20 + 20*r.ExpFloat64() }), w).Timer, "limit")
	}
}
