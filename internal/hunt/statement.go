package hunt

// Statement says what was tested and which beacons would have been found, so that finding nothing means something.
type Statement struct {
	Text string `json:"text"`
	// Complete: everything was read and nearly all hours have connections, so what is above the floor would have been seen.
	Complete bool `json:"complete"`
	// Covered are the parts of Text about what was covered, Missing why Complete is false.
	Covered []string `json:"covered,omitempty"`
	Missing []string `json:"missing,omitempty"`
	// Candidates is how many were scored.
	Candidates int64 `json:"candidates"`
	// Cut is the score that the floor is about: the lowest that was asked for, at least 0.2.
	Cut float64 `json:"cut"`
	// Hours of the window, from its start on, and how many of them have connections.
	Hours         int64 `json:"hours"`
	HoursWithData int64 `json:"hours_with_data"`
	// Safelisted findings of this hunt.
	Safelisted int64   `json:"safelisted"`
	Floor      []Floor `json:"floor"`
	// Sensors are those with the fewest hours with connection records, at most 50 of SensorCount. Left out where the source
	// tells no sensors apart.
	Sensors     []SensorHours `json:"sensors,omitempty"`
	SensorCount int64         `json:"sensor_count,omitempty"`
	// Logs beside conn: how many of the hours with connections they cover.
	Logs []LogCoverage `json:"logs,omitempty"`
	// CaptureLoss is Zeek's own estimate (capture_loss.log): acknowledgements of data that was never seen. Dropped is
	// what the sensors' network cards dropped (stats.log). Left out where the log is not there.
	CaptureLoss *LossShare `json:"capture_loss,omitempty"`
	Dropped     *LossShare `json:"packets_dropped,omitempty"`
	// Skipped is what was too much to be looked at whole.
	Skipped Skipped `json:"skipped"`
	// Selftest is what was found of beacons that were put in for that purpose.
	Selftest *Selftest `json:"selftest,omitempty"`
}

// Skipped counts what was left alone or cut because there was too much of it: roll-ups in which a beat could not be
// told from the rest, and domains with more names than are kept.
type Skipped struct {
	Networks     int64 `json:"networks"`
	Fingerprints int64 `json:"fingerprints"`
	Domains      int64 `json:"domains"`
}

// Selftest is a measured sensitivity: beacons of a grid were put into the hours of the hunt, alone and on top of what
// the hunt read, and scored as its keys were. The same hunt gives the same result.
type Selftest struct {
	Seed int64 `json:"seed"`
	// Injected beacons in all, and how many of them scored the cut or more.
	Injected int64  `json:"injected"`
	Found    int64  `json:"found"`
	Cells    []Cell `json:"cells"`
	// Presence is what was found of hosts that talk all through the window without a rhythm, empty where the window is too short;
	// Campaigns what became of the same implant on several hosts.
	Presence  []PresenceCell `json:"presence,omitempty"`
	Campaigns []CampaignCell `json:"campaigns,omitempty"`
}

// PresenceCell is how many of the hosts scored the cut or more that wait MeanPause seconds on average, without memory.
type PresenceCell struct {
	MeanPause float64 `json:"mean_pause"`
	Injected  int64   `json:"injected"`
	Found     int64   `json:"found"`
}

// CampaignCell is the same implant on so many hosts: how many of them scored the cut or more, how many one campaign groups, and its
// severity, empty where there is none. Its hosts count as a fleet of which nothing is known.
type CampaignCell struct {
	Hosts    int64  `json:"hosts"`
	Found    int64  `json:"found"`
	Grouped  int64  `json:"grouped"`
	Severity string `json:"severity,omitempty"`
}

// Cell is one kind of beacon: period in seconds, jitter and missed check-ins as shares, hours alive. Alone are those on
// a key of their own, Among those on a key with other connections.
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

// Floor is the least that a beacon of this period (seconds), jitter and share of missed check-ins must do to score
// above the cut with a likelihood of 95%: CheckIns that show, over Hours. 0 where the window is too short for it.
type Floor struct {
	Period   float64 `json:"period"`
	Jitter   float64 `json:"jitter"`
	Missed   float64 `json:"missed"`
	CheckIns int64   `json:"check_ins"`
	Hours    float64 `json:"hours"`
}

// MarshalJSON writes lists that are empty as [], never as null.
func (s Statement) MarshalJSON() ([]byte, error) {
	type plain Statement
	s.Floor = full(s.Floor)
	return marshal(plain(s))
}

// MarshalJSON writes lists that are empty as [], never as null.
func (s Selftest) MarshalJSON() ([]byte, error) {
	type plain Selftest
	s.Cells = full(s.Cells)
	return marshal(plain(s))
}
