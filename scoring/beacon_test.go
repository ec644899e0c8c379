package scoring_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"dwell/scoring"
)

// What cannot be judged scores 0, and every odd input is defined.
func TestBeaconDefined(t *testing.T) {
	var sc scoring.Scorer
	for name, c := range map[string]struct {
		starts []int64
		window scoring.Window
		judged bool
	}{
		"nothing":               {nil, day, false},
		"one":                   {every(60, 0, 1), day, false},
		"two":                   {every(60, 0, 2), day, false},
		"three":                 {every(60, 0, 3), day, false},
		"four at one instant":   {[]int64{midnight, midnight, midnight, midnight}, day, false},
		"many at one instant":   {slices.Repeat([]int64{midnight + 5}, 500), day, false},
		"within a second":       {[]int64{midnight, midnight + 100, midnight + 200, midnight + 300}, day, false},
		"outside the window":    {every(60, -100000, 50), day, false},
		"window without length": {every(60, 0, 50), scoring.Window{Start: midnight, End: midnight}, false},
		"window upside down":    {every(60, 0, 50), scoring.Window{Start: midnight + 1, End: midnight}, false},
		"at the ends of time":   {[]int64{math.MinInt64, -1, 0, 1, math.MaxInt64 - 1}, scoring.Window{Start: math.MinInt64, End: math.MaxInt64}, false},
		"four":                  {every(60, 0, 4), day, true},
	} {
		t.Run(name, func(t *testing.T) {
			b := sc.Beacon(scoring.Series{Start: c.starts}, c.window)
			s := b.Score(1000)
			require.Equal(t, c.judged, b.Test != scoring.NoTest, "%+v", b)
			require.LessOrEqual(t, s.Score, 0.01)
			require.GreaterOrEqual(t, s.Score, 0.0)
			require.Equal(t, c.judged, len(b.Reasons(1000)) > 0)
		})
	}
}

// One connection an hour, to the second, for a day. By hand: 23 intervals, all within any window; of the narrowest, q =
// 0.035049, the bound is 23 q^22 sqrt(2 pi/22)/e (Laplace's method), times 10 windows and 2 for the test: log10 =
// log10(460) - 22*1.45532 - 0.706 = -30.06.
func TestBeaconByHand(t *testing.T) {
	var sc scoring.Scorer
	b := sc.Beacon(scoring.Series{Start: every(3600, 60, 24)}, day)
	require.Equal(t, scoring.Interval, b.Test)
	require.InDelta(t, -30.06, b.LogP, 0.005)
	require.Equal(t, 24, b.Connections)
	require.Equal(t, 24, b.CheckIns)
	require.Equal(t, 23, b.Intervals)
	require.InDelta(t, 3600, b.Period, 1e-9)
	require.InDelta(t, 1, b.Fraction, 1e-9)
	require.InDelta(t, 0, b.Jitter, 1e-9)
	require.InDelta(t, 23*3600, b.Covered, 1e-6)
	require.InDelta(t, 23.0/24, b.Coverage, 1e-9)
	s := b.Score(100_000)
	require.InDelta(t, 1, s.Score, 1e-9)
	require.InDelta(t, -25.06, s.LogExpected, 0.005)
	require.Equal(t, []string{"beacons every 60m ±0%, 100% of 23 intervals, active for 23h; chance < 1e-12 of 100,000 candidates"}, b.Reasons(100_000))
}

// A clock that is set back by an hour in mid-day, and one set on: the check-in goes on.
func TestClockStep(t *testing.T) {
	var sc scoring.Scorer
	for _, step := range []int64{-3600e3, 3600e3} {
		starts := every(300, 0, 276)
		for i := range starts {
			if i >= 138 {
				starts[i] += step
			}
		}
		b := sc.Beacon(scoring.Series{Start: starts}, day)
		require.Greater(t, b.Score(100_000).Score, 0.6, "step %d ms: %+v", step, b)
	}
}

