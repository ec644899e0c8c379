package zeek

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"

	"dwell/internal/hunt"
)

// identity is what makes a record the one it is, whatever format it is written in.
type identity struct {
	start            int64
	src, dst         netip.Addr
	srcPort, dstPort uint16
	uid              hunt.UID
}

func identify(c *hunt.Connection) identity {
	return identity{c.Start, c.Src, c.Dst, c.SrcPort, c.DstPort, c.UID}
}

// cursor goes through the good records of a file one by one.
type cursor struct {
	in     *bufio.Reader
	close  func() error
	head   *header
	parser *parser
}

func newCursor(path string) (*cursor, error) {
	s, err := openLog(path, nil)
	if err != nil {
		return nil, err
	}
	in := bufio.NewReaderSize(s, 1<<20)
	if head, _ := in.Peek(len(bom)); bytes.Equal(head, bom) {
		_, _ = in.Discard(len(bom))
	}
	return &cursor{in: in, close: s.Close, head: newHeader(), parser: newParser()}, nil
}

// next gives the next record; ok is false at the end, also where the file is damaged.
func (c *cursor) next() (id identity, ok bool) {
	for {
		line, err := c.in.ReadSlice('\n')
		line = bytes.TrimRight(line, "\r\n")
		why := badJSON
		switch {
		case len(line) == 0:
		case line[0] == '#':
			c.head = c.head.with(line)
		case line[0] == '{':
			why = c.parser.json(line)
		default:
			why = c.parser.tsv(line, c.head, &c.head.full)
		}
		if why == fine {
			return identify(&c.parser.conn), true
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return identity{}, false
		}
	}
}

// relation is how the records of two files lie to each other.
type relation int

const (
	differ   relation = iota // They part before either ends.
	alike                    // The same records.
	contains                 // The first file goes on where the second ends.
	within                   // The second goes on where the first ends.
)

// compare goes through two files side by side.
func compare(ctx context.Context, a, b *logFile) (r relation, common int64, err error) {
	ca, err := newCursor(a.path)
	if err != nil {
		return differ, 0, err
	}
	defer func() { _ = ca.close() }()
	cb, err := newCursor(b.path)
	if err != nil {
		return differ, 0, err
	}
	defer func() { _ = cb.close() }()
	for ; ; common++ {
		if common%65536 == 0 && ctx.Err() != nil {
			return differ, common, ctx.Err()
		}
		ia, oka := ca.next()
		ib, okb := cb.next()
		switch {
		case !oka && !okb:
			return alike, common, nil
		case !okb:
			return contains, common, nil
		case !oka:
			return within, common, nil
		case ia != ib:
			return differ, common, nil
		}
	}
}

// dropCopies leaves out files whose records are all in another file: copies under two names, packed and plain, TSV and
// JSON of the same, a log and its earlier state. Only files that begin with the same record are compared; no two
// logs of Zeek do.
func dropCopies(ctx context.Context, files []*logFile, r *report) ([]*logFile, error) {
	groups := map[identity][]*logFile{}
	var out []*logFile
	for _, f := range files {
		if !f.has {
			out = append(out, f)
			continue
		}
		first := identify(&f.first)
		kept := groups[first]
		drop := false
		for i, k := range kept {
			if k.kind != f.kind {
				continue
			}
			rel, common, err := compare(ctx, k, f)
			if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
				return nil, err
			}
			switch {
			case err != nil:
				// It will not open for reading either, and is told then.
			case rel == alike || rel == contains:
				r.copied(f, k, common)
				drop = true
			case rel == within:
				r.copied(k, f, common)
				kept[i] = f
				for j := range out {
					if out[j] == k {
						out[j] = f
					}
				}
				drop = true
			case common > 0:
				r.note(hunt.Note{What: fmt.Sprintf("it begins with the same records (%d) as %s, then they part; both files are read", common, k.path),
					Where: f.path, Hint: "connections that are in both count twice; leave one of them out", Count: common})
			}
			if drop {
				break
			}
		}
		if !drop {
			groups[first] = append(kept, f)
			out = append(out, f)
		}
	}
	return out, nil
}

func (r *report) copied(f, in *logFile, n int64) {
	r.note(hunt.Note{What: fmt.Sprintf("its records (%d) are also in %s and were read there, once", n, in.path), Where: f.path, Count: n})
}
