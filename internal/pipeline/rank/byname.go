package rank

import (
	"net/netip"

	"dwell/internal/hunt"
	"dwell/internal/pairs"
	"dwell/internal/pipeline/material"
	"dwell/scoring"
)

// byOther measures a source's pairs with a name or a fingerprint, and returns what may become findings. Fingerprints are
// those shown to several destinations: a server that moves from network to network, under other names or none, shows
// only there.
func (s *search) byOther(p *prober, of *pairs.Of, measure func(*pairs.Pair, *pairs.Named) *key) (keys []*key) {
	for i := range of.Len() {
		of.Decode(i, &p.pair)
		if k := measure(&p.pair, s.m.Named); k != nil {
			keys = append(keys, k)
		}
	}
	return keys
}

// keep stores keys until the source's pairs are measured.
func (s *search) keep(src netip.Addr, keys []*key) {
	if len(keys) > 0 {
		s.shelve(keys)
		s.mu.Lock()
		s.byName[src] = append(s.byName[src], keys...)
		s.mu.Unlock()
	}
}

// name measures a pair of a source and a name.
func (p *prober) name(pair *pairs.Pair, named *pairs.Named) *key {
	p.inWindow(pair, &p.byName) // what goes through a proxy is only here
	name := named.Name(pair.Dst)
	g := grounds{listed: p.names(netip.Addr{}, name) || p.suspects.name(pair.Src, name), messages: p.messages(pair)}
	if len(pair.Connections) < material.Fewest && !g.listed && pair.Src != p.wanted.Of && g.messages == nil {
		return nil
	}
	p.fill(&p.series, pair, -1)
	main := busiestPort(pair)
	k := p.measure(hunt.PairKey{Src: pair.Src, Name: name, Port: pair.Ports[main].Number, Proto: pair.Ports[main].Proto}, scoring.NameKey, g)
	if k == nil {
		return nil
	}
	k.port, k.ports = pair.Ports[main], len(pair.Ports)
	p.ritaKnown = false
	p.finish(k, pair, pair.Connections)
	k.addresses, k.count = pair.Addresses()
	k.uses = pair.Uses()
	if len(k.addresses) > 0 {
		k.Dst = k.addresses[0]
	}
	return k
}

// keptOpen is the mean number of requests that makes connections persistent.
const keptOpen = 1.5

// messages are the times of a pair's HTTP requests or other messages if its connections carry several each: then each
// message is a check-in, not each connection.
func (p *prober) messages(pair *pairs.Pair) []int64 {
	times := p.httpRequests.Times(pair.Src, pair.Dst)
	if len(times) < material.Fewest || float64(len(times)) < keptOpen*float64(len(pair.Connections)) {
		return nil
	}
	return times
}
