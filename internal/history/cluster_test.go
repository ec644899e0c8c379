package history

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
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

// arrival is a record with the moment at which the cluster has it, Unix milliseconds.
type arrival[R any] struct {
	record R
	start  int64
	at     int64
}

// grid is a cluster that gets its records in the course of time.
type grid struct {
	now         time.Time
	connections []arrival[hunt.Connection]
	names       []arrival[hunt.NameRecord]
	queries     []arrival[hunt.DNSRecord]
	// deleted is the moment before which its records are gone.
	deleted int64
	// asked counts the records that it handed out.
	asked int
	gap   bool
	// begun is what each hunt told it of open connections.
	begun []hunt.Begun
}

// gridOf has n records of each kind in each hour from day on, some of which come late.
func gridOf(r *rand.Rand, hours, n int) *grid {
	g := &grid{}
	for h := range hours {
		c, n, q := traffic(r, day.Add(time.Duration(h)*time.Hour), n)
		g.connections = append(g.connections, late(r, c, func(x *hunt.Connection) int64 { return x.Start })...)
		g.names = append(g.names, late(r, n, func(x *hunt.NameRecord) int64 { return x.Start })...)
		g.queries = append(g.queries, late(r, q, func(x *hunt.DNSRecord) int64 { return x.Start })...)
	}
	return g
}

func (g *grid) Open() *hunt.Session {
	return &hunt.Session{
		Connections: func(ctx context.Context, req hunt.Request, emit func([]hunt.Connection) error) (hunt.Reading, error) {
			r, err := give(g, req, g.connections, emit)
			r.Window = hunt.Window{Start: req.From, End: req.To}
			return r, err
		},
		Names: func(ctx context.Context, req hunt.Request, emit func([]hunt.NameRecord) error) (hunt.Reading, error) {
			return give(g, req, g.names, emit)
		},
		DNS: func(ctx context.Context, req hunt.Request, emit func([]hunt.DNSRecord) error) (hunt.Reading, error) {
			return give(g, req, g.queries, emit)
		},
		Hours: func(_ context.Context, req hunt.Request, seen map[int64]hunt.HourState) (hunt.Window, map[int64]hunt.Hour, hunt.Remarks, error) {
			out := map[int64]hunt.Hour{}
			for at := req.From.UnixMilli(); at+hourMS <= req.To.UnixMilli(); at += hourMS {
				out[at] = hunt.Hour{}
			}
			describe(g, out, seen, g.connections)
			describe(g, out, seen, g.names)
			describe(g, out, seen, g.queries)
			return hunt.Window{Start: req.From, End: req.To}, out, hunt.Remarks{}, nil
		},
	}
}

func (g *grid) has(start, at int64) bool { return at <= g.now.UnixMilli() && start >= g.deleted }

func describe[R any](g *grid, out map[int64]hunt.Hour, seen map[int64]hunt.HourState, all []arrival[R]) {
	for _, a := range all {
		h, ok := out[hourOf(a.start)]
		if !ok || !g.has(a.start, a.at) {
			continue
		}
		h.Records++
		h.Arrived = max(h.Arrived, a.at)
		if was, ok := seen[hourOf(a.start)]; ok && a.at > was.Arrived {
			h.Later++
		}
		out[hourOf(a.start)] = h
	}
}

