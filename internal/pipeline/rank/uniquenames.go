package rank

import (
	"net/netip"
	"slices"

	"dwell/internal/evidence"
	"dwell/internal/evidence/prevalence"
	"dwell/internal/evidence/protocol"
	"dwell/internal/hunt"
	"dwell/internal/pairs"
)

// unsharedNames measures a source's connections under names that no other host uses, at addresses that others use, too:
// those of a proxy, of a content network, of shared hosting. A domain for each connection shows only there, since
// [search.unshared] goes by address. Keys are those of the source by name: as there, one or two domains with a rhythm of
// their own are left out. A proxy's names are those of its clients.
func (s *search) unsharedNames(p *prober, src netip.Addr, of *pairs.Of, keys []*key) []*key {
	if s.alone.naming.Load() < prevalence.FewHosts || !s.m.Request.Scope.IsInternal(src) || s.roleOf(src)&proxy != 0 {
		return nil
	}
	var paced []string
	for _, k := range keys {
		if k.paced() {
			name, _ := hunt.CutBelow(k.Name)
			if owner := ownerOf(name); s.alone.domain(owner) && !slices.Contains(paced, owner) {
				paced = append(paced, owner)
			}
		}
	}
	if len(paced) >= fewestUnshared {
		paced = nil
	}
	p.roll.reset()
	owners := map[string]struct{}{}
	for i := range of.Len() {
		owner := p.domains.owner(of.Dst(i))
		if owner == "" || !s.alone.domain(owner) || slices.Contains(paced, owner) || protocol.SpecialUse(owner) {
			continue
		}
		of.Decode(i, &p.roll.pair)
		if !slices.ContainsFunc(p.roll.pair.Uses(), func(u pairs.Use) bool { return !s.isUnshared(src, u.Addr) }) {
			continue
		}
		if p.roll.add(of, i, false); len(p.roll.records) > maxRollUp {
			p.skipped++
			return nil
		}
		owners[owner] = struct{}{}
	}
	if len(owners) < fewestUnshared {
		return nil
	}
	// A connection may have several names.
	p.roll.order.Sort(p.roll.records)
	p.roll.records = slices.CompactFunc(p.roll.records, func(a, b pairs.Record) bool { return a.Start == b.Start && a.SrcPort == b.SrcPort })
	out := p.rollUps(src, of, hunt.UnsharedNames)
	for _, k := range out {
		for _, u := range k.uses[:min(len(k.uses), evidence.MaxNames)] {
			k.names = append(k.names, evidence.Name{Name: s.m.Named.Name(u.Addr), Connections: u.Connections})
		}
		sortNames(k.names)
		k.uses, k.addresses, k.count = nil, nil, 0 // those addresses stand for names, and the real ones are others', too
	}
	if len(out) > 0 {
		s.mu.Lock()
		s.turning[src] = owners
		s.mu.Unlock()
	}
	return out
}

// ownerOf is what stands for whoever owns a name: its registered domain, or the address if the name is one, as where a
// proxy is asked for an address. It is empty if neither is known.
func ownerOf(name string) string {
	if a, err := netip.ParseAddr(name); err == nil {
		return a.String()
	}
	return prevalence.DomainOf(name)
}
