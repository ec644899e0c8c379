// Package once recognizes connections and other records that were read before.
package once

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"dwell/internal/hunt"
)

// Set remembers connections. Two records are the same connection if they have the same addresses, ports and transport
// and start within a second, whatever their uid: a copied log, a record delivered twice, two sensors that see the same
// packets. A short connection and a lasting one are never the same: else a short one, a moment before from the same
// port, would hide the other. Memory is bounded: it remembers at least the newest most connections. That is enough because files are read
// in order of time, so copies come close together.
type Set struct {
	seed [2]uint64
	// ByUID makes only records with the same uid the same connection.
	ByUID  bool
	shards [64]onceShard
	most   int
	forgot atomic.Bool
}

// Most is the default number of connections remembered, at up to 16 bytes each.
const Most = 8 << 20

// onceShard holds a part of the connections: the newest in now, older ones in old.
type onceShard struct {
	mu       sync.Mutex
	now, old generation
}

func (sh *onceShard) has(e uint64, span int64) bool {
	return sh.now.of(span).has(e) || sh.old.used > 0 && sh.old.of(span).has(e)
}

// generation has a table per stretch of time. Files are in order of time, so lookups stay in one table and in the CPU
// cache; a single table for a day would miss on every connection.
type generation struct {
	tables map[int64]*onceTable
	used   int
	// last is the table of the stretch used last.
	last    *onceTable
	stretch int64
}

// stretched is the number of spans per table.
const stretched = 16

// of is the table of a span, or nil, which is an empty table.
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

// onceTable is an open-addressing hash table. An entry is the upper bits of a hash with the start modulo 131072 ms in
// its low 17 bits; 0 is a free slot.
type onceTable struct {
	slots []uint64
	used  int
}

// New returns a set that remembers at least most connections, and at most twice as many.
func New(most int) *Set {
	return &Set{seed: [2]uint64{rand.Uint64() | 1, rand.Uint64() | 1}, most: max(most/64, 1)}
}

// Mix combines two hashes.
func (o *Set) Mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a^o.seed[0], b^o.seed[1])
	return hi ^ lo
}

const (
	// margin is the distance from [hunt.Lasting] at which a connection may be both: two sensors' durations differ.
	margin = 7000
	// classBit tells lasting connections' hashes from short ones'.
	classBit = 1 << 8
)

// other is the hash that a copy of a connection may have whose duration is at the margin; 0 if there is none.
func other(c *hunt.Connection, h uint64) uint64 {
	if h == 0 || c.Duration < hunt.Lasting-margin || c.Duration > hunt.Lasting+margin {
		return 0
	}
	return h ^ classBit
}

// Hash identifies a connection, apart from its time, but for whether it lasts. Without ports it is the uid's hash; 0 if neither is known.
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
	h = (o.Mix(h, uint64(c.SrcPort)<<32|uint64(c.DstPort)<<16|uint64(c.Proto)+1) | 1) &^ classBit
	if c.Duration >= hunt.Lasting {
		h |= classBit
	}
	return h
}

// Again reports whether a connection was seen before, and remembers it.
func (o *Set) Again(c *hunt.Connection) bool {
	h := o.Hash(c)
	return h != 0 && o.again(h, other(c, h), c.Start)
}

// again reports whether one of two hashes was seen within [hunt.Near] of a time; if not, it remembers the first.
func (o *Set) again(h, or uint64, start int64) bool {
	span := start / spanned
	sh := &o.shards[h>>58]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if o.near(sh, h, start) || o.near(sh, or, start) {
		return true
	}
	if sh.now.used >= o.most {
		if sh.old.used > 0 {
			o.forgot.Store(true)
		}
		sh.old, sh.now = sh.now, generation{}
	}
	sh.now.add(o.entry(h, span, start), span)
	return false
}

// near reports whether a connection with this hash is among those that started within [hunt.Near] of a time.
func (o *Set) near(sh *onceShard, h uint64, start int64) bool {
	if h == 0 {
		return false
	}
	span := start / spanned
	if sh.has(o.entry(h, span, start), span) {
		return true
	}
	// Only near the ends of a span can a match be in the adjacent one.
	switch at := start % spanned; {
	case at < hunt.Near:
		return sh.has(o.entry(h, span-1, start), span-1)
	case at >= spanned-hunt.Near:
		return sh.has(o.entry(h, span+1, start), span+1)
	}
	return false
}

// Came reports whether a connection was seen.
func (o *Set) Came(c *hunt.Connection) bool {
	h := o.Hash(c)
	return o.came(h, other(c, h), c.Start)
}

func (o *Set) came(h, or uint64, start int64) bool {
	sh := &o.shards[h>>58]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return o.near(sh, h, start) || o.near(sh, or, start)
}

// Around reports whether a connection with these endpoints started at this time or up to before milliseconds earlier;
// accurate to about a minute.
func (o *Set) Around(c *hunt.Connection, before int64) bool {
	h := o.Hash(c)
	sh := &o.shards[h>>58]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for span := (c.Start - before - spanned) / spanned; h != 0 && span <= (c.Start+hunt.Near)/spanned; span++ {
		for _, h := range []uint64{h, h ^ classBit} {
			if e := o.entry(h, span, 0); sh.now.of(span).any(e) || sh.old.of(span).any(e) {
				return true
			}
		}
	}
	return false
}

// Forgot reports whether connections were forgotten.
func (o *Set) Forgot() bool { return o.forgot.Load() }

// Forgotten is the note on a set that forgot some, made for at least most.
func Forgotten(many string, most int) hunt.Note {
	return hunt.Note{What: fmt.Sprintf("of more than %s %s, those that came twice are known only where both records lie close in time", hunt.Count(int64(2*most)), many)}
}

const (
	// spanned is the length of the time spans by which a five-tuple's connections are looked up, in milliseconds.
	spanned = 64_000
	// timeBits masks an entry's time; setBit is always set.
	timeBits, setBit = 1<<17 - 1, 1 << 17
)

func (o *Set) entry(h uint64, span, start int64) uint64 {
	return o.Mix(h, uint64(span)*2+1)&^timeBits | setBit | uint64(start)&timeBits
}

// has reports whether there is an entry with the same hash within [hunt.Near].
func (t *onceTable) has(e uint64) bool {
	if t == nil {
		return false
	}
	mask := uint64(len(t.slots) - 1)
	for i := e >> 20 & mask; t.slots[i] != 0; i = (i + 1) & mask {
		if have := t.slots[i]; have&^timeBits == e&^timeBits {
			if apart := (have - e + hunt.Near) & timeBits; apart > 0 && apart < 2*hunt.Near {
				return true
			}
		}
	}
	return false
}

// any is has for any time in the span.
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
