package pipeline

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/evidence"
	"dwell/internal/hunt"
)

// seeing is a source that knows how much was seen.
type seeing struct {
	fixed
	seen hunt.Coverage
	err  error
}

func (s *seeing) Open() *hunt.Session {
	in := s.fixed.Open()
	in.Coverage = func(context.Context, hunt.Request) (hunt.Coverage, hunt.Remarks, error) {
		return s.seen, hunt.Remarks{}, s.err
	}
	return in
}

func TestPercent(t *testing.T) {
	for want, p := range map[string]float64{"0%": 0, "0.001%": 0.001, "0.13%": 0.126, "6.3%": 6.26, "12%": 12.3, "100%": 100} {
		require.Equal(t, want, percent(p))
	}
}

func TestCoverageInTheStatement(t *testing.T) {
	day := ofDay(every(server, day0, 5*time.Minute, 24*time.Hour))
	src := &seeing{fixed: *day, seen: hunt.Coverage{Sensors: []hunt.SensorHours{{Name: "north", Hours: 24}, {Name: "south", Hours: 22}},
		Loss: []hunt.PeerLoss{{Sensor: "north", Peer: "worker-1", Gaps: 5, Acks: 1000, Dropped: 0, Packets: 4000}, {Sensor: "south", Peer: "worker-1", Gaps: 10, Acks: 500}}}}
	s := stated(t, src, dwellOptions())
	require.False(t, s.Complete, "22 of 24 hours are less than 95%")
	require.Equal(t, []hunt.SensorHours{{Name: "south", Hours: 22}, {Name: "north", Hours: 24}}, s.Sensors)
	// 15 of 1,500 and 10 of 500 acknowledgements; 0 of 4,000 packets.
	require.Equal(t, &hunt.LossShare{Percent: 1, WorstPercent: 2, WorstPeer: "south worker-1"}, s.CaptureLoss)
	require.Equal(t, &hunt.LossShare{WorstPeer: "north worker-1"}, s.Dropped)
	require.Contains(t, s.Text, "2 sensors, of which sensor south has the fewest hours with connections: 22 of 24")
	require.Contains(t, s.Text, "Coverage incomplete: sensor south has connections in 22 of 24 hours.")

	src.seen.Sensors[1].Hours = 23 // 95.8%
	s = stated(t, src, dwellOptions())
	require.True(t, s.Complete, s.Text)

	src.seen.Loss = append(src.seen.Loss, hunt.PeerLoss{Peer: "worker-2", Dropped: 500, Packets: 4000})
	s = stated(t, src, dwellOptions()) // 500 of 8,000
	require.Equal(t, 6.25, s.Dropped.Percent)
	require.False(t, s.Complete)

	src.seen.Loss = []hunt.PeerLoss{{Sensor: "north", Peer: "worker-1", Gaps: 1, Acks: 100_000}, {Sensor: "south", Peer: "worker-1", Gaps: 200, Acks: 200}}
	s = stated(t, src, dwellOptions()) // 201 of 100,200: 0.2% in all, and everything of one
	require.False(t, s.Complete)
	require.Contains(t, s.Text, "0.20% of acknowledgements were for data that Zeek never saw (south worker-1: 100%)")

	for i := range 60 {
		src.seen.Sensors = append(src.seen.Sensors, hunt.SensorHours{Name: fmt.Sprintf("branch-%02d", i), Hours: 1})
	}
	s = stated(t, src, dwellOptions())
	require.Len(t, s.Sensors, 50)
	require.Equal(t, int64(62), s.SensorCount)
	require.Contains(t, s.Text, "57 more sensors likewise")

	src.err = errors.New("not allowed")
	res, err := Run(t.Context(), src, dwellOptions())
	require.NoError(t, err, "a hunt goes on without")
	require.Contains(t, res.Document.Dwell.Hunt.Gaps, "how much each sensor saw is not known: not allowed")
	require.False(t, res.Document.Dwell.Hunt.Complete)

	s = stated(t, day, dwellOptions())
	require.Empty(t, s.Sensors)
	require.Contains(t, s.Text, "packet loss unknown")
}

// TestFindingsSayWhatTheyRestOn: a finding that rests on a log with holes says so, and no other.
func TestFindingsSayWhatTheyRestOn(t *testing.T) {
	logs := logCoverage([]hunt.LogHours{{Log: "dns", Hours: 2, First: 1000, Last: 2000}, {Log: "http", Hours: 3}, {Log: "ssl", Hours: 20}}, 24)
	require.Equal(t, []bool{false, false, true}, []bool{logs[0].Whole, logs[1].Whole, logs[2].Whole})
	findings := []hunt.Finding{
		{Dwell: hunt.Dwell{DNS: &hunt.DNSEvidence{}}},
		{Destination: hunt.Destination{Domain: "a.example"}, Network: hunt.Network{Protocol: "ssl"}},
		{Destination: hunt.Destination{Domain: "b.example"}, Network: hunt.Network{Protocol: "http"}},
		{Dwell: hunt.Dwell{Modifiers: []hunt.Modifier{{Name: evidence.NeverResolved}, {Name: evidence.SelfSigned}}}},
		{},
	}
	confide(findings, logs)
	for i, want := range [][]string{{"dns"}, nil, {"http"}, {"dns"}, nil} {
		var got []string
		for _, c := range findings[i].Dwell.Coverage {
			got = append(got, c.Log)
		}
		require.Equal(t, want, got, "finding %d", i)
		require.Len(t, findings[i].Dwell.Reasons, len(want))
	}
	require.Equal(t, "rests on the dns log, which covers 2 of 24 hours with connections: confidence is lower", findings[0].Dwell.Reasons[0])
}
