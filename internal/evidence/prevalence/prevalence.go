// Package prevalence weighs how many internal hosts talk to a destination, out of how many: few, many, or many that do the
// same. It reads nothing itself: the hunt hands it its candidates and the tables of who talked to whom.
package prevalence

import (
	"fmt"
	"iter"
	"math"
	"net/netip"
	"sync"

	"golang.org/x/net/publicsuffix"

	"dwell/internal/evidence"
	"dwell/internal/hunt"
	"dwell/internal/pairs"
	"dwell/scoring"
)

// Candidate is what has to be known of something that was scored.
type Candidate struct {
	hunt.PairKey
	// Addresses are the destinations of a candidate that has several, the busiest first.
	Addresses []netip.Addr
	// Uses are the connections to each address of a candidate by name or fingerprint.
	Uses []pairs.Use
	// Showing is how many hosts show the fingerprint of a candidate by fingerprint.
	Showing int
	// Beacon is how regular it is, Regularity what that is worth in this hunt (0..1), Long what being connected is (0..1).
	Beacon           scoring.Beacon
	Regularity, Long float64
}

// Contacts are the tables of who talked to whom.
type Contacts struct {
	Addresses *pairs.Table
	// Named is nil where the hunt has no logs of names.
	Named *pairs.Named
	// IsInternal says which addresses are the site's own.
	IsInternal func(netip.Addr) bool
}

// Count is how many internal hosts talk to the destinations of a hunt's candidates (docs/facts/scoring.md, 5).
type Count struct {
	internal func(netip.Addr) bool

	mu    sync.Mutex
	hosts map[party]hostSet
	// active are the internal machines that talked to anybody outside.
	active map[netip.Addr]struct{}
	// beats are the periods of convincing beacons by destination.
	beats map[party][]*beat
	// held are the machines that were connected for long.
	held map[party]hostSet
}

// hostSet is a set of machines.
type hostSet = map[netip.Addr]struct{}

// party is the other side: a name, a network for roll-ups, or an address. A domain stands for all names below it.
type party struct {
	name, domain string
	addr         netip.Addr
	net          netip.Prefix
	// print is a fingerprint, with the port it is shown to.
	print hunt.Fingerprint
	port  uint16
}

type beat struct {
	src netip.Addr
	// modes are the rhythms that its gaps were parted into.
	modes []scoring.Mode
}

// like says whether one of its rhythms may be the same as one of another's: a period that jitters is known no better than that.
func (b *beat) like(other *beat) bool {
	for i := range b.modes {
		for j := range other.modes {
			m, n := &b.modes[i], &other.modes[j]
			if math.Abs(m.Period-n.Period) < max(fleetPeriod, m.Jitter, n.Jitter)*n.Period {
				return true
			}
		}
	}
	return false
}

func beatOf(c *Candidate) *beat {
	b := &c.Beacon
	if b.ModeCount == 0 {
		return &beat{c.Src, []scoring.Mode{{Period: b.Period, Jitter: b.Jitter}}}
	}
	return &beat{c.Src, b.Modes[:b.ModeCount]}
}

const (
	// fewHosts: in a network of fewer active machines "rare" means nothing.
	fewHosts = 10
	// fleetBeat is the beacon score from which a rhythm counts as one, fleetPeriod how alike two periods are that do
	// not jitter.
	fleetBeat, fleetPeriod = 0.5, 0.05
	// fleetHosts machines with the same rhythm to the same server look like software that all of them run.
	fleetHosts    = 3
	maxPrevalence = 100_000
)

