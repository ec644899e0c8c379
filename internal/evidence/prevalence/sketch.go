package prevalence

import (
	"math/bits"
	"sync/atomic"
)

// Sketch is a Bloom filter: about one in a thousand other values is taken for a member, and every member is found. With
// the same hashes in every hunt its answers are reproducible. It is safe for concurrent use.
type Sketch struct{ words []atomic.Uint64 }

// bitsEach is the minimum number of bits per member, mostSketched the maximum number of members that get as many: 64
// MiB.
const bitsEach, mostSketched = 32, 1 << 24

// NewSketch returns an empty set for this many members. With more, more other values are taken for members.
func NewSketch(members int) *Sketch {
	return &Sketch{make([]atomic.Uint64, 1<<bits.Len(uint(min(max(members, 64), mostSketched)*bitsEach/64-1)))}
}

// bit is the position of one of a member's three bits.
func (s *Sketch) bit(h uint64, i int) (word *atomic.Uint64, bit uint64) {
	at := (h + uint64(i)*(h>>32|1)) & uint64(64*len(s.words)-1)
	return &s.words[at/64], 1 << (at % 64)
}

// Add adds a hash.
func (s *Sketch) Add(h uint64) {
	for i := range 3 {
		word, bit := s.bit(h, i)
		word.Or(bit)
	}
}

// Has reports whether a hash was added.
func (s *Sketch) Has(h uint64) bool {
	for i := range 3 {
		if word, bit := s.bit(h, i); word.Load()&bit == 0 {
			return false
		}
	}
	return true
}
