package store

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/es"
	"dwell/internal/es/dsl"
	"dwell/internal/es/estest"
	"dwell/internal/hunt"
	"dwell/internal/securityonion"
	"dwell/so-config"
)

func TestWhatMakesAStoryAlertAgain(t *testing.T) {
	day := 24 * time.Hour
	for _, c := range []struct {
		name   string
		change func(f *hunt.Finding)
		want   string
	}{
		{"nothing", func(*hunt.Finding) {}, ""},
		{"severity rises", func(f *hunt.Finding) { f.Event.Severity, f.Event.SeverityLabel = 4, "critical" }, "severity rose from high to critical"},
		{"severity falls", func(f *hunt.Finding) { f.Event.Severity, f.Event.SeverityLabel = 2, "medium" }, ""},
		{"period by 19 percent", func(f *hunt.Finding) { *f.Beacon.Period = 357 }, ""},
		{"period by 20 percent", func(f *hunt.Finding) { *f.Beacon.Period = 360 }, "interval changed from 5m to 6m"},
		{"period shorter", func(f *hunt.Finding) { *f.Beacon.Period = 240 }, "interval changed from 5m to 4m"},
		{"period gone", func(f *hunt.Finding) { f.Beacon = nil }, ""},
		{"bytes by nine", func(f *hunt.Finding) { f.Network.Bytes = 9000 }, ""},
		{"bytes by ten", func(f *hunt.Finding) { f.Network.Bytes = 10000 }, "bytes rose from 1000 to 10000"},
		{"a tenth of the bytes", func(f *hunt.Finding) { f.Network.Bytes = 100 }, ""},
		{"it stopped, and its port is another", func(f *hunt.Finding) {
			f.Destination.Port, f.Event.End = 8443, hunt.Time{Time: f.Dwell.Window.End.Add(-7 * time.Hour)}
		}, ""},
		{"it stopped a week after", func(f *hunt.Finding) {
			f.Event.Ingested.Time, f.Event.End = f.Event.Ingested.Add(7*day), hunt.Time{Time: f.Dwell.Window.End.Add(-7 * time.Hour)}
		}, ""},
		{"slow, and silent for less than two of its intervals", func(f *hunt.Finding) {
			*f.Beacon.Period, f.Event.End = 14_400, hunt.Time{Time: f.Dwell.Window.End.Add(-7 * time.Hour)}
		}, "interval changed from 5m to 4h"},
		{"port", func(f *hunt.Finding) { f.Destination.Port = 8443 }, "destination port changed from 443 to 8443"},
		{"certificate", func(f *hunt.Finding) { f.Dwell.Evidence.Protocol.Certificate.Hash = "b2b2" }, "the server shows another certificate: b2b2 instead of a1a1"},
		{"certificate not known now", func(f *hunt.Finding) { f.Dwell.Evidence = nil }, ""},
		{"six days", func(f *hunt.Finding) { f.Event.Ingested.Time = f.Event.Ingested.Add(7*day - time.Second) }, ""},
		{"seven days", func(f *hunt.Finding) { f.Event.Ingested.Time = f.Event.Ingested.Add(7 * day) }, "still there after 7d"},
		{"a hunt in the past", func(f *hunt.Finding) { f.Event.Ingested.Time = f.Event.Ingested.Add(-30 * day) }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			sample := func() *hunt.Finding {
				f := (&sampleHunt{name: "x"}).add("10.1.1.1", "203.0.113.7", 0.7)
				period := 300.0
				f.Beacon.Period, f.Network.Bytes = &period, 1000
				f.Dwell.Evidence = &hunt.Evidence{Protocol: &hunt.Protocol{Certificate: &hunt.CertificateSeen{Hash: "a1a1"}}}
				return f
			}
			now := sample()
			c.change(now)
			why, changed := Changed(sample(), now, 7*day)
			require.Equal(t, c.want, why.Text)
			require.Equal(t, c.want != "", changed)
			require.Equal(t, changed, why.Code != "")
		})
	}
}

