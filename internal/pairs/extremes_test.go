package pairs

import (
	"math"
	"net/netip"
	"runtime"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

// The largest and least that a source could give comes back as it was put in, out of memory and off disk: compared with
// a map and a sort.
func TestExtremesComeBack(t *testing.T) {
	times := []int64{0, -1, -62_135_596_800_000, 4_102_444_800_000, 95_617_583_999_999} // years 1, 2100, 4999
	sizes := []int64{hunt.Absent, 0, 1, math.MaxUint32, math.MaxUint32 + 1, 1 << 62, math.MaxInt64}
	ends := []netip.Addr{netip.MustParseAddr("0.0.0.0"), netip.MustParseAddr("255.255.255.255"), netip.MustParseAddr("::"), netip.MustParseAddr("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")}
	var conns []hunt.Connection
	for i, at := range times {
		for j, size := range sizes {
			conns = append(conns, hunt.Connection{Start: at, Src: ends[(i+j)%4], Dst: ends[j%4], SrcPort: math.MaxUint16, DstPort: 0, Count: 1,
				Duration: size, OrigIPBytes: sizes[len(sizes)-1-j], OrigBytes: size, RespBytes: size})
		}
	}
	for _, table := range []*Table{NewTable(), NewTableWithin(tiny(t))} {
		for batch := range slices.Chunk(conns, 5) {
			table.Add(batch)
		}
		got, want := walked(table), plain(conns)
		require.NoError(t, table.Err())
		require.Equal(t, len(want), len(got))
		for k, rs := range got {
			sortRecords(rs)
			require.Empty(t, gocmp.Diff(want[k], rs, gocmp.AllowUnexported(Record{})), "pair %v", k)
		}
		require.NoError(t, table.Close())
	}
}

// A pair with more ports than a slot has numbers for (a scan over TCP and UDP) loses no connection on its way over the
// disk either.
func TestMorePortsThanSlotsOnDisk(t *testing.T) {
	var conns []hunt.Connection
	for port := range 1 << 16 {
		for _, proto := range []hunt.Transport{hunt.TCP, hunt.UDP} {
			conns = append(conns, hunt.Connection{Start: int64(port) * 100, Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("203.0.113.1"),
				SrcPort: uint16(port), DstPort: uint16(port), Proto: proto, Count: 1})
		}
	}
	table := NewTableWithin(tiny(t))
	defer table.Close()
	for batch := range slices.Chunk(conns, 50_000) {
		table.Add(batch)
	}
	n := 0
	table.Walk(func(_ int, p *Pair) {
		require.Len(t, p.Ports, math.MaxUint16)
		for i, c := range p.Connections {
			require.Equal(t, int64(i/2)*100, c.Start)
			require.Less(t, int(c.Port), len(p.Ports))
		}
		n += len(p.Connections)
	})
	require.NoError(t, table.Err())
	require.Equal(t, len(conns), n)
}

// Scratch space made before a walk has room for every worker, also where the program was given more cores meanwhile.
func TestWorkersStay(t *testing.T) {
	n := Workers()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4 * n))
	table := NewTable()
	table.Add(randomConnections(3, 1000))
	table.Walk(func(worker int, _ *Pair) { require.Less(t, worker, n) })
	table.WalkSources(func(worker int, _ netip.Addr, _ *Of) { require.Less(t, worker, n) })
}
