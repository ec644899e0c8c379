package pairs

import (
	"encoding/binary"
	"sync"
)

// store provides a table's memory in blocks and takes it back when the table goes to disk. Growing copies nothing,
// blocks are reused, and they hold no pointers, so the garbage collector has nothing to do.
type store struct {
	mu     sync.Mutex
	states []*stateBlock
	chunks []*chunkBlock
}

type (
	stateBlock [blockPairs]state
	chunkBlock [arenaBlock]byte
)

func (s *store) stateBlock() *stateBlock { return take(&s.mu, &s.states) }
func (s *store) chunkBlock() *chunkBlock { return take(&s.mu, &s.chunks) }

func take[T any](mu *sync.Mutex, from *[]*T) *T {
	mu.Lock()
	defer mu.Unlock()
	n := len(*from)
	if n == 0 {
		return new(T)
	}
	last := (*from)[n-1]
	*from = (*from)[:n-1]
	return last
}

// giveBack returns the blocks of a shard.
func (s *store) giveBack(sh *shard) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.states = append(s.states, sh.blocks...)
	s.chunks = append(s.chunks, sh.chunks.blocks...)
}

// empty drops the returned blocks.
func (s *store) empty() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.states, s.chunks = nil, nil
}

// An arena allocates byte chunks from blocks and never frees one. A chunk begins with the reference of its pair's next
// chunk.
type arena struct {
	blocks []*chunkBlock
	used   uint32 // units used in the last block
}

// chunkRef is where a chunk begins, in units over all blocks of a shard (so a shard can have 64 GiB); 0 is none.
type chunkRef uint32

const (
	arenaBlock = 1 << 15
	unit       = 16
	blockUnits = arenaBlock / unit
	refSize    = 4
	// What does not fit into a pair's state goes into chunks. Each is half as large again as the last one, up to
	// lastChunk.
	firstChunk = 32
	lastChunk  = 4096
)

func (sh *shard) alloc(size uint32) chunkRef {
	a := &sh.chunks
	if len(a.blocks) == 0 || a.used+size/unit > blockUnits {
		if len(a.blocks) > 1<<32/blockUnits-1 {
			panic("pairs: one of 64 parts of a table has outgrown 64 GiB; give the hunt a bound of memory")
		}
		a.blocks = append(a.blocks, sh.store.chunkBlock())
		a.used = 0
		if len(a.blocks) == 1 {
			a.used = 1 // reference 0 is none
		}
	}
	ref := chunkRef(uint32(len(a.blocks)-1)*blockUnits + a.used)
	a.used += size / unit
	return ref
}

// from returns the memory from a chunk's start to its block's end.
func (a *arena) from(r chunkRef) []byte { return a.blocks[r/blockUnits][r%blockUnits*unit:] }

// append adds b to the pair's bytes. A connection may span two chunks.
func (sh *shard) append(p *state, b []byte) {
	if p.current == 0 {
		n := copy(p.head[p.used:], b)
		p.used += uint16(n)
		b = b[n:]
	}
	for len(b) > 0 {
		if p.current == 0 || p.used == p.size {
			sh.nextChunk(p)
		}
		n := copy(sh.chunks.from(p.current)[p.used:p.size], b)
		p.used += uint16(n)
		b = b[n:]
	}
}

func (sh *shard) nextChunk(p *state) {
	size := uint32(firstChunk)
	if p.current != 0 {
		size = larger(uint32(p.size))
	}
	ref := sh.alloc(size)
	if p.current == 0 {
		p.first = ref
	} else {
		binary.LittleEndian.PutUint32(sh.chunks.from(p.current), uint32(ref))
	}
	p.current, p.used, p.size = ref, refSize, uint16(size)
}

// larger is the size of the next chunk after one of this size.
func larger(size uint32) uint32 { return min((size+size/2+unit-1)/unit*unit, lastChunk) }

// bytes collects all of a pair's bytes into dst.
func (sh *shard) bytes(p *state, dst []byte) []byte {
	if p.current == 0 {
		return append(dst, p.head[:p.used]...)
	}
	dst = append(dst, p.head[:]...)
	size := uint32(firstChunk)
	for ref := p.first; ; size = larger(size) {
		chunk := sh.chunks.from(ref)
		if ref == p.current {
			return append(dst, chunk[refSize:p.used]...)
		}
		dst = append(dst, chunk[refSize:size]...)
		ref = chunkRef(binary.LittleEndian.Uint32(chunk))
	}
}
