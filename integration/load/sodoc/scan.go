package sodoc

import (
	"bytes"
	"errors"
)

// scanner walks through a valid JSON object.
type scanner struct {
	b []byte
	i int
}

var errNoObject = errors.New("the line is no JSON object")

func (s *scanner) space() {
	for s.i < len(s.b) && (s.b[s.i] == ' ' || s.b[s.i] == '\t' || s.b[s.i] == '\r' || s.b[s.i] == '\n') {
		s.i++
	}
}

// text skips a string and returns the part between its quotes, escapes unchanged.
func (s *scanner) text() []byte {
	s.i++
	from := s.i
	for {
		n := bytes.IndexAny(s.b[s.i:], `"\`)
		s.i += n
		if s.b[s.i] == '"' {
			s.i++
			return s.b[from : s.i-1]
		}
		s.i += 2
	}
}

// value skips any value and returns its raw text.
func (s *scanner) value() []byte {
	from := s.i
	switch s.b[s.i] {
	case '"':
		s.text()
	case '{', '[':
		for depth := 0; ; {
			switch s.b[s.i] {
			case '"':
				s.text()
				continue
			case '{', '[':
				depth++
			case '}', ']':
				depth--
			}
			s.i++
			if depth == 0 {
				return s.b[from:s.i]
			}
		}
	default:
		for s.i < len(s.b) && bytes.IndexByte([]byte(",}] \t\r\n"), s.b[s.i]) < 0 {
			s.i++
		}
	}
	return s.b[from:s.i]
}

// object calls take for each member. Members of nested objects have joined names, such as "id.orig_h".
func (s *scanner) object(prefix []byte, take func(name, value []byte)) {
	s.space()
	s.i++
	for {
		s.space()
		if s.b[s.i] == '}' {
			s.i++
			return
		}
		if s.b[s.i] == ',' {
			s.i++
			continue
		}
		name := s.text()
		if len(prefix) > 0 {
			name = append(append(append(make([]byte, 0, len(prefix)+1+len(name)), prefix...), '.'), name...)
		}
		s.space()
		s.i++
		s.space()
		if s.b[s.i] == '{' {
			s.object(name, take)
			continue
		}
		take(name, s.value())
	}
}
