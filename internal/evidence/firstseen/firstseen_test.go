package firstseen

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
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

func feed(t *testing.T, path string, seen map[string]Span) Fed {
	t.Helper()
	fed, err := Feed(path, maps.All(seen), end.AddDate(1, 0, 0))
	require.NoError(t, err)
	return fed
}

func TestWhatWasFedIsThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "first-seen")
	s, err := Open(path)
	require.NoError(t, err)
	_, ok := s.Reach()
	require.False(t, ok)
	fed := feed(t, path, map[string]Span{"203.0.113.7": {before(9), before(8)}, "a.example": {before(3), before(2)}, "2001:db8::7": {before(4), before(4)},
		"x.b.co.uk": {before(3), before(2)}, "bad name": {1, 2}, strings.Repeat("x", 256): {1, 2}})
	require.Equal(t, Fed{Held: 6, New: 6, Reach: before(9)}, fed, "two domains beside what was seen")
	feed(t, path, map[string]Span{"203.0.113.7": {before(12), before(11)}, "b.example": {before(1), before(1)}, FindingKey("s1"): {before(5), before(1)}})
	fed = feed(t, path, map[string]Span{"a.example": {before(1), before(0)}, "y.b.co.uk": {before(8), before(7)}})
	require.Equal(t, Fed{Held: 10, New: 1, Reach: before(12)}, fed)
	again, err := Open(path)
	require.NoError(t, err)
	require.Equal(t, map[string]Span{"203.0.113.7": {before(12), before(8)}, "2001:db8::7": {before(4), before(4)}, "a.example": {before(3), before(0)},
		"*.a.example": {before(3), before(0)}, "b.example": {before(1), before(1)}, "*.b.example": {before(1), before(1)}, "x.b.co.uk": {before(3), before(2)},
		"y.b.co.uk": {before(8), before(7)}, "*.b.co.uk": {before(8), before(2)}, "#s1": {before(5), before(1)}}, maps.Collect(again.all))
	reach, ok := again.Reach()
	require.True(t, ok)
	require.Equal(t, before(12), reach)
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 2, "no temporary file is left beside the lock")
	fed = feed(t, path, map[string]Span{"198.51.100.1": {before(-200), before(-200)}})
	require.Equal(t, Fed{Held: 1, New: 1, Reach: before(-200)}, fed, "what was not seen for half a year is forgotten")
}

// Records of a sensor whose clock is years ahead do not make a store forget everything else.
func TestClockAhead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "first-seen")
	for _, seen := range []map[string]Span{{"203.0.113.7": {before(300), before(1)}, "old.example": {before(300), before(200)}}, {"198.51.100.1": {before(-4000), before(-4000)}},
		{"203.0.113.7": {before(0), before(0)}}} {
		_, err := Feed(path, maps.All(seen), end)
		require.NoError(t, err)
	}
	s, err := Open(path)
	require.NoError(t, err)
	require.Equal(t, map[string]Span{"203.0.113.7": {before(300), before(0)}, "198.51.100.1": {before(-4000), before(-4000)}}, maps.Collect(s.all))
}

// Beyond the limit the most recently seen stay; findings have their own limit.
func TestBounds(t *testing.T) {
	s := spans{"203.0.113.7": {1, 9}}
	for i := range int64(mostFindings + 100) {
		s[FindingKey(strconv.FormatInt(i, 10))] = Span{100 + i, 1000 + i}
	}
	require.Equal(t, int64(1), s.settle(end))
	require.Len(t, s, 1+mostFindings)
	require.NotContains(t, s, FindingKey("99"))
	require.Contains(t, s, FindingKey("100"))
}

func TestDomain(t *testing.T) {
	for name, want := range map[string]string{"a.b.example": "*.b.example", "b.example": "*.b.example", "x.github.io": "*.x.github.io", "github.io": "", "example": "",
		"203.0.113.7": "", "2001:db8::7": "", "*.b.example": "", "#story": "", "": "", ".": ""} {
		require.Equal(t, want, Domain(name), name)
	}
}

// The older format had no domains: they are derived from its names.
func TestOlderFormat(t *testing.T) {
	body := older + "\n203.0.113.7 1 2\na.b.example 3 4\nc.b.example 2 3\n"
	sum := sha256.Sum256([]byte(body))
	path := filepath.Join(t.TempDir(), "first-seen")
	require.NoError(t, os.WriteFile(path, []byte(body+hex.EncodeToString(sum[:])+"\n"), 0o600))
	s, err := Open(path)
	require.NoError(t, err)
	require.Equal(t, map[string]Span{"203.0.113.7": {1, 2}, "a.b.example": {3, 4}, "c.b.example": {2, 3}, "*.b.example": {2, 4}}, maps.Collect(s.all))
}

