package rank

import (
	"fmt"
	"iter"
	"math"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"

	"dwell/internal/evidence"
	"dwell/internal/evidence/prevalence"
	"dwell/internal/evidence/protocol"
	"dwell/internal/hunt"
	"dwell/internal/pairs"
	"dwell/internal/pipeline/material"
	"dwell/scoring"
)

// asked is a client and a registered domain that may have a tunnel or a rhythm.
type asked struct {
	queries *pairs.Queries
	// contacted means that some host connected to an address in the answers. visits is how many connections the client
	// itself made there or to names below the domain; named are the latter.
	contacted     bool
	visits, named atomic.Int64
	// clients is how many query the domain, this one and those of which more is known.
	clients int
	// listed means that an indicator list names what is queried, seldom that only the roll-up may show it.
	listed, seldom bool
	tunnel         scoring.DNSTunnel
	// key is its candidate, if any; paced says whether that has a rhythm of its own.
	key   *key
	paced bool
	// domains are those of a roll-up.
	domains []evidence.Name
}

// mostSeldom bounds a roll-up's domains, each queried less often than a candidate needs: one every seventeen seconds of
// a day. A beacon among more would not stand out.
const mostSeldom = 5_000

// fewestQueries is the minimum for a rhythm, reached by one query an hour. Caches make occasional look-ups even.
const fewestQueries = 20

// neighbors reports whether queries go to all neighbors at once, as in NetBIOS, LLMNR and mDNS. They do not leave the
// network.
func neighbors(a netip.Addr) bool {
	return a.IsMulticast() || a.Is4() && a.As4()[3] == 255
}

// dns are the queries, by what may be connected to.
type dns struct {
	all []*asked
	// byClient are all of them by client and domain, contacts the addresses in answers to what may be tunnels.
	byClient []*asked
	contacts *contacts
	clients  int
	// vouching is the number of clients of which more is known that query a domain, known the number of all such
	// clients; nil until needed.
	vouching map[string]int64
	known    int64
}

// queries picks the domains with enough names or queries, and notes whose addresses to watch for.
func (s *search) queries(p *prober) {
	s.dns = dns{contacts: &contacts{}}
	if s.m.DNS == nil {
		return
	}
	clients, of := map[netip.Addr]struct{}{}, map[string]int{}
	s.own = s.m.DNS.Own(func(client netip.Addr) bool { return s.roleOf(client)&resolver != 0 })
	for _, q := range s.own {
		if s.roleOf(q.Client)&resolver != 0 {
			continue // it queries for clients that are counted
		}
		clients[q.Client] = struct{}{}
		if s.known(q.Client) {
			of[q.Domain]++
		}
	}
	s.dns.clients = len(clients)
	seldom := map[netip.Addr]int{}
	for _, q := range s.own {
		listed := p.asks(q)
		few := false
		if !listed && q.Names() < material.TunnelFloor && q.Timed() < material.Fewest {
			// A new domain for each query shows only in the roll-up of domains that no other client queries.
			if of[q.Domain] != 1 || len(clients) < prevalence.FewHosts || seldom[q.Client] == mostSeldom {
				continue
			}
			seldom[q.Client]++
			few = true
		}
		a := &asked{queries: q, clients: of[q.Domain], listed: listed, seldom: few}
		if !s.known(q.Client) {
			a.clients++
		}
		s.dns.all = append(s.dns.all, a)
	}
	s.dns.watch()
}

