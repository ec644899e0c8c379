package history

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"dwell/internal/hunt"
)

// Recording takes what a hunt reads, in any order and from any number of goroutines, until it is committed or
// discarded. It has a million rows in memory and writes the rest to segments that are not valid before the commit.
type Recording struct {
	s       *Store
	stamp   string
	release func()
	ended   bool

	mu    sync.Mutex
	hours map[int64]*recorded
	// anew says that nothing that was kept before counts after the commit.
	anew bool
	// local are the addresses that are local by all that was read; nil changes nothing.
	local []netip.Addr
	// lost hours are damaged: the commit removes what was kept of them.
	lost  map[int64]bool
	rows  int
	limit int
	files int
	err   error
}

// recorded is what has arrived for one hour.
type recorded struct {
	connections []connection
	names       []name
	queries     []query
	segments    []Segment
	longest     int64
}

const (
	// maxRows is the number of rows in memory.
	maxRows = 1 << 20
	// maxSegments is the number of a span's segments above which they are merged to one of each kind.
	maxSegments = 12
	// maxLate is the number of rows of a kind in an hour's later segments above which they are merged, too: readers have
	// them in memory.
	maxLate = 1 << 16
)

// lateRows is the largest number of rows of a kind in segments after the first.
func lateRows(segments []Segment) (most int64) {
	rows, first := map[Kind]int64{}, map[Kind]bool{}
	for _, seg := range segments {
		if first[seg.Kind] {
			rows[seg.Kind] += seg.Rows
		}
		first[seg.Kind] = true
		most = max(most, rows[seg.Kind])
	}
	return most
}

// Record begins a recording, which makes this process the history's writer until commit or Discard. With wait it waits
// for its turn, else the error wraps [atomicfile.ErrLocked] while another process writes.
func (s *Store) Record(ctx context.Context, wait bool) (*Recording, error) {
	release, err := s.lock(ctx, wait)
	if err != nil {
		return nil, err
	}
	return &Recording{s: s, release: release, stamp: strconv.FormatInt(s.o.Now().UnixNano(), 36), limit: maxRows, hours: map[int64]*recorded{}}, nil
}

// AddConnections adds a batch; commit returns errors on disk.
func (r *Recording) AddConnections(batch []hunt.Connection) {
	add(r, batch, func(c *hunt.Connection) int64 { return c.Start }, func(h *recorded) *[]connection { return &h.connections }, (*connection).from)
}

// AddProxied adds connections to internal proxies.
func (r *Recording) AddProxied(batch []hunt.Connection) {
	add(r, batch, func(c *hunt.Connection) int64 { return c.Start }, func(h *recorded) *[]connection { return &h.connections },
		func(row *connection, c *hunt.Connection) { row.from(c); row.Proxied = true })
}

// AddNames adds uses of names.
func (r *Recording) AddNames(batch []hunt.NameRecord) {
	add(r, batch, func(n *hunt.NameRecord) int64 { return n.Start }, func(h *recorded) *[]name { return &h.names }, (*name).from)
}

// AddQueries adds DNS queries.
func (r *Recording) AddQueries(batch []hunt.DNSRecord) {
	add(r, batch, func(q *hunt.DNSRecord) int64 { return q.Start }, func(h *recorded) *[]query { return &h.queries }, (*query).from)
}

func add[R, T any](r *Recording, batch []R, start func(*R) int64, list func(*recorded) *[]T, from func(*T, *R)) {
	if r == nil { // nothing is kept
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return
	}
	for i := range batch {
		at := hourOf(start(&batch[i]))
		h := r.hours[at]
		if h == nil {
			h = &recorded{}
			r.hours[at] = h
		}
		l := list(h)
		*l = append(*l, *new(T))
		from(&(*l)[len(*l)-1], &batch[i])
	}
	if r.rows += len(batch); r.rows >= r.limit {
		for at, h := range r.hours {
			r.err = cmp.Or(r.err, r.flush(at, h))
		}
	}
}

// flush writes what is in memory of an hour.
func (r *Recording) flush(at int64, h *recorded) error {
	stem := fmt.Sprintf("%s-%s-%d-", time.UnixMilli(at).UTC().Format("20060102T15"), r.stamp, r.files)
	r.files++
	for i := range h.connections {
		h.longest = max(h.longest, h.connections[i].Duration)
	}
	var err error
	put := func(seg Segment, failed error) {
		if err = cmp.Or(err, failed); seg.Rows > 0 {
			seg.Commit = r.s.commits + 1
			h.segments = append(h.segments, seg)
		}
	}
	put(writeSome(r.s.dir, stem, Connections, h.connections))
	put(writeSome(r.s.dir, stem, Names, h.names))
	put(writeSome(r.s.dir, stem, Queries, h.queries))
	r.rows -= len(h.connections) + len(h.names) + len(h.queries)
	h.connections, h.names, h.queries = nil, nil, nil
	return err
}

