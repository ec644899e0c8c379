package simulate

import (
	"net/netip"
	"strings"

	"dwell/internal/hunt"
)

// chore is something that a host does repeatedly while it is switched on.
type chore struct {
	h *host
	d dice
	// gap is the time to the next turn; do performs it.
	interval func(c *chore) micros
	do       func(c *chore, e *engine, t micros)
	// awake delays the chore until its user is at the host.
	awake bool
	// atOnce starts when the host is switched on, not somewhere in the first gap.
	atOnce bool
	turns  int
}

func (c *chore) act(e *engine, t micros) micros {
	spans := c.h.on
	if c.awake {
		spans = c.h.at
	}
	if !within(spans, t) {
		for _, s := range spans {
			if s.from > t {
				return s.from + c.d.between(second, 40*second)
			}
		}
		return never
	}
	c.do(c, e, t)
	c.turns++
	return t + max(c.interval(c), 10*millisecond)
}

// chore adds one; its first turn is somewhere in the first gap.
func (e *engine) chore(name string, h *host, c chore) {
	c.h, c.d = h, newDice(e.sc.Seed, name+" "+h.name)
	spans := h.on
	if c.awake {
		spans = h.at
	}
	if len(spans) == 0 {
		return
	}
	first := max(spans[0].from, e.start)
	wait := max(c.interval(&c), 2*second)
	if c.atOnce && first > e.start {
		wait = 4 * second
	}
	e.add(&c, first+c.d.between(second, wait))
}

func every(mean micros, share float64) func(*chore) micros {
	return func(c *chore) micros { return c.d.around(mean, share) }
}

func randomly(mean micros) func(*chore) micros {
	return func(c *chore) micros { return c.d.exp(mean) }
}

// addMachines gives every host its automatic activity.
func (e *engine) addHosts() {
	ntp := e.background("ntp", 123, "udp", "beacon", "clock daemons ask their time servers every 64 to 1024 seconds; benign")
	updates := e.background("updates", 443, "tcp", "none", "systems and browsers look for updates a few times a day, and sometimes fetch one; benign")
	for _, h := range e.people {
		e.addClock(h, ntp)
		e.addUpdates(h, updates)
		e.addDirectory(h)
		e.addLeases(h)
		e.chore("chatter", h, chore{interval: randomly(9 * minute), do: chatter})
		e.chore("stale", h, chore{interval: randomly(50 * minute), do: stale})
	}
	for _, h := range e.servers {
		e.addClock(h, ntp)
	}
	e.addServers()
}

// addClock polls time servers: Windows workstations use their domain controller, all others external servers.
func (e *engine) addClock(h *host, label *Label) {
	d := newDice(e.sc.Seed, "clock "+h.name)
	server := e.clocks[d.IntN(len(e.clocks))]
	if h.system == windows && h != e.servers[dc1] {
		server = e.servers[dc1].addr
		label = nil
	}
	poll := micros(6)
	label.involve(h, server)
	e.chore("ntp", h, chore{
		interval: func(c *chore) micros {
			// The daemon starts at 64 s and doubles up to 1024 s, occasionally falling back.
			if c.turns%8 == 7 && poll < 10 {
				poll++
			} else if c.d.chance(0.01) {
				poll = 6
			}
			return (second << poll) + c.d.between(-2*second, 2*second)
		},
		do: func(c *chore, e *engine, t micros) {
			e.send(c.d, flow{from: c.h, dst: server, sport: 123, dport: 123, proto: hunt.UDP, service: "ntp", start: t,
				dur: c.d.between(3*millisecond, 60*millisecond), out: 48, in: 48, fate: e.luck(c.d), label: label})
		},
	})
}

