package evidence

import (
	"slices"

	"dwell/internal/hunt"
	"dwell/scoring"
)

// ground is what an explanation rests on. What an intruder can produce himself carries less than what he cannot.
type ground uint8

const (
	// firm: who holds the address, or a server inside.
	firm ground = iota
	// claimed: what the client says of itself, or what passes for a protocol.
	claimed
	// many: other hosts do the same, as fleets and outbreaks do.
	many
)

type explanation struct {
	scoring.Explanation
	why string
	ground
}

// vouching is how many hosts, this one included, have to vouch for a destination before their number counts.
const vouching = 3

// Explain gives a reason for what the pair does that nobody can forge: who holds its address. The best explanation lowers the
// score, all are shown.
func (s *Subject) Explain(e scoring.Explanation, why string) { s.explain(e, firm, why) }

// ExplainClaim is Explain for reasons that a client can produce itself (a name, the looks of a protocol). They count for nothing
// where something sets the client apart from those that it claims to be like.
func (s *Subject) ExplainClaim(e scoring.Explanation, why string) { s.explain(e, claimed, why) }

// ExplainFleet is Explain for what other hosts do, too. That is shown, and lowers the score of what is [Subject.established] to medium:
// an outbreak looks the same, and more infected hosts are no reassurance. Where nobody can know, what is not odd is high at most.
func (s *Subject) ExplainFleet(why string) { s.explain(scoring.Weak, many, why) }

func (s *Subject) explain(e scoring.Explanation, on ground, why string) {
	if e != scoring.Unexplained {
		s.explanations = append(s.explanations, explanation{e, why, on})
	}
}

// SetApart says what a client does or shows that the others of its kind do not: a fingerprint, a certificate or a size of its
// own. The first reason is kept.
func (s *Subject) SetApart(reason string) {
	if s.apart == "" {
		s.apart = reason
	}
}

// AtMost bounds the severity, whatever speaks against the pair, and says why.
func (s *Subject) AtMost(most scoring.Severity, why string) {
	if s.most == scoring.None || most < s.most {
		s.most, s.why = most, why
	}
}

// AtMostByChance bounds the severity of what rests on a rhythm, unless an indicator list names the destination, and says why.
func (s *Subject) AtMostByChance(most scoring.Severity, why string) {
	s.chance, s.chanceWhy = most, why
}

// ceiling is the most that the finding may weigh; none where nothing bounds it.
func (s *Subject) ceiling() (scoring.Severity, string) {
	if s.chance != scoring.None && (s.most == scoring.None || s.chance < s.most) && !s.Has(Intel) {
		return s.chance, s.chanceWhy
	}
	return s.most, s.why
}

// established says that the destination has been known for thirty days and several hosts of which more is known talk to it,
// this one no differently from them.
func (s *Subject) established() bool {
	return s.Has(Known) && s.Company >= vouching && s.apart == "" && !s.Has(Intel) && !s.Has(New)
}

// unsuspicious says of what several hosts do that nothing is odd about it, where nobody can know whether it was there a month ago. What
// came since the store began is never so.
func (s *Subject) unsuspicious() bool {
	return !s.Arrived && !s.odd() && s.apart == "" && (s.Company >= vouching || s.Key.Name != "" && s.Shared >= BornOut)
}

// odd says that evidence of another kind than rarity and sizes that are alike speaks against it: benign software has both.
func (s *Subject) odd() bool {
	return slices.ContainsFunc(s.modifiers, func(m hunt.Modifier) bool { return m.Value > 0 && m.Name != Rare && m.Name != SameSize })
}

// earn takes away what lowers the score without ground: time passes for implants, too, and many hosts may be infected. What was
// taken away stays among the reasons.
func (s *Subject) earn() {
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

// settle gives what the explanations leave of a score and which was the best. Each is shown, with what became of it.
func (s *Subject) settle(score float64) (left float64, best scoring.Explanation) {
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

// begins is the score that a severity begins at; of none and what would be less it is 0.
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

// stepDown is what a weak explanation leaves: 0.7 of the score, but a critical one stays high. The order of scores stays.
func stepDown(score float64) float64 {
	if high, critical := begins(scoring.High), begins(scoring.Critical); score > critical {
		return high + (scoring.Weak.Factor()-high)*(score-critical)/(1-critical)
	}
	return score * scoring.Weak.Factor()
}

// toHigh brings what is high or critical into the lower half of high. The order of scores stays.
func toHigh(score float64) float64 {
	high := begins(scoring.High)
	if score <= high {
		return score
	}
	return high + (scoring.Weak.Factor()-high)*(score-high)/(1-high)
}

// withinTop is the part below the bound of a severity that all scores above it are brought into.
const withinTop = 0.05

// within brings what is above a severity down into it. The order of scores that have one bound stays, so that no two of them tie.
func within(most scoring.Severity, score float64) float64 {
	from := begins(most+1) - withinTop
	if score <= from {
		return score
	}
	return from + 0.99*withinTop*(score-from)/(1-from)
}

// lowest brings a score of a severity into the lowest part of it: what can hardly carry data comes after what can. The order stays.
func lowest(of scoring.Severity, score float64) float64 {
	from, to := begins(of), begins(of+1)
	if score <= from {
		return score
	}
	return from + withinTop*(score-from)/(to-from)
}
