package hunt

import "net/netip"

// Campaign is what several internal hosts do alike: they talk to the same destination or pattern of names, or show the same rare
// certificate or fingerprint. Fleets of software and outbreaks both look so; the score says which is likelier.
type Campaign struct {
	// ID stays the same in every hunt, as hosts come and go: it is a hash of Kind and Name.
	ID string `json:"id"`
	// Kind is what the hosts share: domain, address, network, fingerprint, certificate or rhythm. Name is it: the most general one by
	// which the campaign is known.
	Kind string `json:"kind"`
	Name string `json:"name"`
	// Pair reads like one finding's: "13 hosts > evil.example".
	Pair string `json:"pair"`
	// Score is that of the strongest member, Severity its word; Explained what the strongest member is explained by.
	Score     float64 `json:"score"`
	Severity  string  `json:"severity,omitempty"`
	Explained string  `json:"explained"`
	// Indicators of all members, and the reasons: what the hosts share, then the strongest member's.
	Indicators []string `json:"indicators"`
	Reasons    []string `json:"reasons"`
	// Hosts are the internal ones by address, at most MaxCampaignHosts; HostCount is how many there are. Active is how many
	// internal hosts talk to anybody outside, 0 where that is not known.
	Hosts     []netip.Addr `json:"hosts"`
	HostCount int64        `json:"host_count"`
	Active    int64        `json:"active,omitempty"`
	// Destinations are addresses, networks, names and fingerprints that the members are about, at most MaxCampaignHosts.
	Destinations []string `json:"destinations"`
	Connections  int64    `json:"connections"`
	// First and Last connection of all members.
	First Time `json:"first"`
	Last  Time `json:"last"`
	// DwellTime is from the first check-in of any member to the last; nil where no member has one.
	DwellTime *DwellTime `json:"dwell_time,omitempty"`
	// Findings are the members' finding ids, the strongest first; FindingCount is how many there are.
	Findings     []string `json:"findings"`
	FindingCount int64    `json:"finding_count"`
}

// MaxCampaignHosts bounds the lists of a campaign.
const MaxCampaignHosts = 1000

// CampaignOf is what a finding says of the campaign that it belongs to.
type CampaignOf struct {
	ID       string  `json:"id"`
	Kind     string  `json:"kind"`
	Name     string  `json:"name"`
	Score    float64 `json:"score"`
	Severity string  `json:"severity,omitempty"`
	Hosts    int64   `json:"hosts"`
}

// SubjectOf is what a finding counts as in lists: its campaign, or its host and destination. One that is known by its name in one hunt and by its
// address in another is the same, as far as the evidence names the address.
func SubjectOf(f *Finding) string {
	d := &f.Dwell
	if d.Campaign != nil {
		return "campaign " + d.Campaign.Name
	}
	from := d.InternalIP.String()
	if d.Sensor != "" {
		from += " at " + d.Sensor
	}
	to := f.Destination.Domain
	if e := d.Evidence; to == "" && e != nil && len(e.Names) == 1 && f.rollUp() == "" {
		to = e.Names[0]
	}
	if d.DNS != nil {
		to = "*." + to
	}
	if to == "" {
		to = SideOf(f).String()
	}
	return from + " > " + to
}

// CampaignID is the identity of a campaign.
func CampaignID(kind, name string) string { return Digest("campaign", kind, name) }

// AlertOf is what an alert speaks for. Subject is the id of a campaign or a finding, Reason a code that says what is new, Hosts and Findings how many of
// each there were. Superseded says that another alert took its place, or that a later reading of the same hunt did not find it any more.
type AlertOf struct {
	Subject    string `json:"subject"`
	Reason     string `json:"reason"`
	Hosts      int64  `json:"hosts"`
	Findings   int64  `json:"findings"`
	Superseded bool   `json:"superseded,omitempty"`
}
