// Package pairs merges connections into pairs: who talked to whom, when, how much, for how long.
//
// A [Table] takes batches of connections from any number of goroutines, in any order, and keeps every one of them,
// because the score of a pair rests on each start time and not on a summary. What it keeps is small: a pair costs
// about 140 bytes and a connection about 15 (20 with a uid), since starts are stored as differences and everything as variable-length
// integers. Nothing in it is a pointer, so that the garbage collector has nothing to follow in a table of millions.
//
// [Table.Walk] gives the pairs back, each decoded into a [Pair], on all cores.
package pairs

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"math"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"dwell/internal/hunt"
)

const (
	shardBits = 6
	shards    = 1 << shardBits
	// blockPairs is how many pairs are allocated at a time: growing by blocks never copies what is there.
	blockPairs = 512
)

// addresses is the key of a pair: source and destination, each as 16 bytes.
type addresses [32]byte

// slot is one destination port of a pair, with what is known of the last connection to it.
type slot struct {
	last    int64
	srcPort uint16
	port    uint16
	service uint16
	proto   hunt.Transport
	uid     hunt.UID
}

// state is what a table keeps of a pair beside its connections.
type state struct {
	previous    int64 // start of the connection added last, ms: the next is stored as a difference to it
	first       chunkRef
	current     chunkRef
	used        uint16 // bytes used in the current chunk
	size        uint16 // of the current chunk
	slots       uint16
	connections uint32
	slot0       slot
}

type shard struct {
	mu     sync.Mutex
	index  map[addresses]uint32
	blocks [][]state
	count  uint32
	chunks arena
	// more holds the slots after the first; slotOf finds them by pair, port and transport.
	more   map[uint32][]slot
	slotOf map[slotKey]uint16
}

type slotKey struct {
	pair  uint32
	port  uint16
	proto hunt.Transport
}

// Table holds the pairs of one hunt. The zero Table is not ready: use NewTable.
type Table struct {
	seed     maphash.Seed
	shards   [shards]shard
	services services
	scratch  sync.Pool
	// oldest and newest start seen, Unix milliseconds.
	oldest, newest atomic.Int64
	spilled
}

// NewTable makes an empty table.
func NewTable() *Table {
	t := &Table{seed: maphash.MakeSeed()}
	for i := range t.shards {
		t.shards[i].reset()
	}
	t.oldest.Store(math.MaxInt64)
	t.newest.Store(math.MinInt64)
	t.scratch.New = func() any { return new(sorter) }
	return t
}

// sorter orders a batch by shard, so that each shard is locked once a batch. All pairs of a source lie in one shard.
type sorter struct {
	shard  []uint8
	order  []int32
	starts [shards + 1]int32
	buffer [8 * binary.MaxVarintLen64]byte
}

// Add takes a batch in. It may be called from many goroutines; the batch may be reused afterwards. A pair with more
// than 65,535 combinations of destination port and transport keeps all its connections, but those beyond share the
// last port's slot. What goes wrong on disk is told by Err.
func (t *Table) Add(batch []hunt.Connection) {
	if len(batch) == 0 {
		return
	}
	t.add(batch)
	t.overflow()
}

func (t *Table) add(batch []hunt.Connection) {
	t.filling.RLock()
	defer t.filling.RUnlock()
	s := t.scratch.Get().(*sorter)
	defer t.scratch.Put(s)
	t.sort(s, batch)
	for i := range t.shards {
		if own := s.order[s.starts[i]:s.starts[i+1]]; len(own) > 0 {
			t.addToShard(&t.shards[i], s, own, batch)
		}
	}
}

