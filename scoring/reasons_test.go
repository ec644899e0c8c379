package scoring_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/scoring"
)

// Each test's check-in, made so that this test and no other explains it best, and what is then said of it.
func TestReasonsOfEveryTest(t *testing.T) {
	people := func(r *rand.Rand, n int) (out []int64) {
		for range n {
			out = append(out, midnight+r.Int64N(86400e3))
		}
		return out
	}
	for name, c := range map[string]struct {
		test  scoring.Test
		make  func(r *rand.Rand) []int64
		words []string
	}{
		"a schedule under traffic": {scoring.Schedule, func(r *rand.Rand) []int64 {
			return append(every(600, 100, 144), people(r, 1500)...)
		}, []string{"at the same time of every 10m", "in 100% of the periods", "chance < 1e-12 of 1,000 candidates"}},
		"a clock of no round period under traffic": {scoring.Clock, func(r *rand.Rand) []int64 {
			out := every(217, 100, 398)
			for i := range out {
				out[i] += r.Int64N(80e3)
			}
			return append(out, people(r, 500)...)
		}, []string{"beacons every 3.6m ±20% on a fixed clock"}},
		"now and then, every ten minutes": {scoring.Lattice, func(r *rand.Rand) []int64 {
			var out []int64
			for at := midnight; at < midnight+86400e3; at += 600e3 * int64(1+math.Floor(r.ExpFloat64()*4)) {
				out = append(out, at+r.Int64N(20e3))
			}
			return out
		}, []string{"intervals are multiples of 10m"}},
		"jitter under traffic": {scoring.Echo, func(r *rand.Rand) []int64 {
			var out []int64
			for at := midnight; at < midnight+86400e3; at += 285e3 + r.Int64N(30e3) {
				out = append(out, at)
			}
			return append(out, people(r, 1000)...)
		}, []string{"under other traffic: about ", "connections follow another by one period"}},
	} {
		t.Run(name, func(t *testing.T) {
			starts := c.make(rand.New(rand.NewPCG(1, 5)))
			slices.Sort(starts)
			var sc scoring.Scorer
			b := sc.Beacon(scoring.Series{Start: starts}, day)
			require.Equal(t, c.test, b.Test, "%+v", b)
			require.Greater(t, b.Score(1000).Score, 0.6)
			text := strings.Join(b.Reasons(1000), "\n")
			for _, w := range c.words {
				require.Contains(t, text, w)
			}
		})
	}
}

// A keep-alive of a minute with a think time of thirty seconds.
func TestReasonOfATimer(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 5))
	var starts []int64
	for at := midnight; at < midnight+86400e3; at += 60e3 + int64(r.ExpFloat64()*30e3) {
		starts = append(starts, at)
	}
	var sc scoring.Scorer
	b := sc.Beacon(scoring.Series{Start: starts}, day)
	require.True(t, b.Timer)
	require.Equal(t, scoring.Low, scoring.SeverityOf(b.Score(1000).Score))
	reasons := b.Reasons(1000)
	require.Contains(t, reasons[len(reasons)-1], "a timer that restarts on use")
}

// A interval drawn evenly from 30 to 60 s is seen through windows of less width, one after the other: it is told as one
// rhythm with its bounds, within what the middle 95% of the intervals leaves out.
func TestReasonsTellOneWideRhythmAsOne(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	var starts []int64
	for at := midnight; at < midnight+86400e3; at += 30e3 + r.Int64N(30e3) {
		starts = append(starts, at)
	}
	var sc scoring.Scorer
	b := sc.Beacon(scoring.Series{Start: starts}, day)
	require.Greater(t, b.ModeCount, 1)
	require.Regexp(t, `^beacons every [345]\d(\.\d)?s \(3[0-2](\.\d)?s to (5[89](\.\d)?s|1m)\), (99|100)% of `, b.Reasons(10)[0])
}

// What chance explains is not called a beacon, whichever test found the nearest rhythm.
func TestReasonOfNoBeacon(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 5))
	var starts []int64
	for at := midnight; at < midnight+86400e3; at += int64(r.ExpFloat64() * 3600e3) {
		starts = append(starts, at)
	}
	var sc scoring.Scorer
	reasons := sc.Beacon(scoring.Series{Start: starts}, day).Reasons(1000)
	require.Regexp(t, `^no sign of a beacon; nearest rhythm: .*; chance about [0-9,]+ of 1,000 candidates$`, reasons[0])
}
