// Package campaign groups findings of several hosts that share a destination, a name pattern, a certificate, a rare
// fingerprint or a rhythm.
package campaign

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"golang.org/x/net/publicsuffix"

	"dwell/internal/evidence"
	"dwell/internal/hunt"
)

// The kinds of what hosts share, most specific first. A campaign is named by the first that it has.
const (
	domain      = "domain"
	certificate = "certificate"
	fingerprint = "fingerprint"
	address     = "address"
	network     = "network"
	rhythm      = "rhythm"
)

func kinds() []string { return []string{domain, certificate, fingerprint, address, network, rhythm} }

// fewShow is the largest share of active hosts with which a fingerprint alone joins hosts.
const fewShow = 0.2

// shared is something that findings may have in common.
type shared struct{ kind, name string }

// host is an internal address at a sensor: addresses of different sensors may overlap.
type host struct {
	addr   netip.Addr
	sensor string
}

// Of finds the campaigns of a hunt's findings, strongest first, and notes in each finding its campaign. Findings come
// strongest first; those without a severity and safelisted ones are in none.
func Of(findings []hunt.Finding) []hunt.Campaign {
	g := newGroups(findings)
	var out []hunt.Campaign
	for _, members := range g.members() {
		if c := g.build(findings, members); c != nil {
			out = append(out, *c)
		}
	}
	slices.SortStableFunc(out, func(a, b hunt.Campaign) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(b.HostCount, a.HostCount), cmp.Compare(a.Name, b.Name))
	})
	return out
}

// groups joins findings that share something.
type groups struct {
	// parent of each finding; -1 for those that take no part.
	parent []int
	first  map[shared]int
	// rhythms has the name of each finding's shared rhythm.
	rhythms map[int]string
}

func newGroups(findings []hunt.Finding) *groups {
	g := &groups{parent: make([]int, len(findings)), first: map[shared]int{}}
	// An address stands for a name where it serves no other domain.
	served := map[netip.Addr]string{}
	for i := range findings {
		f := &findings[i]
		g.parent[i] = i
		if f.Dwell.Severity == "" || f.Dwell.Safelisted {
			g.parent[i] = -1
			continue
		}
		own := domainOf(f)
		if own == "" || f.Dwell.DNS != nil {
			continue
		}
		for _, a := range addressesOf(f) {
			if other, ok := served[a]; ok && other != own {
				served[a] = ""
			} else {
				served[a] = own
			}
		}
	}
	g.rhythms = rhythms(findings, g.parent)
	for i := range findings {
		if g.parent[i] < 0 {
			continue
		}
		for _, s := range g.of(findings, i, served) {
			if at, ok := g.first[s]; ok {
				g.parent[g.root(i)] = g.root(at)
			} else {
				g.first[s] = i
			}
		}
	}
	return g
}

func (g *groups) root(i int) int {
	for g.parent[i] != i {
		g.parent[i] = g.parent[g.parent[i]]
		i = g.parent[i]
	}
	return i
}

// members returns the findings of each group, in their order.
func (g *groups) members() [][]int {
	at := map[int]int{}
	var out [][]int
	for i, p := range g.parent {
		if p < 0 {
			continue
		}
		root := g.root(i)
		place, ok := at[root]
		if !ok {
			place = len(out)
			at[root] = place
			out = append(out, nil)
		}
		out[place] = append(out[place], i)
	}
	return out
}

