package hunt

// Document is the record of one hunt (dataset dwell.hunt), written last: the commit record.
type Document struct {
	Timestamp Time `json:"@timestamp"`
	Schema
	Event Event     `json:"event"`
	Tags  []string  `json:"tags,omitempty"`
	Dwell DwellHunt `json:"dwell"`
}

// DwellHunt is what a hunt says about itself.
type DwellHunt struct {
	HuntID        string   `json:"hunt_id"`
	Revision      string   `json:"revision"`
	SchemaVersion int      `json:"schema_version"`
	Version       string   `json:"version"`
	Profile       string   `json:"profile"`
	Window        TimeSpan `json:"window"`
	Hunt          Summary  `json:"hunt"`
}

// Summary holds a hunt's counts, times and complaints.
type Summary struct {
	Source    string   `json:"source"`
	Internal  []string `json:"internal"`
	Direction string   `json:"direction"`
	Complete  bool     `json:"complete"`
	// Lag is how many seconds after the window's end the hunt was carried out.
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
	// OutOfScope is what the scope left out although one side may be inside; nil where it left out nothing.
	OutOfScope *LeftOut `json:"out_of_scope,omitempty"`
	// Statement is nil by RITA's score, which knows no likelihood.
	Statement *Statement `json:"statement,omitempty"`
	// Replaces is the revision that this one supersedes, when the same hunt was written before and read otherwise.
	Replaces string `json:"replaces,omitempty"`
}

// MarshalJSON writes lists that are empty as [], never as null.
func (s Summary) MarshalJSON() ([]byte, error) {
	type plain Summary
	s.Internal, s.Notes, s.Gaps = full(s.Internal), full(s.Notes), full(s.Gaps)
	return marshal(plain(s))
}

// BySeverity counts the findings of each severity.
type BySeverity struct {
	Critical int64 `json:"critical"`
	High     int64 `json:"high"`
	Medium   int64 `json:"medium"`
	Low      int64 `json:"low"`
}

// Stages are seconds spent a stage. Write is the findings' writing; the hunt document itself comes after it.
type Stages struct {
	Read     float64 `json:"read"`
	Score    float64 `json:"score"`
	Evidence float64 `json:"evidence"`
	Write    float64 `json:"write"`
}

// SliceSummary counts the slices that a window was read in.
type SliceSummary struct {
	Read     int64 `json:"read"`
	Mismatch int64 `json:"mismatch"`
}
