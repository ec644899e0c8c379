package history

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/parquet-go/parquet-go"
)

// reader reads rows of a segment, with all columns or some.
type reader[T any] struct {
	of      Segment
	file    *os.File
	p       *parquet.File
	columns []column[T]
	// group is the row group that pages belong to; from and to are its row numbers, next is the next row.
	group          int
	from, to, next int64
	pages          []parquet.Pages
}

// check compares a whole segment with the manifest.
func check(dir string, s Segment) error {
	f, err := os.Open(filepath.Join(dir, s.File))
	if err != nil {
		return damaged(s, err)
	}
	sum := &summing{to: io.Discard}
	_, err = io.Copy(sum, f)
	if err == nil && (sum.bytes != s.Bytes || sum.crc != s.CRC) {
		err = ErrDamaged
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return damaged(s, err)
	}
	return nil
}

// open begins to read a segment: the named columns, or all. It checks the index by its checksum; each page that is read
// is checked by its own.
func open[T any, P row[T]](dir string, s Segment, names ...string) (*reader[T], error) {
	f, err := os.Open(filepath.Join(dir, s.File))
	if err != nil {
		return nil, damaged(s, err)
	}
	r := &reader[T]{of: s, file: f, columns: P(nil).columns(), group: -1}
	if len(names) > 0 {
		r.columns = slices.DeleteFunc(r.columns, func(c column[T]) bool { return !slices.Contains(names, c.name()) })
	}
	if r.p, err = index(f, s); err != nil {
		return nil, errors.Join(damaged(s, err), f.Close())
	}
	for _, c := range r.columns {
		if _, ok := r.p.Schema().Lookup(c.name()); !ok {
			return nil, errors.Join(damaged(s, errors.New("no column "+c.name())), f.Close())
		}
	}
	return r, nil
}

// index reads where a segment's pages are.
func index(f *os.File, s Segment) (*parquet.File, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() != s.Bytes {
		return nil, ErrDamaged
	}
	tail := &summing{to: io.Discard}
	if _, err := io.Copy(tail, io.NewSectionReader(f, s.Tail, s.Bytes-s.Tail)); err != nil {
		return nil, err
	}
	if tail.crc != s.TailCRC {
		return nil, ErrDamaged
	}
	return parquet.OpenFile(f, s.Bytes, parquet.SkipBloomFilters(true))
}

// seek makes the row with a number the next one.
func (r *reader[T]) seek(row int64) error {
	groups := r.p.RowGroups()
	begins := false
	if r.group < 0 || row < r.from || row >= r.to {
		if err := r.leave(); err != nil {
			return err
		}
		r.group, r.from, r.to = 0, 0, 0
		for ; ; r.group++ {
			if r.group == len(groups) {
				return io.EOF
			}
			r.from, r.to = r.to, r.to+groups[r.group].NumRows()
			if row < r.to {
				break
			}
		}
		for _, c := range r.columns {
			leaf, _ := r.p.Schema().Lookup(c.name())
			r.pages = append(r.pages, groups[r.group].ColumnChunks()[leaf.ColumnIndex].Pages())
		}
		r.next, begins = r.from, true
	}
	if begins || row != r.next {
		for i, pages := range r.pages {
			if row != r.next {
				if err := pages.SeekToRow(row - r.from); err != nil {
					return damaged(r.of, err)
				}
			}
			if err := r.load(i); err != nil {
				return err
			}
		}
	}
	r.next = row
	return nil
}

// read fills the batch, to the end of a row group at most; it returns io.EOF after the last row. The batch must be
// empty or filled by this reader.
func (r *reader[T]) read(batch []T) (n int, err error) {
	defer func() { // for content with a valid checksum that is not what was written
		if what := recover(); what != nil {
			n, err = 0, damaged(r.of, fmt.Errorf("%v", what))
		}
	}()
	if r.group < 0 || r.next == r.to {
		if err := r.seek(r.next); err != nil {
			return 0, err
		}
	}
	batch = batch[:min(int64(len(batch)), r.to-r.next)]
	for i, c := range r.columns {
		for done := 0; done < len(batch); {
			taken := c.take(batch[done:])
			if done += taken; taken == 0 {
				if err := r.load(i); err != nil {
					return 0, err
				}
			}
		}
	}
	r.next += int64(len(batch))
	return len(batch), nil
}

