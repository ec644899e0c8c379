package pipeline

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
	"dwell/internal/pipeline/rita"
)

// fixed is a source whose connections are given.
type fixed struct {
	conns   []hunt.Connection
	reading hunt.Reading
	err     error
}

func (f *fixed) Open() *hunt.Session { return &hunt.Session{Connections: f.read} }

func (f *fixed) read(_ context.Context, _ hunt.Request, emit func([]hunt.Connection) error) (hunt.Reading, error) {
	if err := emit(f.conns); err != nil {
		return hunt.Reading{}, err
	}
	return f.reading, f.err
}

var (
	day0   = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	inside = netip.MustParseAddr("10.0.0.5")
	server = netip.MustParseAddr("203.0.113.9")
)

// every gives one connection a period, all alike, from start on for the given time.
func every(dst netip.Addr, start time.Time, period, long time.Duration) []hunt.Connection {
	var out []hunt.Connection
	for at := start; at.Before(start.Add(long)); at = at.Add(period) {
		out = append(out, hunt.Connection{Start: at.UnixMilli(), Duration: 500, OrigBytes: 100, RespBytes: 300, OrigIPBytes: 400, Count: 1,
			Src: inside, Dst: dst, SrcPort: 50000, DstPort: 443, Proto: hunt.TCP, Service: "ssl", UID: hunt.NewUID([]byte("CLast"))})
	}
	return out
}

func dayWindow() hunt.Window { return hunt.Window{Start: day0, End: day0.Add(24 * time.Hour)} }

func options() Options {
	return Options{Request: hunt.Request{Scope: hunt.NewScope(nil, hunt.Outbound)}, Ranking: rita.Ranking{}, Version: "test",
		Now: func() time.Time { return day0.Add(25 * time.Hour) }}
}

func TestBeaconIsFoundAndExplained(t *testing.T) {
	src := &fixed{conns: every(server, day0, 5*time.Minute, 24*time.Hour), reading: hunt.Reading{Window: dayWindow(), Source: "test", Records: 288}}
	res, err := Run(t.Context(), src, options())
	require.NoError(t, err)
	require.Len(t, res.Findings, 1)
	f := res.Findings[0]
	// A flawless beacon has RITA's beacon score 1.000, whose threat score is 0.8 (docs/facts/rita.md, 1.8); that all
	// hosts there are, one, talk to the server takes 0.15 away (1.10).
	require.InDelta(t, 0.65, f.Dwell.Score, 1e-9)
	require.Equal(t, "high", f.Dwell.Severity)
	require.Equal(t, 1.0, *f.Beacon.RITA)
	require.Equal(t, 300.0, f.Beacon.Interval.Top)
	require.Equal(t, []string{hunt.Beacon}, f.Dwell.Indicators)
	require.Contains(t, f.Dwell.Reasons[0], "mostly every 5m")
	require.Equal(t, int64(288), f.Network.Connections)
	require.Equal(t, int64(288*400), f.Network.Bytes)
	require.Equal(t, 400.0, f.Network.AverageBytes)
	require.Equal(t, 144.0, f.Dwell.Connection.Total)
	require.Equal(t, 0.5, f.Dwell.Connection.Longest)
	require.Equal(t, day0.Add(24*time.Hour-5*time.Minute), f.Timestamp.Time)
	require.Equal(t, "CLast", f.Log.ID.UID)
	require.Equal(t, "10.0.0.5>203.0.113.9", f.Dwell.Pair)
	require.Equal(t, inside, f.Dwell.InternalIP)
	require.True(t, res.Document.Dwell.Hunt.Complete)
	require.Equal(t, int64(1), res.Document.Dwell.Hunt.BySeverity.High)
	require.Equal(t, int64(288), res.Document.Dwell.Hunt.Connections)
}

func TestMarginCountsForRITAOnly(t *testing.T) {
	// Data from half past eleven on, window from noon: RITA's window of 24 h begins a bit after noon, and takes the
	// hour from noon.
	start := day0.Add(12*time.Hour + 30*time.Minute)
	w := hunt.Window{Start: start, End: start.Add(24 * time.Hour)}
	require.Equal(t, day0.Add(12*time.Hour), w.ReadFrom())
	src := &fixed{conns: every(server, day0.Add(12*time.Hour), 10*time.Minute, 24*time.Hour+30*time.Minute), reading: hunt.Reading{Window: w}}
	res, err := Run(t.Context(), src, options())
	require.NoError(t, err)
	require.Equal(t, int64(144), res.Findings[0].Network.Connections)
	require.Equal(t, int64(147), *res.Findings[0].Beacon.RITAConnections)
	require.Equal(t, int64(144), res.Document.Dwell.Hunt.Connections)
}