// sort fills s.order with the batch's indices by shard, and keeps track of the oldest and newest start.
func (t *Table) sort(s *sorter, batch []hunt.Connection) {
	s.shard, s.order = grow(s.shard, len(batch)), grow(s.order, len(batch))
	var counts [shards]int32
	oldest, newest := int64(math.MaxInt64), int64(math.MinInt64)
	for i := range batch {
		key := keyOf(&batch[i])
		h := uint8(maphash.Bytes(t.seed, key[:16]) >> (64 - shardBits))
		s.shard[i] = h
		counts[h]++
		oldest, newest = min(oldest, batch[i].Start), max(newest, batch[i].Start)
	}
	var sum int32
	var next [shards]int32
	for i, n := range counts {
		s.starts[i], next[i] = sum, sum
		sum += n
	}
	s.starts[shards] = sum
	for i, h := range s.shard {
		s.order[next[h]] = int32(i)
		next[h]++
	}
	lower(&t.oldest, oldest)
	raise(&t.newest, newest)
}

func (t *Table) addToShard(sh *shard, s *sorter, own []int32, batch []hunt.Connection) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	before := sh.held()
	defer func() { t.size.Add(sh.held() - before) }()
	for _, i := range own {
		c := &batch[i]
		p, id := sh.pair(keyOf(c))
		slotNumber := sh.slot(p, id, c, t.services.number(c.Service))
		for range max(c.Count, 1) {
			b := binary.AppendUvarint(s.buffer[:0], uint64(slotNumber))
			b = binary.AppendVarint(b, c.Start-p.previous)
			b = binary.AppendUvarint(b, uint64(c.SrcPort))
			b = binary.AppendUvarint(b, uint64(mark(c.UID)))
			b = binary.AppendUvarint(b, uint64(c.OrigIPBytes+1))
			b = binary.AppendUvarint(b, uint64(c.Duration+1))
			b = binary.AppendUvarint(b, uint64(c.OrigBytes+1))
			b = binary.AppendUvarint(b, uint64(c.RespBytes+1))
			p.previous = c.Start
			p.connections++
			sh.append(p, b)
		}
	}
}

// pair finds or makes the state of a key.
func (sh *shard) pair(key addresses) (*state, uint32) {
	id, ok := sh.index[key]
	if !ok {
		id = sh.count
		sh.count++
		if id%blockPairs == 0 {
			sh.blocks = append(sh.blocks, make([]state, blockPairs))
		}
		sh.index[key] = id
	}
	return sh.state(id), id
}

func (sh *shard) state(id uint32) *state { return &sh.blocks[id/blockPairs][id%blockPairs] }

// slot finds or makes the slot of a connection's port and transport and notes it there when it is the last so far.
func (sh *shard) slot(p *state, id uint32, c *hunt.Connection, service uint16) uint16 {
	sl, number := &p.slot0, uint16(0)
	switch {
	case p.slots == 0:
		p.slots = 1
		*sl = slot{last: math.MinInt64, port: c.DstPort, proto: c.Proto}
	case sl.port == c.DstPort && sl.proto == c.Proto:
	default:
		sl, number = sh.furtherSlot(p, id, c)
	}
	if c.Start >= sl.last {
		sl.last, sl.srcPort, sl.uid = c.Start, c.SrcPort, c.UID
	}
	if service != 0 {
		sl.service = service
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
		if p.slots < math.MaxUint16 {
			p.slots++
			sh.more[id] = append(sh.more[id], slot{last: math.MinInt64, port: c.DstPort, proto: c.Proto})
		} else {
			number--
		}
		sh.slotOf[key] = number
	}
	return &sh.more[id][number-1], number
}

// Span gives the oldest and the newest start in the table, Unix milliseconds; ok is false when it is empty.
func (t *Table) Span() (oldest, newest int64, ok bool) {
	oldest, newest = t.oldest.Load(), t.newest.Load()
	return oldest, newest, oldest <= newest
}

// Len is the number of pairs in memory.
func (t *Table) Len() int {
	n := 0
	for i := range t.shards {
		t.shards[i].mu.Lock()
		n += int(t.shards[i].count)
		t.shards[i].mu.Unlock()
	}
	return n
}

