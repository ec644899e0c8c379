package scoring_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/scoring"
)

// Below the floor, even intervals come before uneven ones, and neither makes a finding (0.2).
func TestFaint(t *testing.T) {
	var sc scoring.Scorer
	w := scoring.Window{Start: 0, End: 86400e3}
	even := scoring.Series{Start: []int64{0, 7200e3, 14900e3, 21600e3, 29000e3}}
	crowded := scoring.Series{Start: []int64{0, 60e3, 200e3, 21000e3, 29000e3}}
	a, b := sc.Beacon(even, w), sc.Beacon(crowded, w)
	require.Greater(t, a.Score(1e5).Score, b.Score(1e5).Score)
	require.LessOrEqual(t, a.Score(1e5).Score, 0.05)
	require.Positive(t, b.Faint)
	require.Zero(t, sc.Beacon(scoring.Series{Start: []int64{5, 5, 5, 5, 5}}, w).Score(1e5).Score, "one instant")

	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		s := scoring.Series{}
		for range 4 + r.IntN(100) {
			s.Start = append(s.Start, r.Int64N(86400e3))
		}
		f := sc.Beacon(s, w)
		require.GreaterOrEqual(t, f.Faint, 0.0)
		require.LessOrEqual(t, f.Faint, 1.0)
		require.Less(t, f.Score(1e5).Score, 0.2, "memoryless")
	}
	beacon := scoring.Series{}
	for at := int64(0); at < 86400e3; at += 300e3 {
		beacon.Start = append(beacon.Start, at)
	}
	require.Zero(t, sc.Beacon(beacon, w).Faint, "a test decided")
}