// elsewhere subtracts connections to addresses that were made under names of other domains: an intruder chooses what
// his names resolve to.
func (s *search) elsewhere(all []*asked) {
	if s.m.Named == nil {
		return
	}
	doubtful, clients := map[*asked]bool{}, map[netip.Addr]bool{}
	for _, a := range all {
		q := a.queries
		if q.Timed() < fewestQueries || a.visits.Load() == 0 { // times are decoded only where they decide
			continue
		}
		if n := lookUps(q, q.Times()); 2*a.named.Load() >= n || 2*a.visits.Load() < n {
			continue
		}
		doubtful[a], clients[q.Client] = true, true
	}
	s.m.Named.Table.WalkSources(func(_ int, src netip.Addr, of *pairs.Of) {
		if !clients[src] {
			return
		}
		own := s.dns.visits(src, func(a *asked) bool { return doubtful[a] })
		var pair pairs.Pair
		for i := range of.Len() {
			of.Decode(i, &pair)
			for _, u := range pair.Uses() {
				for _, v := range visitsTo(own, u.Addr) {
					if name := s.m.Named.Name(of.Dst(i)); !hunt.Within(name, v.of.queries.Domain) {
						v.of.visits.Add(-u.Connections)
					}
				}
			}
		}
	})
}

// measureQueries looks for a rhythm in each client's queries below each domain, and over all domains that no other
// client queries. If the client connects about as often as it queries, the connections show the same, and the queries
// are left out.
func (s *search) measureQueries(p *prober) {
	s.elsewhere(s.dns.all)
	unshared, paced := map[netip.Addr][]*asked{}, map[netip.Addr]int{}
	for _, a := range s.dns.all {
		q := a.queries
		if a.clients >= 5 && 4*a.clients >= 3*s.dns.clients || !s.m.Request.Scope.IsInternal(q.Client) || neighbors(q.Resolver) || protocol.SpecialUse(q.Domain) {
			continue
		}
		times := q.Times()
		n := lookUps(q, times)
		if 2*a.named.Load() >= n {
			continue
		}
		if q.Timed() >= fewestQueries {
			// A cluster returns few answers. What is connected to by address is measured all the same, so that every source
			// tests as many candidates.
			if k := p.queries(q.Client, q.Domain, q.Resolver, times); k != nil && 2*a.visits.Load() < n {
				k.presence.Holds = k.presence.Holds || k.presence.Busy && a.clients == 1 && s.dns.clients >= prevalence.FewHosts
				a.key, a.paced = k, k.paced()
				s.shelve([]*key{k})
			}
		}
		if a.clients == 1 && s.dns.clients >= prevalence.FewHosts {
			unshared[q.Client] = append(unshared[q.Client], a)
			if a.paced {
				paced[q.Client]++
			}
		}
	}
	for client, of := range unshared {
		if paced[client] < fewestUnshared { // as among addresses
			of = slices.DeleteFunc(of, func(a *asked) bool { return a.paced })
		}
		if len(of) < fewestUnshared {
			continue
		}
		var times []int64
		rolled := &asked{clients: 1, queries: &pairs.Queries{Client: client, Domain: hunt.UnsharedDomains, Resolver: of[0].queries.Resolver, First: math.MaxInt64}}
		for _, a := range of {
			q := a.queries
			if times = append(times, q.Times()...); len(times) > maxRollUp {
				break
			}
			rolled.queries.Count += q.Count
			rolled.queries.First, rolled.queries.Last = min(rolled.queries.First, q.First), max(rolled.queries.Last, q.Last)
			rolled.domains = append(rolled.domains, evidence.Name{Name: q.Domain, Connections: q.Count})
		}
		slices.Sort(times)
		if len(times) <= maxRollUp {
			rolled.key = p.queries(client, hunt.UnsharedDomains, rolled.queries.Resolver, times)
		}
		if rolled.key != nil {
			rolled.key.presence = scoring.Presence{} // a host that looks up strangers' names all day is a mail server: only a rhythm counts
			sortNames(rolled.domains)
			s.dns.all = append(s.dns.all, rolled)
		}
	}
}

// lookUps is how often a client looked something up: programs ask for several types at once.
func lookUps(q *pairs.Queries, times []int64) int64 {
	const together = 1000 // milliseconds
	if times == nil {
		return q.Count
	}
	n := int64(min(len(times), 1))
	for i := 1; i < len(times); i++ {
		if times[i]-times[i-1] > together {
			n++
		}
	}
	return n
}

