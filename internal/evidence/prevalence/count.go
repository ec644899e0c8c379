package prevalence

import (
	"iter"
	"net/netip"
	"sync"
	"time"

	"dwell/internal/hunt"
	"dwell/internal/pairs"
)

// place is where a candidate's traffic goes: a network and a port, and for names the name.
type place struct {
	net  netip.Prefix
	port uint16
	name string
}

// prevalence of one destination.
type reach struct {
	// touched are the hosts that sent anything to it, talking those of them that really talk to it.
	touched, talking hostSet
}

func newReach() *reach { return &reach{hostSet{}, hostSet{}} }

// Count is how many internal hosts talk to the destinations of a hunt's candidates (docs/facts/scoring.md, 5).
//
// A packet with a made-up sender costs an intruder nothing, and a picture in a mail makes people fetch it once. So a host talks to
// a destination only where it was answered, with bytes both ways, and again an hour later (in short windows: a quarter of the
// window); and it vouches for the destination only where it talks to the same port, under the same name, and to others besides.
type Count struct {
	internal func(netip.Addr) bool
	// again is after how many milliseconds contact counts as kept, half how many are half of the window.
	again, half int64

	mu      sync.Mutex
	reached map[party]*reach
	// vouching are the hosts that talk to a place, answered those that were answered there at all: a service with many networks is
	// used under one name all day, and each network of it once.
	vouching, answered map[place]hostSet
	// vouchers is how many of them more is known of.
	vouchers map[place]int64
	// active are the internal hosts that were answered by anybody, known those that several destinations answered, or one for half of
	// the window.
	active, known hostSet
	// rhythms are those of convincing beacons by destination, held the hosts that were connected for long.
	rhythms map[party][]*rhythm
	held    map[party]hostSet
}

// Of counts who talks to the destinations of some candidates. It goes over the tables once more, and decodes what goes to those
// destinations. Long connections count from held (0..1) on.
func Of(candidates iter.Seq[*Candidate], contacts Contacts, held float64) *Count {
	p := &Count{internal: contacts.IsInternal, again: min(time.Hour, contacts.Window/4).Milliseconds(), half: contacts.Window.Milliseconds() / 2, reached: map[party]*reach{},
		vouching: map[place]hostSet{}, answered: map[place]hostSet{}, active: hostSet{}, known: hostSet{}, rhythms: map[party][]*rhythm{}, held: map[party]hostSet{}}
	for c := range candidates {
		at, ok := partyOf(c)
		if !ok {
			continue
		}
		p.reached[at] = newReach()
		if domain, ok := domainOf(at.name); ok && p.reached[domain] == nil {
			p.reached[domain] = newReach()
		}
		for a := range c.servers() {
			p.vouching[place{net: hunt.NetworkOf(a), port: c.Port.Number}] = hostSet{}
			if c.Name != "" {
				p.vouching[place{net: hunt.NetworkOf(a), port: c.Port.Number, name: c.Name}] = hostSet{}
				p.answered[place{net: hunt.NetworkOf(a), port: c.Port.Number}] = hostSet{}
			}
		}
		if c.Regularity > fleetBeat && !overPorts(c) {
			p.rhythms[at] = append(p.rhythms[at], rhythmOf(c))
		}
		if c.Long >= held {
			if p.held[at] == nil {
				p.held[at] = hostSet{}
			}
			p.held[at][c.Src] = struct{}{}
		}
	}
	if contacts.Resolvers != nil {
		for a := range contacts.Resolvers {
			p.vouching[resolver(a)] = hostSet{}
		}
	}
	p.addresses(&contacts)
	p.names(&contacts)
	p.vouchers = make(map[place]int64, len(p.vouching))
	for at, hosts := range p.vouching {
		for src := range hosts {
			if _, known := p.known[src]; known {
				p.vouchers[at]++
			}
		}
	}
	return p
}

