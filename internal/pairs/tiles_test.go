package pairs

import (
	"cmp"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

// spread makes connections all over so many hours, before 1970 and after, in no order: some pairs with several ports
// and services.
func spread(seed uint64, n, hours int) []hunt.Connection {
	r := rand.New(rand.NewPCG(seed, 11))
	out := make([]hunt.Connection, n)
	for i := range out {
		out[i] = hunt.Connection{Start: r.Int64N(int64(hours)*3_600_000) - 5*3_600_000, Src: netip.AddrFrom4([4]byte{10, 0, 0, byte(r.IntN(20))}),
			Dst: netip.AddrFrom4([4]byte{203, 0, 113, byte(r.IntN(10))}), SrcPort: uint16(r.IntN(65536)), DstPort: uint16(80 + r.IntN(3)), Proto: hunt.TCP, Count: 1,
			Service: []string{"", "ssl", "http", "ssl,http"}[r.IntN(4)], UID: hunt.NewUID([]byte{'C', byte('a' + r.IntN(26)), byte('a' + r.IntN(26))}), OrigIPBytes: r.Int64N(3)}
	}
	return out
}

// pairsOf gives the pairs of a table, whole.
func pairsOf(t *testing.T, table *Table) map[plainKey]Pair {
	var mu sync.Mutex
	out := map[plainKey]Pair{}
	table.Walk(func(_ int, p *Pair) {
		mu.Lock()
		defer mu.Unlock()
		own := Pair{Src: p.Src, Dst: p.Dst, Ports: slices.Clone(p.Ports), Connections: slices.Clone(p.Connections)}
		slices.SortStableFunc(own.Connections, func(a, b Record) int {
			return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.SrcPort, b.SrcPort), cmp.Compare(a.mark, b.mark), cmp.Compare(a.Port, b.Port), cmp.Compare(a.OrigIPBytes, b.OrigIPBytes))
		})
		out[plainKey{p.Src, p.Dst}] = own
	})
	require.NoError(t, table.Err())
	return out
}

// What a table gives depends on neither the order in which connections come nor on what went to disk: in a few
// tiles, and in more than are read at once.
func TestOrderAndTilesChangeNothing(t *testing.T) {
	conns := spread(1, 30_000, 200)
	memory := NewTable()
	memory.Add(conns)
	want := pairsOf(t, memory)

	other := NewTable()
	reversed := slices.Clone(conns)
	slices.Reverse(reversed)
	other.Add(reversed)
	require.Equal(t, want, pairsOf(t, other))

	for _, spills := range []int{4, 3 * mostRead} {
		disk := NewTableWithin(tiny(t))
		for batch := range slices.Chunk(conns, (len(conns)+spills-1)/spills) {
			disk.Add(batch)
		}
		require.NoError(t, disk.Err())
		require.Len(t, disk.tiles, disk.Spilled())
		require.Greater(t, disk.Spilled(), spills*9/10)
		require.Equal(t, want, pairsOf(t, disk))
		require.LessOrEqual(t, len(disk.tiles), mostRead, "many tiles are merged to few")
		require.Equal(t, want, pairsOf(t, disk), "they can be walked again")
		files, err := os.ReadDir(disk.folder)
		require.NoError(t, err)
		require.Len(t, files, len(disk.tiles), "tiles that were merged are removed")
		require.NoError(t, disk.Close())
	}
}

// The least comes first, whatever was put in: compared with a sort.
func TestQueue(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for n := range 40 {
		list := make([]int, n)
		for i := range list {
			list[i] = r.IntN(n)
		}
		want := slices.Sorted(slices.Values(list))
		q := newQueue(list, func(a, b *int) bool { return *a < *b })
		var got []int
		for len(q.list) > 0 {
			got = append(got, q.list[0])
			q.drop()
		}
		require.Equal(t, want, got)
	}
}