// Burst of connections a check-in, missed check-ins, two rhythms: each is told in words.
func TestBeaconReasons(t *testing.T) {
	var sc scoring.Scorer
	var burst, mixed []int64
	for i, at := range every(600, 0, 144) {
		burst = append(burst, at, at+300, at+900)
		if i < 72 {
			mixed = append(mixed, at)
		}
	}
	mixed = append(mixed, every(60, 72*600, 720)...)
	b := sc.Beacon(scoring.Series{Start: burst}, day)
	require.Equal(t, []string{
		"beacons every 10m ±0%, 100% of 143 intervals, active for 23.8h; chance < 1e-12 of 50 candidates",
		"432 connections in 144 check-ins: connections less than 2s apart count as one",
	}, b.Reasons(50))
	// Every third check-in missing.
	b = sc.Beacon(scoring.Series{Start: slices.DeleteFunc(every(1800, 60, 48), func(at int64) bool { return (at-midnight)/1800e3%3 == 2 })}, day)
	require.Equal(t, []string{
		"beacons every 30m ±0% or twice that (missed check-ins), 100% of 31 intervals, active for 23h; chance < 1e-12 of 50 candidates",
	}, b.Reasons(50))
	b = sc.Beacon(scoring.Series{Start: mixed}, day)
	require.Equal(t, []string{
		"beacons every 1m ±0% or 10m ±0%, 100% of 791 intervals, active for 24h; chance < 1e-12 of 50 candidates",
	}, b.Reasons(50))
}

// A host that always sends 120 bytes, among ten times as much of all sizes: its size gives it away.
func TestBeaconBySize(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var s scoring.Series
	for _, at := range every(600, 10, 143) {
		s.Start, s.Size = append(s.Start, at+r.Int64N(240e3)), append(s.Size, 120)
	}
	for range 1500 {
		s.Start, s.Size = append(s.Start, midnight+r.Int64N(86400e3)), append(s.Size, 200+r.Int64N(4000))
	}
	var sc scoring.Scorer
	b := sc.Beacon(s, day)
	require.Equal(t, 143, b.Sized)
	require.EqualValues(t, 120, b.Size)
	require.Greater(t, b.Score(100_000).Score, 0.8)
	require.Contains(t, b.Reasons(100)[1], "143 of 1,643 connections of 120 bytes")
	s.Size = nil
	require.Less(t, sc.Beacon(s, day).Score(100_000).Score, 0.2)
}

// drawSeries gives series of every sort: check-ins, memoryless, anything at all.
func drawSeries(t *rapid.T) scoring.Series {
	n := rapid.IntRange(0, 150).Draw(t, "n")
	kind := rapid.SampledFrom([]string{"beat", "memoryless", "any"}).Draw(t, "kind")
	r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
	period, jitter := 1000*math.Exp(9*r.Float64()), r.Float64()
	var s scoring.Series
	at := float64(midnight)
	for range n {
		switch kind {
		case "beat":
			at += period * (1 + jitter*(2*r.Float64()-1))
		case "memoryless":
			at += period * r.ExpFloat64()
		default:
			at = float64(midnight) + 200*86400e3*(r.Float64()-0.5)*math.Pow(r.Float64(), 20)
		}
		s.Start = append(s.Start, int64(at))
		s.Size = append(s.Size, r.Int64N(3)*r.Int64N(2000)-1)
		s.Duration = append(s.Duration, r.Int64N(100000)-1000)
	}
	return s
}

// checkAll holds what must be true of any input.
func checkAll(t require.TestingT, sc *scoring.Scorer, s scoring.Series, w scoring.Window) {
	b := sc.Beacon(s, w)
	size, long, strobe := sc.Size(s, w), sc.Long(s, w), sc.Strobe(s, w)
	for _, x := range []float64{b.Score(1).Score, b.Score(1e9).Score, b.Coverage, b.Fraction, b.Jitter, b.Efficiency, b.Occupied,
		size.Share, long.Score, long.Share, strobe.Score, b.Score(-5).Confidence} {
		require.True(t, x >= 0 && x <= 1, "%v in %+v %+v %+v %+v", x, b, size, long, strobe)
	}
	require.True(t, b.LogP <= 0 && b.LogP >= -300, "%v", b.LogP)
	require.False(t, math.IsNaN(b.Period+b.Covered+long.Hole+long.Longest+long.Union+size.Median))
	require.GreaterOrEqual(t, float64(long.Connections)*long.Longest*(1+1e-9)+1e-6, long.Union)
	expected := math.Inf(-1)
	for _, keys := range []int{1, 10, 1000, 1_000_000} {
		v := b.Score(keys)
		require.GreaterOrEqual(t, v.LogExpected, expected, "E must not fall with the number of keys")
		expected = v.LogExpected
		for _, r := range b.Reasons(keys) {
			require.NotContains(t, r, "NaN")
		}
	}
	rita, ok := sc.RITA(s, scoring.RITAWindowOf(w.Start, w.End))
	require.True(t, rita.Score >= 0 && rita.Score <= 1)
	require.True(t, ok || rita.Score == 0)
}

