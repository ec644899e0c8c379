package scoring_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/scoring"
)

// By hand, every minute for a day, none missed, N = 1e5, cut 0.001, so that the p-value decides: with m intervals of
// the narrowest window p = 20 m 0.035049^(m-1). m = 6 gives E = 1e5*120*5.29e-8 = 0.63, m = 5 gives 15: 1/(1+15) = 0.06
// is still more than enough; m = 4 gives 344, 0.003, times the hours' (4*60/43200)^0.4 = 0.125, too little; so 6
// check-ins.
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
