package log

import "io"

// smallest is a buffer length that every translating reader of this package can use: a character of four bytes.
const smallest = 4

// small lets a translating reader read into buffers of any length. A translated character has several bytes, and bufio
// requests one byte when a long line nearly fills its buffer; a reader that returns nothing then looks broken.
type small struct {
	in   io.Reader
	left []byte
	buf  [2 * smallest]byte
}

func (s *small) Read(b []byte) (int, error) {
	if len(s.left) == 0 {
		if len(b) >= smallest || len(b) == 0 {
			return s.in.Read(b)
		}
		n, err := s.in.Read(s.buf[:])
		if n == 0 {
			return 0, err
		}
		s.left = s.buf[:n] // an error comes again with the next call
	}
	n := copy(b, s.left)
	s.left = s.left[n:]
	return n, nil
}