// queries measures the times of a client's queries.
func (p *prober) queries(client netip.Addr, domain string, resolver netip.Addr, times []int64) *key {
	if len(times) < material.Fewest {
		return nil
	}
	p.series = scoring.Series{Start: append(p.series.Start[:0], times...)}
	k := p.measure(hunt.PairKey{Src: client, Dst: resolver, DNS: domain, Port: 53}, scoring.QueriesKey, grounds{})
	if k != nil {
		k.totals.Connections = int64(len(times))
	}
	return k
}

// judged are queries with their indicators.
type judged struct {
	asked *asked
	scoring.Indicators
}

// judgeQueries gives each client's queries below each domain their indicators.
func (s *search) judgeQueries(tested int) (out []judged) {
	pairs.OnAllCores(len(s.dns.all), func(_, i int) {
		a := s.dns.all[i]
		if q := a.queries; q.Names() >= material.TunnelFloor {
			d := scoring.DNSNames{Domain: q.Domain, Names: q.Texts(), Queries: int(q.Count), Unusual: int(q.Unusual), AnswerBytes: q.AnswerBytes}
			if q.HasAddresses() {
				d.Contacted = ptr(a.contacted)
			}
			a.tunnel = scoring.ScoreDNSTunnel(d)
		}
	})
	for _, a := range s.dns.all {
		q := a.queries
		v := scoring.Indicators{DNSTunnel: a.tunnel.Score}
		if a.key != nil && !s.everybodys(q.Domain) {
			s.take(a.key)
			a.key.shown = a.key.presence.Score(s.hoursOf(q.Client), s.othersOf(q.Client, a.clients == 1), tested)
			v.Beacon, v.Presence = a.key.indicators(tested).Beacon, a.key.shown.Score
			a.key.letGo()
		}
		if a.listed {
			v.Listed = listedValue
		}
		if j := (judged{a, v}); s.worth(j) {
			out = append(out, j)
		}
	}
	return out
}

// worth says whether queries may become a finding.
func (s *search) worth(j judged) bool {
	if j.Beacon == 0 && j.Presence == 0 && !j.asked.listed && j.asked.queries.Names() < material.TunnelFloor {
		return false
	}
	return j.Strongest() >= material.Floor || j.Strongest() >= s.m.MinScore
}

// querySubjects makes candidates of the queries, now that it is known whether any host connected to their answers.
func (s *search) querySubjects(all []judged, tested int) (out []*evidence.Candidate) {
	for _, j := range all {
		if s.worth(j) {
			out = append(out, s.querySubject(j.asked, j.Indicators, tested))
		}
	}
	return out
}

// resolvers are the addresses that were asked for the domains.
func resolvers(all []*asked) iter.Seq[netip.Addr] {
	return func(yield func(netip.Addr) bool) {
		for _, a := range all {
			for _, r := range a.queries.Asked() {
				if !yield(r) {
					return
				}
			}
		}
	}
}

