package pipeline

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

// TestDwellTimeOfALongConnection: it has one check-in, before the window even, and dwells until it ends, or until the
// window does. Alone it said 0.
func TestDwellTimeOfALongConnection(t *testing.T) {
	for what, tc := range map[string]struct {
		began  time.Duration // after the window's start
		lasted time.Duration
		want   time.Duration
	}{
		"within the window":       {2 * time.Hour, 20 * time.Hour, 20 * time.Hour},
		"began before":            {-5 * time.Hour, 25 * time.Hour, 25 * time.Hour},
		"before until after it":   {-5 * time.Hour, 72 * time.Hour, 29 * time.Hour},
		"seen as it began before": {-30 * time.Hour, 50 * time.Hour, 50 * time.Hour},
	} {
		c := every(server, day0.Add(tc.began), time.Hour, time.Minute)
		c[0].Duration, c[0].OrigBytes, c[0].RespBytes = tc.lasted.Milliseconds(), 90_000, 80_000
		f, ok := hunted(t, ofDay(c), dwellOptions())["10.0.0.5>203.0.113.9:443/tcp"]
		require.True(t, ok, what)
		require.Contains(t, f.Dwell.Indicators, hunt.LongConnection, what)
		d := f.Dwell.DwellTime
		require.True(t, day0.Add(tc.began).Equal(d.FirstCheckIn.Time), what)
		require.InDelta(t, tc.want.Seconds(), d.Seconds, 0.001, what)
	}
}
