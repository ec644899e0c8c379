package zeek

import (
	"bytes"
	"strconv"
	"strings"
)

// header is what the # lines of a TSV log have said so far. It is never changed: with makes a new one, so that chunks
// of a file can be parsed apart from each other, each with the header that holds where it begins.
type header struct {
	// separator is 0 when the log names one that is not one byte.
	separator byte
	setSep    []byte
	unset     string
	empty     string
	// path is the name of the log, kind the same as a Kind that holds connections, or otherKind.
	path string
	kind Kind
	// fields are the column names, nil as long as no #fields line has come.
	fields []string
	// raw is the number of columns by separators alone. It is smaller than len(fields) where the last columns are
	// separated by spaces, as those of the IoT-23 data set are.
	raw int
	// full and span are the columns to read for a connection, and for its time and addresses alone.
	full, span columns
	// problem says what makes the header unusable, or is empty.
	problem string
}

// columns tells the parser what to do with each column of a line.
type columns struct {
	// slots has one entry a column, up to the last that is wanted.
	slots []slot
}

// newHeader has Zeek's defaults, which are also in force where a log does not say.
func newHeader() *header {
	return &header{separator: '\t', setSep: []byte{','}, unset: "-", empty: "(empty)"}
}

// with is the header after one more # line.
func (h *header) with(line []byte) *header {
	if fields, ok := bytes.CutPrefix(line, []byte("#separator")); ok {
		// A separator line begins a new header, also in the middle of a file that was put together from several.
		n := newHeader()
		text := strings.TrimPrefix(string(fields), " ")
		sep := unescape([]byte(text))
		if text == `\t` {
			sep = []byte{'\t'}
		}
		if len(sep) != 1 {
			n.separator = 0
			n.problem = "#separator " + strconv.Quote(text) + " is not one byte"
			return n
		}
		n.separator = sep[0]
		return n
	}
	cells := strings.Split(string(line), string(h.separator))
	n := *h
	value := ""
	if len(cells) > 1 {
		value = cells[1]
	}
	switch cells[0] {
	case "#set_separator":
		if value != "" {
			n.setSep = unescape([]byte(value))
		}
	case "#empty_field":
		n.empty = string(unescape([]byte(value)))
	case "#unset_field":
		n.unset = string(unescape([]byte(value)))
	case "#path":
		n.path, n.kind = value, pathKind([]byte(value))
	case "#fields":
		n.setFields(cells[1:])
	default:
		return h
	}
	return &n
}

// setFields settles the columns; names that several spaces hold together are taken apart.
func (h *header) setFields(names []string) {
	h.raw = len(names)
	h.fields = names
	if len(names) > 0 {
		if last := strings.Fields(names[len(names)-1]); len(last) > 1 {
			h.fields = append(append([]string(nil), names[:len(names)-1]...), last...)
		}
	}
	h.full, h.span = columns{}, columns{}
	var have [slots]bool
	for i, name := range h.fields[:min(len(h.fields), h.raw)] {
		s := slotOf([]byte(name))
		if s == slotNone {
			continue
		}
		have[s] = true
		h.full.set(i, s)
		if s == slotTime || s == slotSrc || s == slotDst {
			h.span.set(i, s)
		}
	}
	if h.separator != 0 {
		h.problem = missing(have)
	}
}

func (c *columns) set(i int, s slot) {
	for len(c.slots) <= i {
		c.slots = append(c.slots, slotNone)
	}
	c.slots[i] = s
}

// fit says whether a line with n columns by separators has as many as the header.
func (h *header) fit(n int, line []byte) problem {
	switch {
	case n == h.raw || n == len(h.fields):
		return fine
	case n > len(h.fields):
		return tooMany
	case n+bytes.Count(line, []byte("   ")) == len(h.fields):
		// The IoT-23 data set separates its last columns by three spaces.
		return fine
	}
	return tooFew
}

// missing names the required fields that are not there.
func missing(have [slots]bool) string {
	var names []string
	for _, f := range []struct {
		slot slot
		name string
	}{{slotTime, "ts"}, {slotSrc, "id.orig_h"}, {slotDst, "id.resp_h"}} {
		if !have[f.slot] {
			names = append(names, f.name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "has no field " + strings.Join(names, " and no field ")
}

// unescape undoes Zeek's \xNN and \\. Anything else stays as it is.
func unescape(b []byte) []byte {
	if bytes.IndexByte(b, '\\') < 0 {
		return b
	}
	return appendUnescaped(make([]byte, 0, len(b)), b)
}

func appendUnescaped(out, b []byte) []byte {
	for i := 0; i < len(b); i++ {
		if b[i] == '\\' && i+1 < len(b) {
			if b[i+1] == '\\' {
				out = append(out, '\\')
				i++
				continue
			}
			if b[i+1] == 'x' && i+3 < len(b) {
				if hi, lo := hex(b[i+2]), hex(b[i+3]); hi >= 0 && lo >= 0 {
					out = append(out, byte(hi<<4|lo))
					i += 3
					continue
				}
			}
		}
		out = append(out, b[i])
	}
	return out
}

func hex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
