package pairs

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"hash/maphash"
	"math"
	"slices"
	"sync"

	"dwell/internal/hunt"
)

// blockPairs is how many pairs are allocated at a time.
const blockPairs = 256

// addresses is the key of a pair: source and destination, each as 16 bytes.
type addresses [32]byte

func (k *addresses) compare(o *addresses) int { return bytes.Compare(k[:], o[:]) }

// slot is one destination port of a pair, with what is known of the last connection to it.
type slot struct {
	last    int64
	uid     hunt.UID
	srcPort uint16
	port    uint16
	service uint16
	proto   hunt.Transport
}

// state is what a table keeps of a pair: 128 bytes, two lines of a processor's cache, which hold all of a pair with
// one connection, as most have.
type state struct {
	key            addresses
	previous       int64 // start of the connection added last, ms: the next is stored as a difference to it
	slot0          slot
	connections    uint32
	first, current chunkRef
	used, size     uint16 // of the current chunk; without one, used of head
	slots          uint16
	head           [30]byte // the connections' first bytes
}

// shard is a part of a table, with all pairs of a source.
type shard struct {
	mu    sync.Mutex
	store *store
	seed  maphash.Seed
	// index finds a pair by its key: open addressing with linear steps, a power of two long. An entry's low bits, as
	// many as the length has, are the pair's number plus one, the bits above part of the key's hash; 0 is free. So an
	// entry takes 4 bytes, and hardly ever leads to a pair that is another.
	index  []uint32
	blocks []*stateBlock
	count  uint32
	chunks arena
	// order is the pairs' numbers in order of their keys, as long as nothing was added since.
	order []uint32
	// more holds the slots after the first; slotOf finds them by pair, port and transport.
	more   map[uint32][]slot
	slotOf map[slotKey]uint16
	// uses are the names used by the sources of a shard that was merged, in order, while they are joined.
	uses []use
	// crowded counts pairs with more ports than are told apart.
	crowded int64
}

// MaxPorts is how many ports of a pair are told apart; the last of so many stands for all beyond.
const MaxPorts = math.MaxUint16

type slotKey struct {
	pair  uint32
	port  uint16
	proto hunt.Transport
}

// smallest index.
const smallest = 64

// pair finds or makes the state of a key.
func (sh *shard) pair(key addresses) (*state, uint32) {
	if int(sh.count) >= len(sh.index)/4*3 {
		sh.widen()
	}
	h := maphash.Bytes(sh.seed, key[:])
	mask := uint32(len(sh.index) - 1)
	tag := uint32(h>>32) &^ mask
	for at := uint32(h) & mask; ; at = (at + 1) & mask {
		e := sh.index[at]
		if e == 0 {
			sh.index[at] = tag | (sh.count + 1)
			return sh.newPair(key)
		}
		if e&^mask == tag {
			id := e&mask - 1
			if st := sh.state(id); st.key == key {
				return st, id
			}
		}
	}
}

func (sh *shard) newPair(key addresses) (*state, uint32) {
	id := sh.count
	sh.count++
	if int(id/blockPairs) == len(sh.blocks) {
		sh.blocks = append(sh.blocks, sh.store.stateBlock())
	}
	st := sh.state(id)
	*st = state{key: key}
	return st, id
}

// widen makes the index twice as long.
func (sh *shard) widen() {
	sh.index = make([]uint32, max(smallest, 2*len(sh.index)))
	mask := uint32(len(sh.index) - 1)
	for id := range sh.count {
		h := maphash.Bytes(sh.seed, sh.state(id).key[:])
		at := uint32(h) & mask
		for sh.index[at] != 0 {
			at = (at + 1) & mask
		}
		sh.index[at] = uint32(h>>32)&^mask | (id + 1)
	}
}

func (sh *shard) state(id uint32) *state { return &sh.blocks[id/blockPairs][id%blockPairs] }

// slot finds or makes the slot of a connection's port and transport and notes the connection there when it is the last
// so far. What comes out does not depend on the order in which connections come: of two at the same time the greater
// uid counts, of several services the one that names most.
func (sh *shard) slot(p *state, id uint32, c *hunt.Connection, service uint16, names *services) uint16 {
	sl, number := &p.slot0, uint16(0)
	switch {
	case p.slots == 0:
		p.slots = 1
		*sl = slot{last: math.MinInt64, port: c.DstPort, proto: c.Proto}
	case sl.port == c.DstPort && sl.proto == c.Proto:
	default:
		sl, number = sh.furtherSlot(p, id, c)
	}
	if c.Start > sl.last || c.Start == sl.last && cmp.Or(bytes.Compare(c.UID[:], sl.uid[:]), cmp.Compare(c.SrcPort, sl.srcPort)) > 0 {
		sl.last, sl.srcPort, sl.uid = c.Start, c.SrcPort, c.UID
	}
	if service != sl.service {
		sl.service = names.fuller(service, sl.service)
	}
	return number
}

