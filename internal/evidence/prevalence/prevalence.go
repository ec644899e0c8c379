// Package prevalence weighs how many internal hosts contact a destination, and whether they behave alike. It reads
// nothing itself: the hunt passes it the candidates and the tables of connections.
package prevalence

import (
	"fmt"
	"iter"
	"net/netip"
	"time"

	"golang.org/x/net/publicsuffix"

	"dwell/internal/evidence"
	"dwell/internal/evidence/protocol"
	"dwell/internal/hunt"
	"dwell/internal/pairs"
	"dwell/scoring"
)

// Candidate is what this package needs of a scored candidate.
type Candidate struct {
	hunt.PairKey
	// Port is the finding's port. Several means a roll-up of several ports.
	Port    pairs.Port
	Several bool
	// Addresses are the destinations of a candidate with several, busiest first.
	Addresses []netip.Addr
	// Uses are the connections to each address of a candidate by name or fingerprint, in the order of the addresses.
	Uses []pairs.Use
	// Showing is the number of hosts that show the candidate's fingerprint.
	Showing int
	// Beacon is its regularity, Size the similarity of its message sizes.
	Beacon scoring.Beacon
	Size   scoring.SizeScore
	// Regularity is the value of the rhythm in this hunt (0..1), Long that of long connections (0..1).
	Regularity, Long float64
}

// Contacts are the tables of connections.
type Contacts struct {
	Addresses *pairs.Table
	// Named is nil if the hunt has no logs with names.
	Named *pairs.Named
	// Resolvers are the external addresses to check for being the network's resolvers; nil for none.
	Resolvers iter.Seq[netip.Addr]
	// Window is the length of the hunt's window.
	Window time.Duration
	// IsInternal reports whether an address is the site's own.
	IsInternal func(netip.Addr) bool
	// IsProxy reports whether a host acts for others, which are counted themselves; nil for none.
	IsProxy func(netip.Addr) bool
}

// destination is who is contacted: a name, a network for roll-ups, or an address. A domain includes all names under it.
type destination struct {
	name, domain string
	addr         netip.Addr
	net          netip.Prefix
	// print is a fingerprint, with the port it is shown to.
	print hunt.Fingerprint
	port  uint16
}

// FewHosts is the number of active hosts below which "rare" means nothing.
const FewHosts = 10

func destinationOf(k *Candidate) (destination, bool) {
	if domain, ok := hunt.CutBelow(k.Name); ok {
		return destination{domain: domain}, true
	}
	switch {
	case k.Name != "":
		return destination{name: k.Name}, true
	case k.Network.IsValid():
		return destination{net: k.Network}, true
	case k.Fingerprint.Kind != hunt.NoFingerprint:
		return destination{print: k.Fingerprint, port: k.PairKey.Port}, true
	case !k.Dst.IsValid():
		return destination{}, false
	}
	return destination{addr: k.Dst}, true
}

// domainOf is the registered domain of a name; ok is false if there is none. Where anyone can register a name
// (github.io, duckdns.org), that name is a domain of its own.
func domainOf(name string) (at destination, ok bool) {
	if _, err := netip.ParseAddr(name); err == nil {
		return destination{}, false
	}
	domain, err := publicsuffix.EffectiveTLDPlusOne(name)
	return destination{domain: domain}, err == nil
}

// DomainOf is the registered domain of a name; empty if there is none.
func DomainOf(name string) string {
	at, _ := domainOf(name)
	return at.domain
}

// overPorts reports whether a candidate is an address on all ports. Software on many hosts uses one port; a host that
// uses many, like a scanner, says nothing about the others.
func overPorts(c *Candidate) bool { return c.AnyPort && c.Name == "" && c.Dst.IsValid() }

// servers are the addresses of a candidate: for a name all that it was used with, otherwise those kept.
func (k *Candidate) servers() iter.Seq[netip.Addr] {
	return func(yield func(netip.Addr) bool) {
		if k.Name == "" && k.Dst.IsValid() {
			yield(k.Dst)
			return
		}
		for _, a := range k.Addresses {
			if !yield(a) {
				return
			}
		}
		if k.Name == "" {
			return
		}
		for _, u := range k.Uses {
			if !yield(u.Addr) {
				return
			}
		}
	}
}

