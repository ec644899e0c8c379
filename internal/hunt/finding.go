package hunt

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// SchemaVersion is raised when a field of Finding or Document changes its meaning or goes away. New fields do not raise it.
const SchemaVersion = 2

// Dataset and module names under which documents are stored.
const (
	Module         = "dwell"
	DatasetFinding = "dwell.finding"
	DatasetHunt    = "dwell.hunt"
)

// The indicators, as dwell.indicators spells them.
const (
	Beacon         = "beacon"
	LongConnection = "long_connection"
	Strobe         = "strobe"
	DNSTunnel      = "dns_tunnel"
	Presence       = "presence"
	OnList         = "listed"
)

// Indicators lists them.
func Indicators() []string { return []string{Beacon, LongConnection, Strobe, DNSTunnel} }

// ParseIndicator reads an indicator, as dwell.indicators spells it or in short: beacon, long, strobe, dns.
func ParseIndicator(text string) (string, error) {
	for short, name := range map[string]string{Beacon: Beacon, "long": LongConnection, Strobe: Strobe, "dns": DNSTunnel} {
		if text == short || text == name {
			return name, nil
		}
	}
	return "", fmt.Errorf("indicator %q is not one of %s", text, strings.Join(Indicators(), ", "))
}

// Finding is one pair with what was found about it: the NDJSON line and the Elasticsearch document are this struct
// as it is (docs/output.md). Seconds are float64, counts and bytes int64, scores 0..1.
type Finding struct {
	// Timestamp is the start of the last connection to the port that the finding names; UID, source port and sensor
	// are that connection's.
	Timestamp Time `json:"@timestamp"`
	Schema
	Event       Event        `json:"event"`
	Rule        Rule         `json:"rule"`
	Tags        []string     `json:"tags,omitempty"`
	Source      Originator   `json:"source"`
	Destination Destination  `json:"destination"`
	Network     Network      `json:"network"`
	Client      Bytes        `json:"client"`
	Server      Bytes        `json:"server"`
	Observer    *Observer    `json:"observer,omitempty"`
	Log         *Log         `json:"log,omitempty"`
	Threat      *Threat      `json:"threat,omitempty"`
	Dwell       Dwell        `json:"dwell"`
	Beacon      *BeaconScore `json:"beacon,omitempty"`
	// Candidate is what the finding is about; it is not part of the document.
	Candidate PairKey `json:"-"`
}

// Event holds the ECS event fields, among them those that Security Onion's Hunt and Alerts group by. ID is the document's own.
type Event struct {
	ID            string   `json:"id,omitempty"`
	Kind          string   `json:"kind"`
	Category      []string `json:"category"`
	Type          []string `json:"type"`
	Module        string   `json:"module"`
	Dataset       string   `json:"dataset"`
	Severity      int      `json:"severity,omitempty"`
	SeverityLabel string   `json:"severity_label,omitempty"`
	Start         Time     `json:"start"`
	End           Time     `json:"end"`
	Ingested      Time     `json:"ingested"`
}

// Rule names the main indicator. UUID is fixed per indicator, so that tunings and playbooks in Security Onion hold. Category is
// what Security Onion groups alerts by.
type Rule struct {
	Name     string `json:"name"`
	UUID     string `json:"uuid"`
	Category string `json:"category,omitempty"`
}

// RuleCategory is the category of every rule.
const RuleCategory = "command-and-control"

// Originator is the side that opened the connections; Port is that of the last one.
type Originator struct {
	IP   netip.Addr `json:"ip,omitzero"`
	Port int        `json:"port,omitempty"`
}

// Destination is the destination. IP is the zero Addr, and left out, where a key has no single address.
type Destination struct {
	IP     netip.Addr `json:"ip,omitzero"`
	Port   int        `json:"port,omitempty"`
	Domain string     `json:"domain,omitempty"`
}

