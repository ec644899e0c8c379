package store

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/internal/es"
	"dwell/internal/es/estest"
	"dwell/so-config"
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
		case name == "lifecycle policy dwell", name == "role dwell" && !c.secured:
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
		require.Len(t, planned, len(objects)+2)
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
		role := planned[len(planned)-1]
		if !c.secured {
			require.Equal(t, "skip role dwell (security is switched off in this cluster)", role.String())
		}
		again, err := in.Plan(t.Context())
		require.NoError(t, err)
		require.Equal(t, planned, again, "planning changes nothing")

		c.apply(t)
		c.settled(t)
		// With the streams in place too, a rerun has nothing to do either.
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
			case "dwell":
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

// TestStreamsAreUpgraded begins with streams that an older dwell made: one lacks a field, one has a field of another type.
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
			if s.Name != "dwell" {
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
		require.True(t, report.HuntExisted)
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
			_, err = in.CreateAPIKey(t.Context(), "dwell-test")
			require.NoError(t, err)
			c.do(t, "POST", "/_security/api_key", `{"name":"somebody else's"}`)
		}
		steps, err := in.Remove(t.Context(), false)
		require.NoError(t, err)
		done := changes(steps)
		for _, name := range []string{"data stream " + soconfig.FindingStream, "index template dwell-finding", "component template dwell-settings"} {
			require.Equal(t, Keep, done[name], name)
		}
		if c.secured {
			require.Equal(t, Remove, done["role dwell"])
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
