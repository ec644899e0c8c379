package store

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/integration/pictures/lens"
	"dwell/internal/es"
	"dwell/internal/es/estest"
	"dwell/so-config"
	"dwell/so-config/kibana"
)

// changes gives what each step does, by kind and name.
func changes(steps []Step) map[string]Change {
	out := map[string]Change{}
	for _, s := range steps {
		out[s.Kind+" "+s.Name] = s.Change
	}
	return out
}

// apply installs and gives what was done.
func (c cluster) apply(t *testing.T) map[string]Change {
	t.Helper()
	steps, err := NewInstaller(c.admin).Apply(t.Context())
	require.NoError(t, err)
	return changes(steps)
}

// settled demands that installing again changes nothing, and gives what was looked at.
func (c cluster) settled(t *testing.T) map[string]Change {
	t.Helper()
	done := c.apply(t)
	for name, change := range done {
		switch {
		case name == "lifecycle policy dwell", strings.HasPrefix(name, "role ") && !c.secured:
			require.Equal(t, Skip, change, name)
		default:
			require.Equal(t, Unchanged, change, name)
		}
	}
	return done
}

func TestInstallAndAgain(t *testing.T) {
	forEachLine(t, func(t *testing.T, c cluster) {
		in := NewInstaller(c.admin)
		objects, err := soconfig.Templates()
		require.NoError(t, err)

		planned, err := in.Plan(t.Context())
		require.NoError(t, err)
		require.Len(t, planned, 1+len(objects)+4+2, "lifecycle, templates, streams, roles")
		// The test node has no lifecycle management (docs/facts/elasticsearch.md, 2): left out, and said.
		require.Equal(t, Skip, planned[0].Change)
		require.Contains(t, planned[0].String(), "no lifecycle management")
		for i, o := range objects {
			s := planned[i+1]
			require.Equal(t, Create, s.Change)
			require.Equal(t, "PUT", s.Request.Method)
			require.True(t, strings.HasSuffix(s.Request.Path, "/"+o.Name))
			require.JSONEq(t, string(o.Body), string(s.Request.Body))
		}
		for _, s := range planned[1+len(objects):][:4] {
			require.Equal(t, Create, s.Change)
			require.Contains(t, []string{"/_data_stream/" + s.Name, "/" + soconfig.DispositionStream}, s.Request.Path)
		}
		role := planned[len(planned)-2]
		if !c.secured {
			require.Equal(t, "skip role dwell (security is switched off in this cluster)", role.String())
		}
		again, err := in.Plan(t.Context())
		require.NoError(t, err)
		require.Equal(t, planned, again, "planning changes nothing")

		c.apply(t)
		c.settled(t)
		// With something in the streams a rerun has nothing to do either.
		h := (&sampleHunt{name: t.Name(), revision: "a"}).many(2)
		_, err = New(c.admin, Options{}).Write(t.Context(), h.findings, h.document(begin))
		require.NoError(t, err)
		done := c.settled(t)
		require.Contains(t, done, "data stream "+soconfig.FindingStream)
		require.Contains(t, done, "data stream "+soconfig.HuntStream)
	})
}

