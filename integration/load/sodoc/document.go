package sodoc

import (
	"bytes"
	"dwell/internal/securityonion"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// Meta is a document's content besides the record.
type Meta struct {
	// Observer is the sensor's name (observer.name).
	Observer string
	// Path is the file that the line was read from (log.file.path); empty omits it.
	Path string
	// Ingested is when the agent read the line (event.ingested). Zero means ten seconds after the connection's end, the
	// best a sensor achieves.
	Ingested time.Time
	// Import makes the document of an imported capture, as in StreamImport.
	Import bool
}

// ingestLag is the default delay from a connection's end to the reading of its line.
const ingestLag = 10 * time.Second

// Converter converts one log's lines. It reuses buffers and is not safe for concurrent use; make one per goroutine.
type Converter struct {
	plan *plan
	v    values
}

// values are the columns of one record, by slot, as raw JSON; nil is unset.
type values struct {
	raw  [][]byte
	log  *plan
	meta Meta
	line []byte
	ms   int64
	// query is the name of a DNS record, labels its parts.
	query  string
	labels labels
}

// ErrUnknownLog means that the documents of a log are not defined.
var ErrUnknownLog = errors.New("no document is known for this Zeek log")

// NewConverter returns a converter for a Zeek log ("conn", "ssl"; see [Convertible]).
func NewConverter(log string, m Meta) (*Converter, error) {
	p, err := planFor(log)
	if err != nil {
		return nil, err
	}
	return &Converter{plan: p, v: values{raw: make([][]byte, len(p.columns)), log: p, meta: m}}, nil
}

// Document is NewConverter and Append for a single line.
func Document(log string, line []byte, m Meta) ([]byte, error) {
	c, err := NewConverter(log, m)
	if err != nil {
		return nil, err
	}
	return c.Append(nil, line)
}

// Append appends the document of one Zeek JSON line to dst: one line of JSON without a newline, as Security Onion's
// ingest pipelines would store it, except for geography and the agent's metadata. Columns that the pipelines drop stay
// in "message", which is the whole line. It accepts Zeek's flat column names ("id.orig_h") and nested objects. A line
// that has no time or is not a JSON object is an error and appends nothing.
func (c *Converter) Append(dst, line []byte) ([]byte, error) {
	line = bytes.TrimSpace(line)
	if len(line) == 0 || line[0] != '{' || !json.Valid(line) {
		return dst, fmt.Errorf("%s: %w", c.plan.log, errNoObject)
	}
	if !utf8.Valid(line) {
		line = bytes.ToValidUTF8(line, []byte("\uFFFD"))
	}
	v := &c.v
	clear(v.raw)
	v.line = line
	s := scanner{b: line}
	s.object(nil, func(name, value []byte) {
		if i, ok := c.plan.slots[string(name)]; ok && string(value) != "null" {
			v.raw[i] = value
		}
	})
	ms, err := milliseconds(v.raw[slotTime])
	if err != nil {
		return dst, fmt.Errorf("%s: ts %w", c.plan.log, err)
	}
	v.ms = ms
	if c.plan.log == "dns" {
		v.split(c.plan.slots["query"])
	}
	dst = append(dst, '{')
	dst, _ = c.plan.root.members(dst, v)
	return append(dst, '}'), nil
}

// milliseconds reads Zeek's ts, decimal seconds or ISO 8601. It truncates instead of rounding.
func milliseconds(raw []byte) (int64, error) {
	if raw == nil {
		return 0, errors.New("is missing")
	}
	if raw[0] == '"' {
		text := string(raw[1 : len(raw)-1])
		t, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return 0, fmt.Errorf("%q is no time", text)
		}
		return t.UnixMilli(), nil
	}
	whole, frac, _ := bytes.Cut(raw, []byte("."))
	sec, err := strconv.ParseInt(string(whole), 10, 64)
	if err != nil || sec < 0 || sec > 1<<40 {
		f, ferr := strconv.ParseFloat(string(raw), 64)
		if ferr != nil || !(f >= 0 && f < 1<<40) {
			return 0, fmt.Errorf("%q is no time", raw)
		}
		return int64(f * 1000), nil
	}
	ms := int64(0)
	for i := range 3 {
		ms *= 10
		if i < len(frac) {
			if frac[i] < '0' || frac[i] > '9' {
				return 0, fmt.Errorf("%q is no time", raw)
			}
			ms += int64(frac[i] - '0')
		}
	}
	return sec*1000 + ms, nil
}

func appendTime(b []byte, ms int64) []byte {
	b = append(b, '"')
	b = time.UnixMilli(ms).UTC().AppendFormat(b, securityonion.TimeLayout)
	return append(b, '"')
}

// appendText writes a JSON string.
func appendText[T string | []byte](b []byte, s T) []byte {
	const digits = "0123456789abcdef"
	b = append(b, '"')
	from := 0
	for i := range len(s) {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		}
	}
	b = append(b, s[from:]...)
	return append(b, '"')
}

// node is a field of the document, or an object of fields.
type node struct {
	name string
	kids []*node
	// emit appends the field's value, or nothing if the record has none.
	emit func(b []byte, v *values) []byte
}

// members appends an object's members and reports whether there are any.
func (n *node) members(b []byte, v *values) ([]byte, bool) {
	some := false
	for _, k := range n.kids {
		before := len(b)
		if some {
			b = append(b, ',')
		}
		b = append(b, '"')
		b = append(b, k.name...)
		b = append(b, '"', ':')
		have := false
		if k.emit != nil {
			at := len(b)
			b = k.emit(b, v)
			have = len(b) > at
		} else {
			b = append(b, '{')
			b, have = k.members(b, v)
			b = append(b, '}')
		}
		if !have {
			b = b[:before]
			continue
		}
		some = true
	}
	return b, some
}

// put adds a field at its dotted path.
func (n *node) put(path []string, emit func(b []byte, v *values) []byte) {
	i := slices.IndexFunc(n.kids, func(k *node) bool { return k.name == path[0] })
	if i < 0 {
		n.kids = append(n.kids, &node{name: path[0]})
		i = len(n.kids) - 1
	}
	if len(path) == 1 {
		n.kids[i].emit = emit
		return
	}
	n.kids[i].put(path[1:], emit)
}
