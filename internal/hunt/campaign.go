package hunt

import "net/netip"

// Campaign is what several internal hosts have in common: a destination, a name pattern, or a rare certificate or
// fingerprint. Software fleets and outbreaks both look like this; the score says which is likelier.
type Campaign struct {
	// ID is a hash of Kind and Name, so it stays the same in every hunt while hosts come and go.
	ID string `json:"id"`
	// Kind is what the hosts share: domain, address, network, fingerprint, certificate or rhythm. Name is its value,
	// the most general one known.
	Kind string `json:"kind"`
	Name string `json:"name"`
	// Pair reads like a finding's: "13 hosts > evil.example".
	Pair string `json:"pair"`
	// Score, Severity and Explained are the strongest member's.
	Score     float64 `json:"score"`
	Severity  string  `json:"severity,omitempty"`
	Explained string  `json:"explained"`
	// Indicators are those of all members. Reasons start with what the hosts share, then the strongest member's follow.
	Indicators []string `json:"indicators"`
	Reasons    []string `json:"reasons"`
	// Hosts are the internal hosts by address, at most MaxCampaignHosts; HostCount is their number. Active is how many
	// internal hosts contact any external destination, 0 if unknown.
	Hosts     []netip.Addr `json:"hosts"`
	HostCount int64        `json:"host_count"`
	Active    int64        `json:"active,omitempty"`
	// Destinations are the members' addresses, networks, names and fingerprints, at most MaxCampaignHosts.
	Destinations []string `json:"destinations"`
	Connections  int64    `json:"connections"`
	// First and Last connection of all members.
	First Time `json:"first"`
	Last  Time `json:"last"`
	// DwellTime is from the first check-in of any member to the last; nil if no member has one.
	DwellTime *DwellTime `json:"dwell_time,omitempty"`
	// Findings are the members' finding ids, strongest first; FindingCount is their number.
	Findings     []string `json:"findings"`
	FindingCount int64    `json:"finding_count"`
}

// MaxCampaignHosts limits the lists of a campaign.
const MaxCampaignHosts = 1000

// CampaignOf is a finding's reference to its campaign.
type CampaignOf struct {
	ID       string  `json:"id"`
	Kind     string  `json:"kind"`
	Name     string  `json:"name"`
	Score    float64 `json:"score"`
	Severity string  `json:"severity,omitempty"`
	Hosts    int64   `json:"hosts"`
}

// SubjectOf groups a finding in lists: by its campaign, or by its host and destination. A destination known by name in
// one hunt and by address in another is the same subject if its connections ask for the name.
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
	if e := d.Evidence; to == "" && e != nil && f.rollUp() == "" {
		to = e.Asked
	}
	if d.DNS != nil {
		to = "*." + to
	}
	if to == "" {
		to = SideOf(f).String()
	}
	return from + " > " + to
}

// CampaignID is the id of a campaign.
func CampaignID(kind, name string) string { return Digest("campaign", kind, name) }

// AlertOf is the subject of an alert. Subject is the id of a campaign or finding, Reason a code for what is new, Hosts
// and Findings their numbers at that time. Superseded means that another alert replaced it, or that a later run of the
// same hunt no longer found it.
type AlertOf struct {
	Subject    string `json:"subject"`
	Reason     string `json:"reason"`
	Hosts      int64  `json:"hosts"`
	Findings   int64  `json:"findings"`
	Superseded bool   `json:"superseded,omitempty"`
}
