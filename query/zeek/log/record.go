package log

import (
	"bytes"
	"encoding/json"
	"iter"
	"net/netip"

	"dwell/internal/hunt"
)

// Record is one record of any log. It and everything it returns are valid until the function that got it returns.
type Record struct {
	// Kind is the record's log.
	Kind Kind
	// Start is the record's ts, Unix milliseconds, truncated; Micros is the rest of it below a millisecond.
	Start, Micros int64
	// UID is the connection's, or zero.
	UID hunt.UID

	// cells are the values as they are in the log, nil if not set; filled are those that are set.
	cells  [fields][]byte
	filled []Field
	// json says that cells are JSON values; otherwise they are TSV cells, and set separates the parts of lists.
	json bool
	set  []byte
	// scratch has decoded texts.
	scratch []byte
	// path is the record's own name for its log, mark the log that its names show.
	path, mark Kind
	// odd is the first field with an unreadable value, or None. whole is a field with an object that may be a document's.
	odd, whole Field
}

// reset drops the previous record.
func (r *Record) reset() {
	for _, f := range r.filled {
		r.cells[f] = nil
	}
	r.filled, r.scratch = r.filled[:0], r.scratch[:0]
	r.UID, r.path, r.mark, r.odd, r.whole = hunt.UID{}, "", "", None, None
}

// put sets the value of a field. Of two names for one field the first one with a value counts.
func (r *Record) put(f Field, b []byte) {
	if r.cells[f] == nil {
		r.cells[f] = b
		r.filled = append(r.filled, f)
	}
}

// is notes that a name belongs to one log only. A name of http counts least: mail has some of the same.
func (r *Record) is(k Kind) {
	if r.mark == "" || r.mark == HTTPLog {
		r.mark = k
	}
}

// Has says whether a field is set.
func (r *Record) Has(f Field) bool { return r.cells[f] != nil }

// Odd notes that a field has an unreadable value: it counts as not set.
func (r *Record) Odd(f Field) {
	if r.odd == None {
		r.odd = f
	}
}

// object notes that a field's value is an object. Documents have objects of these names, and Zeek nests id.orig_h.
func (r *Record) object(f Field) {
	switch f {
	case None, TS, ID:
	case Host, Client, Service, UserAgent:
		r.whole = f
	default:
		r.Odd(f)
	}
}

// Text returns a field as text without Zeek's or JSON's escapes, lists joined by commas, or nil if it is not set.
func (r *Record) Text(f Field) []byte {
	c := r.cells[f]
	if c == nil {
		return nil
	}
	if r.json && c[0] == '[' {
		var out []byte
		for part := range r.List(f) {
			if out != nil {
				out = append(out, ',')
			}
			out = append(out, part...)
		}
		return out
	}
	return r.decode(c, f)
}

// Word is Text for a field whose values are words of Zeek's, such as transports: they have a letter. A service begins
// with a minus sign if it was not confirmed.
func (r *Record) Word(f Field) []byte {
	word := r.Text(f)
	letter := func(c rune) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
	if len(word) > 0 && bytes.IndexFunc(word, letter) < 0 {
		r.Odd(f)
		return nil
	}
	return word
}

// decode removes escapes and quotes.
func (r *Record) decode(c []byte, f Field) []byte {
	if r.json && (c[0] == '{' || c[0] == 't' || c[0] == 'f') {
		r.Odd(f)
		return nil
	}
	if bytes.IndexByte(c, '\\') < 0 {
		if r.json && c[0] == '"' {
			return c[1 : len(c)-1]
		}
		return c
	}
	start := len(r.scratch)
	if !r.json {
		r.scratch = appendUnescaped(r.scratch, c)
		return r.scratch[start:]
	}
	var s string
	if json.Unmarshal(c, &s) != nil {
		r.Odd(f)
		return nil
	}
	r.scratch = append(r.scratch, s...)
	return r.scratch[start:]
}

// List returns the parts of a set or vector; a single value is a list of one.
func (r *Record) List(f Field) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		c := r.cells[f]
		switch {
		case c == nil:
		case !r.json:
			for part := range bytes.SplitSeq(c, r.set) {
				if !yield(r.decode(part, f)) {
					return
				}
			}
		case c[0] != '[':
			yield(r.decode(c, f))
		default:
			s := scanner{b: c, i: 1}
			for s.peek() != ']' {
				start := s.i
				if !s.skip() {
					r.Odd(f)
					return
				}
				part := s.b[start:s.i]
				if string(part) != "null" && !yield(r.decode(part, f)) {
					return
				}
				if !s.next(',') {
					return
				}
			}
		}
	}
}

