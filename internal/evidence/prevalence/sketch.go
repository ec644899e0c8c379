package prevalence

import (
	"math/bits"
	"sync/atomic"
)

// Sketch is a set of hashes: of a thousand others it takes one for a member, and no member for another. Hashes that are the same in every
// hunt make it the same. It may be used from many goroutines.
type Sketch struct{ words []atomic.Uint64 }

// bitsEach are a member's bits, at least, mostSketched the most members that have as many: 64 MiB.
const bitsEach, mostSketched = 32, 1 << 24

// NewSketch makes an empty set for so many members. With more it takes more others for members.
func NewSketch(members int) *Sketch {
	return &Sketch{make([]atomic.Uint64, 1<<bits.Len(uint(min(max(members, 64), mostSketched)*bitsEach/64-1)))}
}

// bit is the place of one of a member's three bits.
func (s *Sketch) bit(h uint64, i int) (word *atomic.Uint64, bit uint64) {
	at := (h + uint64(i)*(h>>32|1)) & uint64(64*len(s.words)-1)
	return &s.words[at/64], 1 << (at % 64)
}

// Add puts a hash in.
func (s *Sketch) Add(h uint64) {
	for i := range 3 {
		word, bit := s.bit(h, i)
		word.Or(bit)
	}
}

// Has says whether a hash was put in.
func (s *Sketch) Has(h uint64) bool {
	for i := range 3 {
		if word, bit := s.bit(h, i); word.Load()&bit == 0 {
			return false
		}
	}
	return true
}
