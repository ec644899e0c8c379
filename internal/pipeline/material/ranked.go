package material

import (
	"time"

	"dwell/internal/hunt"
)

// Counts of a hunt.
type Counts struct {
	// Connections of Pairs of addresses in the window, and how many candidates were scored.
	Connections, Pairs, Scored int64
}

// Ranked is what a ranking makes of the material.
type Ranked struct {
	Counts
	// Findings in no order, complete but for what names the hunt.
	Findings []hunt.Finding
	// Remarks are what looking for evidence said, Evidence is how long it took.
	Remarks  hunt.Remarks
	Evidence time.Duration
	// Sensitivity is what can be said of beacons that were not found; nil where the ranking knows nothing of it.
	Sensitivity *Sensitivity
}

// Sensitivity is what the hunt would have found.
type Sensitivity struct {
	// Cut is the score from which something counts as found.
	Cut float64
	// Hours says in which hours of the window, counted from its start, there were connections.
	Hours []bool
	// Skipped is what was too busy to be judged as a whole.
	Skipped hunt.Skipped
	// Selftest is nil unless it was asked for.
	Selftest *hunt.Selftest
}
