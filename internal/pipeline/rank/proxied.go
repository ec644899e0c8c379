package rank

import (
	"net/netip"
	"slices"

	"dwell/internal/hunt"
	"dwell/internal/pipeline/material"
)

// fold removes a proxy's own connections to a name, or to names in turn, if a client that asked the proxy for them has a
// finding at least as severe: that is one fact. The client's finding then lists the proxy's pair.
func (s *search) fold(out *material.Ranked) {
	type through struct {
		proxy netip.Addr
		name  string
	}
	clients := map[through]*hunt.Finding{}
	for i := range out.Findings {
		f := &out.Findings[i]
		if f.Destination.Domain == "" || f.Dwell.DNS != nil || !f.Destination.IP.IsValid() || f.Source.IP == f.Destination.IP {
			continue
		}
		at := through{f.Destination.IP, f.Destination.Domain}
		if best := clients[at]; best == nil || f.Dwell.Score > best.Dwell.Score || f.Dwell.Score == best.Dwell.Score && f.Dwell.Pair < best.Dwell.Pair {
			clients[at] = f
		}
	}
	folded := map[*hunt.Finding]bool{}
	for i := range out.Findings {
		f := &out.Findings[i]
		client := clients[through{f.Source.IP, f.Destination.Domain}]
		if client == nil {
			client = s.turner(out.Findings, f)
		}
		if client == nil || client == f || f.Dwell.DNS != nil || f.Event.Severity > client.Event.Severity ||
			s.roles[f.Source.IP]&(proxy|front) == 0 && !within(s.servers.Proxies, f.Source.IP) {
			continue
		}
		folded[f] = true
		if d := &client.Dwell; len(d.Also) < maxAlso {
			d.Also = append(d.Also, f.Dwell.Pair)
			d.Reasons = append(d.Reasons, "same traffic as "+f.Dwell.Pair+", the proxy's own connections")
		}
	}
	left := make([]hunt.Finding, 0, len(out.Findings))
	for i := range out.Findings {
		if !folded[&out.Findings[i]] {
			left = append(left, out.Findings[i])
		}
	}
	out.Findings = slices.Clip(left)
}

// turner is the finding of a host that uses all names of a proxy's finding in turn, whether the proxy finds them at one
// address or at many; nil if there is none.
func (s *search) turner(of []hunt.Finding, f *hunt.Finding) *hunt.Finding {
	if f.Destination.Domain != "" {
		return nil
	}
	names := slices.Clone(f.Dwell.Evidence.Names)
	for _, sub := range s.everywhere[f.Source.IP] {
		for _, n := range sub.Names {
			if sub.Finding.Dwell.Pair == f.Dwell.Pair {
				names = append(names, n.Name)
			}
		}
	}
	for i := range of {
		if d := of[i].Dwell.Destination; len(names) > 0 && d != nil && of[i].Source.IP != f.Source.IP && hunt.ParseFingerprint(d.Fingerprint).Kind == hunt.UnsharedNames {
			owners := s.turning[of[i].Source.IP]
			if !slices.ContainsFunc(names, func(n string) bool { _, ok := owners[ownerOf(n)]; return !ok }) {
				return &of[i]
			}
		}
	}
	return nil
}