// TestAlertsAreRaisedOnce writes hunts hour by hour and looks at who is alerted.
func TestAlertsAreRaisedOnce(t *testing.T) {
	forEachLine(t, func(t *testing.T, c cluster) {
		c.install(t)
		store := New(c.admin, Options{Alerts: &AlertOptions{}})
		write := func(hour int, change func(*sampleHunt)) []string {
			h := &sampleHunt{name: fmt.Sprint(t.Name(), hour), revision: "a", hours: hour}
			change(h)
			_, err := store.Write(t.Context(), h.findings, h.document(h.window().End.Time))
			require.NoError(t, err)
			report, err := store.Write(t.Context(), h.findings, h.document(h.window().End.Time))
			require.NoError(t, err)
			require.Zero(t, report.Alerts.Acked, "the same hunt again raises nothing")
			var raised []string
			for _, d := range c.documents(t, soconfig.AlertStream, dsl.Term("dwell.hunt_id", h.id())) {
				var a Alert
				require.NoError(t, json.Unmarshal([]byte(d.Source), &a))
				raised = append(raised, a.Message)
			}
			return raised
		}
		require.ElementsMatch(t, []string{
			"10.1.1.1>203.0.113.7: beacon; seen for the first time", "10.1.1.2>203.0.113.7: beacon; seen for the first time",
		}, write(0, func(h *sampleHunt) {
			h.add("10.1.1.1", "203.0.113.7", 0.7)
			h.add("10.1.1.2", "203.0.113.7", 0.9)
			h.add("10.1.1.3", "203.0.113.7", 0.59)                             // medium
			h.add("10.1.1.4", "203.0.113.7", 0.9).Dwell.Safelisted = true      // known
			h.add("10.1.1.5", "203.0.113.7", 0.9).Dwell.Disposition = "benign" // decided
		}))
		require.Empty(t, write(1, func(h *sampleHunt) {
			h.add("10.1.1.1", "203.0.113.7", 0.75)
			h.add("10.1.1.2", "203.0.113.7", 0.65)
		}), "nothing changed but the score")
		require.Equal(t, []string{"10.1.1.1>203.0.113.7: beacon; severity rose from high to critical"}, write(2, func(h *sampleHunt) {
			h.add("10.1.1.1", "203.0.113.7", 0.85)
			h.add("10.1.1.2", "203.0.113.7", 0.95)
		}))
		require.ElementsMatch(t, []string{
			"10.1.1.2>203.0.113.7: beacon; still there after 7d",
		}, write(7*24, func(h *sampleHunt) {
			h.add("10.1.1.1", "203.0.113.7", 0.85)
			h.add("10.1.1.2", "203.0.113.7", 0.95)
		}), "the other one alerted two hours later")
	})
}

// Hunts that run at once raise one alert for one fact, whatever the day their windows end on: the other's was written
// between this one's look and its own write.
func TestHuntsAtOnceRaiseOneAlert(t *testing.T) {
	forEachLine(t, func(t *testing.T, c cluster) {
		c.install(t)
		network, err := es.Network(c.cfg)
		require.NoError(t, err)
		handed := 0
		// The windows end at 23:00, 00:00 and 01:00. At first it is new, then its severity rises, a day apart.
		for _, step := range []struct {
			hour  int
			score float64
			want  int
		}{{23, 0.7, 1}, {47, 0.9, 2}} {
			sample := func(hour int) *sampleHunt {
				h := &sampleHunt{name: fmt.Sprint(t.Name(), hour), revision: "a", hours: hour}
				h.add("10.1.1.1", "203.0.113.7", step.score)
				return h
			}
			var write func(hour int) error
			write = func(hour int) error {
				h, others := sample(hour), sync.Once{}
				client := c.with(t, func(cfg *es.Config) {
					cfg.Transport = tripper(func(r *http.Request) (*http.Response, error) {
						if strings.Contains(r.URL.Path, soconfig.AlertStream+"/_bulk") && hour < step.hour+2 {
							others.Do(func() { require.NoError(t, write(hour+1)) })
						}
						return network.RoundTrip(r)
					})
				})
				_, err := New(client, Options{Alerts: &AlertOptions{}, Notify: func(_ context.Context, raised []Alert) error {
					handed += len(raised)
					return nil
				}}).Write(t.Context(), h.findings, h.document(h.window().End.Time))
				return err
			}
			require.NoError(t, write(step.hour))
			c.do(t, "POST", "/"+soconfig.AlertStream+"/_refresh", "")
			require.Len(t, c.documents(t, soconfig.AlertStream), step.want)
			require.Equal(t, step.want, handed, "each alert is handed on by the hunt that stored it")
		}
	})
}

