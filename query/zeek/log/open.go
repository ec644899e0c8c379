package log

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// stream is the text of a log file.
type stream struct {
	*bufio.Reader
	file *os.File
	free func()
	// wide says that the text is UTF-16.
	wide bool
}

// Close closes the file and the decompressor.
func (s *stream) Close() error {
	if s.free != nil {
		s.free()
	}
	return s.file.Close()
}

// counted counts the bytes read from the stored file, for progress.
type counted struct {
	io.Reader
	n *atomic.Int64
}

func (c counted) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.n.Add(int64(n))
	return n, err
}

// notLogError says what a file is that is not a log, and what to do with it.
type notLogError struct {
	what, hint string
	// data says that logs may be inside.
	data bool
}

func (e *notLogError) Error() string {
	if e.hint == "" {
		return e.what
	}
	return e.what + "; " + e.hint
}

// openLog opens a log, compressed or not: its first bytes decide, not its name. read, if set, is raised by the bytes
// read from the file.
func openLog(path string, read *atomic.Int64) (*stream, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	s, err := newStream(f, read)
	if err != nil {
		_ = f.Close() // it is only read
		return nil, err
	}
	return s, nil
}

func newStream(f *os.File, read *atomic.Int64) (*stream, error) {
	var in io.Reader = f
	if read != nil {
		in = counted{f, read}
	}
	raw := bufio.NewReaderSize(in, 64<<10)
	head, err := raw.Peek(512)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read: %w", err)
	}
	s := &stream{file: f, Reader: raw}
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(raw)
		if err != nil {
			return nil, fmt.Errorf("unpack: %w", err)
		}
		z.Multistream(false)
		s.Reader = bufio.NewReaderSize(&members{raw: raw, z: z}, 64<<10)
	case isZstd(head):
		// one goroutine a file: the files themselves are read in parallel
		z, err := zstd.NewReader(raw, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, fmt.Errorf("unpack: %w", err)
		}
		s.Reader, s.free = bufio.NewReaderSize(z, 64<<10), z.Close
	case bytes.HasPrefix(head, []byte("BZh")):
		s.Reader = bufio.NewReaderSize(bzip2.NewReader(raw), 64<<10)
	}
	if s.Reader != raw {
		head, err = s.Peek(512)
		if len(head) == 0 && err != nil && !errors.Is(err, io.EOF) {
			s.release()
			return nil, &notLogError{what: "is packed, and its compression ends before the first record (" + err.Error() + ")", hint: "copy it again", data: true}
		}
	}
	if err := magic(head, s.Reader != raw); err != nil {
		s.release()
		return nil, err
	}
	if order := wide(head); order != nil {
		s.Reader, s.wide = bufio.NewReaderSize(&small{in: &utf16Reader{in: s.Reader, order: order}}, 64<<10), true
	}
	return s, nil
}

func (s *stream) release() {
	if s.free != nil {
		s.free()
	}
}

// isZstd recognizes zstd's frames, and the skippable ones that pzstd begins with.
func isZstd(head []byte) bool {
	if len(head) < 4 {
		return false
	}
	m := binary.LittleEndian.Uint32(head)
	return m == 0xfd2fb528 || m&^0xf == 0x184d2a50
}

// members are the parts of a gzip file one after another. Zeros after the last one, as tar and devices leave them, do
// not belong to it.
type members struct {
	raw *bufio.Reader
	z   *gzip.Reader
}

func (m *members) Read(b []byte) (int, error) {
	n, err := m.z.Read(b)
	if n > 0 || !errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		if n > 0 && errors.Is(err, io.EOF) {
			err = nil // the next call comes to the same end
		}
		return n, err
	}
	for {
		c, err := m.raw.ReadByte()
		if err != nil {
			return 0, err
		}
		if c != 0 {
			_ = m.raw.UnreadByte() // a byte was just read
			break
		}
	}
	if err := m.z.Reset(m.raw); err != nil {
		return 0, fmt.Errorf("what follows the packed log is none: %w", err)
	}
	m.z.Multistream(false)
	return 0, nil
}

