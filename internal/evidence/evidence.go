// Package evidence weighs everything about a finding except its timing: business need, abnormal protocol behavior, host
// identity (steps 2 to 4 of the hunt).
//
// A [Judge] knows one kind of evidence. It gets all candidates of a hunt at once, so that it can batch its look-ups, and
// reports by [Candidate.Modify], [Candidate.Explain] and similar methods. Only [Candidate.Settle] changes the score. Judges
// never hide a finding.
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

// MinShared is the minimum of [Candidate.Shared] for a name to count by itself.
const MinShared = 0.5

// Judge weighs one kind of evidence.
type Judge interface {
	// Revision identifies the lists and rules that the judge uses; it is part of the hunt's revision. It is empty if
	// the program's version determines them.
	Revision() string
	// Judge examines the candidates. A missing log type is one Note. Data that exists but could not be looked up is a
	// Gap, because it might change scores; the hunt continues. An error ends the hunt: only a canceled context is one.
	Judge(ctx context.Context, h *Hunt, subjects []*Candidate) (hunt.Remarks, error)
}

// Hunt is what a judge knows of the hunt.
type Hunt struct {
	// Window is the hunt's window.
	Window hunt.Window
	// Request is the request to the source, with From and To set to the window.
	Request hunt.Request
	// Source is the connections' source, for look-ups.
	Source *hunt.Session
	// Missing are the logs that the hunt already reported missing, by Zeek's names; a judge does not repeat that.
	Missing []string
}

// Candidate is a finding being judged.
type Candidate struct {
	// Key identifies the candidate.
	Key hunt.PairKey
	// Indicators are the values before modifiers.
	Indicators scoring.Indicators
	// Sizes is how similar the connections' sizes are.
	Sizes scoring.SizeScore
	// Timer means that the rhythm looks like a timer that restarts on use, or like human activity.
	Timer bool
	// Silent and Refused count unanswered and rejected connections, if the source reports that with each connection.
	Silent, Refused int64
	// Finding is complete except for evidence; Settle sets its score. Judges fill in Finding.Dwell.Evidence, which is
	// never nil, but not score, reasons and modifiers.
	Finding *hunt.Finding
	// Names are the names in the candidate's connections (TLS server name, HTTP host, proxy request), most used first,
	// at most MaxNames. A candidate by name has that one, others have those used with their addresses.
	Names []Name
	// Vouching is how many internal hosts, including this one, vouch for the destination: the minimum over the networks
	// (/24 or /48) of its addresses. Only hosts that exchange data with it vouch (package prevalence).
	Vouching int64
	// Shared is the share (0..1) of a name's connections that go to networks for which at least three internal hosts
	// vouch under that name, or to an internal proxy; 1 without a name. Because names can be forged, other hosts' use
	// counts only at the same servers.
	Shared float64
	// Resolved means that a DNS candidate queried only the network's resolvers (internal, or used by at least three
	// hosts).
	Resolved bool
	// Answered are the registered domains for names of which the network's resolvers returned at least half of the
	// destination's addresses. A client can forge a name and run its own resolver, but cannot make these return its
	// server.
	Answered []string
	// Unconfirmable means that nothing could confirm a name: the hunt has no DNS log, and knows fewer than MinVouching
	// hosts.
	Unconfirmable bool
	// Talking is how many internal hosts exchange data with the destination, including this one; 0 if unknown.
	Talking int64
	// Conforms means that port, service, sizes, rate and answers match a protocol that repeats by design (NTP, DNS).
	Conforms bool
	// Arrived means that the destination was first seen less than thirty days ago, by a store that reaches further
	// back.
	Arrived bool
	// Suspect means that a log other than conn makes it worth a look whatever its rhythm.
	Suspect bool
	// AS is the autonomous system number of each destination address, if known.
	AS map[netip.Addr]int64

	weights   Weights
	modifiers []hunt.Modifier
	described map[string]bool // terms
	// always are terms that always apply to the source because of its role, served is that role.
	always       []string
	served       string
	explanations []explanation
	// apart is what sets the client apart; most is the maximum severity, and why its reason.
	apart string
	most  scoring.Severity
	why   string
	// chance is the maximum severity of a rhythm that may be chance, chanceWhy its reason.
	chance    scoring.Severity
	chanceWhy string
	// closing are reasons listed last.
	closing []string
}

// MaxNames is the maximum number of a candidate's names.
const MaxNames = 20

// Name is a name with its number of connections.
type Name struct {
	Name        string
	Connections int64
}

// NewCandidate returns a candidate. Nil weights are the defaults.
func NewCandidate(key hunt.PairKey, values scoring.Indicators, f *hunt.Finding, w Weights) *Candidate {
	if f.Dwell.Evidence == nil {
		f.Dwell.Evidence = &hunt.Evidence{}
	}
	return &Candidate{Key: key, Indicators: values, Finding: f, weights: w, Shared: 1}
}