// Network holds the totals of the pair in the window.
type Network struct {
	Transport    string  `json:"transport,omitempty"`
	Protocol     string  `json:"protocol,omitempty"`
	Connections  int64   `json:"connections"`
	Bytes        int64   `json:"bytes"`
	AverageBytes float64 `json:"average_bytes"`
	// CommunityID is the flow hash of the connection that log.id.uid names, where the source has it.
	CommunityID string `json:"community_id,omitempty"`
}

// Bytes is payload sent by one side.
type Bytes struct {
	Bytes int64 `json:"bytes"`
}

// Durations are seconds.
type Durations struct {
	Total   float64 `json:"total_duration"`
	Longest float64 `json:"longest_duration"`
	// Open is what is known of connections that had not ended; nil where all had.
	Open *StillOpen `json:"open,omitempty"`
}

// StillOpen counts the connections of a finding that had not ended when they were logged last, or of which no record has come yet.
// Since is when the oldest of them began, Seconds its age at the window's end.
type StillOpen struct {
	Connections int64   `json:"connections"`
	Since       Time    `json:"since"`
	Seconds     float64 `json:"seconds"`
}

// String reads "still open since 2026-03-02T00:06:40Z, 23.8 h".
func (o *StillOpen) String() string {
	return fmt.Sprintf("still open since %s, %s", o.Since.Time.UTC().Format(time.RFC3339), Brief(o.Seconds))
}

// Observer is the sensor that saw the last connection.
type Observer struct {
	Name string `json:"name"`
}

// Log carries the Zeek uid of the last connection, by which Security Onion finds its packets.
type Log struct {
	ID LogID `json:"id"`
}

// LogID is the inner half of Log.
type LogID struct {
	UID string `json:"uid"`
}

// Dwell holds what is ours alone.
type Dwell struct {
	// Score is the final score, 0..1; Severity its word (empty below 0.2).
	Score    float64 `json:"score"`
	Severity string  `json:"severity,omitempty"`
	// Indicators that fired, strongest first; Reasons in plain words, strongest first.
	Indicators []string `json:"indicators"`
	Reasons    []string `json:"reasons"`
	// ReasonCodes are for counting: see Codes.
	ReasonCodes []string `json:"reason_codes"`
	// Parts are the indicators' values before modifiers, each 0..1.
	Parts     Parts      `json:"parts"`
	Modifiers []Modifier `json:"modifiers"`

	// FindingID is the same in every hunt for the same pair; Pair is that pair, readable.
	FindingID string `json:"finding_id"`
	Pair      string `json:"pair"`
	// Subject is what the finding counts as in lists and dashboards: its campaign, or its host and destination, readable (SubjectOf).
	Subject       string   `json:"subject,omitempty"`
	HuntID        string   `json:"hunt_id"`
	Revision      string   `json:"revision"`
	Window        TimeSpan `json:"window"`
	SchemaVersion int      `json:"schema_version"`
	Profile       string   `json:"profile"`
	// Sensor is the one that saw the pair, in hunts by sensor only; "(none)" where the records name none.
	Sensor string `json:"sensor,omitempty"`
	// InternalIP is the host to look at, whichever side it is on.
	InternalIP  netip.Addr `json:"internal_ip,omitzero"`
	Disposition string     `json:"disposition"`
	// Assignee is who looks after it, by the disposition.
	Assignee   string `json:"assignee,omitempty"`
	Safelisted bool   `json:"safelisted"`
	// Safelist is the rule that matched, nil where none did. If it is broken, the finding is not safelisted.
	Safelist   *SafelistRule `json:"safelist,omitempty"`
	Incomplete bool          `json:"incomplete,omitempty"`
	// Explained is how good a reason there is for the rhythm: none, weak (the score is multiplied by 0.7) or strong (0.3).
	Explained string `json:"explained,omitempty"`
	// Also are other candidates with the same traffic (at most 20), such as the network around an address.
	Also []string `json:"also"`
	// Destination says more of the destination than one address does.
	Destination *DestinationNetwork `json:"destination,omitempty"`
	// Sample is the other end of the connection that log.id.uid names, where that is not the finding's destination.
	Sample *Endpoint `json:"sample,omitempty"`
	// DNS is what a DNS tunnel's names look like.
	DNS *DNSEvidence `json:"dns,omitempty"`
	// Evidence is what steps 2 to 4 of the hunt found.
	Evidence *Evidence `json:"evidence,omitempty"`
	// Ports is how many destination ports (with transport) the pair's connections went to.
	Ports int `json:"ports,omitempty"`
	// DwellTime is how long it has been going on, as far as is known.
	DwellTime *DwellTime `json:"dwell_time,omitempty"`
	// Connection is how long the pair's connections lasted.
	Connection Durations `json:"connection"`
	// Coverage are the logs that the finding rests on and that cover a part of the hours with connections only.
	Coverage []LogCoverage `json:"coverage,omitempty"`
	Links    *Links        `json:"links,omitempty"`
	// Timeline is when its check-ins were; nil where their times are not kept.
	Timeline *Timeline `json:"timeline,omitempty"`
	// Campaign is what other internal hosts do alike; nil where this host is alone.
	Campaign *CampaignOf `json:"campaign,omitempty"`
	// Alert is what an alert speaks for; nil in findings.
	Alert *AlertOf `json:"alert,omitempty"`
}

