package pairs

import (
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

// The target for all that a hunt takes: so many bytes a connection and a pair.
const targetConnection, targetPair = 64, 200

// regular makes connections as files give them, uid and sizes included: pairs of them, each so many times over a day.
func regular(pairs, each int) []hunt.Connection {
	out := make([]hunt.Connection, 0, pairs*each)
	for n := range each {
		for p := range pairs {
			mixed := uint32(p*each+n) * 0x9E3779B1
			out = append(out, hunt.Connection{Start: 1_772_323_200_000 + int64(n)*86_400_000/int64(each) + int64(mixed%1000),
				Src: netip.AddrFrom4([4]byte{10, 0, byte(p % 500 >> 8), byte(p % 500)}), Dst: netip.AddrFrom4([4]byte{60, byte(p >> 16), byte(p >> 8), byte(p)}),
				SrcPort: uint16(1024 + mixed%60000), DstPort: 443, Proto: hunt.TCP, Service: "ssl", Count: 1, UID: hunt.NewUID(fmt.Appendf(nil, "C%017x", mixed)),
				Duration: int64(mixed % 20_000), OrigBytes: int64(mixed % 5000), RespBytes: int64(mixed % 50_000), OrigIPBytes: int64(mixed%5000 + 400)})
		}
	}
	return out
}

// heap is what is alive.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// taken is what a table of these connections takes, bytes.
func taken(conns []hunt.Connection) int64 {
	before := heap()
	table := NewTable()
	for batch := range slices.Chunk(conns, 2048) {
		table.Add(batch)
	}
	size := heap() - before
	runtime.KeepAlive(table)
	runtime.KeepAlive(conns)
	return size
}

var shapes = []struct {
	name        string
	pairs, each int
}{
	{"one connection a pair", 200_000, 1},
	{"three connections a pair", 70_000, 3},
	{"a thousand connections a pair", 200, 1000},
}

// A table must leave a third of the target to the rest of the program.
func TestMemoryOfATable(t *testing.T) {
	for _, s := range shapes {
		size := taken(regular(s.pairs, s.each))
		target := int64(s.pairs) * int64(targetPair+s.each*targetConnection)
		t.Logf("%s: %d bytes a pair, %d a connection, %.2f of the target", s.name, size/int64(s.pairs), size/int64(s.pairs*s.each), float64(size)/float64(target))
		require.Less(t, size, target*2/3, s.name)
	}
}

func BenchmarkMemory(b *testing.B) {
	for _, s := range shapes {
		b.Run(s.name, func(b *testing.B) {
			conns := regular(s.pairs, s.each)
			var size int64
			for b.Loop() {
				size = taken(conns)
			}
			b.ReportMetric(float64(size)/float64(s.pairs), "B/pair")
			b.ReportMetric(float64(size)/float64(len(conns)), "B/connection")
			b.ReportMetric(float64(size)/float64(s.pairs*(targetPair+s.each*targetConnection)), "of-target")
		})
	}
}

// BenchmarkSpill adds connections to a table that goes to disk again and again, and merges what is there.
func BenchmarkSpill(b *testing.B) {
	conns := regular(100_000, 5)
	for b.Loop() {
		table := NewTableWithin(Budget{Bytes: 16 << 20, Folder: b.TempDir()})
		for batch := range slices.Chunk(conns, 2048) {
			table.Add(batch)
		}
		table.Walk(func(int, *Pair) {})
		require.NoError(b, table.Err())
		require.Greater(b, table.Spilled(), 1)
		require.NoError(b, table.Close())
	}
	b.ReportMetric(float64(len(conns))*float64(b.N)/b.Elapsed().Seconds(), "connections/s")
}
