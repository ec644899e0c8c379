package hunt

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// SchemaVersion is raised when a field of Finding or Document changes its meaning or is removed. New fields do not
// raise it.
const SchemaVersion = 2

// Module and dataset names of stored documents.
const (
	Module         = "dwell"
	DatasetFinding = "dwell.finding"
	DatasetHunt    = "dwell.hunt"
)

// The indicators, as in dwell.indicators.
const (
	Beacon         = "beacon"
	LongConnection = "long_connection"
	Strobe         = "strobe"
	DNSTunnel      = "dns_tunnel"
	Presence       = "presence"
	OnList         = "listed"
	Anomaly        = "anomaly"
)

// Indicators lists them.
func Indicators() []string {
	return []string{Beacon, LongConnection, Strobe, DNSTunnel, Presence, OnList, Anomaly}
}

// ParseIndicator parses an indicator, as dwell.indicators spells it; long and dns are short for two of them.
func ParseIndicator(text string) (string, error) {
	switch text {
	case "long":
		return LongConnection, nil
	case "dns":
		return DNSTunnel, nil
	}
	if slices.Contains(Indicators(), text) {
		return text, nil
	}
	return "", fmt.Errorf("indicator %q is not one of %s", text, strings.Join(Indicators(), ", "))
}

// Finding is one candidate with its results. This struct is the NDJSON line and the Elasticsearch document
// (docs/output.md). Seconds are float64, counts and bytes int64, scores 0..1.
type Finding struct {
	// Timestamp is the start of the last connection to the finding's port. UID, source port and sensor are from the
	// same connection.
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
	// Candidate identifies what was scored; it is not part of the document.
	Candidate PairKey `json:"-"`
	// LastBegan is when the connection of [Finding.Timestamp] began, before the window too; it is not part of the document.
	LastBegan Time `json:"-"`
}

// Event has the ECS event fields, including those that Security Onion's Hunt and Alerts group by. ID is the document's
// own.
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

// Rule names the main indicator. UUID is fixed per indicator, so that tunings and playbooks in Security Onion keep
// working. Security Onion groups alerts by Category.
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

// Destination is the destination. IP is zero, and omitted, if there is no single address.
type Destination struct {
	IP     netip.Addr `json:"ip,omitzero"`
	Port   int        `json:"port,omitempty"`
	Domain string     `json:"domain,omitempty"`
}

// Network has the totals of the pair in the window.
type Network struct {
	Transport    string  `json:"transport,omitempty"`
	Protocol     string  `json:"protocol,omitempty"`
	Connections  int64   `json:"connections"`
	Bytes        int64   `json:"bytes"`
	AverageBytes float64 `json:"average_bytes"`
	// CommunityID is the flow hash of the connection in log.id.uid, if the source has it.
	CommunityID string `json:"community_id,omitempty"`
}

// Bytes is the payload sent by one side.
type Bytes struct {
	Bytes int64 `json:"bytes"`
}

// Durations are seconds.
type Durations struct {
	Total   float64 `json:"total_duration"`
	Longest float64 `json:"longest_duration"`
	// Open describes connections that had not ended; nil if all had.
	Open *StillOpen `json:"open,omitempty"`
}

// StillOpen counts a finding's connections that had not ended when last logged, or that have no record yet. Since is
// the start of the oldest, Seconds its age at the window's end.
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

// Log has the Zeek uid of the last connection, by which Security Onion finds its packets.
type Log struct {
	ID LogID `json:"id"`
}

// LogID is log.id.
type LogID struct {
	UID string `json:"uid"`
}

