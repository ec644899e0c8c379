package simulate

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// system is a host's operating system.
type system uint8

const (
	windows system = iota
	macos
	linux
)

func (s system) String() string { return [...]string{"windows", "macos", "linux"}[s] }

// host is one internal host.
type host struct {
	name   string
	addr   netip.Addr
	addr6  netip.Addr
	mac    string
	system system
	server bool
	// on are the spans in which the host is switched on; at are those in which its user is at it.
	on, at []span
	port   uint16
	// known are the cached names, with their expiry.
	known map[string]micros
	// busy are the sites with open connections, with the time until which they are kept alive.
	busy map[int]micros
}

// span is a half-open stretch of time.
type span struct{ from, to micros }

// within reports whether t is in one of the sorted spans.
func within(spans []span, t micros) bool {
	for _, s := range spans {
		if t < s.from {
			return false
		}
		if t < s.to {
			return true
		}
	}
	return false
}

// ephemeral returns the next source port, as the system would choose it.
func (h *host) ephemeral(d dice) uint16 {
	lo, hi := 49152, 65535
	if h.system == linux {
		lo, hi = 32768, 60999
	}
	n := int(h.port) + 1 + d.IntN(4)
	if n < lo || n > hi {
		n = lo + d.IntN(hi-lo+1)
	}
	h.port = uint16(n)
	return h.port
}

// The site's servers, and the offsets of their addresses in the first network.
const (
	dc1 = iota
	dc2
	files1
	app1
	backup1
	web1
	monitor1
	proxy1
	serverCount
)

func serverNames() []string {
	return []string{"dc-1", "dc-2", "files-1", "app-1", "backup-1", "web-1", "monitor-1", "proxy-1"}
}

// reserved is the number of addresses not used for workstations: the gateway and the servers.
const reserved = 32

// hostRoom is the number of workstations that fit in a network.
func hostRoom(p netip.Prefix) int {
	bits := min(32-p.Bits(), 24)
	return 1<<bits - reserved - 2
}

func workstationName(i int) string { return fmt.Sprintf("ws-%03d", i+1) }

func (s *Scenario) isHost(name string) bool {
	if slices.Contains(serverNames(), name) {
		return true
	}
	var n int
	if _, err := fmt.Sscanf(name, "ws-%d", &n); err != nil || n < 1 || n > s.Hosts {
		return false
	}
	return workstationName(n-1) == name
}

// world is everything that exists before the first connection.
type world struct {
	sc         *Scenario
	start, end micros
	servers    []*host
	people     []*host
	byName     map[string]*host
	sites      []*site
	popular    popularity
	// forwarders are the provider's resolvers, clocks its time servers.
	forwarders, clocks []netip.Addr
	broadcast          netip.Addr
}

func newWorld(sc *Scenario) *world {
	w := &world{sc: sc, start: sc.Start.Unix() * second, byName: map[string]*host{}}
	w.end = w.start + sc.Length.micros()
	four := sc.Internal[slices.IndexFunc(sc.Internal, func(p netip.Prefix) bool { return p.Addr().Is4() })].Masked()
	var six netip.Prefix
	if i := slices.IndexFunc(sc.Internal, func(p netip.Prefix) bool { return !p.Addr().Is4() }); i >= 0 {
		six = sc.Internal[i].Masked()
	}
	base := binary.BigEndian.Uint32(four.Addr().AsSlice())
	w.broadcast = v4(base | 1<<min(32-four.Bits(), 31) - 1)
	d := newDice(sc.Seed, "world")
	add := func(name string, offset uint32, server bool) *host {
		h := &host{name: name, addr: v4(base + offset), server: server, known: map[string]micros{}, busy: map[int]micros{}}
		h.mac = vendors()[d.IntN(len(vendors()))] + ":" + d.hex(2) + ":" + d.hex(2) + ":" + d.hex(2)
		switch u := d.Float64(); {
		case server && u < 0.5, !server && u > 0.92:
			h.system = linux
		case !server && u > 0.78:
			h.system = macos
		}
		if six.IsValid() && (server || d.chance(float64(sc.IPv6))) {
			b := six.Addr().As16()
			binary.BigEndian.PutUint16(b[14:], uint16(offset))
			b[13] = byte(offset >> 16)
			h.addr6 = netip.AddrFrom16(b)
		}
		w.byName[name] = h
		return h
	}
	for i, name := range serverNames() {
		h := add(name, uint32(i+10), true)
		if i <= files1 {
			h.system = windows
		}
		h.on = []span{{w.start, w.end}}
		w.servers = append(w.servers, h)
	}
	for i := range sc.Hosts {
		h := add(workstationName(i), uint32(reserved+i), false)
		w.plan(h, newDice(sc.Seed, "plan "+h.name))
		w.people = append(w.people, h)
	}
	w.makeSites(newDice(sc.Seed, "sites"))
	for i := range 2 {
		w.forwarders = append(w.forwarders, v4(0xC0000235+uint32(i)))
	}
	for i := range 4 {
		w.clocks = append(w.clocks, v4(0xC000027B+uint32(i)))
	}
	return w
}

