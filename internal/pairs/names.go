package pairs

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"hash/maphash"
	"math"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"dwell/internal/hunt"
)

// Names keeps the uses of names (TLS server names, HTTP hosts, CONNECT targets) of one hunt until they are joined with
// the connections in which they were used. The zero Names is not ready: use NewNames.
type Names struct {
	seed   maphash.Seed
	shards [shards]struct {
		mu   sync.Mutex
		uses map[addresses][]use
	}
	mu     sync.RWMutex
	ids    map[string]uint32
	texts  []string
	prints prints
}

// use is one use of a name.
type use struct {
	start            int64
	print            uint64 // of a TLS record, else 0
	name             uint32 // nameless where there is none
	srcPort, dstPort uint16
	askedPort        uint16
	mark             uint32
	kind             hunt.NameKind
}

// NewNames makes an empty set.
func NewNames() *Names {
	n := &Names{seed: maphash.MakeSeed(), ids: map[string]uint32{}, prints: newPrints()}
	for i := range n.shards {
		n.shards[i].uses = map[addresses][]use{}
	}
	return n
}

// nameless stands for the name of a use that has only a fingerprint.
const nameless = math.MaxUint32

// Add takes records in. Those without a name and fingerprint are left out, since they name nobody. An address in place of
// a name is none, since the pair by address knows it already; what a proxy was asked for counts in either form. It may be
// called from many goroutines.
func (n *Names) Add(batch []hunt.NameRecord) {
	for i := range batch {
		r := &batch[i]
		named := r.Name != "" && (r.Kind == hunt.Connect || !isAddress(r.Name))
		print := n.prints.number(r.Fingerprint)
		if !named && print == 0 {
			continue
		}
		name := uint32(nameless)
		if named {
			name = n.id(r.Name)
		}
		key := keyOf(&hunt.Connection{Src: r.Src, Dst: r.Dst})
		u := use{start: r.Start, name: name, print: print, srcPort: r.SrcPort, dstPort: r.DstPort, askedPort: r.Port, mark: mark(r.UID), kind: r.Kind}
		sh := &n.shards[maphash.Bytes(n.seed, key[:])>>(64-shardBits)]
		sh.mu.Lock()
		sh.uses[key] = append(sh.uses[key], u)
		sh.mu.Unlock()
	}
}

// isAddress says that a host is written as an address. Most names end in a letter, which an IPv4 address never does.
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

// Len is the number of distinct names.
func (n *Names) Len() int {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return len(n.texts)
}

// of gives the uses between two addresses, ordered by start.
func (n *Names) of(key addresses) []use {
	uses := n.shards[maphash.Bytes(n.seed, key[:])>>(64-shardBits)].uses[key]
	slices.SortFunc(uses, func(a, b use) int { return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.name, b.name)) })
	return uses
}

// Named is a table of pairs of a source and a name, and what belongs to each name beside its connections.
type Named struct {
	// Table has the names in place of destinations, as addresses that stand for them: see Name.
	Table *Table
	// Prints has TLS fingerprints with a port in place of destinations: see Print.
	Prints *Table
	prints map[netip.Addr]Print
	names  map[netip.Addr]string
	mu     sync.Mutex
	at     map[sourceName]map[netip.Addr]int64
	kinds  map[sourceName]uint8
	// Unjoined is how many uses had no connection: they stand for themselves, at their own time.
	Unjoined int64
}

type sourceName struct {
	src  netip.Addr
	name netip.Addr
}

// stand gives the address that stands for a name in a table: half of its SHA-256.
func stand(name string) netip.Addr {
	sum := sha256.Sum256([]byte(name))
	return netip.AddrFrom16([16]byte(sum[:16])).Unmap()
}

// slack is how much earlier than its connection's start a record may lie, and the longest a connection is searched
// back for: a name is used at the beginning of a connection, or by a later request on a connection kept open.
const slack = 2_000 // ms