// magics are files that are not logs by their first bytes, with what to do about them.
var magics = []struct {
	bytes, what, hint string
	data              bool
}{
	{"\xa1\xb2\xc3\xd4", "is a packet capture (pcap), no log", "make logs of it with: zeek -r FILE, and hunt in those", false},
	{"\xd4\xc3\xb2\xa1", "is a packet capture (pcap), no log", "make logs of it with: zeek -r FILE, and hunt in those", false},
	{"\xa1\xb2\x3c\x4d", "is a packet capture (pcap), no log", "make logs of it with: zeek -r FILE, and hunt in those", false},
	{"\x4d\x3c\xb2\xa1", "is a packet capture (pcap), no log", "make logs of it with: zeek -r FILE, and hunt in those", false},
	{"\x0a\x0d\x0d\x0a", "is a packet capture (pcapng), no log", "make logs of it with: zeek -r FILE, and hunt in those", false},
	{"\x04\x22\x4d\x18", "is compressed with lz4, which is not read", "unpack it with: lz4 -d FILE, or compress it with gzip or zstd", true},
	{"\x02\x21\x4c\x18", "is compressed with lz4, which is not read", "unpack it with: lz4 -d FILE, or compress it with gzip or zstd", true},
	{"\xfd7zXZ\x00", "is compressed with xz, which is not read", "unpack it with: xz -d FILE, or compress it with gzip or zstd", true},
	{"\xff\x06\x00\x00sNaPpY", "is compressed with snappy, which is not read", "unpack it, or compress it with gzip or zstd", true},
	{"\x89LZO", "is compressed with lzop, which is not read", "unpack it with: lzop -d FILE", true},
	{"\x5d\x00\x00", "is compressed with lzma, which is not read", "unpack it with: unlzma FILE", true},
	{"\x1f\x9d", "is compressed with compress, which is not read", "unpack it with: uncompress FILE", true},
	{"\x1f\x8b", "is compressed twice", "unpack it once with: gunzip FILE", true},
	{"\xce\xb2\xcf\x81", "is compressed with brotli, which is not read", "unpack it with: brotli -d FILE", true},
	{"PK\x03\x04", "is an archive (zip), and archives are not looked into", "unpack it with: unzip FILE, and give the directory", true},
	{"PK\x05\x06", "is an empty archive (zip)", "", false},
	{"7z\xbc\xaf\x27\x1c", "is an archive (7z), and archives are not looked into", "unpack it with: 7z x FILE, and give the directory", true},
	{"Rar!\x1a\x07", "is an archive (rar), and archives are not looked into", "unpack it, and give the directory", true},
	{"PAR1", "is a Parquet file, no Zeek log", "write the records out as JSON lines", true},
	{"ORC", "is an ORC file, no Zeek log", "write the records out as JSON lines", true},
	{"Obj\x01", "is an Avro file, no Zeek log", "write the records out as JSON lines", true},
	{"SQLite format 3", "is a SQLite database, no Zeek log", "write the records out as JSON lines", true},
	{"ElfFile\x00", "is a Windows event log, no Zeek log", "", false},
}

// magic recognizes a file that is not a log by its first bytes; packed says that they come from a compressed one.
func magic(head []byte, packed bool) error {
	for _, m := range magics {
		if bytes.HasPrefix(head, []byte(m.bytes)) {
			return &notLogError{m.what, m.hint, m.data}
		}
	}
	if len(head) > 262 && string(head[257:262]) == "ustar" {
		how := "tar xf FILE"
		if packed {
			how = "tar xzf FILE"
		}
		return &notLogError{"is an archive (tar), and archives are not looked into", "unpack it with: " + how + ", and give the directory", true}
	}
	return nil
}

// wide is the byte order of UTF-16 text, or nil if it is not that.
func wide(head []byte) binary.ByteOrder {
	switch {
	case len(head) < 4:
		return nil
	case head[0] == 0xff && head[1] == 0xfe, head[0] != 0 && head[1] == 0 && head[2] != 0 && head[3] == 0:
		return binary.LittleEndian
	case head[0] == 0xfe && head[1] == 0xff, head[0] == 0 && head[1] != 0 && head[2] == 0 && head[3] != 0:
		return binary.BigEndian
	}
	return nil
}

// utf16Reader turns UTF-16, as Windows PowerShell writes it, into UTF-8.
type utf16Reader struct {
	in    *bufio.Reader
	order binary.ByteOrder
	high  uint16
}

func (u *utf16Reader) Read(b []byte) (int, error) {
	n := 0
	for n+utf8.UTFMax <= len(b) {
		var two [2]byte
		if _, err := io.ReadFull(u.in, two[:]); err != nil {
			if n > 0 {
				return n, nil
			}
			return 0, err
		}
		c := u.order.Uint16(two[:])
		switch r := rune(c); {
		case r == 0xfeff:
		case utf16.IsSurrogate(r) && u.high == 0:
			u.high = c
		case u.high != 0:
			n += utf8.EncodeRune(b[n:], utf16.DecodeRune(rune(u.high), r))
			u.high = 0
		default:
			n += utf8.EncodeRune(b[n:], r)
		}
	}
	return n, nil
}

// loose turns JSON whose objects span lines, or are in an array or next to each other, into one line an object.
type loose struct {
	in                   *bufio.Reader
	depth                int
	text, escaped, ended bool
	// base is the array with the objects, inside an answer of a search.
	base bool
}

func (l *loose) Read(b []byte) (int, error) {
	n := 0
	for n+1 < len(b) {
		if n > 0 && l.in.Buffered() == 0 {
			break
		}
		c, err := l.in.ReadByte()
		if err != nil {
			if n > 0 {
				return n, nil
			}
			return 0, err
		}
		if l.ended {
			continue
		}
		switch {
		case l.text:
			if c == '\n' || c == '\r' {
				c = ' '
			}
			l.text = l.escaped || c != '"'
			l.escaped = c == '\\' && !l.escaped
		case c == '"' && l.depth > 0:
			l.text = true
		case c == '{' || c == '[' && l.depth > 0:
			l.depth++
		case (c == '}' || c == ']') && l.depth > 0:
			if l.depth--; l.depth == 0 {
				b[n], b[n+1] = c, '\n'
				n += 2
				continue
			}
		case c == ']' && l.base:
			l.ended = true
			continue
		case l.depth == 0 || c == ' ' || c == '\n' || c == '\r' || c == '\t':
			continue
		}
		b[n] = c
		n++
	}
	return n, nil
}
