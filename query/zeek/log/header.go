package log

import (
	"bytes"
	"strconv"
	"strings"
)

// Header is the content of a TSV log's # lines so far. It never changes: with makes a new one, so that chunks of a file
// can be parsed independently, each with its own header.
type Header struct {
	// Separator is 0 if the log names one that is not one byte. SetSep separates the parts of sets and vectors.
	Separator byte
	SetSep    []byte
	// Unset and Empty stand for missing and empty values.
	Unset, Empty string
	// Path is the log's own name, kind the log that this is, or empty; mark is the log that its columns show.
	Path       string
	kind, mark Kind
	// Names and Types are those of the columns, nil before a #fields and #types line.
	Names, Types []string
	// raw is the number of columns by separators alone. It is smaller than len(Names) if the last columns are separated
	// by spaces, as in the IoT-23 data set.
	raw int
	// columns are the columns' fields.
	columns []Field
	// more says that lines may have more columns than are named, quoted that values may be in quotes, as in CSV files.
	more, quoted bool
	// problem is what makes the header unusable, or empty.
	problem string
}

// newHeader has Zeek's defaults, which also apply where a log does not say.
func newHeader() *Header {
	return &Header{Separator: '\t', SetSep: []byte{','}, Unset: "-", Empty: "(empty)"}
}

// with is the header after one more # line.
func (h *Header) with(line []byte) *Header {
	if fields, ok := bytes.CutPrefix(line, []byte("#separator")); ok {
		// A separator line begins a new header, also in the middle of a file that was joined from several.
		n := newHeader()
		text := strings.TrimPrefix(string(fields), " ")
		if len(text) > 1 {
			text = strings.TrimRight(text, "\t ") // spreadsheets add these at the end of each line
		}
		sep := unescape([]byte(text))
		if text == `\t` {
			sep = []byte{'\t'}
		}
		if len(sep) != 1 {
			n.Separator = 0
			n.problem = "its #separator " + strconv.Quote(text) + " is not one byte"
			return n
		}
		n.Separator = sep[0]
		return n
	}
	cells := strings.Split(string(line), string(h.Separator))
	n := *h
	value := ""
	if len(cells) > 1 {
		value = cells[1]
	}
	word := cells[0]
	if len(cells) == 1 && strings.HasPrefix(word, "#fields") {
		word, cells = "#fields", []string{"", strings.TrimSpace(strings.TrimPrefix(word, "#fields"))}
	}
	switch word {
	case "#set_separator":
		if value != "" {
			n.SetSep = unescape([]byte(value))
		}
	case "#empty_field":
		n.Empty = string(unescape([]byte(value)))
	case "#unset_field":
		n.Unset = string(unescape([]byte(value)))
	case "#path":
		n.Path, n.kind = value, pathKind([]byte(value))
	case "#fields":
		n.setFields(cells[1:])
	case "#types":
		n.Types = cells[1:]
	default:
		return h
	}
	return &n
}

// setFields assigns the columns; names joined by several spaces are split.
func (h *Header) setFields(names []string) {
	for len(names) > 0 && names[len(names)-1] == "" {
		names = names[:len(names)-1]
	}
	h.raw = len(names)
	h.Names = names
	if len(names) > 0 {
		if last := strings.Fields(names[len(names)-1]); len(last) > 1 {
			h.Names = append(append([]string(nil), names[:len(names)-1]...), last...)
		}
	}
	h.columns, h.mark = make([]Field, min(len(h.Names), h.raw)), ""
	have := map[Field]bool{}
	var r Record
	for i, name := range h.Names[:len(h.columns)] {
		f, mark := fieldOf(name)
		h.columns[i], have[f] = f, true
		if mark != "" {
			r.is(mark)
		}
	}
	h.mark = r.mark
	switch {
	case h.Separator == 0:
	case h.raw < 2 && len(h.Names) > 3:
		h.problem = "has spaces between its columns, where its #separator line has another (a tab, as Zeek writes it): the tabs were lost when it was copied"
	case !have[TS] && !have[EventTime]:
		h.problem = "has no field ts in its #fields line"
	case settle("", h.kind, h.mark).Closed() == Conn && !have[OrigH]:
		h.problem = "has no field id.orig_h in its #fields line"
	case settle("", h.kind, h.mark).Closed() == Conn && !have[RespH]:
		h.problem = "has no field id.resp_h in its #fields line"
	default:
		h.problem = ""
	}
}

// fit says whether a line with n columns by separators has as many as the header.
func (h *Header) fit(n int, line []byte) problem {
	switch {
	case n == h.raw || n == len(h.Names) || n > len(h.Names) && h.more:
		return fine
	case n > len(h.Names):
		// Spreadsheets and awk leave separators at the end of each line.
		if end := bytes.TrimRight(line, string(h.Separator)); n-(len(line)-len(end)) <= len(h.Names) {
			return fine
		}
		return tooMany
	case n+bytes.Count(line, []byte("   ")) == len(h.Names):
		// The IoT-23 data set separates its last columns by three spaces.
		return fine
	}
	return tooFew
}

// connColumns are the columns of conn logs in Zeek's own order. The columns after them differ from site to site.
var connColumns = strings.Fields("ts uid id.orig_h id.orig_p id.resp_h id.resp_p proto service duration orig_bytes resp_bytes " +
	"conn_state local_orig local_resp missed_bytes history orig_pkts orig_ip_bytes resp_pkts resp_ip_bytes")

var connHeader = func() *Header {
	h := newHeader()
	h.Path, h.kind, h.more = string(Conn), Conn, true
	h.setFields(connColumns)
	return h
}()

// defaultHeader is the header for a line without one: that of a conn log if the columns fit it, else nil.
func defaultHeader(line []byte) *Header {
	cells := bytes.Split(line, []byte{'\t'})
	if len(cells) < len(connColumns) {
		return nil
	}
	_, time := parseTime(cells[0])
	_, src := ParseAddr(cells[2])
	_, dst := ParseAddr(cells[4])
	if !time || !src || !dst || ProtoOf(cells[6]) == 0 && string(cells[6]) != "unknown_transport" || len(cells[11]) > 6 {
		return nil
	}
	return connHeader
}

// nameHeader is the header in a line of names without #, as CSV files and spreadsheets have it; else nil.
func nameHeader(line []byte) *Header {
	text := string(line)
	if !strings.Contains(text, "orig_h") && !strings.Contains(text, "source.ip") {
		return nil
	}
	for _, sep := range []byte{'\t', ',', ';', '|', ' '} {
		names := strings.Split(strings.ReplaceAll(text, `"`, ""), string(sep))
		h := newHeader()
		h.Separator, h.Unset, h.quoted = sep, "-", true
		if h.setFields(names); len(names) > 3 && h.problem == "" {
			if sep == ' ' {
				h.problem = "has spaces between its columns, which values may hold, too"
			}
			return h
		}
	}
	return nil
}

// unescape decodes Zeek's \xNN and \\. Anything else stays as it is.
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
