package material

import (
	"time"

	"dwell/internal/hunt"
)

// Counts are a hunt's numbers.
type Counts struct {
	// Connections of Pairs of addresses in the window, and how many candidates were scored.
	Connections, Pairs, Scored int64
}

// Ranked is the result of a ranking.
type Ranked struct {
	Counts
	// Findings are in no order; only the hunt's own fields are missing.
	Findings []hunt.Finding
	// Remarks are what looking for evidence said, Evidence is how long it took.
	Remarks  hunt.Remarks
	Evidence time.Duration
	// Sensitivity is nil if the ranking has none.
	Sensitivity *Sensitivity
}

// Sensitivity says what the hunt would have found.
type Sensitivity struct {
	// Cut is the score from which a beacon counts as found.
	Cut float64
	// Hours are the hours of the window, from its start, with connections.
	Hours []bool
	// Skipped counts roll-ups too busy to judge.
	Skipped hunt.Skipped
	// Selftest is nil unless requested.
	Selftest *hunt.Selftest
}
