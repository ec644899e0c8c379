package simulate

import (
	"fmt"
	"net/netip"
	"strings"

	"dwell/internal/hunt"
)

// talking is a Talker on one host.
type talking struct {
	t     *Talker
	h     *host
	d     dice
	label *Label
	dsts  []netip.Addr
	// turn counts check-ins, due is the time of the next one, and grid the next time of a fixed clock. mode is the
	// current one of several periods, until modeEnds.
	turn     int
	grid     micros
	due      micros
	mode     int
	modeEnds micros
	from, to micros

	// name is the one it uses now; hello and request are what its connections show.
	name    string
	hello   *hello
	request *request
	// proxy is the proxy it uses, or nil; asked is its request to the proxy.
	proxy *host
	asked *request
}

func (e *engine) addTalkers() {
	for list, talkers := range [][]Talker{e.sc.Services, e.sc.Implants} {
		for i := range talkers {
			e.addTalker(&talkers[i], i, list == 1)
		}
	}
}

func (e *engine) addTalker(t *Talker, i int, malign bool) {
	dsts := t.Destinations
	if len(dsts) == 0 {
		// Services are in various networks, implants in 203.0.113.0/24, then 198.51.100.0/24.
		a := scattered(firstService + i)
		if malign {
			a = v4(0xCB007100 + uint32(7+(i*29)%240))
			if i >= 240 {
				a = v4(0xC6336400 + uint32(1+i%250))
			}
		}
		dsts = []netip.Addr{a}
	}
	if t.asks() {
		dsts = []netip.Addr{e.servers[dc1].addr}
	}
	label := newLabel(t, malign, dsts)
	e.labels = append(e.labels, label)
	for _, h := range e.hostsOf(t, i, malign) {
		if malign {
			// Labels must not depend on when a host is switched off.
			h.on = []span{{e.start, e.end}}
		}
		d := newDice(e.sc.Seed, "talker "+t.Name+" "+h.name)
		p := &talking{t: t, h: h, d: d, label: label, dsts: dsts, name: t.Domain, from: e.start + t.From.micros(), to: e.end}
		if t.To != 0 {
			p.to = min(p.to, e.start+t.To.micros())
		}
		if t.Proxy {
			p.proxy = e.servers[proxy1]
			label.Proxy = p.proxy.addr
		}
		p.turns(e)
		label.host(h)
		first := p.from + d.between(0, min(p.period(), hour))
		if t.Kind == KindLong || t.Kind == KindStrobe {
			first = p.from + d.between(0, 5*minute)
		}
		p.grid = first
		p.modeEnds = first + t.Hold.micros()
		e.add(p, first)
	}
}

// hostsOf picks a talker's hosts.
func (e *engine) hostsOf(t *Talker, i int, malign bool) []*host {
	var out []*host
	for _, name := range t.Hosts {
		out = append(out, e.byName[name])
	}
	if len(t.Hosts) > 0 {
		return out
	}
	fits := func(h *host) bool { return t.System == "" || h.system.String() == t.System }
	d := newDice(e.sc.Seed, "hosts "+t.Name)
	if t.Share > 0 {
		for _, h := range e.people {
			if fits(h) && d.chance(float64(t.Share)) {
				out = append(out, h)
			}
		}
	}
	if len(out) > 0 {
		return out
	}
	// One host: each implant has its own, as long as there are enough.
	at := d.IntN(len(e.people))
	if malign {
		at = (newDice(e.sc.Seed, "first victim").IntN(len(e.people)) + i*max(len(e.people)/max(len(e.sc.Implants), 1), 1)) % len(e.people)
	}
	for range e.people {
		if fits(e.people[at]) {
			break
		}
		at = (at + 1) % len(e.people)
	}
	return []*host{e.people[at]}
}

func (p *talking) period() micros {
	if len(p.t.Periods) > 0 {
		return p.t.Periods[p.mode%len(p.t.Periods)].micros()
	}
	return p.t.Period.micros()
}

func (p *talking) act(e *engine, t micros) micros {
	if t >= p.to {
		return never
	}
	if t < p.due {
		e.lookup(p.d, p.asker(), p.name, p.dsts, nil, nameTTL, t)
		return p.due
	}
	if wait := p.asleep(e, t); wait > 0 {
		p.grid, p.due = wait, wait
		return p.early(t)
	}
	end := t
	if !p.d.chance(float64(p.t.Loss)) {
		end = p.checkIn(e, t)
	}
	p.turn++
	if p.t.Names > 0 {
		p.turns(e)
	}
	p.due = p.next(t, end)
	return p.early(t)
}

