package pairs

import (
	"cmp"
	"hash/maphash"
	"math"
	"math/bits"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"dwell/internal/hunt"
)

// Names keeps the uses of names (TLS server names, HTTP hosts, CONNECT targets) of one hunt until they are joined with
// their connections. The zero Names is not ready: use NewNames.
type Names struct {
	seed   maphash.Seed
	shards [shards]struct {
		mu   sync.Mutex
		uses []use // sorted by key, start and name before the join
		// filter has a bit set for each pair of addresses, by the low bits of its hash, and so for few others.
		filter []uint64
		// index has the place, plus one, of each pair's first use, from the hash on; 0 is free.
		index []uint32
		// joined says for the first use between two addresses that such a pair exists.
		joined []bool
	}
	mu     sync.RWMutex
	ids    map[string]uint32
	texts  []string
	prints prints
	// rollUps are found during the join.
	rollUps rollUps
	spilledUses
}

// use is one use of a name. It has no pointers.
type use struct {
	key              addresses
	start            int64
	print            uint64 // of a TLS record, else 0
	name             uint32 // nameless if there is none
	srcPort, dstPort uint16
	askedPort        uint16
	mark             uint16
	kind             hunt.NameKind
}

// NewNames makes an empty set that keeps to a budget, except for the texts of names and fingerprints. Close it when
// done: it may have files.
func NewNames(b Budget) *Names {
	return &Names{spilledUses: spilledUses{budget: b}, seed: maphash.MakeSeed(), ids: map[string]uint32{}, prints: newPrints(), rollUps: rollUps{of: map[shownAt]*rollUp{}}}
}

// nameless is the name of a use that has only a fingerprint.
const nameless = math.MaxUint32

// Add adds records. It leaves out those without a name and fingerprint, and addresses in place of a name, which the
// pair by address covers; what a proxy was asked for counts in either form. It may be called from many goroutines.
func (n *Names) Add(batch []hunt.NameRecord) {
	if n.Err() == nil {
		n.add(batch)
		n.overflow()
	}
}

func (n *Names) add(batch []hunt.NameRecord) {
	n.filling.RLock()
	defer n.filling.RUnlock()
	added := 0
	defer func() { n.size.Add(int64(added) * useSize) }()
	for i := range batch {
		r := &batch[i]
		named := r.Name != "" && (r.Kind == hunt.Connect || !isAddress(r.Name))
		print := n.prints.number(r.Fingerprint)
		if !named && print == 0 {
			continue
		}
		name := uint32(nameless)
		if named {
			name = n.id(cut(r.Name))
		}
		key := keyOf(&hunt.Connection{Src: r.Src, Dst: r.Dst})
		u := use{key: key, start: r.Start, name: name, print: print, srcPort: r.SrcPort, dstPort: r.DstPort, askedPort: r.Port, mark: mark(r.UID), kind: r.Kind}
		sh := &n.shards[n.shardOf(&key)]
		sh.mu.Lock()
		sh.uses = append(sh.uses, u)
		sh.mu.Unlock()
		added++
	}
}

// longestName is the longest valid name (RFC 1035, 2.3.4, without the final dot). No server has a longer one, so a
// longer one takes no more memory.
const longestName = 253

// cut is the part of a name that is kept.
func cut(name string) string {
	if len(name) <= longestName {
		return name
	}
	return strings.Clone(name[:longestName])
}

// isAddress says whether a host is written as an address. Most names end in a letter, which an IPv4 address never does.
func isAddress(name string) bool {
	if last := name[len(name)-1]; (last < '0' || last > '9') && !strings.Contains(name, ":") {
		return false
	}
	_, err := netip.ParseAddr(name)
	return err == nil
}

func (n *Names) id(name string) uint32 {
	n.mu.RLock()
	id, ok := n.ids[name]
	n.mu.RUnlock()
	if ok {
		return id
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if id, ok := n.ids[name]; ok {
		return id
	}
	id = uint32(len(n.texts))
	n.ids[name], n.texts = id, append(n.texts, name)
	return id
}

// shardOf is the shard of the uses between two addresses. It has all uses of the source.
func (n *Names) shardOf(key *addresses) int {
	return int(maphash.Bytes(n.seed, key[:16]) >> (64 - shardBits))
}

// sort prepares the uses for the join.
func (n *Names) sort() {
	OnAllCores(shards, func(_, i int) {
		sh := &n.shards[i]
		slices.SortFunc(sh.uses, compareUses)
		sh.joined = make([]bool, len(sh.uses))
		const bitsEach = 16
		sh.filter = make([]uint64, 1<<bits.Len(uint(len(sh.uses)*bitsEach/64)))
		sh.index = make([]uint32, 1<<bits.Len(uint(len(sh.uses)+len(sh.uses)/2)))
		for j := 0; j < len(sh.uses); j += len(sameEnds(sh.uses[j:])) {
			hash := maphash.Bytes(n.seed, sh.uses[j].key[:])
			word, bit := filterBit(hash, len(sh.filter))
			sh.filter[word] |= bit
			at := indexAt(hash, len(sh.index))
			for sh.index[at] != 0 {
				at = (at + 1) & (len(sh.index) - 1)
			}
			sh.index[at] = uint32(j + 1)
		}
	})
}

func compareUses(a, b use) int {
	return cmp.Or(a.key.compare(&b.key), cmp.Compare(a.start, b.start), cmp.Compare(a.name, b.name))
}

// any says whether a name was used at all.
func (n *Names) any() bool {
	for i := range n.shards {
		if len(n.shards[i].uses) > 0 {
			return true
		}
	}
	return false
}

func filterBit(hash uint64, length int) (word int, bit uint64) {
	return int(hash>>6) & (length - 1), 1 << (hash & 63)
}

func indexAt(hash uint64, length int) int { return int(hash>>24) & (length - 1) }

// perhaps says whether there may be uses between two addresses; false is certain.
func (n *Names) perhaps(key *addresses) bool {
	filter := n.shards[n.shardOf(key)].filter
	word, bit := filterBit(maphash.Bytes(n.seed, key[:]), len(filter))
	return filter[word]&bit != 0
}

// of returns the uses between two addresses, sorted by start, and notes that such a pair exists.
func (n *Names) of(key *addresses) []use {
	hash := maphash.Bytes(n.seed, key[:])
	sh := &n.shards[n.shardOf(key)]
	for at := indexAt(hash, len(sh.index)); len(sh.uses) > 0 && sh.index[at] != 0; at = (at + 1) & (len(sh.index) - 1) {
		if first := int(sh.index[at] - 1); sh.uses[first].key == *key {
			sh.joined[first] = true
			return sameEnds(sh.uses[first:])
		}
	}
	return nil
}

// sameEnds returns the leading uses between the same addresses as the first.
func sameEnds(uses []use) []use {
	n := 1
	for n < len(uses) && uses[n].key == uses[0].key {
		n++
	}
	return uses[:n]
}

// alone visits the uses between addresses that were not passed to of.
func (n *Names) alone(visit func(uses []use)) {
	for i := range n.shards {
		sh := &n.shards[i]
		for at := 0; at < len(sh.uses); {
			uses := sameEnds(sh.uses[at:])
			if !sh.joined[at] {
				visit(uses)
			}
			at += len(uses)
		}
	}
}