func TestInstallPutsRightWhatWasChanged(t *testing.T) {
	forEachLine(t, func(t *testing.T, c cluster) {
		c.install(t)
		// By hand, with our _meta left in place: a version alone would not show it.
		body := string(c.do(t, "GET", "/_component_template/dwell-settings", ""))
		require.Contains(t, body, `"number_of_replicas":"0"`)
		var answer struct {
			T []struct {
				C json.RawMessage `json:"component_template"`
			} `json:"component_templates"`
		}
		require.NoError(t, json.Unmarshal([]byte(body), &answer))
		var mine map[string]any
		require.NoError(t, json.Unmarshal(answer.T[0].C, &mine))
		for _, date := range []string{"created_date", "created_date_millis", "modified_date", "modified_date_millis"} {
			delete(mine, date)
		}
		b, err := json.Marshal(mine)
		require.NoError(t, err)
		c.do(t, "PUT", "/_component_template/dwell-settings", strings.Replace(string(b), `"number_of_replicas":"0"`, `"number_of_replicas":"1"`, 1))
		steps, err := NewInstaller(c.admin).Apply(t.Context())
		require.NoError(t, err)
		for _, s := range steps {
			switch s.Name {
			case "dwell-settings":
				require.Equal(t, "upgrade component template dwell-settings (somebody changed it)", s.String())
			case "dwell", "dwell-analyst":
			default:
				require.Equal(t, Unchanged, s.Change, s.Name)
			}
		}

		// An older dwell's, a newer dwell's, and somebody else's.
		version := func(n int, by string) string {
			return fmt.Sprintf(`{"template":{"settings":{"index":{"number_of_shards":1}}},"_meta":{"managed_by":%q,"version":%d}}`, by, n)
		}
		c.do(t, "PUT", "/_component_template/dwell-settings", version(0, "dwell"))
		require.Equal(t, Upgrade, c.apply(t)["component template dwell-settings"])
		c.do(t, "PUT", "/_component_template/dwell-settings", version(99, "dwell"))
		require.Equal(t, Keep, c.apply(t)["component template dwell-settings"])
		c.do(t, "PUT", "/_component_template/dwell-settings", version(1, "ansible"))
		_, err = NewInstaller(c.admin).Apply(t.Context())
		require.ErrorContains(t, err, `that is not dwell's (its _meta.managed_by is "ansible")`)
		c.do(t, "PUT", "/_component_template/dwell-settings", version(0, "dwell"))
		c.install(t)
	})
}

// TestStreamsAreUpgraded begins with streams that an older dwell made: one lacks a field, one has a field of another
// type.
func TestStreamsAreUpgraded(t *testing.T) {
	forEachLine(t, func(t *testing.T, c cluster) {
		objects, err := soconfig.Templates()
		require.NoError(t, err)
		versions := map[string]int{} // by stream: those of the templates that its fields are in
		for _, o := range objects {
			body := string(o.Body)
			switch o.Name {
			case "dwell-finding":
				body = replaceOnce(t, body, o.Kind == soconfig.ComponentTemplate, `"rita_score": {"type": "double"},`, ``)
			case "dwell-hunt":
				body = replaceOnce(t, body, o.Kind == soconfig.ComponentTemplate, `"scored": {"type": "long"}`, `"scored": {"type": "keyword"}`)
			}
			if o.Kind == soconfig.ComponentTemplate {
				versions["logs-"+strings.Replace(o.Name, "-", ".", 1)+"-so"] = o.Version
			}
			c.do(t, "PUT", pathOf(o), strings.ReplaceAll(body, fmt.Sprintf(`"version": %d`, o.Version), `"version": 0`))
		}
		h := (&sampleHunt{name: t.Name(), revision: "a"}).many(2)
		_, err = New(c.admin, Options{}).Write(t.Context(), h.findings, h.document(begin))
		require.NoError(t, err)

		steps, err := NewInstaller(c.admin).Apply(t.Context())
		require.NoError(t, err)
		why := map[string]string{}
		for _, s := range steps {
			switch s.Name {
			case "dwell", "dwell-analyst":
			case soconfig.AlertStream, soconfig.DispositionStream:
				require.Equal(t, Create, s.Change, s.String())
			default:
				require.Equal(t, Upgrade, s.Change, s.String())
			}
			why[s.Name] = s.Why
		}
		require.Equal(t, "1 fields are added or adjusted", why[soconfig.FindingStream])
		require.Equal(t, "dwell.hunt.scored cannot be changed in place: a new index is begun", why[soconfig.HuntStream])
		c.settled(t)
		m, err := writeMappings(t.Context(), c.admin, []string{soconfig.FindingStream, soconfig.HuntStream})
		require.NoError(t, err)
		for stream, got := range m {
			require.Equal(t, versions[stream], got.Meta.Version, stream)
		}
		report, err := New(c.admin, Options{}).Write(t.Context(), h.findings, h.document(begin))
		require.NoError(t, err)
		require.Equal(t, 2, report.Findings.Existing, "what was written before the upgrade is still there")
		require.Len(t, c.documents(t, soconfig.HuntStream, of(h)), 1)
	})
}