// A name is looked up lookAhead before the connection, so that this does not change the interval; nameTTL is the
// answer's lifetime in seconds.
const (
	lookAhead = 200 * millisecond
	nameTTL   = 300
)

// early returns the next time to act: the next check-in, or slightly before if the name must be looked up.
func (p *talking) early(now micros) micros {
	if p.t.Domain != "" && !p.t.asks() && p.asker().known[p.name] <= p.due && p.due-lookAhead > now && p.due < never {
		return p.due - lookAhead
	}
	return p.due
}

// asleep returns the time at which the talker may continue, or 0 for now.
func (p *talking) asleep(e *engine, t micros) micros {
	if p.t.OfficeHours {
		from, to := micros(e.sc.Work.From)*minute, micros(e.sc.Work.To)*minute
		midnight := t - t%day
		weekday := (midnight/day + 4) % 7
		if t-midnight < from && weekday != 0 && weekday != 6 {
			return midnight + from + p.d.between(0, p.period())
		}
		if t-midnight >= to || weekday == 0 || weekday == 6 {
			return midnight + day + p.d.between(0, minute)
		}
	}
	if !within(p.h.on, t) {
		for _, s := range p.h.on {
			if s.from > t {
				return s.from + p.d.between(second, minute)
			}
		}
		return never
	}
	return 0
}

// next is the time of the next check-in after one that started at t and ended at end.
func (p *talking) next(t, end micros) micros {
	if len(p.t.Periods) > 0 && t >= p.modeEnds {
		p.mode++
		p.modeEnds = t + p.t.Hold.micros()
	}
	period, jitter := p.period(), float64(p.t.Jitter)
	switch {
	case p.t.Kind == KindLong:
		return end + p.d.around(period, jitter)
	case p.t.Timing == TimingClock:
		p.grid += period
		return max(p.grid+p.d.between(0, int64(float64(period)*jitter)), t+1)
	case p.t.Timing == TimingMemoryless:
		return t + p.d.exp(period)
	case p.t.Timing == TimingWork:
		return t + p.d.exp(p.t.Work.micros()) + p.d.around(period, jitter)
	case p.t.Timing == TimingEarly:
		return t + p.d.between(period-int64(float64(period)*jitter), period)
	}
	return t + p.d.around(period, jitter)
}

// checkIn makes the connections of one check-in, and returns the end of the last one.
func (p *talking) checkIn(e *engine, t micros) micros {
	switch p.t.Kind {
	case KindDNSTunnel:
		return p.tunnel(e, t)
	case KindDNSBeacon:
		q := question{name: p.name, typ: typeTXT, ttl: 1, answers: []string{"TXT " + p.d.hex(40)}}
		took := p.d.between(15*millisecond, 90*millisecond)
		e.query(p.d, e.servers[dc1], e.forwarders[0], q, t+300, took, nil)
		e.query(p.d, p.h, e.servers[dc1].addr, q, t, took+700, p.label)
		return t + took
	}
	dst := p.dsts[p.turn%len(p.dsts)]
	if p.t.Rotate == "random" {
		dst = p.dsts[p.d.IntN(len(p.dsts))]
	}
	begin := t
	if p.t.Domain != "" {
		begin = e.lookup(p.d, p.asker(), p.name, p.dsts, nil, nameTTL, t)
	}
	end := t
	for k := range max(p.t.Burst, 1) {
		if k > 0 {
			begin = t + p.d.between(0, max(p.t.Spread.micros(), second))
		}
		end = max(end, p.connection(e, dst, begin))
	}
	return end
}

func (p *talking) connection(e *engine, dst netip.Addr, t micros) micros {
	port, proto, service := p.t.wire()
	size := float64(p.t.SizeJitter)
	f := flow{from: p.h, dst: dst, dport: port, proto: proto, service: service, start: t, label: p.label,
		out: p.d.around(orElse(p.t.Request, 600), size), in: p.d.around(orElse(p.t.Response, 1800), size),
		dur: p.d.around(orElse(p.t.Duration.micros(), 350*millisecond), size)}
	f.hello, f.request, f.open = p.hello, p.request, p.t.Open
	if p.t.AnyPort {
		f.dport = uint16(1024 + p.d.IntN(60_000))
	}
	f.dur = min(f.dur, max(p.to-t, second))
	if p.d.chance(float64(p.t.Fails)) {
		f.fate = ignored
		if p.t.Refused {
			f.fate = refused
		}
	}
	end := t
	if p.proxy != nil {
		// The proxy's own connection, slightly later.
		outside := f
		outside.from, outside.label, outside.start = p.proxy, nil, t+p.d.between(millisecond, 6*millisecond)
		outside.dur = max(f.dur-10*millisecond, millisecond)
		e.send(p.d, outside)
		f.dst, f.dport, f.fate = p.proxy.addr, proxyPort, answered
		switch {
		case p.t.SOCKS:
			f.dport, f.socks, f.service = socksPort, &socksAsked{p.name, port}, strings.TrimSuffix("socks,"+service, ",")
		case f.service == "ssl":
			f.request, f.service = p.asked, "http,ssl"
		default:
			f.request = p.asked
		}
	}
	if c := e.send(p.d, f); c != nil {
		e.listed(c, p.t, p.name)
		end = c.Start + max(c.Duration, 0)
	}
	return end
}

