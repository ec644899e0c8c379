package zeek

import (
	"context"
	"fmt"
	"math"
	"sync/atomic"

	"dwell/internal/hunt"
)

// batchSize is how many connections are handed on at once.
const batchSize = 2048

// scan is one pass over files.
type scan struct {
	pipeline
	scope hunt.Scope
	// spanOnly reads no more of a record than its time and addresses, and hands nothing on.
	spanOnly bool
	// minutes notes in which minutes there are records, in scope or not.
	minutes bool
	// from and to bound the starts of what is handed on, Unix milliseconds, half-open.
	from, to int64
	// take gets every connection that is in scope and in bounds, from several goroutines at once; it keeps
	// nothing of the batch. It is not called when spanOnly is set.
	take func(batch []hunt.Connection) error
	// closed, if set, is told the uid of every record of a closed connection.
	closed func(hunt.UID)
	// connections counts what was handed on.
	connections *atomic.Int64
}

// run makes the pass.
func (s *scan) run(ctx context.Context, files []*logFile) error {
	return s.pipeline.run(ctx, files, func() taker {
		return &worker{scan: s, parser: newParser(), batch: make([]hunt.Connection, 0, batchSize)}
	})
}

// worker parses chunks and hands on what is wanted.
type worker struct {
	scan   *scan
	parser *parser
	batch  []hunt.Connection
}

// chunk parses the lines of a chunk.
func (w *worker) chunk(c chunk) error {
	n := newCounts()
	var at clock
	err := c.lines(&n, func(line []byte, head *header, number int64) (problem, error) {
		if line == nil {
			at = clock{}
			return fine, nil
		}
		why := w.parse(line, head)
		kind := w.kind(c.file, head)
		if kind == otherKind {
			return foreign, nil
		}
		if why != fine {
			return why, nil
		}
		if line := at.step(w.count(&n, kind), number); line > 0 {
			n.step(line)
		}
		return fine, w.record(&n, kind)
	})
	c.file.tally.add(&n)
	return err
}

// parse reads one line, TSV or JSON.
func (w *worker) parse(line []byte, head *header) problem {
	if line[0] == '{' {
		return w.parser.json(line)
	}
	if w.scan.spanOnly {
		return w.parser.tsv(line, head, &head.span)
	}
	return w.parser.tsv(line, head, &head.full)
}

// kind is the log that the record just parsed belongs to.
func (w *worker) kind(f *logFile, head *header) Kind {
	path := w.parser.path
	if path == "" && head.path != "" {
		path = head.kind
	}
	return f.kind.of(path)
}

// count counts a record.
func (w *worker) count(n *counts, kind Kind) moment {
	c := &w.parser.conn
	n.records++
	n.first, n.last = min(n.first, c.Start), max(n.last, c.Start)
	if w.scan.minutes {
		n.at(c.Start)
	}
	if w.parser.negative {
		n.negative++
	}
	switch kind {
	case HTTPLog:
		c.Service, c.Proto = "http", hunt.TCP
	case SSLLog:
		c.Service, c.Proto = "ssl", hunt.TCP
	default:
		c.Open = kind.Open()
	}
	return moment{c.Start, c.Start + max(c.Duration, 0)}
}

// record hands the record just parsed on, if it is wanted.
func (w *worker) record(n *counts, kind Kind) error {
	c := &w.parser.conn
	s := w.scan
	if s.closed != nil && !kind.Open() {
		s.closed(c.UID)
	}
	if !s.scope.Keep(c.Src, c.Dst) {
		return nil
	}
	n.kept++
	n.oldest, n.newest = min(n.oldest, c.Start), max(n.newest, c.Start)
	if s.spanOnly || c.Start < s.from || c.Start >= s.to {
		return nil
	}
	n.emitted++
	w.batch = append(w.batch, *c)
	if len(w.batch) == cap(w.batch) {
		return w.flush()
	}
	return nil
}

func (w *worker) flush() error {
	if len(w.batch) == 0 {
		return nil
	}
	if err := w.scan.take(w.batch); err != nil {
		return fmt.Errorf("hand on connections: %w", err)
	}
	w.scan.connections.Add(int64(len(w.batch)))
	w.batch = w.batch[:0]
	return nil
}

// always is the pair of bounds that leaves nothing out.
func always() (from, to int64) { return math.MinInt64, math.MaxInt64 }
