package sodoc

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// Columns describes the cells of a TSV log, from its # lines. Security Onion's Zeek writes JSON; logs from elsewhere
// are converted to the JSON it would have written.
type Columns struct {
	// Names and Types are #fields and #types, of equal length.
	Names, Types []string
	// SetSeparator, Empty and Unset are as in the header; empty ones mean Zeek's ",", "(empty)" and "-".
	SetSeparator, Empty, Unset string
}

// AppendLine appends the Zeek JSON of one TSV line (without newline) to dst. Cells are separated by tabs. A wrong
// number of cells, or a cell that does not match its type, is an error and appends nothing.
func (c *Columns) AppendLine(dst, line []byte) ([]byte, error) {
	if n := bytes.Count(line, []byte("\t")) + 1; n != len(c.Names) || n != len(c.Types) {
		return dst, fmt.Errorf("the line has %d cells, the header %d fields and %d types", n, len(c.Names), len(c.Types))
	}
	b := append(dst, '{')
	some := false
	for i := range c.Names {
		cell := line
		if at := bytes.IndexByte(line, '\t'); at >= 0 {
			cell, line = line[:at], line[at+1:]
		}
		if string(cell) == or(c.Unset, "-") {
			continue
		}
		if some {
			b = append(b, ',')
		}
		some = true
		b = appendText(b, c.Names[i])
		b = append(b, ':')
		var err error
		if b, err = c.value(b, c.Types[i], cell); err != nil {
			return dst, fmt.Errorf("%s: %w", c.Names[i], err)
		}
	}
	return append(b, '}'), nil
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func (c *Columns) value(b []byte, typ string, cell []byte) ([]byte, error) {
	if inner, ok := inside(typ); ok {
		b = append(b, '[')
		if string(cell) != or(c.Empty, "(empty)") {
			for i, part := range bytes.Split(cell, []byte(or(c.SetSeparator, ","))) {
				if i > 0 {
					b = append(b, ',')
				}
				if string(part) == or(c.Unset, "-") {
					b = append(b, "null"...)
					continue
				}
				var err error
				if b, err = c.value(b, inner, part); err != nil {
					return b, err
				}
			}
		}
		return append(b, ']'), nil
	}
	switch typ {
	case "time", "interval", "double", "count", "int", "port":
		if !number(cell) {
			return b, fmt.Errorf("%q is no %s", cell, typ)
		}
		return append(b, cell...), nil
	case "bool":
		switch string(cell) {
		case "T":
			return append(b, "true"...), nil
		case "F":
			return append(b, "false"...), nil
		}
		return b, fmt.Errorf("%q is no bool", cell)
	}
	if string(cell) == or(c.Empty, "(empty)") {
		return append(b, '"', '"'), nil
	}
	return appendText(b, unescape(cell)), nil
}

// inside returns the element type of set[x] and vector[x].
func inside(typ string) (string, bool) {
	for _, p := range []string{"set[", "vector[", "table["} {
		if rest, ok := strings.CutPrefix(typ, p); ok {
			return strings.TrimSuffix(rest, "]"), true
		}
	}
	return "", false
}

// number reports whether a cell is a decimal number in JSON's format: no superfluous leading zeros, digits after a
// point.
func number(cell []byte) bool {
	cell = bytes.TrimPrefix(cell, []byte("-"))
	whole, frac, point := bytes.Cut(cell, []byte("."))
	if !digits(whole) || len(whole) > 1 && whole[0] == '0' {
		return false
	}
	return !point || digits(frac)
}

func digits(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(b) > 0
}

// unescape decodes Zeek's \xNN.
func unescape(b []byte) []byte {
	if bytes.IndexByte(b, '\\') < 0 {
		return b
	}
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] == '\\' && i+3 < len(b) && b[i+1] == 'x' {
			if v, err := strconv.ParseUint(string(b[i+2:i+4]), 16, 8); err == nil {
				out = append(out, byte(v))
				i += 3
				continue
			}
		}
		out = append(out, b[i])
	}
	return out
}