// proxyPort and socksPort are the ports of the site's proxy.
const proxyPort, socksPort = 3128, 1080

// asker is the host that looks up the talker's name.
func (p *talking) asker() *host {
	if p.proxy != nil {
		return p.proxy
	}
	return p.h
}

// name is one of its domains.
func (t *Talker) name(i int) string { return fmt.Sprintf("n%d-%s", i+1, t.Domain) }

// turns picks the name of the next check-in.
func (p *talking) turns(e *engine) {
	if p.t.Names > 0 {
		p.name = p.t.name(p.d.IntN(p.t.Names))
	}
	p.looks(e)
}

// looks sets what the talker's connections show inside.
func (p *talking) looks(e *engine) {
	t := p.t
	port, proto, service := t.wire()
	name := p.name
	if t.NoServerName {
		name = ""
	}
	switch {
	case service == "ssl" || service == "quic,ssl":
		next := "h2"
		if proto == hunt.UDP {
			next = "h3"
		}
		p.hello = &hello{name: name, next: next, ja3: orText(t.JA3, ja3("program "+t.Name)), ja3s: ja3("server " + t.Name), ja4: orText(t.JA4, ja4("program "+t.Name, next))}
		if t.SelfSigned && proto == hunt.TCP {
			p.hello.cert, p.hello.next = e.newCertificate(orText(t.Domain, "localhost"), 0, e.start-3*day, true), "http/1.1"
		}
		p.asked = &request{method: "CONNECT", host: p.name, agent: orText(t.UserAgent, p.h.agent()), uri: fmt.Sprintf("%s:%d", p.name, port), most: 1}
	case service == "http":
		if t.Domain == "" && !t.NoServerName {
			name = p.dsts[0].String()
		}
		p.request = &request{method: orText(t.Method, "GET"), host: name, agent: orText(t.UserAgent, p.h.agent()), uri: orText(t.URI, "/"+fingerprint(8, t.Name)), mime: "text/plain", most: 1, each: t.Requests}
		through := *p.request
		through.uri = "http://" + p.name + through.uri
		p.asked = &through
	}
}

func orText(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// wire returns port, transport and service with their defaults.
func (t *Talker) wire() (uint16, hunt.Transport, string) {
	port, proto, service := uint16(t.Port), hunt.ParseTransport(t.Transport), t.Service
	if port == 0 {
		port = 443
	}
	if proto == hunt.TransportUnknown {
		proto = hunt.TCP
	}
	if service == "" && proto == hunt.TCP {
		switch port {
		case 443, 993, 5223:
			service = "ssl"
		case 80:
			service = "http"
		}
	}
	if service == "none" {
		service = ""
	}
	return port, proto, service
}

func orElse(v, other int64) int64 {
	if v != 0 {
		return v
	}
	return other
}

// tunnel queries names that carry data, through the site's resolver.
func (p *talking) tunnel(e *engine, t micros) micros {
	d := p.d
	end := t
	for k := range max(p.t.Burst, 1) {
		at := t
		if k > 0 {
			at += d.between(0, max(p.t.Spread.micros(), second))
		}
		name := d.hex(8+d.IntN(24)) + "." + d.hex(8+d.IntN(30)) + "." + p.t.Domain
		q := question{name: name, typ: []uint16{typeTXT, typeTXT, typeCNAME, typeA}[d.IntN(4)], ttl: 1}
		switch q.typ {
		case typeTXT:
			q.answers = []string{"TXT " + d.hex(60+d.IntN(100))}
		case typeCNAME:
			q.answers = []string{d.hex(20+d.IntN(30)) + "." + p.t.Domain}
		case typeA:
			q.answers = []string{v4(0xCB007100 + uint32(d.IntN(256))).String()}
		}
		up := d.between(15*millisecond, 90*millisecond)
		e.query(d, e.servers[dc1], e.forwarders[0], q, at+300, up, nil)
		if asked := e.query(d, p.h, e.servers[dc1].addr, q, at, up+700, p.label); asked != nil {
			e.listed(asked, p.t, p.t.Domain)
		}
		end = max(end, at+up+700)
	}
	return end
}
