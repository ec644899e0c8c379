package scoring_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/scoring"
)

const midnight = int64(1_700_006_400_000) // 2023-11-15 00:00:00 UTC

// every gives n start times, one every interval seconds from a second after midnight.
func every(gap, from int64, n int) (out []int64) {
	for i := range int64(n) {
		out = append(out, midnight+(from+i*gap)*1000)
	}
	return out
}

// ritaCode is what RITA v5.1.1 goes by where it is given no configuration.
var ritaCode = scoring.RITASettings{Beacon: scoring.Thresholds{Base: 50, Low: 75, Medium: 90, High: 100}}

func same(size int64, n int) (out []int64) {
	for range n {
		out = append(out, size)
	}
	return out
}

// The expected values were worked out by hand from the formulas of RITA v5.1.1 (docs/facts/rita.md, 1).
func TestRITAByHand(t *testing.T) {
	window := scoring.RITAWindow{Min: midnight / 1000, Max: midnight/1000 + 86400}
	for name, c := range map[string]struct {
		series scoring.Series
		window scoring.RITAWindow
		want   scoring.RITAResult
		scored bool
	}{
		"every minute all day": {
			series: scoring.Series{Start: every(60, 0, 1440), Size: same(500, 1440)},
			want:   scoring.RITAResult{Score: 1, Timestamp: 1, DataSize: 1, Histogram: 1, Duration: 1, Count: 1440, Unique: 1440, TopInterval: 60},
			scored: true,
		},
		// 4 of 24 bars: no duration score, and a coefficient of variation of sqrt(5) gives no histogram score.
		"every minute for four hours": {
			series: scoring.Series{Start: every(60, 0, 240), Size: same(500, 240)},
			want:   scoring.RITAResult{Score: 0.5, Timestamp: 1, DataSize: 1, Count: 240, Unique: 240, TopInterval: 60},
			scored: true,
		},
		// Intervals 100, 200, 300, 650: quartiles 150, 250, 475, skew (625-500)/325 = .3846; deviations 150 50 50 400,
		// their median 100, so (250-100)/250 = .6; (.6154+.6)/2 = .608. Sizes 0: the half for no skew alone.
		"five connections without sizes": {
			series: scoring.Series{Start: []int64{midnight, midnight + 100e3, midnight + 300e3, midnight + 600e3, midnight + 1250e3}},
			want:   scoring.RITAResult{Score: 0.277, Timestamp: 0.608, DataSize: 0.5, Count: 5, Unique: 5, TopInterval: 100},
			scored: true,
		},
		// The same second three times counts as one moment; the sizes of all are used.
		"three different seconds": {
			series: scoring.Series{Start: []int64{midnight, midnight + 1, midnight + 999, midnight + 1000, midnight + 2000}},
			want:   scoring.RITAResult{Count: 5, Unique: 3},
		},
		"a strobe": {
			series: scoring.Series{Start: every(1, 0, 86400)},
			want:   scoring.RITAResult{Count: 86400, Unique: 86400},
		},
		"outside the window": {
			series: scoring.Series{Start: []int64{midnight - 2*3600e3, midnight + 86401e3}},
		},
		"nothing": {},
		"no window": {
			series: scoring.Series{Start: every(60, 0, 10)},
			window: scoring.RITAWindow{Min: midnight / 1000, Max: midnight / 1000},
			want:   scoring.RITAResult{Count: 1, Unique: 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if c.window == (scoring.RITAWindow{}) {
				c.window = window
			}
			got, scored := new(scoring.Scorer).RITA(c.series, c.window)
			require.Equal(t, c.scored, scored)
			require.Equal(t, c.want, got)
		})
	}
}

func TestRITAOrderDoesNotMatter(t *testing.T) {
	s := scoring.Series{Start: every(60, 3, 500), Size: same(7, 500)}
	w := scoring.RITAWindowOf(s.Start[0], s.Start[499])
	want, ok := new(scoring.Scorer).RITA(s, w)
	require.True(t, ok)
	for i, j := 0, 499; i < j; i, j = i+1, j-1 {
		s.Start[i], s.Start[j] = s.Start[j], s.Start[i]
	}
	var sc scoring.Scorer
	for range 2 { // a scorer that has worked before gives the same
		got, ok := sc.RITA(s, w)
		require.True(t, ok)
		require.Equal(t, want, got)
	}
}

