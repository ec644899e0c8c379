package rita

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"dwell/internal/hunt"
	"dwell/internal/pairs"
	"dwell/internal/pipeline/material"
	"dwell/scoring"
)

// manyNames is the least number of distinct names of a domain for RITA.
const manyNames = 100

// domain is a registered domain, whoever queried names below it.
type domain struct {
	name string
	// most is the client that queried the most names.
	most      *pairs.Queries
	clients   map[netip.Addr]bool
	names     int64
	queries   int64
	addresses map[netip.Addr]struct{}
	// direct says that a host that queried no name of the domain connected to one of its addresses.
	direct bool
}

// domains are those with enough names, in order.
func domains(dns *pairs.DNS) []*domain {
	if dns == nil {
		return nil
	}
	of := map[string][]*pairs.Queries{}
	for _, q := range dns.All() { // the clients with the most names come first
		of[q.Domain] = append(of[q.Domain], q)
	}
	var out []*domain
	for name, list := range of {
		sum := int64(0)
		for _, q := range list {
			sum += int64(q.Names()) + q.Overflow
		}
		if sum < manyNames {
			continue
		}
		d := &domain{name: name, most: list[0], clients: map[netip.Addr]bool{}, addresses: map[netip.Addr]struct{}{}}
		for _, q := range list {
			d.clients[q.Client] = true
			d.queries += q.Count
			d.names += q.Overflow
			for a := range q.Addresses() {
				d.addresses[a] = struct{}{}
			}
		}
		if d.names += int64(pairs.Distinct(list)); d.names >= manyNames {
			out = append(out, d)
		}
	}
	slices.SortFunc(out, func(a, b *domain) int { return cmp.Compare(a.name, b.name) })
	return out
}

// tunnels makes findings of the domains. RITA names no host for them; the finding names the client that queried most.
func (w *worker) tunnels() {
	for _, d := range w.domains {
		w.counts.Scored++
		q := d.most
		parts := hunt.Parts{DNSTunnel: scoring.RITADNSThreat(d.names)}
		var modifiers []hunt.Modifier
		if w.intel != nil {
			if hits := w.intel.Lookup(nil, d.name); len(hits) > 0 {
				modifiers = append(modifiers, intelModifier(hits[0], parts.DNSTunnel))
			}
		}
		if !d.direct {
			modifiers = append(modifiers, hunt.Modifier{Name: "no_direct_connection", Value: scoring.RITANoDirect,
				Reason: "only hosts that queried its names connected to its addresses"})
		}
		score := final(parts, modifiers)
		if !w.keeps(score) {
			continue
		}
		sub := w.m.TunnelOf(q)
		sub.Totals.Connections = d.queries
		f := w.m.Finding(sub, parts)
		f.Destination.Domain = d.name
		f.Dwell.InternalIP = q.Client
		f.Dwell.Indicators = []string{hunt.DNSTunnel}
		f.Dwell.Reasons = []string{fmt.Sprintf("%s unique names under %s, queried by %s hosts, most by %s", hunt.Count(d.names), d.name, hunt.Count(len(d.clients)), q.Client)}
		f.Rule = material.Rule(f.Dwell.Indicators)
		f.Dwell.DNS = &hunt.DNSEvidence{Names: d.names, Queries: d.queries}
		f.Dwell.Evidence = &hunt.Evidence{Prevalence: &hunt.Prevalence{Hosts: int64(len(d.clients)), Active: w.spread.hostCount()}}
		w.settle(&f, score, modifiers)
	}
}
