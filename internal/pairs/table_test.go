package pairs

import (
	"cmp"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

// randomConnections draws from few addresses and ports, so that pairs repeat; a few pairs are busy, starts are in
// disorder.
func randomConnections(seed uint64, n int) []hunt.Connection {
	r := rand.New(rand.NewPCG(seed, 1))
	out := make([]hunt.Connection, n)
	absent := func(v int64) int64 {
		if r.IntN(5) == 0 {
			return hunt.Absent
		}
		return v
	}
	for i := range out {
		src := netip.AddrFrom4([4]byte{10, 0, 0, byte(r.IntN(8))})
		dst := netip.AddrFrom4([4]byte{203, 0, 113, byte(r.ExpFloat64() * 4)})
		if r.IntN(10) == 0 {
			dst = netip.MustParseAddr("2001:db8::7")
		}
		out[i] = hunt.Connection{
			Start: 1_700_000_000_000 + r.Int64N(86_400_000), Src: src, Dst: dst,
			SrcPort: uint16(r.IntN(65536)), DstPort: []uint16{443, 80, 53}[r.IntN(3)], Proto: hunt.Transport(r.IntN(3)),
			Duration: absent(r.Int64N(100_000)), OrigIPBytes: absent(r.Int64N(1 << 40)), OrigBytes: absent(r.Int64N(2000)),
			RespBytes: absent(r.Int64N(1 << 33)), Count: 1, Service: []string{"", "ssl", "dns"}[r.IntN(3)],
			UID: hunt.NewUID([]byte("C0123456789abcdef")),
		}
	}
	return out
}

type plainKey struct {
	src, dst netip.Addr
}

// plain is what a map and a sort give: the independent way to the same records.
func plain(conns []hunt.Connection) map[plainKey][]Record {
	m := map[plainKey][]Record{}
	for _, c := range conns {
		k := plainKey{c.Src, c.Dst}
		for range c.Count {
			m[k] = append(m[k], Record{Start: c.Start, Duration: c.Duration, OrigIPBytes: c.OrigIPBytes,
				OrigBytes: c.OrigBytes, RespBytes: c.RespBytes, SrcPort: c.SrcPort, Port: c.DstPort + uint16(c.Proto)<<10})
		}
	}
	for _, rs := range m {
		sortRecords(rs)
	}
	return m
}

func sortRecords(rs []Record) {
	slices.SortFunc(rs, func(a, b Record) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.OrigIPBytes, b.OrigIPBytes), cmp.Compare(a.RespBytes, b.RespBytes),
			cmp.Compare(a.Duration, b.Duration), cmp.Compare(a.OrigBytes, b.OrigBytes), cmp.Compare(a.Port, b.Port), cmp.Compare(a.SrcPort, b.SrcPort))
	})
}

func walked(t *Table) map[plainKey][]Record {
	var mu sync.Mutex
	m := map[plainKey][]Record{}
	t.Walk(func(_ int, p *Pair) {
		rs := slices.Clone(p.Connections)
		for i := range rs {
			rs[i].mark = 0
			port := p.Ports[rs[i].Port]
			rs[i].Port = port.Number + uint16(port.Proto)<<10
		}
		mu.Lock()
		defer mu.Unlock()
		m[plainKey{p.Src, p.Dst}] = rs
	})
	return m
}

func TestTableKeepsEveryConnection(t *testing.T) {
	for _, n := range []int{1, 2, 100, 20_000} {
		conns := randomConnections(uint64(n), n)
		for i := range conns {
			conns[i].Count = int64(1 + i%7/6)
		}
		table := NewTable()
		var wg sync.WaitGroup
		for batch := range slices.Chunk(conns, 777) {
			wg.Go(func() { table.Add(batch) })
		}
		wg.Wait()

		got, want := walked(table), plain(conns)
		require.Equal(t, len(want), table.Len())
		for k, rs := range got {
			require.True(t, slices.IsSortedFunc(rs, func(a, b Record) int { return cmp.Compare(a.Start, b.Start) }), "records come in order of start")
			sortRecords(rs)
			require.Empty(t, gocmp.Diff(want[k], rs, gocmp.AllowUnexported(Record{})), "pair %v", k)
		}
		oldest, newest, ok := table.Span()
		require.True(t, ok)
		starts := func(a, b hunt.Connection) int { return cmp.Compare(a.Start, b.Start) }
		require.Equal(t, slices.MinFunc(conns, starts).Start, oldest)
		require.Equal(t, slices.MaxFunc(conns, starts).Start, newest)
	}
}

