// Package prevalence weighs how many of the internal hosts contact a destination, and whether they behave alike. It
// reads nothing itself: the hunt hands it its candidates and the tables of who talked to whom.
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

// Candidate is what has to be known of something that was scored.
type Candidate struct {
	hunt.PairKey
	// Port is the one that its finding names. Several says that it is a roll-up of several.
	Port    pairs.Port
	Several bool
	// Addresses are the destinations of a candidate that has several, the busiest first.
	Addresses []netip.Addr
	// Uses are the connections to each address of a candidate by name or fingerprint, in order of the addresses.
	Uses []pairs.Use
	// Showing is how many hosts show the fingerprint of a candidate by fingerprint.
	Showing int
	// Beacon is how regular it is, Size how alike its messages are.
	Beacon scoring.Beacon
	Size   scoring.SizeScore
	// Regularity is what the rhythm is worth in this hunt (0..1), Long what being connected is (0..1).
	Regularity, Long float64
}

// Contacts are the tables of who talked to whom.
type Contacts struct {
	Addresses *pairs.Table
	// Named is nil where the hunt has no logs of names.
	Named *pairs.Named
	// Resolvers are the external addresses of which it matters whether they are resolvers of the network's; nil for none.
	Resolvers iter.Seq[netip.Addr]
	// Window is how long the hunt's window is.
	Window time.Duration
	// IsInternal says which addresses are the site's own.
	IsInternal func(netip.Addr) bool
	// IsProxy says which of them talk in the name of others, which are counted themselves; nil for none.
	IsProxy func(netip.Addr) bool
}

// party is the destination: a name, a network for roll-ups, or an address. A domain stands for all names below it.
type party struct {
	name, domain string
	addr         netip.Addr
	net          netip.Prefix
	// print is a fingerprint, with the port it is shown to.
	print hunt.Fingerprint
	port  uint16
}

// FewHosts: in a network of fewer active hosts "rare" means nothing.
const FewHosts = 10

func partyOf(k *Candidate) (party, bool) {
	if domain, ok := hunt.CutBelow(k.Name); ok {
		return party{domain: domain}, true
	}
	switch {
	case k.Name != "":
		return party{name: k.Name}, true
	case k.Network.IsValid():
		return party{net: k.Network}, true
	case k.Fingerprint.Kind != hunt.NoFingerprint:
		return party{print: k.Fingerprint, port: k.PairKey.Port}, true
	case !k.Dst.IsValid():
		return party{}, false
	}
	return party{addr: k.Dst}, true
}

// domainOf is the domain that somebody registered and that a name lies below; ok is false where the name is no such thing.
// Where anybody can have a name (github.io, duckdns.org), that is a domain of its own.
func domainOf(name string) (at party, ok bool) {
	if _, err := netip.ParseAddr(name); err == nil {
		return party{}, false
	}
	domain, err := publicsuffix.EffectiveTLDPlusOne(name)
	return party{domain: domain}, err == nil
}

// DomainOf is the domain that somebody registered and that a name lies below; empty where the name is no such thing.
func DomainOf(name string) string {
	at, _ := domainOf(name)
	return at.domain
}

// overPorts says that a candidate is an address whatever the port. Software that many hosts run calls on one port; who
// goes over many of them, as scanners do, tells nothing of the others.
func overPorts(c *Candidate) bool { return c.AnyPort && c.Name == "" && c.Dst.IsValid() }

// servers are the addresses behind a candidate: of a name all that it was used at, of others those that are kept.
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

// Judge says whether few or many hosts talk to the destination, and what explains that this one keeps coming back: the protocol
// itself, or that others do the same. What explains a rhythm explains neither a flood nor a connection held for hours.
func (p *Count) Judge(s *evidence.Subject, c *Candidate) {
	s.Company, s.Shared = p.company(c), p.shared(c)
	p.spread(s, c)
	if f := s.Finding; f.Network.Connections > 0 && s.Silent+s.Refused >= f.Network.Connections {
		s.AtMost(scoring.Medium, "medium at most: no connection was answered, and anyone can send packets with this host's address")
	}
	switch v := s.Indicators; {
	case v.Strobe > max(v.Beacon, v.Long):
	case v.Long > max(v.Beacon, v.Presence):
		p.push(s, c)
	default:
		protocol.Explain(s, &protocol.Spoken{Port: c.Port, Several: c.Several, Size: c.Size, Inside: c.Dst.IsValid() && p.internal(c.Dst), Period: c.Beacon.Period})
		if v.Presence > v.Beacon {
			p.present(s, c)
		} else {
			p.fleet(s, c)
		}
	}
}

func (p *Count) spread(s *evidence.Subject, c *Candidate) {
	at, ok := partyOf(c)
	if !ok || len(p.active) == 0 {
		return
	}
	r, all := p.reached[at], float64(len(p.active))
	touched, h := float64(len(r.touched)), float64(p.talking(r, c.Src))
	what := "" // prevalence of the destination goes without saying
	switch c.Fingerprint.Kind {
	case hunt.NoFingerprint:
	case hunt.Unshared:
		touched, h, what = 1, 1, " for all its destinations"
	default:
		touched, h, what = float64(c.Showing), float64(c.Showing), " with this TLS fingerprint"
	}
	s.Finding.Dwell.Evidence.Prevalence = &hunt.Prevalence{Hosts: int64(touched), Active: int64(max(all, touched))}
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
	case h >= max(5, 0.5*all) && s.Shared < evidence.BornOut:
		s.Last(fmt.Sprintf("%s of %s active hosts use this name, but at other servers; a name can be forged, so it does not lower the score", some, active))
	case h >= max(5, 0.5*all):
		s.Modify(evidence.Common, fmt.Sprintf("prevalence %s of %s active hosts%s", some, active, what))
	case all >= FewHosts && h <= few:
		s.Modify(evidence.Rare, fmt.Sprintf("prevalence %s of %s active hosts%s%s", some, active, what, fleeting))
	}
}

// talking is how many hosts really talk to a destination, the candidate's own always among them.
func (p *Count) talking(r *reach, own netip.Addr) int {
	if number, met := p.numbers[own]; met && r.talking.has(number) {
		return len(r.talking)
	}
	return len(r.talking) + 1
}

// company is how many hosts vouch for each network around the candidate's addresses: the fewest of them.
func (p *Count) company(c *Candidate) (fewest int64) {
	for a := range c.servers() {
		if n := p.vouch(place{net: hunt.NetworkOf(a), port: c.Port.Number, name: c.Name}, c.Src); fewest == 0 || n < fewest {
			fewest = n
		}
	}
	return fewest
}

// shared is the part of a name's connections that go to networks for which several hosts vouch (see [evidence.Subject]), or to a
// proxy inside, which connects to nothing but what it is asked for.
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
