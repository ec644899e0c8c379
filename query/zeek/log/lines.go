package log

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// Lines goes through a log line by line, compressed or not, for callers that want lines and no records.
type Lines struct {
	// Header is the content of the # lines up to the last line.
	Header *Header
	// Number is that of the last line, counted from 1.
	Number int
	s      *stream
	in     *bufio.Reader
}

// longest is the longest line that Lines returns.
const longest = 1 << 20

// OpenLines opens a log.
func OpenLines(path string) (*Lines, error) {
	s, err := openLog(path, nil)
	if err != nil {
		return nil, err
	}
	return &Lines{Header: newHeader(), s: s, in: s.Reader}, nil
}

// Close closes the file.
func (l *Lines) Close() { _ = l.s.Close() }

// Next returns the next line that is neither empty nor a header's, valid until the next call; at the end the error is
// io.EOF.
func (l *Lines) Next() ([]byte, error) {
	for {
		line, err := readLine(l.in, longest)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return nil, fmt.Errorf("line %d is longer than 1 MiB: this is no Zeek log", l.Number+1)
		case err != nil && (len(line) == 0 || !errors.Is(err, io.EOF)):
			return nil, err
		}
		l.Number++
		line = clean(bytes.TrimRight(line, "\r\n"))
		if len(line) > 0 && line[0] != '#' {
			return line, nil
		}
		if len(line) > 0 {
			l.Header = l.Header.with(line)
		}
	}
}

// readLine reads a line with its end, or the beginning of one that is longer than most: then the error is
// bufio.ErrBufferFull.
func readLine(in *bufio.Reader, most int) ([]byte, error) {
	line, err := in.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return line, err
	}
	line = bytes.Clone(line)
	for errors.Is(err, bufio.ErrBufferFull) && len(line) < most {
		var more []byte
		more, err = in.ReadSlice('\n')
		line = append(line, more...)
	}
	return line, err
}

// seek continues with the first line that begins at or after a place in a file that is not compressed.
func (l *Lines) seek(at int64) bool {
	if _, err := l.s.file.Seek(at, io.SeekStart); err != nil {
		return false
	}
	l.in.Reset(l.s.file)
	if at > 0 {
		_, _ = l.in.ReadSlice('\n') // the next read has the error
	}
	return true
}