// MarshalJSON writes lists that are empty as [], never as null.
func (d Dwell) MarshalJSON() ([]byte, error) {
	type plain Dwell
	d.Indicators, d.Reasons, d.ReasonCodes, d.Also = full(d.Indicators), full(d.Reasons), full(d.ReasonCodes), full(d.Also)
	d.Modifiers = full(d.Modifiers)
	return marshal(plain(d))
}

// Codes are what the reasons are about: the indicators that fired, the modifiers, the heaviest first, and benign_possible or
// benign_likely where there is a benign explanation. Reasons hold figures of one hunt; codes can be counted over many.
func (d *Dwell) Codes() []string {
	codes := slices.Clone(d.Indicators)
	for _, m := range d.Modifiers {
		codes = append(codes, m.Name)
	}
	switch d.Explained {
	case "weak":
		codes = append(codes, "benign_possible")
	case "strong":
		codes = append(codes, "benign_likely")
	}
	return codes
}

// SafelistRule is the safelist rule that matched a finding: its name, why it is no threat, who decided that, and the day
// (YYYY-MM-DD) from which the rule no longer counts. Broken says why the finding is shown all the same: it shows another server or
// client than the rule was made for, or an indicator list names it.
type SafelistRule struct {
	Name    string `json:"name"`
	Reason  string `json:"reason"`
	Owner   string `json:"owner"`
	Expires string `json:"expires"`
	Broken  string `json:"broken,omitempty"`
}

// Marks says whether the rule takes a finding out of what is to be looked at. A nil rule does not.
func (r *SafelistRule) Marks() bool { return r != nil && r.Broken == "" }

// DestinationNetwork is what a roll-up stands for: a network, or a TLS fingerprint ("ja4=...", "ja3=...",
// "no-server-name").
type DestinationNetwork struct {
	Network     string `json:"network,omitempty"`
	Fingerprint string `json:"fingerprint,omitempty"`
}

// Endpoint is one end of a connection.
type Endpoint struct {
	IP   netip.Addr `json:"ip"`
	Port int        `json:"port"`
}

// DNSEvidence measures the names that a client asked for below one registered domain. Length is characters without the
// domain, entropy bits a character. Query is the newest name, where the source has it.
type DNSEvidence struct {
	Query      string  `json:"query,omitempty"`
	Names      int64   `json:"names"`
	Queries    int64   `json:"queries"`
	MeanLength float64 `json:"mean_length"`
	Entropy    float64 `json:"entropy"`
}

