package elastic

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"dwell/internal/es"
	"dwell/internal/es/dsl"
	"dwell/internal/hunt"
)

// log says which records to read.
type log struct {
	// many is their name: "connections".
	many  string
	query query
	// window is the hunt's window; from and to are the span to read, Unix milliseconds.
	window   hunt.Window
	from, to int64
	// docs, if set, is the approximate number of records of a slice, in place of Options.SliceDocs.
	docs int64
	// reported says that another reading of the same hunt reports what is odd about the cluster or its fields.
	reported bool
	// past says that the span is before the window. An index with another mapping that has nothing of the window was
	// not written during it either, so nothing of it reaches into the window.
	past bool
	// again makes the query again when more addresses are known to be internal; only for connections.
	anew func() query
	// beside, if set, reads what the query leaves out, and says whether there was anything.
	beside func(context.Context, *reading) (bool, error)
	// rows makes room for records; a batch of rows is reused.
	rows func() rows
}

// rows are a slice's records on their way from the server to emit.
type rows interface {
	// begin empties the rows and makes room for n records.
	begin(n int)
	// decode appends the records of a page.
	decode(*cells, []byte) (pageResult, error)
	// emit passes on the records.
	emit() error
}

// batchOf is rows of a kind.
type batchOf[T any] struct {
	row[T]
	held []T
	to   func([]T) error
}

func (b *batchOf[T]) begin(n int) { b.held = slices.Grow(b.held[:0], n) }

func (b *batchOf[T]) decode(p *cells, aggregations []byte) (pageResult, error) {
	held, res, err := b.row.decode(p, aggregations, b.held)
	if err == nil { // rows of a damaged page are not kept: it is read again
		b.held = held
	}
	return res, err
}

func (b *batchOf[T]) emit() error {
	if len(b.held) == 0 {
		return nil
	}
	return b.to(b.held)
}

// rowsOf makes rows for a log.
func rowsOf[T any](w row[T], emit func([]T) error) func() rows {
	return func() rows { return &batchOf[T]{row: w, to: emit} }
}

// reading is one reading of a log in progress.
type reading struct {
	log
	src    *Source
	place  *place
	req    hunt.Request
	free   chan rows
	shards int
	// unreadable are indices with another mapping, left is what the scope leaves out.
	unreadable []string
	left       hunt.OutOfScope

	mu sync.Mutex
	// todo are the slices to read, the last one first; alive is the number of workers.
	// open is the number of slices that were taken and are not finished.
	todo  []slice
	alive int
	open  int
	// excess is the number of workers to end because the cluster is busy; one always continues.
	excess int
	// docs and size are the present limits of slices and pages: they only shrink.
	docs int64
	size int
	// lost is the number of slices in a row that returned nothing; dead is why the rest is not read.
	lost int
	dead string

	done    []slice
	records int64
	// latest is the start of the newest connection, in the window or not.
	latest time.Time
	// odd counts impossible values that were left out, by letter; several counts records with more than one value where
	// one is expected.
	odd         map[byte]int64
	several     int64
	notes, gaps []hunt.Note
	noted       map[string]bool
}

func newReading(s *Source, p *place, l log, req hunt.Request) *reading {
	if len(req.Later) > 0 {
		l.query.filter = append(slices.Clone(l.query.filter), arrivedAfter(req.Later))
	}
	r := &reading{
		log: l, src: s, place: p, req: req,
		docs: cmp.Or(l.docs, int64(s.opt.SliceDocs)), size: s.opt.MaxPage, noted: make(map[string]bool), odd: make(map[byte]int64),
		free: make(chan rows, 3*s.opt.Concurrency),
	}
	for range cap(r.free) {
		r.free <- l.rows()
	}
	return r
}

// run reads the connections of a window; now is the cluster's time.
func (r *reading) run(ctx context.Context, now time.Time) error {
	if err := r.readable(ctx); err != nil {
		return err
	}
	if err := r.closed(ctx); err != nil {
		return err
	}
	if end := r.window.End; end.After(now) && !r.req.OnlyEarlier {
		r.gaps = append(r.gaps, hunt.Note{What: fmt.Sprintf("the window is not over: it ends %s and the cluster's clock shows %s", stamp(end.UnixMilli()), stamp(now.UnixMilli())),
			Where: strings.Join(r.place.asked, ","), Hint: "hunt it again when it is over, or choose an earlier --to"})
	}
	some, err := r.all(ctx)
	if err == nil && r.beside != nil {
		var more bool
		more, err = r.beside(ctx, r)
		some = some || more
	}
	if err != nil {
		return err
	}
	if !some && (r.shards > 0 || len(r.gaps) == 0) {
		return r.explainNothing(ctx, now)
	}
	r.latest, _, err = r.newest(ctx, dsl.All(only(datasetConn), between(0, now.Add(clockFault).UnixMilli())))
	if passes(err) {
		r.note("newest", hunt.Note{What: fmt.Sprintf("when the newest connection began is not known: %v", err)})
	} else if err != nil {
		return err
	}
	return r.future(ctx, now)
}