// addUpdates checks for updates of the system and the browser.
func (e *engine) addUpdates(h *host, label *Label) {
	do := func(c *chore, e *engine, t micros) {
		name, addr := "update."+h.system.String()+"-vendor.example", scattered(firstUpdate+int(h.system))
		t = e.lookup(c.d, h, name, []netip.Addr{addr}, nil, 300, t)
		size := c.d.logNormal(14_000, 0.8)
		if c.d.chance(0.12) {
			size = c.d.logNormal(40_000_000, 1)
		}
		label.involve(h, addr)
		e.send(c.d, flow{from: h, dst: addr, dport: 443, proto: hunt.TCP, service: "ssl", start: t + 2*millisecond,
			dur: 300*millisecond + size*8/50, out: c.d.logNormal(2500, 0.5), in: size, fate: e.luck(c.d), label: label,
			hello: &hello{name: name, next: "h2", ja3: ja3("updater " + h.system.String()), ja3s: ja3("server " + name), ja4: ja4("updater "+h.system.String(), "h2")}})
	}
	e.chore("system update", h, chore{interval: every(19*hour, 0.15), do: do})
	e.chore("browser update", h, chore{interval: every(5*hour, 0.2), do: do})
}

// addDirectory is a domain member's activity: log on, fetch policies, keep drives connected.
func (e *engine) addDirectory(h *host) {
	if h.system == linux {
		return
	}
	inside := func(c *chore, e *engine, t micros, server *host, port uint16, service string, out, in int64, dur micros) *Connection {
		return e.send(c.d, flow{from: h, dst: server.addr, dport: port, proto: hunt.TCP, service: service, start: t, dur: dur, out: out, in: in, fate: e.luck(c.d)})
	}
	e.chore("policy", h, chore{interval: every(105*minute, 0.15), do: func(c *chore, e *engine, t micros) {
		d := c.d
		dc := e.servers[dc1+d.IntN(2)]
		t = e.ask(d, h, question{name: "_ldap._tcp.dc._msdcs." + e.sc.Domain, typ: typeSRV, local: true,
			answers: []string{"dc-1." + e.sc.Domain, "dc-2." + e.sc.Domain}, ttl: 600}, t)
		for turn := range 1 + d.IntN(3) {
			t += d.between(millisecond, 30*millisecond)
			e.ticket(inside(c, e, t, dc, 88, "krb_tcp", d.around(1700, 0.3), d.around(1800, 0.3), d.between(2*millisecond, 9*millisecond)), h, turn)
		}
		inside(c, e, t+20*millisecond, dc, 389, "ldap_tcp", d.around(2400, 0.4), d.around(5200, 0.4), d.between(30*millisecond, 30*second))
		inside(c, e, t+35*millisecond, dc, 445, "gssapi,smb,krb", d.around(5200, 0.4), d.around(9000, 0.6), d.between(8*second, 14*second))
		inside(c, e, t+15*millisecond, dc, 135, "dce_rpc", 460, 380, d.between(10*second, 40*second))
	}})
	e.chore("drive", h, chore{awake: true, interval: randomly(7 * minute), do: func(c *chore, e *engine, t micros) {
		d := c.d
		service, old := "gssapi,smb,krb", c.turns%10 == 9
		if old {
			service = "gssapi,ntlm,smb"
		}
		sent := inside(c, e, t, e.servers[files1], 445, service, d.logNormal(22_000, 1.4), d.logNormal(160_000, 1.8), d.logNormal(70*second, 1.2))
		if old {
			e.logon(sent, h, e.servers[files1])
		}
	}})
}

// chatter is a host's multicast and broadcast traffic.
func chatter(c *chore, e *engine, t micros) {
	d := c.d
	group, port, size := netip.AddrFrom4([4]byte{224, 0, 0, 251}), uint16(5353), int64(90)
	switch d.IntN(4) {
	case 0:
		group, port, size = netip.AddrFrom4([4]byte{239, 255, 255, 250}), 1900, 700
	case 1:
		group, port, size = netip.AddrFrom4([4]byte{224, 0, 0, 252}), 5355, 44
	case 2:
		group, port, size = e.broadcast, 137, 150
	}
	f := flow{from: c.h, dst: group, dport: port, proto: hunt.UDP, start: t, dur: d.between(400*millisecond, 3*second), out: d.around(size, 0.3), fate: ignored}
	if port == 5353 || port == 137 {
		f.sport = port
	}
	if port != 1900 {
		// Zeek's DNS analyzer also handles multicast DNS and NetBIOS names.
		f.service = "dns"
	}
	sent := e.send(d, f)
	switch port {
	case 5353:
		e.asked(sent, question{name: "_ipp._tcp.local", typ: typePTR})
	case 5355:
		e.asked(sent, question{name: "wpad", typ: typeA})
	case 137:
		e.asked(sent, question{name: strings.ToUpper(c.h.name), typ: typeNB})
	}
}

