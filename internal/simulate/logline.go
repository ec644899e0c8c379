package simulate

import (
	"net/netip"
	"strconv"
	"unicode/utf8"
)

// line writes one record as TSV cells, as a JSON object, or as the names and types of the columns (for the header). A
// record's fields method calls it once per column, so that each log's columns are defined once.
type line struct {
	mode  mode
	buf   []byte
	first bool
	names []string
	types []string
}

type mode uint8

const (
	tsvLine mode = iota
	jsonLine
	headerLine
)

func (l *line) begin() {
	l.buf, l.first = l.buf[:0], true
	if l.mode == jsonLine {
		l.buf = append(l.buf, '{')
	}
}

func (l *line) end() {
	if l.mode == jsonLine {
		l.buf = append(l.buf, '}')
	}
	l.buf = append(l.buf, '\n')
}

// column starts a cell and reports whether its value is to be written.
func (l *line) column(name, typ string, set bool) bool {
	switch l.mode {
	case headerLine:
		l.names, l.types = append(l.names, name), append(l.types, typ)
		return false
	case tsvLine:
		if !l.first {
			l.buf = append(l.buf, '\t')
		}
		l.first = false
		if !set {
			l.buf = append(l.buf, '-')
		}
		return set
	case jsonLine:
	}
	if !set {
		return false
	}
	if !l.first {
		l.buf = append(l.buf, ',')
	}
	l.first = false
	l.buf = append(l.buf, '"')
	l.buf = append(l.buf, name...)
	l.buf = append(l.buf, '"', ':')
	return true
}

// moment and span write seconds with six decimals; JSON drops trailing zeros except one, like Zeek's writer.
func (l *line) moment(name string, t micros)          { l.seconds(name, "time", t, true) }
func (l *line) span(name string, v micros, have bool) { l.seconds(name, "interval", v, have) }

func (l *line) seconds(name, typ string, v micros, set bool) {
	if l.column(name, typ, set) {
		l.buf = appendSeconds(l.buf, v, l.mode == jsonLine)
	}
}

func appendSeconds(b []byte, v micros, trim bool) []byte {
	b = strconv.AppendInt(b, v/second, 10)
	frac := strconv.AppendInt(make([]byte, 0, 8), second+v%second, 10)
	frac[0] = '.'
	for trim && len(frac) > 2 && frac[len(frac)-1] == '0' {
		frac = frac[:len(frac)-1]
	}
	return append(b, frac...)
}

// number writes a count; a negative one is unset.
func (l *line) number(name string, v int64) {
	if l.column(name, "count", v >= 0) {
		l.buf = strconv.AppendInt(l.buf, v, 10)
	}
}

func (l *line) port(name string, v uint16) {
	if l.column(name, "port", true) {
		l.buf = strconv.AppendUint(l.buf, uint64(v), 10)
	}
}

func (l *line) addr(name string, a netip.Addr) {
	if !l.column(name, "addr", a.IsValid()) {
		return
	}
	if l.mode == jsonLine {
		l.buf = append(l.buf, '"')
	}
	l.buf = a.AppendTo(l.buf)
	if l.mode == jsonLine {
		l.buf = append(l.buf, '"')
	}
}

func (l *line) truth(name string, v bool) {
	if l.column(name, "bool", true) {
		l.bool(v)
	}
}

// bool writes the value of a started column.
func (l *line) bool(v bool) {
	switch {
	case l.mode == jsonLine:
		l.buf = strconv.AppendBool(l.buf, v)
	case v:
		l.buf = append(l.buf, 'T')
	default:
		l.buf = append(l.buf, 'F')
	}
}

// text writes a string; an empty one is unset.
func (l *line) text(name, v string) { l.word(name, "string", v) }

// word is text of another type (enum).
func (l *line) word(name, typ, v string) {
	if l.column(name, typ, v != "") {
		l.value(v)
	}
}

func (l *line) value(v string) {
	if l.mode == jsonLine {
		l.buf = appendQuoted(l.buf, v)
		return
	}
	if v == "-" || v == "(empty)" {
		l.buf = append(l.buf, `\x`...)
		l.buf = append(l.buf, hexDigits[v[0]>>4], hexDigits[v[0]&15])
		v = v[1:]
	}
	for i := range len(v) {
		if c := v[i]; c < 0x20 || c == 0x7f || c == '\\' {
			l.buf = append(l.buf, '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
		} else {
			l.buf = append(l.buf, c)
		}
	}
}

// list writes a set or vector of strings; nil is unset, an empty one is empty.
func (l *line) list(name, typ string, v []string) {
	if !l.column(name, typ, v != nil) {
		return
	}
	if l.mode == jsonLine {
		l.buf = append(l.buf, '[')
		for i, s := range v {
			if i > 0 {
				l.buf = append(l.buf, ',')
			}
			l.buf = appendQuoted(l.buf, s)
		}
		l.buf = append(l.buf, ']')
		return
	}
	if len(v) == 0 {
		l.buf = append(l.buf, "(empty)"...)
	}
	for i, s := range v {
		if i > 0 {
			l.buf = append(l.buf, ',')
		}
		for k, part := range splitComma(s) {
			if k > 0 {
				l.buf = append(l.buf, `\x2c`...)
			}
			l.value(part)
		}
	}
}

func splitComma(s string) []string {
	var out []string
	from := 0
	for i := range len(s) {
		if s[i] == ',' {
			out, from = append(out, s[from:i]), i+1
		}
	}
	return append(out, s[from:])
}

// spans writes a vector of intervals.
func (l *line) spans(name string, v []micros) {
	if !l.column(name, "vector[interval]", v != nil) {
		return
	}
	if l.mode == jsonLine {
		l.buf = append(l.buf, '[')
	}
	for i, s := range v {
		if i > 0 {
			l.buf = append(l.buf, ',')
		}
		l.buf = appendSeconds(l.buf, s, l.mode == jsonLine)
	}
	if l.mode == jsonLine {
		l.buf = append(l.buf, ']')
	} else if len(v) == 0 {
		l.buf = append(l.buf, "(empty)"...)
	}
}

// appendQuoted writes a JSON string. Invalid UTF-8 becomes \xNN, as in Zeek's JSON.
func appendQuoted(b []byte, s string) []byte {
	b = append(b, '"')
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < 0x20 || c == 0x7f:
			b = append(b, `\u00`...)
			b = append(b, hexDigits[c>>4], hexDigits[c&15])
		case c < utf8.RuneSelf:
			b = append(b, c)
		default:
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				b = append(b, `\\x`...)
				b = append(b, hexDigits[c>>4], hexDigits[c&15])
			} else {
				b = append(b, s[i:i+n]...)
			}
			i += n
			continue
		}
		i++
	}
	return append(b, '"')
}
