package history

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

var day = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// traffic makes n connections, names and queries of one hour.
func traffic(r *rand.Rand, hour time.Time, n int) (c []hunt.Connection, names []hunt.NameRecord, queries []hunt.DNSRecord) {
	addr := func() netip.Addr {
		if r.IntN(10) == 0 {
			return netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, byte(r.IntN(5)), 15: byte(r.IntN(256))})
		}
		return netip.AddrFrom4([4]byte{203, 0, byte(r.IntN(4)), byte(r.IntN(256))})
	}
	for range n {
		src := netip.AddrFrom4([4]byte{10, 0, 0, byte(r.IntN(40))})
		at := hour.UnixMilli() + r.Int64N(hourMS)
		c = append(c, hunt.Connection{Start: at, Duration: r.Int64N(5000) - 1, OrigBytes: r.Int64N(900) - 1, RespBytes: r.Int64N(9000) - 1, OrigIPBytes: r.Int64N(2000) - 1,
			Count: 1, Src: src, Dst: addr(), Service: []string{"", "ssl", "ssl,http"}[r.IntN(3)], SrcPort: uint16(r.IntN(65536)), DstPort: uint16(r.IntN(3)),
			Proto: hunt.Transport(r.IntN(4)), State: hunt.State(r.IntN(4))})
		names = append(names, hunt.NameRecord{Start: at, Src: src, Dst: addr(), SrcPort: 1, DstPort: 443, Kind: hunt.TLS, Name: fmt.Sprintf("n%d.example", r.IntN(50)),
			Count: 1, Fingerprint: hunt.FingerprintOf([]string{"", "t13d1516h2_8daaf6152771_b186095e22b6"}[r.IntN(2)], "", "x")})
		q := hunt.DNSRecord{Start: at, Client: src, Resolver: netip.MustParseAddr("10.0.0.53"), Query: fmt.Sprintf("%x.example", r.Uint64()), Type: "A", Count: 1}
		for range r.IntN(3) {
			q.Answers = append(q.Answers, addr().String())
		}
		queries = append(queries, q)
	}
	return c, names, queries
}

// everything reads a window back, sorted by its text.
func everything(t *testing.T, s *Store, from, to time.Time) (c, n, q []string) {
	t.Helper()
	var mu sync.Mutex
	take := func(out *[]string, text string) { mu.Lock(); *out = append(*out, text); mu.Unlock() }
	sel := Selection{From: from, To: to}
	lost, err := s.Connections(t.Context(), sel, func(b []hunt.Connection) error {
		for _, x := range b {
			take(&c, fmt.Sprint(x))
		}
		return nil
	})
	require.NoError(t, err)
	require.Empty(t, lost)
	lost, err = s.Names(t.Context(), sel, func(b []hunt.NameRecord) error {
		for _, x := range b {
			take(&n, fmt.Sprint(x))
		}
		return nil
	})
	require.NoError(t, err)
	require.Empty(t, lost)
	lost, err = s.Queries(t.Context(), sel, func(b []hunt.DNSRecord) error {
		for _, x := range b {
			take(&q, fmt.Sprint(x))
		}
		return nil
	})
	require.NoError(t, err)
	require.Empty(t, lost)
	for _, l := range [][]string{c, n, q} {
		slices.Sort(l)
	}
	return c, n, q
}

func texts[T any](list []T) (out []string) {
	for _, x := range list {
		out = append(out, fmt.Sprint(x))
	}
	slices.Sort(out)
	return out
}

// put records one hour and commits it.
func put(t testing.TB, s *Store, start time.Time, c []hunt.Connection, n []hunt.NameRecord, q []hunt.DNSRecord, add bool) (dropped int) {
	t.Helper()
	r, err := s.Record(t.Context(), true)
	require.NoError(t, err)
	r.AddConnections(c)
	r.AddNames(n)
	r.AddQueries(q)
	whole, more := map[int64]hunt.HourState{start.UnixMilli(): {Records: int64(len(c))}}, map[int64]hunt.HourState(nil)
	if add {
		whole, more = more, whole
	}
	dropped, err = r.commit(whole, more, time.Time{})
	require.NoError(t, err)
	return dropped
}