// Walk calls visit once for each pair, from as many goroutines as there are cores. worker is the goroutine's number,
// below runtime.GOMAXPROCS(0), so that visitors can keep scratch space of their own. The Pair is reused after visit
// returns. Nothing may be added during a walk, and walks follow one another. Look at Err afterwards.
func (t *Table) Walk(visit func(worker int, p *Pair)) {
	t.eachShard(func(worker int, sh *shard) {
		p := &Pair{services: t.services.list()}
		for key, id := range sh.index {
			p.decode(sh, key, id)
			visit(worker, p)
		}
	})
}

// WalkSources calls visit once for each source with the pairs it is in, ordered by destination. Otherwise it is as Walk.
func (t *Table) WalkSources(visit func(worker int, src netip.Addr, pairs *Of)) {
	names := t.services.list()
	t.eachShard(func(worker int, sh *shard) {
		keys := make([]keyed, 0, len(sh.index))
		for key, id := range sh.index {
			keys = append(keys, keyed{key, id})
		}
		slices.SortFunc(keys, func(a, b keyed) int { return bytes.Compare(a.key[:], b.key[:]) })
		of := &Of{sh: sh, services: names}
		for len(keys) > 0 {
			n := 1
			for n < len(keys) && [16]byte(keys[n].key[:16]) == [16]byte(keys[0].key[:16]) {
				n++
			}
			of.keys = keys[:n]
			src, _ := keys[0].key.split()
			visit(worker, src, of)
			keys = keys[n:]
		}
	})
}

type keyed struct {
	key addresses
	id  uint32
}

// Of is the pairs of one source.
type Of struct {
	sh       *shard
	keys     []keyed
	services []string
}

// Len is the number of pairs.
func (o *Of) Len() int { return len(o.keys) }

// Dst is the destination of pair i.
func (o *Of) Dst(i int) netip.Addr {
	_, dst := o.keys[i].key.split()
	return dst
}

// Connections is how many connections pair i has, the margin before the window included.
func (o *Of) Connections(i int) int {
	id := o.keys[i].id
	return int(o.sh.state(id).connections)
}

// Decode fills p with pair i.
func (o *Of) Decode(i int, p *Pair) {
	p.services = o.services
	p.decode(o.sh, o.keys[i].key, o.keys[i].id)
}

// eachShard visits the shards from all cores, or what they are merged to if some went to disk.
func (t *Table) eachShard(visit func(worker int, sh *shard)) {
	if len(t.tiles) > 0 {
		err := t.Err()
		if err == nil {
			err = t.spill() // the rest, so that one mechanism sees all
		}
		if err == nil {
			err = t.merge(visit)
		}
		t.fail(err)
		return
	}
	var next atomic.Int32
	var wg sync.WaitGroup
	for worker := range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < shards; i = int(next.Add(1)) - 1 {
				visit(worker, &t.shards[i])
			}
		})
	}
	wg.Wait()
}

// mark is a short hash of a uid (FNV-1a), 0 for none: it settles which of two connections with the same ports a record
// belongs to, where both are near.
func mark(u hunt.UID) uint32 {
	if u == (hunt.UID{}) {
		return 0
	}
	h := uint32(2166136261)
	for _, b := range u {
		h = (h ^ uint32(b)) * 16777619
	}
	return max(h, 1)
}

func keyOf(c *hunt.Connection) addresses {
	var k addresses
	src, dst := c.Src.As16(), c.Dst.As16()
	copy(k[:16], src[:])
	copy(k[16:], dst[:])
	return k
}

func (k addresses) split() (src, dst netip.Addr) {
	return netip.AddrFrom16([16]byte(k[:16])).Unmap(), netip.AddrFrom16([16]byte(k[16:])).Unmap()
}

func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

func lower(a *atomic.Int64, v int64) {
	for old := a.Load(); v < old && !a.CompareAndSwap(old, v); old = a.Load() {
	}
}

func raise(a *atomic.Int64, v int64) {
	for old := a.Load(); v > old && !a.CompareAndSwap(old, v); old = a.Load() {
	}
}
