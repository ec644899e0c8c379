package evidence

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
	"dwell/scoring"
)

// Other hosts' behavior is shown and lowers nothing by itself, because an outbreak looks the same. It lowers to medium,
// no further, if hosts that vouch for the destination have known it for a month and nothing sets this one apart. Time
// or numbers alone lower nothing. Scores are 0.9 + modifiers.
func TestFleetIsGuarded(t *testing.T) {
	for _, c := range []struct {
		name      string
		terms     []string
		company   int64
		apart     string
		explained string
		score     float64
	}{
		{"many, of which nobody knows whether they were there a month ago", []string{Common}, 5, "", "weak", 0.6 + 0.02*0.3/0.4},
		{"many, with an oddity", []string{Common, NoName}, 5, "", "none", 0.9 + 0.1*0.1/0.6},
		{"new", []string{New}, 5, "", "none", 0.925},
		{"many and new", []string{Common, New}, 5, "", "none", 0.925},
		{"known, but nobody vouches", []string{Known, Common}, 2, "", "none", 0.9},
		{"known", []string{Known}, 3, "", "weak", 0.55 + 0.0495*(0.9*0.75-0.55)/0.45},
		{"known to half of all", []string{Common, Known}, 9, "", "weak", 0.9 * 0.75 * 0.75},
		{"known, with a fingerprint of its own", []string{Common, Known}, 9, "no other host shows its JA4", "none", 0.9},
		{"known, and on a list", []string{Common, Known, Intel}, 9, "", "none", 0.9 + 0.1*0.25/0.6},
	} {
		var f hunt.Finding
		s := NewCandidate(hunt.PairKey{}, scoring.Indicators{Beacon: 0.9}, &f, nil)
		s.Vouching = c.company
		s.ExplainFleet("five hosts do the same")
		s.SetApart(c.apart)
		for _, term := range c.terms {
			s.Modify(term, "because of "+term)
		}
		s.Settle()
		require.Equal(t, c.explained, f.Dwell.Explained, c.name)
		require.InDelta(t, c.score, f.Dwell.Score, 1e-9, c.name)
		for _, term := range c.terms {
			require.Contains(t, strings.Join(f.Dwell.Reasons, "\n"), "because of "+term, "what does not count is still shown")
		}
	}
}

// A client's own claims lower by one step at most; a critical finding stays high. Evidence that sets the client apart,
// or an indicator list, cancels that. The owner of the address is not a claim.
func TestClaimsAreWorthLittle(t *testing.T) {
	for name, c := range map[string]struct {
		explain func(s *Candidate)
		score   float64
	}{
		"a name":                          {func(s *Candidate) { s.ExplainClaim(scoring.Weak, "a name") }, 0.7},
		"a name, critical by little":      {func(s *Candidate) { s.Indicators.Beacon = 0.81; s.ExplainClaim(scoring.Weak, "a name") }, 0.605},
		"a name, but a fingerprint":       {func(s *Candidate) { s.ExplainClaim(scoring.Weak, "a name"); s.SetApart("its JA4") }, 1},
		"a name on a list":                {func(s *Candidate) { s.ExplainClaim(scoring.Weak, "a name"); s.Modify(Intel, "listed") }, 1},
		"the vendor's network":            {func(s *Candidate) { s.Explain(scoring.Strong, "its network"); s.SetApart("its JA4") }, 0.3},
		"the vendor's network, on a list": {func(s *Candidate) { s.Explain(scoring.Strong, "its network"); s.Modify(Intel, "listed") }, 1},
		"a name that hosts have used for a month": {func(s *Candidate) {
			s.ExplainClaim(scoring.Weak, "a name")
			s.Vouching = 3
			s.ModifyBy(Known, 0, "known")
		}, 0.3},
		"nobody answered": {func(s *Candidate) { s.AtMost(scoring.Medium, "nobody answered") }, 0.55 + 0.0495},
	} {
		var f hunt.Finding
		s := NewCandidate(hunt.PairKey{}, scoring.Indicators{Beacon: 1}, &f, nil)
		c.explain(s)
		s.Settle()
		require.InDelta(t, c.score, f.Dwell.Score, 1e-9, name)
		require.Equal(t, scoring.SeverityOf(c.score).String(), f.Dwell.Severity, name)
	}
}

// Reasons are sorted heaviest first, each term once, with the site's weights.
func TestModifiersInOrder(t *testing.T) {
	var f hunt.Finding
	f.Dwell.Reasons = []string{"every 5 min"}
	s := NewCandidate(hunt.PairKey{}, scoring.Indicators{Beacon: 0.4}, &f, Weights{Intel: 0.4, Rare: 0})
	s.Modify(Rare, "rare")
	s.Modify(NoName, "no name")
	s.Modify(Intel, "on a list")
	s.Modify(Intel, "on another list")
	s.Modify(SameSize, "all of one size")
	s.Described(SameSize) // counts, and is not repeated
	s.Last("same traffic as another")
	s.Settle()
	require.Equal(t, []string{"every 5 min", "on a list", "no name", "rare", "same traffic as another"}, f.Dwell.Reasons)
	require.InDelta(t, 1-0.6*(1-0.4/0.6)*(1-0.1/0.6)*(1-0.02/0.6), f.Dwell.Score, 1e-9, "each takes a share of what is left")
	require.Contains(t, f.Dwell.Modifiers, hunt.Modifier{Name: SameSize, Value: 0.02, Reason: "all of one size"})
}
