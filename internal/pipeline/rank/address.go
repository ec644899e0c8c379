package rank

import (
	"cmp"
	"net/netip"
	"slices"

	"dwell/internal/hunt"
	"dwell/internal/pairs"
	"dwell/internal/pipeline/material"
	"dwell/scoring"
)

// addresses measures all pairs of a source, and the networks in which it has several.
func (s *search) addresses(p *prober, src netip.Addr, of *pairs.Of) {
	s.mu.Lock()
	named := s.byName[src]
	delete(s.byName, src)
	s.mu.Unlock()
	numbers := map[numbered]int{}
	number := func(dst netip.Addr, port pairs.Port) int {
		k := numbered{dst, port.Number, port.Proto}
		if _, ok := numbers[k]; !ok {
			numbers[k] = len(numbers)
		}
		return numbers[k]
	}
	var keys []*key
	var pair pairs.Pair
	for i := range of.Len() {
		of.Decode(i, &pair)
		keys = append(keys, p.address(&pair, number)...)
		s.contacted(pair.Dst)
	}
	keys = append(keys, s.networks(p, src, of, number)...)
	for _, k := range named {
		for _, u := range k.uses {
			k.of = append(k.of, scoring.Share{Pair: number(u.Addr, k.port), Connections: int(u.Connections)})
		}
		sortShares(k.of)
	}
	if keys = append(keys, named...); len(keys) > 0 {
		s.mu.Lock()
		s.found = append(s.found, source{src, keys})
		s.mu.Unlock()
	}
}

type numbered struct {
	dst   netip.Addr
	port  uint16
	proto hunt.Transport
}

// address measures every port of a pair and gives those keys that may become findings. number gives each (destination,
// port, transport) of the source its number.
func (p *prober) address(pair *pairs.Pair, number func(dst netip.Addr, port pairs.Port) int) []*key {
	p.partition(pair)
	var out []*key
	n := p.inWindow(pair)
	p.counts.Connections += n
	p.counts.Pairs += min(n, 1)
	for i := range pair.Ports {
		if p.perPort[i] < material.Fewest && float64(p.sums[i])/1000 < p.longest {
			continue
		}
		p.fill(&p.series, pair, i)
		port := pair.Ports[i]
		k := p.measure(hunt.PairKey{Src: pair.Src, Dst: pair.Dst, Port: port.Number, Proto: port.Proto}, scoring.AddressKey)
		if k == nil {
			continue
		}
		k.port, k.ports = port, len(pair.Ports)
		k.totals = p.sum(pair.Connections, i)
		k.of = []scoring.Share{{Pair: number(pair.Dst, port), Connections: int(k.totals.Connections)}}
		p.addRITA(k, pair)
		out = append(out, k)
	}
	return out
}

func sortShares(of []scoring.Share) {
	slices.SortFunc(of, func(a, b scoring.Share) int { return cmp.Compare(a.Pair, b.Pair) })
}
