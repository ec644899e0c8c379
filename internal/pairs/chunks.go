package pairs

// An arena hands out byte chunks out of large blocks and never takes them back: a table only grows, and then is
// dropped whole. A chunk begins with the reference of the next one of its pair.
type arena struct {
	blocks [][]byte
	used   uint32 // bytes used in the last block
}

// chunkRef names a chunk: block number in the upper 32 bits, offset + 1 in the lower, so that zero is "none".
type chunkRef uint64

const (
	arenaBlock = 1 << 18
	refSize    = 8
	// firstChunk holds one connection, which is all that most pairs ever have; later chunks double up to lastChunk.
	firstChunk = refSize + 18
	lastChunk  = 4096
)

func (a *arena) alloc(size uint32) chunkRef {
	if len(a.blocks) == 0 || a.used+size > arenaBlock {
		a.blocks = append(a.blocks, make([]byte, arenaBlock))
		a.used = 0
	}
	ref := chunkRef(uint64(len(a.blocks)-1)<<32 | uint64(a.used+1))
	a.used += size
	return ref
}

// from gives the memory from a chunk's start to its block's end.
func (a *arena) from(r chunkRef) []byte { return a.blocks[r>>32][uint32(r)-1:] }

// append writes b behind the pair's bytes. A connection may lie across two chunks.
func (sh *shard) append(p *state, b []byte) {
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
		size = min(2*uint32(p.size), lastChunk)
	}
	ref := sh.chunks.alloc(size)
	if p.current == 0 {
		p.first = ref
	} else {
		putRef(sh.chunks.from(p.current), ref)
	}
	p.current, p.used, p.size = ref, refSize, uint16(size)
}

// bytes gathers all of a pair's chunks into dst.
func (sh *shard) bytes(p *state, dst []byte) []byte {
	size := uint32(firstChunk)
	for ref := p.first; ref != 0; {
		chunk := sh.chunks.from(ref)
		if ref == p.current {
			return append(dst, chunk[refSize:p.used]...)
		}
		dst = append(dst, chunk[refSize:size]...)
		ref = getRef(chunk)
		size = min(2*size, lastChunk)
	}
	return dst
}

func putRef(b []byte, r chunkRef) {
	for i := range refSize {
		b[i] = byte(r >> (8 * i))
	}
}

func getRef(b []byte) (r chunkRef) {
	for i := range refSize {
		r |= chunkRef(b[i]) << (8 * i)
	}
	return r
}
