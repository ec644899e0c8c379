package elastic

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"dwell/internal/es"
	"dwell/internal/hunt"
)

// reading is one Read under way.
type reading struct {
	src    *Source
	names  []string
	window hunt.Window
	req    hunt.Request
	query  query
	emit   func([]hunt.Connection) error
	free   chan []hunt.Connection
	shards int

	mu sync.Mutex
	// todo are the slices to read, the last one first; alive is how many workers there are.
	// open is how many slices were taken and are not settled yet.
	todo  []slice
	alive int
	open  int
	// excess is how many workers are to end because the cluster is busy; one always goes on.
	excess int
	// docs and size are what slices and pages are limited to at present: they only shrink.
	docs int64
	size int
	// lost is how many slices in a row gave nothing; dead is why the rest is not asked for any more.
	lost int
	dead string

	done        []slice
	connections int64
	notes, gaps []hunt.Note
	told        map[string]bool
}

func newReading(s *Source, names []string, w hunt.Window, req hunt.Request, emit func([]hunt.Connection) error) *reading {
	r := &reading{
		src: s, names: names, window: w, req: req, query: newQuery(req.Scope), emit: emit,
		docs: int64(s.opt.SliceDocs), size: s.opt.MaxPage, told: make(map[string]bool),
		free: make(chan []hunt.Connection, 3*s.opt.Concurrency),
	}
	for range cap(r.free) {
		r.free <- nil
	}
	return r
}

// run reads the window; now is the cluster's time.
func (r *reading) run(ctx context.Context, now time.Time) error {
	from, to := r.window.ReadFrom().UnixMilli(), r.window.End.UnixMilli()
	if err := r.readable(ctx); err != nil {
		return err
	}
	if err := r.checkFields(ctx); err != nil {
		return err
	}
	todo, err := r.plan(ctx, from, to, r.docs)
	if err != nil {
		return err
	}
	if r.shards == 0 || len(todo) == 0 {
		return r.explainNothing(ctx, now)
	}
	slices.Reverse(todo)
	r.todo = todo
	r.progress()
	if err := r.readAll(ctx); err != nil {
		return err
	}
	return r.closing(ctx, from, to, now)
}

// batch is a slice that was read and counted right, on its way to emit.
type batch struct {
	slice slice
	conns []hunt.Connection
}

// readAll runs the workers. Those that ask the server never wait for emit unless it falls behind by as many slices as
// there are workers.
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
				if len(b.conns) > 0 {
					if err := r.emit(b.conns); err != nil {
						return err
					}
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
	p := newPage()
	for {
		s, ok := r.take()
		if !ok {
			return nil
		}
		var conns []hunt.Connection
		select {
		case conns = <-r.free:
		case <-ctx.Done():
			return ctx.Err()
		}
		conns, keep, err := r.read(ctx, p, s, conns[:0])
		if err != nil {
			return err
		}
		if keep == nil {
			r.mu.Lock()
			r.open--
			r.mu.Unlock()
			r.free <- conns
			continue
		}
		select {
		case ready <- batch{slice: *keep, conns: conns}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// take gives the next slice in order of time. Without one the worker ends.
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
		r.gap(s, s.Expected, "not asked for, since the slices before it failed: "+r.dead)
		r.done = append(r.done, s)
	}
	r.alive--
	return slice{}, false
}

// putBack returns slices, given in order of time, to the front of the queue.
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
	r.connections += b.slice.Read
	r.lost = 0
	r.open--
	r.mu.Unlock()
	r.free <- b.conns
	r.progress()
}

func (r *reading) progress() {
	if r.req.Progress == nil {
		return
	}
	r.mu.Lock()
	done := int64(len(r.done))
	p := hunt.Progress{Done: done, Total: done + int64(len(r.todo)+r.open), Unit: "slices", Connections: r.connections}
	r.mu.Unlock()
	r.req.Progress(p)
}

// note tells something once; what is told by kind is not told again for every slice.
func (r *reading) note(kind string, n hunt.Note) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if kind != "" && r.told[kind] {
		return
	}
	r.told[kind] = true
	r.notes = append(r.notes, n)
}

// gap records that n connections of a slice are missing; mu is held.
func (r *reading) gap(s slice, n int64, why string) {
	r.gaps = append(r.gaps, hunt.Note{What: why, Where: "slice " + s.String(), Count: n})
}