// A file truncated anywhere, or changed, is set aside; the store starts empty.
func TestBrokenFiles(t *testing.T) {
	whole := filepath.Join(t.TempDir(), "first-seen")
	feed(t, whole, map[string]Span{"203.0.113.7": {1, 2}, "a.example": {3, 4}})
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
	require.Empty(t, maps.Collect(s.all))
	require.NoError(t, os.WriteFile(path, text, 0o600))
	fed, err := Feed(path, maps.All(map[string]Span{"203.0.113.8": {5, 6}}), end)
	require.NoError(t, err)
	require.ErrorIs(t, fed.Broken, ErrBroken)
	require.Equal(t, 1, fed.Held)
}

// docs/facts/scoring.md, 5: first seen at most 7 days ago +0.15, at least 30 days ago -0.15. A new name in a domain
// known for longer does not count as new.
func TestNewAndKnown(t *testing.T) {
	for _, tc := range []struct {
		first, domain, reach int64
		want                 float64
	}{{6, 6, 40, 0.625}, {8, 8, 40, 0.5}, {31, 31, 40, 0.375}, {29, 29, 40, 0.5}, {2, 2, 5, 0.5}, {2, 2, 9, 0.625}, {2, 39, 40, 0.5}, {2, 7, 40, 0.625}, {29, 31, 40, 0.5}} {
		store, err := parse(spans{"a.b.example": {before(tc.first), before(0)}, "*.b.example": {before(tc.domain), before(0)},
			"old.example": {before(tc.reach), before(0)}, FindingKey("s1"): {before(4), before(1)}}.render())
		require.NoError(t, err)
		f := &hunt.Finding{Event: hunt.Event{Start: hunt.At(before(1))}, Dwell: hunt.Dwell{FindingID: "s1"}}
		sub := evidence.NewCandidate(hunt.PairKey{Src: netip.MustParseAddr("10.0.0.1"), Name: "a.b.example"}, scoring.Indicators{Beacon: 0.5}, f, nil)
		tunnel := evidence.NewCandidate(hunt.PairKey{Src: netip.MustParseAddr("10.0.0.1"), Name: "b.example"}, scoring.Indicators{DNSTunnel: 0.5},
			&hunt.Finding{Event: f.Event, Dwell: hunt.Dwell{FindingID: "s1", DNS: &hunt.DNSEvidence{}}}, nil)
		sub.Vouching = 3 // time alone lowers nothing
		notes, err := Judge{Store: store}.Judge(t.Context(), &evidence.Hunt{Window: hunt.Window{Start: end.Add(-24 * time.Hour), End: end}}, []*evidence.Candidate{sub, tunnel})
		require.NoError(t, err)
		require.Empty(t, notes)
		sub.Settle()
		require.InDelta(t, tc.want, f.Dwell.Score, 1e-9, "%+v", tc)
		require.Equal(t, &hunt.FirstSeen{Destination: hunt.At(before(tc.first)), Domain: hunt.At(before(tc.domain)), Finding: hunt.At(before(4)), Days: tc.first}, f.Dwell.Evidence.FirstSeen)
		tunnel.Settle()
		require.InDelta(t, 0.5, tunnel.Finding.Dwell.Score, 1e-9)
		require.Equal(t, &hunt.FirstSeen{Finding: hunt.At(before(4)), Days: 4}, tunnel.Finding.Dwell.Evidence.FirstSeen)
	}
	notes, err := Judge{Store: &Store{}, Err: ErrBroken}.Judge(t.Context(), &evidence.Hunt{}, nil)
	require.NoError(t, err)
	require.Empty(t, notes.Notes)
	require.Len(t, notes.Gaps, 1, "what it knew is missing")
}

// Names can be forged, so a name known for long lowers nothing if no other host contacts its server and the server is
// unknown.
func TestForgedNameIsNotKnown(t *testing.T) {
	address := netip.MustParseAddr("203.0.113.7")
	for _, tc := range []struct {
		shared  float64
		address int64
		want    float64
	}{{0.4, 2, 0.5}, {0.6, 2, 0.375}, {0.4, 31, 0.375}} {
		store, err := parse(spans{"b.example": {before(40), before(0)}, address.String(): {before(tc.address), before(0)}}.render())
		require.NoError(t, err)
		f := &hunt.Finding{Event: hunt.Event{Start: hunt.At(before(1))}, Destination: hunt.Destination{IP: address}}
		sub := evidence.NewCandidate(hunt.PairKey{Name: "b.example"}, scoring.Indicators{Beacon: 0.5}, f, nil)
		sub.Shared, sub.Vouching = tc.shared, 3
		_, err = Judge{Store: store}.Judge(t.Context(), &evidence.Hunt{Window: hunt.Window{Start: end.Add(-24 * time.Hour), End: end}}, []*evidence.Candidate{sub})
		require.NoError(t, err)
		sub.Settle()
		require.InDelta(t, tc.want, f.Dwell.Score, 1e-9)
	}
}
