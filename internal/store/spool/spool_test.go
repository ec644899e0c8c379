package spool

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"dwell/internal/es"
	"dwell/internal/hunt"
	"dwell/internal/store/bulk"
)

// clock returns a later time at each call.
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
		same := []cmp.Option{cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})} // a nil list is written as []
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

// A hunt that cannot be stored does not block others, unless none can be.
func TestReplayGoesOn(t *testing.T) {
	for name, c := range map[string]struct {
		err                 error
		stored              string
		done, held, refused int
	}{
		"this hunt alone":       {errors.New("odd"), "ac", 2, 1, 0},
		"the cluster is away":   {fmt.Errorf("%w: no route", ErrAway), "a", 1, 2, 0},
		"refused for good":      {fmt.Errorf("%w: bad mapping", ErrRefused), "ac", 2, 0, 1},
		"nothing is the matter": {nil, "abc", 3, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir, 0)
			for _, name := range []string{"a", "b", "c"} {
				doc, findings := sample(name, 1)
				require.NoError(t, s.Put(doc, findings))
			}
			stored := ""
			n, err := s.Replay(func(doc hunt.Document, _ []hunt.Finding) error {
				if doc.Dwell.HuntID == "b" && c.err != nil {
					return c.err
				}
				stored += doc.Dwell.HuntID
				return nil
			})
			require.ErrorIs(t, err, c.err)
			require.Equal(t, c.stored, stored)
			require.Equal(t, c.done, n)
			st, err := open(t, dir, 0).Status()
			require.NoError(t, err)
			require.Equal(t, []int{c.held, c.refused}, []int{st.Hunts, st.Refused}, "for the next process too")
			require.Equal(t, c.held+c.refused > 0, st.Bytes > 0)
		})
	}
}

// A damaged file is set aside, counted in the status and the limit, and blocks nothing else.
func TestDamagedFilesCostNothingElse(t *testing.T) {
	doc, findings := sample("whole", 3)
	whole := func(t *testing.T) []byte {
		s := open(t, t.TempDir(), 0)
		require.NoError(t, s.Put(doc, findings))
		names, err := s.held()
		require.NoError(t, err)
		text, err := os.ReadFile(filepath.Join(s.dir, names[0]))
		require.NoError(t, err)
		return text
	}(t)
	lines := bytes.SplitAfter(whole, []byte("\n"))
	for name, text := range map[string][]byte{
		"empty": {}, "half": whole[:len(whole)/2], "without its end": whole[:len(whole)-len(lines[4])], "a finding less": bytes.Join(append(slices.Clone(lines[:2]), lines[3:]...), nil),
		"one byte": bytes.Replace(whole, []byte("0.87"), []byte("0.97"), 1), "nothing but zeros": make([]byte, 500), "no hunt": []byte("{}\n"), "no JSON": []byte("<html>\n</html>\n"),
		"without the last line end": whole[:len(whole)-1],
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir, 10_000)
			require.NoError(t, os.WriteFile(filepath.Join(dir, "20200101T000000.000000000Z_x"+heldSuffix), text, 0o600))
			require.NoError(t, s.Put(sample("other", 1)))
			held, err := s.Held()
			require.NoError(t, err)
			require.Len(t, held, 1)
			n, err := s.Replay(func(doc hunt.Document, _ []hunt.Finding) error {
				require.Equal(t, "other", doc.Dwell.HuntID)
				return nil
			})
			require.Error(t, err)
			require.Equal(t, 1, n)
			st, err := Look(dir, 10_000)
			require.NoError(t, err)
			require.Equal(t, 1, st.Damaged)
			require.EqualValues(t, len(text), st.Bytes)
			n, err = s.Replay(func(hunt.Document, []hunt.Finding) error { return nil })
			require.NoError(t, err, "said once")
			require.Zero(t, n)
		})
	}
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
	open(t, dir, 0)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 1)
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
	files, err := filepath.Glob(filepath.Join(dir, deadDir, "*"+deadSuffix))
	require.NoError(t, err)
	require.Len(t, files, 1)
	b, err := os.ReadFile(files[0])
	require.NoError(t, err)
	require.Equal(t, `{"stream":"logs-dwell.finding-so","id":"x","reason":"failed to parse field [a]","document":{"a":1}}`+"\n"+
		`{"stream":"logs-dwell.finding-so","id":"y","reason":"the same","document":{"a":2}}`+"\n", string(b))
}
