package log

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
)

// wrappers are the members in which log stores and shippers put the record or its document.
var wrappers = []string{"hits", "_source", "_doc", "source", "result", "fields", "event", "data", "record", "json", "zeek", "body", "payload", "doc", "log", "attributes"}

// deepest is the largest number of nested wrappers: a container's log in an agent's message in a document.
const deepest = 6

// unwrap reads the record in one of an object's members: Filebeat and Elastic Agent (message), Kafka ({"conn": {}}),
// elasticdump and Kibana (_source, fields), Splunk (_raw), Docker (log). why is what was wrong with the object itself;
// fine means a document, which is read as it is if it has no record as Zeek wrote it.
func (p *Parser) unwrap(line []byte, why problem, depth int) problem {
	if depth == deepest || why == tornJSON || why == badJSON {
		return why
	}
	inner, tag := inside(line)
	if inner == nil {
		if why == missingTime && isAction(line) {
			return foreign
		}
		return why
	}
	if inner[0] == '[' {
		return several
	}
	inner = bytes.Clone(inner) // views of what the next level overwrites
	got := badJSON
	if inner[0] == '{' {
		got = p.object(inner)
		if got != fine || !p.Has(TS) {
			got = p.unwrap(inner, got, depth+1)
		}
	} else if head := defaultHeader(inner); head != nil {
		got = p.tsv(inner, head)
	}
	switch {
	case got == several:
		return got
	case got == fine || got == foreign:
		if p.path == "" {
			p.path = tag
		}
		if p.path == "" && p.mark == "" {
			p.path = label(line)
		}
		return got
	case why == fine:
		return p.object(line)
	}
	return why
}

// labels are the members, by the last part of their names, in which shippers and log stores say where a record is from.
var labels = []string{"path", "file", "filename", "source", "sourcetype", "dataset", "pipeline", "tag", "topic", "type", "subject", "programname"}

// label is the log that an envelope names, or empty.
func label(line []byte) (kind Kind) {
	s := scanner{b: line}
	_ = s.members(nil, func(name, value []byte) { // it was read before
		last := strings.ToLower(string(name[bytes.LastIndexByte(name, '.')+1:]))
		if kind != "" || value[0] != '"' || !slices.Contains(labels, last) {
			return
		}
		if kind = labelOf(value); kind == "" && last == "dataset" {
			kind = known[string(bytes.Trim(value, `"`))]
		}
	})
	return kind
}

// labelOf is the log that a text names, as in "zeek_ssl[81]:", "bro:ssl:json" and "/nsm/zeek/logs/current/ssl.log". A
// bare "http" or "syslog" is no such name, since it also says how a record came.
func labelOf(text []byte) Kind {
	for word := range bytes.FieldsFuncSeq(text, func(c rune) bool { return strings.ContainsRune("\" \t[]()<>,;=/\\", c) }) {
		name := strings.TrimRight(strings.ToLower(string(word)), ":")
		if k := kindOfName(name); k != "" {
			return k
		}
		for _, maker := range []string{"zeek", "bro", "corelight"} {
			if rest, ok := strings.CutPrefix(name, maker); ok && len(rest) > 1 && strings.ContainsRune("_:.-", rune(rest[0])) {
				rest, _, _ = strings.Cut(rest[1:], ":")
				return known[rest]
			}
		}
	}
	return ""
}

// inside is the member of an object with a record: a text that is one, or an object that may be one or have one. tag is
// the log that the member is named after.
func inside(line []byte) (inner []byte, tag Kind) {
	best := 0
	s := scanner{b: line}
	if !s.next('{') || s.next('}') {
		return nil, ""
	}
	var scratch []byte
	for {
		key, ok := s.text(&scratch)
		if !ok || !s.next(':') {
			return inner, tag
		}
		s.space()
		start := s.i
		if !s.skip() {
			return inner, tag
		}
		if v, k, rank := candidate(string(key), bytes.TrimSpace(s.b[start:s.i])); rank > best {
			inner, tag, best = v, k, rank
		}
		if !s.next(',') {
			return inner, tag
		}
	}
}

