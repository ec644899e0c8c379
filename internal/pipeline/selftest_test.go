package pipeline

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
	"dwell/internal/pipeline/rank"
)

// browsing are connections at random times of a day, on a key of their own.
func browsing(r *rand.Rand, dst netip.Addr, n int) []hunt.Connection {
	out := every(dst, day0, 24*time.Hour/time.Duration(n), 24*time.Hour)
	for i := range out {
		out[i].Start = day0.UnixMilli() + r.Int64N(24*3600*1000)
		out[i].OrigIPBytes = 200 + r.Int64N(4000)
	}
	return out
}

func tested(t *testing.T, src hunt.Source) *hunt.Statement {
	t.Helper()
	o := dwellOptions()
	o.Selftest, o.MinScore = true, 0.4
	return stated(t, src, o)
}

// What must come out whatever the code does: a clean fast beacon that lives all day is found wherever it is put alone, and what
// is below the detection floor is not: of six check-ins that wait four hours give or take half, five gaps lie within a factor
// of three of one another by chance with a probability of 5 x 0.385^4 = 0.11 (docs/facts/scoring.md, 2), which among forty keys says nothing.
func TestSelftestMeasuresRecall(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	conns := every(server, day0, 5*time.Minute, 24*time.Hour)
	for i := range 40 {
		conns = append(conns, browsing(r, netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}), 20+i)...)
	}
	s := tested(t, ofDay(conns))
	require.NotNil(t, s.Selftest)
	require.Contains(t, s.Text, "Self-test: ")
	fast, slow := int64(0), int64(0)
	injected, found := int64(0), int64(0)
	for _, c := range s.Selftest.Cells {
		injected += c.InjectedAlone + c.InjectedAmong
		found += c.FoundAlone + c.FoundAmong
		require.Equal(t, []int64{rank.SelftestEach, rank.SelftestEach}, []int64{c.InjectedAlone, c.InjectedAmong})
		require.GreaterOrEqual(t, c.Hours*3600, 4*c.Period)
		switch {
		case c.Period <= 600 && c.Jitter == 0 && c.Missed == 0 && c.Hours == 24:
			fast++
			require.Equal(t, c.InjectedAlone, c.FoundAlone, "%+v", c)
			require.Equal(t, c.InjectedAmong, c.FoundAmong, "twenty to sixty clicks a day hide no such beacon: %+v", c)
		case c.Period == 14400 && c.Jitter == 0.5:
			slow++
			require.Zero(t, c.FoundAlone+c.FoundAmong, "%+v", c)
		}
	}
	require.Equal(t, []int64{2, 2}, []int64{fast, slow})
	require.Equal(t, []int64{injected, found}, []int64{s.Selftest.Injected, s.Selftest.Found})
	require.Equal(t, s, tested(t, ofDay(conns)), "the same hunt gives the same")

	// What the closed form of scoring.DetectionFloor promises in 95 % of cases is measured.
	above, seen := int64(0), int64(0)
	for _, f := range s.Floor {
		for _, c := range s.Selftest.Cells {
			if f.CheckIns > 0 && c.Hours >= f.Hours && c.Period == f.Period && c.Jitter == f.Jitter && c.Missed == f.Missed {
				above, seen = above+c.InjectedAlone, seen+c.FoundAlone
			}
		}
	}
	require.GreaterOrEqual(t, above, int64(5*rank.SelftestEach))
	require.GreaterOrEqual(t, float64(seen), 0.9*float64(above), "of those above the floor")

	// A sensor that was down for most of the day takes the recall down with it.
	dark := tested(t, ofDay(every(server, day0, 5*time.Minute, 3*time.Hour))).Selftest
	require.Less(t, dark.Found, s.Selftest.Found)

	// Nothing of it is left in the findings.
	o := dwellOptions()
	with := hunted(t, ofDay(conns), o)
	o.Selftest = true
	require.Equal(t, with, hunted(t, ofDay(conns), o))
}

func TestSelftestOfNothing(t *testing.T) {
	s := tested(t, ofDay(nil))
	require.Zero(t, s.Selftest.Found)
	require.Positive(t, s.Selftest.Injected)
	for _, c := range s.Selftest.Cells {
		require.Zero(t, c.InjectedAmong)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	o := dwellOptions()
	o.Selftest = true
	_, err := Run(ctx, ofDay(nil), o)
	require.Error(t, err)
}
