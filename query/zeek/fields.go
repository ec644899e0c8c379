package zeek

import (
	"bytes"
	"encoding/json"
	"iter"
	"net/netip"

	"dwell/internal/hunt"
)

// fieldSet is what is wanted of each record: field names as Zeek writes them, with dots.
type fieldSet struct {
	names []string
	// byKey finds a name in the spelling of canonical.
	byKey map[string]int
}

func newFieldSet(names []string) *fieldSet {
	f := &fieldSet{names: names, byKey: make(map[string]int, len(names))}
	for i, n := range names {
		f.byKey[string(canonical(nil, []byte(n)))] = i
	}
	return f
}

// canonical is one spelling for a name and its variants: some shippers turn Zeek's dots into underscores.
func canonical(buf, name []byte) []byte {
	buf = append(buf[:0], name...)
	for i, c := range buf {
		if c == '.' {
			buf[i] = '_'
		}
	}
	return buf
}

// index is the place of a name, or -1.
func (f *fieldSet) index(buf *[]byte, name []byte) int {
	*buf = canonical(*buf, name)
	if i, ok := f.byKey[string(*buf)]; ok {
		return i
	}
	return -1
}

// Record is one record of any log. It and everything it gives are valid until the function that got it returns.
type Record struct {
	// Kind is the log that the record is of.
	Kind Kind
	// Start is the record's ts, Unix milliseconds, cut.
	Start int64
	// UID is the connection's, or zero.
	UID hunt.UID

	fields *fieldSet
	// cells are the values as they stand in the log, nil where they are not set.
	cells [][]byte
	// json says that cells are JSON values; otherwise they are TSV cells, and set separates the parts of lists.
	json bool
	set  []byte
	// scratch holds decoded texts.
	scratch []byte
	// odd says that a value was not what its accessor had to find.
	odd bool
}

// cell gives a value as it stands in the log. Asking for a field that was not wanted is a mistake in the program.
func (r *Record) cell(name string) []byte {
	for i, n := range r.fields.names {
		if n == name {
			return r.cells[i]
		}
	}
	panic("zeek: field " + name + " was not asked for")
}

// Has says whether a field is set.
func (r *Record) Has(name string) bool { return r.cell(name) != nil }

// Text gives a field as text without Zeek's or JSON's escapes, lists joined by commas, or nil when it is not set.
func (r *Record) Text(name string) []byte {
	c := r.cell(name)
	if c == nil {
		return nil
	}
	if r.json && c[0] == '[' {
		var out []byte
		for part := range r.List(name) {
			if out != nil {
				out = append(out, ',')
			}
			out = append(out, part...)
		}
		return out
	}
	return r.decode(c)
}

// decode takes escapes and quotes away.
func (r *Record) decode(c []byte) []byte {
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
		r.odd = true
		return nil
	}
	r.scratch = append(r.scratch, s...)
	return r.scratch[start:]
}

// List gives the parts of a set or vector; a single value is a list of one.
func (r *Record) List(name string) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		c := r.cell(name)
		switch {
		case c == nil:
		case !r.json:
			for part := range bytes.SplitSeq(c, r.set) {
				if !yield(r.decode(part)) {
					return
				}
			}
		case c[0] != '[':
			yield(r.decode(c))
		default:
			s := scanner{b: c, i: 1}
			for s.peek() != ']' {
				start := s.i
				if !s.skip() {
					r.odd = true
					return
				}
				part := s.b[start:s.i]
				if string(part) != "null" && !yield(r.decode(part)) {
					return
				}
				if !s.next(',') {
					return
				}
			}
		}
	}
}

// plain is the text of a field that holds a number, an address or a truth value.
func (r *Record) plain(name string) []byte {
	c := r.cell(name)
	if r.json && len(c) > 1 && c[0] == '"' {
		return c[1 : len(c)-1]
	}
	return c
}

// Addr gives an address, or the zero Addr.
func (r *Record) Addr(name string) netip.Addr {
	c := r.plain(name)
	if c == nil {
		return netip.Addr{}
	}
	a, ok := parseAddr(c)
	r.odd = r.odd || !ok
	return a
}

// Port gives a port, or 0.
func (r *Record) Port(name string) uint16 {
	c := r.plain(name)
	if c == nil {
		return 0
	}
	p, ok := parsePort(c)
	if !ok {
		r.odd = true
		return 0
	}
	return p
}

// Count gives a count, or hunt.Absent.
func (r *Record) Count(name string) int64 {
	c := r.plain(name)
	if c == nil {
		return hunt.Absent
	}
	n, ok := parseCount(c)
	if !ok {
		r.odd = true
		return hunt.Absent
	}
	return n
}

// Duration gives an interval in milliseconds, cut, or hunt.Absent. One below zero, which a clock set back gives, is 0.
func (r *Record) Duration(name string) int64 {
	c := r.plain(name)
	if c == nil {
		return hunt.Absent
	}
	us, ok := parseSeconds(c)
	if !ok {
		r.odd = true
		return hunt.Absent
	}
	return max(us, 0) / 1000
}

// Time gives a time, Unix milliseconds, cut, or hunt.Absent.
func (r *Record) Time(name string) int64 {
	c := r.plain(name)
	if c == nil {
		return hunt.Absent
	}
	us, ok := parseTime(c)
	if !ok {
		r.odd = true
		return hunt.Absent
	}
	return us / 1000
}

// True says whether a truth value is set and true.
func (r *Record) True(name string) bool {
	c := r.plain(name)
	return len(c) > 0 && (c[0] == 'T' || c[0] == 't')
}
