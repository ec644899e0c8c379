package zeek

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// chunkSize is how much of a file one goroutine parses at a time. Large enough that handing over costs nothing, small
// enough that a few dozen of them stay in the processor's caches.
const chunkSize = 512 << 10

// pipeline goes over files: some goroutines read and unpack them, as many parse what those hand over.
type pipeline struct {
	workers   int
	chunkSize int
	// read counts the bytes read from files; progress, if set, is called now and then.
	read     *atomic.Int64
	progress func()
}

// taker parses chunks. Each belongs to one goroutine.
type taker interface {
	chunk(c chunk) error
	// flush hands on what is left when there are no more chunks.
	flush() error
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

// run reads all files and hands their chunks to takers, one of which is made for each goroutine that parses.
func (s *pipeline) run(ctx context.Context, files []*logFile, newTaker func() taker) error {
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
			w := newTaker()
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
func (s *pipeline) readFile(ctx context.Context, f *logFile, chunks chan<- chunk, pool *sync.Pool) error {
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

// lines calls parse with every line of the chunk that may be a record, the header that holds for it and its number,
// and counts what parse finds bad or foreign. Where a header begins anew it calls parse with a nil line.
func (c *chunk) lines(n *counts, parse func(line []byte, head *header, number int64) (problem, error)) error {
	head, number := c.head, c.line-1
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
		why, err := fine, error(nil)
		if line[0] == '#' {
			head = head.with(line)
			_, err = parse(nil, head, number)
		} else {
			why, err = parse(line, head, number)
		}
		switch {
		case err != nil:
			return err
		case why == fine:
		case why == foreign:
			n.foreign++
		case !whole && c.final:
			n.torn, n.tornWhy = n.torn+1, why
		default:
			if n.bad == 0 {
				n.badLine, n.badWhy = number, why
			}
			n.bad++
		}
	}
	return nil
}
