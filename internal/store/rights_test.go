package store

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/internal/es"
	"dwell/so-config"
)

// zeekTemplate makes logs-zeek-so a data stream, as on a grid.
const zeekTemplate = `{"index_patterns":["logs-zeek-so"],"data_stream":{},"priority":500,"template":{"mappings":{"properties":{"source":{"properties":{"ip":{"type":"ip"}}}}}}}`

func TestTheKeyMayDoWhatDwellDoesAndNothingElse(t *testing.T) {
	forEachLine(t, func(t *testing.T, c cluster) {
		in := NewInstaller(c.admin)
		if !c.secured {
			_, err := in.CreateAPIKey(t.Context(), KeyOptions{Name: "dwell-test"})
			require.ErrorContains(t, err, "makes no API keys")
			return
		}
		key, err := in.CreateAPIKey(t.Context(), KeyOptions{Name: "dwell-test"})
		require.NoError(t, err)
		require.NotEmpty(t, key.Encoded)
		client := c.with(t, func(cfg *es.Config) { cfg.Username, cfg.Password, cfg.APIKey = "", "", key.Encoded })
		store := New(client, Options{})
		h := (&sampleHunt{name: t.Name(), revision: "a"}).many(5)

		_, err = store.Write(t.Context(), h.findings, h.document(begin))
		var missing *NotInstalledError
		require.ErrorAs(t, err, &missing, "the key may look for the templates")

		c.install(t)
		report, err := store.Write(t.Context(), h.findings, h.document(begin))
		require.NoError(t, err, "it makes the data streams and writes")
		require.Equal(t, 5, report.Findings.Acked)
		require.Empty(t, report.Notes, "it may refresh")
		report, err = store.Write(t.Context(), h.findings, h.document(begin))
		require.NoError(t, err)
		require.Equal(t, 5, report.Findings.Existing)
		list, err := store.Findings(t.Context(), Filter{})
		require.NoError(t, err)
		require.Len(t, list.Findings, 5)

		c.do(t, "PUT", "/_index_template/so-zeek-test", zeekTemplate)
		c.do(t, "PUT", "/logs-zeek-so/_create/one", `{"@timestamp":"2026-11-22T00:00:00Z","source":{"ip":"10.1.1.1"}}`)
		c.do(t, "PUT", "/so-case/_doc/one", `{}`)
		c.do(t, "POST", "/logs-zeek-so/_refresh", "")
		hits := 0
		err = client.Search(t.Context(), es.SearchRequest{Index: []string{"logs-zeek-so"}, Body: []byte(`{}`)}, func(r es.SearchResult) error {
			var page struct{ Hits []hit }
			require.NoError(t, json.Unmarshal(r.Hits, &page))
			hits = len(page.Hits)
			return nil
		})
		require.NoError(t, err)
		require.Equal(t, 1, hits, "it reads Zeek's connections")

		finding := c.documents(t, soconfig.FindingStream)[h.findings[0].Event.ID]
		// The one later change (design.md 5.4): a partial update by backing index, which preserves other fields.
		require.NoError(t, client.Do(t.Context(), es.Call{Op: "update", Request: es.Request{Method: "POST", Path: "/" + finding.Index + "/_update/" + finding.ID, Body: []byte(`{"doc":{"dwell":{"disposition":"benign"}}}`)}}))

		decided, err := New(client, Options{Alerts: &AlertOptions{}}).Decide(t.Context(), Decision{FindingID: h.findings[1].Dwell.FindingID, Disposition: "benign", Who: "ana", At: begin})
		require.NoError(t, err, "it records decisions and puts them on findings")
		require.Equal(t, 1, decided)

		for _, r := range []struct {
			request   es.Request
			privilege string
			index     string
		}{
			{es.Request{Method: "DELETE", Path: "/" + finding.Index + "/_doc/" + finding.ID}, "delete", finding.Index},
			{es.Request{Method: "DELETE", Path: "/" + finding.Index}, "delete_index", finding.Index},
			{es.Request{Method: "PUT", Path: "/" + soconfig.FindingStream + "/_mapping", Body: []byte(`{"properties":{"x":{"type":"long"}}}`)}, "manage", soconfig.FindingStream},
			{es.Request{Method: "POST", Path: "/" + soconfig.FindingStream + "/_rollover"}, "manage", soconfig.FindingStream},
			{es.Request{Method: "PUT", Path: "/logs-zeek-so/_create/two", Body: []byte(`{"@timestamp":"2026-11-22T00:00:00Z"}`)}, "create_doc", "logs-zeek-so"},
			{es.Request{Method: "GET", Path: "/so-case/_search"}, "read", "so-case"},
			{es.Request{Method: "PUT", Path: "/so-case/_doc/two", Body: []byte(`{}`)}, "index", "so-case"},
			{es.Request{Method: "PUT", Path: "/logs-other-so/_doc/two", Body: []byte(`{}`)}, "auto_configure", "logs-other-so"},
			{es.Request{Method: "PUT", Path: "/_index_template/dwell-finding", Body: []byte(zeekTemplate)}, "manage_index_templates", ""},
			{es.Request{Method: "PUT", Path: "/_component_template/dwell-finding", Body: []byte(`{"template":{}}`)}, "manage_index_templates", ""},
			{es.Request{Method: "GET", Path: "/_security/role/superuser"}, "manage_security", ""},
			{es.Request{Method: "PUT", Path: "/_cluster/settings", Body: []byte(`{"persistent":{"search.max_buckets":1000}}`)}, "manage", ""},
		} {
			err := client.Do(t.Context(), es.Call{Op: "try", Request: r.request})
			var e *es.Error
			require.True(t, errors.As(err, &e), "%s %s was not refused: %v", r.request.Method, r.request.Path, err)
			require.Equal(t, es.Permission, e.Kind, "%s %s: %v", r.request.Method, r.request.Path, e)
			require.Contains(t, e.Hint, r.privilege, "the error names the privilege: %v", e)
			require.Contains(t, e.Hint, r.index, "the error names the index: %v", e)
		}
	})
}

