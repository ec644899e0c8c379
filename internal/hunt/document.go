package hunt

// Document is the record of one hunt (dataset dwell.hunt). It is written last, as the commit record.
type Document struct {
	Timestamp Time `json:"@timestamp"`
	Schema
	Event Event     `json:"event"`
	Tags  []string  `json:"tags,omitempty"`
	Dwell DwellHunt `json:"dwell"`
}

// DwellHunt is the hunt's own part of its document.
type DwellHunt struct {
	HuntID        string   `json:"hunt_id"`
	Revision      string   `json:"revision"`
	SchemaVersion int      `json:"schema_version"`
	Version       string   `json:"version"`
	Profile       string   `json:"profile"`
	Window        TimeSpan `json:"window"`
	Hunt          Summary  `json:"hunt"`
}

// Summary has a hunt's counts, times, notes and gaps.
type Summary struct {
	Source    string   `json:"source"`
	Internal  []string `json:"internal"`
	Direction string   `json:"direction"`
	Complete  bool     `json:"complete"`
	// Lag is the time from the window's end to the hunt, in seconds.
	Lag         float64      `json:"lag"`
	Records     int64        `json:"records"`
	Connections int64        `json:"connections"`
	Pairs       int64        `json:"pairs"`
	Scored      int64        `json:"scored"`
	Findings    int64        `json:"findings"`
	BySeverity  BySeverity   `json:"by_severity"`
	Slices      SliceSummary `json:"slices"`
	Stages      Stages       `json:"stages"`
	Notes       []string     `json:"notes"`
	Gaps        []string     `json:"gaps"`
	// OutOfScope is what the scope excluded although one side may be internal; nil if nothing.
	OutOfScope *LeftOut `json:"out_of_scope,omitempty"`
	// Statement is nil with RITA's score, which has no likelihood.
	Statement *Statement `json:"statement,omitempty"`
	// Replaces is the revision that this one supersedes, if the same hunt was stored before with another result of
	// reading.
	Replaces string `json:"replaces,omitempty"`
}

// MarshalJSON writes empty lists as [], never as null.
func (s Summary) MarshalJSON() ([]byte, error) {
	type plain Summary
	s.Internal, s.Notes, s.Gaps = notNil(s.Internal), notNil(s.Notes), notNil(s.Gaps)
	return marshal(plain(s))
}

// BySeverity counts the findings of each severity.
type BySeverity struct {
	Critical int64 `json:"critical"`
	High     int64 `json:"high"`
	Medium   int64 `json:"medium"`
	Low      int64 `json:"low"`
}

// Stages are seconds per stage. Write covers the findings, not the hunt document, which comes after it.
type Stages struct {
	Read     float64 `json:"read"`
	Score    float64 `json:"score"`
	Evidence float64 `json:"evidence"`
	Write    float64 `json:"write"`
}

// SliceSummary counts the slices in which a window was read.
type SliceSummary struct {
	Read     int64 `json:"read"`
	Mismatch int64 `json:"mismatch"`
}
