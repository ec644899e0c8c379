package store

import (
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/internal/es/dsl"
	"dwell/internal/hunt"
	"dwell/so-config"
)

// A rule that is added later marks what was stored before, in findings and alerts, over backing indices, and nothing
// else of them; taking it away takes the mark away.
func TestStoredFindingsAreMarked(t *testing.T) {
	forEachLine(t, func(t *testing.T, c cluster) {
		c.install(t)
		store := New(c.admin, Options{Alerts: &AlertOptions{}})
		for hour := range 2 {
			h := &sampleHunt{name: t.Name() + string(rune('0'+hour)), revision: "a", hours: hour}
			h.add("10.1.1.1", "203.0.113.7", 0.9)
			h.add("10.1.1.2", "203.0.113.7", 0.9)
			_, err := store.Write(t.Context(), h.findings, h.document(h.window().End.Time))
			require.NoError(t, err)
			c.do(t, "POST", "/"+soconfig.FindingStream+"/_rollover", "")
		}
		for _, d := range c.documents(t, soconfig.AlertStream) {
			c.do(t, "POST", "/"+d.Index+"/_update/"+d.ID, `{"doc":{"event":{"acknowledged":true}}}`)
		}
		mark := func(m *hunt.SafelistRule) func(*hunt.Finding) (*hunt.SafelistRule, bool) {
			return func(f *hunt.Finding) (*hunt.SafelistRule, bool) { return m, f.Source.IP.String() == "10.1.1.1" }
		}
		rule := &hunt.SafelistRule{Name: "backup", Reason: "nightly", Owner: "ops", Expires: "2199-01-01"}
		n, err := store.Safelist(t.Context(), Filter{}, mark(rule))
		require.NoError(t, err)
		require.Equal(t, 3, n, "two findings, in two backing indices, and one alert")
		bears := []any{dsl.Term("dwell.safelisted", true), dsl.Term("dwell.safelist.name", rule.Name), dsl.Term("source.ip", "10.1.1.1")}
		require.Len(t, c.documents(t, soconfig.FindingStream, bears...), 2)
		require.Len(t, c.documents(t, soconfig.AlertStream, append(bears, dsl.Term("event.acknowledged", true))...), 1, "the acknowledgement is still there")
		require.Len(t, c.documents(t, soconfig.FindingStream, dsl.Term("dwell.safelisted", false)), 2, "the other story is untouched")
		n, err = store.Safelist(t.Context(), Filter{}, mark(rule))
		require.NoError(t, err)
		require.Zero(t, n, "again changes nothing")

		n, err = store.Safelist(t.Context(), Filter{}, mark(nil))
		require.NoError(t, err)
		require.Equal(t, 3, n)
		require.Empty(t, c.documents(t, soconfig.FindingStream, dsl.Term("dwell.safelisted", true)))
		list, err := store.Findings(t.Context(), Filter{Every: true})
		require.NoError(t, err)
		for _, f := range list.Findings {
			require.Nil(t, f.Dwell.Safelist)
		}
	})
}