func v4(u uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(u >> 24), byte(u >> 16), byte(u >> 8), byte(u)})
}

// outside are the ranges of all external addresses: reserved for documentation and benchmarking.
func outside() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("192.0.2.0/24"),
		netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8::/32")}
}

// vendors are locally administered prefixes, so that they name no real vendor.
func vendors() []string { return []string{"02:1a:11", "06:2b:22", "0a:3c:33"} }

// plan draws the days of a workstation and its user.
func (w *world) plan(h *host, d dice) {
	always := d.chance(0.45)
	night := d.chance(0.04)
	if always {
		h.on = []span{{w.start, w.end}}
	}
	from, to := micros(w.sc.Work.From)*minute, micros(w.sc.Work.To)*minute
	midnight := w.start - w.start%day
	for ; midnight < w.end; midnight += day {
		// 1970-01-01 was a Thursday.
		weekend := (midnight/day+4)%7 == 6 || (midnight/day+4)%7 == 0
		come, leave := midnight+d.normal(from, 30*minute), midnight+d.normal(to, 35*minute)
		lunch := midnight + d.normal((from+to)/2-15*minute, 20*minute)
		back := lunch + d.around(45*minute, 0.4)
		evening, present := d.chance(0.12), d.chance(0.93)
		if weekend {
			leave, present = come+d.around(3*hour, 0.5), d.chance(0.06)
		}
		if night {
			come, leave, lunch, back = come+11*hour, leave+11*hour, lunch+11*hour, back+11*hour
		}
		if !present || leave-come < 30*minute {
			continue
		}
		stay := []span{{come, lunch}, {back, leave}}
		if lunch <= come || back >= leave {
			stay = []span{{come, leave}}
		}
		if evening && !night {
			begin := midnight + d.normal(20*hour, 40*minute)
			if begin > leave+30*minute {
				stay = append(stay, span{begin, begin + d.around(70*minute, 0.6)})
			}
		}
		h.at = append(h.at, stay...)
		if !always {
			h.on = append(h.on, span{come - d.between(minute, 5*minute), leave + d.between(0, 10*minute)})
			if last := stay[len(stay)-1]; last.from > leave {
				h.on = append(h.on, span{last.from - 2*minute, last.to + 3*minute})
			}
		}
	}
	h.on = clean(h.on)
}

// clean sorts spans and joins overlapping ones.
func clean(s []span) []span {
	slices.SortFunc(s, func(a, b span) int { return int(min(max(a.from-b.from, -1), 1)) })
	out := s[:0]
	for _, v := range s {
		if n := len(out); n > 0 && v.from <= out[n-1].to {
			out[n-1].to = max(out[n-1].to, v.to)
			continue
		}
		out = append(out, v)
	}
	return out
}