func TestPortKnowsItsLastConnection(t *testing.T) {
	base := hunt.Connection{Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("203.0.113.1"), DstPort: 443, Proto: hunt.TCP, Count: 1}
	at := func(start int64, port, srcPort uint16, uid, service string) hunt.Connection {
		c := base
		c.Start, c.DstPort, c.SrcPort, c.UID, c.Service = start, port, srcPort, hunt.NewUID([]byte(uid)), service
		return c
	}
	table := NewTable()
	table.Add([]hunt.Connection{at(5, 443, 1005, "C5", "ssl"), at(9, 443, 1009, "C9", ""), at(7, 443, 1007, "C7", ""), at(20, 80, 1020, "C20", "http")})
	table.Walk(func(_ int, p *Pair) {
		require.Equal(t, []Port{
			{Number: 80, Proto: hunt.TCP, Service: "http", Last: 20, SrcPort: 1020, UID: hunt.NewUID([]byte("C20"))},
			{Number: 443, Proto: hunt.TCP, Service: "ssl", Last: 9, SrcPort: 1009, UID: hunt.NewUID([]byte("C9"))},
		}, p.Ports)
	})
}

func TestEmptyTable(t *testing.T) {
	table := NewTable()
	table.Add(nil)
	_, _, ok := table.Span()
	require.False(t, ok)
	table.Walk(func(int, *Pair) { t.Fatal("an empty table has no pairs") })
}

func TestMorePortsThanSlots(t *testing.T) {
	table := NewTable()
	var batch []hunt.Connection
	for proto := range hunt.Transport(2) {
		for port := range 65536 {
			batch = append(batch, hunt.Connection{Start: int64(port), Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("203.0.113.1"),
				DstPort: uint16(port), Proto: proto, Count: 1})
		}
	}
	table.Add(batch)
	table.Walk(func(_ int, p *Pair) {
		require.Len(t, p.Connections, len(batch))
		require.Len(t, p.Ports, 65535)
		for _, c := range p.Connections {
			require.Less(t, int(c.Port), len(p.Ports))
		}
	})
}

func BenchmarkAdd(b *testing.B) {
	conns := randomConnections(1, 1<<20)
	b.ReportAllocs()
	for b.Loop() {
		table := NewTable()
		for batch := range slices.Chunk(conns, 4096) {
			table.Add(batch)
		}
	}
	b.ReportMetric(float64(len(conns))*float64(b.N)/b.Elapsed().Seconds(), "connections/s")
}

func TestWalkSourcesGroupsBySource(t *testing.T) {
	conns := randomConnections(3, 5000)
	table := NewTable()
	table.Add(conns)
	var mu sync.Mutex
	seen := map[plainKey]int{}
	sources := map[netip.Addr]bool{}
	table.WalkSources(func(_ int, src netip.Addr, of *Of) {
		mu.Lock()
		defer mu.Unlock()
		require.False(t, sources[src], "each source comes once")
		sources[src] = true
		var p Pair
		for i := range of.Len() {
			of.Decode(i, &p)
			require.Equal(t, src, p.Src)
			require.Equal(t, of.Dst(i), p.Dst)
			require.Len(t, p.Connections, of.Connections(i))
			seen[plainKey{p.Src, p.Dst}] = len(p.Connections)
		}
	})
	for k, rs := range plain(conns) {
		require.Equal(t, len(rs), seen[k])
		delete(seen, k)
	}
	require.Empty(t, seen)
}
