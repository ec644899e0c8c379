// Package once recognizes connections that were already read.
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

// onceShard holds a part of the connections: the newest in now, those before in old.
type onceShard struct {
	mu       sync.Mutex
	now, old generation
}

func (sh *onceShard) has(e uint64, span int64) bool {
	return sh.now.of(span).has(e) || sh.old.used > 0 && sh.old.of(span).has(e)
}

// generation has a table for each stretch of time. Files are in order of time, so what is looked up next lies close; in one
// table for a whole day every connection would wait for memory.
type generation struct {
	tables map[int64]*onceTable
	used   int
	// last is the table of the stretch that was asked for last.
	last    *onceTable
	stretch int64
}

// stretched is how many spans are in one table.
const stretched = 16

// of is the table of a span, or nil, which holds nothing.
func (g *generation) of(span int64) *onceTable {
	if at := span / stretched; g.last == nil || g.stretch != at {
		g.last, g.stretch = g.tables[at], at
	}
	return g.last
}

func (g *generation) add(e uint64, span int64) {
	t := g.of(span)
	if t == nil {
		if g.tables == nil {
			g.tables = map[int64]*onceTable{}
		}
		t = &onceTable{}
		g.tables[g.stretch], g.last = t, t
	}
	t.add(e)
	g.used++
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
	span := c.Start / spanned
	sh := &o.shards[h>>58]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	entry := o.entry(h, span, c.Start)
	if sh.has(entry, span) {
		return true
	}
	// Only at the ends of a span may what is near stand in the one beside it.
	switch at := c.Start % spanned; {
	case at < near && sh.has(o.entry(h, span-1, c.Start), span-1),
		at >= spanned-near && sh.has(o.entry(h, span+1, c.Start), span+1):
		return true
	}
	if sh.now.used >= o.most {
		if sh.old.used > 0 {
			o.forgot.Store(true)
		}
		sh.old, sh.now = sh.now, generation{}
	}
	sh.now.add(entry, span)
	return false
}

// Came says whether a connection was handed on.
func (o *Set) Came(c *hunt.Connection) bool {
	return o.among(c, c.Start-spanned, c.Start+spanned, func(sh *onceShard, h uint64, span int64) bool { return sh.has(o.entry(h, span, c.Start), span) })
}

// Around says whether a connection with these ends began in the milliseconds before, or at this time; a minute more or less.
func (o *Set) Around(c *hunt.Connection, before int64) bool {
	return o.among(c, c.Start-before-spanned, c.Start+near, func(sh *onceShard, h uint64, span int64) bool {
		e := o.entry(h, span, 0)
		return sh.now.of(span).any(e) || sh.old.of(span).any(e)
	})
}

// among asks for the spans of some time, one after the other.
func (o *Set) among(c *hunt.Connection, from, to int64, is func(*onceShard, uint64, int64) bool) bool {
	h := o.Hash(c)
	sh := &o.shards[h>>58]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for span := from / spanned; h != 0 && span <= to/spanned; span++ {
		if is(sh, h, span) {
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
	if t == nil {
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
	if t == nil {
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
		t.slots = make([]uint64, max(2*len(old), 8))
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
