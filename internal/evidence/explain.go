package evidence

import (
	"slices"

	"dwell/internal/hunt"
	"dwell/scoring"
)

// ground is the basis of an explanation. What an intruder can fake weighs less than what he cannot.
type ground uint8

const (
	// firm: the owner of the address, or an internal server.
	firm ground = iota
	// claimed: what the client says of itself, or what looks like a protocol.
	claimed
	// many: other hosts do the same, as in fleets and outbreaks.
	many
)

type explanation struct {
	scoring.Explanation
	why string
	ground
}

// MinVouching is the minimum number of hosts, including this one, that must vouch for a destination.
const MinVouching = 3

// Explain adds an explanation that cannot be forged: the owner of the address. The best explanation lowers the score;
// all are shown.
func (s *Candidate) Explain(e scoring.Explanation, why string) { s.explain(e, firm, why) }

// ExplainClaim is Explain for what a client can fake (a name, a protocol's appearance). It does not count if something
// sets the client apart from those it claims to be like.
func (s *Candidate) ExplainClaim(e scoring.Explanation, why string) { s.explain(e, claimed, why) }

// ExplainFleet is Explain for behavior that other hosts share. It is shown, and lowers an [Candidate.established]
// destination to medium: an outbreak looks the same, and more infected hosts are no reassurance. Without history, an
// unsuspicious one is limited to high.
func (s *Candidate) ExplainFleet(why string) { s.explain(scoring.Weak, many, why) }

func (s *Candidate) explain(e scoring.Explanation, on ground, why string) {
	if e != scoring.Unexplained {
		s.explanations = append(s.explanations, explanation{e, why, on})
	}
}

// SetApart records what distinguishes a client from others of its kind: its own fingerprint, certificate or size. The
// first reason is kept.
func (s *Candidate) SetApart(reason string) {
	if s.apart == "" {
		s.apart = reason
	}
}

// AtMost limits the severity, whatever the evidence, with a reason.
func (s *Candidate) AtMost(most scoring.Severity, why string) {
	if s.most == scoring.None || most < s.most {
		s.most, s.why = most, why
	}
}

// AtMostByChance limits the severity of a rhythm, unless an indicator list names the destination, with a reason.
func (s *Candidate) AtMostByChance(most scoring.Severity, why string) {
	s.chance, s.chanceWhy = most, why
}

// ceiling is the maximum severity and its reason; none if unlimited.
func (s *Candidate) ceiling() (scoring.Severity, string) {
	if s.chance != scoring.None && (s.most == scoring.None || s.chance < s.most) && !s.Has(Intel) {
		return s.chance, s.chanceWhy
	}
	return s.most, s.why
}

// established reports whether the destination has been known for thirty days and several vouching hosts contact it,
// this one no differently.
func (s *Candidate) established() bool {
	return s.Has(Known) && s.Vouching >= MinVouching && s.apart == "" && !s.Has(Intel) && !s.Has(New)
}

// unsuspicious reports whether several hosts do the same with nothing odd about it, when history is too short to know a
// month. A destination that arrived after the store began never qualifies.
func (s *Candidate) unsuspicious() bool {
	return !s.Arrived && !s.odd() && s.apart == "" && (s.Vouching >= MinVouching || s.Key.Name != "" && s.Shared >= MinShared)
}

// odd reports whether evidence other than rarity and similar sizes raises the score: benign software has both of these.
func (s *Candidate) odd() bool {
	return slices.ContainsFunc(s.modifiers, func(m hunt.Modifier) bool { return m.Value > 0 && m.Name != Rare && m.Name != SameSize })
}