// Dwell has the fields that ECS does not define.
type Dwell struct {
	// Score is the final score, 0..1; Severity is its level (empty below 0.2).
	Score    float64 `json:"score"`
	Severity string  `json:"severity,omitempty"`
	// Indicators that fired and Reasons as text, both strongest first.
	Indicators []string `json:"indicators"`
	Reasons    []string `json:"reasons"`
	// ReasonCodes are for counting (see Codes).
	ReasonCodes []string `json:"reason_codes"`
	// Parts are the indicators' values before modifiers, each 0..1.
	Parts     Parts      `json:"parts"`
	Modifiers []Modifier `json:"modifiers"`

	// FindingID is the same in every hunt for the same pair; Pair is its readable form.
	FindingID string `json:"finding_id"`
	Pair      string `json:"pair"`
	// Subject groups the finding in lists and dashboards: its campaign, or its host and destination, readable
	// (SubjectOf).
	Subject       string   `json:"subject,omitempty"`
	HuntID        string   `json:"hunt_id"`
	Revision      string   `json:"revision"`
	Window        TimeSpan `json:"window"`
	SchemaVersion int      `json:"schema_version"`
	Profile       string   `json:"profile"`
	// Sensor saw the pair, set only in hunts by sensor; "(none)" if the records name none.
	Sensor string `json:"sensor,omitempty"`
	// InternalIP is the host to investigate, on either side.
	InternalIP  netip.Addr `json:"internal_ip,omitzero"`
	Disposition string     `json:"disposition"`
	// Assignee is who handles it, from the disposition.
	Assignee   string `json:"assignee,omitempty"`
	Safelisted bool   `json:"safelisted"`
	// Safelist is the rule that matched, or nil. If it is broken, the finding is not safelisted.
	Safelist   *SafelistRule `json:"safelist,omitempty"`
	Incomplete bool          `json:"incomplete,omitempty"`
	// Explained is the strength of a benign explanation: none, weak or strong; package evidence has its effect.
	Explained string `json:"explained,omitempty"`
	// Also are other candidates with the same traffic (at most 20), such as the network around an address.
	Also []string `json:"also"`
	// Destination describes a destination that is more than one address.
	Destination *DestinationNetwork `json:"destination,omitempty"`
	// Sample is the other end of the connection in log.id.uid, if it is not the finding's destination.
	Sample *Endpoint `json:"sample,omitempty"`
	// DNS describes the names of a DNS tunnel.
	DNS *DNSEvidence `json:"dns,omitempty"`
	// Evidence is the result of steps 2 to 4 of the hunt.
	Evidence *Evidence `json:"evidence,omitempty"`
	// Ports is the number of destination ports (with transport).
	Ports int `json:"ports,omitempty"`
	// DwellTime is how long the activity has lasted, as far as is known.
	DwellTime *DwellTime `json:"dwell_time,omitempty"`
	// Connection is how long the pair's connections lasted.
	Connection Durations `json:"connection"`
	// Coverage are the logs that the finding depends on and that have only some of the hours with connections.
	Coverage []LogCoverage `json:"coverage,omitempty"`
	Links    *Links        `json:"links,omitempty"`
	// Timeline is when its check-ins were; nil if their times are not kept.
	Timeline *Timeline `json:"timeline,omitempty"`
	// Campaign is the campaign it belongs to, or nil.
	Campaign *CampaignOf `json:"campaign,omitempty"`
	// Alert is the subject of an alert; nil in findings.
	Alert *AlertOf `json:"alert,omitempty"`
}

// MarshalJSON writes empty lists as [], never as null.
func (d Dwell) MarshalJSON() ([]byte, error) {
	type plain Dwell
	d.Indicators, d.Reasons, d.ReasonCodes, d.Also = notNil(d.Indicators), notNil(d.Reasons), notNil(d.ReasonCodes), notNil(d.Also)
	d.Modifiers = notNil(d.Modifiers)
	return marshal(plain(d))
}

// Codes are the codes of the reasons: the indicators, the modifiers (heaviest first), and benign_possible or
// benign_likely for a benign explanation. Unlike reasons they contain no figures, so that they can be counted over many
// hunts.
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

// SafelistRule is the safelist rule that matched a finding: its name, why it is no threat, who decided, and the day
// (YYYY-MM-DD) from which it no longer applies. Broken says why the finding is shown all the same: another server or
// client than the rule was made for, or a hit of an indicator list.
type SafelistRule struct {
	Name    string `json:"name"`
	Reason  string `json:"reason"`
	Owner   string `json:"owner"`
	Expires string `json:"expires"`
	Broken  string `json:"broken,omitempty"`
}