// Evidence is what was found beside the rhythm.
type Evidence struct {
	// Addresses of the destination, the most used first, at most 20; AddressCount is how many there are in all.
	Addresses    []netip.Addr `json:"addresses,omitempty"`
	AddressCount int          `json:"address_count,omitempty"`
	// Prevalence is how many internal hosts talk to the destination.
	Prevalence *Prevalence `json:"prevalence,omitempty"`
	// Names that the destination goes by: from DNS answers, TLS server names, HTTP hosts and certificates, at most 20.
	Names []string `json:"names,omitempty"`
	// Protocol is how the connections were spoken.
	Protocol *Protocol `json:"protocol,omitempty"`
	// Service is the known service that the destination is, if it is one.
	Service *Service `json:"service,omitempty"`
	// Host is which host the internal address is.
	Host *HostEvidence `json:"host,omitempty"`
	// FirstSeen is how long the destination is known in this network.
	FirstSeen *FirstSeen `json:"first_seen,omitempty"`
	// ASN is the autonomous system that announces the destination's address (of several, the one most used), Country where
	// it is, as an ISO 3166 code of two letters.
	ASN     *ASN   `json:"asn,omitempty"`
	Country string `json:"country,omitempty"`
	// Intel are the indicators of compromise that the destination matches, at most 10.
	Intel []IntelHit `json:"intel,omitempty"`
}

// FirstSeen is when a destination (an address or a name), its registered domain and the finding were first seen, and how many whole
// days before the window's end the destination was; the finding, where it has no destination of that kind.
type FirstSeen struct {
	Destination Time  `json:"destination,omitzero"`
	Domain      Time  `json:"domain,omitzero"`
	Finding     Time  `json:"finding,omitzero"`
	Days        int64 `json:"days"`
}

// DwellTime is how long a finding has been going on: from the first check-in that is known, out of history, the first-seen store or the
// window, to its last in the window, in seconds. It is a lower bound where the first check-in came within a day of the
// beginning of what is known. RhythmSince is the change point where its rhythm began (scoring.Began), zero where it has none or that is not
// to be told.
type DwellTime struct {
	FirstCheckIn Time    `json:"first_check_in"`
	Seconds      float64 `json:"seconds"`
	LowerBound   bool    `json:"lower_bound"`
	RhythmSince  Time    `json:"rhythm_since,omitzero"`
}

// ASN is an autonomous system and whose it is.
type ASN struct {
	Number       int64  `json:"number,omitempty"`
	Organization string `json:"organization,omitempty"`
}

// IntelHit is an indicator that matched: type is address, domain, ja3, ja4 or certificate; of what Zeek saw itself, as Zeek
// names it in lower case (addr, domain, url, file_hash, cert_hash and others).
type IntelHit struct {
	Indicator string `json:"indicator"`
	Type      string `json:"type"`
	List      string `json:"list"`
}

// Protocol is what the logs beside conn say about the connections.
type Protocol struct {
	// Oddities are the names of the modifiers that the protocol gave.
	Oddities    []string         `json:"oddities,omitempty"`
	Certificate *CertificateSeen `json:"certificate,omitempty"`
	// JA3, JA4, UserAgents and MIME are the most frequent values, at most 10 each.
	JA3        []string `json:"ja3,omitempty"`
	JA4        []string `json:"ja4,omitempty"`
	UserAgents []string `json:"user_agents,omitempty"`
	MIME       []string `json:"mime,omitempty"`
	Weird      []string `json:"weird,omitempty"`
	Notices    []string `json:"notices,omitempty"`
}

// CertificateSeen is the certificate that the server showed most.
type CertificateSeen struct {
	Hash      string `json:"hash,omitempty"`
	Subject   string `json:"subject,omitempty"`
	Issuer    string `json:"issuer,omitempty"`
	NotBefore *Time  `json:"not_before,omitempty"`
	NotAfter  *Time  `json:"not_after,omitempty"`
}

// Service is an entry of the catalogue of known services.
type Service struct {
	Name     string `json:"name"`
	Category string `json:"category"`
	// Match is the domain (or @owner) by which it was recognised, Source where that is known from.
	Match  string `json:"match"`
	Source string `json:"source"`
}