// days merges the hours that ended before a time into days.
func days(t testing.TB, s *Store, before time.Time) {
	t.Helper()
	r, err := s.Record(t.Context(), true)
	require.NoError(t, err)
	_, err = r.commit(nil, nil, before)
	require.NoError(t, err)
}

// TestWhatIsPutComesBack holds every record of two days to what was put, before and after the hours became days and
// after the store was opened again.
func TestWhatIsPutComesBack(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	dir := t.TempDir()
	s, err := Open(dir, "one", Options{})
	require.NoError(t, err)
	var c []hunt.Connection
	var n []hunt.NameRecord
	var q []hunt.DNSRecord
	for h := range 48 {
		at := day.Add(time.Duration(h) * time.Hour)
		hc, hn, hq := traffic(r, at, 300)
		require.Zero(t, put(t, s, at, hc, hn, hq, false))
		c, n, q = append(c, hc...), append(n, hn...), append(q, hq...)
	}
	check := func(s *Store) {
		gc, gn, gq := everything(t, s, day, day.Add(48*time.Hour))
		require.Equal(t, texts(c), gc)
		require.Equal(t, texts(n), gn)
		require.Equal(t, texts(q), gq)
		part, _, _ := everything(t, s, day.Add(90*time.Minute), day.Add(30*time.Hour))
		require.Equal(t, texts(slices.DeleteFunc(slices.Clone(c), func(x hunt.Connection) bool {
			return x.Start < day.Add(90*time.Minute).UnixMilli() || x.Start >= day.Add(30*time.Hour).UnixMilli()
		})), part)
		require.Len(t, s.Hours(day, day.Add(48*time.Hour)), 48)
	}
	check(s)
	days(t, s, day.Add(47*time.Hour))
	require.Len(t, s.spans, 25, "the first day is one span, the second, of which an hour is younger, is not")
	check(s)
	again, err := Open(dir, "one", Options{})
	require.NoError(t, err)
	check(again)
	files, err := filepath.Glob(filepath.Join(dir, "one", "*.parquet"))
	require.NoError(t, err)
	require.Len(t, files, 25*3, "merged hours are swept")
}

// TestAnHourIsReplaced puts an hour twice: the second counts, the first is gone from the disk.
func TestAnHourIsReplaced(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 1))
	s, err := Open(t.TempDir(), "one", Options{})
	require.NoError(t, err)
	first, _, _ := traffic(r, day, 50)
	second, _, _ := traffic(r, day, 60)
	for _, c := range [][]hunt.Connection{first, second} {
		put(t, s, day, c, nil, nil, false)
	}
	got, _, _ := everything(t, s, day, day.Add(time.Hour))
	require.Equal(t, texts(second), got)
	require.Equal(t, map[int64]hunt.HourState{day.UnixMilli(): {Records: 60}}, s.Hours(day, day.Add(time.Hour)))
	files, err := filepath.Glob(filepath.Join(s.dir, "*.parquet"))
	require.NoError(t, err)
	require.Len(t, files, 1)
}

// TestAddedRecordsCountOnce adds to an hour, and to an hour that became part of a day, records of which some are there
// already: each is there once, and of a connection that was still open the longer record.
func TestAddedRecordsCountOnce(t *testing.T) {
	for _, merged := range []bool{false, true} {
		t.Run(fmt.Sprint("days ", merged), func(t *testing.T) {
			r := rand.New(rand.NewPCG(6, 1))
			s, err := Open(t.TempDir(), "one", Options{})
			require.NoError(t, err)
			c, n, q := traffic(r, day.Add(time.Hour), 300)
			for h := range 24 {
				put(t, s, day.Add(time.Duration(h)*time.Hour), nil, nil, nil, false)
			}
			put(t, s, day.Add(time.Hour), c[:200], n[:200], q[:200], true)
			if merged {
				days(t, s, day.Add(24*time.Hour))
				require.Len(t, s.spans, 1)
			}
			grown := slices.Clone(c)
			grown[150].Duration += 7000
			put(t, s, day.Add(time.Hour), grown[100:], n[100:], q[100:], true)
			gc, gn, gq := everything(t, s, day, day.Add(24*time.Hour))
			require.Equal(t, texts(grown), gc)
			require.Equal(t, texts(n), gn)
			require.Equal(t, texts(q), gq)
		})
	}
}

