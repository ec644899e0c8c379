// Package tile writes and reads spill files: sorted entries, for pairs that do not fit in memory. It
// does not interpret an entry's value; internal/pairs writes pairs.
//
// A table that outgrows its half of hunt.memory is written as one tile, and emptied. At the end the tiles
// are merged in key order, with one block of each in memory, so all pairs of a source come together. Beyond 128 tiles
// neighbors are merged. Uses of names go to disk likewise, and the value of two addresses is the uses between them.
// A [Shelf] keeps single values that are rarely read again.
//
// Format, version 3. Numbers of fixed length are little-endian; uvarint and varint (zigzag) are those of
// encoding/binary.
//
//	"dwelltile" 0x03   the last byte is the version
//	block*             length (4, not 0), entries, CRC-32C of the entries (4)
//	end                0 (4), number of entries (8), CRC-32C of those 8 bytes (4)
//	entry              key (32: source, destination; IPv4 as IPv4-in-IPv6), length of the value (uvarint), value
//	value of a pair    connections (uvarint), ports (uvarint), port*, connection*
//	port               number (2), transport (1: 0 unknown, 1 tcp, 2 udp, 3 icmp), start of its last connection
//	                   (varint, Unix milliseconds), that one's source port (2) and uid (20, zeros where unknown),
//	                   service (uvarint length, text)
//	connection         port (uvarint, index), start less the start before it (varint, milliseconds), source port (uvarint),
//	                   hash of the uid (uvarint, 0: none; under a name its address), then as uvarint plus one, 0 for absent: sent bytes with IP
//	                   headers, duration in milliseconds, payload sent, payload received
//
// Keys ascend strictly. Connections are in the order in which they were read. An entry does not cross a block's end;
// blocks are closed at 32 KiB. A tile is written under a temporary name, synced and renamed. A reader checks every
// checksum, the order of the keys and the number of entries, so a torn or damaged tile is an
// error that names the file, never a shorter tile.
//
// Parquet, as history has it, would cost ten times the processor time a walk (docs/decisions/0011).
package tile

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"

	"dwell/internal/atomicfile"
)

// KeySize is the length of a key: source and destination address, 16 bytes each.
const KeySize = 32

// Key sorts entries, bytewise.
type Key [KeySize]byte

const (
	// magic starts a tile; its last byte is the format version.
	magic     = "dwelltile\x03"
	blockSize = 32 << 10
	// maxBlock is the longest block that a reader accepts, maxValue the longest value that fits in it. One entry may
	// hold a pair's whole day.
	maxBlock = 1 << 30
	maxValue = maxBlock - 2*blockSize
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Writer writes one tile. End it with Close or Discard.
type Writer struct {
	path  string
	file  *atomicfile.File
	out   io.Writer // the file
	block []byte    // starts with room for its length
	last  Key
	count uint64
}

// Create starts a tile that will be at path.
func Create(path string) (*Writer, error) {
	f, err := atomicfile.Create(path, 0o600)
	if err != nil {
		return nil, fmt.Errorf("begin tile %s: %w", path, err)
	}
	w := &Writer{path: path, file: f, out: f, block: make([]byte, lengthSize, blockSize+blockSize/8)}
	if _, err := f.Write([]byte(magic)); err != nil {
		w.Discard()
		return nil, w.wrap(err)
	}
	return w, nil
}

// lengthSize is the size of a block's length field.
const lengthSize = 4

func (w *Writer) wrap(err error) error { return fmt.Errorf("write tile %s: %w", w.path, err) }

// Add appends an entry; keys must ascend.
func (w *Writer) Add(key Key, value []byte) error {
	if w.count > 0 && bytes.Compare(w.last[:], key[:]) >= 0 {
		return w.wrap(errors.New("keys do not ascend"))
	}
	if len(value) > maxValue { // a reader would reject it as damaged
		return w.wrap(fmt.Errorf("an entry of %d bytes does not fit: %d are the most", len(value), maxValue))
	}
	w.last = key
	w.count++
	w.block = append(w.block, key[:]...)
	w.block = binary.AppendUvarint(w.block, uint64(len(value)))
	w.block = append(w.block, value...)
	if len(w.block) < lengthSize+blockSize {
		return nil
	}
	return w.flush()
}

// flush writes the block: length, content, checksum.
func (w *Writer) flush() error {
	content := w.block[lengthSize:]
	binary.LittleEndian.PutUint32(w.block, uint32(len(content)))
	w.block = binary.LittleEndian.AppendUint32(w.block, crc32.Checksum(content, castagnoli))
	if _, err := w.out.Write(w.block); err != nil {
		return w.wrap(err)
	}
	w.block = w.block[:lengthSize]
	return nil
}

// Close ends the tile (a block of length 0, the number of entries, its checksum), syncs and renames it.
func (w *Writer) Close() error {
	var err error
	if len(w.block) > lengthSize {
		err = w.flush()
	}
	if err == nil {
		end := binary.LittleEndian.AppendUint32(nil, 0)
		n := binary.LittleEndian.AppendUint64(nil, w.count)
		end = append(end, n...)
		end = binary.LittleEndian.AppendUint32(end, crc32.Checksum(n, castagnoli))
		_, err = w.out.Write(end)
	}
	if err == nil {
		err = w.file.Commit()
	}
	w.Discard()
	if err != nil {
		return w.wrap(err)
	}
	return nil
}

// Discard abandons the tile and removes what was written.
func (w *Writer) Discard() { w.file.Discard() }

// Reader reads one tile from start to end.
type Reader struct {
	path  string
	file  *os.File
	in    *bufio.Reader
	block []byte
	rest  []byte
	last  Key
	count uint64
	ended bool
}

// Open opens a tile.
func Open(path string) (*Reader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open tile: %w", err)
	}
	r := &Reader{path: path, file: f, in: bufio.NewReaderSize(f, 4<<10)} // blocks bypass the buffer
	if err := r.head(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return r, nil
}

func (r *Reader) head() error {
	var head [len(magic)]byte
	if _, err := io.ReadFull(r.in, head[:]); err != nil {
		return r.torn(err)
	}
	switch version := head[len(magic)-1]; {
	case string(head[:len(magic)-1]) != magic[:len(magic)-1]:
		return fmt.Errorf("%s is not a spill file", r.path)
	case version != magic[len(magic)-1]:
		return fmt.Errorf("tile %s is of version %d, this program reads version %d", r.path, version, magic[len(magic)-1])
	}
	return nil
}

// ErrDamaged means that a tile's content differs from what was written.
var ErrDamaged = errors.New("damaged tile")

func (r *Reader) damaged(what string) error {
	return fmt.Errorf("%w: %s: %s; remove it and hunt again", ErrDamaged, r.path, what)
}

func (r *Reader) torn(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return r.damaged("it ends too early")
	}
	return fmt.Errorf("read tile %s: %w", r.path, err)
}

