// Package pairs merges connections into pairs: source, destination, start times, bytes, durations.
//
// A [Table] takes batches of connections from any number of goroutines, in any order, and keeps every one, because a
// pair's score depends on each start time. A pair with one connection takes about 140 bytes, a further connection about
// 30: starts are stored as differences and everything as variable-length integers (docs/performance.md, Memory).
// Nothing in it is a pointer, so the garbage collector has nothing to follow in a table of millions.
//
// [Table.Walk] returns the pairs, each decoded into a [Pair], on all cores.
package pairs

import (
	"encoding/binary"
	"hash/maphash"
	"math"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"

	"dwell/internal/hunt"
)

const (
	shardBits = 6
	// stateBits are the lowest bits of a stored source port: they hold the connection's hunt.State at no cost.
	stateBits = 3
	shards    = 1 << shardBits
)

// Table holds the pairs of one hunt. The zero Table is not ready: use NewTable.
type Table struct {
	seed     maphash.Seed
	shards   [shards]shard
	store    store
	services services
	scratch  sync.Pool
	// oldest and newest are start times, Unix milliseconds.
	oldest, newest atomic.Int64
	long           longAddresses
	spilled
}

// NewTable makes an empty table.
func NewTable() *Table {
	t := &Table{seed: maphash.MakeSeed()}
	for i := range t.shards {
		t.shards[i].store, t.shards[i].seed = &t.store, t.seed
	}
	t.oldest.Store(math.MaxInt64)
	t.newest.Store(math.MinInt64)
	t.scratch.New = func() any { return new(sorter) }
	return t
}

// sorter sorts a batch by shard, so that each shard is locked once a batch. All pairs of a source are in one shard.
type sorter struct {
	shard  []uint8
	order  []int32
	starts [shards + 1]int32
	hashes []uint64
	ids    []uint32
	buffer [8 * binary.MaxVarintLen64]byte
	// service is the last one looked up, with its number.
	service string
	number  uint16
}

// Add adds a batch. It may be called from many goroutines; the batch may be reused afterwards. A pair with more than
// 65,535 combinations of destination port and transport keeps all its connections, but the further ones share the last
// port's slot. Err reports errors on disk.
func (t *Table) Add(batch []hunt.Connection) {
	if len(batch) == 0 || t.Err() != nil { // what is incomplete anyway takes no more memory
		return
	}
	t.add(batch, nil)
	t.overflow()
}

// addMarked is Add with what stands for each connection's address.
func (t *Table) addMarked(batch []hunt.Connection, marks []uint64) {
	if len(batch) == 0 || t.Err() != nil {
		return
	}
	t.add(batch, marks)
	t.overflow()
}

func (t *Table) add(batch []hunt.Connection, marks []uint64) {
	t.filling.RLock()
	defer t.filling.RUnlock()
	s := t.scratch.Get().(*sorter)
	defer t.scratch.Put(s)
	t.sort(s, batch)
	for i := range t.shards {
		if own := s.order[s.starts[i]:s.starts[i+1]]; len(own) > 0 {
			t.addToShard(&t.shards[i], s, own, batch, marks)
		}
	}
}

