package evidence

import (
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
	"dwell/scoring"
)

// What a fleet does explains weakly; not at all while the destination is new, since an outbreak looks the same; and
// strongly once half of all machines have done it for a month. Scores are (0.9 + modifiers) times 0.7, 1 and 0.3.
func TestFleetIsGuarded(t *testing.T) {
	for _, c := range []struct {
		terms     []string
		explained string
		score     float64
	}{
		{[]string{Common}, "weak", 0.75 * 0.7},
		{[]string{New}, "none", 1},
		{[]string{Common, New}, "none", 0.9},
		{[]string{Known}, "weak", 0.75 * 0.7},
		{[]string{Common, Known}, "strong", 0.6 * 0.3},
	} {
		var f hunt.Finding
		s := NewSubject(hunt.PairKey{}, scoring.Indicators{Beacon: 0.9}, &f, nil)
		s.ExplainUnlessNew(scoring.Weak, "five machines do the same")
		for _, term := range c.terms {
			s.Modify(term, "because of "+term)
		}
		s.Settle()
		require.Equal(t, c.explained, f.Dwell.Explained, "%v", c.terms)
		require.InDelta(t, c.score, f.Dwell.Score, 1e-9, "%v", c.terms)
		require.Equal(t, scoring.SeverityOf(c.score).String(), f.Dwell.Severity)
	}
}

// Reasons come heaviest first, each term once, and weights are the site's.
func TestModifiersInOrder(t *testing.T) {
	var f hunt.Finding
	f.Dwell.Reasons = []string{"every 5 min"}
	s := NewSubject(hunt.PairKey{}, scoring.Indicators{Beacon: 0.4}, &f, Weights{Intel: 0.4, Rare: 0})
	s.Modify(Rare, "rare")
	s.Modify(NoName, "no name")
	s.Modify(Intel, "on a list")
	s.Modify(Intel, "on another list")
	s.Modify(SameSize, "all of one size")
	s.Told(SameSize) // counts, and is not said twice
	s.Last("the same story is told by another")
	s.Settle()
	require.Equal(t, []string{"every 5 min", "on a list", "no name", "rare", "the same story is told by another"}, f.Dwell.Reasons)
	require.InDelta(t, 0.4+0.4+0.1+0.02, f.Dwell.Score, 1e-9)
	require.Contains(t, f.Dwell.Modifiers, hunt.Modifier{Name: SameSize, Value: 0.02, Reason: "all of one size"})
}
