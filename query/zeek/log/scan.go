package log

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"dwell/internal/hunt"
)

// chunkSize is how much of a file one goroutine parses at a time: large enough that handing over costs nothing, small
// enough that a few dozen stay in the processor's caches.
const chunkSize = 512 << 10

// Scan is one pass over files: some goroutines read and unpack them, as many parse the results.
type Scan struct {
	// Workers is the number of goroutines that parse; zero means one a processor. ChunkSize is for tests.
	Workers, ChunkSize int
	// Fields are read besides ts, uid and the log. Kinds are the logs whose records are wanted.
	Fields []Field
	Kinds  []Kind
	// Times are logs whose records only count for their times.
	Times []Kind
	// Read, if set, counts the bytes read from files; Progress, if set, is called now and then.
	Read     *atomic.Int64
	Progress func()
	// Bucket is the span of Counts.Buckets, milliseconds; zero is an hour.
	Bucket int64
	// New makes a taker for each goroutine that parses.
	New func() Taker
}

// Taker gets the records that one goroutine parses.
type Taker interface {
	// Take gets a record with the counts of its part of the file. why, unless empty, says that it is not a record after
	// all.
	Take(r *Record, n *Counts) (why Problem, err error)
	// Flush passes on the rest after the last record.
	Flush() error
}

// Problem is why a line is not a record.
type Problem = problem

// Fine means that it is one; NoSource and NoDestination that an address is missing or unreadable.
const (
	Fine        = fine
	NoAddresses = missingAddr
	NoSource    = badSrc
	NoTarget    = badDst
)

// chunk is a part of a file: whole lines, except that the last one of a file may lack its end.
type chunk struct {
	file *File
	// head is the header at the beginning of the chunk.
	head *Header
	data []byte
	// line is the number of its first line, counted from 1.
	line int64
	// final says that the file ends here.
	final bool
	buf   *[]byte
}

