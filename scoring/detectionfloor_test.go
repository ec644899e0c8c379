package scoring_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/scoring"
)

// By hand, every minute for a day, none missed, N = 1e5, cut 0.001, so that the p-value decides: with m intervals of
// the narrowest window p = 20 m 0.035049^(m-1) sqrt(2 pi/(m-1))/e. m = 5 gives E = 1e5*100*1.51e-6*0.46 = 7: 1/(1+7) =
// 0.13 times the hours' 0.14 is more than enough; m = 4 gives 183, 0.005, times the hours' (4*60/43200)^0.4 = 0.125, too
// little; so 6 check-ins.
func TestDetectionFloor(t *testing.T) {
	f := scoring.DetectionFloor(100_000, 86400, 60, 0.04, 0, 0.001)
	require.Equal(t, 6, f.CheckIns)
	require.InDelta(t, 0.1, f.Hours, 1e-9)

	// What is harder to see needs more.
	easy := scoring.DetectionFloor(100_000, 86400, 300, 0.1, 0, 0.4)
	for name, harder := range map[string]scoring.Floor{
		"more keys":         scoring.DetectionFloor(1_000_000_000, 86400, 300, 0.1, 0, 0.4),
		"more jitter":       scoring.DetectionFloor(100_000, 86400, 300, 0.5, 0, 0.4),
		"more missed":       scoring.DetectionFloor(100_000, 86400, 300, 0.1, 0.3, 0.4),
		"a higher cut":      scoring.DetectionFloor(100_000, 86400, 300, 0.1, 0, 0.6),
		"slower, so longer": scoring.DetectionFloor(100_000, 86400, 3600, 0.1, 0, 0.4),
	} {
		require.GreaterOrEqual(t, harder.Hours, easy.Hours, name)
		require.NotZero(t, harder.CheckIns, name)
	}
	require.Zero(t, scoring.DetectionFloor(100_000, 86400, 14400, 0.2, 0, 0.4), "six check-ins cannot be told from chance")
	require.Zero(t, scoring.DetectionFloor(10, 86400, 0, 0.2, 0, 0.4))
	require.Zero(t, scoring.DetectionFloor(10, 86400, 60, 0.2, 1, 0.4))
	require.Zero(t, scoring.DetectionFloor(10, -5, 60, 0.2, 0, 0.4))
}

// At their floors, loops that work for a time of any length and then sleep score above the cut in 95% of cases, within
// the noise of 300.
func TestPauseFloorHolds(t *testing.T) {
	r := rand.New(rand.NewPCG(84, 9))
	var sc scoring.Scorer
	for _, period := range []float64{60, 600, 3600} {
		f := scoring.PauseFloor(10_000, 86400, period, 0.2, 0.4)
		require.Positive(t, f.CheckIns)
		found := 0
		for range 300 {
			var s scoring.Series
			for at := float64(midnight); len(s.Start) < f.CheckIns; at += 700 * period * (0.8 + 0.4*r.Float64()) {
				work := 300 * period * r.ExpFloat64()
				s.Start, s.Duration = append(s.Start, int64(at)), append(s.Duration, int64(work))
				at += work
			}
			if sc.Beacon(s, day).Score(10_000).Score > 0.4 {
				found++
			}
		}
		require.GreaterOrEqual(t, found, 277, "every %v s: %+v", period, f)
	}
	require.Zero(t, scoring.PauseFloor(10_000, 86400, 60, 0.3, 0.4), "sleeps that vary more are not looked for")
	require.Zero(t, scoring.PauseFloor(10_000, 86400, 14400, 0.2, 0.4))
}

// Working hours need a window of three days, an interval that fits twice in a day, and more days the slower they are.
// (The rows of make quality show that a beacon at the floor is found.)
func TestDayFloor(t *testing.T) {
	require.Zero(t, scoring.DayFloor(10_000, 2*86400, 3600, 0.2, 0.4))
	require.Zero(t, scoring.DayFloor(10_000, 30*86400, 14400, 0.5, 0.4))
	fast, slow := scoring.DayFloor(10_000, 30*86400, 3600, 0.2, 0.4), scoring.DayFloor(10_000, 30*86400, 14400, 0.2, 0.4)
	require.InDelta(t, 3*scoring.WorkingHours, fast.Hours, 0)
	tight := scoring.DayFloor(10_000, 30*86400, 3600, 0.05, 0.4)
	require.Equal(t, scoring.DetectionFloor(10_000, 30*86400, 3600, 0.05, 0, 0.4).CheckIns, tight.CheckIns)
	require.InDelta(t, scoring.WorkingHours, tight.Hours, 0, "what is found in less than a day's hours needs no second day")
	require.Greater(t, slow.Hours, 7*scoring.WorkingHours)
	require.LessOrEqual(t, slow.Hours, 10*scoring.WorkingHours)
}