// stale is a program that tries something that no longer exists: a printer, a share, an external host.
func stale(c *chore, e *engine, t micros) {
	d := c.d
	f := flow{from: c.h, dst: e.people[d.IntN(len(e.people))].addr, dport: []uint16{9100, 445, 5357, 631}[d.IntN(4)], proto: hunt.TCP, start: t, fate: refused}
	if d.chance(0.4) {
		f.dst, f.fate = v4(0xC6120000+uint32(d.IntN(1<<16))), ignored
		f.dport = []uint16{443, 80, 8080, 5222}[d.IntN(4)]
	}
	e.send(d, f)
}

// addServers is the activity of the site's servers.
func (e *engine) addServers() {
	e.chore("pings", e.servers[monitor1], chore{interval: every(20*second, 0.02), do: func(c *chore, e *engine, t micros) {
		target := e.servers[c.turns%serverCount]
		if target == c.h {
			target = e.servers[dc1]
		}
		e.send(c.d, flow{from: c.h, dst: target.addr, sport: 8, dport: 0, proto: hunt.ICMP, start: t, dur: c.d.between(200, 1500), out: 56, in: 56})
	}})
	e.chore("replication", e.servers[dc2], chore{interval: every(3*minute, 0.3), do: func(c *chore, e *engine, t micros) {
		e.send(c.d, flow{from: c.h, dst: e.servers[dc1].addr, dport: 49668, proto: hunt.TCP, service: "dce_rpc", start: t,
			dur: c.d.between(second, 90*second), out: c.d.logNormal(3000, 0.8), in: c.d.logNormal(6000, 1)})
	}})
	e.chore("backup", e.servers[backup1], chore{interval: every(6*hour, 0.05), do: func(c *chore, e *engine, t micros) {
		for k, s := range []int{files1, app1, dc1} {
			e.send(c.d, flow{from: c.h, dst: e.servers[s].addr, dport: 445, proto: hunt.TCP, service: "gssapi,smb,krb", start: t + micros(k)*5*minute,
				dur: c.d.around(25*minute, 0.5), out: c.d.logNormal(4_000_000, 0.5), in: c.d.logNormal(3_000_000_000, 0.7)})
		}
	}})
	e.chore("api", e.servers[app1], chore{interval: randomly(40 * second), do: func(c *chore, e *engine, t micros) {
		e.visit(c.d, c.h, c.d.IntN(12), t, 1)
	}})
	own := e.newCertificate("www."+e.sc.Domain, 1, e.start-20*day, false)
	// External visitors of the web server, and port scanners.
	e.chore("visitors", e.servers[web1], chore{interval: randomly(25 * second), do: func(c *chore, e *engine, t micros) {
		d := c.d
		f := flow{src: v4(0xC6120800 + uint32(d.IntN(120_000))), sport: uint16(1024 + d.IntN(64_000)), dst: c.h.addr, dport: 443, proto: hunt.TCP,
			service: "ssl", start: t, dur: d.logNormal(5*second, 1), out: d.logNormal(1500, 0.7), in: d.logNormal(24_000, 1.2)}
		if d.chance(0.45) {
			f.dport, f.fate = []uint16{22, 23, 80, 3389, 8080, 445, 5900}[d.IntN(7)], refused
			if d.chance(0.5) {
				f.fate = ignored
			}
		} else {
			f.hello = &hello{name: "www." + e.sc.Domain, next: "h2", ja3: ja3("stranger"), ja3s: ja3("server web-1"), ja4: ja4("stranger", "h2"), cert: own}
		}
		e.send(d, f)
	}})
}