// site is an external site with a name.
type site struct {
	name   string
	addrs  []netip.Addr
	addrs6 []netip.Addr
	plain  bool // http without TLS
	quic   bool
	ttl    int64
	rtt    micros
	keep   micros
	size   int64
	parts  []int // other sites that its pages load from
	issuer int
	server string
	// old sites use TLS 1.2, which shows their certificate.
	old  bool
	cert *certificate
}

// shared is the number of sites, at the head of the list, from which other sites load parts (fonts, counters, CDN).
func (w *world) shared() int { return min(len(w.sites)/8, 300) }

func (w *world) makeSites(d dice) {
	n := w.sc.Destinations
	w.sites = make([]*site, n)
	taken := map[string]bool{}
	for i := range w.sites {
		s := &site{plain: d.chance(0.04), quic: d.chance(0.22), ttl: []int64{60, 120, 300, 300, 900, 3600}[d.IntN(6)],
			rtt: 4*millisecond + d.logNormal(22*millisecond, 0.8), keep: d.between(8, 115) * second,
			size: d.logNormal(9000, 0.9), issuer: d.IntN(len(issuers())), server: fmt.Sprint("kind ", d.IntN(12)), old: d.chance(0.35)}
		for {
			s.name = siteName(d)
			if !taken[s.name] {
				taken[s.name] = true
				break
			}
		}
		s.cert = w.newCertificate(s.name, s.issuer, w.start-d.between(1, 80)*day, false)
		// A fifth of all sites share the addresses of eight hosting networks with 16 addresses each; the others have
		// their own.
		if d.chance(0.2) {
			network := uint32(d.IntN(8))
			for range 1 + d.IntN(3) {
				s.addrs = append(s.addrs, v4(0xC6120000+network<<8+uint32(8+d.IntN(16))))
			}
		} else {
			for k := range 1 + d.IntN(2) {
				s.addrs = append(s.addrs, scattered(2*i+k))
			}
		}
		if d.chance(0.45) {
			b := netip.MustParseAddr("2001:db8::1").As16()
			binary.BigEndian.PutUint16(b[4:], uint16(i+0x100))
			s.addrs6 = []netip.Addr{netip.AddrFrom16(b)}
		}
		w.sites[i] = s
	}
	parts := newPopularity(w.shared())
	for i, s := range w.sites {
		for range 2 + d.IntN(9) {
			if p := parts.draw(d); p != i && !slices.Contains(s.parts, p) {
				s.parts = append(s.parts, p)
			}
		}
	}
	w.popular = newPopularity(n)
}

// scattered returns the i-th external address: each once, over 504 networks from 198.18.8.0 to 198.19.255.255, because
// 50021 and 129024 have no common factor. Sites have the first 120,000, services those from firstService.
func scattered(i int) netip.Addr { return v4(0xC6120800 + uint32(i%129024*50021%129024)) }

// The first addresses of services, and of update servers.
const (
	firstService = 122_000
	firstUpdate  = 121_000
)

func issuers() []string {
	return []string{"CN=Example Trust R3,O=Example Trust,C=US", "CN=Example Secure CA 1,O=Example Secure,C=US",
		"CN=Sample Global RSA 2,O=Sample Certificates,C=GB", "CN=Edge Example ECC CA-3,O=Edge Example,C=US"}
}

var siteWords = [2][]string{
	strings.Fields("bright north river green cloud stone quick open blue metro prime silver solar urban vivid west amber cedar delta echo fresh global happy iron jade karma lumen maple nova ocean pixel quartz royal swift terra ultra velvet wave zen"),
	strings.Fields("fox press shop news mail media soft bank labs works forum travel games learn sport music health books cars food photo video social maps search store tools data pay home"),
}

func siteName(d dice) string {
	name := siteWords[0][d.IntN(len(siteWords[0]))] + siteWords[1][d.IntN(len(siteWords[1]))]
	if d.chance(0.75) {
		name += siteWords[1][d.IntN(len(siteWords[1]))]
	}
	if d.chance(0.3) {
		name += d.hex(2)
	}
	prefix := []string{"www.", "www.", "", "api.", "cdn.", "static.", "app."}[d.IntN(7)]
	return prefix + name + ".example"
}