// Modify raises or lowers the score by the weight of a [Term], with a reason. A term counts once per candidate, with
// its first reason.
func (s *Candidate) Modify(term, reason string) { s.ModifyBy(term, 1, reason) }

// ModifyBy is Modify with a fraction (0..1) of the weight.
func (s *Candidate) ModifyBy(term string, part float64, reason string) {
	if slices.ContainsFunc(s.modifiers, func(m hunt.Modifier) bool { return m.Name == term }) {
		return
	}
	s.modifiers = append(s.modifiers, hunt.Modifier{Name: term, Value: round(s.weights.Of(term) * scoring.Clamp(part)), Reason: reason})
}

// Has reports whether a term counts already.
func (s *Candidate) Has(term string) bool {
	return slices.ContainsFunc(s.modifiers, func(m hunt.Modifier) bool { return m.Name == term })
}

// Described marks a term that the indicators' reasons already describe: it counts among the modifiers, but the
// finding's reasons do not repeat it.
func (s *Candidate) Described(term string) {
	if s.described == nil {
		s.described = map[string]bool{}
	}
	s.described[term] = true
}

// Last adds a reason after all others.
func (s *Candidate) Last(reason string) { s.closing = append(s.closing, reason) }

// Serves marks a source that acts for other hosts, like infrastructure. The terms always apply to it, so they do not
// count, but stay among the reasons.
func (s *Candidate) Serves(as string, terms ...string) { s.served, s.always = as, terms }

// Settle computes the finding's score and reasons: the indicators' reasons first, then the modifiers, heaviest first,
// then the explanations.
func (s *Candidate) Settle() {
	d := &s.Finding.Dwell
	s.earn()
	slices.SortStableFunc(s.modifiers, func(a, b hunt.Modifier) int { return cmp.Compare(math.Abs(b.Value), math.Abs(a.Value)) })
	limit(s.modifiers)
	var values []float64
	for _, m := range s.modifiers {
		values = append(values, m.Value)
		if !s.described[m.Name] {
			d.Reasons = append(d.Reasons, m.Reason)
		}
	}
	d.Modifiers = s.modifiers
	s.bound()
	score, best := s.settle(scoring.Final(s.Indicators, values, scoring.Unexplained))
	if own := s.Indicators.Strongest(); scoring.SeverityOf(own) == scoring.None { // evidence alone makes no finding
		score = min(score, own)
	}
	if most, why := s.ceiling(); most != scoring.None {
		if scoring.SeverityOf(score) > most {
			d.Reasons = append(d.Reasons, why)
		}
		score = within(most, score) // for lower scores too, to preserve the order
		if s.Conforms && most == scoring.Medium {
			score = lowest(most, score)
		}
	}
	d.Reasons = append(d.Reasons, s.closing...)
	d.Explained = best.String()
	Rank(s.Finding, score)
}

// bound keeps a timer low and a presence medium despite modifiers for rarity and similar sizes, because benign software
// has both. Only other evidence raises them, and a presence must also have a rare destination.
func (s *Candidate) bound() {
	odd, v := s.odd(), s.Indicators
	spread := s.Finding.Dwell.Evidence.Prevalence // a packet with a made-up sender makes no host talk
	switch other := max(v.Long, v.Strobe, v.DNSTunnel, v.Listed); {
	case !odd && max(v.Long, v.Strobe) == v.Strongest() && v.Strongest() < 0.4:
		s.AtMost(scoring.Low, "low at most: many short connections, or few hours, are the only evidence")
	case v.Beacon > max(other, v.Presence) && s.Timer && !odd:
		s.AtMost(scoring.Low, "low at most: it looks like a timer, and rarity and equal sizes are the only other evidence")
	case v.Presence > max(other, v.Beacon) && spread != nil && 4*s.Talking > spread.Active && s.Talking > 1:
		s.AtMost(scoring.Low, "low at most: no rhythm, and more than a quarter of the hosts contact it")
	case v.Presence > max(other, v.Beacon) && !(s.Has(Rare) && (odd || s.Has(SameSize))):
		s.AtMost(scoring.Medium, "medium at most: presence all day is the only evidence")
	}
}

// Rank sets a finding's final score, severity and reason codes; its indicators, modifiers and explanation must be set.
func Rank(f *hunt.Finding, score float64) {
	severity := scoring.SeverityOf(score)
	f.Dwell.Score, f.Dwell.Severity = score, severity.String()
	f.Event.Severity, f.Event.SeverityLabel = severity.Number(), severity.String()
	f.Dwell.ReasonCodes = f.Dwell.Codes()
}

// round keeps three decimals: more would be false precision.
func round(v float64) float64 { return math.Round(v*1000) / 1000 }