// earn removes unfounded reductions: time passes for implants too, and many hosts may be infected. They stay among the
// reasons.
func (s *Candidate) earn() {
	s.modifiers = slices.DeleteFunc(s.modifiers, func(m hunt.Modifier) bool {
		if !slices.Contains(s.always, m.Name) {
			return false
		}
		s.Last(m.Reason + "; that does not count, since the host is " + s.served)
		return true
	})
	grounded := s.established() || !s.Has(Intel) && slices.ContainsFunc(s.explanations, func(e explanation) bool { return e.ground == firm })
	if grounded {
		return
	}
	s.modifiers = slices.DeleteFunc(s.modifiers, func(m hunt.Modifier) bool {
		if m.Value >= 0 {
			return false
		}
		s.Last(m.Reason + "; that alone does not lower the score")
		return true
	})
}

// settle returns the score after the explanations, and the best of them. Each one is shown with its effect.
func (s *Candidate) settle(score float64) (left float64, best scoring.Explanation) {
	left = score
	tell := func(reason string) { s.Finding.Dwell.Reasons = append(s.Finding.Dwell.Reasons, reason) }
	for _, e := range s.explanations {
		after := score
		switch {
		case s.Has(Intel):
			tell(e.why + "; but it is on an indicator list, so that does not count")
			continue
		case e.ground == many && s.Has(New):
			tell(e.why + "; that does not lower the score, since the destination is new")
			continue
		case e.ground != firm && s.apart != "":
			tell(e.why + "; but " + s.apart + ", so that does not count")
			continue
		case e.ground == many && s.established():
			e.why += "; seen for a month without any anomaly"
			after = within(scoring.Medium, score)
		case e.ground == many && s.unsuspicious():
			e.why += "; nothing about it is odd, and it is unknown whether it was there thirty days ago"
			after = toHigh(score)
		case e.ground == many:
			e.Explanation = scoring.Unexplained
			e.why += "; their number alone does not lower the score"
		case e.ground == claimed && e.Explanation == scoring.Weak && s.established():
			e.Explanation = scoring.Strong
			e.why += "; several hosts have used it like this for a month"
			after = score * e.Factor()
		case e.Explanation == scoring.Weak:
			after = stepDown(score)
		default:
			after = score * e.Factor()
		}
		left, best = min(left, after), max(best, e.Explanation)
		tell(e.why)
	}
	return left, best
}

// begins is the lowest score of a severity, 0 for none.
func begins(s scoring.Severity) float64 {
	switch s {
	case scoring.Low:
		return 0.2
	case scoring.Medium:
		return 0.4
	case scoring.High:
		return 0.6
	case scoring.Critical:
		return 0.8
	case scoring.None:
	}
	return 0
}

// stepDown applies a weak explanation: 0.7 of the score, but a critical one stays high. It preserves the order of
// scores.
func stepDown(score float64) float64 {
	if high, critical := begins(scoring.High), begins(scoring.Critical); score > critical {
		return high + (scoring.Weak.Factor()-high)*(score-critical)/(1-critical)
	}
	return score * scoring.Weak.Factor()
}

// fleetTop is the part of high that young fleets are mapped to.
const fleetTop = 0.02

// toHigh maps high and critical scores to the lowest part of high, preserving their order: a fleet ranks below single
// hosts.
func toHigh(score float64) float64 {
	high := begins(scoring.High)
	if score <= high {
		return score
	}
	return high + fleetTop*(score-high)/(1-high)
}

// withinTop is the range below a severity's upper bound to which higher scores are mapped.
const withinTop = 0.05

// within maps scores above a severity into it. Scores with the same bound keep their order, so that none tie.
func within(most scoring.Severity, score float64) float64 {
	from := begins(most+1) - withinTop
	if score <= from {
		return score
	}
	return from + 0.99*withinTop*(score-from)/(1-from)
}

// lowest maps a severity's scores to its lowest part, preserving their order: what can carry almost no data ranks after
// what can.
func lowest(of scoring.Severity, score float64) float64 {
	from, to := begins(of), begins(of+1)
	if score <= from {
		return score
	}
	return from + withinTop*(score-from)/(to-from)
}