// result is the reading as it stands.
func (r *reading) result() hunt.Reading {
	r.mu.Lock()
	defer r.mu.Unlock()
	slices.SortFunc(r.done, func(a, b slice) int { return cmp.Compare(a.From, b.From) })
	out := hunt.Reading{
		Window: r.window, Source: join(r.names), Records: r.connections, Connections: r.connections, Notes: r.notes, Gaps: r.gaps,
	}
	for _, s := range r.done {
		out.Slices = append(out.Slices, hunt.Slice{
			Start: time.UnixMilli(s.From).UTC(), End: time.UnixMilli(s.To).UTC(), Expected: s.Expected, Read: s.Read,
		})
	}
	return out
}

// closing compares what was read with what is there now. More is late data, less was removed meanwhile.
func (r *reading) closing(ctx context.Context, from, to int64, now time.Time) error {
	total, err := r.count(ctx, r.query.in(from, to))
	if err != nil {
		return err
	}
	r.mu.Lock()
	read, gaps := r.connections, len(r.gaps)
	r.mu.Unlock()
	if more := total - read; more > 0 && gaps == 0 {
		r.note("late", hunt.Note{
			What:  fmt.Sprintf("%d more connections of the window arrived while it was read", more),
			Hint:  "a later hunt over the same window has them; a longer settle delay makes this rarer",
			Count: more,
		})
	} else if more < 0 {
		r.note("removed", hunt.Note{
			What:  fmt.Sprintf("%d connections that were read are gone from the cluster by now", -more),
			Hint:  "its disk clean-up removes old indices; what was read is complete",
			Count: -more,
		})
	}
	return r.future(ctx, now)
}

// read gets one slice, counts it, and says what to keep: nil when the slice was put back or given up.
func (r *reading) read(ctx context.Context, p *page, s slice, into []hunt.Connection) ([]hunt.Connection, *slice, error) {
	r.mu.Lock()
	docs := r.docs
	r.mu.Unlock()
	if s.Expected > 2*docs && s.To-s.From > 1 {
		parts, err := r.refine(ctx, s, docs)
		if err != nil {
			return into, nil, r.trouble(ctx, s, err)
		}
		if len(parts) > 0 {
			r.putBack(parts...)
			return into, nil, nil
		}
	}
	first := s.Expected
	into = slices.Grow(into, int(min(s.Expected, MaxPage)))
	for again := range 2 {
		var err error
		into, s.Read, err = r.pages(ctx, p, s, into[:0])
		if err != nil {
			return into, nil, r.trouble(ctx, s, err)
		}
		if s.Read == s.Expected {
			break
		}
		n, err := r.count(ctx, r.query.in(s.From, s.To))
		if err != nil {
			return into, nil, r.trouble(ctx, s, err)
		}
		s.Expected = n
		if s.Read == n {
			break
		}
		r.src.opt.Logger.Debug("slice is read again: its count differs", "slice", s.String(), "expected", n, "read", s.Read, "try", again+1)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case s.Read != s.Expected:
		r.gap(s, max(s.Expected-s.Read, s.Read-s.Expected), fmt.Sprintf("%d connections were counted and %d read, twice", s.Expected, s.Read))
	case s.Read < first:
		s.Expected = first
		r.gap(s, first-s.Read, fmt.Sprintf("%d of %d connections were removed from the cluster during the hunt (disk clean-up?)", first-s.Read, first))
	}
	return into, &s, nil
}

// pages reads a slice, page by page where one does not hold it, and gives its number of records.
func (r *reading) pages(ctx context.Context, p *page, s slice, into []hunt.Connection) ([]hunt.Connection, int64, error) {
	var docs int64
	var after []byte
	for {
		size := r.pageSize(s.Expected)
		var got pageResult
		err := r.search(ctx, "read connections", r.query.page(s.From, s.To, size, after),
			[]string{"aggregations.c.after_key", "aggregations.c.buckets"}, func(res es.SearchResult) error {
				if res.Shards == 0 {
					return nil // All indices are gone; the counts will tell.
				}
				var err error
				into, got, err = p.decode(res.Aggregations, into)
				return err
			})
		if err != nil {
			return into, docs, err
		}
		docs += got.Docs
		if got.Buckets < size || got.After == nil {
			return into, docs, nil
		}
		after = got.After
	}
}

// pageSize is a little more than what is expected, so that a slice to which something was added still fits.
func (r *reading) pageSize(expected int64) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return int(min(int64(r.size), expected+expected/8+minPage))
}

func join(names []string) string {
	s := ""
	for i, n := range names {
		if i > 0 {
			s += ","
		}
		s += n
	}
	return s
}
