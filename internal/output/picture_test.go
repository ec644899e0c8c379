package output

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

func TestDayLine(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	w := hunt.Window{Start: start, End: start.Add(4 * time.Hour)}
	var starts []int64
	for hour, n := range []int{1, 0, 8, 4} {
		for i := range n {
			starts = append(starts, start.Add(time.Duration(hour)*time.Hour+time.Duration(i)*time.Minute).UnixMilli())
		}
	}
	starts = append(starts, start.Add(-time.Minute).UnixMilli(), w.End.UnixMilli()) // outside the window, not drawn
	require.Equal(t, "▁·█▄", DayLine(starts, w, 4))
	require.Equal(t, "····", DayLine(nil, w, 4))
}

func TestIntervals(t *testing.T) {
	var starts []int64
	at := int64(1_700_000_000_000)
	for i := range 40 {
		starts = append(starts, at)
		at += 300_000
		if i%10 == 9 {
			at += 3_600_000
		}
	}
	var b bytes.Buffer
	require.NoError(t, Intervals(&b, starts, 8, 20))
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	// 40 starts have 39 intervals: 36 of 300 s, and 3 of 3,900 s.
	require.Len(t, lines, 2)
	require.Contains(t, lines[0], " 36  "+strings.Repeat("█", 20))
	require.Contains(t, lines[1], "  3  █")

	b.Reset()
	require.NoError(t, Intervals(&b, starts, 1, 20))
	require.Contains(t, b.String(), "3 of 39 intervals lie elsewhere")

	b.Reset()
	require.NoError(t, Intervals(&b, starts[:1], 8, 20))
	require.Contains(t, b.String(), "no intervals")
}