func TestProperties(t *testing.T) {
	var used scoring.Scorer
	rapid.Check(t, func(t *rapid.T) {
		s := drawSeries(t)
		w := scoring.Window{Start: midnight, End: midnight + rapid.SampledFrom([]int64{12, 24, 72, 168}).Draw(t, "hours")*3600e3}
		checkAll(t, &used, s, w)
		b := used.Beacon(s, w)

		// A scorer that has worked gives what a fresh one gives.
		var fresh scoring.Scorer
		require.Equal(t, fresh.Beacon(s, w), b)

		// Order does not matter.
		order := rapid.Permutation(slices.Collect(indices(len(s.Start)))).Draw(t, "order")
		var other scoring.Series
		for _, i := range order {
			other.Start, other.Size, other.Duration = append(other.Start, s.Start[i]), append(other.Size, s.Size[i]), append(other.Duration, s.Duration[i])
		}
		require.Equal(t, b, used.Beacon(other, w))
		require.Equal(t, used.Long(s, w), used.Long(other, w))
		require.Equal(t, used.Strobe(s, w), used.Strobe(other, w))
		require.Equal(t, used.Size(s, w), used.Size(other, w))

		// Nor does the time of day, for what does not follow a schedule.
		shift := int64(rapid.IntRange(-1e9, 1e9).Draw(t, "shift"))
		moved := scoring.Series{Start: slices.Clone(s.Start), Size: s.Size, Duration: s.Duration}
		for i := range moved.Start {
			moved.Start[i] += shift
		}
		later := scoring.Window{Start: w.Start + shift, End: w.End + shift}
		m := used.Beacon(moved, later)
		require.Equal(t, used.Long(s, w), used.Long(moved, later))
		require.Equal(t, used.Strobe(s, w), used.Strobe(moved, later))
		require.Equal(t, used.Size(s, w), used.Size(moved, later))
		if b.Test != scoring.Schedule && m.Test != scoring.Schedule {
			require.Equal(t, b, m)
		}
	})
}

// E is the number of keys times p, so that twice the keys expect twice the false alarms, and no score rises.
func TestMoreKeysNeverExpectLess(t *testing.T) {
	var sc scoring.Scorer
	rapid.Check(t, func(t *rapid.T) {
		b := sc.Beacon(drawSeries(t), day)
		keys := rapid.IntRange(1, 1<<40).Draw(t, "keys")
		few, many := b.Score(keys), b.Score(2*keys)
		require.InDelta(t, few.LogExpected+math.Log10(2), many.LogExpected, 1e-9)
		require.LessOrEqual(t, many.Score, few.Score)
	})
}

// A connection whose duration is missing (-1) or negative, as after a clock that was set back, was never open: the
// others count as if it were not there.
func TestUnknownDurationsCoverNothing(t *testing.T) {
	var sc scoring.Scorer
	rapid.Check(t, func(t *rapid.T) {
		s := drawSeries(t)
		var known scoring.Series
		for i, d := range s.Duration {
			if rapid.Bool().Draw(t, "unknown") {
				s.Duration[i] = rapid.SampledFrom([]int64{-1, -3600e3, math.MinInt64}).Draw(t, "duration")
			} else if d >= 0 {
				known.Start, known.Duration = append(known.Start, s.Start[i]), append(known.Duration, d)
			}
		}
		require.Equal(t, sc.Long(known, day), sc.Long(s, day))
	})
	missing := scoring.Series{Start: every(60, 0, 100)} // no durations and sizes at all
	require.Zero(t, sc.Long(missing, day))
	require.Zero(t, sc.Size(missing, day).Known)
	require.InDelta(t, 1, sc.Size(missing, day).Factor(), 0, "unknown sizes are not held against it")
}