// TestCampaignRaisesOneAlert: one for all of its hosts, again when hosts join or the severity rises, in place of the
// one before; those of its members by themselves end with it. What somebody escalated stays.
func TestCampaignRaisesOneAlert(t *testing.T) {
	forEachLine(t, func(t *testing.T, c cluster) {
		c.install(t)
		var handed []string
		store := New(c.admin, Options{Alerts: &AlertOptions{}, Notify: func(_ context.Context, raised []Alert) error {
			for _, a := range raised {
				handed = append(handed, a.Message)
			}
			return nil
		}})
		write := func(hour int, revision string, hosts int, score float64) (messages []string) {
			h := &sampleHunt{name: fmt.Sprint(t.Name(), hour), revision: revision, hours: hour}
			for i := range hosts {
				f := h.add(fmt.Sprintf("10.1.1.%d", i+1), "203.0.113.7", score)
				if hosts > 1 {
					f.Dwell.Campaign = &hunt.CampaignOf{ID: hunt.CampaignID("address", "203.0.113.7"), Kind: "address", Name: "203.0.113.7", Score: score, Severity: f.Dwell.Severity, Hosts: int64(hosts)}
				}
			}
			handed = nil
			_, err := store.Write(t.Context(), h.findings, h.document(h.window().End.Add(time.Duration(len(revision))*time.Minute)))
			require.NoError(t, err)
			return handed
		}
		open := func() (out []string) {
			c.do(t, "POST", "/"+soconfig.AlertStream+"/_refresh", "")
			for _, d := range c.documents(t, soconfig.AlertStream) {
				var a Alert
				require.NoError(t, json.Unmarshal([]byte(d.Source), &a))
				var state struct {
					Event struct{ Acknowledged bool } `json:"event"`
				}
				require.NoError(t, json.Unmarshal([]byte(d.Source), &state))
				require.Equal(t, state.Event.Acknowledged, a.Dwell.Alert.Superseded)
				if !state.Event.Acknowledged {
					out = append(out, a.Message)
				}
			}
			return out
		}
		alone, two := "10.1.1.1>203.0.113.7: beacon; seen for the first time", "campaign 203.0.113.7, 2 hosts: beacon; hosts rose from 1 to 2"
		require.Equal(t, []string{alone}, write(0, "a", 1, 0.7))
		require.Equal(t, []string{two}, write(1, "a", 2, 0.7), "one of two hosts was known")
		require.Equal(t, []string{two}, open())
		require.Empty(t, write(2, "a", 2, 0.7))
		require.Equal(t, []string{"campaign 203.0.113.7, 12 hosts: beacon; hosts rose from 2 to 12"}, write(3, "a", 12, 0.7))
		require.Empty(t, write(4, "a", 13, 0.7), "a fifth of twelve has to join")
		require.Empty(t, write(5, "a", 5, 0.7), "hosts that stop are no news")
		require.Equal(t, []string{"campaign 203.0.113.7, 5 hosts: beacon; severity rose from high to critical"}, write(6, "a", 5, 0.9))
		require.Len(t, open(), 1)
		require.Empty(t, write(6, "ab", 5, 0.9), "another revision that finds the same")
		require.Len(t, open(), 1)
		require.Empty(t, write(6, "abc", 0, 0), "and one that finds nothing")
		require.Empty(t, open(), "takes the alert back")
	})
}

