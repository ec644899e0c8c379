package firstseen

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/evidence"
	"dwell/internal/hunt"
	"dwell/scoring"
)

const day = int64(24 * 3600 * 1000)

var end = time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)

func before(days int64) int64 { return end.UnixMilli() - days*day }

func TestWhatWasFedIsThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "first-seen")
	s, err := Open(path)
	require.NoError(t, err)
	_, ok := s.Reach()
	require.False(t, ok)
	require.NoError(t, s.Feed(map[string]Span{"203.0.113.7": {before(9), before(8)}, "a.example": {before(3), before(2)}, "bad name": {1, 2}}))
	other, err := Open(path) // another process
	require.NoError(t, err)
	require.NoError(t, other.Feed(map[string]Span{"203.0.113.7": {before(12), before(11)}, "b.example": {before(1), before(1)}}))
	require.NoError(t, s.Feed(map[string]Span{"a.example": {before(1), before(0)}}))
	again, err := Open(path)
	require.NoError(t, err)
	require.Equal(t, map[string]Span{"203.0.113.7": {before(12), before(8)}, "a.example": {before(3), before(0)}, "b.example": {before(1), before(1)}}, again.seen)
	reach, ok := again.Reach()
	require.True(t, ok)
	require.Equal(t, before(12), reach)
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 1, "no temporary file is left")
	require.NoError(t, s.Feed(map[string]Span{"c.example": {before(-200), before(-200)}}))
	require.Len(t, s.seen, 1, "what was not seen for half a year is forgotten")
}

// A file cut off anywhere, or changed, is set aside; the store goes on empty.
func TestBrokenFiles(t *testing.T) {
	whole := filepath.Join(t.TempDir(), "first-seen")
	s, _ := Open(whole)
	require.NoError(t, s.Feed(map[string]Span{"203.0.113.7": {1, 2}, "a.example": {3, 4}}))
	text, err := os.ReadFile(whole)
	require.NoError(t, err)
	changed := append([]byte{}, text...)
	changed[len(header)+3] ^= 1
	for n := range len(text) {
		check(t, text[:n])
	}
	check(t, changed)
}

func check(t *testing.T, text []byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "first-seen")
	require.NoError(t, os.WriteFile(path, text, 0o600))
	s, err := Open(path)
	require.ErrorIs(t, err, ErrBroken)
	require.FileExists(t, path+".broken")
	require.Empty(t, s.seen)
	require.NoError(t, s.Feed(map[string]Span{"b.example": {5, 6}}))
}

// docs/scoring.md, 5: first seen 7 days ago or less +0.15, 30 or more -0.15.
func TestNewAndKnown(t *testing.T) {
	for _, tc := range []struct {
		first, reach int64
		want         float64
	}{{6, 40, 0.65}, {8, 40, 0.5}, {31, 40, 0.35}, {29, 40, 0.5}, {2, 5, 0.5}, {2, 9, 0.65}} {
		store := &Store{seen: map[string]Span{"a.example": {before(tc.first), before(0)}, "old.example": {before(tc.reach), before(0)}}}
		f := &hunt.Finding{Event: hunt.Event{Start: hunt.At(before(1))}}
		sub := evidence.NewSubject(hunt.PairKey{Src: netip.MustParseAddr("10.0.0.1"), Name: "a.example"}, scoring.Indicators{Beacon: 0.5}, f, nil)
		notes, err := Judge{Store: store}.Judge(t.Context(), &evidence.Hunt{Window: hunt.Window{Start: end.Add(-24 * time.Hour), End: end}}, []*evidence.Subject{sub})
		require.NoError(t, err)
		require.Empty(t, notes)
		sub.Settle()
		require.InDelta(t, tc.want, f.Dwell.Score, 1e-9, "%+v", tc)
		require.Equal(t, tc.first, f.Dwell.Evidence.FirstSeen.Days)
	}
	notes, err := Judge{Store: &Store{}, Err: ErrBroken}.Judge(t.Context(), &evidence.Hunt{}, nil)
	require.NoError(t, err)
	require.Len(t, notes, 1)
}
