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
}

// Leads keeps the first finding of each campaign, which is the strongest if they are sorted, and returns the groups by
// that finding's id. A finding without another member of its campaign in the list stays single.
func Leads(findings []hunt.Finding) ([]hunt.Finding, map[string]Group) {
	members := map[string]int{}
	for i := range findings {
		if c := findings[i].Dwell.Campaign; c != nil {
			members[c.ID]++
		}
	}
	leads, groups, seen := findings[:0:0], map[string]Group{}, map[string]bool{}
	for i := range findings {
		f := &findings[i]
		if c := f.Dwell.Campaign; c != nil && members[c.ID] > 1 {
			if seen[c.ID] {
				continue
			}
			seen[c.ID] = true
			g := Group{Campaign: c, Members: members[c.ID]}
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
