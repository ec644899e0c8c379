package zeek

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"dwell/internal/hunt"
)

// chunkSize is how much of a file one goroutine parses at a time. Large enough that handing over costs nothing, small
// enough that a few dozen of them stay in the processor's caches.
const chunkSize = 512 << 10

// batchSize is how many connections are handed on at once.
const batchSize = 2048

// scan is one pass over files.
type scan struct {
	workers   int
	chunkSize int
	scope     hunt.Scope
	// spanOnly reads no more of a record than its time and addresses, and hands nothing on.
	spanOnly bool
	// from and to bound the starts of what is handed on, Unix milliseconds, half-open.
	from, to int64
	// take gets every connection that is in scope and in bounds, from several goroutines at once; it keeps
	// nothing of the batch. It is not called when spanOnly is set.
	take func(batch []hunt.Connection) error
	// closed, if set, is told the uid of every record of a closed connection.
	closed func(hunt.UID)
	// progress, if set, is called now and then.
	progress func()
	// read counts bytes of files, connections what was handed on.
	read        *atomic.Int64
	connections *atomic.Int64
}

// chunk is a part of a file: whole lines, except that the last one of a file may lack its end.
type chunk struct {
	file *logFile
	// head is the header that holds where the chunk begins.
	head *header
	data []byte
	// line is the number of its first line, counting from 1.
	line int64
	// final says that the file ends here.
	final bool
	buf   *[]byte
}

// run reads all files: some goroutines read and unpack them, as many parse what those hand over.
func (s *scan) run(ctx context.Context, files []*logFile) error {
	g, ctx := errgroup.WithContext(ctx)
	chunks := make(chan chunk, s.workers)
	pool := &sync.Pool{New: func() any {
		b := make([]byte, 0, s.chunkSize)
		return &b
	}}
	var next atomic.Int64
	var readers sync.WaitGroup
	for range min(s.workers, len(files)) {
		readers.Add(1)
		g.Go(func() error {
			defer readers.Done()
			for {
				i := int(next.Add(1)) - 1
				if i >= len(files) {
					return nil
				}
				if err := s.readFile(ctx, files[i], chunks, pool); err != nil {
					return err
				}
			}
		})
	}
	go func() {
		readers.Wait()
		close(chunks)
	}()
	for range s.workers {
		g.Go(func() error {
			w := &worker{scan: s, parser: newParser(), batch: make([]hunt.Connection, 0, batchSize)}
			for c := range chunks {
				if err := ctx.Err(); err != nil {
					return err
				}
				if err := w.chunk(c); err != nil {
					return err
				}
				*c.buf = (*c.buf)[:0]
				pool.Put(c.buf)
				if s.progress != nil {
					s.progress()
				}
			}
			return w.flush()
		})
	}
	return g.Wait()
}

// readFile cuts a file into chunks at line ends and follows its headers on the way.
func (s *scan) readFile(ctx context.Context, f *logFile, chunks chan<- chunk, pool *sync.Pool) error {
	f.tally.reset()
	in, err := openLog(f.path, s.read)
	if err != nil {
		// It could be opened a moment ago, so it was rotated away or has changed: a gap, not the end of the hunt.
		f.tally.ended = err
		return nil
	}
	defer func() { _ = in.Close() }()
	head := newHeader()
	line := int64(1)
	begun := false
	var carry []byte
	for {
		buf := pool.Get().(*[]byte)
		data := append((*buf)[:0], carry...)
		data, err = fill(in, data, s.chunkSize)
		if !begun {
			data = bytes.TrimPrefix(data, bom)
			begun = true
		}
		final := err != nil
		if final && !errors.Is(err, io.EOF) {
			f.tally.ended = err
		}
		end := len(data)
		if !final {
			end = bytes.LastIndexByte(data, '\n') + 1
			if end == 0 && len(data) >= maxLine {
				// No record is that long. The line is given up here and its remains count as a bad line.
				end = len(data)
			}
		}
		carry = append(carry[:0], data[end:]...)
		*buf = data
		if end > 0 {
			c := chunk{file: f, head: head, data: data[:end], line: line, final: final, buf: buf}
			head = head.after(c.data)
			line += int64(bytes.Count(c.data, []byte{'\n'}))
			select {
			case chunks <- c:
			case <-ctx.Done():
				return ctx.Err()
			}
		} else {
			pool.Put(buf)
		}
		if final {
			return nil
		}
	}
}

// fill reads until data holds at least size bytes more than before, or the input ends.
func fill(in io.Reader, data []byte, size int) ([]byte, error) {
	want := len(data) + size
	if cap(data) < want {
		data = append(make([]byte, 0, want), data...)
	}
	for len(data) < want {
		n, err := in.Read(data[len(data):want])
		data = data[:len(data)+n]
		if err != nil {
			return data, err
		}
	}
	return data, nil
}

// after is the header that holds behind these lines.
func (h *header) after(data []byte) *header {
	for {
		if len(data) > 0 && data[0] == '#' {
			end := bytes.IndexByte(data, '\n')
			if end < 0 {
				return h
			}
			h = h.with(bytes.TrimRight(data[:end], "\r"))
			data = data[end+1:]
			continue
		}
		next := bytes.Index(data, []byte("\n#"))
		if next < 0 {
			return h
		}
		data = data[next+1:]
	}
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
	head, number := c.head, c.line-1
	var above moment
	for data := c.data; len(data) > 0; {
		number++
		line, whole := data, false
		if end := bytes.IndexByte(data, '\n'); end >= 0 {
			line, data, whole = data[:end], data[end+1:], true
		} else {
			data = nil
		}
		if len(line) > 0 && line[len(line)-1] == '\r' {
			line = line[:len(line)-1]
		}
		if len(line) == 0 {
			continue
		}
		if line[0] == '#' {
			head = head.with(line)
			above = moment{}
			continue
		}
		why := w.parse(line, head)
		kind := w.kind(c.file, head)
		switch {
		case kind == otherKind:
			n.foreign++
			continue
		case why == fine:
		case !whole && c.final:
			n.torn, n.tornWhy = n.torn+1, why
			continue
		default:
			if n.bad == 0 {
				n.badLine, n.badWhy = number, why
			}
			n.bad++
			continue
		}
		now := w.count(&n, kind)
		if now.before(above) {
			if n.steps == 0 {
				n.stepLine = number
			}
			n.steps++
		}
		above = now
		if err := w.record(&n, kind); err != nil {
			return err
		}
	}
	c.file.tally.add(&n)
	return nil
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
	if path == "" || path == f.kind || (f.kind.Open() && path == Conn) {
		return f.kind
	}
	if path.Open() && f.kind == Conn {
		return path
	}
	return otherKind
}

// count counts a record.
func (w *worker) count(n *counts, kind Kind) moment {
	c := &w.parser.conn
	n.records++
	n.first, n.last = min(n.first, c.Start), max(n.last, c.Start)
	if w.parser.negative {
		n.negative++
	}
	switch kind {
	case HTTP:
		c.Service, c.Proto = "http", hunt.TCP
	case SSL:
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
