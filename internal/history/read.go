package history

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"dwell/internal/hunt"
)

// Selection says which records of a history to read.
type Selection struct {
	// From and To bound the starts of records, [From, To).
	From, To time.Time
	// Hours, if set, are the wanted ones, by their start in Unix milliseconds.
	Hours map[int64]bool
	// Reach, if set, narrows connections to those still open at that moment: those that began before a window and reach
	// into it.
	Reach time.Time
	// Proxied selects connections to internal proxies, and no others.
	Proxied bool
	// Source and Destination, if valid, narrow to records of these addresses. For DNS queries Source is the client, and
	// Destination does not narrow. With Source, a few pages of each segment are read; with Destination, one column of
	// all.
	Source, Destination netip.Prefix
	// Name, if set, narrows names and queries to this name and those below it. It does not narrow connections.
	Name string

	source, destination *interval
}

// settle prepares what rows are compared with.
func (sel *Selection) settle() {
	if sel.Source.IsValid() {
		i := intervalOf(sel.Source)
		sel.source = &i
	}
	if sel.Destination.IsValid() {
		i := intervalOf(sel.Destination)
		sel.destination = &i
	}
}

// between says whether a record's addresses are wanted.
func (sel *Selection) between(src, dst *address) bool {
	return (sel.source == nil || sel.source.has(src)) && (sel.destination == nil || sel.destination.has(dst))
}

// named says whether a name is wanted.
func (sel *Selection) named(name string) bool {
	return sel.Name == "" || hunt.Within(name, sel.Name)
}

// takes says whether a record that starts at ms is wanted.
func (sel *Selection) takes(ms int64) bool {
	return ms >= sel.From.UnixMilli() && ms < sel.To.UnixMilli() && (sel.Hours == nil || sel.Hours[hourOf(ms)])
}

// hourOf is the start of a moment's hour (UTC), Unix milliseconds.
func hourOf(ms int64) int64 { return ms - (ms%hourMS+hourMS)%hourMS }

// Connections passes on the selected connections, from several goroutines, in batches that are reused. Segments that
// cannot be trusted are skipped: lost are their hours.
func (s *Store) Connections(ctx context.Context, sel Selection, emit func([]hunt.Connection) error) (lost map[int64]bool, err error) {
	if !sel.Reach.IsZero() {
		all, reach := emit, sel.Reach.UnixMilli()
		emit = func(batch []hunt.Connection) error {
			batch = slices.DeleteFunc(batch, func(c hunt.Connection) bool { return c.Duration <= 0 || c.Start+c.Duration <= reach })
			if len(batch) == 0 {
				return nil
			}
			return all(batch)
		}
	}
	return eachOf[connection](ctx, s, Connections, sel, sameConnection, (*connection).record, emit)
}

// Names passes on the uses of names, like Connections.
func (s *Store) Names(ctx context.Context, sel Selection, emit func([]hunt.NameRecord) error) (lost map[int64]bool, err error) {
	return eachOf[name](ctx, s, Names, sel, sameName, (*name).record, emit)
}

// Queries passes on the DNS queries, like Connections.
func (s *Store) Queries(ctx context.Context, sel Selection, emit func([]hunt.DNSRecord) error) (lost map[int64]bool, err error) {
	return eachOf[query](ctx, s, Queries, sel, sameQuery, (*query).record, emit)
}

// selected are the spans that may have wanted records.
func (s *Store) selected(sel *Selection) []Span {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Span
	for i := range s.spans {
		sp := s.spans[i]
		wanted := sel.Hours == nil
		for at := sp.Start; at < sp.end() && !wanted; at += hourMS {
			wanted = sel.Hours[at]
		}
		if !sel.Reach.IsZero() && sp.end()+sp.Longest <= sel.Reach.UnixMilli() {
			continue
		}
		if wanted && sp.end() > sel.From.UnixMilli() && sp.Start < sel.To.UnixMilli() {
			out = append(out, sp)
		}
	}
	return out
}

// eachOf reads the segments of one kind, several spans in parallel.
func eachOf[T any, R any, P row[T]](ctx context.Context, s *Store, kind Kind, sel Selection, same identity[R], record func(*T) R, emit func([]R) error) (map[int64]bool, error) {
	sel.settle()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	var mu sync.Mutex
	lost := map[int64]bool{}
	spans := s.selected(&sel)
	for _, sp := range spans {
		of := slices.DeleteFunc(slices.Clone(sp.Segments), func(seg Segment) bool { return seg.Kind != kind })
		if len(of) == 0 {
			continue
		}
		g.Go(func() error {
			rows := func(seg Segment, take func([]R) error) error {
				return inParts[T, P](ctx, s.dir, seg, &sel, len(spans), func(ctx context.Context, some []rows) error {
					out := make([]R, 0, batchRows)
					return each[T, P](ctx, s.dir, seg, some, &sel, func(rows []T) error {
						out = out[:0]
						for i := range rows {
							out = append(out, record(&rows[i]))
						}
						return take(out)
					})
				})
			}
			err := together(of, same, rows, emit)
			if errors.Is(err, ErrDamaged) {
				mu.Lock()
				defer mu.Unlock()
				for at := sp.Start; at < sp.end(); at += hourMS {
					lost[at] = true
				}
				return nil
			}
			return err
		})
	}
	return lost, g.Wait()
}

// together reads a span's segments, each record once: segments after the first have late arrivals, which are few.
func together[R any](of []Segment, same identity[R], rows func(Segment, func([]R) error) error, emit func([]R) error) error {
	came := newArrivals(same)
	for _, seg := range of[1:] {
		if err := rows(seg, func(batch []R) error { came.add(batch); return nil }); err != nil {
			return err
		}
	}
	err := rows(of[0], func(batch []R) error {
		if batch = came.without(batch); len(batch) == 0 {
			return nil
		}
		return emit(batch)
	})
	if err != nil {
		return err
	}
	if rest := came.rest(func(int64) bool { return true }); len(rest) > 0 {
		return emit(rest)
	}
	return nil
}

// inParts reads the rows of a segment that may be selected, in parallel parts where few spans are read. A segment is
// checked as a whole before all of it is read.
func inParts[T any, P row[T]](ctx context.Context, dir string, seg Segment, sel *Selection, spans int, read func(context.Context, []rows) error) error {
	if sel.source == nil && sel.destination == nil && sel.Name == "" {
		if err := check(dir, seg); err != nil {
			return err
		}
	}
	some, err := pick[T, P](ctx, dir, seg, sel)
	if err != nil || len(some) == 0 {
		return err
	}
	n := int64(max(1, readers/spans))
	if len(some) > 1 || seg.Rows < leastPart*n {
		return read(ctx, some)
	}
	g, ctx := errgroup.WithContext(ctx)
	all := some[0].to - some[0].from
	for i := range n {
		g.Go(func() error { return read(ctx, []rows{{some[0].from + i*all/n, some[0].from + (i+1)*all/n}}) })
	}
	return g.Wait()
}

// leastPart is the least number of rows for a reader of its own.
const leastPart = 1 << 17

// readers is the number of parts of segments read at once.
const readers = 4
