package rank

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"dwell/internal/evidence"
	"dwell/internal/evidence/prevalence"
	"dwell/internal/evidence/protocol"
	"dwell/internal/hunt"
	"dwell/internal/pairs"
)

// Servers are networks of servers that the site itself names. Queries to them are explained, and the internal ones ask
// others on behalf of hosts.
type Servers struct {
	Resolvers, TimeServers, Proxies []netip.Prefix
}

// revision identifies them; empty if there are none.
func (v *Servers) revision() string {
	if len(v.Resolvers)+len(v.TimeServers)+len(v.Proxies) == 0 {
		return ""
	}
	return fmt.Sprint("servers ", v.Resolvers, v.TimeServers, v.Proxies)
}

func within(list []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a) })
}

// configured says what a destination is by the site's settings; empty if they do not name it.
func (v *Servers) configured(k *hunt.PairKey) string {
	switch {
	case !k.Dst.IsValid() || k.Name != "" || k.AnyPort:
	case (k.Port == 53 || k.Port == 853) && within(v.Resolvers, k.Dst):
		return "a configured resolver"
	case k.Port == 123 && k.Proto == hunt.UDP && within(v.TimeServers, k.Dst):
		return "a configured time server"
	case k.Proto == hunt.TCP && within(v.Proxies, k.Dst):
		return "a configured proxy"
	}
	return ""
}

// role is what a host does for others. What it requests for them is its own traffic in the logs.
type role uint8

const (
	resolver role = 1 << iota
	proxy
	relay
	// front is a host that contacts a name that another internal host requested from it. It is not counted besides that
	// host, so that the destination counts as rarer.
	front
)

const (
	// roleClients hosts must use a host for it to be infrastructure by its traffic. roleDomains registered domains must
	// be requested from a proxy: an internal web server has few.
	roleClients, roleDomains = 3, 10
	// relayNetworks must have answered a host on port 25 for it to be a mail relay.
	relayNetworks = 20
	// frontDomains bounds the domains kept for each host.
	frontDomains = 1000
)

// findRoles recognizes resolvers, proxies and mail relays. A resolver or a proxy needs hosts that it served for an hour
// and of which more is known, because anyone can send packets in the name of hosts. A relay is recognized by its own
// traffic; that lowers less.
func (s *search) findRoles() *sizes {
	s.roles, s.met = map[netip.Addr]role{}, map[netip.Addr]struct{}{}
	all := &sizes{}
	internal := s.m.Request.Scope.IsInternal
	var mu sync.Mutex
	s.m.Table.WalkSources(func(_ int, src netip.Addr, of *pairs.Of) {
		all.pairs.Add(int64(of.Len()))
		relays, met := s.relayed(src, of, internal) >= relayNetworks, internal(src) && meets(of, hunt.NetworkOf)
		mu.Lock()
		defer mu.Unlock()
		if relays {
			s.roles[src] |= relay
		}
		if met {
			s.met[src] = struct{}{}
		}
	})
	if s.m.Named != nil {
		s.findProxies(internal, all)
	}
	s.findResolvers(internal)
	return all
}

// meets says whether destinations in two places answered a host with data: it exists, and does more than one thing.
func meets(of *pairs.Of, place func(netip.Addr) netip.Prefix) bool {
	const tries = 4096
	var first netip.Prefix
	var pair pairs.Pair
	for i := range min(of.Len(), tries) {
		at := place(of.Dst(i))
		if at == first {
			continue
		}
		of.Decode(i, &pair)
		switch when := prevalence.Answered(pair.Connections); {
		case when == prevalence.Span{}:
		case first.IsValid():
			return true
		default:
			first = at
		}
	}
	return false
}

// known says whether more is known of an internal host than the queries in its name. If that is known of no host (a
// hunt of DNS logs alone), every host counts.
func (s *search) known(host netip.Addr) bool {
	_, met := s.met[host]
	return met || len(s.met) == 0
}

// serving is a server and a host that it served.
type serving struct{ server, client netip.Addr }

// findResolvers recognizes internal resolvers: several known hosts, or most of few, query them and are answered.
func (s *search) findResolvers(internal func(netip.Addr) bool) {
	if s.m.DNS == nil {
		return
	}
	served, clients := map[serving]prevalence.Span{}, map[netip.Addr]struct{}{}
	list := s.m.DNS.Own(func(netip.Addr) bool { return false })
	answered := func(q *pairs.Queries) bool { return q.AnswerBytes > 0 || q.HasAddresses() }
	answers := s.m.Answers && slices.ContainsFunc(list, answered) // otherwise the log has no answers
	for _, q := range list {
		if !internal(q.Client) || !s.known(q.Client) || answers && !answered(q) {
			continue
		}
		clients[q.Client] = struct{}{}
		for _, r := range q.Asked() {
			if at := (serving{r, q.Client}); r != q.Client && internal(r) {
				served[at] = served[at].Join(prevalence.Span{First: max(q.First, 1), Last: max(q.Last, 1)})
			}
		}
	}
	s.recognize(resolver, served, func(server netip.Addr) int {
		others := len(clients)
		if _, ok := clients[server]; ok {
			others--
		}
		return min(roleClients, others/2+1)
	})
}

// recognize gives a role to servers that served enough hosts for long enough.
func (s *search) recognize(as role, served map[serving]prevalence.Span, enough func(server netip.Addr) int) {
	clients := map[netip.Addr]int{}
	for at, when := range served {
		if when.Last-when.First >= prevalence.Again(s.m.Window.Duration()) {
			clients[at.server]++
		}
	}
	for server, n := range clients {
		if n >= enough(server) {
			s.roles[server] |= as
		}
	}
}

// requested are the registered domains that internal hosts requested from an internal address.
type requested map[string]struct{}

