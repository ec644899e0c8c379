package zeek

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"dwell/internal/hunt"
)

// maxLine is the longest line that can be a record. Zeek's own are shorter by far.
const maxLine = 16 << 20

// bom is what some editors put before UTF-8 text.
var bom = []byte("\xef\xbb\xbf")

// logFile is a file that was looked into.
type logFile struct {
	path string
	// root is the path as given that led here.
	root string
	size int64
	// named is the kind that the name promises, kind the one that the content is.
	named, kind Kind
	// explicit says that the user named this very file.
	explicit bool
	// first is the first record, from which copies of the same log are known; has says that there is one.
	first hunt.Connection
	has   bool
	// until is when the last connection of the file began at the latest, Unix milliseconds, as far as its place tells.
	until int64
	// empty says that there is not even a header.
	empty bool

	tally tally
}

// unreadableError says why a file is no log that can be read.
type unreadableError struct{ path, why string }

func (e *unreadableError) Error() string { return e.path + ": " + e.why }

// inspect looks at the beginning of a file: which log is it, is it whole, what is its first record.
func inspect(f *logFile) error {
	s, err := openLog(f.path, nil)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return &unreadableError{f.path, "its compression ends before the first record"}
	}
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	in := bufio.NewReaderSize(s, 64<<10)
	if head, _ := in.Peek(len(bom)); bytes.Equal(head, bom) {
		_, _ = in.Discard(len(bom))
	}
	h, p := newHeader(), newParser()
	begun := false
	for {
		line, err := in.ReadSlice('\n')
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
			if len(line) == 0 || !begun {
				return &unreadableError{f.path, "reading it ends with: " + err.Error()}
			}
		}
		line = bytes.TrimRight(line, "\r\n")
		switch {
		case len(line) == 0:
		case line[0] == '#':
			h, begun = h.with(line), true
		case line[0] == '{':
			return f.settleJSON(p, line)
		default:
			return f.settleTSV(p, h, line)
		}
		if err != nil {
			f.empty = !begun
			return f.settleTSV(p, h, nil)
		}
	}
}

// settleTSV settles the kind of a file with a header; line is its first record, or nil.
func (f *logFile) settleTSV(p *parser, h *header, line []byte) error {
	switch {
	case f.empty:
		f.kind = f.named
		return nil
	case h.fields == nil && line != nil && isBinary(line):
		return &unreadableError{f.path, "is binary, no Zeek log"}
	case h.fields == nil && h.problem != "":
		return &unreadableError{f.path, h.problem}
	case h.fields == nil && h.path != "":
		return &unreadableError{f.path, "its header has no #fields line"}
	case h.fields == nil:
		return &unreadableError{f.path, "is neither Zeek TSV (no #fields line) nor JSON"}
	}
	path := h.kind
	if path == otherKind {
		path = Kind(h.path)
	}
	f.kind = settle(f.named, path, func(name string) bool {
		for _, have := range h.fields {
			if have == name {
				return true
			}
		}
		return false
	})
	if f.kind.holdsConnections() && h.problem != "" {
		return &unreadableError{f.path, h.problem + " in its #fields line"}
	}
	f.has = line != nil && p.tsv(line, h, &h.full) == fine
	f.first = p.conn
	return nil
}

// settleJSON settles the kind of a file of JSON lines.
func (f *logFile) settleJSON(p *parser, line []byte) error {
	why := p.json(line)
	f.kind = settle(f.named, p.path, func(name string) bool { return bytes.Contains(line, []byte(`"`+name+`"`)) })
	if f.kind.holdsConnections() && (why == missingTime || why == missingAddr) {
		return &unreadableError{f.path, "first record: " + string(why)}
	}
	f.has = why == fine
	f.first = p.conn
	return nil
}

// settle decides which log a file is: what it says itself counts most, except that logs of open connections may call
// themselves conn; then its name, where the columns do not contradict; then its columns.
func settle(named, path Kind, has func(string) bool) Kind {
	if named.Open() && named.of(path) == named {
		return named
	}
	if path != "" {
		return path
	}
	if named != "" && named != Conn {
		return named
	}
	if has("conn_state") || has("orig_ip_bytes") || has("missed_bytes") || (named == Conn && has("proto")) || named == Conn {
		return Conn
	}
	return otherKind
}

func isBinary(b []byte) bool {
	b = b[:min(len(b), 4096)]
	return bytes.IndexByte(b, 0) >= 0 || (len(b) < 4096 && !utf8.Valid(b))
}

// inspectAll looks into every file and sorts out what cannot be read. Trouble with a file that the user named is an
// error; with others it is a gap if their name promises what is wanted.
func inspectAll(ctx context.Context, files []*logFile, r *report) ([]*logFile, error) {
	var out []*logFile
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		err := inspect(f)
		if err == nil {
			f.settleDay()
			f.tally.counts = newCounts()
			out = append(out, f)
			continue
		}
		if f.explicit {
			return nil, fmt.Errorf("read Zeek log: %w", err)
		}
		if f.named != "" {
			r.bad = append(r.bad, hunt.Note{What: "this log could not be read: " + strings.TrimPrefix(err.Error(), f.path+": "),
				Where: f.path, Hint: "what it holds is missing from the hunt", Count: 1})
		}
	}
	return out, nil
}