// of is what a finding may share with others.
func (g *groups) of(findings []hunt.Finding, i int, served map[netip.Addr]string) (list []shared) {
	f := &findings[i]
	if d := domainOf(f); d != "" {
		list = append(list, shared{domain, d})
	}
	e := f.Dwell.Evidence
	if e != nil && e.Protocol != nil && e.Protocol.Certificate != nil && slices.Contains(e.Protocol.Oddities, evidence.SelfSigned) {
		c := e.Protocol.Certificate
		list = append(list, shared{certificate, cmp.Or(c.Hash, c.Subject+" by "+c.Issuer)})
	}
	d := f.Dwell.Destination
	switch {
	case d != nil && hunt.ParseFingerprint(d.Fingerprint).IsUnshared(): // by definition
	case d != nil && d.Fingerprint != "":
		if isRare(f) {
			list = append(list, shared{fingerprint, d.Fingerprint})
		}
	case d != nil && d.Network != "":
		list = append(list, shared{network, d.Network})
	case f.Destination.Domain == "":
		a := other(f)
		list = append(list, shared{address, a.String()})
		if own := served[a]; own != "" {
			list = append(list, shared{domain, own})
		}
	}
	if name := g.rhythms[i]; name != "" {
		list = append(list, shared{rhythm, name})
	}
	return list
}

// isRare says whether so few hosts show a finding's fingerprint that it joins them.
func isRare(f *hunt.Finding) bool {
	p := f.Dwell.Evidence.Prevalence
	return slices.ContainsFunc(f.Dwell.Modifiers, func(m hunt.Modifier) bool { return m.Name == evidence.RareClient }) ||
		p != nil && float64(p.Hosts) <= max(2, fewShow*float64(p.Active))
}

// domainOf is the registered domain of the name that a finding is about, or empty.
func domainOf(f *hunt.Finding) string {
	name := f.Destination.Domain
	if _, err := netip.ParseAddr(name); name == "" || name == hunt.UnsharedDomains || err == nil {
		return ""
	}
	if d, err := publicsuffix.EffectiveTLDPlusOne(name); err == nil {
		return d
	}
	return name
}

// other is the address of the destination.
func other(f *hunt.Finding) netip.Addr {
	if f.Dwell.InternalIP == f.Destination.IP {
		return f.Source.IP
	}
	return f.Destination.IP
}

// addressesOf are the addresses of a name.
func addressesOf(f *hunt.Finding) []netip.Addr {
	if e := f.Dwell.Evidence; e != nil && len(e.Addresses) > 0 {
		return e.Addresses
	}
	return []netip.Addr{f.Destination.IP}
}

// build makes a campaign of findings of two hosts or more, nil for fewer.
func (g *groups) build(findings []hunt.Finding, members []int) *hunt.Campaign {
	hosts := map[host]bool{}
	by := map[shared]map[host]bool{} // the hosts that share each thing
	relays := relayed(findings, members)
	for _, i := range members {
		f := &findings[i]
		h := host{f.Dwell.InternalIP, f.Dwell.Sensor}
		if relays[h] {
			continue
		}
		hosts[h] = true
		for _, s := range g.of(findings, i, nil) {
			if by[s] == nil {
				by[s] = map[host]bool{}
			}
			by[s][h] = true
		}
	}
	if len(hosts) < 2 {
		return nil
	}
	name := mostShared(by)
	lead := &findings[members[0]]
	c := &hunt.Campaign{ID: hunt.CampaignID(name.kind, name.name), Kind: name.kind, Name: name.name, HostCount: int64(len(hosts)), FindingCount: int64(len(members)),
		Score: lead.Dwell.Score, Severity: lead.Dwell.Severity, Explained: lead.Dwell.Explained, First: lead.Event.Start, Last: lead.Event.End}
	c.Pair = hunt.Many(len(hosts), "host") + " > " + c.Name
	destinations := map[string]bool{}
	for _, i := range members {
		f := &findings[i]
		c.Connections += f.Network.Connections
		c.DwellTime = earlier(c.DwellTime, f.Dwell.DwellTime)
		if f.Event.Start.Before(c.First.Time) {
			c.First = f.Event.Start
		}
		if f.Event.End.After(c.Last.Time) {
			c.Last = f.Event.End
		}
		for _, indicator := range f.Dwell.Indicators {
			if !slices.Contains(c.Indicators, indicator) {
				c.Indicators = append(c.Indicators, indicator)
			}
		}
		if e := f.Dwell.Evidence; e != nil && e.Prevalence != nil {
			c.Active = max(c.Active, e.Prevalence.Active)
		}
		destinations[hunt.SideOf(f).String()] = true
		if len(c.Findings) < hunt.MaxCampaignHosts {
			c.Findings = append(c.Findings, f.Dwell.FindingID)
		}
	}
	c.Destinations = slices.Sorted(maps.Keys(destinations))
	c.Destinations = c.Destinations[:min(len(c.Destinations), hunt.MaxCampaignHosts)]
	addrs := map[netip.Addr]bool{}
	for h := range hosts {
		addrs[h.addr] = true
	}
	c.Hosts = slices.SortedFunc(maps.Keys(addrs), netip.Addr.Compare)
	c.Hosts = c.Hosts[:min(len(c.Hosts), hunt.MaxCampaignHosts)]
	c.Reasons = append([]string{says(c)}, lead.Dwell.Reasons...)
	for _, i := range members {
		findings[i].Dwell.Campaign = &hunt.CampaignOf{ID: c.ID, Kind: c.Kind, Name: c.Name, Score: c.Score, Severity: c.Severity, Hosts: c.HostCount}
	}
	return c
}