func TestRITAWindow(t *testing.T) {
	for name, c := range map[string]struct{ oldest, newest, min, max, from int64 }{
		"half an hour": {midnight + 1800_999, midnight + 3600_500, midnight/1000 + 1800, midnight/1000 + 3600, midnight},
		"three days":   {midnight - 3*86400e3, midnight + 90_500, midnight/1000 + 90 - 86400, midnight/1000 + 90, midnight - 86400e3},
		"before 1970":  {-1500, -500, -2, -1, -3600e3},
	} {
		t.Run(name, func(t *testing.T) {
			w := scoring.RITAWindowOf(c.oldest, c.newest)
			require.Equal(t, scoring.RITAWindow{Min: c.min, Max: c.max}, w)
			require.Equal(t, c.from, w.From())
		})
	}
	// What lies before Min but within its hour belongs to the window.
	w := scoring.RITAWindow{Min: midnight/1000 + 1800, Max: midnight/1000 + 1800 + 86400}
	got, _ := new(scoring.Scorer).RITA(scoring.Series{Start: []int64{midnight - 1, midnight, midnight + 1799e3, midnight + 1800e3}}, w)
	require.Equal(t, 3, got.Count)
}

// The table of docs/facts/rita.md, 1.8.
func TestRITAThreats(t *testing.T) {
	for _, c := range []struct{ score, want float64 }{
		{0, 0}, {0.499, 0}, {0.5, 0.2}, {0.625, 0.3}, {0.75, 0.4}, {0.825, 0.5}, {0.9, 0.6}, {0.95, 0.7}, {1, 0.8}, {math.NaN(), 0},
	} {
		require.InDelta(t, c.want, ritaCode.BeaconThreat(c.score), 1e-9, "beacon %v", c.score)
	}
	for _, c := range []struct{ seconds, want float64 }{
		{3599, 0}, {3600, 0.2}, {9000, 0.3}, {14400, 0.4}, {28800, 0.6}, {36000, 0.7}, {43200, 0.8}, {1e9, 0.8},
	} {
		require.InDelta(t, c.want, scoring.RITALongConnectionThreat(c.seconds), 1e-9, "long %v", c.seconds)
	}
	for _, c := range []struct {
		names int64
		want  float64
	}{{99, 0}, {100, 0.2}, {300, 0.3}, {500, 0.4}, {800, 0.6}, {1000, 0.8}} {
		require.InDelta(t, c.want, scoring.RITADNSThreat(c.names), 1e-9, "dns %v", c.names)
	}
	require.Zero(t, scoring.RITAStrobeThreat(86399))
	require.InDelta(t, 0.8, scoring.RITAStrobeThreat(86400), 0)
	require.InDelta(t, 0.65, scoring.RITAFinal(-0.15, 0.2, 0.8, 0), 1e-9)
	require.InDelta(t, 1.1, scoring.RITAFinal(0.3, 0.8), 1e-9)
}

func TestSeverity(t *testing.T) {
	for _, c := range []struct {
		score  float64
		want   scoring.Severity
		word   string
		number int
	}{
		{-1, scoring.None, "", 0}, {math.NaN(), scoring.None, "", 0}, {0.199, scoring.None, "", 0}, {0.2, scoring.Low, "low", 1},
		{0.4, scoring.Medium, "medium", 2}, {0.6, scoring.High, "high", 3}, {0.8, scoring.High, "high", 3},
		{0.801, scoring.Critical, "critical", 4}, {7, scoring.Critical, "critical", 4},
	} {
		got := scoring.SeverityOf(c.score)
		require.Equal(t, c.want, got, "score %v", c.score)
		require.Equal(t, c.word, got.String())
		require.Equal(t, c.number, got.Number())
	}
}
