package tile

import (
	"cmp"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"sync"
)

// Shelf keeps values that are rarely needed again: in memory up to a bound, then in a file. Any number of goroutines
// may use it.
type Shelf struct {
	base, what string
	most       int64

	mu     sync.Mutex
	blocks []shelfBlock
	held   int64 // bytes in memory
	dir    string
	file   *os.File
	size   int64 // of the file
	failed error
}

// shelfBlock is in memory, or in the file at a place.
type shelfBlock struct {
	data []byte
	at   int64
}

// Place is a value's place; the zero Place is no value.
type Place struct {
	block, at, size, crc uint32
}

const shelfBlockSize = 256 << 10

// NewShelf makes a shelf with approximately this many bytes in memory, 0 for no bound. Its file goes below base; empty
// means the system's directory for temporary files. What says in errors what it holds. Close it when done.
func NewShelf(base, what string, most int64) *Shelf {
	return &Shelf{base: cmp.Or(base, os.TempDir()), what: what, most: most}
}

// Put copies a value to the shelf. Err returns errors on disk.
func (s *Shelf) Put(value []byte) Place {
	if len(value) == 0 {
		return Place{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.blocks)
	if n == 0 || len(s.blocks[n-1].data)+len(value) > cap(s.blocks[n-1].data) {
		s.full()
		s.blocks = append(s.blocks, shelfBlock{data: make([]byte, 0, max(shelfBlockSize, len(value)))})
		s.held += int64(cap(s.blocks[n].data))
		n++
	}
	b := &s.blocks[n-1]
	p := Place{block: uint32(n - 1), at: uint32(len(b.data)), size: uint32(len(value)), crc: crc32.Checksum(value, castagnoli)}
	b.data = append(b.data, value...)
	return p
}

// full writes the last block, which is complete, if too much is in memory.
func (s *Shelf) full() {
	if s.most == 0 || s.held <= s.most || s.failed != nil {
		return
	}
	b := &s.blocks[len(s.blocks)-1]
	if s.failed = s.write(b.data); s.failed != nil {
		return
	}
	s.held -= int64(cap(b.data))
	written := int64(len(b.data))
	b.at, b.data = s.size, nil
	s.size += written
}

func (s *Shelf) write(data []byte) (err error) {
	if s.file == nil {
		if s.dir, err = Folder(s.base); err == nil {
			s.file, err = os.OpenFile(filepath.Join(s.dir, "shelf"), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
		}
	}
	if err == nil {
		_, err = s.file.WriteAt(data, s.size)
	}
	if err != nil {
		return fmt.Errorf("the %s of the hunt outgrew their part of its memory budget and could not go to disk: %w; free room below %s, "+
			"move the state directory (state.dir) to a larger disk, raise hunt.memory, or hunt a shorter window", s.what, err, s.base)
	}
	return nil
}

// Get returns a value; nil if it cannot be read, which Err reports.
func (s *Shelf) Get(p Place) []byte {
	if p.size == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	value := make([]byte, p.size)
	if b := &s.blocks[p.block]; b.data != nil {
		copy(value, b.data[p.at:])
		return value
	} else if _, err := s.file.ReadAt(value, b.at+int64(p.at)); err != nil {
		s.failed = errors.Join(s.failed, fmt.Errorf("read %s that went to disk: %w", s.what, err))
		return nil
	}
	if crc32.Checksum(value, castagnoli) != p.crc {
		s.failed = errors.Join(s.failed, fmt.Errorf("%w: %s: a checksum does not agree; hunt again", ErrDamaged, s.file.Name()))
		return nil
	}
	return value
}

// Err is the error on disk, if any.
func (s *Shelf) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

// Close removes the file.
func (s *Shelf) Close() error {
	if s.dir == "" {
		return nil
	}
	var err error
	if s.file != nil {
		err = s.file.Close()
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}
