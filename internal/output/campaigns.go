package output

import (
	"fmt"

	"dwell/internal/hunt"
)

// Group is a campaign as one entry of the table, shown with its strongest finding.
type Group struct {
	Campaign *hunt.CampaignOf
	// Members is how many findings the entry represents, Active how many internal hosts contact any external
	// destination (0: unknown).
	Members int
	Active  int64
	// Destination is as Destinations returns it.
	Destination string
}

// Leads keeps the first finding of each campaign, which is the strongest if they are sorted, and returns the groups by
// that finding's id. A finding without another member of its campaign in the list stays single.
func Leads(findings []hunt.Finding) ([]hunt.Finding, map[string]Group) {
	members := map[string][]*hunt.Finding{}
	for i := range findings {
		if c := findings[i].Dwell.Campaign; c != nil {
			members[c.ID] = append(members[c.ID], &findings[i])
		}
	}
	leads, groups, seen := findings[:0:0], map[string]Group{}, map[string]bool{}
	for i := range findings {
		f := &findings[i]
		if c := f.Dwell.Campaign; c != nil && len(members[c.ID]) > 1 {
			if seen[c.ID] {
				continue
			}
			seen[c.ID] = true
			g := Group{Campaign: c, Members: len(members[c.ID]), Destination: Destinations(members[c.ID])}
			if e := f.Dwell.Evidence; e != nil && e.Prevalence != nil {
				g.Active = e.Prevalence.Active
			}
			groups[f.Dwell.FindingID] = g
		}
		leads = append(leads, *f)
	}
	return leads, groups
}

// hosts is the host count, as in "37 of 87 hosts".
func (g *Group) hosts() string {
	if g.Active >= g.Campaign.Hosts && g.Active > 0 {
		return fmt.Sprintf("%s of %s hosts", hunt.Count(g.Campaign.Hosts), hunt.Count(g.Active))
	}
	return hunt.Many(g.Campaign.Hosts, "host")
}

// sharesDestination reports whether the hosts of a campaign of this kind have one destination, though some findings
// may have its name and others its address. Those that share a certificate, fingerprint or rhythm need not.
func sharesDestination(kind string) bool {
	return kind == "address" || kind == "domain" || kind == "network"
}

// Destinations is the destination of a campaign's members for display, the strongest first: if they need not share one,
// with the number of others.
func Destinations(members []*hunt.Finding) string {
	to := Destination(members[0])
	if c := members[0].Dwell.Campaign; c == nil || sharesDestination(c.Kind) {
		return to
	}
	seen := map[string]bool{}
	for _, f := range members {
		seen[Destination(f)] = true
	}
	if n := len(seen) - 1; n > 0 {
		to += fmt.Sprintf(" and %s more", hunt.Count(n))
	}
	return to
}
