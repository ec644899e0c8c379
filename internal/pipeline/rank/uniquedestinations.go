package rank

import (
	"cmp"
	"fmt"
	"math"
	"math/bits"
	"net/netip"
	"slices"
	"sync/atomic"

	"dwell/internal/evidence/prevalence"
	"dwell/internal/hunt"
	"dwell/internal/pairs"
	"dwell/internal/pipeline/material"
	"dwell/scoring"
)

// alone says which destinations one internal host uses and no other. It is a sketch, four bytes a cell: it may take a
// destination for one that others use, and very rarely the reverse. Anyone can send packets with another host's address,
// so where a destination answered a host with data, hosts that it never answered do not count.
type alone struct {
	cells []atomic.Uint32
	// hosts is the number of internal hosts, naming that of those that use names.
	hosts, naming atomic.Int64
	// known are the addresses at which a source used names of domains that other hosts use, too.
	known *prevalence.Sketch
}

const (
	// aloneCells is for each pair, mostAloneCells for all: 64 MiB.
	aloneCells, mostAloneCells = 4, 1 << 24
	// A cell's lower half is the host that was answered, its upper half one that was not. several stands for more.
	several, halfBits = math.MaxUint16, 16
)

// sizes are the numbers of pairs and uses of names, those on disk included.
type sizes struct{ pairs, uses atomic.Int64 }

// newAlone goes over the tables once. A proxy's names are those of its clients, which are noted; so are those that
// another host requested from this one.
func (s *search) newAlone(m *material.Material, all *sizes, by []*prober) *alone {
	a := &alone{}
	a.known = prevalence.NewSketch(int(all.uses.Load()))
	a.cells = make([]atomic.Uint32, 1<<bits.Len64(uint64(min(max(aloneCells*all.pairs.Load(), 1024), mostAloneCells)-1)))
	hashes := make([][]uint64, len(by))
	m.Table.WalkSources(func(worker int, src netip.Addr, of *pairs.Of) {
		if !m.Request.Scope.IsInternal(src) {
			return
		}
		a.hosts.Add(1)
		hashes[worker] = hashesOf(of, hashes[worker])
		a.fetch(hashes[worker])
		own := addressHash(src)
		for i, dst := range hashes[worker] {
			a.note(own, dst, of.Any(i, prevalence.BothWays))
		}
	})
	if m.Named != nil {
		m.Named.Table.WalkSources(func(worker int, src netip.Addr, of *pairs.Of) {
			if s.roleOf(src)&proxy != 0 {
				return
			}
			if m.Request.Scope.IsInternal(src) {
				a.naming.Add(1)
			}
			own := addressHash(src)
			for i := range of.Len() {
				owner := by[worker].domains.owner(of.Dst(i))
				if _, others := s.requested[src][owner]; owner != "" && !others {
					a.note(own, textHash(owner), of.Any(i, prevalence.BothWays))
				}
			}
		})
	}
	return a
}

// hashesOf fills hashes with the addressHash of each of a source's destinations.
func hashesOf(of *pairs.Of, hashes []uint64) []uint64 {
	hashes = hashes[:0]
	for i := range of.Len() {
		hashes = append(hashes, addressHash(of.Dst(i)))
	}
	return hashes
}

// fetch reads the cells of many destinations. Each is a miss of the processor's cache, and misses that nothing waits for
// overlap.
func (a *alone) fetch(hashes []uint64) (sum uint32) {
	for _, dst := range hashes {
		cells := a.of(dst)
		sum += a.cells[cells[0]].Load() + a.cells[cells[1]].Load()
	}
	return sum
}

// note adds that a host uses a destination, both by their hashes, and whether that ever answered with data.
func (a *alone) note(src, dst uint64, answered bool) {
	own, shift := uint32(src%(several-1))+1, 0
	if !answered {
		shift = halfBits
	}
	for _, cell := range a.of(dst) {
		for {
			was, now := a.cells[cell].Load(), own
			if before := was >> shift & several; before != 0 && before != own {
				now = several
			}
			now = was&^(several<<shift) | now<<shift
			if was == now || a.cells[cell].CompareAndSwap(was, now) {
				break
			}
		}
	}
}