func replaceOnce(t *testing.T, s string, do bool, old, with string) string {
	t.Helper()
	if !do {
		return s
	}
	require.Equal(t, 1, strings.Count(s, old), old)
	return strings.Replace(s, old, with, 1)
}

func TestWritingNeedsTheTemplates(t *testing.T) {
	forEachLine(t, func(t *testing.T, c cluster) {
		h := (&sampleHunt{name: t.Name(), revision: "a"}).many(2)
		_, err := New(c.admin, Options{}).Write(t.Context(), h.findings, h.document(begin))
		var missing *NotInstalledError
		require.ErrorAs(t, err, &missing)
		require.Equal(t, soconfig.FindingStream, missing.Stream)
		require.ErrorContains(t, err, "dwell install")
		list, err := New(c.admin, Options{}).Findings(t.Context(), Filter{})
		require.NoError(t, err)
		require.Empty(t, list.Findings, "nothing was written, not even with guessed types")
		require.Zero(t, list.Hunts)
	})
}

// TestStreamsOfOthersAreRefused: Security Onion's catch-all template makes a stream of our name with guessed types, if
// anything writes there before dwell install.
func TestStreamsOfOthersAreRefused(t *testing.T) {
	fake := &estest.Fake{Handle: func(_ int, r estest.Request) estest.Reply {
		if r.Is("/_mapping") {
			return estest.JSON(`{".ds-logs-dwell.finding-so-2026.11.22-000001":{"mappings":{"_meta":{"managed_by":"dwell","version":1}}},
				".ds-logs-dwell.finding-so-2026.11.21-000002":{"mappings":{"properties":{"dwell":{"properties":{"score":{"type":"long"}}}}}}}`)
		}
		return estest.Error(403, "security_exception", "not asked for")
	}}
	client, err := es.New(es.Config{Addresses: []string{"http://127.0.0.1:9200"}, Transport: fake})
	require.NoError(t, err)
	h := (&sampleHunt{name: t.Name(), revision: "a"}).many(2)
	_, err = New(client, Options{}).Write(t.Context(), h.findings, h.document(begin))
	require.ErrorContains(t, err, "made without dwell's template")
	for _, r := range fake.Requests() {
		require.Equal(t, "GET", r.Method, "nothing was written")
	}
}

