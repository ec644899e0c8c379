package history

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"

	"github.com/parquet-go/parquet-go"
)

// interval is addresses from one to another, both included.
type interval struct{ low, high address }

// intervalOf is the addresses of a prefix.
func intervalOf(p netip.Prefix) (i interval) {
	i.low = p.Masked().Addr().As16()
	i.high = i.low
	bits := p.Bits()
	if p.Addr().Is4() {
		bits += 96
	}
	for b := bits; b < 128; b++ {
		i.high[b/8] |= 0x80 >> (b % 8)
	}
	return i
}

func (i *interval) has(a *address) bool {
	return bytes.Compare(a[:], i.low[:]) >= 0 && bytes.Compare(a[:], i.high[:]) <= 0
}

// ordered sorts intervals and joins those that overlap.
func ordered(list []interval) []interval {
	slices.SortFunc(list, func(a, b interval) int {
		return cmp.Or(bytes.Compare(a.low[:], b.low[:]), bytes.Compare(a.high[:], b.high[:]))
	})
	out := list[:0]
	for _, i := range list {
		if n := len(out); n > 0 && bytes.Compare(i.low[:], out[n-1].high[:]) <= 0 {
			if bytes.Compare(i.high[:], out[n-1].high[:]) > 0 {
				out[n-1].high = i.high
			}
			continue
		}
		out = append(out, i)
	}
	return out
}

// rows are some of a segment's rows, by their numbers: [from, to).
type rows struct{ from, to int64 }

// openAt opens a segment of which only some rows are wanted. What is not read is not checked: the index is, by its
// checksum, and every page that is read, by its own.
func openAt[T any](dir string, s Segment) (*reader[T], *parquet.File, error) {
	f, err := os.Open(filepath.Join(dir, s.File))
	if err != nil {
		return nil, nil, damaged(s, err)
	}
	fail := func(err error) (*reader[T], *parquet.File, error) {
		return nil, nil, errors.Join(damaged(s, err), f.Close())
	}
	info, err := f.Stat()
	if err != nil {
		return fail(err)
	}
	if info.Size() != s.Bytes {
		return fail(ErrDamaged)
	}
	tail := &summing{to: io.Discard}
	if _, err := io.Copy(tail, io.NewSectionReader(f, s.Tail, s.Bytes-s.Tail)); err != nil {
		return fail(err)
	}
	if tail.crc != s.TailCRC {
		return fail(ErrDamaged)
	}
	p, err := parquet.OpenFile(f, s.Bytes, parquet.SkipBloomFilters(true))
	if err != nil {
		return fail(err)
	}
	return &reader[T]{f, parquet.NewGenericReader[T](p)}, p, nil
}

// within gives the rows in whose pages the first column, by which a segment is sorted, may lie in one of the intervals,
// which are in order.
func within(p *parquet.File, wanted []interval) (out []rows, err error) {
	base := int64(0)
	for _, group := range p.RowGroups() {
		column := group.ColumnChunks()[0]
		bounds, err := column.ColumnIndex()
		if err != nil {
			return nil, err
		}
		places, err := column.OffsetIndex()
		if err != nil {
			return nil, err
		}
		for i, n := 0, bounds.NumPages(); i < n; i++ {
			low, high := bounds.MinValue(i).ByteArray(), bounds.MaxValue(i).ByteArray()
			at, _ := slices.BinarySearchFunc(wanted, low, func(w interval, a []byte) int { return bytes.Compare(w.high[:], a) })
			if at == len(wanted) || bytes.Compare(wanted[at].low[:], high) > 0 {
				continue
			}
			r := rows{base + places.FirstRowIndex(i), base + group.NumRows()}
			if i+1 < n {
				r.to = base + places.FirstRowIndex(i+1)
			}
			out = appendRows(out, r, 0)
		}
		base += group.NumRows()
	}
	return out, nil
}

// appendRows appends rows, and joins them with the last ones where no more than so many lie between.
func appendRows(list []rows, r rows, apart int64) []rows {
	if n := len(list); n > 0 && r.from-list[n-1].to <= apart {
		list[n-1].to = r.to
		return list
	}
	return append(list, r)
}

