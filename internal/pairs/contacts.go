package pairs

import (
	"bytes"
	"cmp"
	"net/netip"
	"slices"
	"sync"
)

// reached is which addresses each source reached under each name or fingerprint. It holds no pointers; each part has
// all of a source.
type reached struct {
	parts [shards]struct {
		mu   sync.Mutex
		list []contact // in order of their keys once all are noted
	}
}

// contact is what a source did under a name at one address.
type contact struct {
	key         [48]byte // source, what stands for the name, address
	connections uint32
	kinds       uint8 // of names: 1<<kind for each way to use it
}

func (c contact) and(connections uint32, kinds uint8) contact {
	c.connections += connections
	c.kinds |= kinds
	return c
}

func contactKey(src, name, dst netip.Addr) (k [48]byte) {
	for i, a := range [...]netip.Addr{src, name, dst} {
		b := a.As16()
		copy(k[16*i:], b[:])
	}
	return k
}

// note takes what a source did at one address, by what stands for the name.
func (r *reached) note(src, dst netip.Addr, to map[netip.Addr]contact) {
	part := &r.parts[partOf(src)]
	part.mu.Lock()
	defer part.mu.Unlock()
	for name, c := range to {
		c.key = contactKey(src, name, dst)
		part.list = append(part.list, c)
	}
}

// partOf spreads sources by the last bytes of their addresses.
func partOf(src netip.Addr) int {
	b := src.As16()
	return int(b[15]^b[14]<<3^b[7]) % shards
}

// settle puts everything in order; a pair that several tables hold is noted once for each.
func (r *reached) settle() {
	onAllCores(shards, func(_, i int) {
		list := r.parts[i].list
		slices.SortFunc(list, func(a, b contact) int { return bytes.Compare(a.key[:], b.key[:]) })
		once := list[:0]
		for _, c := range list {
			if n := len(once); n > 0 && once[n-1].key == c.key {
				once[n-1] = once[n-1].and(c.connections, c.kinds)
				continue
			}
			once = append(once, c)
		}
		r.parts[i].list = once
	})
}

// of gives what a source did under a name, in order of the addresses.
func (r *reached) of(src, name netip.Addr) []contact {
	list := r.parts[partOf(src)].list
	key := contactKey(src, name, netip.IPv6Unspecified())
	first, _ := slices.BinarySearchFunc(list, key[:32], func(c contact, key []byte) int { return bytes.Compare(c.key[:32], key) })
	n := first
	for n < len(list) && bytes.Equal(list[n].key[:32], key[:32]) {
		n++
	}
	return list[first:n]
}

// Use is how often an address was reached.
type Use struct {
	Addr        netip.Addr
	Connections int64
}

// Uses gives the number of connections to each address that a source reached under a name or a fingerprint, in order of
// the addresses.
func (r *reached) Uses(src, name netip.Addr) []Use {
	var out []Use
	for _, c := range r.of(src, name) {
		if c.connections > 0 {
			out = append(out, Use{netip.AddrFrom16([16]byte(c.key[32:])).Unmap(), int64(c.connections)})
		}
	}
	return out
}

// Kinds says in which protocols a source used a name: bit 1<<kind.
func (r *reached) Kinds(src, name netip.Addr) (kinds uint8) {
	for _, c := range r.of(src, name) {
		kinds |= c.kinds
	}
	return kinds
}

// maxAddresses is how many addresses of a name are told.
const maxAddresses = 20

// Addresses are those that a source reached under a name or a fingerprint, the most used first, at most twenty; count is
// how many there are in all.
func (r *reached) Addresses(src, name netip.Addr) (list []netip.Addr, count int) {
	uses := r.Uses(src, name)
	slices.SortFunc(uses, func(a, b Use) int { return cmp.Or(cmp.Compare(b.Connections, a.Connections), a.Addr.Compare(b.Addr)) })
	for _, u := range uses[:min(len(uses), maxAddresses)] {
		list = append(list, u.Addr)
	}
	return list, len(uses)
}
