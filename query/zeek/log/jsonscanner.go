package log

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math/bits"
)

// scanner walks over JSON text. It checks what it skips loosely (brackets must match, strings must end), and what it
// reads exactly.
type scanner struct {
	b []byte
	i int
}

// bad distinguishes a line that ends too early from one that is wrong.
func (s *scanner) bad() problem {
	if s.i >= len(s.b) {
		return tornJSON
	}
	return badJSON
}

func (s *scanner) space() {
	for s.i < len(s.b) && (s.b[s.i] == ' ' || s.b[s.i] == '\t' || s.b[s.i] == '\r' || s.b[s.i] == '\n') {
		s.i++
	}
}

// peek is the next byte that is not space, or 0 at the end.
func (s *scanner) peek() byte {
	s.space()
	if s.i >= len(s.b) {
		return 0
	}
	return s.b[s.i]
}

// next skips c if it comes next.
func (s *scanner) next(c byte) bool {
	if s.i < len(s.b) && s.b[s.i] == c {
		s.i++
		return true
	}
	if s.peek() == c && c != 0 {
		s.i++
		return true
	}
	return false
}

// text reads a string. It returns a view of the line, or, with escapes, a copy in scratch that is valid until the next
// call.
func (s *scanner) text(scratch *[]byte) (b []byte, ok bool) {
	if !s.next('"') {
		return nil, false
	}
	start := s.i
	end := quoteOrSlash(s.b, start)
	if end < len(s.b) && s.b[end] == '"' {
		s.i = end + 1
		return s.b[start:end], true
	}
	if !s.stringEnd() {
		return nil, false
	}
	var plain string
	if json.Unmarshal(s.b[start-1:s.i], &plain) != nil {
		s.i = start
		return nil, false
	}
	*scratch = append((*scratch)[:0], plain...)
	return *scratch, true
}

// stringEnd skips to after the closing quote of the present string.
func (s *scanner) stringEnd() bool {
	for {
		s.i = quoteOrSlash(s.b, s.i)
		if s.i >= len(s.b) {
			return false
		}
		if s.b[s.i] == '"' {
			s.i++
			return true
		}
		if s.i += 2; s.i > len(s.b) {
			s.i = len(s.b)
		}
	}
}

// quoteOrSlash is the place of the next quote or backslash at or after i, or the length of b. It looks at eight bytes
// at a time: x-0x01.. & ^x & 0x80.. has a bit set at the lowest zero byte of x (a well-known trick).
func quoteOrSlash(b []byte, i int) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(b); i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		q, s := x^ones*'"', x^ones*'\\'
		if hit := ((q-ones) & ^q | (s-ones) & ^s) & highs; hit != 0 {
			return i + bits.TrailingZeros64(hit)/8
		}
	}
	for i < len(b) && b[i] != '"' && b[i] != '\\' {
		i++
	}
	return min(i, len(b))
}

// number skips a number and returns its text. Whoever wants it checks it.
func (s *scanner) number() []byte {
	start := s.i
	for s.i < len(s.b) {
		// Of what may follow a number only } and ] sort after the comma, and of a number only + before it.
		if c := s.b[s.i]; (c <= ',' && c != '+') || c == '}' || c == ']' {
			break
		}
		s.i++
	}
	return s.b[start:s.i]
}

// skip skips one value of any kind.
func (s *scanner) skip() bool {
	switch c := s.peek(); {
	case c == '"':
		s.i++
		return s.stringEnd()
	case c == '{' || c == '[':
		return s.skipNested()
	case c == '-' || (c >= '0' && c <= '9'):
		s.number()
		return true
	default:
		for _, word := range [...]string{"true", "false", "null"} {
			if bytes.HasPrefix(s.b[s.i:], []byte(word)) {
				s.i += len(word)
				return true
			}
		}
		return false
	}
}

// skipNested skips an object or a list by counting brackets outside of strings.
func (s *scanner) skipNested() bool {
	depth := 0
	for s.i < len(s.b) {
		c := s.b[s.i]
		s.i++
		switch c {
		case '"':
			if !s.stringEnd() {
				return false
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return true
			}
		}
	}
	return false
}

// members calls take with the name and the value of every member of the next object, the value as its text in the line.
// Names in nested objects are joined by dots, as Zeek joins them; a nested object comes after its members. Both are
// valid until take returns.
func (s *scanner) members(name []byte, take func(name, value []byte)) problem {
	if !s.next('{') {
		return s.bad()
	}
	if s.next('}') {
		return fine
	}
	prefix := len(name)
	var scratch []byte
	for {
		key, ok := s.text(&scratch)
		if !ok || !s.next(':') {
			return s.bad()
		}
		name = append(name[:prefix], key...)
		object := s.peek() == '{' && prefix < 256
		start := s.i
		if object {
			if why := s.members(append(name, '.'), take); why != fine {
				return why
			}
		} else if !s.skip() {
			return s.bad()
		}
		take(name, s.b[start:s.i])
		if s.next(',') {
			continue
		}
		if s.next('}') {
			return fine
		}
		return s.bad()
	}
}
