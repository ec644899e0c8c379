package integration

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

func TestInstallAndAgain(t *testing.T) {
	forEachLine(t, func(t *testing.T, c cluster) {
		in := NewInstaller(c.admin)
		objects, err := soconfig.Templates()
		require.NoError(t, err)

		planned, err := in.Plan(t.Context())
		require.NoError(t, err)
		require.Len(t, planned, len(objects))
		for i, s := range planned {
			require.Equal(t, Create, s.Change)
			require.Equal(t, "PUT", s.Request.Method)
			require.True(t, strings.HasSuffix(s.Request.Path, "/"+objects[i].Name))
			require.JSONEq(t, string(objects[i].Body), string(s.Request.Body))
		}
		again, err := in.Plan(t.Context())
		require.NoError(t, err)
		require.Equal(t, planned, again, "planning changes nothing")

		for _, change := range c.apply(t) {
			require.Equal(t, Create, change)
		}
		for name, change := range c.apply(t) {
			require.Equal(t, Unchanged, change, name)
		}
		// With the streams in place too, a rerun has nothing to do either.
		h := (&sampleHunt{name: t.Name(), revision: "a"}).many(2)
		_, err = New(c.admin, Options{}).Write(t.Context(), h.findings, h.document(begin))
		require.NoError(t, err)
		done := c.apply(t)
		require.Contains(t, done, "data stream "+soconfig.FindingStream)
		require.Contains(t, done, "data stream "+soconfig.HuntStream)
		for name, change := range done {
			require.Equal(t, Unchanged, change, name)
		}
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
			want := Unchanged
			if s.Name == "dwell-settings" {
				want = Upgrade
				require.Equal(t, "upgrade component template dwell-settings (somebody changed it)", s.String())
			}
			require.Equal(t, want, s.Change, s.Name)
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
		for _, o := range objects {
			body := string(o.Body)
			switch o.Name {
			case "dwell-finding":
				body = replaceOnce(t, body, o.Kind == soconfig.ComponentTemplate, `"rita_score": {"type": "double"},`, ``)
			case "dwell-hunt":
				body = replaceOnce(t, body, o.Kind == soconfig.ComponentTemplate, `"scored": {"type": "long"}`, `"scored": {"type": "keyword"}`)
			}
			c.do(t, "PUT", pathOf(o), strings.ReplaceAll(body, `"version": 1`, `"version": 0`))
		}
		h := (&sampleHunt{name: t.Name(), revision: "a"}).many(2)
		_, err = New(c.admin, Options{}).Write(t.Context(), h.findings, h.document(begin))
		require.NoError(t, err)

		steps, err := NewInstaller(c.admin).Apply(t.Context())
		require.NoError(t, err)
		why := map[string]string{}
		for _, s := range steps {
			require.Equal(t, Upgrade, s.Change, s.String())
			why[s.Name] = s.Why
		}
		require.Equal(t, "1 fields are added or adjusted", why[soconfig.FindingStream])
		require.Equal(t, "dwell.hunt.scored cannot be changed in place: a new index is begun", why[soconfig.HuntStream])
		for name, change := range c.apply(t) {
			require.Equal(t, Unchanged, change, name)
		}
		m, err := writeMappings(t.Context(), c.admin, []string{soconfig.FindingStream, soconfig.HuntStream})
		require.NoError(t, err)
		for stream, got := range m {
			require.Equal(t, 1, got.Meta.Version, stream)
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
