package rank

import (
	"dwell/internal/hunt"
	"dwell/internal/pairs"
	"dwell/internal/pipeline/material"
	"dwell/scoring"
)

// print measures all connections in which a source shows a TLS fingerprint to a port.
func (p *prober) print(pair *pairs.Pair, named *pairs.Named) *key {
	if len(pair.Connections) < material.Fewest {
		return nil
	}
	shown := named.Print(pair.Dst)
	main := pair.Ports[busiestPort(pair)]
	p.fill(&p.series, pair, -1)
	k := p.measure(hunt.PairKey{Src: pair.Src, Fingerprint: shown.Fingerprint, Port: shown.Port, Proto: main.Proto}, scoring.FingerprintKey, grounds{})
	if k == nil {
		return nil
	}
	k.port, k.ports, k.hosts = main, 1, shown.Hosts
	k.totals, k.of = p.sum(pair.Connections, -1), numbers(pair.Connections, -1)
	k.addresses, k.count = pair.Addresses()
	k.uses = pair.Uses()
	return k
}