// TestRecordingFlushes takes in more than is held in memory, out of order: all of it comes back, and one segment a kind
// is left.
func TestRecordingFlushes(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 1))
	s, err := Open(t.TempDir(), "one", Options{})
	require.NoError(t, err)
	rec, err := s.Record(t.Context(), true)
	require.NoError(t, err)
	rec.limit = 1000
	var c []hunt.Connection
	for i := range 30 {
		batch, names, queries := traffic(r, day.Add(time.Duration(i%3)*time.Hour), 150)
		rec.AddConnections(batch)
		rec.AddNames(names)
		rec.AddQueries(queries)
		c = append(c, batch...)
	}
	_, err = rec.commit(map[int64]hunt.HourState{day.UnixMilli(): {}, day.Add(time.Hour).UnixMilli(): {}}, nil, time.Time{})
	require.NoError(t, err)
	got, _, _ := everything(t, s, day, day.Add(24*time.Hour))
	require.Equal(t, texts(slices.DeleteFunc(c, func(x hunt.Connection) bool { return x.Start >= day.Add(2*time.Hour).UnixMilli() })), got,
		"the third hour was not committed")
	files, err := filepath.Glob(filepath.Join(s.dir, "*"))
	require.NoError(t, err)
	require.Len(t, files, 2*3+2, "the segments, the manifest and the lock")
}

// TestManyLateRecordsAreMerged: what comes later for an hour stays apart while it is little, since readers hold it in
// memory, and a large hour that was written in parts is none of them.
func TestManyLateRecordsAreMerged(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 1))
	s, err := Open(t.TempDir(), "one", Options{})
	require.NoError(t, err)
	c, _, _ := traffic(r, day, maxLate+120)
	for i, want := range []int{1, 2, 1} {
		put(t, s, day, [][]hunt.Connection{c[:20], c[20:100], c[100:]}[i], nil, nil, true)
		require.Len(t, s.spans[0].Segments, want)
	}
	got, _, _ := everything(t, s, day, day.Add(time.Hour))
	require.Equal(t, texts(c), got)
}

// TestDamageIsFound changes, cuts and removes a segment: it gives nothing, and its hour is named.
func TestDamageIsFound(t *testing.T) {
	for name, damage := range map[string]func(path string, b []byte) error{
		"a byte changed": func(path string, b []byte) error { b[len(b)/2] ^= 1; return os.WriteFile(path, b, 0o600) },
		"cut":            func(path string, b []byte) error { return os.WriteFile(path, b[:len(b)-9], 0o600) },
		"gone":           func(path string, _ []byte) error { return os.Remove(path) },
		"empty":          func(path string, _ []byte) error { return os.WriteFile(path, nil, 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Open(t.TempDir(), "one", Options{})
			require.NoError(t, err)
			c, _, _ := traffic(rand.New(rand.NewPCG(3, 1)), day, 500)
			put(t, s, day, c, nil, nil, false)
			put(t, s, day.Add(time.Hour), nil, nil, nil, false)
			path := filepath.Join(s.dir, s.spans[0].Segments[0].File)
			b, err := os.ReadFile(path)
			require.NoError(t, err)
			require.NoError(t, damage(path, b))
			damaged, err := s.Connections(t.Context(), Selection{From: day, To: day.Add(2 * time.Hour)}, func([]hunt.Connection) error {
				t.Error("a damaged segment gives nothing")
				return nil
			})
			require.NoError(t, err)
			require.Equal(t, map[int64]bool{day.UnixMilli(): true}, damaged)
			require.NoError(t, s.Drop(t.Context(), damaged))
			require.Equal(t, map[int64]hunt.HourState{day.Add(time.Hour).UnixMilli(): {}}, s.Hours(day, day.Add(2*time.Hour)), "an hour without records is kept, too")
		})
	}
}