// HostEvidence is what is known of the internal host, the most frequent first, at most five each. Alerts counts the
// alerts of others (tags:alert) in the window that name it; nil where they could not be looked up.
type HostEvidence struct {
	Names    []string `json:"names,omitempty"`
	MAC      []string `json:"mac,omitempty"`
	OS       []string `json:"os,omitempty"`
	Users    []string `json:"users,omitempty"`
	Software []string `json:"software,omitempty"`
	Alerts   *int64   `json:"alerts,omitempty"`
}

// Prevalence counts internal hosts: those that talk to the destination, and those that talked to anybody outside.
type Prevalence struct {
	Hosts  int64 `json:"hosts"`
	Active int64 `json:"active"`
	// Domain is the registered domain of a name, DomainHosts how many talk to any name of it.
	Domain      string `json:"domain,omitempty"`
	DomainHosts int64  `json:"domain_hosts,omitempty"`
}

// Parts are the values that the final score is made of.
type Parts struct {
	Beacon         float64 `json:"beacon"`
	LongConnection float64 `json:"long_connection"`
	Strobe         float64 `json:"strobe"`
	DNSTunnel      float64 `json:"dns_tunnel"`
}

// Modifier is one thing that raised (Value > 0) or lowered a score.
type Modifier struct {
	Name   string  `json:"name"`
	Value  float64 `json:"value"`
	Reason string  `json:"reason"`
}

// TimeSpan is a window as it is stored.
type TimeSpan struct {
	Start Time `json:"start"`
	End   Time `json:"end"`
}

// BeaconScore holds our beacon score with its parts, and RITA v5's five numbers under the names analysts know.
type BeaconScore struct {
	Score      *float64 `json:"score,omitempty"`
	PValueLog  *float64 `json:"p_value_log10,omitempty"`
	Period     *float64 `json:"period,omitempty"`
	Jitter     *float64 `json:"jitter,omitempty"`
	Coverage   *float64 `json:"coverage,omitempty"`
	Beats      *int64   `json:"beats,omitempty"`
	Fraction   *float64 `json:"fraction,omitempty"`
	TS         *float64 `json:"ts_score,omitempty"`
	DS         *float64 `json:"ds_score,omitempty"`
	Duration   *float64 `json:"duration_score,omitempty"`
	Historical *float64 `json:"historical_score,omitempty"`
	RITA       *float64 `json:"rita_score,omitempty"`
	// RITAConnections is the number of connections that RITA's numbers rest on: RITA's window begins at a full
	// hour and so may hold more than the hunt's.
	RITAConnections *int64    `json:"rita_connections,omitempty"`
	Interval        *Interval `json:"interval,omitempty"`
}

// Interval is the most frequent gap between connections, seconds.
type Interval struct {
	Top float64 `json:"top"`
}

// Links are ready queries back to the raw connections.
type Links struct {
	SOCHunt string `json:"soc_hunt,omitempty"`
	Kibana  string `json:"kibana,omitempty"`
}

// Time is a moment as Security Onion's scripts parse it: RFC 3339, UTC, three decimals, always with a zone.
type Time struct{ time.Time }

// timeLayout always has milliseconds, so that text order is time order.
const timeLayout = "2006-01-02T15:04:05.000Z"

// At wraps Unix milliseconds.
func At(ms int64) Time { return Time{time.UnixMilli(ms).UTC()} }

// MarshalJSON writes the fixed layout, and null for a time that is not known: the year 1 is no time of anything.
func (t Time) MarshalJSON() ([]byte, error) {
	if t.IsZero() {
		return []byte("null"), nil
	}
	return []byte(`"` + t.UTC().Format(timeLayout) + `"`), nil
}

// UnmarshalJSON reads any RFC 3339 time.
func (t *Time) UnmarshalJSON(b []byte) error { return t.Time.UnmarshalJSON(b) }
