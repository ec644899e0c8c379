package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"dwell/internal/hunt"
	"dwell/internal/output"
)

// entry is one line of the page: a campaign with its findings, or a single finding.
type entry struct {
	// ID is short and unique on the page; Rank starts at 1.
	ID   string
	Rank int
	Lead *hunt.Finding
	// Campaign is nil for a single finding.
	Campaign *hunt.Campaign
	Members  []*hunt.Finding
	short    map[*hunt.Finding]string
}

// maxMembers is how many members of a campaign have a line; the rest are listed by address.
const maxMembers = 200

// group makes one entry of a campaign's findings, at the position of the strongest.
func group(findings []hunt.Finding, campaigns []hunt.Campaign) []entry {
	short := map[*hunt.Finding]string{}
	for i, id := range output.Short(findings) {
		short[&findings[i]] = id
	}
	known := map[string]*hunt.Campaign{}
	for i := range campaigns {
		known[campaigns[i].ID] = &campaigns[i]
	}
	var out []entry
	at := map[string]int{}
	for i := range findings {
		f := &findings[i]
		if c := f.Dwell.Campaign; c != nil {
			if place, ok := at[c.ID]; ok {
				out[place].Members = append(out[place].Members, f)
				continue
			}
			at[c.ID] = len(out)
		}
		out = append(out, entry{ID: short[f], Rank: len(out) + 1, Lead: f, Members: []*hunt.Finding{f}, short: short})
	}
	for i := range out {
		e := &out[i]
		if c := e.Lead.Dwell.Campaign; c != nil && len(e.Members) > 1 {
			if e.Campaign = known[c.ID]; e.Campaign == nil {
				e.Campaign = &hunt.Campaign{ID: c.ID, Kind: c.Kind, Name: c.Name, HostCount: c.Hosts}
			}
			e.ID = c.ID[:min(len(e.ID), len(c.ID))] // commands take it for all members, as in every list
		}
	}
	return out
}

// Severity is that of the strongest finding.
func (e *entry) Severity() string { return cmp.Or(e.Lead.Dwell.Severity, "none") }

// Host is the internal host, or "37 of 87 hosts".
func (e *entry) Host() string {
	if e.Campaign == nil {
		return e.Lead.Source.IP.String()
	}
	if p := prevalenceOf(e.Lead); p != nil && p.Active >= e.Campaign.HostCount {
		return fmt.Sprintf("%s of %s hosts", hunt.Count(e.Campaign.HostCount), hunt.Count(p.Active))
	}
	return hunt.Many(e.Campaign.HostCount, "host")
}

// To is the destination, or those of a campaign.
func (e *entry) To() string { return output.Destinations(e.Members) }

// Name is the host's name and user, if known and the entry is about one host.
func (e *entry) Name() string {
	if e.Campaign != nil {
		return ""
	}
	return hostName(e.Lead)
}

// Short are the strongest reasons in short form, with the other indicators.
func (e *entry) Short() string { return strings.Join(output.ShortReasons(e.Lead), "; ") }

// Hosts is the number of internal hosts.
func (e *entry) Hosts() int64 {
	if e.Campaign != nil {
		return e.Campaign.HostCount
	}
	return 1
}

// Timeline is the check-ins of all members.
func (e *entry) Timeline() *hunt.Timeline {
	if e.Campaign == nil {
		return e.Lead.Dwell.Timeline
	}
	var all hunt.Timeline
	for _, f := range e.Members {
		all.Add(f.Dwell.Timeline)
	}
	if all.Counts == nil {
		return nil
	}
	return &all
}

// DwellTime is the longest of all members.
func (e *entry) DwellTime() *hunt.DwellTime {
	var most *hunt.DwellTime
	for _, f := range e.Members {
		if d := f.Dwell.DwellTime; d != nil && (most == nil || d.Seconds > most.Seconds) {
			most = d
		}
	}
	return most
}

// Status is the disposition of all members, or "mixed".
func (e *entry) Status() string {
	status := ""
	for _, f := range e.Members {
		s := cmp.Or(f.Dwell.Disposition, hunt.Open)
		if f.Dwell.Safelisted {
			s = "safelisted"
		}
		if status != "" && s != status {
			return "mixed"
		}
		status = s
	}
	return status
}

// Classes are what the script filters by: the severity, and all members' indicators and dispositions.
func (e *entry) Classes() string {
	classes := []string{e.Severity()}
	add := func(c string) {
		if c != "" && !slices.Contains(classes, c) {
			classes = append(classes, c)
		}
	}
	for _, f := range e.Members {
		for _, i := range f.Dwell.Indicators {
			if known(i) {
				add(i)
			}
		}
		switch {
		case f.Dwell.Safelisted:
			add("safelisted")
		case f.Dwell.Disposition == "benign", f.Dwell.Disposition == "escalated":
			add(f.Dwell.Disposition)
		default:
			add(hunt.Open)
		}
	}
	return strings.Join(classes, " ")
}

// known reports whether an indicator is one of dwell's, which is safe as a CSS class.
func known(indicator string) bool {
	return slices.Contains(hunt.Indicators(), indicator)
}

// Sorts are the numbers that the script sorts by: score, hosts, connections, first and last connection (minutes), dwell
// time (seconds).
func (e *entry) Sorts() string {
	var connections int64
	first, last := e.Lead.Event.Start.Unix(), e.Lead.Event.End.Unix()
	for _, f := range e.Members {
		connections += f.Network.Connections
		first, last = min(first, f.Event.Start.Unix()), max(last, f.Event.End.Unix())
	}
	seconds := 0.0
	if d := e.DwellTime(); d != nil {
		seconds = d.Seconds
	}
	return fmt.Sprintf("%.0f %d %d %d %d %.0f", 1000*e.Lead.Dwell.Score, e.Hosts(), connections, first/60, last/60, seconds)
}

// member is a finding of a campaign, or an entry's only finding.
type member struct {
	*hunt.Finding
	ID, Name, Status string
}

// Listed are the members with a line.
func (e *entry) Listed() []member {
	var out []member
	for _, f := range e.Members[:min(len(e.Members), maxMembers)] {
		out = append(out, member{f, e.short[f], hostName(f), statusOf(f)})
	}
	return out
}

// Others are the addresses of members without a line.
func (e *entry) Others() []string {
	var out []string
	for _, f := range e.Members[min(len(e.Members), maxMembers):] {
		out = append(out, f.Dwell.InternalIP.String())
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func statusOf(f *hunt.Finding) string {
	if f.Dwell.Safelisted {
		return "safelisted"
	}
	return cmp.Or(f.Dwell.Disposition, hunt.Open)
}

func prevalenceOf(f *hunt.Finding) *hunt.Prevalence {
	if f.Dwell.Evidence == nil {
		return nil
	}
	return f.Dwell.Evidence.Prevalence
}

// hostName is a host for display: "WS-014 (user-014)".
func hostName(f *hunt.Finding) string {
	e := f.Dwell.Evidence
	if e == nil || e.Host == nil {
		return ""
	}
	name := ""
	if len(e.Host.Names) > 0 {
		name = e.Host.Names[0]
	}
	if len(e.Host.Users) > 0 {
		name += " (" + e.Host.Users[0] + ")"
	}
	return strings.TrimSpace(name)
}

// dwellTime is output.DwellTime of a dwell time alone.
func dwellTime(d *hunt.DwellTime) string {
	return output.DwellTime(&hunt.Finding{Dwell: hunt.Dwell{DwellTime: d}})
}
