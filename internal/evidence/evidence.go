// Package evidence weighs everything about a finding except its rhythm: business need, abnormal protocol behavior,
// host identity (steps 2 to 4 of the hunt).
//
// A [Judge] knows one kind of evidence. It sees all subjects of a hunt at once, so that it can ask its source about many of
// them in one request, and speaks its mind by [Subject.Modify], [Subject.Explain] and their kin. What that makes of a score is
// [Subject.Settle]'s alone. Judges never hide a finding.
package evidence

import (
	"cmp"
	"context"
	"math"
	"net/netip"
	"slices"

	"dwell/internal/hunt"
	"dwell/scoring"
)

// BornOut is the least [Subject.Shared] that lets a name speak for itself.
const BornOut = 0.5

// Judge weighs one kind of evidence.
type Judge interface {
	// Revision identifies the lists and rules that the judge goes by; it becomes part of the hunt's revision. Empty when
	// the program's version says it all.
	Revision() string
	// Judge looks at the subjects. What is not there (a log type that is missing) is a Note, told once; what is there and could
	// not be looked up is a Gap, since scores would be others with it. The hunt goes on with what it has. An error ends the hunt: only a cancelled context is one.
	Judge(ctx context.Context, h *Hunt, subjects []*Subject) (hunt.Remarks, error)
}

// Hunt is what a judge is told of the hunt.
type Hunt struct {
	// Window is what the hunt looks at.
	Window hunt.Window
	// Request is what the source was asked for, with From and To set to the window.
	Request hunt.Request
	// Source is where the connections came from; a judge asks it for what it can give beside them.
	Source *hunt.Session
	// Missing are the logs that the hunt's notes say are not there, by Zeek's names; a judge does not say so again.
	Missing []string
}

// Subject is a finding under judgement.
type Subject struct {
	// Key is what the finding is about.
	Key hunt.PairKey
	// Indicators are its values before modifiers.
	Indicators scoring.Indicators
	// Sizes is how alike the connections' sizes are.
	Sizes scoring.SizeScore
	// Timer says that the rhythm looks like a timer that restarts on use, or like what people do.
	Timer bool
	// Silent and Refused are how many connections had no answer and were rejected, where the source tells that with each connection.
	Silent, Refused int64
	// Finding is complete but for what evidence adds: Settle sets its score. Judges fill in Finding.Dwell.Evidence, which is
	// never nil, and leave score, reasons and modifiers alone.
	Finding *hunt.Finding
	// Names are those that the key's connections carry (TLS server name, HTTP host, what a proxy was asked for), the most
	// used first, at most MaxNames: of a key by name that one, of others what was used towards their addresses.
	Names []Name
	// Company is how many internal hosts, this one included, vouch for the destination: the fewest of those that do for the network
	// (/24 or /48) around each of its addresses. Only who really talks to it vouches: see package prevalence.
	Company int64
	// Shared is the part (0..1) of a name's connections that go to networks for which three internal hosts or more vouch under that
	// name, or to a proxy inside; 1 where the key has no name. A name can be forged: that others use it says something only where they
	// use it at the same servers.
	Shared float64
	// Resolved says of a DNS key that only resolvers of the network's (inside, or asked by three hosts or more) were asked.
	Resolved bool
	// Conforms says that port, service, sizes, rate and answers are those of a protocol that repeats by design (NTP, DNS).
	Conforms bool
	// Arrived says that the destination came less than thirty days ago, by a store that reaches further back.
	Arrived bool
	// AS is the number of the autonomous system of each of the destination's addresses, where that is known.
	AS map[netip.Addr]int64

	weights   Weights
	modifiers []hunt.Modifier
	told      map[string]bool // terms
	// always are terms that are always true of what the source is, and served says what that is.
	always       []string
	served       string
	explanations []explanation
	// apart is what sets the client apart, most and why the most that the finding may weigh.
	apart string
	most  scoring.Severity
	why   string
	// chance is the most that the rhythm may weigh by chance alone, and chanceWhy why.
	chance    scoring.Severity
	chanceWhy string
	// closing are reasons that come last.
	closing []string
}

// MaxNames is how many names a subject has.
const MaxNames = 20

// Name is a name with the number of connections that carry it.
type Name struct {
	Name        string
	Connections int64
}

// NewSubject makes a subject. Nil weights are the defaults.
func NewSubject(key hunt.PairKey, values scoring.Indicators, f *hunt.Finding, w Weights) *Subject {
	if f.Dwell.Evidence == nil {
		f.Dwell.Evidence = &hunt.Evidence{}
	}
	return &Subject{Key: key, Indicators: values, Finding: f, weights: w, Shared: 1}
}

