package pipeline

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

func stated(t *testing.T, src hunt.Source, o Options) *hunt.Statement {
	t.Helper()
	res, err := Run(t.Context(), src, o)
	require.NoError(t, err)
	return res.Document.Dwell.Hunt.Statement
}

func TestStatement(t *testing.T) {
	day := every(server, day0, 5*time.Minute, 24*time.Hour)
	s := stated(t, ofDay(day), dwellOptions())
	require.True(t, s.Complete, s.Text)
	require.Equal(t, []int64{24, 24}, []int64{s.Hours, s.HoursWithData})
	require.Positive(t, s.Candidates)
	require.NotContains(t, s.Text, "Coverage incomplete")
	require.Contains(t, s.Text, "every 1m: ")
	require.Equal(t, "2 networks, 1 TLS fingerprint, 1,200 domains", busy(hunt.Skipped{Networks: 2, Fingerprints: 1, Domains: 1200}))
	require.Equal(t, "1 network", busy(hunt.Skipped{Networks: 1}))
	for _, f := range s.Floor {
		require.Equal(t, f.CheckIns > 0, f.Hours > 0)
		if f.CheckIns > 0 { // those that show, and those that do not, one period each
			require.InDelta(t, float64(f.CheckIns)*f.Period/(1-f.Missed)/3600, f.Hours, 0.001)
		}
	}

	s = stated(t, ofDay(every(server, day0, 5*time.Minute, 22*time.Hour)), dwellOptions())
	require.False(t, s.Complete, "22 of 24 hours are less than 95%")
	require.Contains(t, s.Text, "Coverage incomplete: only 22 of 24 hours have connections.")
	s = stated(t, ofDay(every(server, day0, 5*time.Minute, 23*time.Hour)), dwellOptions())
	require.Equal(t, int64(23), s.HoursWithData)
	require.True(t, s.Complete, "23 of 24 are more") // 95.8%

	// What takes 20 hours is promised of a day, but not of one with connections in nine of its hours.
	slow := func(s *hunt.Statement) (hours float64) {
		for _, f := range s.Floor {
			require.LessOrEqual(t, f.Hours, float64(s.HoursWithData))
			if f.Period == 14400 {
				hours = f.Hours
			}
		}
		return hours
	}
	require.Positive(t, slow(stated(t, ofDay(day), dwellOptions())))
	require.Zero(t, slow(stated(t, ofDay(every(server, day0, 5*time.Minute, 9*time.Hour)), dwellOptions())))

	missing := ofDay(day)
	missing.reading.Gaps = []hunt.Note{{}}
	s = stated(t, missing, dwellOptions())
	require.False(t, s.Complete)
	require.Contains(t, s.Text, "the hunt is incomplete")

	require.Nil(t, stated(t, ofDay(day), options()), "by RITA's score there is none")
}
