package hunt

// DatasetDisposition is the event.dataset of dispositions.
const DatasetDisposition = "dwell.disposition"

// The dispositions of a story. Every story is open until somebody decides.
const (
	Open      = "open"
	Benign    = "benign"
	Escalated = "escalated"
)

// Disposition is one decision about a story: who decided what, when and why (dataset dwell.disposition). Decisions are
// appended, never changed; the newest one of a story holds.
type Disposition struct {
	// Timestamp is when it was decided.
	Timestamp   Time             `json:"@timestamp"`
	Event       DispositionEvent `json:"event"`
	User        User             `json:"user"`
	Source      Originator       `json:"source"`
	Destination Destination      `json:"destination"`
	Dwell       DispositionStory `json:"dwell"`
}

// DispositionEvent holds the ECS event fields of a decision.
type DispositionEvent struct {
	Kind     string `json:"kind"`
	Category string `json:"category"`
	Module   string `json:"module"`
	Dataset  string `json:"dataset"`
}

// User is who decided.
type User struct {
	Name string `json:"name"`
}

// DispositionStory is what was decided about which story. FindingID is the finding that was looked at.
type DispositionStory struct {
	StoryID       string `json:"story_id"`
	Pair          string `json:"pair"`
	FindingID     string `json:"finding_id"`
	Disposition   string `json:"disposition"`
	Note          string `json:"note,omitempty"`
	SchemaVersion int    `json:"schema_version"`
}