func give[R any](g *grid, req hunt.Request, all []arrival[R], emit func([]R) error) (hunt.Reading, error) {
	if req.OnlyEarlier {
		g.begun = append(g.begun, *req.Begun)
		if req.Begun.To == 0 {
			req.Begun.From = req.From.UnixMilli() - hourMS
		}
		req.Begun.To, req.Begun.Open = req.To.UnixMilli()-hourMS, []hunt.Connection{{Start: req.To.UnixMilli(), SrcPort: 7}}
		return hunt.Reading{}, nil
	}
	var batch []R
	given := map[string]bool{}
	for _, a := range all {
		if !g.has(a.start, a.at) || a.start < req.From.UnixMilli() || a.start >= req.To.UnixMilli() {
			continue
		}
		if after, ok := req.Later[hourOf(a.start)]; req.Later != nil && (!ok || a.at <= after) {
			continue
		}
		if c, ok := any(a.record).(hunt.Connection); ok && req.Scope.Only.Src.IsValid() && c.Src != req.Scope.Only.Src {
			continue
		}
		if n, ok := any(a.record).(hunt.NameRecord); ok && req.Scope.Only.Src.IsValid() && n.Src != req.Scope.Only.Src {
			continue
		}
		if text := fmt.Sprint(a.record); !given[text] { // what was delivered twice counts once
			given[text] = true
			batch = append(batch, a.record)
		}
	}
	g.asked += len(batch)
	r := hunt.Reading{Connections: int64(len(batch)), Records: int64(len(batch))}
	if g.gap {
		r.Gaps = []hunt.Note{{What: "a slice is missing"}}
	}
	if len(batch) == 0 {
		return r, nil
	}
	return r, emit(batch)
}

// late draws when a record is there: most of them seconds after their end, some minutes, a few hours, and one in fifty
// is delivered twice.
func late[R any](r *rand.Rand, records []R, start func(*R) int64) (out []arrival[R]) {
	for i := range records {
		at := start(&records[i])
		lag := r.Int64N(60_000)
		switch n := r.IntN(500); {
		case n < 1:
			lag = hourMS + r.Int64N(8*hourMS)
		case n < 20:
			lag = r.Int64N(30 * 60_000)
		}
		out = append(out, arrival[R]{records[i], at, at + lag})
		if r.IntN(50) == 0 {
			out = append(out, arrival[R]{records[i], at, at + lag + r.Int64N(3*hourMS)})
		}
	}
	return out
}

// hunted is all that a hunt over a window gets, as sorted texts.
func hunted(t *testing.T, src hunt.Source, from, to time.Time, only ...hunt.Two) (out [3][]string) {
	t.Helper()
	in := src.Open()
	var mu sync.Mutex
	req := hunt.Request{From: from, To: to}
	if len(only) > 0 {
		req.Scope.Only = only[0]
	}
	reading, err := in.Connections(t.Context(), req, func(b []hunt.Connection) error {
		mu.Lock()
		defer mu.Unlock()
		for _, x := range b {
			out[0] = append(out[0], fmt.Sprint(x))
		}
		return nil
	})
	require.NoError(t, err)
	require.EqualValues(t, len(out[0]), reading.Connections)
	_, err = in.Names(t.Context(), req, func(b []hunt.NameRecord) error {
		mu.Lock()
		defer mu.Unlock()
		for _, x := range b {
			out[1] = append(out[1], fmt.Sprint(x))
		}
		return nil
	})
	require.NoError(t, err)
	_, err = in.DNS(t.Context(), req, func(b []hunt.DNSRecord) error {
		mu.Lock()
		defer mu.Unlock()
		for _, x := range b {
			out[2] = append(out[2], fmt.Sprint(x))
		}
		return nil
	})
	require.NoError(t, err)
	if in.Close != nil {
		require.NoError(t, in.Close())
	}
	for i := range out {
		slices.Sort(out[i])
	}
	return out
}