// sort fills s.order with the batch's indices by shard, and notes the oldest and newest start.
func (t *Table) sort(s *sorter, batch []hunt.Connection) {
	s.shard, s.order = grow(s.shard, len(batch)), grow(s.order, len(batch))
	var counts [shards]int32
	oldest, newest := int64(math.MaxInt64), int64(math.MinInt64)
	h := uint8(0)
	for i := range batch {
		if i == 0 || batch[i].Src != batch[i-1].Src { // history is sorted by source
			src := batch[i].Src.As16()
			h = uint8(maphash.Bytes(t.seed, src[:]) >> (64 - shardBits))
		}
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

func (t *Table) addToShard(sh *shard, s *sorter, own []int32, batch []hunt.Connection, marks []uint64) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	before := sh.held()
	defer func() { t.size.Add(sh.held() - before) }()
	s.hashes, s.ids = grow(s.hashes, len(own)), grow(s.ids, len(own))
	for k, i := range own {
		key := keyOf(&batch[i])
		s.hashes[k] = maphash.Bytes(t.seed, key[:])
	}
	sh.fetch(s.hashes, s.ids)
	for k, i := range own {
		c := &batch[i]
		p, id := sh.pair(keyOf(c), s.hashes[k])
		if c.Service != s.service {
			s.service, s.number = c.Service, t.services.number(c.Service)
		}
		slotNumber := sh.slot(p, id, c, s.number, &t.services)
		marked := uint64(0)
		if marks == nil {
			marked = uint64(mark(c.UID))
		} else {
			marked = marks[i]
		}
		for range max(c.Count, 1) {
			b := binary.AppendUvarint(s.buffer[:0], uint64(slotNumber))
			b = binary.AppendVarint(b, c.Start-p.previous)
			b = binary.AppendUvarint(b, uint64(c.SrcPort)<<stateBits|uint64(c.State))
			b = binary.AppendUvarint(b, marked)
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

// Crowded is the number of pairs with more than MaxPorts ports.
func (t *Table) Crowded() (n int64) {
	for i := range t.shards {
		n += t.shards[i].crowded
	}
	return n
}

// Span returns the oldest and the newest start in the table, Unix milliseconds; ok is false if it is empty.
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
// below Workers, for the visitor's scratch space. The Pair is reused after visit returns. Nothing may be added during a
// walk, and only one walk may run at a time. Check Err afterwards.
func (t *Table) Walk(visit func(worker int, p *Pair)) {
	t.walk(func(*addresses) bool { return true }, visit)
}

// walk is Walk over the wanted pairs.
func (t *Table) walk(wanted func(key *addresses) bool, visit func(worker int, p *Pair)) {
	pairs := make([]Pair, Workers())
	t.eachShard(func(worker int, sh *shard) {
		p := &pairs[worker]
		p.services, p.long = t.services.list(), &t.long
		for id := range sh.count {
			if wanted(&sh.state(id).key) {
				p.decode(sh, id)
				visit(worker, p)
			}
		}
	})
}

// WalkSources calls visit once for each source with its pairs, sorted by destination. Otherwise it is like Walk.
func (t *Table) WalkSources(visit func(worker int, src netip.Addr, pairs *Of)) {
	scratch := make([]sorting, Workers())
	t.eachShard(func(worker int, sh *shard) {
		order := sh.sorted(&scratch[worker])
		of := &Of{sh: sh, services: t.services.list(), long: &t.long}
		for len(order) > 0 {
			n := sh.sameSource(order)
			of.ids = order[:n]
			src, _ := sh.state(order[0]).key.split()
			visit(worker, src, of)
			order = order[n:]
		}
	})
}

// Of is the pairs of one source.
type Of struct {
	sh       *shard
	ids      []uint32
	services []string
	long     *longAddresses
	bytes    []byte
	one      Record
}

// Len is the number of pairs.
func (o *Of) Len() int { return len(o.ids) }

// Dst is the destination of pair i.
func (o *Of) Dst(i int) netip.Addr {
	_, dst := o.sh.state(o.ids[i]).key.split()
	return dst
}

// Connections is the number of pair i's connections, including the margin before the window.
func (o *Of) Connections(i int) int { return int(o.sh.state(o.ids[i]).connections) }

// OnPort says whether pair i has connections to a destination port; beyond MaxPorts it does not know.
func (o *Of) OnPort(i int, port uint16) bool {
	st := o.sh.state(o.ids[i])
	for n := range int(st.slots) {
		if o.sh.slotAt(st, o.ids[i], n).port == port {
			return true
		}
	}
	return false
}

// Decode fills p with pair i.
func (o *Of) Decode(i int, p *Pair) {
	p.services, p.long = o.services, o.long
	p.decode(o.sh, o.ids[i])
}

// Workers is the number of goroutines of a walk. It never changes: GOMAXPROCS may grow with the processor limits,
// between the making of scratch space for each worker and the walk that uses it.
func Workers() int { return workers() }

var workers = sync.OnceValue(func() int { return runtime.GOMAXPROCS(0) })

// eachShard visits the shards on all cores, or the merged ones if some went to disk.
func (t *Table) eachShard(visit func(worker int, sh *shard)) {
	if len(t.tiles) > 0 {
		t.fail(t.eachMerged(visit))
		return
	}
	OnAllCores(shards, func(worker, i int) { visit(worker, &t.shards[i]) })
}

// OnAllCores calls do with each number below n. worker is the goroutine's number.
func OnAllCores(n int, do func(worker, i int)) {
	var next atomic.Int32
	var wg sync.WaitGroup
	for worker := range Workers() {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(worker, i)
			}
		})
	}
	wg.Wait()
}

// mark is a short hash of a uid (FNV-1a, 14 bits, which take two bytes), 0 for none. It decides which of two
// connections with the same ports, both near in time, a record belongs to.
func mark(u hunt.UID) uint16 {
	if u == (hunt.UID{}) {
		return 0
	}
	h := uint32(2166136261)
	for _, b := range u {
		h = (h ^ uint32(b)) * 16777619
	}
	return max(uint16((h^h>>14^h>>28)&(1<<14-1)), 1)
}

func keyOf(c *hunt.Connection) addresses {
	var k addresses
	src, dst := c.Src.As16(), c.Dst.As16()
	copy(k[:16], src[:])
	copy(k[16:], dst[:])
	return k
}

func (k *addresses) split() (src, dst netip.Addr) {
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
