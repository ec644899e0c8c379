package pairs

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"
)

// A connection under a name or a fingerprint has, in place of its uid's hash, the address that it went to: an IPv4
// address as a number, another as its place in longAddresses beyond them. The lowest bits say in which protocols the
// name was used. So what a source reached under a name is kept with the pair, and goes to disk with it.
const kindBits = 3

// longAddresses numbers addresses that are not IPv4.
type longAddresses struct {
	mu      sync.Mutex
	numbers map[netip.Addr]uint64
	list    []netip.Addr
}

// mark is an address's mark.
func (l *longAddresses) mark(a netip.Addr) uint64 {
	if a.Is4() {
		return uint64(numberOf(a)) << kindBits
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	number, known := l.numbers[a]
	if !known {
		if l.numbers == nil {
			l.numbers = map[netip.Addr]uint64{}
		}
		number = 1<<32 + uint64(len(l.list))
		l.numbers[a], l.list = number, append(l.list, a)
	}
	return number << kindBits
}

// address is a mark's address. Nothing may be added meanwhile.
func (l *longAddresses) address(mark uint64) netip.Addr {
	if mark >>= kindBits; mark >= 1<<32 {
		return l.list[mark-1<<32]
	}
	return addressOf(uint32(mark))
}

// Use is how often an address was reached.
type Use struct {
	Addr        netip.Addr
	Connections int64
}

// Uses returns the number of connections to each address that a pair's source reached under its name or fingerprint,
// sorted by address. The pair must be one of [Named].
func (p *Pair) Uses() []Use {
	p.marks = p.marks[:0]
	for i := range p.Connections {
		p.marks = append(p.marks, p.Connections[i].mark>>kindBits)
	}
	slices.Sort(p.marks)
	var out []Use
	for i, m := range p.marks {
		if i > 0 && p.marks[i-1] == m {
			out[len(out)-1].Connections++
		} else {
			out = append(out, Use{p.long.address(m << kindBits), 1})
		}
	}
	if n := len(p.marks); n > 0 && p.marks[n-1] >= 1<<32 {
		slices.SortFunc(out, func(a, b Use) int { return a.Addr.Compare(b.Addr) })
	}
	return out
}

// Kinds are the protocols in which the source of a pair of [Named] used its name: bit 1<<kind.
func (p *Pair) Kinds() (kinds uint8) {
	for i := range p.Connections {
		kinds |= uint8(p.Connections[i].mark & (1<<kindBits - 1))
	}
	return kinds
}

// maxAddresses is the number of addresses listed for a name.
const maxAddresses = 20

// Addresses are those of Uses, the most used first, at most twenty; count is the number of all.
func (p *Pair) Addresses() (list []netip.Addr, count int) {
	uses := p.Uses()
	slices.SortFunc(uses, func(a, b Use) int { return cmp.Or(cmp.Compare(b.Connections, a.Connections), a.Addr.Compare(b.Addr)) })
	for _, u := range uses[:min(len(uses), maxAddresses)] {
		list = append(list, u.Addr)
	}
	return list, len(uses)
}