func (sh *shard) furtherSlot(p *state, id uint32, c *hunt.Connection) (*slot, uint16) {
	if sh.more == nil {
		sh.more, sh.slotOf = make(map[uint32][]slot), make(map[slotKey]uint16)
	}
	key := slotKey{pair: id, port: c.DstPort, proto: c.Proto}
	number, ok := sh.slotOf[key]
	if !ok {
		number = p.slots
		switch {
		case p.slots < MaxPorts-1:
			p.slots++
			sh.more[id] = append(sh.more[id], slot{last: math.MinInt64, port: c.DstPort, proto: c.Proto})
		case p.slots == MaxPorts-1: // this one stands for all ports beyond, under none's number
			p.slots++
			sh.more[id] = append(sh.more[id], slot{last: math.MinInt64})
			sh.crowded++
		default:
			number--
		}
		sh.slotOf[key] = number
	}
	return &sh.more[id][number-1], number
}

// slotAt is slot i of a pair.
func (sh *shard) slotAt(p *state, id uint32, i int) *slot {
	if i == 0 {
		return &p.slot0
	}
	return &sh.more[id][i-1]
}

// sorting is what a shard's pairs are sorted with: by eight bytes where all are IPv4, by the whole key else.
type (
	sorting struct {
		v4  []keyed4
		any []keyed
	}
	keyed4 struct {
		key uint64
		id  uint32
	}
	keyed struct {
		key addresses
		id  uint32
	}
)

// sorted gives the pairs' numbers in order of their keys.
func (sh *shard) sorted(scratch *sorting) []uint32 {
	if len(sh.order) == int(sh.count) {
		return sh.order
	}
	sh.order = grow(sh.order, int(sh.count))
	if sh.sort4(scratch) {
		return sh.order
	}
	scratch.any = grow(scratch.any, int(sh.count))
	for id := range sh.count {
		scratch.any[id] = keyed{sh.state(id).key, id}
	}
	slices.SortFunc(scratch.any, func(a, b keyed) int { return a.key.compare(&b.key) })
	for i := range scratch.any {
		sh.order[i] = scratch.any[i].id
	}
	return sh.order
}

// sort4 fills the order if all addresses are IPv4.
func (sh *shard) sort4(scratch *sorting) bool {
	scratch.v4 = grow(scratch.v4, int(sh.count))
	for id := range sh.count {
		k := &sh.state(id).key
		if [12]byte(k[:12]) != mapped || [12]byte(k[16:28]) != mapped {
			return false
		}
		scratch.v4[id] = keyed4{uint64(binary.BigEndian.Uint32(k[12:]))<<32 | uint64(binary.BigEndian.Uint32(k[28:])), id}
	}
	slices.SortFunc(scratch.v4, func(a, b keyed4) int { return cmp.Compare(a.key, b.key) })
	for i := range scratch.v4 {
		sh.order[i] = scratch.v4[i].id
	}
	return true
}

// mapped begins an IPv4 address in 16 bytes.
var mapped = [12]byte{10: 0xff, 11: 0xff}

// sameSource says how many pairs, from the first of these on, have its source.
func (sh *shard) sameSource(order []uint32) int {
	src := [16]byte(sh.state(order[0]).key[:16])
	n := 1
	for n < len(order) && [16]byte(sh.state(order[n]).key[:16]) == src {
		n++
	}
	return n
}

// reset forgets everything and gives the memory back to the store. The index stays if it was not much too large.
func (sh *shard) reset() {
	sh.store.giveBack(sh)
	if len(sh.index) > smallest && uint32(len(sh.index)) > 16*sh.count {
		sh.index = nil
	}
	clear(sh.index)
	clear(sh.blocks)
	clear(sh.chunks.blocks)
	sh.blocks, sh.chunks, sh.count = sh.blocks[:0], arena{blocks: sh.chunks.blocks[:0]}, 0
	sh.order, sh.more, sh.slotOf, sh.uses = sh.order[:0], nil, nil, sh.uses[:0]
}

// held is what a shard has in memory, about, bytes.
func (sh *shard) held() int64 {
	return int64(len(sh.chunks.blocks))*arenaBlock + int64(len(sh.blocks))*blockPairs*stateSize + int64(sh.count)*pairCost + int64(len(sh.slotOf))*slotCost
}