// relayed are the hosts that other members' connections go to: proxies, which act for the hosts behind them.
func relayed(findings []hunt.Finding, members []int) map[host]bool {
	out := map[host]bool{}
	for _, i := range members {
		f := &findings[i]
		if a := other(f); f.Destination.Domain != "" && a.IsValid() && a != f.Dwell.InternalIP {
			out[host{a, f.Dwell.Sensor}] = true
		}
	}
	return out
}

// earlier is the dwell time with the earlier first check-in and rhythm, up to the later end.
func earlier(all, of *hunt.DwellTime) *hunt.DwellTime {
	if all == nil || of == nil {
		if of != nil {
			one := *of
			all = &one
		}
		return all
	}
	end := max(all.FirstCheckIn.UnixMilli()+int64(1000*all.Seconds), of.FirstCheckIn.UnixMilli()+int64(1000*of.Seconds))
	if of.FirstCheckIn.Before(all.FirstCheckIn.Time) {
		all.FirstCheckIn, all.LowerBound = of.FirstCheckIn, of.LowerBound
	}
	if since := of.RhythmSince; !since.IsZero() && (all.RhythmSince.IsZero() || since.Before(all.RhythmSince.Time)) {
		all.RhythmSince = since
	}
	all.Seconds = float64(end-all.FirstCheckIn.UnixMilli()) / 1000
	return all
}

// mostShared names the campaign: the most specific kind that two hosts share, and of that what most of them share.
func mostShared(by map[shared]map[host]bool) (best shared) {
	rank := func(s shared) int {
		if len(by[s]) < 2 {
			return len(kinds()) + slices.Index(kinds(), s.kind)
		}
		return slices.Index(kinds(), s.kind)
	}
	for s := range by {
		if best == (shared{}) || cmp.Or(cmp.Compare(rank(s), rank(best)), cmp.Compare(len(by[best]), len(by[s])), cmp.Compare(s.name, best.name)) < 0 {
			best = s
		}
	}
	return best
}

// says is a sentence about what the hosts have in common.
func says(c *hunt.Campaign) string {
	all := hunt.Many(c.HostCount, "internal host")
	if c.Active >= c.HostCount {
		all = fmt.Sprintf("%s of %s active hosts", hunt.Count(c.HostCount), hunt.Count(c.Active))
	}
	switch c.Kind {
	case certificate:
		return all + " are shown the same self-signed certificate: " + c.Name
	case fingerprint:
		return all + " show the same rare TLS fingerprint: " + c.Name
	case rhythm:
		return all + " keep the same rhythm, each to rare destinations of its own: " + c.Name
	}
	return all + " keep talking to " + c.Name
}
