package scoring

import "math"

// Explanation is how good a reason there is for a rhythm.
type Explanation uint8

// The explanations, and what each leaves of a score.
const (
	Unexplained Explanation = iota // all
	Weak                           // 0.7
	Strong                         // 0.3
)

// Factor is what the explanation leaves of a score.
func (e Explanation) Factor() float64 {
	switch e {
	case Weak:
		return 0.7
	case Strong:
		return 0.3
	case Unexplained:
	}
	return 1
}

// String is none, weak or strong.
func (e Explanation) String() string {
	switch e {
	case Weak:
		return "weak"
	case Strong:
		return "strong"
	case Unexplained:
	}
	return "none"
}

// Indicators are a key's values, each 0..1.
type Indicators struct{ Beacon, Long, Strobe, DNSTunnel, Presence, Listed, Anomaly float64 }

// Strongest is the largest of them: what a key weighs before modifiers. A beacon's value is its score times
// SizeScore.Factor.
func (i Indicators) Strongest() float64 {
	return Clamp(max(Clamp(i.Beacon), Clamp(i.Long), Clamp(i.Strobe), Clamp(i.DNSTunnel), Clamp(i.Presence), Clamp(i.Listed), Clamp(i.Anomaly)))
}

// wholeShare is the weight of a modifier that would take all that is left.
const wholeShare = 0.6

// Final is the final score: the strongest indicator, of which each modifier takes a share, times what the explanation
// leaves. Those above 0 take a share of what is left to 1, then those below 0 of what is there: their weight in 0.6, so
// that 0.15 is a quarter. Their order does not matter. So no sum of modifiers reaches 0 or 1, and scores keep their
// order.
func Final(i Indicators, modifiers []float64, e Explanation) float64 {
	score, lowered := i.Strongest(), 1.0
	for _, m := range modifiers {
		if share := Clamp(math.Abs(m) / wholeShare); m > 0 {
			score += (1 - score) * share
		} else {
			lowered *= 1 - share
		}
	}
	return score * lowered * e.Factor()
}
