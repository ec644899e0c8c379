package hunt

// DatasetDisposition is the event.dataset of dispositions.
const DatasetDisposition = "dwell.disposition"

// The dispositions of a finding. A finding is open until an analyst decides.
const (
	Open      = "open"
	Benign    = "benign"
	Escalated = "escalated"
)

// Disposition is one decision about a finding: who decided what, when and why (dataset dwell.disposition). Decisions
// are appended, never changed; the newest one of a finding applies.
type Disposition struct {
	// Timestamp is when the decision was made.
	Timestamp Time `json:"@timestamp"`
	Schema
	Event       DispositionEvent   `json:"event"`
	User        User               `json:"user"`
	Source      Originator         `json:"source"`
	Destination Destination        `json:"destination"`
	Dwell       DispositionFinding `json:"dwell"`
}

// DispositionEvent has the ECS event fields of a decision.
type DispositionEvent struct {
	ID       string   `json:"id,omitempty"`
	Kind     string   `json:"kind"`
	Category []string `json:"category"`
	Type     []string `json:"type"`
	Module   string   `json:"module"`
	Dataset  string   `json:"dataset"`
}

// User is who decided.
type User struct {
	Name string `json:"name"`
}

// DispositionFinding is the decision and its finding. EventID is the event.id of the document the analyst saw.
type DispositionFinding struct {
	FindingID   string `json:"finding_id"`
	Pair        string `json:"pair"`
	EventID     string `json:"event_id"`
	Disposition string `json:"disposition"`
	Note        string `json:"note,omitempty"`
	// Assignee is who handles the finding.
	Assignee      string `json:"assignee,omitempty"`
	SchemaVersion int    `json:"schema_version"`
}
