package hunt

// Statement says what was tested and which beacons would have been found, so that finding nothing means something.
type Statement struct {
	Text string `json:"text"`
	// Complete means that everything was read and nearly all hours have connections, so anything above the floor would
	// have been seen.
	Complete bool `json:"complete"`
	// Covered are the parts of Text about coverage, Missing why Complete is false.
	Covered []string `json:"covered,omitempty"`
	Missing []string `json:"missing,omitempty"`
	// Candidates is the number scored.
	Candidates int64 `json:"candidates"`
	// Cut is the score that the floor refers to: the lowest requested, at least 0.2.
	Cut float64 `json:"cut"`
	// Hours of the window, from its start, and how many of them have connections.
	Hours         int64 `json:"hours"`
	HoursWithData int64 `json:"hours_with_data"`
	// Safelisted counts the safelisted findings of this hunt.
	Safelisted int64   `json:"safelisted"`
	Floor      []Floor `json:"floor"`
	// Sensors are those with the fewest hours of connection records, at most 50 of SensorCount. Omitted if the source
	// does not distinguish sensors.
	Sensors     []SensorHours `json:"sensors,omitempty"`
	SensorCount int64         `json:"sensor_count,omitempty"`
	// Logs other than conn, with the hours with connections that they cover.
	Logs []LogCoverage `json:"logs,omitempty"`
	// CaptureLoss is Zeek's own estimate (capture_loss.log): acknowledgements of data never seen. Dropped is what the
	// sensors' network cards dropped (stats.log). Omitted without the log.
	CaptureLoss *LossShare `json:"capture_loss,omitempty"`
	Dropped     *LossShare `json:"packets_dropped,omitempty"`
	// Skipped is what was too large to be examined in full.
	Skipped Skipped `json:"skipped"`
	// Selftest is the result for injected beacons.
	Selftest *Selftest `json:"selftest,omitempty"`
}

// Skipped counts what was skipped or truncated because of its size: roll-ups in which a beacon could not be separated
// from the rest, and domains with more names than are kept.
type Skipped struct {
	Networks     int64 `json:"networks"`
	Fingerprints int64 `json:"fingerprints"`
	Domains      int64 `json:"domains"`
}

// Selftest is a measured sensitivity. Beacons of a grid were injected into the hours of the hunt, alone and on top of
// existing traffic, and scored like other candidates. The same hunt gives the same result.
type Selftest struct {
	Seed int64 `json:"seed"`
	// Injected is the number of beacons, Found how many of them scored at or above the cut.
	Injected int64  `json:"injected"`
	Found    int64  `json:"found"`
	Cells    []Cell `json:"cells"`
	// Presence is the result for hosts that connect throughout the window without a rhythm, empty if the window is too
	// short. Campaigns is the result for the same implant on several hosts.
	Presence  []PresenceCell `json:"presence,omitempty"`
	Campaigns []CampaignCell `json:"campaigns,omitempty"`
}

// PresenceCell counts the hosts that scored at or above the cut, of those that wait MeanPause seconds on average,
// without memory.
type PresenceCell struct {
	MeanPause float64 `json:"mean_pause"`
	Injected  int64   `json:"injected"`
	Found     int64   `json:"found"`
}

// CampaignCell is the same implant on Hosts hosts: how many scored at or above the cut, how many one campaign groups,
// and its severity, or empty. Nothing is known of its hosts.
type CampaignCell struct {
	Hosts    int64  `json:"hosts"`
	Found    int64  `json:"found"`
	Grouped  int64  `json:"grouped"`
	Severity string `json:"severity,omitempty"`
}

// Cell is one kind of beacon: period in seconds, jitter and missed check-ins as shares, hours active. Alone are those
// with a candidate of their own, Among those mixed with other connections.
type Cell struct {
	Period        float64 `json:"period"`
	Jitter        float64 `json:"jitter"`
	Missed        float64 `json:"missed"`
	Hours         float64 `json:"hours"`
	InjectedAlone int64   `json:"injected_alone"`
	FoundAlone    int64   `json:"found_alone"`
	InjectedAmong int64   `json:"injected_among"`
	FoundAmong    int64   `json:"found_among"`
}

// Floor is the least that a beacon of this period (seconds), jitter and share of missed check-ins needs to score above
// the cut with 95% probability: CheckIns observed, over Hours. 0 if the window is too short. Kind is empty for a beacon
// that is active throughout, FloorPauses for a loop that works and then sleeps (Jitter is that of its sleeps),
// FloorWorkingHours for one that is active for ten hours a day (Hours counts these).
type Floor struct {
	Kind     string  `json:"kind,omitempty"`
	Period   float64 `json:"period"`
	Jitter   float64 `json:"jitter"`
	Missed   float64 `json:"missed"`
	CheckIns int64   `json:"check_ins"`
	Hours    float64 `json:"hours"`
}

// The kinds of Floor.
const (
	FloorPauses       = "pauses"
	FloorWorkingHours = "working_hours"
)

// MarshalJSON writes empty lists as [], never as null.
func (s Statement) MarshalJSON() ([]byte, error) {
	type plain Statement
	s.Floor = notNil(s.Floor)
	return marshal(plain(s))
}

// MarshalJSON writes empty lists as [], never as null.
func (s Selftest) MarshalJSON() ([]byte, error) {
	type plain Selftest
	s.Cells = notNil(s.Cells)
	return marshal(plain(s))
}
