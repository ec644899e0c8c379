package history_test

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/history"
	"dwell/internal/hunt"
	"dwell/internal/pipeline"
	"dwell/internal/pipeline/rank"
)

// made is a source of connections; it has them all, whatever files are named.
type made []hunt.Connection

func (m made) Open() *hunt.Session {
	return &hunt.Session{Connections: func(_ context.Context, _ hunt.Request, emit func([]hunt.Connection) error) (hunt.Reading, error) {
		w := hunt.Window{Start: firstDay, End: firstDay.AddDate(0, 0, madeDays)}
		return hunt.Reading{Window: w, Source: "made", Records: int64(len(m)), Connections: int64(len(m))}, emit(append([]hunt.Connection(nil), m...))
	}}
}

const madeDays = 8

var firstDay = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// TestDwellTimeOfImplants puts 60 implants of many periods into eight days, half of them to destinations that were
// visited before, and hunts the last day out of history: the first check-in is right to one period in 95 of 100, the
// change point in 85. Hourly check-ins after visits every two hours on average cannot be dated better: a visit an hour
// before the first one may belong to the rhythm.
func TestDwellTimeOfImplants(t *testing.T) {
	type implant struct {
		src, dst netip.Addr
		period   float64
		first    int64
		visited  int64 // the first visit before it, 0 for none
	}
	r := rand.New(rand.NewPCG(22, 1))
	begins, ends := firstDay.UnixMilli(), firstDay.AddDate(0, 0, madeDays).UnixMilli()
	var all made
	add := func(src, dst netip.Addr, at int64, size int64) {
		all = append(all, hunt.Connection{Start: at, Duration: 200, OrigBytes: size, RespBytes: 2 * size, OrigIPBytes: size + 200, Count: 1, Src: src, Dst: dst,
			SrcPort: uint16(1024 + r.IntN(60000)), DstPort: 443, Proto: hunt.TCP, Service: "ssl"})
	}
	var implants []implant
	for i := range 60 {
		im := implant{src: netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}), dst: netip.AddrFrom4([4]byte{203, 0, byte(i), 9}), period: []float64{120, 600, 1800, 3600}[i%4]}
		jitter := []float64{0, 0.1, 0.3}[i%3]
		im.first = begins + int64(r.Float64()*float64(6*86_400_000))
		for at := float64(im.first); at < float64(ends); at += im.period * 1000 * (1 + jitter*(2*r.Float64()-1)) {
			add(im.src, im.dst, int64(at), 600)
		}
		for at := begins + int64(r.ExpFloat64()*7_000_000); i%2 == 1 && at < im.first; at += 60_000 + int64(r.ExpFloat64()*7_000_000) {
			if im.visited == 0 {
				im.visited = at
			}
			add(im.src, im.dst, at, int64(300+r.IntN(9000)))
		}
		implants = append(implants, im)
	}
	for range 4000 { // what people do
		add(netip.AddrFrom4([4]byte{10, 0, 0, byte(r.IntN(200) + 1)}), netip.AddrFrom4([4]byte{198, 51, byte(r.IntN(200)), byte(r.IntN(250))}), begins+r.Int64N(ends-begins), int64(r.IntN(9000)))
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "conn.log")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	store, err := history.Open(dir, "one", history.Options{EndOfData: true})
	require.NoError(t, err)
	a := &history.Archive{Store: store, All: all, List: func() ([]string, error) { return []string{file}, nil }, Only: func(map[string]bool) hunt.Source { return all }}
	scope := hunt.NewScope(nil, hunt.Outbound)
	_, _, err = a.Update(t.Context(), scope, nil)
	require.NoError(t, err)
	hunted := func() map[netip.Addr]hunt.Finding {
		res, err := pipeline.Run(t.Context(), a, pipeline.Options{Ranking: rank.Ranking{}, MinScore: 0.4, Now: time.Now, Request: hunt.Request{Scope: scope, Since: 24 * time.Hour}})
		require.NoError(t, err)
		require.Empty(t, res.Reading.Gaps)
		out := map[netip.Addr]hunt.Finding{}
		for _, f := range res.Findings {
			if f.Event.Severity >= 2 {
				out[f.Source.IP] = f
			}
		}
		return out
	}
	found := hunted()
	var first, since, visited, of int
	for _, im := range implants {
		f, ok := found[im.src]
		if !ok {
			continue
		}
		of++
		near := func(at time.Time, want int64) int {
			if d := float64(at.UnixMilli() - want); d >= -im.period*1000 && d <= im.period*1000 {
				return 1
			}
			return 0
		}
		d := f.Dwell.DwellTime
		want := im.first
		if im.visited != 0 {
			want = im.visited
		}
		first += near(d.FirstCheckIn.Time, want)
		since += near(d.RhythmSince.Time, im.first)
		visited += min(1, int(im.visited))
		require.Equal(t, d.FirstCheckIn.Sub(firstDay) < 24*time.Hour, d.LowerBound, "%v", im)
		require.InDelta(t, f.Event.End.Sub(d.FirstCheckIn.Time).Seconds(), d.Seconds, 0.001, "until the end of its last check-in")
	}
	t.Logf("%d implants found, %d of them visited before: first check-in right in %d, change point in %d", of, visited, first, since)
	require.GreaterOrEqual(t, of, 55)
	require.GreaterOrEqual(t, float64(first), 0.95*float64(of))
	require.GreaterOrEqual(t, float64(since), 0.85*float64(of))
	for src, f := range hunted() {
		require.Equal(t, found[src].Dwell.DwellTime, f.Dwell.DwellTime, "what was remembered is what was found")
	}
}