func (s *search) querySubject(a *asked, v scoring.Indicators, tested int) *evidence.Candidate {
	q := a.queries
	sub := s.m.TunnelOf(q)
	f := s.m.Finding(sub, hunt.Parts{Beacon: v.Beacon, DNSTunnel: v.DNSTunnel, Presence: v.Presence, Listed: v.Listed})
	f.Destination.Domain = q.Domain
	f.Dwell.InternalIP = q.Client
	k := a.key
	if k == nil {
		k = &key{measured: &measured{timeline: hunt.NewTimeline(q.Times(), s.m.Window.Start.UnixMilli(), s.m.Window.End.UnixMilli())}}
	} else {
		s.take(k)
		defer k.letGo()
		f.Beacon = k.beaconFields(tested)
	}
	f.Dwell.Timeline = k.timeline
	f.Dwell.Indicators, f.Dwell.Reasons = k.reasonsWith(v, tested, a.tunnel.Reasons())
	f.Rule = material.Rule(f.Dwell.Indicators)
	f.Dwell.DNS = &hunt.DNSEvidence{Names: int64(q.Names()) + q.Overflow, Queries: q.Count, MeanLength: material.Round(a.tunnel.Length), Entropy: material.Round(a.tunnel.Entropy)}
	out := evidence.NewCandidate(sub.PairKey, v, &f, s.weights)
	out.Timer = k.beacon.Timer
	if q.Domain == hunt.UnsharedDomains {
		out.Names = a.domains[:min(len(a.domains), evidence.MaxNames)]
		for _, n := range out.Names {
			f.Dwell.Evidence.Names = append(f.Dwell.Evidence.Names, n.Name)
		}
	} else {
		out.Names = []evidence.Name{{Name: commonSuffix(q.Texts()), Connections: q.Count}}
		internal := s.m.Request.Scope.IsInternal
		out.Resolved = q.Resolved(func(a netip.Addr) bool { return s.resolves(a, q.Client) })
		protocol.ExplainNames(out, &protocol.Names{Domain: q.Domain, Texts: q.Texts(), Unusual: q.Unusual, Length: a.tunnel.Length, Addresses: slices.Collect(q.Addresses()),
			AnswerBytes: q.AnswerBytes, Internal: internal, InternalResolvers: q.Resolved(func(a netip.Addr) bool { return internal(a) || s.m.Request.Scope.Never(a) })})
	}
	f.Dwell.Evidence.Prevalence = &hunt.Prevalence{Hosts: int64(a.clients), Active: int64(s.dns.clients)}
	if a.clients == 1 && s.dns.clients >= prevalence.FewHosts {
		out.Modify(evidence.Rare, fmt.Sprintf("prevalence 1 of %s clients", hunt.Count(int64(s.dns.clients))))
	}
	s.serves(out, pairs.Port{Number: 53})
	out.Vouching = s.vouch(q.Domain)
	if !a.listed && v.Beacon >= v.DNSTunnel && out.Vouching > 1 && s.dns.known < prevalence.FewHosts && 4*out.Vouching >= 3*s.dns.known {
		// With so few hosts, what all programs look up looks like an outbreak.
		out.AtMost(scoring.Medium, "medium at most: most of a few clients query names under it, as programs on every host do")
	}
	if a.clients >= 3 && out.Resolved && v.Beacon >= v.DNSTunnel {
		out.ExplainFleet(fmt.Sprintf("%s of %s clients query names under it: looks like a shared service, or an outbreak", hunt.Count(int64(a.clients)), hunt.Count(int64(s.dns.clients))))
	}
	if q.Overflow > 0 {
		out.Last("more names than are kept: the counts are lower bounds")
	}
	return out
}

// vouch is the number of clients of which more is known that query a domain.
func (s *search) vouch(domain string) int64 {
	if s.dns.vouching == nil {
		s.dns.vouching = map[string]int64{}
		clients := map[netip.Addr]struct{}{}
		for _, q := range s.own {
			if s.roleOf(q.Client)&resolver == 0 && s.spread.Known(q.Client) {
				s.dns.vouching[q.Domain]++
				clients[q.Client] = struct{}{}
			}
		}
		s.dns.known = int64(len(clients))
	}
	return s.dns.vouching[domain]
}

// everybodys reports whether three quarters of the clients of which more is known, at least five, query a domain: the
// site's own names and those of programs on every host repeat all day. Forged senders do not count.
func (s *search) everybodys(domain string) bool {
	const fewest = 5
	n := s.vouch(domain)
	return n >= fewest && 4*n >= 3*s.dns.known
}

// commonSuffix is the longest domain that all names are, or are below; empty without names.
func commonSuffix(names []string) (common string) {
	for i, name := range names {
		if i == 0 {
			common = name
		}
		for common != "" && !hunt.Within(name, common) {
			_, common, _ = strings.Cut(common, ".")
		}
	}
	return common
}
