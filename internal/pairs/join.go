package pairs

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"maps"
	"net/netip"
	"slices"

	"dwell/internal/hunt"
)

// Named is a table of pairs of a source and a name, with what belongs to each name beside its connections.
type Named struct {
	// Table has names in place of destinations, as addresses that stand for them: see Name.
	Table *Table
	// Prints has TLS fingerprints with a port in place of destinations: see Print.
	Prints *Table
	prints map[netip.Addr]Print
	names  map[netip.Addr]string
	// Unjoined is the number of uses without a connection. They count by themselves, at their own time.
	Unjoined int64
	// Busy are the fingerprints that were left out.
	Busy Busy
}

// stand is the address that stands for a name in a table: half of its SHA-256. The other half is for fingerprints, so
// that no name can stand for one.
func stand(name string) netip.Addr {
	sum := sha256.Sum256([]byte(name))
	return netip.AddrFrom16([16]byte(sum[:16])).Unmap()
}

// slack is how much earlier than its connection's start a record may be, and the longest time back to a connection. A
// name is used at the beginning of a connection, or by a later request on one kept open.
const slack = 2_000 // ms

// Join assigns each use of a name to a connection: the one of the same two ends and ports that began nearest before it,
// or the one of the same uid where both are known. A name used several times in a connection counts once, two names in
// one connection count for both. A use without a connection counts at its own time. The tables by name and by
// fingerprint take half of the first table's budget each; see Err and Close.
func (n *Names) Join(tables ...*Table) *Named {
	half := tables[0].budget.Half()
	out := &Named{Table: NewTableWithin(half), Prints: NewTableWithin(half), names: make(map[netip.Addr]string, len(n.texts))}
	stands := make([]netip.Addr, len(n.texts))
	for i, text := range n.texts {
		stands[i] = stand(text)
		out.names[stands[i]] = text
	}
	joiners := make([]joiner, Workers())
	for i := range joiners {
		joiners[i] = joiner{out: out, stands: stands, rolled: map[rollUpKey]*rollUp{}, seen: map[counted]int{}, shown: map[counted]bool{}}
	}
	if len(n.files) > 0 {
		n.fail(n.spill()) // the rest, so that one mechanism handles all
		n.fail(n.joinMerged(tables, joiners))
	} else {
		n.sort()
		n.joinInMemory(tables, joiners)
	}
	out.Busy, out.prints = n.rollUps.busy, map[netip.Addr]Print{}
	for _, r := range n.rollUps.of {
		if r.followed {
			out.prints[r.stand] = r.Print
		}
	}
	out.Table.fail(n.Err())
	for i := range joiners {
		joiners[i].flush()
		out.Unjoined += joiners[i].unjoined
	}
	return out
}

// joinInMemory looks up the uses of each pair.
func (n *Names) joinInMemory(tables []*Table, joiners []joiner) {
	OnAllCores(shards, func(worker, i int) {
		eachSource(n.shards[i].uses, func(of []use) { n.follow(joiners[worker].rolled, of) })
	})
	rolled := joiners[0].rolled
	for i := range joiners {
		maps.Copy(rolled, joiners[i].rolled)
		joiners[i].rolled = rolled
	}
	for _, t := range tables {
		if !n.any() {
			break
		}
		t.walk(n.perhaps, func(worker int, p *Pair) {
			key := keyOf(&hunt.Connection{Src: p.Src, Dst: p.Dst})
			if uses := n.of(&key); len(uses) > 0 {
				joiners[worker].join(p, uses)
			}
		})
	}
	n.alone(joiners[0].alone)
}

// alone adds uses without a connection.
func (j *joiner) alone(uses []use) {
	p := &Pair{}
	p.Src, p.Dst = uses[0].key.split()
	j.join(p, uses)
}

// allAlone is alone for uses between several addresses, sorted.
func (j *joiner) allAlone(uses []use) {
	for len(uses) > 0 {
		of := sameEnds(uses)
		j.alone(of)
		uses = uses[len(of):]
	}
}

// joiner joins names and connections in one goroutine. It reuses its memory.
type joiner struct {
	out    *Named
	stands []netip.Addr
	// rolled are the fingerprints that are followed for the sources under way.
	rolled   map[rollUpKey]*rollUp
	unjoined int64

	order          []int32
	batch, printed []hunt.Connection
	// marks belong to batch, prints to printed; seen has the places in batch.
	marks, prints []uint64
	seen          map[counted]int
	shown         map[counted]bool
}