func writeSome[T any, P row[T]](dir, stem string, kind Kind, rows []T) (Segment, error) {
	if len(rows) == 0 {
		return Segment{}, nil
	}
	return write[T, P](dir, stem+string(kind)+".parquet", kind, rows)
}

// forget drops hours that turned out to be damaged.
func (r *Recording) forget(hours map[int64]bool) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lost == nil {
		r.lost = map[int64]bool{}
	}
	maps.Copy(r.lost, hours)
}

// commit ends a recording and makes hours valid, each with its state: whole ones replace what was kept of them, others
// get what is new, and known records count once. Everything else that was recorded is dropped. Hours that ended before
// days are merged into days. It returns the number of hours dropped because the history exceeded its size.
func (r *Recording) commit(whole, more map[int64]hunt.HourState, days time.Time) (dropped int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.release()
	r.ended = true
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	if r.err != nil {
		return 0, r.err
	}
	if r.local != nil || r.anew {
		r.s.local = r.local
	}
	if r.anew {
		r.s.dropped = 0
	}
	spans := slices.DeleteFunc(slices.Clone(r.s.spans), func(sp Span) bool {
		for at := sp.Start; at < sp.end(); at += hourMS {
			if r.anew || r.lost[at] {
				return true
			}
		}
		return false
	})
	for _, put := range []struct {
		hours map[int64]hunt.HourState
		add   bool
	}{{whole, false}, {more, true}} {
		if spans, err = r.put(spans, put.hours, put.add); err != nil {
			return 0, err
		}
	}
	if spans, err = r.s.mergeDays(spans, days); err != nil {
		return 0, err
	}
	spans, dropped = r.s.bound(spans)
	if err := r.s.commit(spans); err != nil {
		return 0, err
	}
	return dropped, r.s.sweep()
}

// put writes what was recorded of some hours and returns the spans with them.
func (r *Recording) put(spans []Span, hours map[int64]hunt.HourState, add bool) ([]Span, error) {
	var fresh []Span
	for at, state := range hours {
		h := r.hours[at]
		if h == nil {
			h = &recorded{}
		}
		if err := r.flush(at, h); err != nil {
			return nil, err
		}
		fresh = append(fresh, Span{Start: at, Hours: 1, States: []hunt.HourState{state}, Longest: h.longest, Segments: h.segments})
	}
	var out, grown []Span
	for _, old := range spans {
		overlaps := func(n Span) bool { return n.Start < old.end() && old.Start < n.end() }
		switch {
		case !slices.ContainsFunc(fresh, overlaps):
			out = append(out, old)
		case add: // what is added to an hour of a merged day becomes part of the day
			old.Segments, old.States = slices.Clone(old.Segments), slices.Clone(old.States)
			for _, n := range fresh {
				if overlaps(n) {
					old.Segments = append(old.Segments, n.Segments...)
					old.States[(n.Start-old.Start)/hourMS] = n.States[0]
					old.Longest = max(old.Longest, n.Longest)
				}
			}
			fresh = slices.DeleteFunc(fresh, overlaps)
			grown = append(grown, old)
		}
	}
	fresh = append(fresh, grown...)
	for i := range fresh {
		if late := lateRows(fresh[i].Segments); add && len(fresh[i].Segments) <= maxSegments && (late <= maxLate || fresh[i].Hours > 1) {
			continue // late records are few, and readers put them in their place
		}
		stem := fmt.Sprintf("%s-%s-%d-", time.UnixMilli(fresh[i].Start).UTC().Format("20060102T15"), r.stamp, r.files)
		r.files++
		var err error
		if fresh[i].Segments, err = r.s.oneEach(fresh[i].Segments, stem); err != nil {
			return nil, err
		}
	}
	out = append(out, fresh...)
	slices.SortFunc(out, func(a, b Span) int { return cmp.Compare(a.Start, b.Start) })
	return out, nil
}

// oneEach merges segments of one kind, so that a record in two of them counts once.
func (s *Store) oneEach(segments []Segment, stem string) (out []Segment, err error) {
	for _, kind := range []Kind{Connections, Names, Queries} {
		var of []Segment
		for _, seg := range segments {
			if seg.Kind == kind {
				of = append(of, seg)
			}
		}
		if len(of) > 1 {
			one, err := s.merge(kind, stem, of)
			if err != nil {
				return nil, err
			}
			of = []Segment{one}
		}
		out = append(out, of...)
	}
	return out, nil
}

// Discard removes what a recording has written and ends it; after commit it does nothing.
func (r *Recording) Discard() error {
	defer r.release()
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	if r.ended {
		return nil
	}
	r.ended = true
	return r.s.sweep()
}

// Hours are those with recorded records, Unix milliseconds.
func (r *Recording) Hours() []int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.hours))
}
