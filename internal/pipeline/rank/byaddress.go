package rank

import (
	"math"
	"net/netip"
	"slices"

	"dwell/internal/hunt"
	"dwell/internal/pairs"
	"dwell/internal/pipeline/material"
	"dwell/scoring"
)

// addresses measures all pairs of a source, and what shows only over several of them.
func (s *search) addresses(p *prober, src netip.Addr, of *pairs.Of) {
	s.mu.Lock()
	named := s.byName[src]
	delete(s.byName, src)
	s.mu.Unlock()
	var keys []*key
	var paced []netip.Addr
	pair := &p.pair
	host, hours := source{src: src}, scoring.Hours{}
	var habits []habit
	// A cluster does not return the answers to what is asked for seldom, and every source must find the same.
	visits := s.dns.visits(src, func(a *asked) bool { return !a.seldom })
	p.hashes = hashesOf(of, p.hashes)
	s.alone.fetch(p.hashes)
	for i := range of.Len() {
		of.Decode(i, pair)
		n, active := p.inWindow(pair, &hours)
		p.counts.Connections += n
		p.counts.Pairs += min(n, 1)
		found := p.address(pair)
		if slices.ContainsFunc(found, (*key).paced) {
			paced = append(paced, pair.Dst)
		} else if n >= material.Fewest {
			habits = append(habits, habit{active, s.alone.is(p.hashes[i])})
		}
		keys = append(keys, found...)
		s.dns.contacts.note(pair.Dst)
		count(visits, pair.Dst, n)
	}
	s.scatter(src, of)
	keys = append(keys, s.networks(p, src, of)...)
	keys = append(keys, s.unshared(p, src, of, p.hashes, paced)...)
	s.shelve(keys)
	host.keys = append(keys, named...)
	host.hours, host.habits = hours.Count(), habitsOf(habits, int(math.Ceil(s.m.Window.Duration().Hours())))
	s.mu.Lock()
	s.found = append(s.found, host)
	s.mu.Unlock()
}

// address measures every port of a pair, and all ports together if there are several, and returns the keys that may
// become findings. A server that listens on many ports may be contacted on another one each time.
func (p *prober) address(pair *pairs.Pair) []*key {
	p.partition(pair)
	onList := p.names(pair.Dst, "")
	messages := p.messages(pair)
	var out []*key
	for i := range pair.Ports {
		listed, suspect := p.suspects.pair(pair.Src, pair.Dst, pair.Ports[i].Number)
		g := grounds{listed: onList || listed, odd: suspect}
		if len(pair.Ports) == 1 {
			g.messages = messages
		}
		if !g.listed && !g.odd && g.messages == nil && pair.Src != p.wanted.Of && p.perPort[i] < material.Fewest && float64(p.sums[i])/1000 < p.longest {
			continue
		}
		port := pair.Ports[i]
		if i == pairs.MaxPorts-1 {
			continue // it stands for all further ports; they are judged together, below
		}
		records := p.ofPort(pair, i)
		fillRecords(&p.series, records, -1)
		k := p.measure(hunt.PairKey{Src: pair.Src, Dst: pair.Dst, Port: port.Number, Proto: port.Proto}, scoring.AddressKey, g)
		if k == nil {
			continue
		}
		k.port, k.ports = port, len(pair.Ports)
		p.finish(k, pair, records)
		out = append(out, k)
	}
	if len(pair.Ports) > 1 && (len(pair.Connections) >= material.Fewest || messages != nil) {
		p.fill(&p.series, pair, -1)
		if k := p.measure(hunt.PairKey{Src: pair.Src, Dst: pair.Dst, AnyPort: true}, scoring.PairKey, grounds{listed: onList, messages: messages}); k != nil {
			k.port, k.ports = latestPort(pair), len(pair.Ports)
			p.finish(k, pair, pair.Connections)
			out = append(out, k)
		}
	}
	return out
}
