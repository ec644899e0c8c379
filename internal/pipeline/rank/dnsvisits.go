package rank

import (
	"encoding/binary"
	"math"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"

	"dwell/internal/pipeline/material"
)

// visit is an address in the answers to a client's queries.
type visit struct {
	to netip.Addr
	of *asked
}

// watch has connections to the addresses in answers noticed.
func (d *dns) watch() {
	d.byClient = slices.Clone(d.all)
	slices.SortFunc(d.byClient, func(a, b *asked) int {
		if c := a.queries.Client.Compare(b.queries.Client); c != 0 {
			return c
		}
		return strings.Compare(a.queries.Domain, b.queries.Domain)
	})
	d.contacts = newContacts(func(yield func(netip.Addr)) {
		for _, a := range d.all {
			if a.queries.Names() >= material.TunnelFloor {
				for addr := range a.queries.Addresses() {
					yield(addr)
				}
			}
		}
	})
}

// of is what a client asked for, by domain.
func (d *dns) of(client netip.Addr) []*asked {
	from, _ := slices.BinarySearchFunc(d.byClient, client, func(a *asked, client netip.Addr) int { return a.queries.Client.Compare(client) })
	to := from
	for to < len(d.byClient) && d.byClient[to].queries.Client == client {
		to++
	}
	return d.byClient[from:to]
}

// visits are the addresses in the answers to some of what a client asked for, sorted.
func (d *dns) visits(client netip.Addr, some func(*asked) bool) (out []visit) {
	for _, a := range d.of(client) {
		if some(a) {
			for addr := range a.queries.Addresses() {
				out = append(out, visit{addr, a})
			}
		}
	}
	slices.SortFunc(out, func(a, b visit) int { return a.to.Compare(b.to) })
	return out
}

// count adds connections to an address to the visits there.
func count(all []visit, to netip.Addr, connections int64) {
	for _, v := range visitsTo(all, to) {
		v.of.visits.Add(connections)
	}
}

func visitsTo(all []visit, to netip.Addr) []visit {
	from, _ := slices.BinarySearchFunc(all, to, func(v visit, to netip.Addr) int { return v.to.Compare(to) })
	end := from
	for end < len(all) && all[end].to == to {
		end++
	}
	return all[from:end]
}

// askedFor counts a source's connections under names below a domain; of is what it asked for.
func askedFor(of []*asked, domain string, connections int64) {
	at, found := slices.BinarySearchFunc(of, domain, func(a *asked, domain string) int { return strings.Compare(a.queries.Domain, domain) })
	if found {
		of[at].visits.Add(connections)
		of[at].named.Add(connections)
	}
}

// settle notes which answers any host connected to, and forgets the addresses.
func (d *dns) settle() {
	for _, a := range d.all {
		if a.queries.Names() >= material.TunnelFloor {
			for addr := range a.queries.Addresses() {
				a.contacted = a.contacted || d.contacts.met(addr)
			}
		}
	}
	d.contacts = nil
}

// contacts are addresses, and whether any host connected to them, in four bytes and a bit an IPv4 address: of hosts'
// answers there may be millions.
type contacts struct {
	four []uint32
	six  []netip.Addr
	// begins are the numbers of IPv4 addresses below each upper half.
	begins [math.MaxUint16 + 2]int
	// bits are those of four, then of six.
	bits []atomic.Uint32
}

// newContacts are those that each gives, whatever their number and order. It is called twice.
func newContacts(each func(yield func(netip.Addr))) *contacts {
	c := &contacts{}
	n := 0
	each(func(a netip.Addr) {
		if a.Is4() {
			n++
		}
	})
	c.four = make([]uint32, 0, n)
	each(func(a netip.Addr) {
		if a.Is4() {
			c.four = append(c.four, number4(a))
		} else {
			c.six = append(c.six, a)
		}
	})
	slices.Sort(c.four)
	slices.SortFunc(c.six, netip.Addr.Compare)
	c.four, c.six = slices.Compact(c.four), slices.Compact(c.six)
	for i, n := range c.four {
		c.begins[n>>16+1] = i + 1
	}
	for i := range c.begins[1:] {
		c.begins[i+1] = max(c.begins[i+1], c.begins[i])
	}
	c.bits = make([]atomic.Uint32, (len(c.four)+len(c.six)+31)/32)
	return c
}

func number4(a netip.Addr) uint32 {
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}

// place is that of an address; found is false if it is none of them.
func (c *contacts) place(a netip.Addr) (at int, found bool) {
	if !a.Is4() {
		at, found = slices.BinarySearchFunc(c.six, a, netip.Addr.Compare)
		return len(c.four) + at, found
	}
	n := number4(a)
	from := c.begins[n>>16]
	at, found = slices.BinarySearch(c.four[from:c.begins[n>>16+1]], n)
	return from + at, found
}

// note notes a connection to an address.
func (c *contacts) note(a netip.Addr) {
	if at, found := c.place(a); found && !c.bit(at) {
		c.bits[at/32].Or(1 << (at % 32))
	}
}

// met says whether an address was noted.
func (c *contacts) met(a netip.Addr) bool {
	at, found := c.place(a)
	return found && c.bit(at)
}

func (c *contacts) bit(at int) bool { return c.bits[at/32].Load()&(1<<(at%32)) != 0 }