// TestBounds lets go of what is old and of what is too much, the oldest first.
func TestBounds(t *testing.T) {
	now := day.Add(10 * time.Hour)
	dir := t.TempDir()
	s, err := Open(dir, "one", Options{Keep: 6 * time.Hour, Now: func() time.Time { return now }})
	require.NoError(t, err)
	r := rand.New(rand.NewPCG(4, 1))
	for h := range 10 {
		at := day.Add(time.Duration(h) * time.Hour)
		c, _, _ := traffic(r, at, 200)
		require.Zero(t, put(t, s, at, c, nil, nil, false), "what is old is not reported as too much")
	}
	oldest, ok := s.Oldest()
	require.True(t, ok)
	require.Equal(t, day.Add(4*time.Hour), oldest)
	s.o.Size = 3 * s.spans[0].bytes()
	dropped := put(t, s, day.Add(9*time.Hour), nil, nil, nil, true)
	require.InDelta(t, 3, dropped, 1)
	require.Len(t, s.spans, 6-dropped)

	// A clock that is a month ahead, and then back, takes nothing away but what is older than a day before the newest
	// records.
	s.o.Size, s.o.Keep = 0, 30*time.Hour
	left := len(s.spans)
	now = now.AddDate(0, 1, 0)
	put(t, s, now.Truncate(time.Hour), nil, nil, nil, false)
	require.Len(t, s.spans, left+1)
	now = now.AddDate(0, -2, 0)
	put(t, s, day.Add(9*time.Hour), nil, nil, nil, true)
	require.Len(t, s.spans, left+1)
}

// TestFirst holds the first check-in of each kind of key to a walk over all that was put.
func TestFirst(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 1))
	s, err := Open(t.TempDir(), "one", Options{})
	require.NoError(t, err)
	want := map[hunt.PairKey]time.Time{}
	see := func(k hunt.PairKey, ms int64) {
		at := time.UnixMilli(ms).UTC()
		if old, ok := want[k]; !ok || at.Before(old) {
			want[k] = at
		}
	}
	for h := range 5 {
		at := day.Add(time.Duration(h) * time.Hour)
		c, n, q := traffic(r, at, 200)
		put(t, s, at, c, n, q, false)
		for _, x := range c {
			see(hunt.PairKey{Src: x.Src, Dst: x.Dst, Port: x.DstPort, Proto: x.Proto}, x.Start)
			see(hunt.PairKey{Src: x.Src, Dst: x.Dst, AnyPort: true}, x.Start)
			if x.Dst.Is4() {
				see(hunt.PairKey{Src: x.Src, Network: netip.PrefixFrom(x.Dst, 24).Masked(), AnyPort: true}, x.Start)
			}
		}
		for _, x := range n {
			see(hunt.PairKey{Src: x.Src, Name: x.Name, Port: 443, Proto: hunt.TCP}, x.Start)
			if x.Fingerprint.Kind == hunt.JA4 {
				see(hunt.PairKey{Src: x.Src, Fingerprint: x.Fingerprint, Port: 443, Proto: hunt.TCP}, x.Start)
			}
		}
		for _, x := range q {
			see(hunt.PairKey{Src: x.Client, DNS: "example", AnyPort: true}, x.Start)
		}
	}
	keys := map[hunt.PairKey]time.Time{{Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("192.0.2.1"), AnyPort: true}: {}}
	for k := range want {
		keys[k] = time.Time{}
	}
	past, err := s.Earliest(t.Context(), keys, day.Add(5*time.Hour))
	require.NoError(t, err)
	got := map[hunt.PairKey]time.Time{}
	for k, p := range past {
		got[k] = p.First
		require.Equal(t, day, p.HistoryStart)
	}
	require.Equal(t, want, got)
	past, err = s.Earliest(t.Context(), keys, day)
	require.NoError(t, err)
	require.Empty(t, past)
}