// Marks reports whether the rule safelists the finding. A nil rule does not.
func (r *SafelistRule) Marks() bool { return r != nil && r.Broken == "" }

// DestinationNetwork is a roll-up's destination: a network, or a TLS fingerprint ("ja4=...", "ja3=...",
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

// DNSEvidence measures the names that a client queried under one registered domain. Length is in characters without the
// domain, entropy in bits per character. Query is the newest name, if the source has it.
type DNSEvidence struct {
	Query      string  `json:"query,omitempty"`
	Names      int64   `json:"names"`
	Queries    int64   `json:"queries"`
	MeanLength float64 `json:"mean_length"`
	Entropy    float64 `json:"entropy"`
}

// Evidence is everything found besides timing.
type Evidence struct {
	// Addresses of the destination, most used first, at most 20; AddressCount is their total number.
	Addresses    []netip.Addr `json:"addresses,omitempty"`
	AddressCount int          `json:"address_count,omitempty"`
	// Prevalence is how many internal hosts contact the destination.
	Prevalence *Prevalence `json:"prevalence,omitempty"`
	// Names of the destination from DNS answers, TLS server names, HTTP hosts and certificates, at most 20.
	Names []string `json:"names,omitempty"`
	// Asked is the one name that the connections themselves ask for, in TLS or HTTP; empty for none or several. It is
	// not part of the document.
	Asked string `json:"-"`
	// Protocol is what the protocol logs show.
	Protocol *Protocol `json:"protocol,omitempty"`
	// Service is the known service at the destination, if any.
	Service *Service `json:"service,omitempty"`
	// Host identifies the internal host.
	Host *HostEvidence `json:"host,omitempty"`
	// FirstSeen is since when the destination has been known in this network.
	FirstSeen *FirstSeen `json:"first_seen,omitempty"`
	// ASN is the autonomous system that announces the destination's address (the most used one), Country its location,
	// as an ISO 3166 two-letter code.
	ASN     *ASN   `json:"asn,omitempty"`
	Country string `json:"country,omitempty"`
	// Intel are the indicators of compromise that the destination matches, at most 10.
	Intel []IntelHit `json:"intel,omitempty"`
}

// FirstSeen is when a destination (an address or a name), its registered domain and the finding were first seen. The
// number of days is in whole days before the window's end, for the destination or, without one of that kind, the
// finding.
type FirstSeen struct {
	Destination Time  `json:"destination,omitzero"`
	Domain      Time  `json:"domain,omitzero"`
	Finding     Time  `json:"finding,omitzero"`
	Days        int64 `json:"days"`
}

// DwellTime is the time in seconds from the first known check-in (from history, the first-seen store or the window) to
// the last in the window. It is a lower bound if the first check-in is within a day of the start of known data.
// RhythmSince is the change point at which the rhythm began (scoring.Began), zero if there is none or it cannot be
// told.
type DwellTime struct {
	FirstCheckIn Time    `json:"first_check_in"`
	Seconds      float64 `json:"seconds"`
	LowerBound   bool    `json:"lower_bound"`
	RhythmSince  Time    `json:"rhythm_since,omitzero"`
}

// ASN is an autonomous system and its organization.
type ASN struct {
	Number       int64  `json:"number,omitempty"`
	Organization string `json:"organization,omitempty"`
}

// IntelHit is an indicator that matched. Type is address, domain, ja3, ja4 or certificate; for hits of Zeek's own it is
// Zeek's type in lower case (addr, domain, url, file_hash, cert_hash and others).
type IntelHit struct {
	Indicator string `json:"indicator"`
	Type      string `json:"type"`
	List      string `json:"list"`
}