// TestWarmHuntsAreColdHunts hunts each hour over the last six for more than a day in which records come late, come
// twice and are deleted, segments are damaged, and hours become days: every hunt gets what a hunt without history gets.
func TestWarmHuntsAreColdHunts(t *testing.T) {
	g := gridOf(rand.New(rand.NewPCG(9, 1)), 30, 50)
	s, err := Open(t.TempDir(), "one", Options{Now: func() time.Time { return g.now }})
	require.NoError(t, err)
	warm := &Cluster{Store: s, Of: g}
	var asked, all int
	for h := 6; h <= 30; h++ {
		to := day.Add(time.Duration(h) * time.Hour)
		from := to.Add(-6 * time.Hour)
		g.now = to.Add(5 * time.Minute)
		switch h {
		case 20: // somebody changes a segment
			files, err := filepath.Glob(filepath.Join(s.dir, "*.parquet"))
			require.NoError(t, err)
			require.NoError(t, os.Truncate(files[len(files)-1], 40))
		case 25:
			days(t, s, day.Add(24*time.Hour))
		case 28: // the cluster lets go of its oldest index
			g.deleted = from.Add(time.Hour).UnixMilli()
		}
		want := hunted(t, g, from, to)
		g.asked = 0
		got := hunted(t, warm, from, to)
		require.Equal(t, want, got, "hour %d", h)
		if h > 6 {
			asked += g.asked
			all += len(want[0]) + len(want[1]) + len(want[2])
		}
	}
	require.Less(t, float64(asked)/float64(all), .4, "records asked of the cluster, of all that were hunted")
	t.Logf("asked of the cluster: %.3f of what was hunted", float64(asked)/float64(all))
}

// TestASensorThatCatchesUp: of an hour with few late records these are read; one of which much is late, as when a sensor
// was away, is read again as a whole, so that what two sensors saw is recognized.
func TestASensorThatCatchesUp(t *testing.T) {
	g := gridOf(rand.New(rand.NewPCG(9, 7)), 3, 400)
	s, err := Open(t.TempDir(), "one", Options{Now: func() time.Time { return g.now }})
	require.NoError(t, err)
	hunt := func(hours time.Duration) int {
		g.now, g.asked = day.Add(100*time.Hour), 0
		hunted(t, &Cluster{Store: s, Of: g}, day, day.Add(hours*time.Hour))
		return g.asked
	}
	whole := hunt(3)
	require.Zero(t, hunt(3))
	first := 0
	for _, a := range g.queries {
		if a.start < day.Add(time.Hour).UnixMilli() {
			first++
		}
	}
	add := func(n int) {
		at := g.now.UnixMilli() - int64(1000/n)
		for _, a := range g.queries[:n] {
			a.record.Start, a.start, a.at = a.record.Start+1, a.start+1, at
			g.queries = append(g.queries, a)
		}
	}
	add(20)
	require.Equal(t, 20, hunt(3), "the late ones alone")
	add(first)
	asked := hunt(3)
	require.Greater(t, asked, 3*first, "the first hour, of all kinds")
	require.Less(t, asked, whole, "the first hour alone")
}

// TestClocksThatStep: this host's clock goes forty days ahead, back, behind and back again, and some hours are kept of a
// time to come. Hunts get what hunts without history get all the same, and no hour is lost but to its age.
func TestClocksThatStep(t *testing.T) {
	random := rand.New(rand.NewPCG(14, 1))
	g := gridOf(random, 30, 40)
	var step time.Duration
	s, err := Open(t.TempDir(), "one", Options{Keep: 30 * 24 * time.Hour, Now: func() time.Time { return g.now.Add(step) }})
	require.NoError(t, err)
	warm := &Cluster{Store: s, Of: g}
	for h := 6; h <= 30; h++ {
		to := day.Add(time.Duration(h) * time.Hour)
		g.now = to.Add(5 * time.Minute)
		switch h {
		case 9, 21:
			step = 40 * 24 * time.Hour
		case 15:
			step = -40 * 24 * time.Hour
		case 12, 18, 24:
			step = 0
		}
		if h == 12 { // what a clock that was ahead left: an hour of another day, and one that is still to come
			for _, ahead := range []int{20, 24 * 20} {
				c, n, q := traffic(random, day.Add(time.Duration(ahead)*time.Hour), 30)
				put(t, s, day.Add(time.Duration(ahead)*time.Hour), c, n, q, false)
			}
		}
		before := len(s.Hours(day, to))
		require.Equal(t, hunted(t, g, to.Add(-6*time.Hour), to), hunted(t, warm, to.Add(-6*time.Hour), to), "hour %d", h)
		require.GreaterOrEqual(t, len(s.Hours(day, to)), before)
	}
	require.Len(t, s.Hours(day, day.Add(30*time.Hour)), 30)
	again, err := Open(filepath.Dir(s.dir), "one", s.o)
	require.NoError(t, err)
	require.Equal(t, hunted(t, g, day, day.Add(30*time.Hour)), hunted(t, &Cluster{Store: again, Of: g}, day, day.Add(30*time.Hour)))
}

