package hunt

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"sync"
)

// Ended knows the ends (source, destination, port) between which connections came to their end, by a hash of them. The
// zero Ended is empty. It may be used by several goroutines at once.
type Ended struct {
	mu   sync.Mutex
	of   map[uint64]struct{}
	full bool
}

// maxEnded bounds how many are known.
const maxEnded = 4 << 20

var endsSeed = maphash.MakeSeed()

func hashEnds(src, dst netip.Addr, port uint16) uint64 {
	var b [34]byte
	s, d := src.As16(), dst.As16()
	copy(b[:], s[:])
	copy(b[16:], d[:])
	binary.LittleEndian.PutUint16(b[32:], port)
	return maphash.Bytes(endsSeed, b[:])
}

// Add notes the ends of connections. Open ones have not ended.
func (e *Ended) Add(batch []Connection) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := range batch {
		if batch[i].State != StateOpen {
			e.add(batch[i].Src, batch[i].Dst, batch[i].DstPort)
		}
	}
}

func (e *Ended) add(src, dst netip.Addr, port uint16) {
	if e.full = e.full || len(e.of) >= maxEnded; e.full {
		return
	}
	if e.of == nil {
		e.of = map[uint64]struct{}{}
	}
	e.of[hashEnds(src, dst, port)] = struct{}{}
}

// AddEnds notes one pair of ends.
func (e *Ended) AddEnds(src, dst netip.Addr, port uint16) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.add(src, dst, port)
}

// Has says whether a connection between these ends came to its end.
func (e *Ended) Has(src, dst netip.Addr, port uint16) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, ok := e.of[hashEnds(src, dst, port)]
	return ok
}

// Full says that there were more than can be known.
func (e *Ended) Full() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.full
}