func TestIndicatorsCanBeChosen(t *testing.T) {
	conns := every(server, day0, 5*time.Minute, 24*time.Hour)
	for i := range conns {
		conns[i].Duration = 60_000 // 4.8 h in all
	}
	o := options()
	o.Indicators = []string{"long"}
	res, err := Run(t.Context(), &fixed{conns: conns, reading: hunt.Reading{Window: dayWindow()}}, o)
	require.NoError(t, err)
	require.Equal(t, []string{hunt.LongConnection}, res.Findings[0].Dwell.Indicators)
	require.Nil(t, res.Findings[0].Beacon)
	// 17280 s lie a fifth of the way from 14400 (0.4) to 28800 (0.6); less 0.15, since the only host there is talks to
	// it.
	require.InDelta(t, 0.29, res.Findings[0].Dwell.Score, 1e-9)
}

// A hunt for what the logs at hand cannot show is incomplete.
func TestIndicatorsThatNeedAMissingLog(t *testing.T) {
	for indicators, gaps := range map[string]int{"": 0, "dns": 1, "dns_tunnel": 1, "dns beacon": 0, "beacon": 0, "long": 0, "long dns": 0} {
		o := options()
		o.Indicators = strings.Fields(indicators)
		res, err := Run(t.Context(), &fixed{conns: every(server, day0, 5*time.Minute, 24*time.Hour),
			reading: hunt.Reading{Window: dayWindow(), Notes: []hunt.Note{{What: "there is no dns log", Logs: []string{"dns"}}}}}, o)
		require.NoError(t, err)
		require.Len(t, res.Reading.Gaps, gaps, indicators)
		require.Equal(t, gaps == 0, res.Document.Dwell.Hunt.Complete, indicators)
	}
}

func TestSameHuntHasTheSameIDs(t *testing.T) {
	run := func(change func(*Options, *fixed)) (hunt.Dwell, string) {
		o, src := options(), &fixed{conns: every(server, day0, 5*time.Minute, 24*time.Hour), reading: hunt.Reading{Window: dayWindow(), Source: "s", Slices: []hunt.Slice{{Read: 288}}}}
		change(&o, src)
		res, err := Run(t.Context(), src, o)
		require.NoError(t, err)
		return res.Findings[0].Dwell, res.Findings[0].Event.ID
	}
	first, firstID := run(func(*Options, *fixed) {})
	again, againID := run(func(o *Options, _ *fixed) { o.Now = func() time.Time { return day0.Add(99 * time.Hour) } })
	require.Equal(t, first, again)
	require.Equal(t, firstID, againID)
	recount, recountID := run(func(_ *Options, s *fixed) { s.reading.Slices[0].Read = 289 })
	require.Equal(t, first.HuntID, recount.HuntID)
	require.NotEqual(t, first.Revision, recount.Revision)
	require.NotEqual(t, firstID, recountID)
	require.Equal(t, first.FindingID, recount.FindingID)
	other, _ := run(func(_ *Options, s *fixed) { s.reading.Window.Start = day0.Add(-time.Hour) })
	require.NotEqual(t, first.HuntID, other.HuntID)
}

func TestGapsMakeTheHuntIncomplete(t *testing.T) {
	src := &fixed{conns: every(server, day0, 5*time.Minute, 24*time.Hour), reading: hunt.Reading{Window: dayWindow(),
		Gaps: []hunt.Note{{Where: "slice 03:00", What: "a shard failed"}}}}
	res, err := Run(t.Context(), src, options())
	require.NoError(t, err)
	require.False(t, res.Document.Dwell.Hunt.Complete)
	require.Equal(t, []string{"slice 03:00: a shard failed"}, res.Document.Dwell.Hunt.Gaps)
	require.True(t, res.Findings[0].Dwell.Incomplete)
}

func TestNothingToRead(t *testing.T) {
	res, err := Run(t.Context(), &fixed{reading: hunt.Reading{Window: dayWindow()}}, options())
	require.NoError(t, err)
	require.Empty(t, res.Findings)
	require.Zero(t, res.Document.Dwell.Hunt.Pairs)
}

func TestSourceErrorIsWrapped(t *testing.T) {
	broken := errors.New("cable cut")
	_, err := Run(t.Context(), &fixed{err: broken}, options())
	require.ErrorIs(t, err, broken)
	require.ErrorContains(t, err, "read connections")
}
