package prevalence

import (
	"iter"
	"net/netip"
	"slices"
	"sync"
	"time"

	"dwell/internal/hunt"
	"dwell/internal/pairs"
)

// place is a candidate's target: a network and a port, and for candidates by name the name.
type place struct {
	net  netip.Prefix
	port uint16
	name string
}

// reach is the prevalence of one destination.
type reach struct {
	// touched are the hosts that sent it anything, talking those of them that exchange data with it.
	touched, talking hosts
}

// Count is how many internal hosts contact the destinations of a hunt's candidates (docs/facts/scoring.md, 5).
//
// An intruder can forge a sender at no cost, and an image in a mail makes users fetch it once. So a host talks to a
// destination only if it was answered, with bytes in both directions, and again an hour later (in short windows: a
// quarter of the window). It vouches for the destination only if it talks to the same port, under the same name, and to
// other destinations too.
type Count struct {
	internal func(netip.Addr) bool
	// again is the minimum duration of a lasting contact in milliseconds, half is half the window.
	again, half int64

	mu      sync.Mutex
	reached map[destination]*reach
	// numbers are the hosts' numbers in sets and vouchers.
	numbers map[netip.Addr]uint32
	// wanted are the candidates' places, ports the ports of candidates by name.
	wanted *Sketch
	ports  map[string][]uint16
	// answered are the hosts that were answered at a place at all, vouching those that talk to it. A service with many
	// networks is used under one name all day, but each of its networks once.
	answered []uint64
	vouching []voucher
	// active are the numbers of internal hosts that any destination answered; known are those that several destinations
	// answered, or one for half of the window.
	active, known map[uint32]struct{}
	// rhythms are those of convincing beacons by destination, held the hosts with long connections.
	rhythms map[destination][]*rhythm
	held    map[destination]map[netip.Addr]struct{}
}

// Of counts the hosts that contact the candidates' destinations. It walks the tables once more, and decodes only
// connections to those destinations. Long connections count from a score of held (0..1).
func Of(candidates iter.Seq[*Candidate], contacts Contacts, held float64) *Count {
	p := &Count{internal: contacts.IsInternal, again: Again(contacts.Window), half: contacts.Window.Milliseconds() / 2, reached: map[destination]*reach{},
		numbers: map[netip.Addr]uint32{}, ports: map[string][]uint16{}, active: map[uint32]struct{}{}, known: map[uint32]struct{}{}, rhythms: map[destination][]*rhythm{}, held: map[destination]map[netip.Addr]struct{}{}}
	servers := 0
	for c := range candidates {
		for range c.servers() {
			servers++
		}
	}
	p.wanted = NewSketch(3 * servers)
	for c := range candidates {
		at, ok := destinationOf(c)
		if !ok {
			continue
		}
		p.reached[at] = &reach{}
		if domain, ok := domainOf(at.name); ok && p.reached[domain] == nil {
			p.reached[domain] = &reach{}
		}
		for a := range c.servers() {
			near := place{net: hunt.NetworkOf(a), port: c.Port.Number}
			p.wanted.Add(anyPort(near.net).hash())
			p.wanted.Add(near.hash())
			if near.name = c.Name; c.Name != "" {
				p.wanted.Add(near.hash())
			}
		}
		if c.Name != "" && !slices.Contains(p.ports[c.Name], c.Port.Number) {
			p.ports[c.Name] = append(p.ports[c.Name], c.Port.Number)
		}
		if c.Regularity > fleetInterval && !overPorts(c) {
			p.rhythms[at] = append(p.rhythms[at], rhythmOf(c))
		}
		if c.Long >= held {
			if p.held[at] == nil {
				p.held[at] = map[netip.Addr]struct{}{}
			}
			p.held[at][c.Src] = struct{}{}
		}
	}
	if contacts.Resolvers != nil {
		for a := range contacts.Resolvers {
			p.wanted.Add(resolver(a).hash())
		}
	}
	p.addresses(&contacts)
	slices.Sort(p.answered)
	p.names(&contacts)
	p.settle()
	return p
}