// Join brings names and connections together: each use belongs to the connection of the same two ends and ports that
// began nearest before it, or of the same uid where both are known. A name that is used several times in a connection counts once for it, two names in one
// connection count for both. A use without a connection counts at its own time. The tables by name and by
// fingerprint keep to half of the first table's budget each; see Err and Close.
func (n *Names) Join(tables ...*Table) *Named {
	half := tables[0].budget.Half()
	out := &Named{Table: NewTableWithin(half), Prints: NewTableWithin(half), names: make(map[netip.Addr]string, len(n.texts)), at: map[sourceName]map[netip.Addr]int64{}, kinds: map[sourceName]uint8{}}
	stands := make([]netip.Addr, len(n.texts))
	for i, text := range n.texts {
		stands[i] = stand(text)
		out.names[stands[i]] = text
	}
	rolled := n.rollUps()
	out.prints = make(map[netip.Addr]Print, len(rolled))
	for _, r := range rolled {
		out.prints[r.stand] = r.Print
	}
	var mu sync.Mutex
	joined := map[addresses]bool{}
	for _, t := range tables {
		t.Walk(func(_ int, p *Pair) {
			key := keyOf(&hunt.Connection{Src: p.Src, Dst: p.Dst})
			uses := n.of(key)
			if len(uses) == 0 {
				return
			}
			mu.Lock()
			joined[key] = true
			mu.Unlock()
			out.join(p, uses, stands, rolled)
		})
	}
	for i := range n.shards {
		for key := range n.shards[i].uses {
			if !joined[key] {
				p := &Pair{}
				p.Src, p.Dst = key.split()
				out.join(p, n.of(key), stands, rolled)
			}
		}
	}
	return out
}

// join emits the connections of one pair under the names and the fingerprints used in them.
func (d *Named) join(p *Pair, uses []use, stands []netip.Addr, rolled map[rollUpKey]*rollUp) {
	byPorts := portIndex(p)
	type counted struct {
		connection int32
		name       uint32
	}
	seen := make(map[counted]bool, len(uses))
	batch := make([]hunt.Connection, 0, len(uses))
	var printed []hunt.Connection
	shown := map[counted]bool{}
	src := p.Src.As16()
	kinds := map[uint32]uint8{}
	unjoined := int64(0)
	for i := range uses {
		u := &uses[i]
		at := byPorts.find(u)
		if r := rolled[rollUpKey{src, u.print, u.dstPort}]; u.print != 0 && r != nil {
			c := counted{at, r.number}
			if at < 0 || !shown[c] {
				shown[c] = true
				printed = append(printed, named(p, u, at, r.stand))
			}
		}
		if u.name == nameless {
			continue
		}
		kinds[u.name] |= 1 << u.kind
		if at < 0 {
			unjoined++
		} else {
			c := counted{at, u.name}
			if seen[c] {
				continue
			}
			seen[c] = true
		}
		batch = append(batch, named(p, u, at, stands[u.name]))
	}
	d.Table.Add(batch)
	d.Prints.Add(printed)
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, connections := range [][]hunt.Connection{batch, printed} {
		for i := range connections {
			k := sourceName{connections[i].Src, connections[i].Dst}
			if d.at[k] == nil {
				d.at[k] = map[netip.Addr]int64{}
			}
			d.at[k][p.Dst]++
		}
	}
	for name, used := range kinds {
		d.kinds[sourceName{p.Src, stands[name]}] |= used
	}
	d.Unjoined += unjoined
}

