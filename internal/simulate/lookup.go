package simulate

import (
	"net/netip"

	"dwell/internal/hunt"
)

// question is one DNS query and its answer.
type question struct {
	name    string
	typ     uint16
	answers []string
	ttl     int64
	// missing means that the name does not exist.
	missing bool
	// local names are answered by the site's own resolver, without forwarding.
	local bool
}

// The query types used, by their DNS numbers.
const (
	typeA     = 1
	typeCNAME = 5
	typePTR   = 12
	typeTXT   = 16
	typeAAAA  = 28
	typeNB    = 32
	typeSRV   = 33
	typeHTTPS = 65
)

// lookup resolves a name for a host, unless it is cached, and returns the time of the answer.
func (e *engine) lookup(d dice, h *host, name string, four, six []netip.Addr, ttl int64, t micros) micros {
	if h.known[name] > t {
		return t
	}
	if len(h.known) > 400 {
		for n, until := range h.known {
			if until <= t {
				delete(h.known, n)
			}
		}
	}
	ask := question{name: name, typ: typeA, answers: texts(four), ttl: ttl}
	done := e.ask(d, h, ask, t)
	if h.addr6.IsValid() {
		ask.typ, ask.answers = typeAAAA, texts(six)
		e.ask(d, h, ask, t+d.between(20, 400))
	}
	if !h.server && d.chance(0.35) {
		ask.typ, ask.answers = typeHTTPS, nil
		e.ask(d, h, ask, t+d.between(30, 900))
	}
	h.known[name] = t + max(ttl, 30)*second
	return done
}

// ask sends one query to one of the site's resolvers, which forwards it to the provider's if unknown.
func (e *engine) ask(d dice, h *host, q question, t micros) micros {
	resolver := e.servers[dc1]
	if h == resolver || h != e.servers[dc2] && d.chance(0.15) {
		resolver = e.servers[dc2]
	}
	took := d.between(250, 1800)
	memory := q.name + " " + typeName(q.typ)
	if !q.local && resolver.known[memory] <= t {
		up := d.between(200, 600)
		wait := 4*millisecond + min(d.logNormal(14*millisecond, 0.9), 150*millisecond)
		e.query(d, resolver, e.forwarders[d.IntN(len(e.forwarders))], q, t+up, wait, nil)
		took += up + wait
		e.remember(resolver, memory, t+took, q.ttl)
	}
	e.query(d, h, resolver.addr, q, t, took, nil)
	return t + took
}

// remember caches an answer in a resolver, and expires stale ones.
func (e *engine) remember(resolver *host, what string, t micros, ttl int64) {
	if len(resolver.known) > 50_000 {
		for n, until := range resolver.known {
			if until <= t {
				delete(resolver.known, n)
			}
		}
	}
	resolver.known[what] = t + max(ttl, 5)*second
}

// query is one DNS exchange on the network.
func (e *engine) query(d dice, from *host, server netip.Addr, q question, t, took micros, label *Label) *Connection {
	out := int64(12 + len(q.name) + 6 + 11)
	in := out
	for _, a := range q.answers {
		in += 12 + max(int64(len(a)), 4)
	}
	if q.missing || len(q.answers) == 0 {
		in += 70
	}
	fate := answered
	if d.chance(0.002) {
		fate = ignored
	}
	c := e.send(d, flow{from: from, dst: server, dport: 53, proto: hunt.UDP, service: "dns", start: t, dur: took, out: out, in: in,
		fate: fate, label: label})
	e.asked(c, q)
	return c
}

// asked logs the query inside a connection.
func (e *engine) asked(c *Connection, q question) {
	if c == nil || e.onlyConnections {
		return
	}
	r := &dnsRecord{conn: c, ts: c.Start, q: q, trans: e.details.between(1, 65535), rtt: Absent}
	at := c.Start + 10*second
	if c.State == "SF" {
		r.rtt, at = c.Duration, c.Start+c.Duration
	}
	e.put(DNSLog, at, r)
}

func texts(addrs []netip.Addr) []string {
	out := make([]string, len(addrs))
	for i, a := range addrs {
		out[i] = a.String()
	}
	return out
}

func typeName(t uint16) string {
	switch t {
	case typeA:
		return "A"
	case typeCNAME:
		return "CNAME"
	case typePTR:
		return "PTR"
	case typeTXT:
		return "TXT"
	case typeAAAA:
		return "AAAA"
	case typeNB:
		return "NB"
	case typeSRV:
		return "SRV"
	case typeHTTPS:
		return "HTTPS"
	}
	return ""
}