// findProxies recognizes internal addresses from which several known hosts, or most hosts, requested names of many
// registered domains. It also counts the sizes of the tables by name.
func (s *search) findProxies(internal func(netip.Addr) bool, all *sizes) {
	by, clients := map[netip.Addr]requested{}, map[netip.Addr]struct{}{}
	served := map[serving]prevalence.Span{}
	var mu sync.Mutex
	scratch := make([]pairs.Pair, pairs.Workers())
	s.m.Named.Table.WalkSources(func(worker int, src netip.Addr, of *pairs.Of) {
		all.pairs.Add(int64(of.Len()))
		for i := range of.Len() {
			all.uses.Add(int64(of.Connections(i)))
		}
		if !internal(src) {
			return
		}
		pair := &scratch[worker]
		for i := range of.Len() {
			of.Decode(i, pair)
			when, domain := prevalence.Span{}, "" // computed where a proxy may be asked
			for _, u := range pair.Uses() {
				if !internal(u.Addr) || u.Addr == src {
					continue
				}
				if domain == "" {
					if domain = prevalence.DomainOf(s.m.Named.Name(of.Dst(i))); domain == "" || protocol.SpecialUse(domain) {
						break
					}
					if when = prevalence.Answered(pair.Connections); when == (prevalence.Span{}) {
						break
					}
				}
				mu.Lock()
				a := by[u.Addr]
				if a == nil {
					a = requested{}
					by[u.Addr] = a
				}
				if len(a) < frontDomains {
					a[domain] = struct{}{}
				}
				at := serving{u.Addr, src}
				served[at] = served[at].Join(when)
				mu.Unlock()
			}
		}
		mu.Lock()
		defer mu.Unlock()
		clients[src] = struct{}{}
	})
	s.requested = by
	s.findFronts(by)
	// A proxy's own clients are known by their other traffic, or are most of the site's hosts: one host can forge a
	// few.
	direct := map[serving]prevalence.Span{}
	for at, when := range served {
		if _, ok := s.met[at.client]; ok {
			direct[at] = when
		}
	}
	enough := func(least int) func(netip.Addr) int {
		return func(server netip.Addr) int {
			if len(by[server]) < roleDomains {
				return math.MaxInt
			}
			return least
		}
	}
	s.recognize(proxy, direct, enough(roleClients))
	s.recognize(proxy, served, enough(max(roleClients, len(clients)/2+1)))
	for at := range served { // what goes through a proxy is not in the table by address
		if s.roles[at.server]&proxy != 0 || within(s.servers.Proxies, at.server) {
			s.met[at.client] = struct{}{}
		}
	}
}

// findFronts marks the hosts that were asked for a domain and use it themselves.
func (s *search) findFronts(by map[netip.Addr]requested) {
	var mu sync.Mutex
	s.m.Named.Table.WalkSources(func(_ int, src netip.Addr, of *pairs.Of) {
		a := by[src]
		if a == nil {
			return
		}
		for i := range of.Len() {
			if _, ok := a[prevalence.DomainOf(s.m.Named.Name(of.Dst(i)))]; ok {
				mu.Lock()
				s.roles[src] |= front
				mu.Unlock()
				return
			}
		}
	})
}

// relayed is the number of networks in which mail servers answered a host, up to relayNetworks.
func (s *search) relayed(src netip.Addr, of *pairs.Of, internal func(netip.Addr) bool) int {
	if !internal(src) || of.Len() < relayNetworks {
		return 0
	}
	networks := map[netip.Prefix]struct{}{}
	var pair pairs.Pair
	for i := 0; i < of.Len() && len(networks) < relayNetworks; i++ {
		if !of.OnPort(i, 25) {
			continue
		}
		if _, known := networks[hunt.NetworkOf(of.Dst(i))]; known {
			continue
		}
		of.Decode(i, &pair)
		for _, p := range pair.Ports {
			if p.Number == 25 && p.Proto == hunt.TCP && strings.Contains(p.Service, "smtp") {
				networks[hunt.NetworkOf(of.Dst(i))] = struct{}{}
			}
		}
	}
	return len(networks)
}

// serves says that a key's traffic is what its source does for others. Modifiers that are always true of that then do
// not count.
func (s *search) serves(sub *evidence.Candidate, port pairs.Port) {
	is := s.roleOf(sub.Key.Src)
	switch {
	case is&resolver != 0 && (port.Number == 53 || port.Number == 853):
		sub.Serves("a resolver that other hosts ask", evidence.Rare, evidence.NeverResolved, evidence.SameSize)
		if sub.Finding.Dwell.DNS == nil {
			protocol.Forwarded(sub, &protocol.Spoken{Port: port})
		}
	case is&proxy != 0 && port.Number != 25 && port.Number != 53:
		sub.Serves("a proxy that other hosts use", evidence.Rare, evidence.RareClient, evidence.RareAgent)
	case is&relay != 0 && port.Number == 25:
		sub.Serves("a mail relay", evidence.Rare, evidence.NeverResolved)
	}
}

// roleOf is what an internal host does for others, by the site's settings or by its traffic.
func (s *search) roleOf(host netip.Addr) role {
	is := s.roles[host]
	if s.m.Request.Scope.IsInternal(host) {
		if within(s.servers.Resolvers, host) {
			is |= resolver
		}
		if within(s.servers.Proxies, host) {
			is |= proxy
		}
	}
	return is
}

// resolves reports whether a client's resolver is one of the network's: recognized or named by the site, or an external
// one that several hosts vouch for. An address that answers a single host may be the intruder's.
func (s *search) resolves(at, client netip.Addr) bool {
	return s.roleOf(at)&resolver != 0 || within(s.servers.Resolvers, at) || !s.m.Request.Scope.IsInternal(at) && s.spread.Resolves(at, client)
}
