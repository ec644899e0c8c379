package rank

import (
	"cmp"
	"net/netip"
	"slices"

	"dwell/internal/evidence/protocol"
	"dwell/internal/hunt"
	"dwell/internal/pairs"
	"dwell/internal/pipeline/material"
	"dwell/scoring"
)

// networks measures each /24 (or /48) in which the source has several destinations: a server that moves from address to
// address shows only there. Destinations come in order, so those of a network stand together.
func (s *search) networks(p *prober, src netip.Addr, of *pairs.Of, number func(netip.Addr, pairs.Port) int) []*key {
	var out []*key
	var pair pairs.Pair
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
		var records []pairs.Record
		var shares []scoring.Share
		var addresses []netip.Addr
		var main pairs.Port
		used := map[numbered]bool{}
		for ; i < j; i++ {
			of.Decode(i, &pair)
			addresses = append(addresses, pair.Dst)
			perPort := make([]int, len(pair.Ports))
			for _, c := range pair.Connections {
				if !protocol.Mundane(pair.Ports[c.Port]) {
					records = append(records, c)
					perPort[c.Port]++
				}
			}
			for n, count := range perPort {
				if count == 0 {
					continue
				}
				used[numbered{port: pair.Ports[n].Number, proto: pair.Ports[n].Proto}] = true
				shares = append(shares, scoring.Share{Pair: number(pair.Dst, pair.Ports[n]), Connections: count})
				if pair.Ports[n].Last >= main.Last {
					main = pair.Ports[n]
				}
			}
		}
		if len(records) < material.Fewest {
			continue
		}
		sortShares(shares)
		if k := p.network(src, prefix, records, shares); k != nil {
			k.port, k.ports = main, len(used)
			k.addresses, k.count = addresses[:min(len(addresses), 20)], len(addresses)
			out = append(out, k)
		}
	}
	return out
}

// network measures all pairs of a source within one /24 (or /48) as one key.
func (p *prober) network(src netip.Addr, prefix netip.Prefix, records []pairs.Record, of []scoring.Share) *key {
	slices.SortFunc(records, func(a, b pairs.Record) int { return cmp.Compare(a.Start, b.Start) })
	fillRecords(&p.series, records, -1)
	k := p.measure(hunt.PairKey{Src: src, Network: prefix, AnyPort: true}, scoring.NetworkKey)
	if k == nil {
		return nil
	}
	k.totals = p.sum(records, -1)
	k.of = of
	return k
}
