// Package scan reads JSON from a byte slice without allocating: no maps, no interface values, and only strings with
// escapes are copied. It is for Elasticsearch answers with tens of thousands of buckets, so that decoding never delays
// the server.
//
// Errors are sticky: after the first, every method returns zero values and [Scanner.Err] says what and where. Skipped
// text is checked for balance only, read text in full.
package scan

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// Scanner is a cursor over JSON text. The zero value reads nothing; call [Scanner.Reset].
type Scanner struct {
	b       []byte
	i       int
	first   bool
	err     error
	scratch []byte
}

// Reset starts over with another text.
func (s *Scanner) Reset(b []byte) { s.b, s.i, s.first, s.err = b, 0, false, nil }

// Err is the first error, or nil.
func (s *Scanner) Err() error { return s.err }

// Fail sets the scanner's error, unless it has one.
func (s *Scanner) Fail(err error) {
	if s.err == nil {
		s.err = fmt.Errorf("at byte %d: %w", s.i, err)
	}
}

var (
	errSyntax = errors.New("not the JSON that was expected")
	errShort  = errors.New("the text ends too early")
)

// peek skips white space and returns the next byte, 0 at the end.
func (s *Scanner) peek() byte {
	for s.i < len(s.b) {
		switch c := s.b[s.i]; c {
		case ' ', '\n', '\r', '\t':
			s.i++
		default:
			return c
		}
	}
	return 0
}

func (s *Scanner) expect(c byte) bool {
	if s.err != nil {
		return false
	}
	switch s.peek() {
	case c:
		s.i++
		return true
	case 0:
		s.Fail(errShort)
	default:
		s.Fail(errSyntax)
	}
	return false
}

// Object enters an object; continue with Key.
func (s *Scanner) Object() bool {
	s.first = s.expect('{')
	return s.first
}

// Key returns the next key of the entered object, or false at its end (or after an error). The bytes are valid until
// the next string is read. After Key, the value must be consumed.
func (s *Scanner) Key() ([]byte, bool) {
	if k, ok := s.letter(); ok {
		return k, true
	}
	if !s.next('}') {
		return nil, false
	}
	k := s.Text()
	if !s.expect(':') {
		return nil, false
	}
	return k, true
}

// letter is Key for a single plain letter without white space (,"k":), like most keys of large answers.
func (s *Scanner) letter() ([]byte, bool) {
	i := s.i
	if !s.first {
		if i >= len(s.b) || s.b[i] != ',' {
			return nil, false
		}
		i++
	}
	if s.err != nil || len(s.b)-i < 4 {
		return nil, false
	}
	b := s.b[i : i+4]
	if b[0] != '"' || b[1] < 'a' || b[1] > 'z' || b[2] != '"' || b[3] != ':' {
		return nil, false
	}
	s.i, s.first = i+4, false
	return b[1:2], true
}

// Array enters an array; continue with Elem.
func (s *Scanner) Array() bool {
	s.first = s.expect('[')
	return s.first
}

// Elem reports whether there is another element, which must then be consumed.
func (s *Scanner) Elem() bool { return s.next(']') }

func (s *Scanner) next(end byte) bool {
	if s.err != nil {
		return false
	}
	first := s.first
	s.first = false
	if s.peek() == end {
		s.i++
		return false
	}
	if !first && !s.expect(',') {
		return false
	}
	return true
}

// Null consumes a null and reports whether there was one.
func (s *Scanner) Null() bool {
	if s.err != nil || s.peek() != 'n' {
		return false
	}
	s.literal("null")
	return s.err == nil
}

func (s *Scanner) literal(word string) {
	if len(s.b)-s.i < len(word) || string(s.b[s.i:s.i+len(word)]) != word {
		s.Fail(errSyntax)
		return
	}
	s.i += len(word)
}

// Bool reads true or false.
func (s *Scanner) Bool() bool {
	if s.err != nil {
		return false
	}
	if s.peek() == 't' {
		s.literal("true")
		return s.err == nil
	}
	s.literal("false")
	return false
}

