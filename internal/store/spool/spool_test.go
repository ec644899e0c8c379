package spool

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"dwell/internal/es"
	"dwell/internal/hunt"
	"dwell/internal/store/bulk"
)

// clock gives a later time at each call.
func clock() func() time.Time {
	now := time.Date(2026, 11, 22, 23, 59, 58, 0, time.UTC)
	return func() time.Time {
		now = now.Add(time.Second)
		return now
	}
}

func open(t *testing.T, dir string, max int64) *Spool {
	t.Helper()
	s, err := Open(Options{Dir: dir, MaxBytes: max, Now: clock()})
	require.NoError(t, err)
	return s
}

func sample(name string, findings int) (hunt.Document, []hunt.Finding) {
	doc := hunt.Document{Dwell: hunt.DwellHunt{HuntID: name, Revision: "r", Hunt: hunt.Summary{Gaps: []string{"a\nb"}}}}
	var out []hunt.Finding
	for i := range findings {
		out = append(out, hunt.Finding{Source: hunt.Originator{IP: netip.MustParseAddr("10.1.1.1")},
			Dwell: hunt.Dwell{HuntID: name, Revision: "r", FindingID: fmt.Sprint(name, i), Score: 0.87}})
	}
	return doc, out
}

func TestHuntsComeBackWholeAndInOrder(t *testing.T) {
	s := open(t, t.TempDir(), 0)
	for i, n := range []int{3, 0, 2} {
		doc, findings := sample(fmt.Sprint("hunt", 9-i), n)
		require.NoError(t, s.Put(doc, findings))
	}
	again, findings := sample("hunt9", 3)
	require.NoError(t, s.Put(again, findings), "the same hunt once more")
	st, err := s.Status()
	require.NoError(t, err)
	require.Equal(t, 3, st.Hunts)
	require.Equal(t, time.Date(2026, 11, 22, 23, 59, 59, 0, time.UTC), st.Oldest)

	var order []string
	n, err := s.Replay(func(doc hunt.Document, got []hunt.Finding) error {
		order = append(order, doc.Dwell.HuntID)
		wantDoc, want := sample(doc.Dwell.HuntID, len(got))
		same := []cmp.Option{cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.Addr{})} // a list is written as [] where it is nil
		require.Empty(t, cmp.Diff(wantDoc, doc, same...))
		require.Empty(t, cmp.Diff(want, got, same...))
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, 3, n)
	require.Equal(t, []string{"hunt9", "hunt8", "hunt7"}, order)
	st, err = s.Status()
	require.NoError(t, err)
	require.Zero(t, st.Hunts)
	require.Zero(t, st.Bytes)
}

func TestReplayStopsAtWhatIsNotTaken(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, 0)
	for _, name := range []string{"a", "b", "c"} {
		doc, findings := sample(name, 1)
		require.NoError(t, s.Put(doc, findings))
	}
	full := errors.New("disk is full")
	n, err := s.Replay(func(doc hunt.Document, _ []hunt.Finding) error {
		if doc.Dwell.HuntID == "b" {
			return full
		}
		return nil
	})
	require.ErrorIs(t, err, full)
	require.Equal(t, 1, n)
	st, err := open(t, dir, 0).Status()
	require.NoError(t, err)
	require.Equal(t, 2, st.Hunts, "what was not taken is still there, for the next process too")
}

func TestAFullSpoolSaysSo(t *testing.T) {
	s := open(t, t.TempDir(), 4000)
	doc, findings := sample("first", 1)
	require.NoError(t, s.Put(doc, findings))
	before, err := s.Status()
	require.NoError(t, err)
	doc, findings = sample("second", 50)
	err = s.Put(doc, findings)
	var full *FullError
	require.ErrorAs(t, err, &full)
	require.Equal(t, "second", full.Hunt)
	after, err := s.Status()
	require.NoError(t, err)
	require.Equal(t, before, after, "nothing was dropped to make room")
}

func TestCrashesLeaveNoHalfFiles(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, 0)
	doc, findings := sample("a", 2)
	require.NoError(t, s.Put(doc, findings))
	require.NoError(t, os.WriteFile(filepath.Join(dir, ".dwell-123"), []byte(`{"half`), 0o600))
	s = open(t, dir, 0)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 1)

	// A file that somebody spoiled stops nothing for ever, and is not thrown away.
	spoiled := filepath.Join(dir, "20200101T000000.000000000Z_x"+heldSuffix)
	require.NoError(t, os.WriteFile(spoiled, []byte("{}\n{\"event\":"), 0o600))
	_, err = s.Replay(func(hunt.Document, []hunt.Finding) error { return nil })
	require.ErrorContains(t, err, "line 2")
	require.FileExists(t, spoiled+".unreadable")
	n, err := s.Replay(func(hunt.Document, []hunt.Finding) error { return nil })
	require.NoError(t, err)
	require.Equal(t, 1, n)
}

func TestDeadLettersAreKeptOnce(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, 0)
	dead := []bulk.Dead{{Item: bulk.Item{ID: "x", Doc: []byte(`{"a":1}`)}, Err: &es.Error{Kind: es.Mapping, Reason: "failed to parse field [a]"}},
		{Item: bulk.Item{ID: "y", Doc: []byte(`{"a":2}`)}, Err: &es.Error{Kind: es.Mapping, Reason: "the same"}}}
	for range 2 {
		require.NoError(t, s.Bury("logs-dwell.finding-so", dead))
	}
	require.NoError(t, s.Bury("logs-dwell.finding-so", nil))
	st, err := s.Status()
	require.NoError(t, err)
	require.Equal(t, 2, st.Dead)
	require.Zero(t, st.Hunts)
	files, err := filepath.Glob(filepath.Join(dir, "*"+deadSuffix))
	require.NoError(t, err)
	require.Len(t, files, 1)
	b, err := os.ReadFile(files[0])
	require.NoError(t, err)
	require.Equal(t, `{"stream":"logs-dwell.finding-so","id":"x","reason":"failed to parse field [a]","document":{"a":1}}`+"\n"+
		`{"stream":"logs-dwell.finding-so","id":"y","reason":"the same","document":{"a":2}}`+"\n", string(b))
}
