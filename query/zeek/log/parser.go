package log

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"

	"dwell/internal/hunt"
)

// problem is why a line is not a record; empty means that it is one. They are constants, so a million bad lines cost no
// memory.
type problem string

const (
	fine        problem = ""
	foreign     problem = "it belongs to another log"
	tooFew      problem = "it has fewer fields than the header names"
	tooMany     problem = "it has more fields than the header names"
	noHeader    problem = "no #fields line comes before it"
	badHeader   problem = "the header before it does not name the fields that are needed"
	badTime     problem = "ts is not a time"
	badSrc      problem = "id.orig_h is not an address"
	badDst      problem = "id.resp_h is not an address"
	badJSON     problem = "it is not a JSON object"
	tornJSON    problem = "its JSON object does not end"
	missingTime problem = "it has no ts"
	several     problem = "it holds a list of records, and the lines before it hold one each"
	missingAddr problem = "it has no id.orig_h or no id.resp_h"
)

// Parser reads one line at a time into a Record. It keeps what lines have in common, so each goroutine has its own.
type Parser struct {
	Record
	want [fields]bool
	// head is the header of columns.
	head    *Header
	columns []Field
	ends    []int32
	// unquoted is the present line of a CSV file without its quotes.
	unquoted []byte
	name     []byte
	keys     keyring
}

// NewParser makes a parser that reads these fields besides those read from every record: ts, uid and the log.
func NewParser(wanted ...Field) *Parser {
	p := &Parser{name: make([]byte, 0, 256)}
	for _, f := range slices.Concat(wanted, []Field{TS, UID, Path, EventTime}) { // never append: parallel parsers share the list
		p.want[f] = true
	}
	p.want[EventDuration] = p.want[Duration]
	return p
}

// line reads one line, TSV or JSON, bare or inside what a shipper, a log store or a container put around it.
func (p *Parser) line(line []byte, head *Header) problem {
	if line[0] == '{' {
		why := p.object(line)
		// What has nothing of Zeek's but a time may be an envelope.
		if why == fine && p.Has(TS) && (p.UID != hunt.UID{} || p.path != "" || p.mark != "" || p.Has(OrigH)) {
			return fine
		}
		return p.unwrap(line, why, 0)
	}
	why := p.tsv(line, head)
	if why == fine {
		return fine
	}
	// a prefix, as syslog puts before each line
	if at := bytes.IndexByte(line[:min(len(line), maxPrefix)], '{'); at > 0 {
		// Syslog daemons write a line end inside a message as #012.
		object := bytes.TrimSuffix(bytes.TrimRight(line[at:], " "), []byte("#012"))
		if object[len(object)-1] == '}' {
			inner := p.line(object, head)
			if inner == fine && p.path == "" && p.mark == "" {
				p.path = labelOf(line[:at])
			}
			if inner == fine || head.Names == nil {
				return inner
			}
		}
	}
	if at := bytes.LastIndexByte(line[:firstCell(line, head)], ' '); at > 0 && (why == badTime) {
		return p.tsv(line[at+1:], head)
	}
	return why
}

// maxPrefix is the longest text before a record in its line.
const maxPrefix = 1024

func firstCell(line []byte, head *Header) int {
	if at := bytes.IndexByte(line, head.Separator); at >= 0 {
		return at
	}
	return 0
}

// object reads a line with one JSON object. null, "" and "-" mean that a field is not set.
func (p *Parser) object(line []byte) problem {
	r := &p.Record
	r.reset()
	r.json = true
	s := scanner{b: line}
	p.keys.rewind()
	if p.flat(&s) {
		return p.complete()
	}
	end := s.members(p.name[:0], func(name, value []byte) {
		f, mark := p.keys.find(name, &p.want)
		if f == None && mark == "" || unsetJSON(value) {
			return
		}
		if value[0] == '{' {
			r.object(f)
			return
		}
		if mark != "" {
			r.is(mark)
		}
		if f != None {
			r.put(f, value)
		}
	})
	if end != fine {
		return end
	}
	// A comma follows if the lines are those of a JSON array.
	if s.next(','); s.peek() != 0 {
		return badJSON
	}
	return p.complete()
}

// flat reads an object as Zeek writes it: no white space, keys without escapes in the order of earlier records. At a
// new key, or a value that is an object, it stops and returns false; the general way then reads the record from its
// beginning.
func (p *Parser) flat(s *scanner) bool {
	r, b := &p.Record, s.b
	i := 1
	for {
		next := p.keys.next()
		if next < 0 || i >= len(b) || b[i] != '"' {
			return p.deep(s)
		}
		k := &p.keys.keys[next]
		end := i + 1 + len(k.name)
		if end+2 >= len(b) || string(b[i+1:end]) != k.name || b[end] != '"' || b[end+1] != ':' {
			// a key that this record lacks, or that comes out of order
			end = i + 1
			for end < len(b) && b[end] != '"' && b[end] != '\\' {
				end++
			}
			at, ok := p.keys.place[string(b[i+1:min(end, len(b))])]
			if !ok || end+2 >= len(b) || b[end] != '"' || b[end+1] != ':' {
				return p.deep(s)
			}
			next, k = at, &p.keys.keys[at]
		}
		p.keys.came(next)
		i = end + 2
		start := i
		switch c := b[i]; {
		case c == '"':
			if i = quoteOrSlash(b, i+1); i < len(b) && b[i] == '\\' {
				s.i = start + 1
				if !s.stringEnd() {
					return p.deep(s)
				}
				i = s.i - 1
			}
			i++
		case c == '{' || c == ' ':
			return p.deep(s)
		case c == '[':
			if s.i = start; !s.skip() {
				return p.deep(s)
			}
			i = s.i
		default:
			for i < len(b) && b[i] != ',' && b[i] != '}' {
				i++
			}
			if c != '-' && (c < '0' || c > '9') && !isWord(b[start:i]) {
				return p.deep(s)
			}
		}
		if i >= len(b) {
			return p.deep(s)
		}
		if k.field != None || k.mark != "" {
			if v := b[start:i]; !unsetJSON(v) {
				if k.mark != "" {
					r.is(k.mark)
				}
				if k.field != None {
					r.put(k.field, v)
				}
			}
		}
		if b[i] == '}' {
			s.i = i + 1
			if s.next(','); s.peek() != 0 {
				return p.deep(s)
			}
			return true
		}
		if b[i] != ',' {
			return p.deep(s)
		}
		i++
	}
}