// isConn matches connections, in scope or not.
func isConn() object { return dsl.All(only(datasetConn)) }

// all reads everything and says whether there was anything.
func (r *reading) all(ctx context.Context) (bool, error) {
	if err := r.checkFields(ctx); err != nil {
		return false, err
	}
	if r.anew != nil {
		if err := r.outside(ctx); err != nil {
			return false, err
		}
	}
	todo, err := r.plan(ctx, r.from, r.to, r.docs)
	if err != nil || r.shards == 0 || len(todo) == 0 {
		return false, err
	}
	slices.Reverse(todo)
	r.todo = todo
	r.progress()
	if err := r.readAll(ctx); err != nil {
		return true, err
	}
	return true, r.closing(ctx)
}

// batch is a slice that was read with the right count, on its way to emit.
type batch struct {
	slice slice
	rows  rows
}

// readAll runs the workers. Those that query the server wait for emit only when it is behind by as many slices as there
// are workers.
func (r *reading) readAll(ctx context.Context) error {
	n := r.src.opt.Concurrency
	r.alive = n
	g, ctx := errgroup.WithContext(ctx)
	ready := make(chan batch, n)
	var asking sync.WaitGroup
	asking.Add(n)
	for range n {
		g.Go(func() error {
			defer asking.Done()
			return r.ask(ctx, ready)
		})
		g.Go(func() error {
			for b := range ready {
				if err := ctx.Err(); err != nil {
					return err
				}
				if err := b.rows.emit(); err != nil {
					return err
				}
				r.finish(b)
			}
			return nil
		})
	}
	g.Go(func() error {
		asking.Wait()
		close(ready)
		return nil
	})
	return g.Wait()
}

