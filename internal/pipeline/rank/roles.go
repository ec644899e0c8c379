package rank

import (
	"fmt"
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

// Servers are networks of servers that the site names itself: what hosts ask them is explained, and those of them that
// are internal ask others in the name of hosts.
type Servers struct {
	Resolvers, TimeServers, Proxies []netip.Prefix
}

// revision identifies them; empty where there are none.
func (v *Servers) revision() string {
	if len(v.Resolvers)+len(v.TimeServers)+len(v.Proxies) == 0 {
		return ""
	}
	return fmt.Sprint("servers ", v.Resolvers, v.TimeServers, v.Proxies)
}

func within(list []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a) })
}

// configured says what a destination is by the site's own word; empty where it says nothing about it.
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

// role is what a host does for others. What it asks in their name is its own traffic in the logs.
type role uint8

const (
	resolver role = 1 << iota
	proxy
	relay
	// front is a host that talks itself to a name that another internal host asked it for. It is not counted beside
	// that host, which only makes a destination rarer.
	front
)

const (
	// roleClients hosts have to use a host before it is infrastructure by what it does, roleDomains registered domains
	// have to be asked of a proxy: a web server inside has few.
	roleClients, roleDomains = 3, 10
	// relayNetworks have to have answered a host on port 25 before it is a mail relay.
	relayNetworks = 20
	// frontDomains bounds the domains that are kept of each host.
	frontDomains = 1000
)

// roles recognizes resolvers, proxies and mail relays. Of a resolver and a proxy other hosts' traffic tells, which an
// intruder on them cannot make; of a relay its own, which takes away less.
func (s *search) findRoles() *sizes {
	s.roles = map[netip.Addr]role{}
	all := &sizes{}
	internal := s.m.Request.Scope.IsInternal
	clients := map[netip.Addr]map[netip.Addr]struct{}{}
	note := func(server, client netip.Addr) bool {
		if server == client || !internal(server) || !internal(client) {
			return false
		}
		if clients[server] == nil {
			clients[server] = map[netip.Addr]struct{}{}
		}
		clients[server][client] = struct{}{}
		return len(clients[server]) >= roleClients
	}
	if s.m.DNS != nil {
		for _, q := range s.m.DNS.All() {
			for _, r := range q.Asked() {
				if note(r, q.Client) {
					s.roles[r] |= resolver
				}
			}
		}
	}
	if s.m.Named != nil {
		s.findProxies(internal, all)
	}
	var mu sync.Mutex
	s.m.Table.WalkSources(func(_ int, src netip.Addr, of *pairs.Of) {
		all.pairs.Add(int64(of.Len()))
		if n := s.relayed(src, of, internal); n >= relayNetworks {
			mu.Lock()
			defer mu.Unlock()
			s.roles[src] |= relay
		}
	})
	return all
}

// requested is what internal hosts asked an internal address for.
type requested struct{ clients, domains map[string]struct{} }

// findProxies are internal addresses of which several hosts asked for names of many registered domains.
func (s *search) findProxies(internal func(netip.Addr) bool, all *sizes) {
	by := map[netip.Addr]*requested{}
	var mu sync.Mutex
	s.m.Named.Table.WalkSources(func(_ int, src netip.Addr, of *pairs.Of) {
		all.pairs.Add(int64(of.Len()))
		for i := range of.Len() {
			all.uses.Add(int64(of.Connections(i)))
		}
		if !internal(src) {
			return
		}
		var pair pairs.Pair
		for i := range of.Len() {
			of.Decode(i, &pair)
			for _, u := range pair.Uses() {
				if !internal(u.Addr) || u.Addr == src {
					continue
				}
				domain := prevalence.DomainOf(s.m.Named.Name(of.Dst(i)))
				if domain == "" || protocol.SpecialUse(domain) {
					continue
				}
				mu.Lock()
				a := by[u.Addr]
				if a == nil {
					a = &requested{map[string]struct{}{}, map[string]struct{}{}}
					by[u.Addr] = a
				}
				if len(a.clients) < roleClients {
					a.clients[src.String()] = struct{}{}
				}
				if len(a.domains) < frontDomains {
					a.domains[domain] = struct{}{}
				}
				mu.Unlock()
			}
		}
	})
	s.findFronts(by)
	for at, a := range by {
		if len(a.clients) >= roleClients && len(a.domains) >= roleDomains {
			s.roles[at] |= proxy
		}
	}
}

// findFronts marks those of the hosts that were asked for a domain and use it themselves.
func (s *search) findFronts(by map[netip.Addr]*requested) {
	var mu sync.Mutex
	s.m.Named.Table.WalkSources(func(_ int, src netip.Addr, of *pairs.Of) {
		a := by[src]
		if a == nil {
			return
		}
		for i := range of.Len() {
			if _, ok := a.domains[prevalence.DomainOf(s.m.Named.Name(of.Dst(i)))]; ok {
				mu.Lock()
				s.roles[src] |= front
				mu.Unlock()
				return
			}
		}
	})
}

// relayed is in how many networks mail servers answered a host, up to relayNetworks.
func (s *search) relayed(src netip.Addr, of *pairs.Of, internal func(netip.Addr) bool) int {
	if !internal(src) || of.Len() < relayNetworks {
		return 0
	}
	networks := map[netip.Prefix]struct{}{}
	var pair pairs.Pair
	for i := 0; i < of.Len() && len(networks) < relayNetworks; i++ {
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

// serves says that a key's traffic is what its source does for others, and has modifiers that are always true of that
// count for nothing.
func (s *search) serves(sub *evidence.Candidate, port pairs.Port) {
	src := sub.Key.Src
	is := s.roles[src]
	if s.m.Request.Scope.IsInternal(src) {
		if within(s.servers.Resolvers, src) {
			is |= resolver
		}
		if within(s.servers.Proxies, src) {
			is |= proxy
		}
	}
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