// alertsView sends what Security Onion's console sends for "| groupby" and some fields, "rule.name event.module*
// event.severity_label rule.uuid" unless they are given (securityonion-soc, server/modules/elastic/converter.go): a
// query string over all fields and a range of time, and terms within terms, where only a field with a star may be
// missing. It gives the groups' values.
func (c cluster) alertsView(t *testing.T, query string, fields ...string) [][]string {
	t.Helper()
	if len(fields) == 0 {
		fields = []string{"rule.name", "event.module*", "event.severity_label", "rule.uuid"}
	}
	var aggs map[string]any
	for i := range fields {
		field, starred := strings.CutSuffix(fields[len(fields)-1-i], "*")
		terms := map[string]any{"field": field, "size": 500, "order": map[string]any{"_count": "desc"}}
		if starred {
			terms["missing"] = "__missing__"
		}
		level := map[string]any{"terms": terms}
		if aggs != nil {
			level["aggs"] = aggs
		}
		aggs = map[string]any{"groupby_0|" + field: level}
	}
	body, err := json.Marshal(map[string]any{"size": 0, "aggs": aggs, "query": map[string]any{"bool": map[string]any{"must": []any{
		map[string]any{"query_string": map[string]any{"query": query, "analyze_wildcard": true, "default_field": "*"}},
		map[string]any{"range": map[string]any{"@timestamp": map[string]any{"gte": begin.Format(time.RFC3339), "lte": begin.AddDate(0, 0, 2).Format(time.RFC3339),
			"format": "strict_date_optional_time"}}},
	}}}})
	require.NoError(t, err)
	c.do(t, "POST", "/"+soconfig.AlertStream+"/_refresh", "")
	var groups [][]string
	var walk func(level map[string]json.RawMessage, keys []string)
	walk = func(level map[string]json.RawMessage, keys []string) {
		inner := false
		for name, raw := range level {
			if !strings.HasPrefix(name, "groupby_") {
				continue
			}
			inner = true
			var agg struct {
				Buckets []map[string]json.RawMessage `json:"buckets"`
			}
			require.NoError(t, json.Unmarshal(raw, &agg))
			for _, bucket := range agg.Buckets {
				walk(bucket, append(slices.Clone(keys), strings.Trim(string(bucket["key"]), `"`)))
			}
		}
		if !inner && len(keys) == len(fields) {
			groups = append(groups, keys)
		}
	}
	require.NoError(t, c.admin.Search(t.Context(), es.SearchRequest{Index: []string{"logs-*"}, Body: body}, func(r es.SearchResult) error {
		var top map[string]json.RawMessage
		err := json.Unmarshal(r.Aggregations, &top)
		walk(top, nil)
		return err
	}))
	return groups
}