// plain is the text of a field with a number, an address or a boolean; of a list of one, which Kibana exports make of
// every value, its part.
func (r *Record) plain(f Field) []byte {
	c := r.cells[f]
	if r.json && len(c) > 1 {
		switch c[0] {
		case '"':
			if bytes.IndexByte(c, '\\') >= 0 {
				return r.decode(c, f)
			}
			return c[1 : len(c)-1]
		case '[':
			return r.only(f)
		}
	}
	return c
}

// only is the text of a list's part; several are none, since nothing says which one is meant.
func (r *Record) only(f Field) (part []byte) {
	for other := range r.List(f) {
		if part != nil {
			r.Odd(f)
			return nil
		}
		part = other
	}
	return part
}

// Addr returns an address, or the zero Addr.
func (r *Record) Addr(f Field) netip.Addr {
	c := r.plain(f)
	if c == nil {
		return netip.Addr{}
	}
	a, ok := ParseAddr(c)
	if !ok {
		r.Odd(f)
	}
	return a
}

// Port returns a port, or 0.
func (r *Record) Port(f Field) uint16 {
	c := r.plain(f)
	if c == nil {
		return 0
	}
	p, ok := parsePort(c)
	if !ok {
		r.Odd(f)
		return 0
	}
	return p
}

// Count returns a count, or hunt.Absent.
func (r *Record) Count(f Field) int64 {
	c := r.plain(f)
	if c == nil {
		return hunt.Absent
	}
	n, ok := parseCount(c)
	if !ok {
		r.Odd(f)
		return hunt.Absent
	}
	return n
}

// Interval returns an interval in milliseconds, truncated, or hunt.Absent. It may be negative if a clock was set back.
func (r *Record) Interval(f Field) int64 {
	c := r.plain(f)
	if c == nil {
		return hunt.Absent
	}
	us, ok := parseInterval(c)
	if !ok {
		r.Odd(f)
		return hunt.Absent
	}
	if us < 0 {
		return min(us/1000, -2) // hunt.Absent is -1
	}
	return us / 1000
}

// Time returns a time, Unix milliseconds, truncated, or hunt.Absent.
func (r *Record) Time(f Field) int64 {
	c := r.plain(f)
	if c == nil {
		return hunt.Absent
	}
	us, ok := parseTime(c)
	if !ok {
		r.Odd(f)
		return hunt.Absent
	}
	return us / 1000
}

// Flag returns a boolean as 1 or -1, or 0 if it is not set. Databases write words or digits for Zeek's T and F.
func (r *Record) Flag(f Field) int {
	c := r.plain(f)
	switch {
	case c == nil:
		return 0
	case string(c) == "T" || string(c) == "1" || bytes.EqualFold(c, []byte("true")) || string(c) == "t":
		return 1
	case string(c) == "F" || string(c) == "0" || bytes.EqualFold(c, []byte("false")) || string(c) == "f":
		return -1
	}
	r.Odd(f)
	return 0
}

// Proto returns a transport. Zeek itself writes unknown_transport, so that is no odd value.
func (r *Record) Proto(f Field) hunt.Transport {
	b := r.Word(f)
	p := ProtoOf(b)
	if p == hunt.TransportUnknown && b != nil && string(b) != "unknown_transport" {
		r.Odd(f)
	}
	return p
}

// State returns a connection's state; proto is its transport. Each of Zeek's states begins with S, R or O.
func (r *Record) State(f Field, proto hunt.Transport) hunt.State {
	b := r.Word(f)
	if len(b) > 0 && b[0] != 'S' && b[0] != 'R' && b[0] != 'O' {
		r.Odd(f)
	}
	return hunt.ParseState(b, proto)
}

// ProtoOf reads a transport.
func ProtoOf(b []byte) hunt.Transport {
	if len(b) == 3 && b[1] == 'c' && b[0] == 't' && b[2] == 'p' {
		return hunt.TCP
	}
	return hunt.ParseTransport(b)
}