// named is a connection under a name: the pair's connection number at, or the use itself where there is none.
func named(p *Pair, u *use, at int32, name netip.Addr) hunt.Connection {
	c := hunt.Connection{Src: p.Src, Dst: name, SrcPort: u.srcPort, DstPort: u.dstPort, Proto: hunt.TCP, Count: 1,
		Start: u.start, Duration: hunt.Absent, OrigBytes: hunt.Absent, RespBytes: hunt.Absent, OrigIPBytes: hunt.Absent}
	if at >= 0 {
		r := &p.Connections[at]
		port := &p.Ports[r.Port]
		c.Start, c.Duration, c.OrigBytes, c.RespBytes, c.OrigIPBytes = r.Start, r.Duration, r.OrigBytes, r.RespBytes, r.OrigIPBytes
		c.Proto, c.Service = port.Proto, port.Service
		if r.Start == port.Last {
			c.UID = port.UID
		}
	}
	if u.kind == hunt.Connect && u.askedPort != 0 {
		c.DstPort = u.askedPort
	}
	return c
}

// ports is a pair's connections by source and destination port, then start.
type ports struct {
	order []int32
	p     *Pair
}

func portIndex(p *Pair) ports {
	x := ports{order: make([]int32, len(p.Connections)), p: p}
	for i := range x.order {
		x.order[i] = int32(i)
	}
	slices.SortFunc(x.order, func(a, b int32) int { return x.compare(a, x.key(b)) })
	return x
}

type portKey struct {
	src, dst uint16
	start    int64
}

func (x ports) key(i int32) portKey {
	r := &x.p.Connections[i]
	return portKey{r.SrcPort, x.p.Ports[r.Port].Number, r.Start}
}

func (x ports) compare(i int32, k portKey) int {
	own := x.key(i)
	return cmp.Or(cmp.Compare(own.src, k.src), cmp.Compare(own.dst, k.dst), cmp.Compare(own.start, k.start))
}

// find gives the connection of the same ports that began last before the use (or a moment after it), or -1.
func (x ports) find(u *use) int32 {
	k := portKey{u.srcPort, u.dstPort, u.start + slack}
	i, found := slices.BinarySearchFunc(x.order, k, func(i int32, k portKey) int { return x.compare(i, k) })
	if !found {
		i--
	}
	if i < 0 {
		return -1
	}
	if !x.samePorts(i, u) {
		return -1
	}
	if u.mark == 0 {
		return x.order[i]
	}
	// The same ports again within moments: the uid says which.
	for j := i; j >= 0 && x.samePorts(j, u); j-- {
		if x.p.Connections[x.order[j]].mark == u.mark {
			return x.order[j]
		}
	}
	return x.order[i]
}

func (x ports) samePorts(i int, u *use) bool {
	own := x.key(x.order[i])
	return own.src == u.srcPort && own.dst == u.dstPort
}

// maxAddresses is how many addresses of a name are told.
const maxAddresses = 20

// Name is the text that a destination of Table stands for.
func (d *Named) Name(dst netip.Addr) string { return d.names[dst] }

// Kinds says in which protocols a source used a name: bit 1<<kind.
func (d *Named) Kinds(src, dst netip.Addr) uint8 { return d.kinds[sourceName{src, dst}] }

// Err is what went wrong on disk.
func (d *Named) Err() error { return cmp.Or(d.Table.Err(), d.Prints.Err()) }

// Close removes what lies on disk.
func (d *Named) Close() error { return errors.Join(d.Table.Close(), d.Prints.Close()) }

// Uses gives the number of connections to each address that a source reached under a name or a fingerprint. The map is not to be changed.
func (d *Named) Uses(src, dst netip.Addr) map[netip.Addr]int64 { return d.at[sourceName{src, dst}] }

// Addresses are those that a source reached under a name or a fingerprint, the most used first, at most twenty; count is
// how many there are in all.
func (d *Named) Addresses(src, dst netip.Addr) (list []netip.Addr, count int) {
	uses := d.at[sourceName{src, dst}]
	for a := range uses {
		list = append(list, a)
	}
	slices.SortFunc(list, func(a, b netip.Addr) int { return cmp.Or(cmp.Compare(uses[b], uses[a]), a.Compare(b)) })
	count = len(list)
	return list[:min(count, maxAddresses)], count
}