// TestOpenConnectionsAreLookedAtOnce: a hunt is told what the one before knew of open connections, and from when to look:
// from an hour that changed, if that is earlier. A longer window, an older one and one far later are told nothing.
func TestOpenConnectionsAreLookedAtOnce(t *testing.T) {
	g := gridOf(rand.New(rand.NewPCG(12, 1)), 12, 20)
	for i := range g.connections {
		g.connections[i].at = g.connections[i].start // nothing is late
	}
	for i := range g.names {
		g.names[i].at = g.names[i].start
	}
	for i := range g.queries {
		g.queries[i].at = g.queries[i].start
	}
	s, err := Open(t.TempDir(), "one", Options{Now: func() time.Time { return g.now }})
	require.NoError(t, err)
	told := func(from, to int) hunt.Begun {
		g.now = day.Add(time.Duration(to)*time.Hour + time.Minute)
		g.begun = nil
		hunted(t, &Cluster{Store: s, Of: g}, day.Add(time.Duration(from)*time.Hour), day.Add(time.Duration(to)*time.Hour))
		require.Len(t, g.begun, 1)
		return g.begun[0]
	}
	hour := func(h int) int64 { return day.UnixMilli() + int64(h)*hourMS }
	require.Equal(t, hunt.Begun{}, told(1, 6))
	next := told(2, 7)
	require.Equal(t, hunt.Begun{From: hour(0), To: hour(5), Open: []hunt.Connection{{Start: hour(6), SrcPort: 7}}, Later: map[int64]int64{}}, next)
	require.Equal(t, hour(6), told(3, 8).To)
	require.Equal(t, hunt.Begun{}, told(2, 6), "an older window")
	require.Equal(t, hour(7), told(4, 9).To, "which is not kept")
	g.deleted = hour(6) + hourMS/2 // records are gone: their hour is read again
	require.Equal(t, hour(6), told(6, 10).To)
	g.deleted = 0
	require.Equal(t, hunt.Begun{}, told(-3, 11), "what began before was not looked at")
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, begunFile), []byte("{"), 0o600))
	require.Equal(t, hunt.Begun{}, told(6, 12), "damaged")
}

// TestOneHostOutOfHistory: of one host, kept hours come from history and others from the cluster, and nothing of that
// part is kept.
func TestOneHostOutOfHistory(t *testing.T) {
	g := gridOf(rand.New(rand.NewPCG(12, 1)), 4, 200)
	g.now = day.Add(5 * time.Hour)
	host := g.connections[len(g.connections)-1].record.Src
	s, err := Open(t.TempDir(), "one", Options{Now: func() time.Time { return g.now }})
	require.NoError(t, err)
	warm := &Cluster{Store: s, Of: g}
	hunted(t, warm, day, day.Add(3*time.Hour))
	kept := s.Hours(day, day.Add(4*time.Hour))
	require.Len(t, kept, 3)
	var want [3][]string
	all := hunted(t, g, day, day.Add(4*time.Hour), hunt.Two{})
	for i := range all {
		for _, text := range all[i] {
			if strings.HasPrefix(text, "{"+host.String()+" ") || strings.Contains(text, " "+host.String()+" ") {
				want[i] = append(want[i], text)
			}
		}
	}
	g.asked = 0
	require.Equal(t, want, hunted(t, warm, day, day.Add(4*time.Hour), hunt.Two{Src: host}))
	require.Less(t, g.asked, len(all[0]))
	require.Equal(t, kept, s.Hours(day, day.Add(4*time.Hour)))
}