const (
	// acquainted is how many destinations must have answered a host before it vouches for another one.
	acquainted = 2
	// tries limits how many of a host's pairs are examined for that.
	tries = 4096
)

// Span is when something was answered, in Unix milliseconds; zero means never.
type Span struct{ First, Last int64 }

// Join is the span that includes both.
func (s Span) Join(o Span) Span {
	switch {
	case o == Span{}:
		return s
	case s == Span{}:
		return o
	}
	return Span{min(s.First, o.First), max(s.Last, o.Last)}
}

// Answered is the span in which connections were answered with bytes in both directions, to the end of the last one.
func Answered(connections []pairs.Record) (when Span) {
	for i := range connections {
		if c := &connections[i]; BothWays(c) {
			when = when.Join(Span{c.Start, c.Start + max(c.Duration, 0)})
		}
	}
	return when
}

// Again is the minimum duration of a lasting contact in milliseconds: an hour, or a quarter of a short window.
func Again(window time.Duration) int64 { return min(time.Hour, window/4).Milliseconds() }

// scratch is one goroutine's state for one host.
type scratch struct {
	pair    pairs.Pair
	reached map[*reach]Span
	at      map[uint64]Span // by the place's hash
	// claims are places for which the host vouches if it talks to their destination.
	claims []claim
	others map[destination]struct{}
	// longest is the longest contact with one destination.
	longest int64
	names   map[netip.Addr]*nameLook
}

type claim struct {
	at uint64
	of *reach
}

func (s *scratch) begin() {
	s.reached, s.at, s.others, s.claims, s.longest = map[*reach]Span{}, map[uint64]Span{}, map[destination]struct{}{}, s.claims[:0], 0
}

// nameLook is what is computed once per name.
type nameLook struct {
	of [2]*reach
	// other is the name's destination among those of a host: its registered domain, if any.
	other destination
	// as are the name and the name for its domain; ports are those of their candidates.
	as    [2]string
	ports [2][]uint16
}

// addresses walks the connections by address.
func (p *Count) addresses(contacts *Contacts) {
	all := make([]scratch, pairs.Workers())
	// Each pair is looked up, and a whole destination takes ten times as long to hash as its address.
	byAddress, byNetwork := map[netip.Addr]*reach{}, map[netip.Prefix]*reach{}
	for at, r := range p.reached {
		switch at {
		case destination{addr: at.addr}:
			byAddress[at.addr] = r
		case destination{net: at.net}:
			byNetwork[at.net] = r
		}
	}
	contacts.Addresses.WalkSources(func(worker int, src netip.Addr, of *pairs.Of) {
		if !p.internal(src) || contacts.IsProxy != nil && contacts.IsProxy(src) {
			return
		}
		s := &all[worker]
		s.begin()
		for i := range of.Len() {
			dst := of.Dst(i)
			near := hunt.NetworkOf(dst)
			address, network := byAddress[dst], byNetwork[near]
			if address == nil && network == nil && !p.wanted.Has(anyPort(near).hash()) && (len(s.others) > acquainted || i >= tries) {
				continue
			}
			of.Decode(i, &s.pair)
			s.meet(destination{net: near}, address, network)
			for n := range s.pair.Ports {
				if at := (place{net: near, port: s.pair.Ports[n].Number}).hash(); p.wanted.Has(at) {
					s.at[at] = s.at[at].Join(s.contact(n))
				}
			}
		}
		p.note(src, s)
	})
}

// names walks the connections by name.
func (p *Count) names(contacts *Contacts) {
	if contacts.Named == nil {
		return
	}
	all := make([]scratch, pairs.Workers())
	contacts.Named.Table.WalkSources(func(worker int, src netip.Addr, of *pairs.Of) {
		if !p.internal(src) || contacts.IsProxy != nil && contacts.IsProxy(src) {
			return
		}
		s, own := &all[worker], p.number(src)
		s.begin()
		for i := range of.Len() {
			id := of.Dst(i)
			look := p.look(s, contacts.Named, id)
			if look.of == [2]*reach{} && (len(s.others) > acquainted || i >= tries) {
				continue
			}
			of.Decode(i, &s.pair)
			if s.meet(look.other, look.of[:]...); look.ports[0] == nil && look.ports[1] == nil {
				continue
			}
			for _, u := range s.pair.Uses() {
				at := place{net: hunt.NetworkOf(u.Addr)}
				for i, ports := range look.ports {
					for _, at.port = range ports {
						at.name = look.as[i]
						if h := at.hash(); p.wanted.Has(h) && p.wasAnswered(place{net: at.net, port: at.port}, own) {
							s.claims = append(s.claims, claim{h, look.of[i]})
						}
					}
				}
			}
		}
		p.note(src, s)
	})
}

