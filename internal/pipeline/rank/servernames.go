package rank

import (
	"cmp"
	"net/netip"
	"slices"

	"dwell/internal/evidence"
	"dwell/internal/hunt"
	"dwell/internal/pairs"
)

// addNames adds to each candidate the names in its connections: a key by name has its own, other keys have those that
// their source used with their addresses.
func (s *search) addNames(subjects []*evidence.Candidate) {
	if s.m.Named == nil {
		return
	}
	type place struct {
		src netip.Addr
		at  netip.Prefix
	}
	waiting := map[place][]*evidence.Candidate{}
	sources := map[netip.Addr][]*evidence.Candidate{}
	for _, sub := range subjects {
		if len(sub.Names) > 0 {
			continue // done already
		}
		if sub.Key.Name != "" {
			sub.Names = []evidence.Name{{Name: sub.Key.Name, Connections: sub.Finding.Network.Connections}}
			continue
		}
		at := place{sub.Key.Src, sub.Key.Network}
		if sub.Key.Dst.IsValid() {
			at.at = netip.PrefixFrom(sub.Key.Dst, sub.Key.Dst.BitLen())
		}
		if at.at.IsValid() {
			waiting[at] = append(waiting[at], sub)
		}
		sources[sub.Key.Src] = append(sources[sub.Key.Src], sub)
	}
	s.m.Named.Table.WalkSources(func(_ int, src netip.Addr, of *pairs.Of) {
		own := sources[src] // one goroutine walks a source
		if len(own) == 0 {
			return
		}
		var pair pairs.Pair
		for i := range of.Len() {
			name := of.Dst(i)
			of.Decode(i, &pair)
			for _, u := range pair.Uses() {
				for _, at := range []netip.Prefix{netip.PrefixFrom(u.Addr, u.Addr.BitLen()), hunt.NetworkOf(u.Addr)} {
					for _, sub := range waiting[place{src, at}] {
						addName(sub, s.m.Named.Name(name), u.Connections)
					}
				}
				if everywhere := s.everywhere[src]; len(everywhere) > 0 && s.isUnshared(src, u.Addr) {
					for _, sub := range everywhere {
						addName(sub, s.m.Named.Name(name), u.Connections)
					}
				}
			}
		}
		for _, sub := range own {
			sortNames(sub.Names)
			sub.Names = sub.Names[:min(len(sub.Names), evidence.MaxNames)]
		}
	})
}

// vet fills in Answered: the domains for names of which the network's resolvers returned a candidate's addresses.
func (s *search) vet(subjects []*evidence.Candidate) {
	for _, sub := range subjects {
		sub.Unconfirmable = len(s.own) == 0 && len(s.met) < evidence.MinVouching
	}
	at := map[netip.Addr][]int{}
	given := make([]map[string]int, len(subjects))
	of := func(sub *evidence.Candidate) []netip.Addr {
		if list := sub.Finding.Dwell.Evidence.Addresses; len(list) > 0 {
			return list
		}
		return []netip.Addr{sub.Finding.Destination.IP}
	}
	for i, sub := range subjects {
		for _, a := range of(sub) {
			at[a] = append(at[a], i)
		}
	}
	type answer struct {
		domain string
		addr   netip.Addr
	}
	seen := map[answer]bool{}
	for _, q := range s.own {
		own := false // needed only where an address matters
		for addr := range q.Addresses() {
			if len(at[addr]) == 0 || seen[answer{q.Domain, addr}] {
				continue
			}
			if own = own || q.Resolved(func(a netip.Addr) bool { return s.resolves(a, q.Client) }); !own {
				break
			}
			seen[answer{q.Domain, addr}] = true
			for _, i := range at[addr] {
				if given[i] == nil {
					given[i] = map[string]int{}
				}
				given[i][q.Domain]++
			}
		}
	}
	for i, sub := range subjects {
		for domain, n := range given[i] {
			if 2*n >= len(of(sub)) {
				sub.Answered = append(sub.Answered, domain)
			}
		}
	}
}

func sortNames(names []evidence.Name) {
	slices.SortFunc(names, func(a, b evidence.Name) int {
		return cmp.Or(cmp.Compare(b.Connections, a.Connections), cmp.Compare(a.Name, b.Name))
	})
}

func addName(s *evidence.Candidate, name string, connections int64) {
	if n := len(s.Names); n > 0 && s.Names[n-1].Name == name { // one name's addresses come together
		s.Names[n-1].Connections += connections
		return
	}
	s.Names = append(s.Names, evidence.Name{Name: name, Connections: connections})
}
