package pipeline

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"dwell/internal/hunt"
	"dwell/internal/pairs"
	"dwell/scoring"
)

// ritaNames is how many distinct names a domain has to have for RITA.
const ritaNames = 100

// ritaDomain is a registered domain, whoever asked for names below it.
type ritaDomain struct {
	name string
	// most is the client that asked for the most names.
	most      *pairs.Queries
	clients   map[netip.Addr]bool
	names     int64
	queries   int64
	addresses map[netip.Addr]struct{}
	// direct says that a machine that asked for no name of the domain connected to one of its addresses.
	direct bool
}

// ritaDomains are those with enough names, in order.
func ritaDomains(dns *pairs.DNS) []*ritaDomain {
	if dns == nil {
		return nil
	}
	of := map[string][]*pairs.Queries{}
	for _, q := range dns.All() { // the clients with the most names come first
		of[q.Domain] = append(of[q.Domain], q)
	}
	var out []*ritaDomain
	for domain, list := range of {
		sum := int64(0)
		for _, q := range list {
			sum += int64(len(q.Names)) + q.Overflow
		}
		if sum < ritaNames {
			continue
		}
		d := &ritaDomain{name: domain, most: list[0], clients: map[netip.Addr]bool{}, addresses: map[netip.Addr]struct{}{}}
		distinct := list[0].Names
		if len(list) > 1 {
			distinct = map[uint32]struct{}{}
		}
		for _, q := range list {
			d.clients[q.Client] = true
			d.queries += q.Count
			d.names += q.Overflow
			for a := range q.Addresses {
				d.addresses[a] = struct{}{}
			}
			if len(list) > 1 {
				for n := range q.Names {
					distinct[n] = struct{}{}
				}
			}
		}
		if d.names += int64(len(distinct)); d.names >= ritaNames {
			out = append(out, d)
		}
	}
	slices.SortFunc(out, func(a, b *ritaDomain) int { return cmp.Compare(a.name, b.name) })
	return out
}

// tunnels makes findings of the domains. RITA names no machine there; the finding names the one that asked most.
func (w *ritaWorker) tunnels() {
	for _, d := range w.domains {
		w.counts.scored++
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
				Reason: "nobody connected to its addresses but those who asked for its names"})
		}
		final := ritaFinal(parts, modifiers)
		if !w.keeps(final) {
			continue
		}
		sub := tunnelOf(q, w.window)
		sub.totals.connections = d.queries
		f := w.id.finding(sub, &w.o, parts)
		f.Destination.Domain = d.name
		f.Dwell.InternalIP = q.Client
		f.Dwell.Indicators = []string{hunt.DNSTunnel}
		f.Dwell.Reasons = []string{fmt.Sprintf("%s distinct names were asked for below %s, by %s machines; %s asked for the most", hunt.Count(d.names), d.name, hunt.Count(len(d.clients)), q.Client)}
		f.Rule = ruleOf(f.Dwell.Indicators)
		f.Dwell.DNS = &hunt.DNSEvidence{Names: d.names, Queries: d.queries}
		f.Dwell.Evidence = &hunt.Evidence{Prevalence: &hunt.Prevalence{Hosts: int64(len(d.clients)), Active: w.spread.machines()}}
		w.settle(&f, final, modifiers)
	}
}