// One, two and three connections, and any number at one instant, are defined in every indicator: no strobe below its
// 3,600 an hour, as long as the one that lasts, no rhythm.
func TestFewConnections(t *testing.T) {
	var sc scoring.Scorer
	const h = int64(3600e3)
	for _, starts := range [][]int64{every(60, 0, 1), every(60, 0, 2), every(60, 0, 3), slices.Repeat([]int64{midnight}, 3), slices.Repeat([]int64{midnight}, 3599)} {
		s := scoring.Series{Start: starts, Size: slices.Repeat([]int64{100}, len(starts)), Duration: slices.Repeat([]int64{2 * h}, len(starts))}
		require.Equal(t, scoring.NoTest, sc.Beacon(s, day).Test)
		require.Zero(t, sc.Beacon(s, day).Score(1).Score)
		require.Zero(t, sc.Strobe(s, day).Score)
		union := float64(2*h+starts[len(starts)-1]-starts[0]) / 1000
		require.InDelta(t, union, sc.Long(s, day).Union, 1e-9)
		require.InDelta(t, 0.2+0.2*(union/3600-1)/3, sc.Long(s, day).Score, 1e-9) // from 0.2 at 1 h to 0.4 at 4 h
		require.InDelta(t, 1, sc.Size(s, day).Share, 0)
	}
}

func indices(n int) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

// Nine times slower in nine times the time is the same check-in, as long as no limit in seconds (bursts, twelve hours,
// three days) comes between.
func TestScaleOfTime(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	var sc scoring.Scorer
	for range 50 {
		var slow, fast scoring.Series
		at := int64(700)
		for range 30 {
			fast.Start, slow.Start = append(fast.Start, at), append(slow.Start, at*9)
			at += 700_000 + r.Int64N(300_000)
		}
		f := sc.Beacon(fast, scoring.Window{Start: 0, End: 26_000_000})
		s := sc.Beacon(slow, scoring.Window{Start: 0, End: 234_000_000})
		require.InDelta(t, f.LogP, s.LogP, 1e-5)
		require.InDelta(t, f.Efficiency, s.Efficiency, 1e-3)
		require.InDelta(t, f.Period*9, s.Period, 1)
	}
}

// More jitter never raises the score, beyond noise: medians of 40 seeded series each, with all check-ins there and with
// three in ten missing.
func TestJitterNeverHelps(t *testing.T) {
	var sc scoring.Scorer
	for _, of := range []struct{ period, missed float64 }{{300, 0}, {3600, 0}, {300, 0.3}, {1800, 0.3}} {
		period := of.period
		last := 2.0
		for _, jitter := range []float64{0, 0.1, 0.25, 0.5, 0.75, 1} {
			var scores []float64
			for seed := range uint64(40) {
				r := rand.New(rand.NewPCG(seed, 3))
				var s scoring.Series
				for at := 0.0; at < 86400; at += period * (1 + jitter*(2*r.Float64()-1)) {
					if r.Float64() >= of.missed {
						s.Start = append(s.Start, midnight+int64(at*1000))
					}
				}
				b := sc.Beacon(s, day)
				scores = append(scores, b.Score(100_000).Score)
			}
			slices.Sort(scores)
			require.LessOrEqual(t, scores[20], last+0.01, "%+v j=%v", of, jitter)
			last = scores[20]
		}
	}
}

// A worker that is warm allocates nothing.
func TestNoAllocations(t *testing.T) {
	keys := population(200)
	var sc scoring.Scorer
	score := func() {
		for _, s := range keys {
			sc.Beacon(s, day)
			sc.Long(s, day)
			sc.Strobe(s, day)
			sc.Size(s, day)
			sc.RITA(s, scoring.RITAWindow{Min: midnight / 1000, Max: midnight/1000 + 86400})
		}
	}
	score()
	require.Zero(t, testing.AllocsPerRun(1, score))
}

// FuzzScorer feeds anything to everything.
func FuzzScorer(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8}, int64(0), int64(86400e3))
	f.Add([]byte("a regular text, a regular text, a regular text"), int64(-5), int64(1000))
	f.Add(slices.Repeat([]byte{60}, 100), int64(math.MinInt64), int64(math.MaxInt64))
	f.Fuzz(func(t *testing.T, gaps []byte, start, end int64) {
		var s scoring.Series
		at := start
		for i, g := range gaps {
			at += int64(g) << (i % 5 * 4)
			s.Start, s.Size, s.Duration = append(s.Start, at), append(s.Size, int64(g)-100), append(s.Duration, int64(g)<<(i%60))
		}
		var sc scoring.Scorer
		checkAll(t, &sc, s, scoring.Window{Start: start, End: end})
	})
}