// TestRemove takes everything away again, first without the data and then with it.
func TestRemove(t *testing.T) {
	forEachLine(t, func(t *testing.T, c cluster) {
		in := NewInstaller(c.admin)
		c.install(t)
		h := (&sampleHunt{name: t.Name(), revision: "a"}).many(2)
		_, err := New(c.admin, Options{}).Write(t.Context(), h.findings, h.document(begin))
		require.NoError(t, err)
		if c.secured {
			_, err = in.CreateAPIKey(t.Context(), KeyOptions{Name: "dwell-test"})
			require.NoError(t, err)
			c.do(t, "POST", "/_security/api_key", `{"name":"somebody else's"}`)
		}
		steps, err := in.Remove(t.Context(), false)
		require.NoError(t, err)
		done := changes(steps)
		require.Equal(t, Remove, done["data stream "+soconfig.AlertStream], "nothing was ever written there")
		require.Equal(t, Remove, done["index "+soconfig.DispositionStream])
		for _, name := range []string{"data stream " + soconfig.FindingStream, "index template dwell-finding", "component template dwell-settings"} {
			require.Equal(t, Keep, done[name], name)
		}
		if c.secured {
			require.Equal(t, Remove, done["role dwell"])
			require.Equal(t, Remove, done["role dwell-analyst"])
			require.Equal(t, Remove, done["API key dwell-test"])
			require.NotContains(t, done, "API key somebody else's")
		}
		list, err := New(c.admin, Options{}).Findings(t.Context(), Filter{})
		require.NoError(t, err)
		require.Len(t, list.Findings, 2, "without --data nothing that was found is lost")

		c.do(t, "PUT", "/_component_template/dwell-alert", `{"template":{},"_meta":{"managed_by":"ansible"}}`)
		planned, err := in.PlanRemove(t.Context(), true)
		require.NoError(t, err)
		steps, err = in.Remove(t.Context(), true)
		require.NoError(t, err)
		require.Equal(t, planned, steps)
		require.Equal(t, Keep, changes(steps)["component template dwell-alert"], "what is not ours stays")
		list, err = New(c.admin, Options{}).Findings(t.Context(), Filter{})
		require.NoError(t, err)
		require.Empty(t, list.Findings)
		steps, err = in.PlanRemove(t.Context(), true)
		require.NoError(t, err)
		require.Equal(t, map[string]Change{"component template dwell-alert": Keep}, changes(steps), "nothing is left")
	})
}

// TestLifecycleManagement plays a cluster that has it: the test node does not (docs/facts/elasticsearch.md, 2).
func TestLifecycleManagement(t *testing.T) {
	there := false
	fake := &estest.Fake{Handle: func(_ int, r estest.Request) estest.Reply {
		switch {
		case r.Is("/_ilm/policy/dwell") && r.Method == "PUT":
			there = true
			return estest.JSON(`{"acknowledged":true}`)
		case r.Is("/_ilm/policy/dwell") && there:
			return estest.JSON(`{"dwell":{"version":1,"policy":{"phases":{"hot":{"min_age":"0ms","actions":{}}}}}}`)
		case r.Method == "GET":
			return estest.Error(404, "resource_not_found_exception", "not there")
		}
		return estest.JSON(`{"acknowledged":true}`)
	}}
	client, err := es.New(es.Config{Addresses: []string{"http://127.0.0.1:9200"}, Transport: fake})
	require.NoError(t, err)
	in := NewInstaller(client)
	steps, err := in.Apply(t.Context())
	require.NoError(t, err)
	require.Equal(t, "create lifecycle policy dwell", steps[0].String())
	require.Equal(t, "create component template dwell-lifecycle", steps[1].String(), "the policy before what refers to it, and that before the index templates")
	require.True(t, there)
	steps, err = in.Plan(t.Context())
	require.NoError(t, err)
	require.Equal(t, Keep, steps[0].Change, "an administrator's retention is never overwritten")
	require.Empty(t, steps[0].Request.Method)
}

// TestRetentionWithoutPolicies plays a cluster that has data stream lifecycles and no lifecycle management.
func TestRetentionWithoutPolicies(t *testing.T) {
	lifecycles := true
	var put []string
	fake := &estest.Fake{Handle: func(_ int, r estest.Request) estest.Reply {
		switch {
		case r.Is("/_ilm/policy/dwell"), r.Is("/_data_stream/*/_lifecycle") && !lifecycles:
			return estest.Reply{Status: 400, Body: `{"error":"no handler found for uri [/x] and method [GET]"}`}
		case r.Is("/_data_stream/*/_lifecycle"):
			return estest.JSON(`{"data_streams":[]}`)
		case r.Method == "GET":
			return estest.Error(404, "resource_not_found_exception", "not there")
		}
		put = append(put, r.Path)
		return estest.JSON(`{"acknowledged":true}`)
	}}
	client, err := es.New(es.Config{Addresses: []string{"http://127.0.0.1:9200"}, Transport: fake})
	require.NoError(t, err)
	steps, err := NewInstaller(client).Apply(t.Context())
	require.NoError(t, err)
	require.Equal(t, "skip lifecycle policy dwell (this cluster has data stream lifecycles in its place)", steps[0].String())
	require.Equal(t, "create component template dwell-lifecycle", steps[1].String())
	require.Contains(t, string(steps[1].Request.Body), `"data_retention": "365d"`)
	require.Equal(t, "/_component_template/dwell-lifecycle", put[0])
	lifecycles = false
	steps, err = NewInstaller(client).Plan(t.Context())
	require.NoError(t, err)
	require.Contains(t, steps[0].Why, "delete old findings yourself")
	require.NotContains(t, changes(steps), "component template dwell-lifecycle")
}

