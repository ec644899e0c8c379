package pipeline

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

// sites is a source with two sensors.
type sites struct {
	fixed
	parts []hunt.SensorPart
}

func (s *sites) Open() *hunt.Session {
	in := s.fixed.Open()
	in.Sensors = func(context.Context, hunt.Request) (hunt.Window, []hunt.SensorPart, hunt.Remarks, error) {
		return dayWindow(), s.parts, hunt.Remarks{}, nil
	}
	return in
}

// The same address at two sensors is two hosts: each has its own beat, its own story and its own prevalence, and all is
// one hunt.
func TestSensorsAreKeptApart(t *testing.T) {
	north, south := ofDay(every(server, day0, 10*time.Minute, 24*time.Hour)), ofDay(every(server, day0.Add(4*time.Minute), time.Hour, 22*time.Hour))
	north.reading.Slices, south.reading.Slices = []hunt.Slice{{Read: 144}}, []hunt.Slice{{Read: 22}}
	north.reading.Notes, south.reading.Notes = []hunt.Note{{What: "both say this"}, {What: "odd"}}, []hunt.Note{{What: "both say this"}}
	src := &sites{parts: []hunt.SensorPart{{Name: "north", Source: north}, {Name: "", Source: south}}}
	o := dwellOptions()
	res, err := RunBySensor(t.Context(), src, o)
	require.NoError(t, err)
	require.Len(t, res.Findings, 2)
	periods, stories := map[string]float64{}, map[string]bool{}
	for _, f := range res.Findings {
		require.Equal(t, "10.0.0.5>203.0.113.9:443/tcp", f.Dwell.Pair)
		periods[f.Dwell.Sensor] = *f.Beacon.Period
		stories[f.Dwell.FindingID] = true
		require.Equal(t, []string{res.Document.Dwell.HuntID, res.Document.Dwell.Revision}, []string{f.Dwell.HuntID, f.Dwell.Revision})
		require.Equal(t, hunt.Digest("finding", f.Dwell.HuntID, f.Dwell.Revision, f.Dwell.FindingID), f.Event.ID)
	}
	require.Equal(t, map[string]float64{"north": 600, "(none)": 3600}, periods)
	require.Len(t, stories, 2)
	h := res.Document.Dwell.Hunt
	require.Equal(t, []int64{166, 2, 2, 2}, []int64{h.Connections, h.Pairs, h.Scored, h.Findings})
	require.Equal(t, []string{"both say this", "sensor north: odd"}, h.Notes)
	s := h.Statement
	require.Equal(t, []hunt.SensorHours{{Name: "(none)", Hours: 22}, {Name: "north", Hours: 24}}, s.Sensors)
	require.False(t, s.Complete, "22 of 24 hours are less than 95%")
	require.Contains(t, s.Text, "sensor north: 1 candidate tested, connections in 24 of 24 hours")

	again, err := RunBySensor(t.Context(), src, o)
	require.NoError(t, err)
	require.Equal(t, res.Findings, again.Findings)
	together := hunted(t, north, o)["10.0.0.5>203.0.113.9:443/tcp"]
	require.NotEqual(t, together.Dwell.HuntID, res.Document.Dwell.HuntID)
	require.False(t, stories[together.Dwell.FindingID], "the story of all sensors together is another one")

	south.reading.Gaps = []hunt.Note{{What: "a shard failed"}}
	res, err = RunBySensor(t.Context(), src, o)
	require.NoError(t, err)
	require.False(t, res.Document.Dwell.Hunt.Complete)
	require.Equal(t, []string{"a sensor without a name: a shard failed"}, res.Document.Dwell.Hunt.Gaps)
	require.True(t, res.Findings[0].Dwell.Incomplete && res.Findings[1].Dwell.Incomplete)

	_, err = RunBySensor(t.Context(), north, o)
	require.ErrorContains(t, err, "cannot tell sensors apart")
}