// of are the two cells of a destination.
func (a *alone) of(dst uint64) [2]int {
	return [2]int{int(dst) & (len(a.cells) - 1), int(dst>>32) & (len(a.cells) - 1)}
}

// address and domain say whether only one host uses a destination.
func (a *alone) address(dst netip.Addr) bool { return a.is(addressHash(dst)) }
func (a *alone) domain(name string) bool     { return a.is(textHash(name)) }

func (a *alone) is(dst uint64) bool {
	for _, cell := range a.of(dst) {
		who := a.cells[cell].Load()
		if answered := who & several; answered != 0 {
			who = answered
		} else {
			who >>= halfBits
		}
		if who != several {
			return true
		}
	}
	return false
}

// addressHash and textHash are the same in every hunt, so that its findings are reproducible: FNV-1a, with its bits
// mixed.
func addressHash(a netip.Addr) uint64 {
	if a.Is4() {
		b, h := a.As4(), uint64(fnvMapped)
		for _, x := range b {
			h = (h ^ uint64(x)) * fnvPrime
		}
		return mix(h)
	}
	b, h := a.As16(), uint64(fnvOffset)
	for _, x := range b {
		h = (h ^ uint64(x)) * fnvPrime
	}
	return mix(h)
}

// fnvMapped is the hash of the twelve bytes before an IPv4 address in sixteen.
const fnvMapped = 6056076897715074571

func textHash(s string) uint64 {
	h := uint64(fnvOffset)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * fnvPrime
	}
	return mix(h)
}

const fnvOffset, fnvPrime = 14695981039346656037, 1099511628211

func mix(h uint64) uint64 {
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	return h ^ h>>33
}

const (
	// fewestUnshared destinations that no other host uses make a roll-up: fewer are judged one by one.
	fewestUnshared = 3
	// mostUnshared is the largest number of a source's roll-ups by port and size: those with the most connections.
	mostUnshared = 8
	// sizeStep is the ratio between the bounds of a class of sizes, mostSizes more than the classes of all sizes.
	sizeStep, mostSizes = 1.25, 200
)

// unshared measures a source's traffic to addresses that no other host uses. A server that moves every time, under any
// name and fingerprint, shows only there. Addresses with names of domains that other hosts use are left out, since a
// content network has new ones all the time; a forged name of that kind is a candidate by name. With few hosts almost
// no destination is shared, and nothing is measured. One or two destinations with a rhythm of their own (paced) are
// left out: they would hide what the others have in common. Three or more may be one implant's servers in turn. hashes are
// those of the destinations.
func (s *search) unshared(p *prober, src netip.Addr, of *pairs.Of, hashes []uint64, paced []netip.Addr) []*key {
	if s.alone.hosts.Load() < prevalence.FewHosts || !s.m.Request.Scope.IsInternal(src) {
		return nil
	}
	paced = slices.DeleteFunc(paced, func(a netip.Addr) bool { return !s.alone.address(a) })
	if len(paced) >= fewestUnshared {
		paced = nil
	}
	p.alone = p.alone[:0]
	for i, hash := range hashes {
		if s.alone.is(hash) && !slices.Contains(paced, of.Dst(i)) && !s.m.Request.Scope.IsInternal(of.Dst(i)) {
			p.alone = append(p.alone, i)
		}
	}
	own := addressHash(src)
	p.alone = slices.DeleteFunc(p.alone, func(i int) bool { return s.alone.known.Has(contact(own, hashes[i])) })
	p.roll.reset()
	for _, i := range p.alone {
		if p.roll.add(of, i, false); len(p.roll.records) > maxRollUp {
			p.skipped++
			return nil
		}
	}
	if len(p.roll.addresses) < fewestUnshared {
		return nil
	}
	return p.rollUps(src, of, hunt.Unshared)
}