// TestAlertsAreWhatSecurityOnionAsksFor has a subtest for each rule of docs/facts/security-onion.md, 2.5.
func TestAlertsAreWhatSecurityOnionAsksFor(t *testing.T) {
	forEachLine(t, func(t *testing.T, c cluster) {
		c.install(t)
		store := New(c.admin, Options{Alerts: &AlertOptions{}})
		h := &sampleHunt{name: t.Name(), revision: "a"}
		h.add("10.1.1.1", "203.0.113.7", 0.9).Observer = &hunt.Observer{Name: "so-sensor1"}
		_, err := store.Write(t.Context(), h.findings, h.document(begin))
		require.NoError(t, err)
		documents := c.documents(t, soconfig.AlertStream)
		require.Len(t, documents, 1)
		var stored document
		for _, stored = range documents {
		}
		var source map[string]any
		require.NoError(t, json.Unmarshal([]byte(stored.Source), &source))
		at := func(path string) any {
			var v any = source
			for _, key := range strings.Split(path, ".") {
				m, ok := v.(map[string]any)
				require.True(t, ok, path)
				v = m[key]
			}
			return v
		}

		t.Run("base filter and grouping", func(t *testing.T) {
			groups := c.alertsView(t, "tags:alert")
			require.Equal(t, [][]string{{"dwell - Beacon", "dwell", "critical", "5d0b1c5e-3a53-4d43-9c55-0d5c0f0c7e01"}}, groups, "findings and hunts are no alerts")
		})
		t.Run("1 nested objects, no dotted keys", func(t *testing.T) {
			var walk func(m map[string]any)
			walk = func(m map[string]any) {
				for k, v := range m {
					require.NotContains(t, k, ".")
					if inner, ok := v.(map[string]any); ok {
						walk(inner)
					}
				}
			}
			walk(source)
		})
		t.Run("2 time is ISO 8601 with a zone", func(t *testing.T) {
			require.Regexp(t, regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`), at("@timestamp"))
		})
		t.Run("3 severity and its label", func(t *testing.T) {
			require.Equal(t, float64(4), at("event.severity"))
			require.Equal(t, "critical", at("event.severity_label"))
		})
		t.Run("4 module and dataset", func(t *testing.T) {
			require.Equal(t, "dwell", at("event.module"))
			require.Equal(t, "dwell.alert", at("event.dataset"))
			require.Equal(t, "alert", at("event.kind"))
		})
		t.Run("5 tags are a list with alert, what is grouped by is single", func(t *testing.T) {
			require.Contains(t, at("tags"), "alert")
			for _, field := range []string{"rule.name", "rule.uuid", "event.module", "event.severity_label", "source.ip", "destination.ip"} {
				require.IsType(t, "", at(field), field)
			}
		})
		t.Run("6 addresses at the top", func(t *testing.T) {
			require.Equal(t, "10.1.1.1", at("source.ip"))
			require.Equal(t, "203.0.113.7", at("destination.ip"))
		})
		t.Run("7 what the packets are found by", func(t *testing.T) {
			require.Equal(t, float64(51234), at("source.port"))
			require.Equal(t, float64(443), at("destination.port"))
			require.Equal(t, "tcp", at("network.transport"))
			require.Equal(t, "so-sensor1", at("observer.name"))
			require.Regexp(t, "^C", at("log.id.uid"))
			require.Equal(t, "2026-11-22T23:59:00.000Z", at("@timestamp"), "the start of the last connection, whose uid it is")
		})
		t.Run("8 an acknowledgement survives the same hunt", func(t *testing.T) {
			// Security Onion's script sets these, the times where a license is there for that; a partial update does
			// the same on a node without scripts.
			c.do(t, "POST", "/"+stored.Index+"/_update/"+stored.ID, `{"doc":{"event":{"acknowledged":true,"acknowledged_timestamp":"2026-11-23T08:00:00.123Z","acknowledged_elapsed_seconds":28860,
				"escalated":true,"escalated_timestamp":"2026-11-23T08:00:00.123Z","escalated_elapsed_seconds":28860}}}`)
			_, err := store.Write(t.Context(), h.findings, h.document(begin.Add(time.Hour)))
			require.NoError(t, err)
			after := c.documents(t, soconfig.AlertStream, dsl.Term("event.acknowledged", true), dsl.Term("event.escalated", true))
			require.Len(t, after, 1)
			require.Len(t, c.documents(t, soconfig.AlertStream), 1)
			// Alerts leaves out what is acknowledged, and finds the documents of a group by the group's values.
			group := `tags:alert AND rule.name:"dwell - Beacon" AND event.module:"dwell" AND event.severity_label:"critical" AND rule.uuid:"5d0b1c5e-3a53-4d43-9c55-0d5c0f0c7e01"`
			require.Empty(t, c.alertsView(t, group+" AND NOT event.acknowledged:true"))
			require.Len(t, c.alertsView(t, group+" AND event.acknowledged:true"), 1)
			require.Len(t, c.alertsView(t, group+" AND event.escalated:true"), 1)
		})
		t.Run("9 the types are Security Onion's", func(t *testing.T) {
			var caps struct {
				Fields map[string]map[string]struct {
					Aggregatable bool `json:"aggregatable"`
				} `json:"fields"`
			}
			require.NoError(t, json.Unmarshal(c.do(t, "GET", "/"+soconfig.AlertStream+"/_field_caps?fields=*", ""), &caps))
			for field, want := range map[string]string{"@timestamp": "date", "event.severity": "long", "event.acknowledged": "boolean", "event.module": "keyword",
				"event.acknowledged_timestamp": "keyword", "event.acknowledged_elapsed_seconds": "long", "event.escalated_timestamp": "keyword", "event.escalated_elapsed_seconds": "long",
				"rule.category": "keyword", "network.community_id": "keyword", "related.ip": "ip", "related.hosts": "keyword", "host.name": "keyword",
				"dns.query.name": "keyword", "dns.query_name": "keyword", "dns.highest_registered_domain": "keyword",
				"rule.uuid": "keyword", "source.ip": "ip", "destination.port": "long", "network.transport": "keyword", "observer.name": "keyword", "tags": "keyword"} {
				require.Len(t, caps.Fields[field], 1, field)
				require.Contains(t, caps.Fields[field], want, field)
				require.True(t, caps.Fields[field][want].Aggregatable, field)
			}
		})
	})
}

// TestAlertsPivot: alerts of every shape lead to their packets, are grouped by Security Onion's narrowest view, and
// have what its playbooks ask for. Written again an hour later, none is raised again.
func TestAlertsPivot(t *testing.T) {
	forEachLine(t, func(t *testing.T, c cluster) {
		c.install(t)
		store := New(c.admin, Options{Alerts: &AlertOptions{}})
		addr := netip.MustParseAddr
		h := &sampleHunt{name: t.Name(), revision: "a"}
		shape := func(source, destination string, change func(*hunt.Finding)) {
			f := h.add(source, destination, 0.9)
			f.Observer = &hunt.Observer{Name: "so-sensor1"}
			f.Dwell.Evidence = &hunt.Evidence{Host: &hunt.HostEvidence{Names: []string{"ws-007", "ws-7"}}}
			change(f)
		}
		shape("10.1.1.1", "203.0.113.7", func(*hunt.Finding) {})
		shape("10.1.1.2", "10.0.0.8", func(f *hunt.Finding) {
			f.Destination.Domain, f.Network.CommunityID = "cdn.example", "1:proxied"
			f.Dwell.Sample = &hunt.Endpoint{IP: addr("10.0.0.8"), Port: 3128}
			f.Dwell.Evidence.Names, f.Dwell.Evidence.Addresses = []string{"cdn.example", "x.example"}, []netip.Addr{addr("10.0.0.8")}
		})
		shape("10.1.1.3", "10.0.0.53", func(f *hunt.Finding) {
			f.Destination.Port, f.Destination.Domain, f.Network.Transport, f.Network.CommunityID = 53, "tunnel.example", "udp", "1:query"
			f.Dwell.DNS = &hunt.DNSEvidence{Query: "x1.tunnel.example"}
		})
		shape("10.1.1.4", "203.0.113.9", func(f *hunt.Finding) {
			f.Destination.IP, f.Network.CommunityID = netip.Addr{}, "1:network"
			f.Dwell.Destination, f.Dwell.Sample = &hunt.DestinationNetwork{Network: "203.0.113.0/24"}, &hunt.Endpoint{IP: addr("203.0.113.44"), Port: 443}
		})
		for hour := range 2 {
			for i := range h.findings {
				f := &h.findings[i]
				f.Event.Ingested, f.Dwell.Revision = hunt.Time{Time: begin.Add(time.Duration(24+hour) * time.Hour)}, h.rev()
				f.Event.ID = hunt.Digest("finding", f.Dwell.HuntID, f.Dwell.Revision, f.Dwell.FindingID)
			}
			report, err := store.Write(t.Context(), h.findings, h.document(begin.Add(time.Duration(hour)*time.Hour)))
			require.NoError(t, err)
			require.Equal(t, 4-4*hour, report.Alerts.Acked)
			h.revision = "b"
		}
		flow := securityonion.CommunityID(6, addr("10.1.1.1"), addr("203.0.113.7"), 51234, 443)
		require.ElementsMatch(t, [][]string{
			{"so-sensor1", "10.1.1.1", "51234", "203.0.113.7", "443", flow},
			{"so-sensor1", "10.1.1.2", "51234", "10.0.0.8", "3128", "1:proxied"},
			{"so-sensor1", "10.1.1.3", "51234", "10.0.0.53", "53", "1:query"},
			{"so-sensor1", "10.1.1.4", "51234", "203.0.113.44", "443", "1:network"},
		}, c.alertsView(t, "tags:alert", "observer.name", "source.ip", "source.port", "destination.ip", "destination.port", "network.community_id"))
		for query, want := range map[string]int{`rule.category:"command-and-control"`: 4, "related.ip:10.0.0.53": 1, "related.ip:203.0.113.44": 1, "related.hosts:x.example": 1,
			"host.name:ws-007": 4, "related.hosts:ws-7": 4, "dns.query.name:x1.tunnel.example AND dns.query_name:x1.tunnel.example AND dns.highest_registered_domain:tunnel.example": 1} {
			require.Len(t, c.alertsView(t, "tags:alert AND "+query, "source.ip"), want, query)
		}
	})
}

// A flood of findings raises a bounded number of alerts, the strongest, and says what has none of its own. Two hunts at
// once raise the same.
func TestAlertsAreBounded(t *testing.T) {
	h := &sampleHunt{name: t.Name(), revision: "a"}
	for i := range 500 { // one host
		h.add("10.1.1.1", netip.AddrFrom4([4]byte{203, 0, byte(113 + i/250), byte(i % 250)}).String(), 0.6+float64(i)/2000)
	}
	for i := range 300 { // many hosts
		h.add(netip.AddrFrom4([4]byte{10, 2, byte(i / 250), byte(i % 250)}).String(), "203.0.113.7", 0.7)
	}
	var ids [2][]string
	for i := range ids {
		var sent []Alert
		client, err := es.New(es.Config{Addresses: []string{"http://127.0.0.1:9200"}, Transport: &estest.Fake{Handle: func(_ int, r estest.Request) estest.Reply {
			if r.Is("alert-so/_bulk") {
				for _, line := range strings.Split(strings.TrimSpace(string(r.Body)), "\n") {
					var a Alert
					if json.Unmarshal([]byte(line), &a) == nil && a.Event.ID != "" {
						sent = append(sent, a)
					}
				}
			}
			return stands(r)
		}}})
		require.NoError(t, err)
		report, err := New(client, Options{Alerts: &AlertOptions{}}).Write(t.Context(), h.findings, h.document(begin.Add(time.Duration(i)*time.Minute)))
		require.NoError(t, err)
		require.Equal(t, DefaultAlertsPerHunt+2, report.Alerts.Acked)
		require.Len(t, sent, DefaultAlertsPerHunt+2)
		host, more := 0, []string{}
		for _, a := range sent {
			ids[i] = append(ids[i], a.Event.ID)
			switch {
			case a.Rule == moreRule:
				more = append(more, a.Message)
			case a.Dwell.InternalIP.String() == "10.1.1.1":
				host++
				require.Greater(t, a.Dwell.Score, 0.84, "the strongest")
			}
		}
		require.Equal(t, DefaultAlertsPerHost, host)
		require.Len(t, more, 2)
		require.Contains(t, more[0], "210 findings more at or above", "of the hunt")
		require.Contains(t, more[1], "490 findings more of 10.1.1.1")
	}
	require.Equal(t, ids[0], ids[1])
}
