package rank

import (
	"cmp"
	"net/netip"
	"slices"

	"dwell/internal/evidence"
	"dwell/internal/evidence/prevalence"
	"dwell/internal/hunt"
	"dwell/internal/pairs"
	"dwell/internal/pipeline/material"
	"dwell/scoring"
)

// domains are the registered domains of names, computed once for each.
type domains struct {
	named *pairs.Named
	known map[netip.Addr]string
}

// of is the registered domain of what stands for a name; empty if it has none.
func (d *domains) of(stand netip.Addr) string {
	domain, ok := d.known[stand]
	if !ok {
		domain = prevalence.DomainOf(d.named.Name(stand))
		if d.known == nil {
			d.known = map[netip.Addr]string{}
		}
		d.known[stand] = domain
	}
	return domain
}

// owner is ownerOf the name that stand stands for.
func (d *domains) owner(stand netip.Addr) string {
	if domain := d.of(stand); domain != "" {
		return domain
	}
	return ownerOf(d.named.Name(stand))
}

// below measures all of a source's names below a registered domain together, if there are several: a server with a new
// name each time shows only there. It also notes the addresses at which the source used names whose domain other hosts
// use.
func (s *search) below(p *prober, src netip.Addr, of *pairs.Of) (out []*key) {
	type name struct {
		domain string
		at     int
	}
	names := make([]name, 0, of.Len())
	for i := range of.Len() {
		if domain := p.domains.of(of.Dst(i)); domain != "" {
			names = append(names, name{domain, i})
		}
	}
	asked := s.dns.of(src)
	slices.SortFunc(names, func(a, b name) int { return cmp.Or(cmp.Compare(a.domain, b.domain), cmp.Compare(a.at, b.at)) })
	for from := 0; from < len(names); {
		to, total := from, 0
		for ; to < len(names) && names[to].domain == names[from].domain; to++ {
			total += of.Connections(names[to].at)
		}
		group := names[from:to]
		from = to
		askedFor(asked, group[0].domain, int64(total))
		if !s.alone.domain(group[0].domain) {
			for _, n := range group {
				of.Decode(n.at, &p.roll.pair)
				for _, u := range p.roll.pair.Uses() {
					s.alone.known.Add(contactHash(src, u.Addr))
				}
			}
		}
		if len(group) < 2 || total < material.Fewest {
			continue
		}
		if total > maxRollUp {
			p.skipped++
			continue
		}
		places := make([]int, len(group))
		for i, n := range group {
			places[i] = n.at
		}
		if k := s.domain(p, src, of, group[0].domain, places); k != nil {
			out = append(out, k)
		}
	}
	return out
}

// domain measures the names of a source, by their places, below one domain.
func (s *search) domain(p *prober, src netip.Addr, of *pairs.Of, domain string, places []int) *key {
	p.roll.reset()
	for _, i := range places {
		p.roll.add(of, i, false)
	}
	p.roll.order.Sort(p.roll.records)
	k := p.measureRollUp(hunt.PairKey{Src: src, Name: hunt.Below(domain), AnyPort: true}, scoring.DomainKey, p.roll.records)
	if k == nil {
		return nil
	}
	for _, i := range places {
		k.names = append(k.names, evidence.Name{Name: s.m.Named.Name(of.Dst(i)), Connections: int64(of.Connections(i))})
		of.Decode(i, &p.roll.pair)
		k.uses = append(k.uses, p.roll.pair.Uses()...)
	}
	sortNames(k.names)
	k.names = slices.Clone(k.names[:min(len(k.names), evidence.MaxNames)])
	slices.SortFunc(k.uses, func(a, b pairs.Use) int { return a.Addr.Compare(b.Addr) })
	n := 0 // addresses so far
	for _, u := range k.uses {
		if n > 0 && k.uses[n-1].Addr == u.Addr {
			k.uses[n-1].Connections += u.Connections
		} else {
			k.uses[n] = u
			n++
		}
	}
	k.uses = slices.Clone(k.uses[:n])
	byUse := slices.Clone(k.uses)
	slices.SortStableFunc(byUse, func(a, b pairs.Use) int { return cmp.Compare(b.Connections, a.Connections) })
	k.addresses, k.count = nil, len(byUse)
	for _, u := range byUse[:min(len(byUse), 20)] {
		k.addresses = append(k.addresses, u.Addr)
	}
	if len(byUse) > 0 {
		k.Dst = byUse[0].Addr
	}
	return k
}