// ask is one worker: it takes slices until there are none.
func (r *reading) ask(ctx context.Context, ready chan<- batch) error {
	p := newCells()
	for {
		s, ok := r.take()
		if !ok {
			return nil
		}
		var into rows
		select {
		case into = <-r.free:
		case <-ctx.Done():
			return ctx.Err()
		}
		keep, err := r.read(ctx, p, s, into)
		if err != nil {
			return err
		}
		if keep == nil {
			r.mu.Lock()
			r.open--
			r.mu.Unlock()
			r.free <- into
			continue
		}
		select {
		case ready <- batch{slice: *keep, rows: into}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// take returns the next slice in order of time. Without one the worker ends.
func (r *reading) take() (slice, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.excess > 0 && r.alive > 1 {
		r.excess--
		r.alive--
		return slice{}, false
	}
	for len(r.todo) > 0 {
		s := r.todo[len(r.todo)-1]
		r.todo = r.todo[:len(r.todo)-1]
		if r.dead == "" {
			r.open++
			return s, true
		}
		r.gap(s, fmt.Sprintf("%d %s were not asked for, since the slices before them failed: %s", s.Expected, r.many, r.dead))
		r.done = append(r.done, s)
	}
	r.alive--
	return slice{}, false
}

// putBack returns slices, in order of time, to the front of the queue.
func (r *reading) putBack(parts ...slice) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range slices.Backward(parts) {
		r.todo = append(r.todo, p)
	}
}

func (r *reading) finish(b batch) {
	r.mu.Lock()
	r.done = append(r.done, b.slice)
	r.records += b.slice.Read
	r.lost = 0
	r.open--
	r.mu.Unlock()
	r.free <- b.rows
	r.progress()
}

func (r *reading) progress() {
	if r.req.Progress == nil {
		return
	}
	r.mu.Lock()
	done := int64(len(r.done))
	p := hunt.Progress{Done: done, Total: done + int64(len(r.todo)+r.open), Unit: "slices", Connections: r.records}
	r.mu.Unlock()
	r.req.Progress(p)
}

// note reports something once; what is reported by kind is not reported again for every slice.
func (r *reading) note(kind string, n hunt.Note) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if kind != "" && r.noted[kind] {
		return
	}
	r.noted[kind] = true
	r.notes = append(r.notes, n)
}

// gap reports that records of a slice are missing, how many and why; mu is held.
func (r *reading) gap(s slice, why string) {
	r.gaps = append(r.gaps, hunt.Note{What: why, Where: "slice " + s.String()})
}

// result is the reading so far.
func (r *reading) result() hunt.Reading {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tellOdd()
	slices.SortFunc(r.done, func(a, b slice) int { return cmp.Compare(a.From, b.From) })
	out := hunt.Reading{
		Window: r.window, Source: strings.Join(r.place.asked, ","), Records: r.records, Connections: r.records, Notes: r.notes, Gaps: r.gaps,
		Newest: r.latest,
	}
	for _, s := range r.done {
		out.Slices = append(out.Slices, hunt.Slice{
			Start: time.UnixMilli(s.From).UTC(), End: time.UnixMilli(s.To).UTC(), Expected: s.Expected, Read: s.Read,
		})
	}
	return out
}

// closing compares what was read with what is there now. More is late data; less was removed meanwhile.
func (r *reading) closing(ctx context.Context) error {
	total, ok, err := r.afterwards(ctx, r.query.in(r.from, r.to))
	if !ok {
		return err
	}
	r.mu.Lock()
	read, gaps := r.records, len(r.gaps)
	r.mu.Unlock()
	if more := total - read; more > 0 && gaps == 0 {
		late := hunt.Note{
			What: fmt.Sprintf("%d more %s of the window arrived while it was read", more, r.many),
			Hint: "a later hunt over the same window has them; a longer settle delay makes this rarer",
		}
		if more > max(total/lateShare, lateFew) {
			r.mu.Lock()
			r.gaps = append(r.gaps, late)
			r.mu.Unlock()
			return nil
		}
		r.note("late", late)
	} else if more < 0 {
		r.note("removed", hunt.Note{
			What: fmt.Sprintf("%d %s that were read are gone from the cluster by now", -more, r.many),
			Hint: "its disk clean-up removes old indices; what was read is complete",
		})
	}
	return nil
}

// Of records that arrive during a reading, one in lateShare is usual on a busy grid, and so are lateFew. More means
// that the window was not over: that is a gap, so that the window is hunted again.
const lateShare, lateFew = 100, 20

// afterwards counts when everything was read. If the cluster no longer answers, nothing that was read is lost: that is
// a note, and ok is false.
func (r *reading) afterwards(ctx context.Context, query object) (n int64, ok bool, err error) {
	n, err = r.count(ctx, query)
	if passes(err) {
		r.note("afterwards", hunt.Note{What: fmt.Sprintf("whether %s arrived while the window was read could not be counted: %v", r.many, err)})
		return 0, false, nil
	}
	return n, err == nil, err
}

// read reads one slice, counts it, and says what to keep: nil when the slice was put back or given up.
func (r *reading) read(ctx context.Context, p *cells, s slice, into rows) (*slice, error) {
	r.mu.Lock()
	docs := r.docs
	r.mu.Unlock()
	if s.Expected > 2*docs && s.To-s.From > 1 {
		parts, err := r.refine(ctx, s, docs)
		if err != nil {
			return nil, r.trouble(ctx, s, err)
		}
		if len(parts) > 0 {
			r.putBack(parts...)
			return nil, nil
		}
	}
	first := s.Expected
	for again := range 2 {
		var err error
		s.Read, err = r.pages(ctx, p, s, into)
		if err != nil {
			return nil, r.trouble(ctx, s, err)
		}
		if s.Read == s.Expected {
			break
		}
		n, err := r.count(ctx, r.query.in(s.From, s.To))
		if err != nil {
			return nil, r.trouble(ctx, s, err)
		}
		s.Expected = n
		if s.Read == n {
			break
		}
		if s.Read > n {
			// Documents with several values where one is expected make several buckets.
			parts, err := r.singly(ctx, p, &s, into)
			if err != nil {
				return nil, r.trouble(ctx, s, err)
			}
			if len(parts) > 0 {
				r.putBack(parts...)
				return nil, nil
			}
			break
		}
		r.src.opt.Logger.Debug("slice is read again: its count differs", "slice", s.String(), "expected", n, "read", s.Read, "try", again+1)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case s.Read != s.Expected:
		r.gap(s, fmt.Sprintf("%d %s were counted and %d read, twice", s.Expected, r.many, s.Read))
	case s.Read < first && len(r.place.lost()) > 0: // a cluster went away, which is reported
	case s.Read < first:
		s.Expected = first
		r.gap(s, fmt.Sprintf("%d of %d %s were removed from the cluster during the hunt (disk clean-up?)", first-s.Read, first, r.many))
	}
	return &s, nil
}

// pages reads a slice, in several pages if needed, and returns its number of records.
func (r *reading) pages(ctx context.Context, p *cells, s slice, into rows) (int64, error) {
	var docs int64
	var after []byte
	into.begin(int(min(s.Expected, MaxPage)))
	for {
		size := r.pageSize(s.Expected)
		var got pageResult
		q := r.query.page(s.From, s.To, size, after)
		ask := q.Request()
		ask.Op, ask.ToTheEnd, ask.Smaller = "read "+r.many, true, true
		err := r.Search(ctx, ask, func(res es.SearchResult) error {
			if res.Shards == 0 {
				return nil // all indices are gone; the counts will report it
			}
			var err error
			got, err = into.decode(p, res.Aggregations)
			return err
		})
		if err != nil {
			return docs, err
		}
		docs += got.Docs
		r.leftOut(p.odd)
		if got.Buckets < size || got.After == nil {
			return docs, nil
		}
		after = got.After
	}
}

// pageSize is a little more than expected, so that a slice with late additions still fits.
func (r *reading) pageSize(expected int64) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return int(min(int64(r.size), expected+expected/8+minPage))
}
