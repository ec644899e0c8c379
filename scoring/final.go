package scoring

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
type Indicators struct{ Beacon, Long, Strobe, DNSTunnel, Presence, Listed float64 }

// Strongest is the largest of them: what a key weighs before modifiers. A beacon's value is its score times
// SizeScore.Factor.
func (i Indicators) Strongest() float64 {
	return Clamp(max(Clamp(i.Beacon), Clamp(i.Long), Clamp(i.Strobe), Clamp(i.DNSTunnel), Clamp(i.Presence), Clamp(i.Listed)))
}

// Final is the final score: the strongest indicator and the sum of all modifiers, clamped, times what the
// explanation leaves of it.
func Final(i Indicators, modifiers float64, e Explanation) float64 {
	return Clamp(i.Strongest()+modifiers) * e.Factor()
}