// damaged says that a segment cannot be read, and why.
func damaged(s Segment, err error) error {
	if !errors.Is(err, ErrDamaged) {
		err = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return fmt.Errorf("history segment %s %w", s.File, err)
}

// scan gives rows of a segment, with the columns of T: those whose first column lies in one of the intervals, and
// others that lie beside them; without intervals all, of a segment that was checked whole. at is the number of the
// first of them.
func scan[T any](ctx context.Context, dir string, s Segment, wanted []interval, take func(at int64, batch []T) error) (err error) {
	var r *reader[T]
	some := []rows{{0, s.Rows}}
	if wanted == nil {
		r, err = open[T](dir, s)
	} else {
		var p *parquet.File
		if r, p, err = openAt[T](dir, s); err == nil {
			some, err = within(p, wanted)
		}
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	return r.some(ctx, s, some, take)
}

// some gives some rows.
func (r *reader[T]) some(ctx context.Context, s Segment, list []rows, take func(at int64, batch []T) error) error {
	batch := make([]T, batchRows)
	next := int64(0)
	for _, part := range list {
		if part.from != next {
			if err := r.rows.SeekToRow(part.from); err != nil {
				return damaged(s, err)
			}
		}
		for next = part.from; next < part.to; {
			n, err := r.next(batch[:min(int64(len(batch)), part.to-next)])
			if err != nil && !errors.Is(err, io.EOF) {
				return damaged(s, err)
			}
			if n == 0 {
				return damaged(s, io.ErrUnexpectedEOF)
			}
			if err := take(next, batch[:n]); err != nil {
				return err
			}
			next += int64(n)
			if err := ctx.Err(); err != nil {
				return err
			}
		}
	}
	return nil
}

// nearRows: rows that are wanted are read in one go where no more lie between, as a page has to be read whole anyway.
const nearRows = 8192

// sift gives the rows of a segment that a look at one column picks, and a few beside them.
func sift[T any](ctx context.Context, dir string, s Segment, has func(*T) bool) (out []rows, err error) {
	err = scan(ctx, dir, s, []interval{everywhere}, func(at int64, batch []T) error {
		for i := range batch {
			if has(&batch[i]) {
				out = appendRows(out, rows{at + int64(i), at + int64(i) + 1}, nearRows)
			}
		}
		return nil
	})
	return out, err
}

// destinations is sift by destination, over the bytes of the column's pages: made into rows, it would cost twenty times
// as much.
func destinations(ctx context.Context, dir string, s Segment, of *interval) (out []rows, err error) {
	r, p, err := openAt[destinationColumn](dir, s)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	leaf, ok := p.Schema().Lookup("destination_ip")
	if !ok {
		return nil, damaged(s, errors.New("no column destination_ip"))
	}
	at := int64(0)
	for _, group := range p.RowGroups() {
		pages := group.ColumnChunks()[leaf.ColumnIndex].Pages()
		for ctx.Err() == nil {
			page, failed := pages.ReadPage()
			if errors.Is(failed, io.EOF) {
				break
			}
			if failed != nil {
				return nil, errors.Join(damaged(s, failed), pages.Close())
			}
			data := page.Data()
			for values, _ := data.FixedLenByteArray(); len(values) >= len(address{}); values = values[len(address{}):] {
				if of.has((*address)(values)) {
					out = appendRows(out, rows{at, at + 1}, nearRows)
				}
				at++
			}
			parquet.Release(page)
		}
		if err := errors.Join(pages.Close(), ctx.Err()); err != nil {
			return nil, err
		}
	}
	if at != s.Rows {
		return nil, damaged(s, io.ErrUnexpectedEOF)
	}
	return out, nil
}

var everywhere = interval{high: address{255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255}}

type (
	destinationColumn struct {
		Destination address `parquet:"destination_ip"`
	}
	nameColumn struct {
		Name string `parquet:"name,dict"`
	}
	queryColumn struct {
		Query string `parquet:"query,dict"`
	}
)

// each gives the rows of a segment that are selected, in batches that are reused. A segment that is damaged gives none
// when all of it is asked for.
func each[T any, P row[T]](ctx context.Context, dir string, s Segment, sel *Selection, emit func([]T) error) error {
	take := func(_ int64, batch []T) error {
		wanted := batch[:0:len(batch)]
		for i := range batch {
			if r := P(&batch[i]); sel.takes(r.start()) && r.wanted(sel) {
				wanted = append(wanted, batch[i])
			}
		}
		if len(wanted) == 0 {
			return nil
		}
		return emit(wanted)
	}
	if sel.source != nil {
		return scan(ctx, dir, s, []interval{*sel.source}, take)
	}
	var some []rows
	var err error
	switch {
	case sel.Name != "" && s.Kind == Queries:
		some, err = sift(ctx, dir, s, func(r *queryColumn) bool { return sel.named(r.Query) })
	case sel.Name != "" && s.Kind == Names:
		some, err = sift(ctx, dir, s, func(r *nameColumn) bool { return sel.named(r.Name) })
	case sel.destination != nil && s.Kind != Queries:
		some, err = destinations(ctx, dir, s, sel.destination)
	default:
		return scan(ctx, dir, s, nil, take)
	}
	if err != nil || len(some) == 0 {
		return err
	}
	r, _, err := openAt[T](dir, s)
	if err != nil {
		return err
	}
	return errors.Join(r.some(ctx, s, some, take), r.close())
}
