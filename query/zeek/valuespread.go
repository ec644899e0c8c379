package zeek

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"sync/atomic"

	"dwell/internal/hunt"
)

// maxSpreads bounds the different values of a kind that are counted: some 60 MB. JA4 and user agents of a whole site
// are a few thousand; JA3 may differ with every connection.
const maxSpreads = 1 << 20

// spreads count, for every value, the hosts that show it and the addresses that they show it to, from several
// goroutines. Values and addresses are kept as 64-bit hashes with their own seed: the chance that two of a million
// collide is 3e-8.
type spreads struct {
	seed   maphash.Seed
	shards [64]struct {
		mu     sync.Mutex
		values map[uint64]*spread
	}
	// size is the number of values, most its bound.
	size atomic.Int64
	most int64
}

func newSpreads(most int64) *spreads {
	s := &spreads{seed: maphash.MakeSeed(), most: most}
	for i := range s.shards {
		s.shards[i].values = map[uint64]*spread{}
	}
	return s
}

// add counts that one host shows a value to another. Beyond most values, later ones are not counted.
func (s *spreads) add(value []byte, src, dst netip.Addr) {
	h := maphash.Bytes(s.seed, value)
	shard := &s.shards[h%uint64(len(s.shards))]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	v := shard.values[h]
	if v == nil {
		if s.size.Load() >= s.most {
			return
		}
		s.size.Add(1)
		v = &spread{}
		shard.values[h] = v
	}
	v.add(s.of(src), s.of(dst))
}

// get is the spread of a value, or nil.
func (s *spreads) get(value string) *spread {
	h := maphash.String(s.seed, value)
	return s.shards[h%uint64(len(s.shards))].values[h]
}

// of is an address's hash.
func (s *spreads) of(a netip.Addr) uint64 {
	b := a.As16()
	return max(maphash.Bytes(s.seed, b[:]), 1)
}

// spread counts different hosts, up to hunt.TraitSpread.
type spread struct{ hosts, destinations few }

func (s *spread) add(src, dst uint64) {
	s.hosts.add(src)
	s.destinations.add(dst)
}

// few are up to hunt.TraitSpread different numbers, none of them 0. Most sets have one.
type few struct {
	one  uint64
	more *[hunt.TraitSpread - 1]uint64
}

func (f *few) add(h uint64) {
	switch {
	case f.one == h:
		return
	case f.one == 0:
		f.one = h
		return
	case f.more == nil:
		f.more = &[hunt.TraitSpread - 1]uint64{}
	}
	for i, have := range f.more {
		if have == h {
			return
		}
		if have == 0 {
			f.more[i] = h
			return
		}
	}
}

func (f *few) count() int {
	if f.one == 0 {
		return 0
	}
	n := 1
	if f.more != nil {
		for n <= len(f.more) && f.more[n-1] != 0 {
			n++
		}
	}
	return n
}