// Protocol is what logs other than conn say about the connections.
type Protocol struct {
	// Oddities are the names of the modifiers that come from the protocol.
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

// CertificateSeen is the server's most frequent certificate.
type CertificateSeen struct {
	Hash      string `json:"hash,omitempty"`
	Subject   string `json:"subject,omitempty"`
	Issuer    string `json:"issuer,omitempty"`
	NotBefore *Time  `json:"not_before,omitempty"`
	NotAfter  *Time  `json:"not_after,omitempty"`
}

// Service is an entry of the catalog of known services.
type Service struct {
	Name     string `json:"name"`
	Category string `json:"category"`
	// Match is the domain (or @owner) that matched, Source the reference for it.
	Match  string `json:"match"`
	Source string `json:"source"`
}

// HostEvidence is what is known of the internal host, most frequent first, at most five each. Alerts counts other
// tools' alerts (tags:alert) in the window that name it; nil if they could not be looked up.
type HostEvidence struct {
	Names    []string `json:"names,omitempty"`
	MAC      []string `json:"mac,omitempty"`
	OS       []string `json:"os,omitempty"`
	Users    []string `json:"users,omitempty"`
	Software []string `json:"software,omitempty"`
	Alerts   *int64   `json:"alerts,omitempty"`
}

// Prevalence counts internal hosts: those that contact the destination, and those that contact any external
// destination.
type Prevalence struct {
	Hosts  int64 `json:"hosts"`
	Active int64 `json:"active"`
	// Domain is the registered domain of a name, DomainHosts how many hosts contact any name in it.
	Domain      string `json:"domain,omitempty"`
	DomainHosts int64  `json:"domain_hosts,omitempty"`
}

// Modifier is evidence that raised (Value > 0) or lowered a score.
type Modifier struct {
	Name   string  `json:"name"`
	Value  float64 `json:"value"`
	Reason string  `json:"reason"`
}

// TimeSpan is the stored form of a window.
type TimeSpan struct {
	Start Time `json:"start"`
	End   Time `json:"end"`
}

// BeaconScore has dwell's beacon score with its parts, and RITA v5's five numbers under their usual names.
type BeaconScore struct {
	Score      *float64 `json:"score,omitempty"`
	PValueLog  *float64 `json:"p_value_log10,omitempty"`
	Period     *float64 `json:"period,omitempty"`
	Jitter     *float64 `json:"jitter,omitempty"`
	Coverage   *float64 `json:"coverage,omitempty"`
	CheckIns   *int64   `json:"beats,omitempty"`
	Fraction   *float64 `json:"fraction,omitempty"`
	TS         *float64 `json:"ts_score,omitempty"`
	DS         *float64 `json:"ds_score,omitempty"`
	Duration   *float64 `json:"duration_score,omitempty"`
	Historical *float64 `json:"historical_score,omitempty"`
	RITA       *float64 `json:"rita_score,omitempty"`
	// RITAConnections is the number of connections behind RITA's numbers. RITA's window starts at a full hour, so it
	// may have more than the hunt's.
	RITAConnections *int64    `json:"rita_connections,omitempty"`
	Interval        *Interval `json:"interval,omitempty"`
}

// Interval is the most frequent interval between connections, in seconds.
type Interval struct {
	Top float64 `json:"top"`
}

// Links are queries for the raw connections.
type Links struct {
	SOCHunt string `json:"soc_hunt,omitempty"`
	Kibana  string `json:"kibana,omitempty"`
}

// Time is encoded as Security Onion's scripts expect it: RFC 3339, UTC, three decimals.
type Time struct{ time.Time }

// timeLayout always has milliseconds, so that text sorts like time.
const timeLayout = "2006-01-02T15:04:05.000Z"

// At converts Unix milliseconds.
func At(ms int64) Time { return Time{time.UnixMilli(ms).UTC()} }

// MarshalJSON writes the fixed layout, or null for an unknown time.
func (t Time) MarshalJSON() ([]byte, error) {
	if t.IsZero() {
		return []byte("null"), nil
	}
	return []byte(`"` + t.UTC().Format(timeLayout) + `"`), nil
}

// UnmarshalJSON reads any RFC 3339 time.
func (t *Time) UnmarshalJSON(b []byte) error { return t.Time.UnmarshalJSON(b) }
