package scoring

import "math"

// Explanation is how well a benign explanation fits.
type Explanation uint8

// The explanations, and what each leaves of a score.
const (
	Unexplained Explanation = iota // all
	Weak                           // 0.7
	Strong                         // 0.3
)

// Factor multiplies the score of a finding with this explanation.
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

// Indicators are a candidate's values, each 0..1.
type Indicators struct{ Beacon, Long, Strobe, DNSTunnel, Presence, Listed, Anomaly float64 }

// Strongest is the largest of them: the score before modifiers. A beacon's value is its score times SizeScore.Factor.
func (i Indicators) Strongest() float64 {
	return Clamp(max(Clamp(i.Beacon), Clamp(i.Long), Clamp(i.Strobe), Clamp(i.DNSTunnel), Clamp(i.Presence), Clamp(i.Listed), Clamp(i.Anomaly)))
}

// wholeShare is the weight of a modifier that would take all of what is left.
const wholeShare = 0.6

// Final is the final score: the strongest indicator, raised and lowered by the modifiers, times the explanation's
// factor. A positive modifier takes its weight divided by 0.6 of what is left to 1 (0.15: a quarter), a negative one as
// much of the score. Their order does not matter, no sum of them reaches 0 or 1, and scores keep their order.
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
