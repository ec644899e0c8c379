package pairs

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
	"dwell/internal/tile"
)

// tiny is a budget that every batch outgrows.
func tiny(t *testing.T) Budget { return Budget{Bytes: 1, Folder: filepath.Join(t.TempDir(), "tiles")} }

// What a table on disk gives is what was put in: compared with a map and a sort.
func TestSpilledTableKeepsEveryConnection(t *testing.T) {
	conns := randomConnections(5, 20_000)
	for i := range conns {
		conns[i].Count = int64(1 + i%7/6)
	}
	b := tiny(t)
	table := NewTableWithin(b)
	for part := range slices.Chunk(conns, 4000) {
		var wg sync.WaitGroup
		for batch := range slices.Chunk(part, 777) {
			wg.Go(func() { table.Add(batch) })
		}
		wg.Wait()
	}
	require.NoError(t, table.Err())
	require.Greater(t, table.Spilled(), 3)
	for range 2 { // it can be walked again
		got, want := walked(table), plain(conns)
		require.NoError(t, table.Err())
		require.Equal(t, len(want), len(got))
		for k, rs := range got {
			sortRecords(rs)
			require.Empty(t, gocmp.Diff(want[k], rs, gocmp.AllowUnexported(Record{})), "pair %v", k)
		}
	}
	require.NoError(t, table.Close())
	left, err := os.ReadDir(b.Folder)
	require.NoError(t, err)
	require.Empty(t, left)
}

// Sources come once, with their pairs in order, whether or not the table went to disk; many more than are merged at
// once.
func TestSpilledSourcesComeWhole(t *testing.T) {
	var conns []hunt.Connection
	for src := range 9 {
		for dst := range 1500 {
			for n := range 1 + dst%3 {
				conns = append(conns, hunt.Connection{Start: int64(1e12 + n*60_000 + dst), Src: netip.AddrFrom4([4]byte{10, 0, 0, byte(src)}),
					Dst: netip.AddrFrom4([4]byte{203, byte(n), byte(dst >> 8), byte(dst)}), DstPort: uint16(80 + n), Proto: hunt.TCP, Count: 1,
					Service: []string{"ssl", "http", ""}[n], UID: hunt.NewUID([]byte{'C', byte('a' + n)})})
			}
		}
	}
	tell := func(table *Table) map[plainKey]Pair {
		for batch := range slices.Chunk(conns, 2000) {
			table.Add(batch)
		}
		var mu sync.Mutex
		out, seen := map[plainKey]Pair{}, map[netip.Addr]bool{}
		table.WalkSources(func(_ int, src netip.Addr, of *Of) {
			mu.Lock()
			defer mu.Unlock()
			require.False(t, seen[src])
			seen[src] = true
			for i := range of.Len() {
				if i > 0 {
					require.True(t, of.Dst(i-1).Less(of.Dst(i)))
				}
				var p Pair
				of.Decode(i, &p)
				p.bytes, p.services = nil, nil
				out[plainKey{p.Src, p.Dst}] = p
			}
		})
		require.NoError(t, table.Err())
		return out
	}
	disk := NewTableWithin(tiny(t))
	defer disk.Close()
	want, got := tell(NewTable()), tell(disk)
	require.Greater(t, disk.Spilled(), 5)
	require.Equal(t, want, got)
	require.Len(t, got, 9*(1500+1000+500))
}

func TestDamagedTilesAreAnError(t *testing.T) {
	for name, harm := range map[string]func(path string) error{
		"cut":  func(path string) error { return os.Truncate(path, 300) },
		"gone": os.Remove,
		"changed": func(path string) error {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			b[len(b)/2] ^= 1
			return os.WriteFile(path, b, 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			table := NewTableWithin(tiny(t))
			defer table.Close()
			for batch := range slices.Chunk(randomConnections(6, 4000), 500) {
				table.Add(batch)
			}
			require.NoError(t, table.Err())
			path := table.tiles[1]
			require.NoError(t, harm(path))
			table.Walk(func(int, *Pair) {})
			require.ErrorContains(t, table.Err(), path)
			if name != "gone" {
				require.ErrorIs(t, table.Err(), tile.ErrDamaged)
			}
		})
	}
}

// Entries with sound checksums that are no pairs (another program's) are errors, not panics.
func TestEntriesThatAreNoPairs(t *testing.T) {
	table := NewTable()
	table.Add(randomConnections(7, 3))
	for i := range table.shards {
		sh := &table.shards[i]
		for id := range sh.count {
			st := sh.state(id)
			value := sh.entry(nil, id, table.services.list())
			require.NoError(t, table.newShard().load(st.key, value, &table.services))
			for n := range value {
				require.ErrorIs(t, table.newShard().load(st.key, value[:n], &table.services), tile.ErrDamaged, "%d of %d bytes", n, len(value))
			}
			require.Error(t, table.newShard().load(st.key, append(value, 0), &table.services))
			require.ErrorIs(t, table.newShard().load(st.key, []byte{0, 0}, &table.services), tile.ErrDamaged, "no connection")
		}
	}
}

func TestNowhereToSpill(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	table := NewTableWithin(Budget{Bytes: 1, Folder: filepath.Join(file, "tiles")})
	table.Add(randomConnections(8, 10))
	require.ErrorContains(t, table.Err(), "outgrew its memory budget")
	require.ErrorContains(t, table.Err(), "hunt.memory")
	held := table.size.Load()
	table.Add(randomConnections(9, 5000))
	require.Equal(t, held, table.size.Load(), "what is incomplete grows no more")
}