// counted is a connection of a pair under a name or (by number) a fingerprint.
type counted struct {
	connection int32
	name       uint32
}

// join adds the connections of one pair under the names and fingerprints used in them.
func (j *joiner) join(p *Pair, uses []use) {
	byPorts := portIndex(p, j.order)
	j.order = byPorts.order
	if len(j.batch)+len(j.printed) >= joinedTogether {
		j.flush()
	}
	clear(j.seen)
	clear(j.shown)
	src := p.Src.As16()
	byName, byPrint := j.out.Table.long.mark(p.Dst), j.out.Prints.long.mark(p.Dst)
	for i := range uses {
		u := &uses[i]
		at := byPorts.find(u)
		if r := j.rolled[rollUpKey{src, shownAt{u.print, u.dstPort}}]; u.print != 0 && r != nil {
			c := counted{at, r.number}
			if at < 0 || !j.shown[c] {
				j.shown[c] = true
				j.printed, j.prints = append(j.printed, named(p, u, at, r.stand)), append(j.prints, byPrint)
			}
		}
		if u.name == nameless {
			continue
		}
		c := counted{at, u.name}
		if before, again := j.seen[c]; again && at >= 0 {
			j.marks[before] |= 1 << u.kind
			continue
		}
		if j.seen[c] = len(j.batch); at < 0 {
			j.unjoined++
		}
		j.batch, j.marks = append(j.batch, named(p, u, at, j.stands[u.name])), append(j.marks, byName|1<<u.kind)
	}
}

// joinedTogether is about how many connections are added at once: those of one pair are few, and adding has a cost of its
// own.
const joinedTogether = 1024

// flush adds what was joined.
func (j *joiner) flush() {
	j.out.Table.addMarked(j.batch, j.marks)
	j.out.Prints.addMarked(j.printed, j.prints)
	j.batch, j.printed, j.marks, j.prints = j.batch[:0], j.printed[:0], j.marks[:0], j.prints[:0]
}

// named is a connection under a name: the pair's connection number at, or the use itself if there is none.
func named(p *Pair, u *use, at int32, name netip.Addr) hunt.Connection {
	c := hunt.Connection{Src: p.Src, Dst: name, SrcPort: u.srcPort, DstPort: u.dstPort, Proto: hunt.TCP, Count: 1,
		Start: u.start, Duration: hunt.Absent, OrigBytes: hunt.Absent, RespBytes: hunt.Absent, OrigIPBytes: hunt.Absent}
	if at >= 0 {
		r := &p.Connections[at]
		port := &p.Ports[r.Port]
		c.Start, c.Duration, c.OrigBytes, c.RespBytes, c.OrigIPBytes = r.Start, r.Duration, r.OrigBytes, r.RespBytes, r.OrigIPBytes
		c.Proto, c.Service, c.State = port.Proto, port.Service, r.State
		if r.Start == port.Last {
			c.UID = port.UID
		}
	}
	if u.kind == hunt.Connect && u.askedPort != 0 {
		c.DstPort = u.askedPort
	}
	return c
}

// ports is a pair's connections, sorted by source and destination port, then start.
type ports struct {
	order []int32
	p     *Pair
}

// portIndex makes it, in order's memory.
func portIndex(p *Pair, order []int32) ports {
	x := ports{order: grow(order, len(p.Connections)), p: p}
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

// find returns the connection of the same ports that began last before the use (or a moment after it), or -1.
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
	// The same ports again within moments: the uid decides.
	for j := i; j >= 0 && x.samePorts(j, u); j-- {
		if x.p.Connections[x.order[j]].mark == uint64(u.mark) {
			return x.order[j]
		}
	}
	return x.order[i]
}

func (x ports) samePorts(i int, u *use) bool {
	own := x.key(x.order[i])
	return own.src == u.srcPort && own.dst == u.dstPort
}

// Name is the name that a destination of Table stands for.
func (d *Named) Name(dst netip.Addr) string { return d.names[dst] }

// Err is the error on disk, if any.
func (d *Named) Err() error { return cmp.Or(d.Table.Err(), d.Prints.Err()) }

// Close removes the files.
func (d *Named) Close() error { return errors.Join(d.Table.Close(), d.Prints.Close()) }
