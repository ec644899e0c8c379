package pairs

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

// everything is all that a table holds, in order.
func everything(t *Table) (out []string) {
	perWorker := make([][]string, Workers())
	t.Walk(func(worker int, p *Pair) {
		slices.SortFunc(p.Connections, func(a, b Record) int { return int(a.Start-b.Start)*1<<16 + int(a.SrcPort) - int(b.SrcPort) })
		perWorker[worker] = append(perWorker[worker], fmt.Sprint(p.Src, p.Dst, p.Connections, p.Ports, p.Uses()))
	})
	out = slices.Concat(perWorker...)
	slices.Sort(out)
	return out
}

// TestUsesOnDiskAreJoinedAlike: what goes to disk, in more tiles than are read at once, is joined as it is in memory:
// with the connections of two tables, without any, and with fingerprints.
func TestUsesOnDiskAreJoinedAlike(t *testing.T) {
	var want [2][]string
	var unjoined int64
	for _, budget := range []int64{0, 1} {
		folder := t.TempDir()
		r := rand.New(rand.NewPCG(1, 2))
		table, proxied := NewTableWithin(Budget{Folder: folder}), NewTableWithin(Budget{Folder: folder})
		names := NewNames(Budget{Bytes: budget, Folder: folder})
		for i := range 300 {
			var conns [2][]hunt.Connection
			var uses []hunt.NameRecord
			for k := range 10 {
				src := netip.AddrFrom4([4]byte{10, 0, 0, byte(r.IntN(20))})
				dst := netip.AddrFrom4([4]byte{20, 0, 0, byte(r.IntN(20))})
				if k == 9 {
					dst = netip.MustParseAddr("10.0.1.250")
				}
				c := hunt.Connection{Src: src, Dst: dst, SrcPort: uint16(1024 + i*10 + k), DstPort: 443, Proto: hunt.TCP, Start: int64(1_000 * (i*10 + k)), Duration: 5, OrigBytes: 1, RespBytes: 2, OrigIPBytes: 3, Count: 1}
				if k > 0 {
					conns[k/9] = append(conns[k/9], c)
				}
				n := hunt.NameRecord{Start: c.Start + 1, Src: src, Dst: dst, SrcPort: c.SrcPort, DstPort: 443, Kind: hunt.TLS, Count: 1, Name: fmt.Sprintf("www%d.example.com", r.IntN(30))}
				n.Fingerprint = hunt.FingerprintOf(fmt.Sprintf("t13d1516h2_%012x_000000000000", r.IntN(4)), "", "")
				uses = append(uses, n, n)
			}
			table.Add(conns[0])
			proxied.Add(conns[1])
			names.Add(uses)
		}
		require.Equal(t, budget > 0, len(names.files) > mostRead)
		d := names.Join(table, proxied)
		require.NoError(t, names.Close())
		require.NoError(t, d.Err())
		got := [2][]string{everything(d.Table), everything(d.Prints)}
		if budget == 0 {
			want, unjoined = got, d.Unjoined
			require.NotEmpty(t, want[0])
			require.NotEmpty(t, want[1])
			require.NotZero(t, unjoined)
			continue
		}
		require.Equal(t, want, got)
		require.Equal(t, unjoined, d.Unjoined)
		for _, c := range []interface{ Close() error }{d, table, proxied} {
			require.NoError(t, c.Close())
		}
		left, err := os.ReadDir(folder)
		require.NoError(t, err)
		require.Empty(t, left)
	}
}

// TestUsesThatDoNotFitOnDiskAreAnError: where nothing can be written, or what was written cannot be read, the join says
// so.
func TestUsesThatDoNotFitOnDiskAreAnError(t *testing.T) {
	batch := []hunt.NameRecord{named1(first, 1000, 1, "x.example"), named1(second, 2000, 2, "x.example")}
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	names := NewNames(Budget{Bytes: 1, Folder: file})
	names.Add(batch)
	require.ErrorContains(t, names.Err(), "raise hunt.memory")
	require.Error(t, names.Join(NewTable()).Err())

	names = NewNames(Budget{Bytes: 1, Folder: t.TempDir()})
	names.Add(batch)
	names.Add(batch)
	require.NoError(t, names.Err())
	require.NoError(t, os.Truncate(names.files[0], 60))
	require.ErrorContains(t, names.Join(NewTable()).Err(), "damaged")
}