const (
	// acquainted is how many destinations have to have answered a host before it vouches for another one.
	acquainted = 2
	// tries bounds how many of a host's pairs are looked at to know that much of it.
	tries = 4096
	// maxHosts bounds each set.
	maxHosts = 100_000
)

// span is from when to when something was answered, Unix milliseconds; the zero span is never.
type span struct{ first, last int64 }

func (s span) join(o span) span {
	switch {
	case o == span{}:
		return s
	case s == span{}:
		return o
	}
	return span{min(s.first, o.first), max(s.last, o.last)}
}

// scratch is what one goroutine knows of one host.
type scratch struct {
	pair    pairs.Pair
	reached map[*reach]span
	at      map[place]span
	// claims are places that the host vouches for if it talks to what they are of.
	claims []claim
	others map[party]struct{}
	// longest is the longest contact with one destination.
	longest int64
	names   map[netip.Addr]*nameLook
}

type claim struct {
	at place
	of *reach
}

func (s *scratch) begin() {
	s.reached, s.at, s.others, s.claims, s.longest = map[*reach]span{}, map[place]span{}, map[party]struct{}{}, s.claims[:0], 0
}

// nameLook is what is worked out once a name.
type nameLook struct {
	of [2]*reach
	// other is what it counts as among the destinations of a host: its registered domain, if it has one.
	other party
	// places are those of the name and of its domain, by network: each list is one for all names that have it.
	places [2]map[netip.Prefix][]place
}

// addresses goes over the connections.
func (p *Count) addresses(contacts *Contacts) {
	ports := map[netip.Prefix][]uint16{}
	for at := range p.vouching {
		if at.name == "" {
			ports[at.net] = append(ports[at.net], at.port)
		}
	}
	all := make([]scratch, pairs.Workers())
	contacts.Addresses.WalkSources(func(worker int, src netip.Addr, of *pairs.Of) {
		if !p.internal(src) || contacts.IsProxy != nil && contacts.IsProxy(src) {
			return
		}
		s := &all[worker]
		s.begin()
		for i := range of.Len() {
			dst := of.Dst(i)
			near := hunt.NetworkOf(dst)
			address, network, wanted := p.reached[party{addr: dst}], p.reached[party{net: near}], ports[near]
			if address == nil && network == nil && wanted == nil && (len(s.others) > acquainted || i >= tries) {
				continue
			}
			of.Decode(i, &s.pair)
			s.meet(party{net: near}, address, network)
			for _, port := range wanted {
				for n := range s.pair.Ports {
					if s.pair.Ports[n].Number == port {
						at := place{net: near, port: port}
						s.at[at] = s.at[at].join(s.contact(n))
					}
				}
			}
		}
		p.note(src, s)
	})
}

// names goes over the connections by name.
func (p *Count) names(contacts *Contacts) {
	if contacts.Named == nil {
		return
	}
	places := map[string]map[netip.Prefix][]place{}
	for at := range p.vouching {
		if at.name == "" {
			continue
		}
		of := places[at.name]
		if of == nil {
			of = map[netip.Prefix][]place{}
			places[at.name] = of
		}
		of[at.net] = append(of[at.net], at)
	}
	all := make([]scratch, pairs.Workers())
	contacts.Named.Table.WalkSources(func(worker int, src netip.Addr, of *pairs.Of) {
		if !p.internal(src) || contacts.IsProxy != nil && contacts.IsProxy(src) {
			return
		}
		s := &all[worker]
		s.begin()
		for i := range of.Len() {
			id := of.Dst(i)
			look := p.look(s, contacts.Named, id, places)
			if look.of == [2]*reach{} && (len(s.others) > acquainted || i >= tries) {
				continue
			}
			of.Decode(i, &s.pair)
			if s.meet(look.other, look.of[:]...); look.places[0] == nil && look.places[1] == nil {
				continue
			}
			for _, u := range contacts.Named.Uses(src, id) {
				near := hunt.NetworkOf(u.Addr)
				for i, places := range look.places {
					for _, at := range places[near] {
						if _, there := p.answered[place{net: near, port: at.port}][src]; there {
							s.claims = append(s.claims, claim{at, look.of[i]})
						}
					}
				}
			}
		}
		p.note(src, s)
	})
}

