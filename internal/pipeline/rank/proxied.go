package rank

import (
	"net/netip"
	"slices"

	"dwell/internal/hunt"
	"dwell/internal/pipeline/material"
)

// through is a name that a proxy was asked for.
type through struct {
	proxy netip.Addr
	name  string
}

// fold removes a proxy's own connections if clients that asked it for all their names have findings, the loudest at
// least as severe: that is one fact. That finding then lists the proxy's pair.
func (s *search) fold(out *material.Ranked) {
	clients, turning := map[through]*hunt.Finding{}, map[string]*hunt.Finding{} // by what is asked for; by the owner of names in turn
	for i := range out.Findings {
		f := &out.Findings[i]
		if d := f.Dwell.Destination; d != nil && hunt.ParseFingerprint(d.Fingerprint).Kind == hunt.UnsharedNames {
			for owner := range s.turning[f.Source.IP] {
				turning[owner] = louder(turning[owner], f)
			}
		}
		if f.Destination.Domain != "" && f.Dwell.DNS == nil && f.Destination.IP.IsValid() && f.Source.IP != f.Destination.IP {
			at := through{f.Destination.IP, f.Destination.Domain}
			clients[at] = louder(clients[at], f)
		}
	}
	folded := map[*hunt.Finding]bool{}
	for i := range out.Findings {
		f := &out.Findings[i]
		if f.Dwell.DNS != nil || s.roles[f.Source.IP]&(proxy|front) == 0 && !within(s.servers.Proxies, f.Source.IP) {
			continue
		}
		var client *hunt.Finding
		for _, name := range s.namesOf(f) {
			of := louder(clients[through{f.Source.IP, name}], turning[ownerOf(name)])
			if of == nil || of.Source.IP == f.Source.IP {
				client = nil
				break
			}
			client = louder(client, of)
		}
		if client == nil || f.Event.Severity > client.Event.Severity {
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

// louder is the finding with the higher score; either may be nil.
func louder(a, b *hunt.Finding) *hunt.Finding {
	if a == nil || b != nil && (b.Dwell.Score > a.Dwell.Score || b.Dwell.Score == a.Dwell.Score && b.Dwell.Pair < a.Dwell.Pair) {
		return b
	}
	return a
}

// namesOf are the names that a finding's connections ask for, as far as they are kept.
func (s *search) namesOf(f *hunt.Finding) []string {
	if f.Destination.Domain != "" {
		return []string{f.Destination.Domain}
	}
	names := slices.Clone(f.Dwell.Evidence.Names)
	for _, sub := range s.everywhere[f.Source.IP] {
		for _, n := range sub.Names {
			if sub.Finding.Dwell.Pair == f.Dwell.Pair {
				names = append(names, n.Name)
			}
		}
	}
	return names
}
