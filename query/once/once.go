// Package once tells connections that came before from those that come for the first time.
package once

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"dwell/internal/hunt"
)

// Set knows which connections were handed on. Two records are one connection when they have the same addresses, ports
// and transport and begin within a second of each other, whatever their uid: a log and its copy, a record delivered twice,
// two taps or sensors that see the same packets. What it holds is bounded: of the newest most connections read it knows
// all, of those before none. Files are read in order of time, so copies come close to what they are copies of.
type Set struct {
	seed [2]uint64
	// ByUID has only what comes again under its uid be one connection.
	ByUID  bool
	shards [64]onceShard
	most   int
	forgot atomic.Bool
}

// Most is how many connections are known as a rule: up to 16 bytes each.
const Most = 8 << 20

// near is how close to each other two records of one connection begin, milliseconds.
const near = 1000

type onceShard struct {
	mu       sync.Mutex
	now, old onceTable
}

// onceTable is a table with open addressing. An entry is the upper bits of a hash and, in its low 17 bits, the start
// modulo 131072 ms; 0 is a free place.
type onceTable struct {
	slots []uint64
	used  int
}

// New makes a set that knows at least so many connections, twice as many at most.
func New(most int) *Set {
	return &Set{seed: [2]uint64{rand.Uint64() | 1, rand.Uint64() | 1}, most: max(most/64, 1)}
}

// Mix is a hash of two hashes.
func (o *Set) Mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a^o.seed[0], b^o.seed[1])
	return hi ^ lo
}

// Hash is that of what makes a connection the one it is, but its time. Without ports it is the uid; 0 where neither is known.
func (o *Set) Hash(c *hunt.Connection) uint64 {
	if bare := c.SrcPort == 0 && c.DstPort == 0 && c.Proto != hunt.ICMP; bare || o.ByUID && c.UID != (hunt.UID{}) {
		if c.UID == (hunt.UID{}) {
			return 0
		}
		u := c.UID
		return o.Mix(o.Mix(binary.LittleEndian.Uint64(u[:]), binary.LittleEndian.Uint64(u[8:])), uint64(binary.LittleEndian.Uint32(u[16:]))) | 1
	}
	s, d := c.Src.As16(), c.Dst.As16()
	h := o.Mix(binary.LittleEndian.Uint64(s[:]), binary.LittleEndian.Uint64(s[8:]))
	h = o.Mix(h^binary.LittleEndian.Uint64(d[:]), binary.LittleEndian.Uint64(d[8:]))
	return o.Mix(h, uint64(c.SrcPort)<<32|uint64(c.DstPort)<<16|uint64(c.Proto)+1) | 1
}

// Again says whether a connection came before, and notes it.
func (o *Set) Again(c *hunt.Connection) bool {
	h := o.Hash(c)
	if h == 0 {
		return false
	}
	// Only at the ends of a span may what is near stand in the one beside it.
	span := c.Start / spanned
	entry, other := o.entry(h, span, c.Start), uint64(0)
	switch at := c.Start % spanned; {
	case at < near:
		other = o.entry(h, span-1, c.Start)
	case at >= spanned-near:
		other = o.entry(h, span+1, c.Start)
	}
	sh := &o.shards[h>>58]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.now.has(entry) || sh.old.has(entry) || other != 0 && (sh.now.has(other) || sh.old.has(other)) {
		return true
	}
	if sh.now.used >= o.most {
		if sh.old.used > 0 {
			o.forgot.Store(true)
		}
		sh.old, sh.now = sh.now, onceTable{}
	}
	sh.now.add(entry)
	return false
}

// Came says whether a connection was handed on.
func (o *Set) Came(c *hunt.Connection) bool {
	h := o.Hash(c)
	sh := &o.shards[h>>58]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for span := c.Start/spanned - 1; h != 0 && span <= c.Start/spanned+1; span++ {
		if e := o.entry(h, span, c.Start); sh.now.has(e) || sh.old.has(e) {
			return true
		}
	}
	return false
}

// Around says whether a connection with these ends began in the milliseconds before, or at this time; a minute more or less.
func (o *Set) Around(c *hunt.Connection, before int64) bool {
	h := o.Hash(c)
	sh := &o.shards[h>>58]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for span := (c.Start-before)/spanned - 1; h != 0 && span <= (c.Start+near)/spanned; span++ {
		if e := o.entry(h, span, 0); sh.now.any(e) || sh.old.any(e) {
			return true
		}
	}
	return false
}

// Forgot says that connections were forgotten.
func (o *Set) Forgot() bool { return o.forgot.Load() }

const (
	// spanned is how long the spans are that the connections of a five-tuple are looked up by, milliseconds.
	spanned = 64_000
	// timeBits are those of an entry that hold the time, setBit is one that is always set.
	timeBits, setBit = 1<<17 - 1, 1 << 17
)

func (o *Set) entry(h uint64, span, start int64) uint64 {
	return o.Mix(h, uint64(span)*2+1)&^timeBits | setBit | uint64(start)&timeBits
}

// has says whether there is an entry of the same hash within near.
func (t *onceTable) has(e uint64) bool {
	if len(t.slots) == 0 {
		return false
	}
	mask := uint64(len(t.slots) - 1)
	for i := e >> 20 & mask; t.slots[i] != 0; i = (i + 1) & mask {
		if have := t.slots[i]; have&^timeBits == e&^timeBits {
			if apart := (have - e + near) & timeBits; apart > 0 && apart < 2*near {
				return true
			}
		}
	}
	return false
}

// any is has for any time of the span.
func (t *onceTable) any(e uint64) bool {
	if len(t.slots) == 0 {
		return false
	}
	mask := uint64(len(t.slots) - 1)
	for i := e >> 20 & mask; t.slots[i] != 0; i = (i + 1) & mask {
		if t.slots[i]&^timeBits == e&^timeBits {
			return true
		}
	}
	return false
}

func (t *onceTable) add(e uint64) {
	if t.used >= len(t.slots)*3/4 {
		old := t.slots
		t.slots = make([]uint64, max(2*len(old), 64))
		for _, have := range old {
			if have != 0 {
				t.put(have)
			}
		}
	}
	t.put(e)
	t.used++
}

func (t *onceTable) put(e uint64) {
	mask := uint64(len(t.slots) - 1)
	i := e >> 20 & mask
	for t.slots[i] != 0 {
		i = (i + 1) & mask
	}
	t.slots[i] = e
}