// TestEveryFieldOfTheDashboardsIsThereBeforeTheFirstHunt asks as Kibana does for what its data view has: a field of a
// template that no index has yet is an error in every panel that shows it.
func TestEveryFieldOfTheDashboardsIsThereBeforeTheFirstHunt(t *testing.T) {
	forEachLine(t, func(t *testing.T, c cluster) {
		c.install(t)
		var caps struct {
			Fields map[string]map[string]struct {
				Aggregatable bool `json:"aggregatable"`
			} `json:"fields"`
		}
		require.NoError(t, json.Unmarshal(c.do(t, "GET", "/"+kibana.Pattern+"/_field_caps?fields=*", ""), &caps))
		asked := 0
		for _, d := range kibana.Dashboards() {
			for _, p := range d.Panels {
				for _, field := range lens.Fields(&p) {
					if strings.HasPrefix(field, "_") {
						continue
					}
					asked++
					require.Contains(t, caps.Fields, field, "%s: %s", d.ID, p.Title)
				}
			}
		}
		require.Greater(t, asked, 40)
	})
}

// TestInstallLooksBeforeItChanges: without an administrator's rights nothing is changed, and the error names what is
// missing.
func TestInstallLooksBeforeItChanges(t *testing.T) {
	forEachLine(t, func(t *testing.T, c cluster) {
		require.NoError(t, NewInstaller(c.admin).Check(t.Context()))
		if !c.secured {
			return
		}
		c.install(t)
		for _, o := range []KeyOptions{{Name: "hunter"}, {Name: "analyst", Analyst: true, Alerts: true}} {
			key, err := NewInstaller(c.admin).CreateAPIKey(t.Context(), o)
			require.NoError(t, err)
			client := c.with(t, func(cfg *es.Config) { cfg.Username, cfg.Password, cfg.APIKey = "", "", key.Encoded })
			err = NewInstaller(client).Check(t.Context())
			require.ErrorContains(t, err, "manage_index_templates")
			require.ErrorContains(t, err, "manage on "+soconfig.FindingStream)
			require.ErrorContains(t, err, "nothing was changed")
			require.True(t, es.Is(err, es.Permission))
			if o.Analyst {
				h := (&sampleHunt{name: t.Name(), revision: "a"}).many(1)
				_, err = New(client, Options{}).Write(t.Context(), h.findings, h.document(begin))
				require.Error(t, err, "an analyst stores no hunt")
				h = (&sampleHunt{name: t.Name(), revision: "b"}).many(1)
				_, err = New(c.admin, Options{}).Write(t.Context(), h.findings, h.document(begin))
				require.NoError(t, err)
				n, err := New(client, Options{}).Decide(t.Context(), Decision{FindingID: h.findings[0].Dwell.FindingID, Disposition: "benign", Who: "ana", At: begin})
				require.NoError(t, err, "an analyst records dispositions")
				require.Positive(t, n)
			}
			require.NoError(t, NewInstaller(c.admin).InvalidateAPIKey(t.Context(), key))
			_, err = client.Info(t.Context())
			require.True(t, es.Is(err, es.Auth), "the key is worthless: %v", err)
		}
	})
}
