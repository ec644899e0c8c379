package pipeline

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
	"dwell/internal/pipeline/rank"
	"dwell/query/zeek"
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

// What must come out whatever the code does: a clean fast beacon that lives all day is found wherever it is put alone,
// and what is below the detection floor is not: of six check-ins that wait four hours give or take half, five gaps lie
// within a factor of three of one another by chance with a probability of 5 x 0.385^4 = 0.11 (docs/facts/scoring.md,
// 2), which among forty keys says nothing.
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

	// What the closed form of scoring.DetectionFloor promises in 95% of cases is measured.
	above, seen := int64(0), int64(0)
	for _, f := range s.Floor {
		for _, c := range s.Selftest.Cells {
			if f.Kind == "" && f.CheckIns > 0 && c.Hours >= f.Hours && c.Period == f.Period && c.Jitter == f.Jitter && c.Missed == f.Missed {
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

// The self-test says what this engine makes of hosts without a rhythm and of one implant on several hosts: one
// campaign, high at least.
func TestSelftestKnowsPresenceAndCampaigns(t *testing.T) {
	var parts [][]hunt.Connection
	for i := range 30 { // hosts that come and go, so that habits are known
		src := netip.AddrFrom4([4]byte{10, 0, 3, byte(i)})
		for j := range 4 {
			dst := netip.AddrFrom4([4]byte{192, 0, 2, byte(10*j + i%10)})
			parts = append(parts, by(every(dst, day0.Add(time.Duration(i+7*j)*time.Minute), 6*time.Hour, 23*time.Hour), func(c *hunt.Connection) { c.Src = src }))
		}
	}
	parts = append(parts, every(server, day0, 5*time.Minute, 24*time.Hour))
	s := tested(t, ofDay(parts...))
	require.Len(t, s.Selftest.Presence, 3)
	require.Len(t, s.Selftest.Campaigns, 3)
	for _, c := range s.Selftest.Campaigns {
		require.Equal(t, c.Hosts, c.Found)
		require.Equal(t, c.Hosts, c.Grouped)
		require.Contains(t, []string{"high", "critical"}, c.Severity)
	}
	for _, c := range s.Selftest.Presence {
		require.EqualValues(t, 2*rank.SelftestEach, c.Injected)
	}
	require.Positive(t, s.Selftest.Presence[2].Found, "others are active in four hours of the day: that tells enough")
	require.NotContains(t, s.Text, "%!")
	require.Contains(t, s.Text, "of hosts active all through without a rhythm: mean pause")
	require.Contains(t, s.Text, "one implant on 3 hosts one campaign of 3 hosts, ")
}

// In a real office's day hosts that never fall silent for long are found, and it takes the rarer ones of them to be
// missed.
func TestSelftestPresenceInAnOffice(t *testing.T) {
	long(t)
	o := dwellOptions()
	o.Selftest, o.MinScore = true, 0.4
	s := stated(t, zeek.New(zeek.Options{Paths: []string{filepath.Join(captures(t), "rita", "office_http")}}), o)
	require.EqualValues(t, 6, s.Selftest.Presence[0].Found, "a mean pause of a minute")
	require.EqualValues(t, 6, s.Selftest.Presence[1].Found, "of five minutes")
}