// meet records when the current pair was answered.
func (s *scratch) meet(destination destination, of ...*reach) {
	when := s.contact(-1)
	if when != (Span{}) && len(s.others) <= acquainted {
		s.others[destination] = struct{}{}
	}
	s.longest = max(s.longest, when.Last-when.First)
	for _, r := range of {
		if r != nil {
			s.reached[r] = s.reached[r].Join(when)
		}
	}
}

// look returns the state of a name.
func (p *Count) look(s *scratch, named *pairs.Named, id netip.Addr) *nameLook {
	if l := s.names[id]; l != nil {
		return l
	}
	name := named.Name(id)
	l := &nameLook{of: [2]*reach{p.reached[destination{name: name}]}, other: destination{name: name}}
	domain, ok := domainOf(name)
	if ok {
		l.of[1], l.other = p.reached[domain], domain
	}
	l.as = [2]string{name, hunt.Below(domain.domain)}
	l.ports = [2][]uint16{p.ports[l.as[0]], p.ports[l.as[1]]}
	if s.names == nil {
		s.names = map[netip.Addr]*nameLook{}
	}
	s.names[id] = l
	return l
}

// note records a host's contacts.
func (p *Count) note(src netip.Addr, s *scratch) {
	own := p.number(src)
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(s.others) >= acquainted || s.longest >= p.half && len(s.others) > 0 {
		p.known[own] = struct{}{}
	}
	if len(s.others) > 0 {
		p.active[own] = struct{}{}
	}
	kept := func(s Span) bool { return s != Span{} && s.Last-s.First >= p.again }
	for r, when := range s.reached {
		if r.touched.add(own); kept(when) {
			r.talking.add(own)
		}
	}
	for at, when := range s.at {
		if when != (Span{}) {
			p.answered = append(p.answered, at^spread(own))
		}
		if kept(when) {
			p.vouching = append(p.vouching, voucher{at, own})
		}
	}
	for _, c := range s.claims {
		if kept(s.reached[c.of]) {
			p.vouching = append(p.vouching, voucher{c.at, own})
		}
	}
}

// contact is the span in which a port's connections (-1: all) were answered with bytes in both directions, to the end
// of the last one.
func (s *scratch) contact(port int) (when Span) {
	for i := range s.pair.Connections {
		if c := &s.pair.Connections[i]; (port < 0 || int(c.Port) == port) && BothWays(c) {
			when = when.Join(Span{c.Start, c.Start + max(c.Duration, 0)})
		}
	}
	return when
}

// resolver is the place of an address as a DNS server.
func resolver(a netip.Addr) place { return place{net: hunt.NetworkOf(a), port: 53} }

// Resolves reports whether several hosts vouch for an address as a resolver; own counts without conditions.
func (p *Count) Resolves(a, own netip.Addr) bool { return p.vouch(resolver(a), own) >= fleetHosts }

// Known reports whether more than one conversation of a host is known: several destinations answered it, or one for
// half of the window.
func (p *Count) Known(host netip.Addr) bool {
	number, met := p.numbers[host]
	_, known := p.known[number]
	return met && known
}

// BothWays reports whether data went both ways. HTTP and TLS records in place of connections have no IP bytes; their
// existence shows that data was sent.
func BothWays(c *pairs.Record) bool {
	if c.OrigIPBytes == hunt.Absent {
		return c.RespBytes != 0 && c.State == hunt.StateOther
	}
	return c.OrigBytes > 0 && c.RespBytes > 0
}