// rollUps measures a roll-up of what no other host uses: all together, by port, and by port and sent size. Each key has
// the addresses of its own connections, the busiest first.
func (p *prober) rollUps(src netip.Addr, of *pairs.Of, kind hunt.FingerprintKind) (out []*key) {
	p.roll.order.Sort(p.roll.records)
	p.roll.sizes = p.roll.sizes[:0]
	for i := range p.roll.records {
		p.roll.sizes = append(p.roll.sizes, sizeClass(&p.roll.records[i]))
	}
	for _, class := range append([]class{{-1, -1}}, p.roll.classes()...) {
		id := hunt.PairKey{Src: src, AnyPort: true, Fingerprint: hunt.Fingerprint{Kind: kind}}
		if class.port >= 0 {
			port := p.roll.ports[class.port]
			id.Port, id.Proto, id.AnyPort = port.number, port.proto, false
		}
		if class.size >= 0 {
			low := math.Pow(sizeStep, float64(class.size))
			id.Fingerprint.Value = fmt.Sprintf("%.0f-%.0fB", math.Ceil(low), math.Ceil(low*sizeStep)-1)
		}
		p.roll.part = p.roll.part[:0]
		for i, size := range p.roll.sizes {
			if c := &p.roll.records[i]; class.has(c, size) {
				p.roll.part = append(p.roll.part, *c)
			}
		}
		k := p.measureRollUp(id, scoring.UnsharedKey, p.roll.part)
		if k == nil {
			continue
		}
		if k.uses = p.roll.uses(of, class); len(k.uses) < 2 {
			continue // it is judged by its address or name
		}
		k.addresses, k.count = nil, len(k.uses)
		for _, u := range k.uses[:min(len(k.uses), 20)] {
			k.addresses = append(k.addresses, u.Addr)
		}
		out = append(out, k)
	}
	return out
}

// uses are the numbers of those connections of each of a roll-up's pairs that a class has, the most first.
func (r *rollUp) uses(of *pairs.Of, class class) (out []pairs.Use) {
	one := rollUp{ports: slices.Clone(r.ports)}
	for _, i := range r.places {
		one.records = one.records[:0]
		one.add(of, i, false)
		n := int64(0)
		for at := range one.records {
			if c := &one.records[at]; class.has(c, sizeClass(c)) {
				n++
			}
		}
		if n > 0 {
			out = append(out, pairs.Use{Addr: of.Dst(i), Connections: n})
		}
	}
	slices.SortStableFunc(out, func(a, b pairs.Use) int { return cmp.Compare(b.Connections, a.Connections) })
	return out
}

// isUnshared says that only this source uses an address, and under no name of a domain that others use.
func (s *search) isUnshared(src, dst netip.Addr) bool {
	return s.alone.address(dst) && !s.m.Request.Scope.IsInternal(dst) && !s.alone.known.Has(contactHash(src, dst))
}

// contactHash stands for a source and an address.
func contactHash(src, dst netip.Addr) uint64 { return contact(addressHash(src), addressHash(dst)) }

func contact(src, dst uint64) uint64 { return mix(src*fnvPrime ^ dst) }

// class is the connections to one port (an index of rollUp.ports) or (-1) to any, of one class of sizes or (-1) of any.
type class struct{ port, size int }

func sizeClass(c *pairs.Record) int {
	if c.OrigIPBytes <= 0 {
		return math.MaxInt16
	}
	return int(math.Log(float64(c.OrigIPBytes)) / logSizeStep)
}

var logSizeStep = math.Log(sizeStep)

// has says whether the class has a connection of a class of sizes.
func (c class) has(r *pairs.Record, size int) bool {
	return (c.port < 0 || int(r.Port) == c.port) && (c.size < 0 || size == c.size)
}

// classes are the parts of a roll-up to measure separately: less than all, and enough for a rhythm.
func (r *rollUp) classes() []class {
	counts := map[class]int{}
	var ports [maxRolledPorts]int
	var sizes [maxRolledPorts][mostSizes]int32
	for i := range r.records {
		port := r.records[i].Port
		ports[port]++
		if size := r.sizes[i]; size < mostSizes {
			sizes[port][size]++
		}
	}
	for port, all := range ports[:len(r.ports)] {
		if all < fewestClass {
			continue
		}
		if all < len(r.records) {
			counts[class{port, -1}] = all
		}
		for size, n := range sizes[port] {
			if n >= fewestClass && int(n) < all {
				counts[class{port, size}] = int(n)
			}
		}
	}
	var out []class
	for c := range counts {
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b class) int {
		if n := counts[b] - counts[a]; n != 0 {
			return n
		}
		return (a.port-b.port)*math.MaxInt16 + a.size - b.size
	})
	return out[:min(len(out), mostUnshared)]
}

// fewestClass is the least number of connections of a port or size.
const fewestClass = 12
