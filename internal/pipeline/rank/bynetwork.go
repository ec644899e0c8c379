package rank

import (
	"net/netip"

	"dwell/internal/hunt"
	"dwell/internal/pairs"
	"dwell/internal/pipeline/material"
	"dwell/scoring"
)

// networks measures each /24 (or /48) in which the source has several destinations: a server that moves from address to
// address shows only there. Destinations are sorted, so those of a network are together.
func (s *search) networks(p *prober, src netip.Addr, of *pairs.Of) []*key {
	var out []*key
	for i := 0; i < of.Len(); {
		prefix := hunt.NetworkOf(of.Dst(i))
		j, total := i, 0
		for ; j < of.Len() && prefix.Contains(of.Dst(j)); j++ {
			total += of.Connections(j)
		}
		if j-i < 2 || total < material.Fewest || total > maxRollUp {
			if j-i >= 2 && total > maxRollUp {
				p.skipped++
			}
			i = j
			continue
		}
		p.roll.reset()
		for ; i < j; i++ {
			p.roll.add(of, i, true)
		}
		p.roll.order.Sort(p.roll.records)
		if k := p.measureRollUp(hunt.PairKey{Src: src, Network: prefix, AnyPort: true}, scoring.NetworkKey, p.roll.records); k != nil {
			out = append(out, k)
		}
	}
	return out
}
