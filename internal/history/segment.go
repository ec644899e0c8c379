package history

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"path/filepath"
	"slices"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"dwell/internal/atomicfile"
)

// row is what the rows of all segments share.
type row[T any] interface {
	*T
	// compare orders rows; equal ones are the same record, seen twice.
	compare(*T) int
	// same merges another record that is equal to this one: seen again, or of one reading, where both count.
	same(o *T, both bool)
	start() int64
	// near says whether two sorted rows are one record, and whether a row after the second may still be the same as the
	// first.
	near(*T) (one, follows bool)
	wanted(*Selection) bool
	// columns are new ones, of all fields.
	columns() []column[T]
}

// Segment is a file that the manifest names.
type Segment struct {
	// File is its name below the store's directory.
	File string `json:"file"`
	Kind Kind   `json:"kind"`
	// Rows and Bytes are its size, and CRC the CRC-32C of all bytes.
	Rows  int64  `json:"rows"`
	Bytes int64  `json:"bytes"`
	CRC   uint32 `json:"crc32c"`
	// Tail is where the rows end and their index begins, TailCRC the checksum after that: a look-up of a few rows
	// checks no more.
	Tail    int64  `json:"tail"`
	TailCRC uint32 `json:"tail_crc32c"`
	// Commit is the number of the commit of its newest rows.
	Commit int64 `json:"commit"`
}

// ErrDamaged is a segment that differs from what was written.
var ErrDamaged = errors.New("is damaged: its bytes are not those that were written")

// batchRows is the number of rows passed on at once: they fit into a processor's cache. groupRows is the number in a
// row group: what a writer holds in memory.
const (
	batchRows = 1024
	groupRows = 1 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// write sorts the rows and writes them as one segment. The file is complete, and on disk, when it returns without an
// error.
func write[T any, P row[T]](dir, file string, kind Kind, rows []T) (Segment, error) {
	slices.SortFunc(rows, func(a, b T) int { return P(&a).compare(&b) })
	rows = once[T, P](rows)
	i := 0
	return writeSorted[T](dir, file, kind, func(batch []T) (int, error) {
		n := copy(batch, rows[i:])
		i += n
		if i == len(rows) {
			return n, io.EOF
		}
		return n, nil
	})
}

// once makes one row of equal ones, among sorted rows of one reading.
func once[T any, P row[T]](rows []T) []T {
	n := 0
	for i := range rows {
		if n > 0 && P(&rows[n-1]).compare(&rows[i]) == 0 {
			P(&rows[n-1]).same(&rows[i], true)
			continue
		}
		rows[n] = rows[i]
		n++
	}
	return rows[:n]
}

// writeSorted writes rows as next returns them: sorted, with io.EOF at or after the last.
func writeSorted[T any](dir, file string, kind Kind, next func([]T) (int, error)) (s Segment, err error) {
	path := filepath.Join(dir, file)
	f, err := atomicfile.Create(path, 0o600)
	if err != nil {
		return s, err
	}
	defer f.Discard()
	sum := &summing{to: f}
	w := parquet.NewGenericWriter[T](sum, parquet.Compression(&zstd.Codec{Level: zstd.SpeedFastest}), parquet.CreatedBy("dwell", "", ""),
		parquet.DataPageStatistics(false))
	batch := make([]T, batchRows)
	var inGroup int
	for done := false; !done; {
		n, failed := next(batch)
		if done = errors.Is(failed, io.EOF); failed != nil && !done {
			return s, fmt.Errorf("write history segment %s: %w", file, failed)
		}
		if _, err := w.Write(batch[:n]); err != nil {
			return s, fmt.Errorf("write history segment %s: %w", file, err)
		}
		s.Rows += int64(n)
		if inGroup += n; inGroup >= groupRows {
			if err := w.Flush(); err != nil {
				return s, fmt.Errorf("write history segment %s: %w", file, err)
			}
			inGroup = 0
		}
	}
	if err := w.Flush(); err != nil {
		return s, fmt.Errorf("write history segment %s: %w", file, err)
	}
	sum.mark()
	if err := w.Close(); err != nil {
		return s, fmt.Errorf("write history segment %s: %w", file, err)
	}
	if err := f.Commit(); err != nil {
		return s, err
	}
	s.File, s.Kind, s.Bytes, s.CRC, s.Tail, s.TailCRC = file, kind, sum.bytes, sum.crc, sum.tail, sum.tailCRC
	return s, nil
}

// summing counts and sums what is written through it: all of it, and what comes after a mark.
type summing struct {
	to      io.Writer
	bytes   int64
	crc     uint32
	tail    int64
	tailCRC uint32
}

func (s *summing) mark() { s.tail, s.tailCRC = s.bytes, 0 }

func (s *summing) Write(b []byte) (int, error) {
	n, err := s.to.Write(b)
	s.bytes += int64(n)
	s.crc, s.tailCRC = crc32.Update(s.crc, castagnoli, b[:n]), crc32.Update(s.tailCRC, castagnoli, b[:n])
	return n, err
}

// merge makes one segment of several of one kind, sorted, with a batch of each in memory.
func merge[T any, P row[T]](dir, file string, of []Segment) (s Segment, err error) {
	type head struct {
		r     *reader[T]
		batch []T
		i, n  int
		done  bool
	}
	heads := make([]*head, 0, len(of))
	defer func() {
		for _, h := range heads {
			err = errors.Join(err, h.r.close())
		}
	}()
	fill := func(h *head) error {
		h.i, h.n = 0, 0
		for !h.done && h.n == 0 {
			n, err := h.r.read(h.batch)
			if h.done = errors.Is(err, io.EOF); err != nil && !h.done {
				return err
			}
			h.n = n
		}
		return nil
	}
	for _, one := range of {
		if err := check(dir, one); err != nil {
			return s, err
		}
		r, err := open[T, P](dir, one)
		if err != nil {
			return s, err
		}
		h := &head{r: r, batch: make([]T, batchRows)}
		heads = append(heads, h)
		if err := fill(h); err != nil {
			return s, err
		}
	}
	// Rows wait as long as the same record may come again.
	var waiting []T
	return writeSorted(dir, file, of[0].Kind, func(out []T) (int, error) {
		for n := 0; n < len(out); {
			var least *head
			for _, h := range heads {
				if h.i < h.n && (least == nil || P(&h.batch[h.i]).compare(&least.batch[least.i]) < 0) {
					least = h
				}
			}
			if least == nil {
				taken := copy(out[n:], waiting)
				if waiting = waiting[taken:]; len(waiting) == 0 {
					return n + taken, io.EOF
				}
				return n + taken, nil
			}
			one := &least.batch[least.i]
			done := 0
			for done < len(waiting) {
				if _, follows := P(&waiting[done]).near(one); follows {
					break
				}
				done++
			}
			taken := copy(out[n:], waiting[:done])
			n += taken
			if waiting = waiting[taken:]; taken < done {
				break
			}
			if at := slices.IndexFunc(waiting, func(w T) bool { same, _ := P(&w).near(one); return same }); at >= 0 {
				P(&waiting[at]).same(one, false)
			} else {
				waiting = append(waiting, *one)
			}
			if least.i++; least.i == least.n {
				if err := fill(least); err != nil {
					return n, err
				}
			}
		}
		return len(out), nil
	})
}