// Int reads an integer. A number with a fraction or an exponent is an error.
func (s *Scanner) Int() int64 {
	n, whole := s.integer()
	if !whole {
		s.Fail(errSyntax)
		return 0
	}
	return n
}

// Scaled reads a number times 1000, truncated: seconds as milliseconds, whether the server sends them whole or with a
// fraction.
func (s *Scanner) Scaled() int64 {
	start := s.i
	n, whole := s.integer()
	if s.err != nil {
		return 0
	}
	if whole {
		if n > maxScaled || n < -maxScaled {
			s.Fail(strconv.ErrRange)
			return 0
		}
		return n * 1000
	}
	for s.i < len(s.b) && numeric(s.b[s.i]) {
		s.i++
	}
	f, err := strconv.ParseFloat(string(bytes.TrimLeft(s.b[start:s.i], " \n\r\t")), 64)
	if err != nil || f > maxScaled || f < -maxScaled {
		s.Fail(errSyntax)
		return 0
	}
	return int64(f * 1000)
}

// Number reads a number, quoted or not, times the factor, truncated. ok is false for any other value or one too large;
// that is consumed too, without an error.
func (s *Scanner) Number(times int64) (n int64, ok bool) {
	if s.err != nil {
		return 0, false
	}
	s.peek()
	start := s.i
	n, whole := s.integer()
	if s.err == nil && whole && n <= maxNumber/times && n >= -maxNumber/times {
		return n * times, true
	}
	s.err, s.i = nil, start
	f, err := strconv.ParseFloat(string(bytes.Trim(s.Raw(), `"`)), 64)
	if f *= float64(times); s.err != nil || err != nil || !(f < maxNumber && f > -maxNumber) {
		return 0, false
	}
	return int64(f), true
}

// maxNumber limits the result of Number.
const maxNumber = 1 << 62

// maxScaled is the largest number that fits when multiplied by a thousand.
const maxScaled = 1<<63/1000 - 1

func numeric(c byte) bool {
	return c >= '0' && c <= '9' || c == '.' || c == 'e' || c == 'E' || c == '+' || c == '-'
}

// integer reads digits. whole is false if a fraction or an exponent follows, which is not consumed.
func (s *Scanner) integer() (n int64, whole bool) {
	if s.err != nil {
		return 0, true
	}
	neg := s.peek() == '-'
	if neg {
		s.i++
	}
	start := s.i
	for ; s.i < len(s.b); s.i++ {
		d := s.b[s.i] - '0'
		if d > 9 {
			break
		}
		if n > (1<<63-1-int64(d))/10 {
			s.Fail(strconv.ErrRange)
			return 0, true
		}
		n = n*10 + int64(d)
	}
	switch {
	case s.i == start, s.b[start] == '0' && s.i > start+1:
		s.Fail(errSyntax)
		return 0, true
	case neg:
		n = -n
	}
	return n, s.i >= len(s.b) || !numeric(s.b[s.i])
}

// Text reads a string and returns its bytes, valid until the next string is read or the text is released.
func (s *Scanner) Text() []byte {
	if s.err == nil && s.i < len(s.b) && s.b[s.i] == '"' {
		s.i++
	} else if !s.expect('"') {
		return nil
	}
	start := s.i
	for i := start; i < len(s.b); i++ {
		switch c := s.b[i]; {
		case c == '"':
			s.i = i + 1
			return s.b[start:i]
		case c == '\\':
			return s.escaped(start, i)
		case c < ' ':
			s.i = i
			s.Fail(errSyntax)
			return nil
		}
	}
	s.i = len(s.b)
	s.Fail(errShort)
	return nil
}

