package pairs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"

	"dwell/internal/hunt"
	"dwell/internal/tile"
)

// Budget bounds the memory of a table. What is beyond goes to disk.
type Budget struct {
	// Bytes is how much the table may hold, about; 0 means no bound. A batch is taken in whole before it is looked at.
	Bytes int64
	// Folder is where tiles go; empty means the system's folder for temporary files.
	Folder string
}

func (b Budget) folder() string {
	if b.Folder == "" {
		return os.TempDir()
	}
	return b.Folder
}

// Half is the budget of one of two tables.
func (b Budget) Half() Budget {
	b.Bytes = (b.Bytes + 1) / 2
	return b
}

// Budget is what the table was made with.
func (t *Table) Budget() Budget { return t.budget }

// NewTableWithin makes an empty table that keeps to a budget. Close it when done: it may have files.
func NewTableWithin(b Budget) *Table {
	t := NewTable()
	t.budget = b
	if b.Bytes > 0 {
		_ = tile.Sweep(b.folder()) // What cannot be removed now is in nobody's way until there is something to write.
	}
	return t
}

// spilled is what a table has on disk.
type spilled struct {
	budget Budget
	// filling is held for reading by Add and for writing while the table goes to disk.
	filling sync.RWMutex
	// size is what the table holds in memory, about, bytes.
	size   atomic.Int64
	folder string
	tiles  []string
	failed atomic.Pointer[error]
}

// What things cost in memory, bytes: a pair's state, its place in the index with the room that a map leaves, and its
// place in the order of keys while it is written; a further port of a pair with its place in two maps.
const (
	stateSize = int64(unsafe.Sizeof(state{}))
	pairCost  = 80 + 40
	slotCost  = 150
)

// Err is what went wrong with the disk, if anything did. Once it is set the table is incomplete: look at it after
// adding and after every walk.
func (t *Table) Err() error {
	if err := t.failed.Load(); err != nil {
		return *err
	}
	return nil
}

func (t *Table) fail(err error) {
	if err != nil {
		t.failed.CompareAndSwap(nil, &err)
	}
}

// Spilled is how many times the table went to disk.
func (t *Table) Spilled() int { return len(t.tiles) }

// Close removes what the table has on disk. The table is of no use afterwards.
func (t *Table) Close() error {
	if t.folder == "" {
		return nil
	}
	err := os.RemoveAll(t.folder)
	t.folder = ""
	return err
}

// overflow sends the table to disk if it has outgrown its budget.
func (t *Table) overflow() {
	if t.budget.Bytes == 0 || t.size.Load() <= t.budget.Bytes {
		return
	}
	t.filling.Lock()
	defer t.filling.Unlock()
	if t.size.Load() > t.budget.Bytes && t.Err() == nil {
		t.fail(t.spill())
	}
}

// place is where a pair is in memory.
type place struct {
	keyed
	shard uint8
}

// spill writes all that is in memory as one tile, and forgets it. Nothing may be added meanwhile.
func (t *Table) spill() error {
	n := 0
	for i := range t.shards {
		n += int(t.shards[i].count)
	}
	if n == 0 {
		return nil
	}
	if t.folder == "" {
		var err error
		if t.folder, err = tile.Folder(t.budget.folder()); err != nil {
			return spillError(err)
		}
	}
	order := make([]place, 0, n)
	for i := range t.shards {
		for key, id := range t.shards[i].index {
			order = append(order, place{keyed{key, id}, uint8(i)})
		}
	}
	slices.SortFunc(order, func(a, b place) int { return bytes.Compare(a.key[:], b.key[:]) })
	path := filepath.Join(t.folder, fmt.Sprintf("%06d.tile", len(t.tiles)))
	w, err := tile.Create(path)
	if err != nil {
		return spillError(err)
	}
	var value, conns []byte
	names := t.services.list()
	for _, o := range order {
		sh := &t.shards[o.shard]
		st := sh.state(o.id)
		conns = sh.bytes(st, conns[:0])
		value = sh.entry(value[:0], o.id, st, names)
		value = append(value, conns...)
		if err := w.Add(tile.Key(o.key), value); err != nil {
			w.Discard()
			return spillError(err)
		}
	}
	if err := w.Close(); err != nil {
		return spillError(err)
	}
	t.tiles = append(t.tiles, path)
	for i := range t.shards {
		t.shards[i].reset()
	}
	t.size.Store(0)
	// The old table is one large piece of garbage; without this, the next one would stand beside it.
	order = nil
	runtime.GC()
	return nil
}

func spillError(err error) error {
	return fmt.Errorf("the hunt outgrew its memory budget and could not go on on disk: %w; free space there, raise hunt.memory, or hunt a shorter window", err)
}

// entry appends what a tile holds of a pair before its connections: their number, then its ports.
func (sh *shard) entry(b []byte, id uint32, st *state, names []string) []byte {
	b = binary.AppendUvarint(b, uint64(st.connections))
	b = binary.AppendUvarint(b, uint64(st.slots))
	for i := range int(st.slots) {
		s := &st.slot0
		if i > 0 {
			s = &sh.more[id][i-1]
		}
		b = binary.LittleEndian.AppendUint16(b, s.port)
		b = append(b, byte(s.proto))
		b = binary.AppendVarint(b, s.last)
		b = binary.LittleEndian.AppendUint16(b, s.srcPort)
		b = append(b, s.uid[:]...)
		b = binary.AppendUvarint(b, uint64(len(names[s.service])))
		b = append(b, names[s.service]...)
	}
	return b
}

