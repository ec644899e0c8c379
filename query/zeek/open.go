package zeek

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// stream is the decompressed content of a log file.
type stream struct {
	io.Reader
	file *os.File
	free func()
	// packed says that the file is compressed.
	packed bool
}

// Close gives back the file and the decompressor.
func (s *stream) Close() error {
	if s.free != nil {
		s.free()
	}
	return s.file.Close()
}

// counted counts the bytes that are read from the file as it is, for progress.
type counted struct {
	io.Reader
	n *atomic.Int64
}

func (c counted) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.n.Add(int64(n))
	return n, err
}

// openLog opens a log, compressed or not: its first bytes tell, not its name. read, if set, is raised by the bytes
// read from the file.
func openLog(path string, read *atomic.Int64) (*stream, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	var in io.Reader = f
	if read != nil {
		in = counted{f, read}
	}
	head := make([]byte, 6)
	n, err := io.ReadFull(in, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		_ = f.Close()
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	head = head[:n]
	whole := io.MultiReader(bytes.NewReader(head), in)
	s := &stream{file: f}
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(bufio.NewReaderSize(whole, 64<<10))
		if err != nil {
			_ = f.Close()
			return nil, fmt.Errorf("unpack %s: %w", path, err)
		}
		s.Reader, s.packed = z, true
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		// One goroutine a file: the files themselves are read side by side.
		z, err := zstd.NewReader(whole, zstd.WithDecoderConcurrency(1))
		if err != nil {
			_ = f.Close()
			return nil, fmt.Errorf("unpack %s: %w", path, err)
		}
		s.Reader, s.free, s.packed = z, z.Close, true
	case bytes.HasPrefix(head, []byte("BZh")), bytes.HasPrefix(head, []byte{0xfd, '7', 'z', 'X', 'Z'}), bytes.HasPrefix(head, []byte("PK\x03\x04")):
		_ = f.Close()
		return nil, fmt.Errorf("unpack %s: it is compressed with bzip2, xz or zip, which are not read; unpack it, or compress it with gzip or zstd", path)
	default:
		s.Reader = whole
	}
	return s, nil
}
