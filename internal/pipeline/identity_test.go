package pipeline

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/evidence"
	"dwell/internal/hunt"
	"dwell/internal/pipeline/rank"
)

// forgetful is a judge whose look-up leaves remarks.
type forgetful struct{ hunt.Remarks }

func (forgetful) Revision() string { return "forgetful" }

func (f forgetful) Judge(context.Context, *evidence.Hunt, []*evidence.Candidate) (hunt.Remarks, error) {
	return f.Remarks, nil
}

// What a hunt could not look up makes it another revision of the same hunt, so that the next one, which can, replaces
// it.
func TestRevisionRestsOnEvidence(t *testing.T) {
	src := &fixed{conns: every(server, day0, 5*time.Minute, 24*time.Hour), reading: hunt.Reading{Window: dayWindow(), Source: "test", Records: 288}}
	hunted := func(said hunt.Remarks) *Result {
		o := options()
		o.Ranking = rank.Ranking{Judges: []evidence.Judge{forgetful{said}}}
		res, err := Run(t.Context(), src, o)
		require.NoError(t, err)
		require.NotEmpty(t, res.Findings)
		ids := map[string]bool{}
		for _, f := range res.Findings {
			require.Equal(t, res.Document.Dwell.HuntID, f.Dwell.HuntID)
			require.Equal(t, res.Document.Dwell.Revision, f.Dwell.Revision)
			require.Equal(t, !res.Document.Dwell.Hunt.Complete, f.Dwell.Incomplete)
			ids[f.Event.ID] = true
		}
		require.Len(t, ids, len(res.Findings))
		return res
	}
	whole, again := hunted(hunt.Remarks{}), hunted(hunt.Remarks{})
	require.True(t, whole.Document.Dwell.Hunt.Complete)
	require.Equal(t, whole.Document.Dwell.Revision, again.Document.Dwell.Revision)
	require.Equal(t, whole.Findings[0].Event.ID, again.Findings[0].Event.ID)
	for name, said := range map[string]hunt.Remarks{
		"a look-up failed":   {Gaps: []hunt.Note{{What: "certificates could not be looked up"}}},
		"a log is not there": {Notes: []hunt.Note{{What: "no x509 log", Logs: []string{"x509"}}}},
	} {
		weaker := hunted(said)
		require.Equal(t, whole.Document.Dwell.HuntID, weaker.Document.Dwell.HuntID, name)
		require.NotEqual(t, whole.Document.Dwell.Revision, weaker.Document.Dwell.Revision, name)
		require.NotEqual(t, whole.Findings[0].Event.ID, weaker.Findings[0].Event.ID, name)
		require.Equal(t, len(said.Gaps) == 0, weaker.Document.Dwell.Hunt.Complete, name)
	}
	// A remark that loses nothing changes nothing, since its text may differ from hunt to hunt.
	remarked := hunted(hunt.Remarks{Notes: []hunt.Note{{What: "this host's clock is 3s ahead"}}})
	require.Equal(t, whole.Document.Dwell.Revision, remarked.Document.Dwell.Revision)
	// Without evidence it is another hunt.
	o := options()
	o.Ranking, o.NoEvidence = rank.Ranking{}, true
	bare, err := Run(t.Context(), src, o)
	require.NoError(t, err)
	require.NotEqual(t, whole.Document.Dwell.HuntID, bare.Document.Dwell.HuntID)
}

// A look-up of samples that fails costs the samples alone.
func TestSamplesAreDecoration(t *testing.T) {
	src := &fixed{conns: every(server, day0, 5*time.Minute, 24*time.Hour), reading: hunt.Reading{Window: dayWindow(), Source: "test", Records: 288}}
	res, err := Run(t.Context(), sampled{src}, options())
	require.NoError(t, err)
	require.Len(t, res.Findings, 1)
	require.False(t, res.Document.Dwell.Hunt.Complete, "what could not be had is a gap")
	require.Contains(t, res.Document.Dwell.Hunt.Gaps[0], "torn")
}

type sampled struct{ *fixed }

func (s sampled) Open() *hunt.Session {
	in := s.fixed.Open()
	in.Samples = func(context.Context, []hunt.Finding) (hunt.Remarks, error) { return hunt.Remarks{}, errors.New("torn") }
	return in
}
