package elastic

import (
	"fmt"
	"sync/atomic"

	"dwell/internal/hunt"
	"dwell/internal/securityonion"
	"dwell/query/once"
)

// Documents are delivered twice, and two sensors log what both see. Buckets have no uid: building its list of values
// would cost the server more than the search. A query is known by the client's port, a request by its number within its
// connection, a message by the sensor.
const (
	letterWithin, letterSensor = 'e', 'b'
	// recordsOnce is the number of records remembered to recognize repeats.
	recordsOnce = once.Most / 8
)

// sensorSource is the sensor; depthSource the number of a request, from 1.
func sensorSource() source {
	return source{string(letterSensor), securityonion.FieldObserver, true}
}
func depthSource() source { return source{string(letterWithin), fieldDepth, true} }

// seen is a record with what tells it from others of its connection: a number within it, or the sensor.
type seen[T any] struct {
	record T
	within int64
	sensor string
}

// seenRow makes a row's records with what tells them apart.
func seenRow[T any](w row[T]) row[seen[T]] {
	return row[seen[T]]{
		key: func(p *cells, s *seen[T]) bool {
			p.within, p.sensor = 0, ""
			whole := w.key(p, &s.record)
			s.within, s.sensor = p.within, p.sensor
			return whole
		},
		count: func(s *seen[T], n int64) { w.count(&s.record, n) },
	}
}

// eachOnce passes on each record when it comes for the first time.
type eachOnce[T any] struct {
	many string
	// every has all count.
	every bool
	set   *once.Records
	// what is the hash of what a record says, by the hash of who saw it if it may say that twice; what 0 if unknown.
	what  func(*once.Records, *seen[T]) (what, by uint64)
	start func(*T) int64
	count func(*T) *int64
	came  atomic.Int64
}

// rows makes rows for a log, each record once.
func (e *eachOnce[T]) rows(w row[T], emit func([]T) error) func() rows {
	if e.every {
		return rowsOf(w, emit)
	}
	e.set = once.NewRecords(recordsOnce)
	return rowsOf(seenRow(w), func(batch []seen[T]) error {
		out, again := make([]T, 0, len(batch)), int64(0)
		for i := range batch {
			s := &batch[i]
			n := e.count(&s.record)
			if what, by := e.what(e.set, s); what != 0 {
				if e.set.Copy(what, by, e.start(&s.record)) {
					again += *n
					continue
				}
				if by == 0 { // documents of one bucket are one record
					again, *n = again+*n-1, 1
				}
			}
			out = append(out, s.record)
		}
		e.came.Add(again)
		if len(out) == 0 {
			return nil
		}
		return emit(out)
	})
}

// tell reports repeats.
func (e *eachOnce[T]) tell(out *hunt.Reading) {
	again := e.came.Load()
	if again == 0 {
		return
	}
	out.Connections -= again
	out.Notes = append(out.Notes, hunt.Note{Where: out.Source, What: fmt.Sprintf("%s that came already, and count once: %s", e.many, hunt.Count(again)),
		Hint: cameTwice})
	if e.set.Forgot() {
		out.Notes = append(out.Notes, once.Forgotten(e.many, recordsOnce))
	}
}

// uses recognizes the records of logs that name a destination.
func uses(many string, every bool) *eachOnce[hunt.NameRecord] {
	return &eachOnce[hunt.NameRecord]{many: many, every: every,
		start: func(n *hunt.NameRecord) int64 { return n.Start }, count: func(n *hunt.NameRecord) *int64 { return &n.Count },
		what: func(r *once.Records, s *seen[hunt.NameRecord]) (what, by uint64) {
			n := s.record
			n.Start, n.Count = 0, 0
			switch {
			case n.SrcPort == 0:
				return 0, 0
			case n.Kind == hunt.Message:
				if s.sensor == "" {
					return 0, 0
				}
				by = once.Hash(r, s.sensor)
			case n.Kind == hunt.HTTP && s.within == 0:
				return 0, 0
			}
			return once.Hash(r, seen[hunt.NameRecord]{record: n, within: s.within}), by
		}}
}

// queries recognizes DNS queries.
func queries(every bool) *eachOnce[hunt.DNSRecord] {
	type question struct {
		client, resolver [16]byte
		port             int64
		name, kind       string
	}
	return &eachOnce[hunt.DNSRecord]{many: "DNS queries", every: every,
		start: func(d *hunt.DNSRecord) int64 { return d.Start }, count: func(d *hunt.DNSRecord) *int64 { return &d.Count },
		what: func(r *once.Records, s *seen[hunt.DNSRecord]) (what, by uint64) {
			if s.within == 0 {
				return 0, 0
			}
			d := &s.record
			return once.Hash(r, question{d.Client.As16(), d.Resolver.As16(), s.within, d.Query, d.Type}), 0
		}}
}
