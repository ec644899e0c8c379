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

// blockPairs is the number of pairs allocated at a time.
const blockPairs = 256

// addresses is a pair's key: source and destination, 16 bytes each.
type addresses [32]byte

func (k *addresses) compare(o *addresses) int { return bytes.Compare(k[:], o[:]) }

// slot is one destination port of a pair, with the last connection to it.
type slot struct {
	last    int64
	uid     hunt.UID
	srcPort uint16
	port    uint16
	service uint16
	proto   hunt.Transport
}

// state is a pair in a table: 128 bytes, two cache lines. They have room for a pair with one connection, as most are.
type state struct {
	key            addresses
	previous       int64 // start of the last added connection, ms: the next is stored as a difference to it
	slot0          slot
	connections    uint32
	first, current chunkRef
	used, size     uint16 // of the current chunk; without one, used of head
	slots          uint16
	head           [30]byte // the connections' first bytes
}

// shard is a part of a table. It has all pairs of a source.
type shard struct {
	mu    sync.Mutex
	store *store
	seed  maphash.Seed
	// index finds a pair by its key: open addressing with linear steps, its length a power of two. An entry's low bits,
	// as many as the length has, are the pair's number plus one; the bits above are part of the key's hash; 0 is free.
	// So an entry takes 4 bytes and very rarely leads to another pair.
	index  []uint32
	blocks []*stateBlock
	count  uint32
	chunks arena
	// order is the pairs' numbers sorted by key, valid until something is added.
	order []uint32
	// more has the slots after the first; slotOf finds them by pair, port and transport.
	more   map[uint32][]slot
	slotOf map[slotKey]uint16
	// uses are the names used by the sources of a merged shard, in order, during the join.
	uses []use
	// crowded counts pairs with more ports than are kept apart.
	crowded int64
}

// MaxPorts is the number of ports kept apart for a pair; the last one stands for all others.
const MaxPorts = math.MaxUint16

type slotKey struct {
	pair  uint32
	port  uint16
	proto hunt.Transport
}

// smallest index.
const smallest = 64

// fetch reads the states that keys with these hashes probably have. Each is two misses of the processor's cache, and
// misses that nothing waits for overlap.
func (sh *shard) fetch(hashes []uint64, ids []uint32) (sum uint32) {
	mask := uint32(len(sh.index) - 1)
	for i, h := range hashes[:min(len(hashes), len(sh.index))] {
		ids[i] = sh.index[uint32(h)&mask] & mask
	}
	for _, id := range ids[:min(len(hashes), len(sh.index))] {
		if id > 0 {
			sum += sh.state(id - 1).connections
		}
	}
	return sum
}

// pair finds or makes the state of a key; h is its hash.
func (sh *shard) pair(key addresses, h uint64) (*state, uint32) {
	if int(sh.count) >= len(sh.index)/4*3 {
		sh.widen()
	}
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

// widen doubles the index.
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

// slot finds or makes the slot of a connection's port and transport, and notes the connection if it is the last so far.
// The result does not depend on the order of connections: of two at the same time the greater source port counts, of
// several services the longest.
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
	if c.Start > sl.last || c.Start == sl.last && cmp.Or(cmp.Compare(c.SrcPort, sl.srcPort), bytes.Compare(c.UID[:], sl.uid[:])) > 0 {
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
		case p.slots == MaxPorts-1: // this one stands for all other ports, without a number
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

// sorting is what a shard's pairs are sorted by: eight bytes if all are IPv4, else the whole key.
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

// sorted returns the pairs' numbers sorted by key.
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

// mapped is the prefix of an IPv4 address in 16 bytes.
var mapped = [12]byte{10: 0xff, 11: 0xff}

// sameSource counts the pairs, starting with the first of these, with its source.
func (sh *shard) sameSource(order []uint32) int {
	src := [16]byte(sh.state(order[0]).key[:16])
	n := 1
	for n < len(order) && [16]byte(sh.state(order[n]).key[:16]) == src {
		n++
	}
	return n
}

// reset empties the shard and returns the memory to the store. The index stays if it was not much too large.
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

// held is a shard's approximate memory, bytes.
func (sh *shard) held() int64 {
	return int64(len(sh.chunks.blocks))*arenaBlock + int64(len(sh.blocks))*blockPairs*stateSize + int64(sh.count)*pairCost + int64(len(sh.slotOf))*slotCost
}