func TestWritingWithoutTheRight(t *testing.T) {
	forEachLine(t, func(t *testing.T, c cluster) {
		if !c.secured {
			t.Skip("this line of the test node has no users")
		}
		c.install(t)
		// If only the templates were installed, a writing user creates the streams.
		for _, stream := range []string{soconfig.FindingStream, soconfig.HuntStream, soconfig.AlertStream} {
			c.do(t, "DELETE", "/_data_stream/"+stream, "")
		}
		h := (&sampleHunt{name: t.Name(), revision: "a"}).many(3)
		for _, k := range []struct {
			name, role string
			// mentions is what the error must contain.
			mentions []string
		}{
			{name: "may only read", mentions: []string{"create_doc", soconfig.FindingStream},
				role: `{"cluster":["monitor"],"indices":[{"names":["logs-*"],"privileges":["read","view_index_metadata"]}]}`},
			{name: "may not look at templates", mentions: []string{"index_template", "manage_index_templates"},
				role: `{"cluster":[],"indices":[{"names":["logs-*"],"privileges":["all"]}]}`},
			{name: "may nothing with our streams", mentions: []string{"view_index_metadata", soconfig.FindingStream},
				role: `{"cluster":["monitor"],"indices":[{"names":["logs-zeek-so"],"privileges":["read"]}]}`},
		} {
			t.Run(k.name, func(t *testing.T) {
				var key APIKey
				require.NoError(t, json.Unmarshal(c.do(t, "POST", "/_security/api_key", `{"name":"weak","role_descriptors":{"weak":`+k.role+`}}`), &key))
				client := c.with(t, func(cfg *es.Config) { cfg.Username, cfg.Password, cfg.APIKey = "", "", key.Encoded })
				report, err := New(client, Options{}).Write(t.Context(), h.findings, h.document(begin))
				require.True(t, es.Is(err, es.Permission), "%v", err)
				for _, m := range k.mentions {
					require.ErrorContains(t, err, m)
				}
				require.NotContains(t, err.Error(), key.Encoded)
				require.Zero(t, report.Findings.Acked)
				require.NoError(t, report.Findings.Check())
				list, err := New(c.admin, Options{}).Findings(t.Context(), Filter{})
				require.NoError(t, err)
				require.Empty(t, list.Findings, "nothing was written")
			})
		}
		t.Run("wrong password", func(t *testing.T) {
			client := c.with(t, func(cfg *es.Config) { cfg.Password = "not-" + cfg.Password })
			_, err := New(client, Options{}).Write(t.Context(), h.findings, h.document(begin))
			require.True(t, es.Is(err, es.Auth), "%v", err)
			require.NotContains(t, err.Error(), c.cfg.Password)
			var e *es.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, http.StatusUnauthorized, e.Status)
		})
	})
}