// Modify raises or lowers the score by the weight of a [Term], and says why. A term counts once for a subject: of
// several reasons the first is kept.
func (s *Subject) Modify(term, reason string) { s.ModifyBy(term, 1, reason) }

// ModifyBy is Modify by a part (0..1) of the weight.
func (s *Subject) ModifyBy(term string, part float64, reason string) {
	if slices.ContainsFunc(s.modifiers, func(m hunt.Modifier) bool { return m.Name == term }) {
		return
	}
	s.modifiers = append(s.modifiers, hunt.Modifier{Name: term, Value: round(s.weights.Of(term) * scoring.Clamp(part)), Reason: reason})
}

// Has says whether a term counts already.
func (s *Subject) Has(term string) bool {
	return slices.ContainsFunc(s.modifiers, func(m hunt.Modifier) bool { return m.Name == term })
}

// Told says that the indicators' own reasons tell what a term is about: it counts, with its reason, among the modifiers,
// and the finding's reasons do not say the same twice.
func (s *Subject) Told(term string) {
	if s.told == nil {
		s.told = map[string]bool{}
	}
	s.told[term] = true
}

// Last adds a reason that is told after all others.
func (s *Subject) Last(reason string) { s.closing = append(s.closing, reason) }

// Serves says that the source asks in the name of other hosts, as infrastructure does, so that these terms are always true of it and say
// nothing. What they were stays among the reasons.
func (s *Subject) Serves(as string, terms ...string) { s.served, s.always = as, terms }

// Settle makes the finding's score and reasons of everything that was said: the indicators' reasons as they stand, then
// the modifiers, the heaviest first, then the explanations.
func (s *Subject) Settle() {
	d := &s.Finding.Dwell
	s.earn()
	slices.SortStableFunc(s.modifiers, func(a, b hunt.Modifier) int { return cmp.Compare(math.Abs(b.Value), math.Abs(a.Value)) })
	limit(s.modifiers)
	var values []float64
	for _, m := range s.modifiers {
		values = append(values, m.Value)
		if !s.told[m.Name] {
			d.Reasons = append(d.Reasons, m.Reason)
		}
	}
	d.Modifiers = s.modifiers
	s.bound()
	score, best := s.settle(scoring.Final(s.Indicators, values, scoring.Unexplained))
	if most, why := s.ceiling(); most != scoring.None {
		if scoring.SeverityOf(score) > most {
			d.Reasons = append(d.Reasons, why)
		}
		score = within(most, score) // what is below has to stay below
		if s.Conforms && most == scoring.Medium {
			score = lowest(most, score)
		}
	}
	d.Reasons = append(d.Reasons, s.closing...)
	d.Explained = best.String()
	Rank(s.Finding, score)
}

// bound keeps a timer low and a presence medium, whatever is added for rarity and for sizes that are alike: benign software
// has both. Only evidence of another kind lifts them, and a presence has to be of a rare destination beside it.
func (s *Subject) bound() {
	odd, v := s.odd(), s.Indicators
	spread := s.Finding.Dwell.Evidence.Prevalence
	switch other := max(v.Long, v.Strobe, v.DNSTunnel, v.Listed); {
	case !odd && max(v.Long, v.Strobe) == v.Strongest() && v.Strongest() < 0.4:
		s.AtMost(scoring.Low, "low at most: many short connections, or few hours, are the only evidence")
	case v.Beacon > max(other, v.Presence) && s.Timer && !odd:
		s.AtMost(scoring.Low, "low at most: it looks like a timer, and rarity and equal sizes are the only other evidence")
	case v.Presence > max(other, v.Beacon) && spread != nil && 4*spread.Hosts > spread.Active && spread.Hosts > 1:
		s.AtMost(scoring.Low, "low at most: no rhythm, and more than a quarter of the hosts contact it")
	case v.Presence > max(other, v.Beacon) && !(s.Has(Rare) && (odd || s.Has(SameSize))):
		s.AtMost(scoring.Medium, "medium at most: presence all day is the only evidence")
	}
}

// Rank gives a finding its final score, the severity that goes with it, and the codes of its reasons; its indicators, modifiers and
// explanation stand by then.
func Rank(f *hunt.Finding, score float64) {
	severity := scoring.SeverityOf(score)
	f.Dwell.Score, f.Dwell.Severity = score, severity.String()
	f.Event.Severity, f.Event.SeverityLabel = severity.Number(), severity.String()
	f.Dwell.ReasonCodes = f.Dwell.Codes()
}

// round keeps three decimals: more would only look exact.
func round(v float64) float64 { return math.Round(v*1000) / 1000 }