// Judge reports whether few or many hosts contact the destination, and explanations for regular contact: the protocol
// itself, or that other hosts do the same. An explanation of a rhythm does not explain a flood or a connection that lasts
// hours.
func (p *Count) Judge(s *evidence.Candidate, c *Candidate) {
	s.Vouching, s.Shared = p.company(c), p.shared(c)
	p.spread(s, c)
	if f := s.Finding; f.Network.Connections > 0 && s.Silent+s.Refused >= f.Network.Connections {
		s.AtMost(scoring.Medium, "medium at most: no connection was answered, and anyone can send packets with this host's address")
	}
	switch v := s.Indicators; {
	case v.Strobe > max(v.Beacon, v.Long):
	case v.Long > max(v.Beacon, v.Presence):
		p.push(s, c)
	default:
		protocol.Explain(s, &protocol.Spoken{Port: c.Port, Several: c.Several, Size: c.Size, Internal: c.Dst.IsValid() && p.internal(c.Dst), Period: c.Beacon.Period})
		if v.Presence > v.Beacon {
			p.present(s, c)
		} else {
			p.fleet(s, c)
		}
	}
}

func (p *Count) spread(s *evidence.Candidate, c *Candidate) {
	at, ok := destinationOf(c)
	if !ok || len(p.active) == 0 {
		return
	}
	r, all := p.reached[at], float64(len(p.active))
	touched, h := float64(len(r.touched)), float64(p.talking(r, c.Src))
	what := "" // the prevalence of the destination needs no qualifier
	switch c.Fingerprint.Kind {
	case hunt.NoFingerprint:
	case hunt.Unshared, hunt.UnsharedNames:
		touched, h, what = 1, 1, " for all its destinations"
	default:
		touched, h, what = float64(c.Showing), float64(c.Showing), " with this TLS fingerprint"
	}
	s.Finding.Dwell.Evidence.Prevalence = &hunt.Prevalence{Hosts: int64(touched), Active: int64(max(all, touched))}
	s.Talking = int64(h)
	few := max(1, 0.02*all)
	if domain, ok := domainOf(at.name); ok {
		e, of := s.Finding.Dwell.Evidence.Prevalence, p.reached[domain]
		e.Domain, e.DomainHosts = domain.domain, max(int64(len(of.touched)), int64(touched))
		if around := p.talking(of, c.Src); all >= FewHosts && h <= few && float64(around) > few {
			s.Last(fmt.Sprintf("%s of %s active hosts contact names under %s, so this one does not count as rare", hunt.Count(around), hunt.Count(int64(all)), domain.domain))
			return
		}
	}
	some, active := hunt.Count(int64(h)), hunt.Count(int64(all))
	fleeting := ""
	if n := int64(touched - h); n > 0 {
		fleeting = fmt.Sprintf(" (%s more had brief contact)", hunt.Count(n))
	}
	switch {
	case h >= max(5, 0.5*all) && s.Shared < evidence.MinShared:
		s.Last(fmt.Sprintf("%s of %s active hosts use this name, but at other servers; a name can be forged, so it does not lower the score", some, active))
	case h >= max(5, 0.5*all):
		s.Modify(evidence.Common, fmt.Sprintf("prevalence %s of %s active hosts%s", some, active, what))
	case all >= FewHosts && h <= few:
		s.Modify(evidence.Rare, fmt.Sprintf("prevalence %s of %s active hosts%s%s", some, active, what, fleeting))
	}
}

// talking is the number of hosts that exchange data with a destination, including the candidate's own.
func (p *Count) talking(r *reach, own netip.Addr) int {
	if number, met := p.numbers[own]; met && r.talking.has(number) {
		return len(r.talking)
	}
	return len(r.talking) + 1
}

// company is the number of hosts that vouch for the networks of the candidate's addresses: the minimum over them.
func (p *Count) company(c *Candidate) (fewest int64) {
	for a := range c.servers() {
		if n := p.vouch(place{net: hunt.NetworkOf(a), port: c.Port.Number, name: c.Name}, c.Src); fewest == 0 || n < fewest {
			fewest = n
		}
	}
	return fewest
}

// shared is the share of a name's connections to networks for which several hosts vouch (see [evidence.Candidate]), or
// to an internal proxy, which only connects to what it is asked for.
func (p *Count) shared(c *Candidate) float64 {
	if c.Name == "" {
		return 1
	}
	all, known := 0.0, 0.0
	for _, u := range c.Uses {
		all += float64(u.Connections)
		if p.internal(u.Addr) || p.vouch(place{net: hunt.NetworkOf(u.Addr), port: c.Port.Number, name: c.Name}, c.Src) >= fleetHosts {
			known += float64(u.Connections)
		}
	}
	return known / max(all, 1)
}