var errEntry = fmt.Errorf("%w: an entry does not hold what a pair must have", tile.ErrDamaged)

// load adds a tile's entry to a shard.
func (sh *shard) load(key addresses, value []byte, s *services) error {
	p, id := sh.pair(key)
	b := value
	number := func() uint64 {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			b = nil
			return math.MaxUint64
		}
		b = b[n:]
		return v
	}
	count, slots := number(), number()
	if slots > math.MaxUint16 || count > math.MaxUint32 {
		return errEntry
	}
	numbers := make([]uint16, 0, 4)
	for range slots {
		const fixed = 2 + 1
		if len(b) < fixed {
			return errEntry
		}
		c := hunt.Connection{DstPort: binary.LittleEndian.Uint16(b), Proto: hunt.Transport(b[2])}
		last, n := binary.Varint(b[fixed:])
		if n <= 0 || len(b) < fixed+n+2+len(c.UID) {
			return errEntry
		}
		b = b[fixed+n:]
		c.Start, c.SrcPort = last, binary.LittleEndian.Uint16(b)
		copy(c.UID[:], b[2:])
		b = b[2+len(c.UID):]
		l := number()
		if l > uint64(len(b)) {
			return errEntry
		}
		service := s.number(string(b[:l]))
		b = b[l:]
		numbers = append(numbers, sh.slot(p, id, &c, service))
	}
	var buffer [8 * binary.MaxVarintLen64]byte
	var start int64
	for range count {
		slot := number()
		delta, n := binary.Varint(b)
		if slot >= uint64(len(numbers)) || n <= 0 {
			return errEntry
		}
		b = b[n:]
		start += delta
		out := binary.AppendUvarint(buffer[:0], uint64(numbers[slot]))
		out = binary.AppendVarint(out, start-p.previous)
		from := b
		for range 6 { // source port, mark, and four sizes stay as they are
			if number() == math.MaxUint64 && b == nil {
				return errEntry
			}
		}
		p.previous = start
		p.connections++
		sh.append(p, out)
		sh.append(p, from[:len(from)-len(b)])
	}
	if len(b) > 0 {
		return errEntry
	}
	return nil
}

// together is how many pairs are merged before they are handed on, all pairs of a source together.
const together = 4096

// merge gives what is on disk back, in order of keys, as shards of some thousand pairs: all pairs of a source are in one
// of them. No more than one shard a core and one more are in memory, and one block of each tile.
func (t *Table) merge(visit func(worker int, sh *shard)) error {
	parts := make(chan *shard)
	var wg sync.WaitGroup
	for worker := range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for sh := range parts {
				visit(worker, sh)
			}
		})
	}
	err := t.mergeInto(parts)
	close(parts)
	wg.Wait()
	return err
}

func (t *Table) mergeInto(parts chan<- *shard) (err error) {
	heads := make([]*head, 0, len(t.tiles))
	defer func() {
		for _, h := range heads {
			err = errors.Join(err, h.in.Close())
		}
	}()
	for _, path := range t.tiles {
		in, err := tile.Open(path)
		if err != nil {
			return err
		}
		h := &head{in: in}
		heads = append(heads, h)
		if err := h.next(); err != nil {
			return err
		}
	}
	sh := newShard()
	var source [16]byte
	for {
		first := lowest(heads)
		if first == nil {
			break
		}
		if from := [16]byte(first.key[:16]); from != source {
			if sh.count >= together {
				parts <- sh
				sh = newShard()
			}
			source = from
		}
		key := first.key
		for _, h := range heads { // in the order in which they were written
			if !h.ended && h.key == key {
				if err := sh.load(addresses(key), h.value, &t.services); err != nil {
					return err
				}
				if err := h.next(); err != nil {
					return err
				}
			}
		}
	}
	if sh.count > 0 {
		parts <- sh
	}
	return nil
}

// head is a tile with its next entry.
type head struct {
	in    *tile.Reader
	key   tile.Key
	value []byte
	ended bool
}

func (h *head) next() (err error) {
	h.key, h.value, err = h.in.Next()
	if errors.Is(err, io.EOF) {
		h.ended, err = true, nil
	}
	return err
}

// lowest gives the tile whose next key is the lowest, nil at the end of all. There are as many tiles as the data are
// larger than the budget, a handful.
func lowest(heads []*head) (low *head) {
	for _, h := range heads {
		if !h.ended && (low == nil || bytes.Compare(h.key[:], low.key[:]) < 0) {
			low = h
		}
	}
	return low
}

func newShard() *shard {
	return &shard{index: make(map[addresses]uint32)}
}

// reset forgets everything.
func (sh *shard) reset() {
	sh.index, sh.blocks, sh.count, sh.chunks, sh.more, sh.slotOf = make(map[addresses]uint32), nil, 0, arena{}, nil, nil
}

// held is what a shard has in memory, about, bytes.
func (sh *shard) held() int64 {
	return int64(len(sh.chunks.blocks))*arenaBlock + int64(len(sh.blocks))*blockPairs*stateSize + int64(sh.count)*pairCost + int64(len(sh.slotOf))*slotCost
}