// isWord says whether a text is one of JSON's words.
func isWord(b []byte) bool {
	switch string(b) {
	case "true", "false", "null":
		return true
	}
	return false
}

// deep reads the record from its beginning in the general way.
func (p *Parser) deep(s *scanner) bool {
	s.i = 0
	p.reset()
	p.json = true
	p.keys.rewind()
	return false
}

// unsetJSON says whether a value stands for none.
func unsetJSON(v []byte) bool {
	if len(v) > 9 || v[0] > '"' && v[0] < '[' {
		return false
	}
	switch string(v) {
	case "null", `""`, `"-"`, "[]", `"(empty)"`, "[null]", `[""]`:
		return true
	}
	return false
}

// complete takes from its cells what every record has.
func (p *Parser) complete() problem {
	r := &p.Record
	f := TS
	if !r.Has(TS) {
		if !r.Has(EventTime) {
			return missingTime
		}
		f = EventTime
	}
	us, ok := parseTime(r.plain(f))
	if !ok {
		return badTime
	}
	r.Start, r.Micros = us/1000, us%1000
	if r.whole != None && !r.Has(EventTime) {
		r.Odd(r.whole)
	}
	if uid := r.plain(UID); uid != nil {
		r.UID = hunt.NewUID(uid)
	}
	if r.mark == suricata && r.UID != (hunt.UID{}) { // old Security Onion's records have an event_type, too
		r.mark = ""
	}
	if r.path == "" && r.Has(Path) {
		r.path = pathKind(r.plain(Path))
	}
	return fine
}

// tsv reads one line by the header's columns.
func (p *Parser) tsv(line []byte, head *Header) problem {
	r := &p.Record
	r.reset()
	if head.Names == nil {
		return noHeader
	}
	if head.problem != "" {
		return badHeader
	}
	if p.head != head {
		p.plan(head)
	}
	r.json, r.set = false, head.SetSep
	r.path, r.mark = head.kind, head.mark
	if head.quoted && bytes.IndexByte(line, '"') >= 0 {
		p.ends, line = p.unquote(line, head.Separator)
	} else {
		p.ends = cut(p.ends[:0], line, head.Separator)
	}
	start := 0
	for i, f := range p.columns {
		if i == len(p.ends) {
			break
		}
		cell := line[start:p.ends[i]]
		start = int(p.ends[i]) + 1
		if f == None || len(cell) == 0 || string(cell) == head.Unset || string(cell) == head.Empty {
			continue
		}
		r.put(f, cell)
	}
	if why := p.complete(); why != fine {
		if short := head.fit(len(p.ends), line); short != fine && why == missingTime {
			return short
		}
		return why
	}
	return head.fit(len(p.ends), line)
}

// unquote is cut for a line of a CSV file: cells may be in quotes, with separators in them and quotes doubled. The line
// without quotes is valid until the next one.
func (p *Parser) unquote(line []byte, separator byte) (ends []int32, plain []byte) {
	ends, plain = p.ends[:0], p.unquoted[:0]
	inside := false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '"' && inside && i+1 < len(line) && line[i+1] == '"':
			plain = append(plain, c)
			i++
		case c == '"':
			inside = !inside
		case c == separator && !inside:
			ends = append(ends, int32(len(plain)))
			plain = append(plain, c)
		default:
			plain = append(plain, c)
		}
	}
	p.unquoted = plain
	return append(ends, int32(len(plain))), plain
}

// plan assigns each column of a header, up to the last wanted one.
func (p *Parser) plan(head *Header) {
	p.head = head
	p.columns = p.columns[:0]
	last := 0
	for i, f := range head.columns {
		if !p.want[f] {
			f = None
		}
		if p.columns = append(p.columns, f); f != None {
			last = i + 1
		}
	}
	p.columns = p.columns[:last]
}

// cut appends to ends where each cell of a line ends: the places of the separators and the line's length. It looks at
// eight bytes at a time: (x & 0x7f..) + 0x7f.. carries into a byte's high bit exactly where its low bits are not zero.
func cut(ends []int32, line []byte, separator byte) []int32 {
	const lows = 0x7f7f7f7f7f7f7f7f
	pattern := 0x0101010101010101 * uint64(separator)
	i := 0
	for ; i+8 <= len(line); i += 8 {
		x := binary.LittleEndian.Uint64(line[i:]) ^ pattern
		for hits := ^((x&lows + lows) | x | lows); hits != 0; hits &= hits - 1 {
			ends = append(ends, int32(i+bits.TrailingZeros64(hits)/8))
		}
	}
	for ; i < len(line); i++ {
		if line[i] == separator {
			ends = append(ends, int32(i))
		}
	}
	return append(ends, int32(len(line)))
}