// TestPastIsRemembered: what was looked up is answered when its hours are gone, looked up again when older records
// came, and change points come back as long as a hunt asks for them within a week.
func TestPastIsRemembered(t *testing.T) {
	now := day.Add(6 * time.Hour)
	dir := t.TempDir()
	s, err := Open(dir, "one", Options{Now: func() time.Time { return now }})
	require.NoError(t, err)
	src, dst := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("203.0.113.7")
	at := func(h float64) hunt.Connection {
		return hunt.Connection{Start: day.UnixMilli() + int64(h*3600_000), Src: src, Dst: dst, DstPort: 443, Proto: hunt.TCP, Count: 1}
	}
	k := hunt.PairKey{Src: src, Dst: dst, Port: 443, Proto: hunt.TCP}
	look := func() hunt.Earliest {
		past, err := s.Earliest(t.Context(), map[hunt.PairKey]time.Time{k: {}}, day.Add(24*time.Hour))
		require.NoError(t, err)
		return past[k]
	}
	put(t, s, day.Add(2*time.Hour), []hunt.Connection{at(2.5)}, nil, nil, false)
	require.Equal(t, hunt.Earliest{First: day.Add(150 * time.Minute), HistoryStart: day.Add(2 * time.Hour)}, look())
	put(t, s, day.Add(3*time.Hour), []hunt.Connection{at(3.5)}, nil, nil, false)
	require.NoError(t, os.Rename(filepath.Join(s.dir, s.spans[0].Segments[0].File), filepath.Join(s.dir, "away")))
	require.Equal(t, day.Add(150*time.Minute), look().First, "younger hours are no reason to look")
	require.NoError(t, os.Rename(filepath.Join(s.dir, "away"), filepath.Join(s.dir, s.spans[0].Segments[0].File)))
	put(t, s, day.Add(time.Hour), []hunt.Connection{at(1.25)}, nil, nil, false)
	require.Equal(t, hunt.Earliest{First: day.Add(75 * time.Minute), HistoryStart: day.Add(time.Hour)}, look(), "an older hour was kept")
	starts, err := s.Starts(t.Context(), []hunt.PairKey{k}, day.Add(3*time.Hour))
	require.NoError(t, err)
	require.Equal(t, []int64{at(1.25).Start, at(2.5).Start}, starts[k])

	require.NoError(t, s.Began(t.Context(), map[hunt.PairKey]time.Time{k: day.Add(2 * time.Hour)}))
	s, err = Open(dir, "one", Options{Now: func() time.Time { return now }, Keep: time.Hour})
	require.NoError(t, err)
	put(t, s, day.Add(20*time.Hour), nil, nil, nil, false)
	now = now.Add(24 * time.Hour)
	put(t, s, day.Add(29*time.Hour), []hunt.Connection{{Start: day.Add(29 * time.Hour).UnixMilli(), Src: dst, Dst: src}}, nil, nil, false)
	require.Len(t, s.spans, 1, "what is older was let go")
	require.Equal(t, hunt.Earliest{First: day.Add(75 * time.Minute), HistoryStart: day.Add(time.Hour), RhythmSince: day.Add(2 * time.Hour)}, look())
	now = now.Add(8 * 24 * time.Hour)
	require.True(t, look().RhythmSince.IsZero())
	require.Equal(t, day.Add(75*time.Minute), look().First)
}

// TestManifestDamaged: a manifest that was cut or changed, or is another version's, is said, and history begins again.
func TestManifestDamaged(t *testing.T) {
	for name, damage := range map[string]func(text string) string{
		"cut":             func(text string) string { return text[:len(text)/2] },
		"empty":           func(string) string { return "" },
		"null":            func(string) string { return "null" },
		"another version": func(text string) string { return strings.Replace(text, `"version":1`, `"version":2`, 1) },
		"another history": func(text string) string { return strings.Replace(text, `"one"`, `"two"`, 1) },
		"a time changed":  func(text string) string { return strings.Replace(text, `"start":17`, `"start":18`, 1) },
		"a longer one":    func(text string) string { return text + " " },
	} {
		dir := t.TempDir()
		s, err := Open(dir, "one", Options{})
		require.NoError(t, err)
		put(t, s, day, nil, nil, nil, false)
		path := filepath.Join(s.dir, manifestFile)
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		require.NotEqual(t, string(text), damage(string(text)), name)
		_, err = Open(dir, "one", Options{})
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path, []byte(damage(string(text))), 0o600))
		s, err = Open(dir, "one", Options{})
		require.ErrorIs(t, err, ErrDamaged, name)
		require.Empty(t, s.Hours(day, day.Add(time.Hour)))
		put(t, s, day, nil, nil, nil, false)
	}
}

