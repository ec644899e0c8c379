package hunt

import (
	"encoding/binary"
	"hash/maphash"
	"sync"
	"time"
)

// Ended remembers which connections have ended, by addresses, ports and start, in a Bloom filter: 4 bytes each, however
// many there are. Fewer than one answer in 1,000 is a false yes, and no one can provoke one, because the hash is seeded.
// The zero Ended is empty. Several goroutines may use it at once.
type Ended struct{ endedFilter }

// EndedUIDs is Ended by uid: exact where every record has one.
type EndedUIDs struct{ endedFilter }

type endedFilter struct {
	mu     sync.Mutex
	chunks []endedChunk
}

// endedChunk is a split-block filter of the connections that started in [first, last], in spans.
type endedChunk struct {
	first, last int64
	blocks      [][8]uint64
	room        int
}

const (
	// OpenAge is the least age of a handshake or request without a connection's record before its connection is taken for
	// an open one: the record of a younger one may be on its way.
	OpenAge = time.Hour
	// OpenIdle is how long before its first handshake or request a connection may begin: browsers open some before they
	// need them.
	OpenIdle = 5 * time.Minute
	// OpenShare is the largest share of such connections that can be open. Where it is more, connections' records are
	// missing.
	OpenShare = 0.05
)

const (
	// endedSpan is the precision of starts, in milliseconds.
	endedSpan = 1000
	// endedIdle is how long before its first record a connection with the same uid may have begun, in spans.
	endedIdle = 24 * 60 * 60
	// The first chunk has room for firstEnded connections, each further one for twice as many, up to mostEnded.
	firstEnded, mostEnded = 1 << 14, 1 << 22
)

var endedSeed = maphash.MakeSeed()

// endedBits is a hash: its upper 18 bits choose a block, the lower 42 one bit in each of seven words of it.
func endedBits(c *Connection, span int64) uint64 {
	var b [44]byte
	s, d := c.Src.As16(), c.Dst.As16()
	copy(b[:], s[:])
	copy(b[16:], d[:])
	binary.LittleEndian.PutUint16(b[32:], c.SrcPort)
	binary.LittleEndian.PutUint16(b[34:], c.DstPort)
	binary.LittleEndian.PutUint64(b[36:], uint64(span))
	return maphash.Bytes(endedSeed, b[:])
}

// Add remembers connections. Those that are open have not ended.
func (e *Ended) Add(batch []Connection) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := range batch {
		if batch[i].State != StateOpen {
			span := batch[i].Start / endedSpan
			e.add(endedBits(&batch[i], span), span)
		}
	}
}

// Add remembers the uids of connections that have ended.
func (e *EndedUIDs) Add(batch []Connection) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := range batch {
		if c := &batch[i]; c.State != StateOpen && c.UID != (UID{}) {
			e.add(maphash.Bytes(endedSeed, c.UID[:]), c.Start/endedSpan)
		}
	}
}

// Has reports whether the connection with this uid, which had begun by its start, has ended.
func (e *EndedUIDs) Has(c *Connection) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	h, span := maphash.Bytes(endedSeed, c.UID[:]), c.Start/endedSpan
	for i := range e.chunks {
		if chunk := &e.chunks[i]; chunk.first <= span+1 && chunk.last >= span-endedIdle && chunk.has(h) {
			return true
		}
	}
	return false
}

func (e *endedFilter) add(h uint64, span int64) {
	n := len(e.chunks)
	if n == 0 || e.chunks[n-1].room == 0 {
		room := min(firstEnded<<n, mostEnded)
		e.chunks = append(e.chunks, endedChunk{first: span, last: span, blocks: make([][8]uint64, room/16), room: room})
		n++
	}
	c := &e.chunks[n-1]
	c.first, c.last = min(c.first, span), max(c.last, span)
	c.room--
	block := &c.blocks[h>>46%uint64(len(c.blocks))]
	for word := range 7 {
		block[word] |= 1 << (h >> (6 * word) & 63)
	}
}

func (c *endedChunk) has(h uint64) bool {
	block := &c.blocks[h>>46%uint64(len(c.blocks))]
	for word := range 7 {
		if block[word]&(1<<(h>>(6*word)&63)) == 0 {
			return false
		}
	}
	return true
}

// Around reports whether a connection with these addresses and ports that started at this time, or up to before
// milliseconds earlier, has ended; accurate to a second.
func (e *Ended) Around(c *Connection, before int64) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for span := (c.Start - before) / endedSpan; span <= (c.Start+1000)/endedSpan; span++ {
		h := endedBits(c, span)
		for i := range e.chunks {
			if chunk := &e.chunks[i]; chunk.first <= span && span <= chunk.last && chunk.has(h) {
				return true
			}
		}
	}
	return false
}
