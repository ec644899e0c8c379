package prevalence

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"
)

// hosts are the numbers of hosts, each once, because a walk visits a host once. They are sorted after counting.
type hosts []uint32

// maxHosts limits each set.
const maxHosts = 100_000

func (h *hosts) add(number uint32) {
	if len(*h) < maxHosts {
		*h = append(*h, number)
	}
}

func (h hosts) has(number uint32) bool {
	_, found := slices.BinarySearch(h, number)
	return found
}

// voucher is a host that talks to a place, by the place's hash, so that a place without vouchers takes no memory.
type voucher struct {
	at   uint64
	host uint32
}

func (v voucher) compare(o voucher) int {
	return cmp.Or(cmp.Compare(v.at, o.at), cmp.Compare(v.host, o.host))
}

// settle sorts everything, and removes vouchers of which no more is known.
func (p *Count) settle() {
	p.answered, p.wanted = nil, nil
	for _, r := range p.reached {
		slices.Sort(r.touched)
		slices.Sort(r.talking)
	}
	for at, all := range p.rhythms {
		for _, r := range all {
			r.talks = p.talks(at, r.src)
		}
	}
	p.vouching = slices.DeleteFunc(p.vouching, func(v voucher) bool { _, known := p.known[v.host]; return !known })
	slices.SortFunc(p.vouching, voucher.compare)
	p.vouching = slices.Compact(p.vouching)
}

// vouch is the number of hosts that vouch for a place; the candidate's own counts without conditions.
func (p *Count) vouch(at place, own netip.Addr) int64 {
	h := at.hash()
	first, _ := slices.BinarySearchFunc(p.vouching, voucher{at: h}, voucher.compare)
	number, met := p.numbers[own]
	n := int64(1)
	for _, v := range p.vouching[first:] {
		if v.at != h {
			break
		}
		if !met || v.host != number {
			n++
		}
	}
	return n
}

// wasAnswered reports whether a host was answered at a place, from the earlier walk over addresses.
func (p *Count) wasAnswered(at place, own uint32) bool {
	_, found := slices.BinarySearch(p.answered, at.hash()^spread(own))
	return found
}

// number is a host's number, assigned on first use.
func (p *Count) number(host netip.Addr) uint32 {
	p.mu.Lock()
	defer p.mu.Unlock()
	number, met := p.numbers[host]
	if !met {
		number = uint32(len(p.numbers))
		p.numbers[host] = number
	}
	return number
}

// anyPort is the place for all ports and names of a network.
func anyPort(net netip.Prefix) place { return place{net: net, name: "\x00"} }

// hash is FNV-1a over words, with its bits mixed. It is the same in every hunt, so that findings are reproducible.
func (at place) hash() uint64 {
	const offset, prime = 14695981039346656037, 1099511628211
	a := at.net.Addr().As16()
	h := uint64(offset)
	for _, word := range [...]uint64{binary.BigEndian.Uint64(a[:8]), binary.BigEndian.Uint64(a[8:]), uint64(at.port)} {
		h = mix((h ^ word) * prime)
	}
	for i := range len(at.name) {
		h = (h ^ uint64(at.name[i])) * prime
	}
	return mix(h)
}

// spread extends a host's number to the width of a hash.
func spread(number uint32) uint64 { return mix(uint64(number)*0x9e3779b97f4a7c15 + 1) }

func mix(h uint64) uint64 {
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