// escaped continues at the first backslash, at i, of the string that starts at start.
func (s *Scanner) escaped(start, i int) []byte {
	out := append(s.scratch[:0], s.b[start:i]...)
	for i < len(s.b) {
		c := s.b[i]
		switch {
		case c == '"':
			s.i, s.scratch = i+1, out
			return out
		case c < ' ':
			s.i = i
			s.Fail(errSyntax)
			return nil
		case c != '\\':
			out = append(out, c)
			i++
			continue
		}
		if i+1 >= len(s.b) {
			break
		}
		i++
		switch c = s.b[i]; c {
		case '"', '\\', '/':
			out = append(out, c)
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r, ok := hex4(s.b, i+1)
			if !ok {
				s.i = i
				s.Fail(errSyntax)
				return nil
			}
			i += 4
			if utf16.IsSurrogate(r) {
				low, ok := rune(0), false
				if i+2 < len(s.b) && s.b[i+1] == '\\' && s.b[i+2] == 'u' {
					low, ok = hex4(s.b, i+3)
				}
				if pair := utf16.DecodeRune(r, low); ok && pair != utf8.RuneError {
					r = pair
					i += 6
				} else {
					r = utf8.RuneError
				}
			}
			out = utf8.AppendRune(out, r)
		default:
			s.i = i
			s.Fail(errSyntax)
			return nil
		}
		i++
	}
	s.i = len(s.b)
	s.Fail(errShort)
	return nil
}

func hex4(b []byte, at int) (rune, bool) {
	if at+4 > len(b) {
		return 0, false
	}
	var r rune
	for _, c := range b[at : at+4] {
		r <<= 4
		switch {
		case c >= '0' && c <= '9':
			r |= rune(c - '0')
		case c >= 'a' && c <= 'f':
			r |= rune(c - 'a' + 10)
		case c >= 'A' && c <= 'F':
			r |= rune(c - 'A' + 10)
		default:
			return 0, false
		}
	}
	return r, true
}

// Raw consumes one value of any kind and returns its text.
func (s *Scanner) Raw() []byte {
	if s.err != nil {
		return nil
	}
	c := s.peek()
	start := s.i
	switch c {
	case '{', '[':
		s.balance()
	case '"':
		s.quoted()
	case 0:
		s.Fail(errShort)
	default:
		for s.i < len(s.b) && (s.b[s.i] >= 'a' && s.b[s.i] <= 'z' || numeric(s.b[s.i])) {
			s.i++
		}
		if s.i == start {
			s.Fail(errSyntax)
		}
	}
	if s.err != nil {
		return nil
	}
	return s.b[start:s.i]
}

// Rest returns the remaining text unread.
func (s *Scanner) Rest() []byte {
	if s.err != nil {
		return nil
	}
	return s.b[s.i:]
}

// Skip consumes one value of any kind.
func (s *Scanner) Skip() { s.Raw() }

// maxDepth limits nesting in skipped values.
const maxDepth = 512

// balance skips to the end of the object or array that starts here.
func (s *Scanner) balance() {
	var stack [maxDepth]byte
	depth := 0
	for s.i < len(s.b) {
		switch c := s.b[s.i]; c {
		case '"':
			s.quoted()
			if s.err != nil {
				return
			}
			continue
		case '{', '[':
			if depth == maxDepth {
				s.Fail(errors.New("nested too deeply"))
				return
			}
			stack[depth] = c + 2 // '{'+2 is '}', '['+2 is ']'.
			depth++
		case '}', ']':
			depth--
			if stack[depth] != c {
				s.Fail(errSyntax)
				return
			}
			if depth == 0 {
				s.i++
				return
			}
		}
		s.i++
	}
	s.Fail(errShort)
}

// quoted skips the string that starts here.
func (s *Scanner) quoted() {
	i := s.i + 1
	for {
		q := bytes.IndexByte(s.b[i:], '"')
		if q < 0 {
			s.i = len(s.b)
			s.Fail(errShort)
			return
		}
		i += q
		back := 0
		for s.b[i-1-back] == '\\' && i-1-back > s.i {
			back++
		}
		i++
		if back%2 == 0 {
			s.i = i
			return
		}
	}
}

// End reports whether only white space is left; anything else is an error.
func (s *Scanner) End() bool {
	if s.err == nil && s.peek() != 0 {
		s.Fail(errSyntax)
	}
	return s.err == nil
}
