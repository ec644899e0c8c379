package rank

import (
	"fmt"
	"net/netip"

	"dwell/internal/hunt"
	"dwell/internal/pairs"
	"dwell/internal/pipeline/material"
	"dwell/scoring"
)

const (
	// fewestScattered sources of a /64 with almost no traffic count as one host: a program may use any of its
	// addresses, while people's devices use a handful a day, each for hours.
	fewestScattered = 24
	// mostScattered is the largest number of connections of such a source, and of its destinations.
	mostScattered, mostScatteredTo = 3, 2
)

// scattered are the connections of sources in a /64 with almost no traffic, by destination.
type scattered struct {
	sources int
	to      map[netip.Addr]*rollUp
}

// scatter keeps an IPv6 source's traffic if there is almost none.
func (s *search) scatter(src netip.Addr, of *pairs.Of) {
	if !src.Is6() || of.Len() > mostScatteredTo || !s.m.Request.Scope.IsInternal(src) {
		return
	}
	total := 0
	for i := range of.Len() {
		total += of.Connections(i)
	}
	if total > mostScattered {
		return
	}
	network, err := src.Prefix(64)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.scattered[network]
	if at == nil {
		at = &scattered{to: map[netip.Addr]*rollUp{}}
		s.scattered[network] = at
	}
	at.sources++
	for i := range of.Len() {
		r := at.to[of.Dst(i)]
		if r == nil {
			r = &rollUp{}
			at.to[of.Dst(i)] = r
		}
		if len(r.records) < maxRollUp {
			r.add(of, i, false)
		}
	}
}

// gather measures each /64 with scattered sources as one host, with the network's first address.
func (s *search) gather(p *prober) {
	for network, at := range s.scattered {
		if at.sources < fewestScattered {
			continue
		}
		host := source{src: network.Addr()}
		for dst, r := range at.to {
			p.roll.order.Sort(r.records)
			p.roll = *r
			p.roll.addresses = nil
			id := hunt.PairKey{Src: network.Addr(), Dst: dst, AnyPort: len(r.ports) != 1}
			if !id.AnyPort {
				id.Port, id.Proto = r.ports[0].number, r.ports[0].proto
			}
			if len(r.records) < material.Fewest {
				continue
			}
			if k := p.measureRollUp(id, scoring.PairKey, p.roll.records); k != nil {
				k.closing = fmt.Sprintf("%s addresses of %s, each with a few connections, count as one host", hunt.Count(int64(at.sources)), network)
				host.keys = append(host.keys, k)
			}
		}
		if len(host.keys) > 0 {
			s.found = append(s.found, host)
		}
	}
	p.roll = rollUp{}
}