func partyOf(k *Candidate) (party, bool) {
	switch {
	case k.Name != "":
		return party{name: k.Name}, true
	case k.Network.IsValid():
		return party{net: k.Network}, true
	case k.Fingerprint.Kind != hunt.NoFingerprint:
		return party{print: k.Fingerprint, port: k.Port}, true
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

// Of counts who talks to the destinations of some candidates. It goes over the tables once more, without decoding. Long
// connections count from held (0..1) on.
func Of(candidates iter.Seq[*Candidate], contacts Contacts, held float64) *Count {
	p := &Count{internal: contacts.IsInternal, hosts: map[party]hostSet{}, active: hostSet{}, beats: map[party][]*beat{}, held: map[party]hostSet{}}
	for c := range candidates {
		at, ok := partyOf(c)
		if !ok {
			continue
		}
		p.hosts[at] = hostSet{}
		if domain, ok := domainOf(at.name); ok && p.hosts[domain] == nil {
			p.hosts[domain] = hostSet{}
		}
		for _, a := range c.reached() {
			p.watch(a)
		}
		if c.Name != "" { // all of its servers, to know where others use it
			for _, u := range c.Uses {
				p.watch(u.Addr)
			}
		}
		if c.Regularity > fleetBeat {
			p.beats[at] = append(p.beats[at], beatOf(c))
		}
		if c.Long >= held {
			if p.held[at] == nil {
				p.held[at] = hostSet{}
			}
			p.held[at][c.Src] = struct{}{}
		}
	}
	p.count(&contacts)
	return p
}

// watch has the machines counted that reach the network around an address.
func (p *Count) watch(a netip.Addr) {
	if near := (party{net: hunt.NetworkOf(a)}); p.hosts[near] == nil {
		p.hosts[near] = hostSet{}
	}
}

// count notes which machines talk to the other sides that matter.
func (p *Count) count(contacts *Contacts) {
	count := func(t *pairs.Table, of func(worker int, dst netip.Addr) [2]hostSet) {
		met := make([][]hostSet, pairs.Workers())
		t.WalkSources(func(worker int, src netip.Addr, pairs *pairs.Of) {
			if !contacts.IsInternal(src) {
				return
			}
			sets := met[worker][:0]
			for i := range pairs.Len() {
				for _, set := range of(worker, pairs.Dst(i)) {
					if set != nil {
						sets = append(sets, set)
					}
				}
			}
			met[worker] = sets
			p.mu.Lock()
			defer p.mu.Unlock()
			p.active[src] = struct{}{}
			for _, set := range sets {
				if len(set) < maxPrevalence {
					set[src] = struct{}{}
				}
			}
		})
	}
	addresses, networks := map[netip.Addr]hostSet{}, map[netip.Prefix]hostSet{}
	for at, set := range p.hosts {
		switch {
		case at.addr.IsValid():
			addresses[at.addr] = set
		case at.net.IsValid():
			networks[at.net] = set
		}
	}
	count(contacts.Addresses, func(_ int, dst netip.Addr) [2]hostSet {
		return [2]hostSet{addresses[dst], networks[hunt.NetworkOf(dst)]}
	})
	if contacts.Named == nil {
		return
	}
	known := make([]map[netip.Addr][2]hostSet, pairs.Workers()) // what is worked out once a name
	count(contacts.Named.Table, func(worker int, dst netip.Addr) [2]hostSet {
		sets, ok := known[worker][dst]
		if !ok {
			name := contacts.Named.Name(dst)
			sets[0] = p.hosts[party{name: name}]
			if domain, ok := domainOf(name); ok {
				sets[1] = p.hosts[domain]
			}
			if known[worker] == nil {
				known[worker] = map[netip.Addr][2]hostSet{}
			}
			known[worker][dst] = sets
		}
		return sets
	})
}

// Judge says whether few or many machines talk to the other side.
func (p *Count) Judge(s *evidence.Subject, k *Candidate) {
	at, ok := partyOf(k)
	if !ok || len(p.active) == 0 {
		return
	}
	h, all := float64(len(p.hosts[at])), float64(len(p.active))
	does, plural := "talks to it", "talk to it"
	if k.Fingerprint.Kind != hunt.NoFingerprint {
		h, does, plural = float64(k.Showing), "shows this TLS fingerprint", "show this TLS fingerprint"
	}
	s.Finding.Dwell.Evidence.Prevalence = &hunt.Prevalence{Hosts: int64(h), Active: int64(all)}
	s.Company, s.Shared = p.company(k), p.shared(k)
	if domain, ok := domainOf(at.name); ok {
		e, around := s.Finding.Dwell.Evidence.Prevalence, int64(len(p.hosts[domain]))
		e.Domain, e.DomainHosts = domain.domain, max(around, int64(h))
		if all >= fewHosts && h <= max(1, 0.02*all) && float64(around) > max(1, 0.02*all) {
			s.Last(fmt.Sprintf("%s of %s active machines talk to names of %s, so this one does not count as rare", hunt.Count(around), hunt.Count(int64(all)), domain.domain))
			return
		}
	}
	some, active := hunt.Count(int64(h)), hunt.Count(int64(all))
	switch {
	case h >= max(5, 0.5*all) && s.Shared < evidence.BornOut:
		s.Last(fmt.Sprintf("%s of %s active machines use this name, but not at these servers, and a name can be forged: that does not lower the score", some, active))
	case h >= max(5, 0.5*all):
		s.Modify(evidence.Common, fmt.Sprintf("%s of %s active machines %s, which lowers the score", some, active, plural))
	case all >= fewHosts && h == 1:
		s.Modify(evidence.Rare, fmt.Sprintf("no other of %s active machines %s", active, does))
	case all >= fewHosts && h <= 0.02*all:
		s.Modify(evidence.Rare, fmt.Sprintf("only %s of %s active machines %s", some, active, plural))
	}
}

// reached are the addresses behind a key of one address or name (of many, the most used).
func (k *Candidate) reached() []netip.Addr {
	switch {
	case k.Network.IsValid():
		return nil
	case k.Name == "" && k.Dst.IsValid():
		return []netip.Addr{k.Dst}
	}
	return k.Addresses
}

// company is how many machines reach the network around each of the key's addresses: the fewest of them.
func (p *Count) company(k *Candidate) (fewest int64) {
	for i, a := range k.reached() {
		if n := int64(len(p.hosts[party{net: hunt.NetworkOf(a)}])); i == 0 || n < fewest {
			fewest = n
		}
	}
	return fewest
}

// shared is the part of a name's connections that go to networks which several machines reach (see [evidence.Subject]), or to a proxy
// inside, which connects to nothing but what it is asked for.
func (p *Count) shared(k *Candidate) float64 {
	if k.Name == "" {
		return 1
	}
	all, known := 0.0, 0.0
	for _, u := range k.Uses {
		all += float64(u.Connections)
		if p.internal(u.Addr) || len(p.hosts[party{net: hunt.NetworkOf(u.Addr)}]) >= fleetHosts {
			known += float64(u.Connections)
		}
	}
	return known / max(all, 1)
}

// Fleet says whether other machines keep the same rhythm to the same server: software that they all run, or an outbreak.
// Without knowing for how long the server has been known, that explains a rhythm weakly.
func (p *Count) Fleet(k *Candidate) (scoring.Explanation, string) {
	at, ok := partyOf(k)
	if !ok || k.Beacon.Period <= 0 || p.shared(k) < evidence.BornOut {
		return scoring.Unexplained, ""
	}
	same := map[netip.Addr]struct{}{k.Src: {}}
	own := beatOf(k)
	for _, b := range p.beats[at] {
		if b.like(own) {
			same[b.src] = struct{}{}
		}
	}
	if len(same) < fleetHosts {
		return scoring.Unexplained, ""
	}
	return scoring.Weak, fmt.Sprintf("%s machines keep this rhythm to the same server, as software does that all of them run (or an outbreak: see when it began)", hunt.Count(len(same)))
}

// Push is Fleet for connections that are held for long, as push services are.
func (p *Count) Push(k *Candidate) (scoring.Explanation, string) {
	at, ok := partyOf(k)
	if n := len(p.held[at]); ok && n >= fleetHosts && p.shared(k) >= evidence.BornOut {
		return scoring.Weak, fmt.Sprintf("%s machines hold connections to the same server for hours, as push services make them", hunt.Count(n))
	}
	return scoring.Unexplained, ""
}
