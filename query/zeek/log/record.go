package log

import (
	"bytes"
	"encoding/json"
	"iter"
	"net/netip"

	"dwell/internal/hunt"
)

// Record is one record of any log. It and everything it gives are valid until the function that got it returns.
type Record struct {
	// Kind is the log that the record is of.
	Kind Kind
	// Start is the record's ts, Unix milliseconds, cut; Micros is the rest of it below a millisecond.
	Start, Micros int64
	// UID is the connection's, or zero.
	UID hunt.UID

	// cells are the values as they stand in the log, nil where they are not set; filled are those that are.
	cells  [fields][]byte
	filled []Field
	// json says that cells are JSON values; otherwise they are TSV cells, and set separates the parts of lists.
	json bool
	set  []byte
	// scratch holds decoded texts.
	scratch []byte
	// path is what the record calls its log, mark what its names say that it is.
	path, mark Kind
	// odd is the first field whose value was not what its accessor had to find, or None.
	odd Field
}

// reset forgets the record before.
func (r *Record) reset() {
	for _, f := range r.filled {
		r.cells[f] = nil
	}
	r.filled, r.scratch = r.filled[:0], r.scratch[:0]
	r.UID, r.path, r.mark, r.odd = hunt.UID{}, "", "", None
}

// put keeps the value of a field. Of two names for one field the first one with a value counts.
func (r *Record) put(f Field, b []byte) {
	if r.cells[f] == nil {
		r.cells[f] = b
		r.filled = append(r.filled, f)
	}
}

// is notes that a name belongs to one log only. That a record looks like http says least: mail has some of its names.
func (r *Record) is(k Kind) {
	if r.mark == "" || r.mark == HTTPLog {
		r.mark = k
	}
}

// Has says whether a field is set.
func (r *Record) Has(f Field) bool { return r.cells[f] != nil }

// Odd notes that a value is not what its field has to hold: it counts as not set.
func (r *Record) Odd(f Field) {
	if r.odd == None {
		r.odd = f
	}
}

// Text gives a field as text without Zeek's or JSON's escapes, lists joined by commas, or nil when it is not set.
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

// decode takes escapes and quotes away.
func (r *Record) decode(c []byte, f Field) []byte {
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

// List gives the parts of a set or vector; a single value is a list of one.
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

// First is the first part of a list, or nil.
func (r *Record) First(f Field) []byte {
	for part := range r.List(f) {
		return part
	}
	return nil
}

// plain is the text of a field that holds a number, an address or a truth value; of a list, as Kibana exports make of
// every value, its first part.
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
			return r.First(f)
		}
	}
	return c
}

// Addr gives an address, or the zero Addr.
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

// Port gives a port, or 0.
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

// Count gives a count, or hunt.Absent.
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

// Interval gives an interval in milliseconds, cut, or hunt.Absent. It may be below zero, where a clock was set back.
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

// Time gives a time, Unix milliseconds, cut, or hunt.Absent.
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

// True and False say whether a truth value is set and is that.
func (r *Record) True(f Field) bool {
	c := r.plain(f)
	return len(c) > 0 && (c[0] == 'T' || c[0] == 't')
}

// False is True for the other value.
func (r *Record) False(f Field) bool {
	c := r.plain(f)
	return len(c) > 0 && (c[0] == 'F' || c[0] == 'f')
}

// ProtoOf reads a transport.
func ProtoOf(b []byte) hunt.Transport {
	if len(b) == 3 && b[1] == 'c' && b[0] == 't' && b[2] == 'p' {
		return hunt.TCP
	}
	return hunt.ParseTransport(b)
}
