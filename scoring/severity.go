package scoring

import "math"

// Severity is a score in words, in RITA's steps.
type Severity uint8

// The severities, with the scores they begin at.
const (
	None     Severity = iota
	Low               // from 0.2
	Medium            // from 0.4
	High              // from 0.6
	Critical          // above 0.8
)

// SeverityOf returns the severity of a final score. Scores are clamped to 0..1 first; NaN has no severity.
func SeverityOf(score float64) Severity {
	switch score = Clamp(score); {
	case score > 0.8:
		return Critical
	case score >= 0.6:
		return High
	case score >= 0.4:
		return Medium
	case score >= 0.2:
		return Low
	}
	return None
}

// Number is the ECS number of the severity: 1 low to 4 critical, 0 none.
func (s Severity) Number() int { return int(s) }

// String is the severity's word: low, medium, high, critical; empty for none.
func (s Severity) String() string {
	switch s {
	case Low:
		return "low"
	case Medium:
		return "medium"
	case High:
		return "high"
	case Critical:
		return "critical"
	case None:
	}
	return ""
}

// Clamp brings a score into 0..1. NaN becomes 0.
func Clamp(score float64) float64 {
	if math.IsNaN(score) {
		return 0
	}
	return min(1, max(0, score))
}
