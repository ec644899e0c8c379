package store

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/integration/pictures/lens"
	"dwell/internal/es"
	"dwell/internal/hunt"
	"dwell/so-config/kibana"
)

// Hunts with everything that the dashboards show are stored, and every panel's request is run. The expected values were
// calculated by hand from the samples.
func TestEveryPanelHasData(t *testing.T) {
	forEachLine(t, func(t *testing.T, c cluster) {
		c.install(t)
		store := New(c.admin, Options{Alerts: &AlertOptions{}})
		number := func(v float64) *float64 { return &v }
		for i := range 3 {
			h := &sampleHunt{name: fmt.Sprint(t.Name(), i), revision: "a", hours: 12 * i}
			for j, score := range []float64{0.9, 0.7, 0.5, 0.3} {
				f := h.add(fmt.Sprintf("10.1.1.%d", j+1), "203.0.113.7", score)
				f.Destination.Domain = "cdn.example"
				f.Threat = hunt.ThreatOf(f)
				f.Dwell.DwellTime = &hunt.DwellTime{FirstCheckIn: h.window().Start, Seconds: 86400 * float64(j+1)}
				f.Dwell.Evidence = &hunt.Evidence{Host: &hunt.HostEvidence{Names: []string{"WS-1"}, Users: []string{"ana"}}, Prevalence: &hunt.Prevalence{Hosts: 4, Active: 60},
					FirstSeen: &hunt.FirstSeen{Destination: h.window().Start, Days: int64(j)},
					Country:   "NL", ASN: &hunt.ASN{Number: 64500, Organization: "Example Hosting"}}
				f.Dwell.Links = &hunt.Links{SOCHunt: "https://manager/#/hunt?q=1", Kibana: "https://manager/kibana/app/discover#/?_a=1"}
				f.Beacon.Period, f.Beacon.RITA, f.Beacon.DS, f.Beacon.Duration, f.Beacon.Historical = number(300), number(0.9), number(0.8), number(0.7), number(0.6)
				f.Beacon.Jitter = number(0.1)
				if f.Dwell.Subject = hunt.SubjectOf(f); i == 1 {
					f.Destination.Domain = "" // in one hunt it is known by its address, and asks for the name
					f.Dwell.Evidence.Asked = "cdn.example"
					require.Equal(t, f.Dwell.Subject, hunt.SubjectOf(f))
					f.Destination.Domain = "cdn.example"
				}
			}
			known := h.add("10.1.1.9", "203.0.113.9", 0.9)
			known.Dwell.Subject = hunt.SubjectOf(known)
			known.Dwell.Safelisted, known.Dwell.Safelist = true, &hunt.SafelistRule{Name: "updates", Reason: "r", Owner: "ops", Expires: "2199-01-01"}
			doc := h.document(h.window().End.Time)
			doc.Dwell.Hunt.Lag = float64(300 + 600*i)
			if i == 1 {
				doc.Dwell.Hunt.Complete, doc.Dwell.Hunt.Gaps = false, []string{"1 of 2 shards failed"}
			}
			doc.Dwell.Hunt.BySeverity = hunt.BySeverity{Critical: 2, High: 1, Medium: 1, Low: 1}
			_, err := store.Write(t.Context(), h.findings, doc)
			require.NoError(t, err)
		}

		decided := (&sampleHunt{}).add("10.1.1.3", "203.0.113.7", 0.5).Dwell.FindingID
		_, err := store.Decide(t.Context(), Decision{FindingID: decided, Disposition: hunt.Benign, Who: "ana", Note: "backup", At: begin})
		require.NoError(t, err)

		from, to := begin.Add(-24*time.Hour), begin.Add(7*24*time.Hour)
		shown := map[string]float64{}
		for _, d := range kibana.Dashboards() {
			for _, p := range d.Panels {
				body, err := lens.Request(&p, from, to)
				require.NoError(t, err)
				if p.Kind == kibana.Text {
					require.Nil(t, body)
					continue
				}
				if p.Raw {
					continue // Zeek's records; integration/pictures draws it
				}
				var aggs map[string]json.RawMessage
				var found []struct{ Fields map[string][]any }
				total := 0
				err = c.admin.Search(t.Context(), es.SearchRequest{Op: "panel " + d.ID + " " + p.Title, Index: []string{kibana.Pattern}, Body: body}, func(r es.SearchResult) error {
					var hits struct {
						Total struct{ Value int }
						Hits  []struct{ Fields map[string][]any }
					}
					if err := json.Unmarshal(r.Hits, &hits); err != nil {
						return err
					}
					total, found = hits.Total.Value, hits.Hits
					if p.Kind == kibana.Found {
						return nil
					}
					return json.Unmarshal(r.Aggregations, &aggs)
				})
				require.NoError(t, err)
				require.Positive(t, total, "%s: %s matches nothing", d.ID, p.Title)
				if p.Kind == kibana.Found {
					require.Len(t, found, 15, "five findings of each of three hunts")
					linked := 0
					for _, h := range found {
						if len(h.Fields) == len(lens.Columns(&p)) {
							linked++
						}
					}
					require.Equal(t, 12, linked, "%s: %s shows every column of those that have links", d.ID, p.Title)
					continue
				}
				values := numbers(t, aggs, len(p.By), len(p.Values))
				require.NotNil(t, values, "%s: %s has a value of nothing", d.ID, p.Title)
				shown[fmt.Sprintf("%s/%s/%s", d.ID, p.Kind, p.Title)] = values[0]
			}
		}
		// Four lines are not safelisted, two of them critical or high, whatever the number of hunts.
		require.Equal(t, 4.0, shown["dwell-overview/metric/Lines"])
		require.Equal(t, 2.0, shown["dwell-overview/metric/High or critical"])
		require.Equal(t, 2.0, shown["dwell-overview/metric/Alerts raised"])
		require.Equal(t, 1.0, shown["dwell-overview/metric/New destinations"], "the same one in each of three hunts")
		require.Equal(t, 4*86400.0, shown["dwell-overview/metric/Longest dwell time"])
		require.Equal(t, 0.9, shown["dwell-overview/table/Look at these first"])
		require.Equal(t, 4.0, shown["dwell-overview/table/Top destinations"], "four hosts that talk to one address")
		require.Equal(t, 4.0, shown["dwell-overview/table/Top names"])
		require.Equal(t, 300.0, shown["dwell-health/lines/Lag: from the end of the window to the hunt"], "of the oldest hunt")
		require.Equal(t, 5.0, shown["dwell-host/metric/Destinations"])
		require.Equal(t, 300.0, shown["dwell-pair/metric/Interval"])
		require.Equal(t, 3.0, shown["dwell-health/metric/Hunts"])
		require.Equal(t, 1.0, shown["dwell-health/metric/Incomplete hunts"])
		require.Equal(t, 1.0, shown["dwell-dispositions/table/Findings per safelist rule"])
	})
}

// numbers descends to the first group that has all values and returns them, or nil.
func numbers(t *testing.T, aggs map[string]json.RawMessage, groups, values int) []float64 {
	t.Helper()
	for depth := range groups {
		raw, ok := aggs[fmt.Sprint("group", depth)]
		if !ok {
			continue
		}
		var group struct{ Buckets []map[string]json.RawMessage }
		require.NoError(t, json.Unmarshal(raw, &group))
		for _, b := range group.Buckets {
			if found := numbers(t, b, groups, values); found != nil {
				return found
			}
		}
		return nil
	}
	var out []float64
	for i := range values {
		number, text, err := lens.Answer(aggs[fmt.Sprint("value", i)])
		require.NoError(t, err)
		if number == nil && text == "" {
			return nil
		}
		if number == nil {
			number = new(float64) // text is a value too
		}
		out = append(out, *number)
	}
	return out
}