func BenchmarkHour(b *testing.B) {
	r := rand.New(rand.NewPCG(5, 1))
	const rows = 125_000 // an hour of three million a day
	var c []hunt.Connection
	for range rows {
		dst := netip.AddrFrom4([4]byte{byte(1 + r.IntN(220)), byte(r.IntN(256)), byte(r.IntN(256)), byte(r.IntN(256))})
		if r.IntN(3) == 0 {
			dst = netip.AddrFrom4([4]byte{203, 0, 113, byte(r.IntN(256))})
		}
		c = append(c, hunt.Connection{Start: day.UnixMilli() + r.Int64N(hourMS), Duration: r.Int64N(100000), OrigBytes: r.Int64N(3000), RespBytes: r.Int64N(50000),
			OrigIPBytes: r.Int64N(4000), Count: 1, Src: netip.AddrFrom4([4]byte{10, 0, byte(r.IntN(8)), byte(r.IntN(256))}), Dst: dst, Service: "ssl",
			SrcPort: uint16(30000 + r.IntN(30000)), DstPort: 443, Proto: hunt.TCP})
	}
	s, err := Open(b.TempDir(), "one", Options{})
	require.NoError(b, err)
	b.Run("write", func(b *testing.B) {
		for b.Loop() {
			put(b, s, day, c, nil, nil, false)
		}
		b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		b.ReportMetric(float64(s.spans[0].bytes())/rows, "B/row")
	})
	b.Run("read", func(b *testing.B) {
		for b.Loop() {
			_, err := s.Connections(b.Context(), Selection{From: day, To: day.Add(time.Hour)}, func([]hunt.Connection) error { return nil })
			require.NoError(b, err)
		}
		b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	})
}

// TestTwoTapsAreOneConnection: what another tap saw within a second comes late, in an hour and in a day that hours
// became; it counts once, with the longer duration, and what begins later or leaves from another port counts.
func TestTwoTapsAreOneConnection(t *testing.T) {
	c := func(ms int64, port uint16, duration int64) hunt.Connection {
		return hunt.Connection{Start: day.UnixMilli() + ms, Duration: duration, Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("203.0.113.7"), SrcPort: port, DstPort: 443,
			Proto: hunt.TCP, Count: 1}
	}
	s, err := Open(t.TempDir(), "one", Options{})
	require.NoError(t, err)
	for h := range 24 {
		put(t, s, day.Add(time.Duration(h)*time.Hour), nil, nil, nil, false)
	}
	put(t, s, day, []hunt.Connection{c(100_000, 4000, 500), c(100_500, 4001, 500), c(200_000, 4000, 500)}, nil, nil, false)
	put(t, s, day, []hunt.Connection{c(100_900, 4000, 400), c(101_400, 4001, 700), c(201_300, 4000, 500), c(200_400, 4002, 500)}, nil, nil, true)
	check := func(what string) {
		type seen struct {
			ms, duration int64
			port         uint16
		}
		var got []seen
		_, err := s.Connections(t.Context(), Selection{From: day, To: day.Add(time.Hour)}, func(b []hunt.Connection) error {
			for _, x := range b {
				got = append(got, seen{(x.Start - day.UnixMilli()) / 10_000, x.Duration, x.SrcPort})
			}
			return nil
		})
		require.NoError(t, err)
		require.ElementsMatch(t, []seen{{10, 500, 4000}, {10, 700, 4001}, {20, 500, 4000}, {20, 500, 4000}, {20, 500, 4002}}, got, what)
	}
	check("an hour with what came late")
	days(t, s, day.Add(24*time.Hour))
	require.Len(t, s.spans[0].Segments, 1)
	check("a day")
}