// Next returns the next entry, or io.EOF after the last. The value is valid until the next call.
func (r *Reader) Next() (key Key, value []byte, err error) {
	if len(r.rest) == 0 {
		if err := r.fill(); err != nil {
			return key, nil, err
		}
	}
	if len(r.rest) < KeySize {
		return key, nil, r.damaged("an entry is too short")
	}
	copy(key[:], r.rest)
	n, used := binary.Uvarint(r.rest[KeySize:])
	if used <= 0 || n > uint64(len(r.rest)-KeySize-used) {
		return key, nil, r.damaged("an entry is longer than its block")
	}
	value = r.rest[KeySize+used:][:n]
	r.rest = r.rest[KeySize+used+int(n):]
	if r.count > 0 && bytes.Compare(r.last[:], key[:]) >= 0 {
		return key, nil, r.damaged("its keys do not ascend")
	}
	r.last = key
	r.count++
	return key, value, nil
}

// fill reads a block.
func (r *Reader) fill() error {
	if r.ended {
		return io.EOF
	}
	var n [4]byte
	if _, err := io.ReadFull(r.in, n[:]); err != nil {
		return r.torn(err)
	}
	size := binary.LittleEndian.Uint32(n[:])
	if size == 0 {
		return r.end()
	}
	if size > maxBlock {
		return r.damaged("a block's length is impossible")
	}
	// Read in pieces, so that a damaged length cannot allocate more than the file holds.
	r.block = r.block[:0]
	for len(r.block) < int(size)+4 {
		part := min(int(size)+4-len(r.block), 1<<20)
		from := len(r.block)
		r.block = append(r.block, make([]byte, part)...)
		if _, err := io.ReadFull(r.in, r.block[from:]); err != nil {
			return r.torn(err)
		}
	}
	r.rest = r.block[:size]
	if crc32.Checksum(r.rest, castagnoli) != binary.LittleEndian.Uint32(r.block[size:]) {
		return r.damaged("a checksum does not agree")
	}
	return nil
}

func (r *Reader) end() error {
	var b [12]byte
	if _, err := io.ReadFull(r.in, b[:]); err != nil {
		return r.torn(err)
	}
	if crc32.Checksum(b[:8], castagnoli) != binary.LittleEndian.Uint32(b[8:]) || binary.LittleEndian.Uint64(b[:]) != r.count {
		return r.damaged("the number of its entries does not agree")
	}
	if _, err := r.in.ReadByte(); !errors.Is(err, io.EOF) {
		return r.damaged("something follows its end")
	}
	r.ended = true
	return io.EOF
}

// Close closes the file.
func (r *Reader) Close() error { return r.file.Close() }
