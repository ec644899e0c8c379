package history

import (
	"io"
	"io/fs"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
	"dwell/internal/pairs"
)

// BenchmarkSpillFormats sets the tiles of a hunt against segments of history, in one run: half a million connections of
// 330,000 pairs of a day, written where memory is short, and gone over as a hunt does several times. What decides is
// the walk (docs/decisions/0011).
func BenchmarkSpillFormats(b *testing.B) {
	r := rand.New(rand.NewPCG(40, 1))
	const n = 500_000
	all := make([]hunt.Connection, 0, n)
	for i := range n {
		dst := netip.AddrFrom4([4]byte{20 + byte(i>>16), byte(i >> 8), byte(i), 7})
		if i%5 >= 3 {
			dst = netip.AddrFrom4([4]byte{203, 0, byte(r.IntN(80)), byte(r.IntN(256))})
		}
		all = append(all, hunt.Connection{Start: day.UnixMilli() + int64(i)*86_400_000/n, Duration: r.Int64N(100_000), OrigBytes: r.Int64N(3000), RespBytes: r.Int64N(50_000), OrigIPBytes: r.Int64N(4000),
			Count: 1, Src: netip.AddrFrom4([4]byte{10, 0, byte(r.IntN(4)), byte(r.IntN(256))}), Dst: dst, Service: "ssl", SrcPort: uint16(1024 + r.IntN(60_000)), DstPort: 443, Proto: hunt.TCP})
	}
	// By the processor's time, which a busy host changes less than the clock.
	processor := func() time.Duration {
		var u syscall.Rusage
		require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	var begun time.Duration
	rate := func(b *testing.B, bytes int64) {
		b.ReportMetric(float64((processor()-begun).Nanoseconds())/n/float64(b.N), "processor-ns/connection")
		b.ReportMetric(float64(bytes)/n, "B/connection")
	}
	dir := b.TempDir()
	fill := func(b *testing.B) *pairs.Table {
		t := pairs.NewTableWithin(pairs.Budget{Bytes: 16 << 20, Folder: dir})
		for batch := range slices.Chunk(all, 2048) {
			t.Add(batch)
		}
		require.NoError(b, t.Err())
		return t
	}
	onDisk := func(b *testing.B) (bytes int64) {
		require.NoError(b, filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			if info, failed := os.Stat(path); failed == nil && filepath.Ext(path) == ".tile" {
				bytes += info.Size()
			}
			return err
		}))
		return bytes
	}
	b.Run("tiles, fill and write", func(b *testing.B) {
		var bytes int64
		begun = processor()
		for b.Loop() {
			t := fill(b)
			bytes = onDisk(b)
			require.NoError(b, t.Close())
		}
		rate(b, bytes)
	})
	b.Run("tiles, walk", func(b *testing.B) {
		t := fill(b)
		t.WalkSources(func(int, netip.Addr, *pairs.Of) {})
		begun = processor()
		for b.Loop() {
			t.WalkSources(func(_ int, _ netip.Addr, of *pairs.Of) {
				for i := range of.Len() {
					_ = of.Connections(i) // The table keeps the error.
				}
			})
		}
		require.NoError(b, t.Err())
		rate(b, onDisk(b))
		require.NoError(b, t.Close())
	})
	s, err := Open(b.TempDir(), "one", Options{})
	require.NoError(b, err)
	b.Run("segments, sort and write", func(b *testing.B) {
		begun = processor()
		for b.Loop() {
			rec, err := s.Record(b.Context(), true)
			require.NoError(b, err)
			hours := map[int64]hunt.HourState{}
			for h := range int64(24) {
				hours[day.UnixMilli()+h*hourMS] = hunt.HourState{}
			}
			rec.AddConnections(all)
			_, err = rec.commit(hours, nil, time.Time{})
			require.NoError(b, err)
		}
		rate(b, s.Bytes(Connections))
	})
	// All of a source has to come together: segments are read side by side and merged by their order.
	b.Run("segments, walk", func(b *testing.B) {
		begun = processor()
		for b.Loop() {
			rows := 0
			var heads []*reader[connection]
			batches, at := [][]connection{}, []int{}
			for _, sp := range s.spans {
				for _, seg := range sp.Segments {
					r, err := open[connection](s.dir, seg)
					require.NoError(b, err)
					heads, batches, at = append(heads, r), append(batches, nil), append(at, 0)
				}
			}
			for {
				least := -1
				for i, r := range heads {
					if at[i] == len(batches[i]) && r != nil {
						batch := make([]connection, batchRows)
						n, err := r.read(batch)
						if n == 0 {
							require.ErrorIs(b, err, io.EOF)
							require.NoError(b, r.close())
							heads[i] = nil
						}
						batches[i], at[i] = batch[:n], 0
					}
					if at[i] < len(batches[i]) && (least < 0 || batches[i][at[i]].compare(&batches[least][at[least]]) < 0) {
						least = i
					}
				}
				if least < 0 {
					break
				}
				at[least]++
				rows++
			}
			require.Equal(b, n, rows)
		}
		rate(b, s.Bytes(Connections))
	})
}
