package store

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/es"
	"dwell/internal/es/dsl"
	"dwell/internal/hunt"
	"dwell/so-config"
)

func TestDecisionsHoldForTheStory(t *testing.T) {
	forEachLine(t, func(t *testing.T, c cluster) {
		c.install(t)
		store := New(c.admin, Options{Alerts: &AlertOptions{}})
		write := func(hour int) *sampleHunt {
			h := &sampleHunt{name: t.Name() + string(rune('0'+hour)), revision: "a", hours: hour}
			h.add("10.1.1.1", "203.0.113.7", 0.9)
			h.add("10.1.1.2", "203.0.113.7", 0.9)
			_, err := store.Write(t.Context(), h.findings, h.document(h.window().End.Time))
			require.NoError(t, err)
			return h
		}
		first := write(0)
		// What an analyst did in Security Onion meanwhile must survive.
		for _, d := range c.documents(t, soconfig.AlertStream) {
			c.do(t, "POST", "/"+d.Index+"/_update/"+d.ID, `{"doc":{"event":{"acknowledged":true}}}`)
		}
		c.do(t, "POST", "/"+soconfig.FindingStream+"/_rollover", "")
		write(1)
		story := first.findings[0].Dwell.FindingID
		n, err := store.Decide(t.Context(), Decision{FindingID: story, Disposition: hunt.Benign, Who: "ana", Note: "backup", At: begin})
		require.NoError(t, err)
		require.Equal(t, 3, n, "two findings, in two backing indices, and one alert")
		benign := func() (findings, alerts int) {
			clauses := []any{dsl.Term("dwell.disposition", "benign"), dsl.Term("dwell.finding_id", story)}
			return len(c.documents(t, soconfig.FindingStream, clauses...)), len(c.documents(t, soconfig.AlertStream, append(clauses, dsl.Term("event.acknowledged", true))...))
		}
		findings, alerts := benign()
		require.Equal(t, 2, findings)
		require.Equal(t, 1, alerts, "the acknowledgement is still there")
		require.Len(t, c.documents(t, soconfig.FindingStream, dsl.Term("dwell.disposition", "open")), 2, "the other story is untouched")

		write(2)
		findings, _ = benign()
		require.Equal(t, 3, findings, "the next hunt knows the decision")

		n, err = store.Decide(t.Context(), Decision{FindingID: story, Disposition: hunt.Escalated, Who: "ben", Note: "it is not", At: begin.Add(time.Hour)})
		require.NoError(t, err)
		require.Equal(t, 4, n)
		held, err := store.Dispositions(t.Context(), []string{story, "another"})
		require.NoError(t, err)
		require.Len(t, held, 1)
		require.Equal(t, "ben", held[story].User.Name)
		require.Len(t, c.documents(t, soconfig.DispositionStream), 2, "decisions are appended")
		n, err = store.Decide(t.Context(), Decision{FindingID: story, Disposition: hunt.Escalated, Who: "ben", Note: "it is not", At: begin.Add(time.Hour)})
		require.NoError(t, err)
		require.Zero(t, n)
		require.Len(t, c.documents(t, soconfig.DispositionStream), 2, "the same decision again changes nothing")
	})
}

// TestADecisionWaitsForOthers lets Security Onion write into the finding between our reading and our updating it.
func TestADecisionWaitsForOthers(t *testing.T) {
	forEachLine(t, func(t *testing.T, c cluster) {
		c.install(t)
		h := &sampleHunt{name: t.Name(), revision: "a"}
		h.add("10.1.1.1", "203.0.113.7", 0.9)
		_, err := New(c.admin, Options{}).Write(t.Context(), h.findings, h.document(begin))
		require.NoError(t, err)
		network, err := es.Network(c.cfg)
		require.NoError(t, err)
		interfered := 0
		client := c.with(t, func(cfg *es.Config) {
			cfg.Transport = tripper(func(r *http.Request) (*http.Response, error) {
				if strings.HasSuffix(r.URL.Path, "/_bulk") && !strings.Contains(r.URL.Path, "logs-dwell") && interfered == 0 {
					interfered++
					for _, d := range c.documents(t, soconfig.FindingStream) {
						c.do(t, "POST", "/"+d.Index+"/_update/"+d.ID, `{"doc":{"event":{"acknowledged":true}}}`)
					}
				}
				return network.RoundTrip(r)
			})
		})
		n, err := New(client, Options{}).Decide(t.Context(), Decision{FindingID: h.findings[0].Dwell.FindingID, Disposition: hunt.Benign, Who: "ana", At: begin})
		require.NoError(t, err)
		require.Equal(t, 1, interfered)
		require.Equal(t, 1, n)
		for _, d := range c.documents(t, soconfig.FindingStream) {
			var got struct {
				Event struct{ Acknowledged bool }
				Dwell struct{ Disposition string }
			}
			require.NoError(t, json.Unmarshal([]byte(d.Source), &got))
			require.True(t, got.Event.Acknowledged)
			require.Equal(t, "benign", got.Dwell.Disposition)
		}
	})
}

func TestDecisionsThatAreNone(t *testing.T) {
	forEachLine(t, func(t *testing.T, c cluster) {
		store := New(c.admin, Options{})
		for want, d := range map[string]Decision{
			"not one of":    {FindingID: "x", Disposition: "fine", Who: "ana"},
			"needs a name":  {FindingID: "x", Disposition: hunt.Benign},
			"dwell install": {FindingID: "x", Disposition: hunt.Benign, Who: "ana"},
		} {
			_, err := store.Decide(t.Context(), d)
			require.ErrorContains(t, err, want)
		}
		c.install(t)
		_, err := store.Decide(t.Context(), Decision{FindingID: "x", Disposition: hunt.Benign, Who: "ana"})
		require.ErrorIs(t, err, ErrNoFinding)
	})
}
