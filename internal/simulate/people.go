package simulate

import (
	"net/netip"

	"dwell/internal/hunt"
)

// person browses: bursts of pages with think times between them, breaks, and nothing when away.
type person struct {
	h *host
	d dice
	// think is the median time between two pages.
	think micros
	// parallel is the mean number of connections over which a page is loaded.
	parallel float64
	// favorites are the sites that the user visits repeatedly.
	favorites []int
}

// The shape of browsing: the mean gap between pages is pageGap times the median think time.
const (
	thinkSigma   = 1.0
	breakShare   = 0.08
	breakTimes   = 10
	pageInterval = 1.649 + breakShare*breakTimes
)

// The connections of a rate, measured; TestRateIsKept checks them. A workstation makes otherConnections per hour
// without browsing. A page makes connectionsAPage including DNS, fewer at many pages per day, because names are cached
// and connections still open. Above fullRate, pages use more connections instead of increasing in number; fullWeb is
// the rate per hour of those to sites.
const (
	otherConnections = 17
	connectionsAPage = 14
	pagesToHalve     = 2600
	fullRate         = 600
	fullWeb          = 235
)

// browsing returns the pages that a user loads on a working day, and the connections per site of a page.
func browsing(rate float64) (pages, parallel float64) {
	wanted := max(min(rate, fullRate)-otherConnections, 0) * 24
	return max(wanted/(connectionsAPage-wanted/pagesToHalve), 1), 1 + max(rate-fullRate, 0)/fullWeb
}

func (e *engine) addPeople() {
	// Hours at the host on a working day: without lunch, with occasional absences and evenings.
	atWork := float64(e.sc.Work.To-e.sc.Work.From)/60 - 0.75
	atWork = float64(0.93*atWork) + 0.12
	pages, parallel := browsing(e.sc.Rate)
	think := micros(atWork * 3600 / pages / pageInterval * 1e6)
	for _, h := range e.people {
		d := newDice(e.sc.Seed, "person "+h.name)
		p := &person{h: h, d: d, think: d.around(think, 0.4), parallel: parallel}
		for range 15 + d.IntN(15) {
			p.favorites = append(p.favorites, e.popular.draw(d))
		}
		if len(h.at) > 0 {
			e.add(p, max(h.at[0].from, e.start)+d.between(0, minute))
		}
	}
}

func (p *person) act(e *engine, t micros) micros {
	if !within(p.h.at, t) {
		for _, s := range p.h.at {
			if s.from > t {
				return s.from + p.d.between(0, 2*minute)
			}
		}
		return never
	}
	p.page(e, t)
	next := t + p.d.logNormal(p.think, thinkSigma)
	if p.d.chance(breakShare) {
		next += p.d.exp(breakTimes * p.think)
	}
	return next
}

// page loads a page: its site, and the parts from other sites.
func (p *person) page(e *engine, t micros) {
	d := p.d
	i := e.popular.draw(d)
	if d.chance(0.6) {
		i = p.favorites[d.IntN(len(p.favorites))]
	}
	loaded := e.visit(d, p.h, i, t, p.connections()+d.IntN(2))
	at := loaded
	for _, part := range e.sites[i].parts {
		if d.chance(0.25) {
			continue
		}
		at += d.exp(60 * millisecond)
		e.visit(d, p.h, part, at, p.connections())
	}
	// An occasional mistyped or stale link.
	if d.chance(0.02) {
		e.ask(d, p.h, question{name: "www." + d.hex(6) + "." + e.sc.Domain, typ: typeA, missing: true, local: true}, t)
	}
}

// connections draws the number of connections for a load.
func (p *person) connections() int {
	n := int(p.parallel)
	if p.parallel > 1 && p.d.chance(p.parallel-float64(n)) {
		n++
	}
	return n
}

// visit fetches something from a site over n connections, or over those still open. It returns the time of the first
// answer.
func (e *engine) visit(d dice, h *host, i int, t micros, n int) micros {
	s := e.sites[i]
	if h.busy[i] > t {
		h.busy[i] = t + s.keep
		return t + s.rtt
	}
	if len(h.busy) > 400 {
		for k, until := range h.busy {
			if until <= t {
				delete(h.busy, k)
			}
		}
	}
	t = e.lookup(d, h, s.name, s.addrs, s.addrs6, s.ttl, t) + d.between(100, 3000)
	for range n {
		f := flow{from: h, dst: s.addr(d, h), dport: 443, proto: hunt.TCP, service: "ssl", start: t + d.between(0, 30*millisecond)}
		if s.plain {
			f.dport, f.service = 80, "http"
			f.request = &request{method: "GET", host: s.name, agent: h.agent(), mime: "text/html", most: 4}
		} else {
			if s.quic && d.chance(0.6) {
				f.proto, f.service = hunt.UDP, "quic,ssl"
			}
			f.hello = s.hello(h, f.proto)
		}
		f.out, f.in = 500+d.logNormal(900, 1.0), 3200+d.logNormal(s.size, 1.3)
		// The download time, and how long the connection is kept open afterwards.
		f.dur = 3*s.rtt + f.in*8/20 + d.logNormal(s.keep, 0.5)
		f.fate = e.luck(d)
		e.send(d, f)
	}
	h.busy[i] = t + s.keep
	return t + 2*s.rtt
}

// addr picks one of a site's addresses; hosts with IPv6 prefer that.
func (s *site) addr(d dice, h *host) netip.Addr {
	if h.addr6.IsValid() && len(s.addrs6) > 0 && d.chance(0.85) {
		return s.addrs6[d.IntN(len(s.addrs6))]
	}
	return s.addrs[d.IntN(len(s.addrs))]
}

// hello is what a browser shows in a connection to a site.
func (s *site) hello(h *host, proto hunt.Transport) *hello {
	next := "h2"
	if proto == hunt.UDP {
		next = "h3"
	}
	x := &hello{name: s.name, next: next, ja3: ja3(h.program()), ja3s: ja3("server " + s.server), ja4: ja4(h.program(), next)}
	if s.old && proto == hunt.TCP {
		x.cert, x.next = s.cert, "http/1.1"
	}
	return x
}

// luck draws whether an attempt succeeds.
func (e *engine) luck(d dice) fate {
	switch {
	case !d.chance(float64(e.sc.Failed)):
		return answered
	case d.chance(0.7):
		return ignored
	}
	return refused
}
