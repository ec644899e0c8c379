package hunt

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Check-ins every 15 minutes of a day fall into one part each, counted by hand.
func TestTimelineCountsEveryCheckInOnce(t *testing.T) {
	const day = 86_400_000
	starts := []int64{-5000}
	for at := int64(0); at < day; at += day / TimelineParts {
		starts = append(starts, at)
	}
	line := NewTimeline(append(starts, day, day+1), 0, day)
	require.InDelta(t, 900, line.Step, 0)
	require.Len(t, line.Counts, TimelineParts)
	for i, n := range line.Counts {
		require.EqualValues(t, 1, n, "part %d", i)
	}
	require.Len(t, line.Intervals, 1, "what is outside the window has no interval either")
	bin := line.Intervals[0]
	require.EqualValues(t, TimelineParts-1, bin.Count)
	require.LessOrEqual(t, bin.From, 900.0)
	require.Greater(t, bin.To, 900.0)
	require.Nil(t, NewTimeline([]int64{-1, day}, 0, day))
	require.Nil(t, NewTimeline(nil, 0, day))
}

// A campaign's timeline has all of its members' check-ins and intervals.
func TestTimelinesAddUp(t *testing.T) {
	a, b := NewTimeline([]int64{0, 60_000, 120_000}, 0, 9_600_000), NewTimeline([]int64{0, 3_600_000, 3_660_000}, 0, 9_600_000)
	var sum Timeline
	sum.Add(a)
	sum.Add(b)
	sum.Add(nil)
	sum.Add(NewTimeline([]int64{0}, 0, 1_000_000)) // of another window
	require.Equal(t, []int64{4, 2}, []int64{sum.Counts[0] + sum.Counts[1], sum.Counts[36]})
	require.Len(t, sum.Intervals, 2)
	require.EqualValues(t, 3, sum.Intervals[0].Count, "two of one minute, and one")
	require.Less(t, sum.Intervals[0].From, sum.Intervals[1].From)
	require.EqualValues(t, 3, a.Counts[0]+a.Counts[1], "members stay as they are")
}