// meet notes when the pair at hand was answered.
func (s *scratch) meet(destination party, of ...*reach) {
	when := s.contact(-1)
	if when != (span{}) && len(s.others) <= acquainted {
		s.others[destination] = struct{}{}
	}
	s.longest = max(s.longest, when.last-when.first)
	for _, r := range of {
		if r != nil {
			s.reached[r] = s.reached[r].join(when)
		}
	}
}

// look is what matters of a name.
func (p *Count) look(s *scratch, named *pairs.Named, id netip.Addr, places map[string]map[netip.Prefix][]place) *nameLook {
	if l := s.names[id]; l != nil {
		return l
	}
	name := named.Name(id)
	l := &nameLook{of: [2]*reach{p.reached[party{name: name}]}, other: party{name: name}}
	domain, ok := domainOf(name)
	if ok {
		l.of[1], l.other = p.reached[domain], domain
	}
	l.places = [2]map[netip.Prefix][]place{places[name], places[hunt.Below(domain.domain)]}
	if s.names == nil {
		s.names = map[netip.Addr]*nameLook{}
	}
	s.names[id] = l
	return l
}

// note writes down what a host does.
func (p *Count) note(src netip.Addr, s *scratch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(s.others) > 0 {
		p.active[src] = struct{}{}
	}
	if len(s.others) >= acquainted || s.longest >= p.half && len(s.others) > 0 {
		p.known[src] = struct{}{}
	}
	add := func(set hostSet) {
		if set != nil && len(set) < maxHosts {
			set[src] = struct{}{}
		}
	}
	kept := func(s span) bool { return s != span{} && s.last-s.first >= p.again }
	for r, when := range s.reached {
		if add(r.touched); kept(when) {
			add(r.talking)
		}
	}
	for at, when := range s.at {
		if when != (span{}) {
			add(p.answered[at])
		}
		if kept(when) {
			add(p.vouching[at])
		}
	}
	for _, c := range s.claims {
		if kept(s.reached[c.of]) {
			add(p.vouching[c.at])
		}
	}
}

// contact is when a port's connections (-1: those of all) were answered, with bytes both ways: from the first to the end of the last
// that was.
func (s *scratch) contact(port int) (when span) {
	for i := range s.pair.Connections {
		if c := &s.pair.Connections[i]; (port < 0 || int(c.Port) == port) && bothWays(c) {
			when = when.join(span{c.Start, c.Start + max(c.Duration, 0)})
		}
	}
	return when
}

// resolver is where an address answers questions.
func resolver(a netip.Addr) place { return place{net: hunt.NetworkOf(a), port: 53} }

// Resolves says whether several hosts vouch for an address as a resolver, one of which nothing is asked among them: that asks it.
func (p *Count) Resolves(a, own netip.Addr) bool { return p.vouch(resolver(a), own) >= fleetHosts }

// Known says that more is known of a host than one conversation: several destinations answered it, or one for half of the window.
func (p *Count) Known(host netip.Addr) bool {
	_, known := p.known[host]
	return known
}

// bothWays says that something was said and answered. Records of HTTP and TLS that stand for connections have no IP bytes: they are
// there only because something was said.
func bothWays(c *pairs.Record) bool {
	if c.OrigIPBytes == hunt.Absent {
		return c.RespBytes != 0 && c.State == hunt.StateOther
	}
	return c.OrigBytes > 0 && c.RespBytes > 0
}

// vouch is how many hosts vouch for a place, one of which nothing is asked among them: the candidate's own.
func (p *Count) vouch(at place, own netip.Addr) int64 {
	n := p.vouchers[at]
	if _, known := p.known[own]; known {
		if _, there := p.vouching[at][own]; there {
			n--
		}
	}
	return n + 1
}