// load has a column continue with its next page.
func (r *reader[T]) load(i int) error {
	page, err := r.pages[i].ReadPage()
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err == nil {
		err = r.columns[i].load(page)
	}
	if err != nil {
		return damaged(r.of, err)
	}
	return nil
}

func (r *reader[T]) leave() (err error) {
	for _, pages := range r.pages {
		err = errors.Join(err, pages.Close())
	}
	r.pages = r.pages[:0]
	return err
}

func (r *reader[T]) close() error { return errors.Join(r.leave(), r.file.Close()) }

// damaged is the error of a segment that cannot be read.
func damaged(s Segment, err error) error {
	switch {
	case !errors.Is(err, ErrDamaged):
		err = fmt.Errorf("%w: %w", ErrDamaged, err)
	case err != ErrDamaged: //nolint:errorlint // what wraps it was said already
		return err
	}
	return fmt.Errorf("history segment %s %w", s.File, err)
}

// some reads some rows, which ascend, in batches that are reused. at is the number of a batch's first row.
func (r *reader[T]) some(ctx context.Context, list []rows, take func(at int64, batch []T) error) error {
	batch := make([]T, batchRows)
	for _, part := range list {
		if part.from == part.to {
			continue
		}
		if err := r.seek(part.from); err != nil {
			return damaged(r.of, err)
		}
		for at := part.from; at < part.to; {
			n, err := r.read(batch[:min(int64(len(batch)), part.to-at)])
			if err != nil {
				return damaged(r.of, err)
			}
			if err := take(at, batch[:n]); err != nil {
				return err
			}
			at += int64(n)
			if err := ctx.Err(); err != nil {
				return err
			}
		}
	}
	return nil
}

// scan reads the rows of a segment whose first column is in one of the intervals, and some beside them.
func scan[T any, P row[T]](ctx context.Context, dir string, s Segment, wanted []interval, columns []string, take func(at int64, batch []T) error) (err error) {
	r, err := open[T, P](dir, s, columns...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	some, err := within(r.p, wanted)
	if err != nil {
		return damaged(s, err)
	}
	return r.some(ctx, some, take)
}

// nearRows: wanted rows are read together if at most this many are between, since a page is read whole anyway.
const nearRows = 8192

// sift reads the rows of a segment that a look at some columns picks, and a few beside them.
func sift[T any, P row[T]](ctx context.Context, dir string, s Segment, among []rows, columns []string, has func(P) bool) (out []rows, err error) {
	r, err := open[T, P](dir, s, columns...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	err = r.some(ctx, among, func(at int64, batch []T) error {
		for i := range batch {
			if has(&batch[i]) {
				out = appendRows(out, rows{at + int64(i), at + int64(i) + 1}, nearRows)
			}
		}
		return nil
	})
	return out, err
}

// pick returns rows of a segment that include all selected ones: it reads the deciding columns alone.
func pick[T any, P row[T]](ctx context.Context, dir string, s Segment, sel *Selection) (some []rows, err error) {
	some = []rows{{0, s.Rows}}
	if sel.source != nil {
		r, err := open[T, P](dir, s)
		if err != nil {
			return nil, err
		}
		some, err = within(r.p, []interval{*sel.source})
		if err = errors.Join(err, r.close()); err != nil {
			return nil, damaged(s, err)
		}
	}
	var by []string
	if sel.source != nil {
		by = append(by, P(nil).columns()[0].name())
	}
	if sel.destination != nil && s.Kind != Queries {
		by = append(by, "destination_ip")
	}
	if sel.Name != "" && s.Kind == Names {
		by = append(by, "name")
	}
	if sel.Name != "" && s.Kind == Queries {
		by = append(by, "query")
	}
	if len(by) == 0 || len(some) == 0 {
		return some, nil
	}
	of := *sel
	of.Proxied = false // that column is not read yet
	return sift[T](ctx, dir, s, some, by, func(r P) bool { return r.wanted(&of) })
}

// each reads the selected rows of a segment, in batches that are reused. When all of it is wanted, a damaged segment
// has none.
func each[T any, P row[T]](ctx context.Context, dir string, s Segment, some []rows, sel *Selection, emit func([]T) error) error {
	r, err := open[T, P](dir, s)
	if err != nil {
		return err
	}
	err = r.some(ctx, some, func(_ int64, batch []T) error {
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
	})
	return errors.Join(err, r.close())
}