// Run reads all files.
func (s *Scan) Run(ctx context.Context, files []*File) error {
	if s.Workers <= 0 {
		s.Workers = runtime.GOMAXPROCS(0)
	}
	if s.ChunkSize <= 0 {
		s.ChunkSize = chunkSize
	}
	if s.Bucket <= 0 {
		s.Bucket = setBack
	}
	want, times := kindSet(s.Kinds), kindSet(s.Times)
	g, ctx := errgroup.WithContext(ctx)
	chunks := make(chan chunk, s.Workers)
	pool := &sync.Pool{New: func() any {
		b := make([]byte, 0, s.ChunkSize)
		return &b
	}}
	var next atomic.Int64
	var readers sync.WaitGroup
	for range min(s.Workers, len(files)) {
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
	for range s.Workers {
		g.Go(func() error {
			p, t := NewParser(s.Fields...), s.New()
			for c := range chunks {
				if err := ctx.Err(); err != nil {
					return err
				}
				if err := c.parse(p, t, want, times, s.Bucket); err != nil {
					return err
				}
				*c.buf = (*c.buf)[:0]
				pool.Put(c.buf)
				if s.Progress != nil {
					s.Progress()
				}
			}
			return t.Flush()
		})
	}
	err := g.Wait()
	if err == nil {
		for _, f := range files {
			f.settled()
		}
	}
	return err
}

// kindSet is a few kinds.
type kindSet []Kind

func (s kindSet) has(k Kind) bool {
	for _, x := range s {
		if x == k {
			return true
		}
	}
	return false
}

// readFile cuts a file into chunks at line ends and follows its headers.
func (s *Scan) readFile(ctx context.Context, f *File, chunks chan<- chunk, pool *sync.Pool) error {
	f.reset()
	opened, err := openLog(f.Path, s.Read)
	if err != nil {
		// It could be opened a moment ago, so it was rotated away or has changed: a gap, not the end of the hunt.
		f.Ended = err
		return nil
	}
	defer opened.Close() // it is only read
	var in io.Reader = opened.Reader
	if f.loose {
		in = f.open(opened)
	}
	head := f.head
	line := int64(1)
	var carry []byte
	for {
		buf := pool.Get().(*[]byte)
		data := append((*buf)[:0], carry...)
		data, err = fill(in, data, s.ChunkSize)
		final := err != nil
		if final && !errors.Is(err, io.EOF) {
			f.Ended = err
		}
		end := len(data)
		if !final {
			end = bytes.LastIndexByte(data, '\n') + 1
			if end == 0 && len(data) >= maxLine {
				// No record is that long. The line is given up, and its remains count as a bad line.
				end = len(data)
			}
		}
		carry = append(carry[:0], data[end:]...)
		*buf = data
		if end > 0 {
			c := chunk{file: f, head: head, data: data[:end], line: line, final: final, buf: buf}
			var lines int64
			head, lines = head.after(c.data)
			line += lines
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

// fill reads until data has at least size more bytes than before, or the input ends.
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

// after is the header after these lines, with their number of line ends. Between a header's lines there may be what
// clean removes. It reads the text once: what reads a file ahead of the parsers must be quick.
func (h *Header) after(data []byte) (next *Header, lines int64) {
	for len(data) > 0 {
		end := bytes.IndexByte(data, '\n')
		if end >= 0 {
			lines++
		} else {
			end = len(data)
		}
		if data[0] == '#' || data[0] == 0 || data[0] == 0xef {
			if line := clean(bytes.TrimRight(data[:end], "\r")); len(line) > 0 && line[0] == '#' {
				h = h.with(line)
			}
		}
		data = data[min(end+1, len(data)):]
	}
	return h, lines
}

// parse passes every wanted record of the chunk to the taker, and counts the rest.
func (c *chunk) parse(p *Parser, t Taker, want, times kindSet, bucket int64) error {
	n := newCounts()
	n.File, n.Bucket = c.file, bucket
	head, number := c.head, c.line-1
	var kind, path, mark Kind
	wanted, of := false, -1
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
		if len(line) > 0 && line[0] == 0 {
			if n.zeros == 0 {
				n.zeroLine = number
			}
			n.zeros++
		}
		if line = clean(line); len(line) == 0 {
			continue
		}
		if line[0] == '#' {
			head = head.with(line)
			n.clock = clock{}
			continue
		}
		why := p.line(line, head)
		if why == fine {
			if of < 0 || p.path != path || p.mark != mark {
				path, mark = p.path, p.mark
				kind = settle(c.file.Named, path, mark)
				wanted, of = want.has(kind), n.kind(kind)
			}
			p.Kind = kind
			n.kinds[of].n++
			if !wanted {
				if kind == Other && p.path == "" && !p.Has(Path) && p.UID != (hunt.UID{}) && (p.json || head.Path == "") {
					if n.nameless == 0 {
						n.namelessLine = number
					}
					n.nameless++
				}
				if times.has(p.Kind) {
					n.Early, n.Late = min(n.Early, p.Start), max(n.Late, p.Start)
				}
				continue
			}
			var err error
			n.number = number
			future := n.Future
			if why, err = t.Take(&p.Record, &n); err != nil {
				return fmt.Errorf("hand on %s records: %w", p.Kind, err)
			}
			if why == fine {
				n.Records++
				if n.Future == future { // an impossible time of a record is no end of a log either
					n.First, n.Last = min(n.First, p.Start), max(n.Last, p.Start)
				}
				if p.odd != None {
					n.oddly(number, p.odd)
				}
			}
		}
		switch {
		case why == fine || why == foreign || p.mark == suricata:
		case c.file.isNames(line, number):
		case !whole && c.final:
			n.torn, n.tornWhy = n.torn+1, why
		default:
			if n.bad == 0 {
				n.badLine, n.badWhy = number, why
			}
			n.bad++
		}
	}
	c.file.add(&n)
	return nil
}

// isNames says whether a line names the columns.
func (f *File) isNames(line []byte, number int64) bool {
	return number == 1 && f.head.Names != nil && nameHeader(line) != nil
}

// ends is what LastRecord reads from the end of a plain file.
const ends = 64 << 10

// LastRecord is when the last record of the file began, without reading all of it: the newest of the last lines of a
// file that is not compressed. ok is false if it is unknown.
func (f *File) LastRecord() (ms int64, ok bool) {
	if f.loose || !f.Has {
		return 0, false
	}
	l, err := OpenLines(f.Path)
	if err != nil {
		return 0, false
	}
	defer l.Close()
	head, _ := l.in.Peek(2)
	raw := make([]byte, 2)
	if n, _ := l.s.file.ReadAt(raw, 0); n < 2 || !bytes.Equal(head, raw) || f.Size == 0 {
		return 0, false // compressed
	}
	if _, err := l.Next(); err != nil { // for the header
		return 0, false
	}
	if l.Header.Names == nil {
		l.Header = f.head
	}
	if !l.seek(max(f.Size-ends, 0)) {
		return 0, false
	}
	p := NewParser()
	for ms = math.MinInt64; ; {
		line, err := l.Next()
		if err != nil {
			return ms, ms != math.MinInt64
		}
		if p.line(line, l.Header) == fine {
			ms = max(ms, p.Start)
		}
	}
}