// candidate weighs a member: a text with a JSON record most, then an object with Zeek's names, a text with a TSV
// record, a document. A list of one stands for its element; a longer one is returned as it is.
func candidate(key string, v []byte) (inner []byte, tag Kind, rank int) {
	if len(v) > 2 && v[0] == '[' {
		s := scanner{b: v, i: 1}
		s.space()
		start := s.i
		if !s.skip() {
			return nil, "", 0
		}
		inner, tag, rank = candidate(key, v[start:s.i])
		if rank > 0 && s.next(',') {
			inner = v
		}
		return inner, tag, rank
	}
	if len(v) < 2 {
		return nil, "", 0
	}
	switch v[0] {
	case '"':
		if bytes.IndexByte(v, '\\') < 0 {
			return nil, "", 0 // neither a quote nor a tab in it
		}
		var text string
		if json.Unmarshal(v, &text) != nil {
			return nil, "", 0
		}
		b := bytes.TrimSpace([]byte(text))
		if at := bytes.IndexByte(b[:min(len(b), maxPrefix)], '{'); at >= 0 && b[len(b)-1] == '}' {
			return b[at:], "", 4
		}
		if defaultHeader(b) != nil {
			return b, "", 2
		}
	case '{':
		kind, named := known[key]
		switch {
		case hasKey(v, "orig_h") || hasKey(v, "ts"):
			if !named {
				kind = ""
			}
			return v, kind, 3
		case slices.Contains(wrappers, key) && len(v) > 2:
			return v, "", 1
		}
	}
	return nil, "", 0
}

// hasKey says whether an object, or a JSON text in it, has a key with this ending. A value of that text does not count:
// schemas list names.
func hasKey(v []byte, end string) bool {
	return bytes.Contains(v, []byte(end+`":`)) || bytes.Contains(v, []byte(end+`\":`)) || bytes.Contains(v, []byte(end+`" :`))
}

// isAction says whether an object is one of the lines between documents in Elasticsearch's bulk format.
func isAction(line []byte) bool {
	for _, word := range [...]string{`{"index":`, `{"create":`, `{"update":`, `{"delete":`, `{ "index"`, `{ "create"`} {
		if bytes.HasPrefix(line, []byte(word)) {
			return true
		}
	}
	return false
}

// spreader gives each record of a line's lists its own line: batches of CloudWatch, OpenTelemetry and searches.
type spreader struct {
	in   *bufio.Reader
	line bytes.Buffer
}

func (s *spreader) Read(b []byte) (int, error) {
	for s.line.Len() == 0 {
		line, err := readLine(s.in, maxLine)
		if !spread(line, deepest, &s.line) {
			s.line.Write(line)
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) && s.line.Len() == 0 {
			return 0, err
		}
	}
	return s.line.Read(b)
}

// spread writes the records of an object's lists, and says whether there are any.
func spread(object []byte, depth int, out *bytes.Buffer) (some bool) {
	s := scanner{b: object}
	if depth == 0 || !s.next('{') {
		return false
	}
	var scratch []byte
	for {
		key, ok := s.text(&scratch)
		if !ok || !s.next(':') {
			return some
		}
		key = bytes.Clone(key)
		s.space()
		start := s.i
		if !s.skip() {
			return some
		}
		v := s.b[start:s.i]
		switch _, _, rank := candidate(string(key), v); {
		case rank == 0:
		case v[0] == '{':
			some = spread(v, depth-1, out) || some
		case v[0] == '[':
			list := scanner{b: v, i: 1}
			for list.space(); list.peek() != ']'; list.next(',') {
				from := list.i
				if !list.skip() {
					break
				}
				element := v[from:list.i]
				if !spread(element, depth-1, out) {
					var text string
					if element[0] == '"' && json.Unmarshal(element, &text) == nil {
						element = []byte(text)
					}
					out.Write(bytes.ReplaceAll(element, []byte("\n"), []byte(" ")))
					out.WriteByte('\n')
				}
				some = true
			}
		}
		if !s.next(',') {
			return some
		}
	}
}