// TestHistoryAlone: where the cluster does not answer, history says what it has, the same records, and up to when that is.
func TestHistoryAlone(t *testing.T) {
	g := gridOf(rand.New(rand.NewPCG(13, 1)), 4, 100)
	g.now = day.Add(30 * time.Hour) // everything has arrived
	s, err := Open(t.TempDir(), "one", Options{Now: func() time.Time { return g.now }})
	require.NoError(t, err)
	hunted(t, &Cluster{Store: s, Of: g}, day, day.Add(3*time.Hour))
	alone := &Alone{Store: s, Why: errors.New("connection refused")}
	require.Equal(t, hunted(t, g, day, day.Add(3*time.Hour)), hunted(t, alone, day, day.Add(3*time.Hour)))
	for until, what := range map[int]string{3: "3 of 3 hours, up to 2026-03-02T03:00:00Z", 4: "3 of 4 hours, up to 2026-03-02T03:00:00Z"} {
		reading, err := alone.Open().Connections(t.Context(), hunt.Request{From: day, To: day.Add(time.Duration(until) * time.Hour)}, func([]hunt.Connection) error { return nil })
		require.NoError(t, err)
		require.Len(t, reading.Gaps, 1)
		require.Contains(t, reading.Gaps[0].What, "did not answer (connection refused), so this is what history has: "+what)
	}
	reading, err := alone.Open().Connections(t.Context(), hunt.Request{}, func([]hunt.Connection) error { return nil })
	require.NoError(t, err)
	require.Equal(t, hunt.Window{Start: g.now.Add(-24 * time.Hour), End: g.now}, reading.Window)
	require.Contains(t, reading.Gaps[0].What, "nothing of this window")
}

// TestGapsKeepNothing hunts with a gap: nothing of it is kept, and the next hunt reads all of the source.
func TestGapsKeepNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(10, 1))
	g := &grid{now: day.Add(3 * time.Hour)}
	c, _, _ := traffic(r, day, 100)
	g.connections = late(r, c, func(x *hunt.Connection) int64 { return x.Start })
	s, err := Open(t.TempDir(), "one", Options{Now: func() time.Time { return g.now }})
	require.NoError(t, err)
	g.gap = true
	hunted(t, &Cluster{Store: s, Of: g}, day, day.Add(2*time.Hour))
	require.Empty(t, s.Hours(day, day.Add(2*time.Hour)))
	g.gap = false
	hunted(t, &Cluster{Store: s, Of: g}, day, day.Add(2*time.Hour))
	require.Len(t, s.Hours(day, day.Add(2*time.Hour)), 2)
}

// TestHistoryThatCannotBeWritten takes the directory away between hunts: the hunt reads its whole window from the
// cluster and says so.
func TestHistoryThatCannotBeWritten(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 1))
	g := &grid{now: day.Add(3 * time.Hour)}
	c, n, q := traffic(r, day, 100)
	g.connections = late(r, c, func(x *hunt.Connection) int64 { return x.Start })
	g.names = late(r, n, func(x *hunt.NameRecord) int64 { return x.Start })
	g.queries = late(r, q, func(x *hunt.DNSRecord) int64 { return x.Start })
	s, err := Open(t.TempDir(), "one", Options{Now: func() time.Time { return g.now }})
	require.NoError(t, err)
	warm := &Cluster{Store: s, Of: g}
	want := hunted(t, warm, day, day.Add(2*time.Hour))
	require.NoError(t, os.RemoveAll(s.dir))
	require.NoError(t, os.WriteFile(s.dir, nil, 0o600))
	require.Equal(t, want, hunted(t, warm, day, day.Add(2*time.Hour)))
	reading, err := warm.Open().Connections(t.Context(), hunt.Request{From: day, To: day.Add(2 * time.Hour), Scope: hunt.NewScope(nil, hunt.Outbound)},
		func([]hunt.Connection) error { return nil })
	require.NoError(t, err)
	require.Empty(t, reading.Gaps)
	require.Contains(t, reading.Notes[len(reading.Notes)-1].What, "history cannot be used")
}
