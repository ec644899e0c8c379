package soconfig

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// manager imitates a Security Onion manager for Salt: the two trees, a pillar top, and a state that writes the
// console's settings like Security Onion's, with pillar lists replacing default lists.
type manager struct {
	root, bin string
}

// newManager needs a real Salt: salt-call from DWELL_TEST_SALT or the path ("pip install salt").
func newManager(t *testing.T, defaults []byte) *manager {
	t.Helper()
	bin := os.Getenv("DWELL_TEST_SALT")
	if bin == "" {
		found, err := exec.LookPath("salt-call")
		if err != nil {
			t.Skip("salt-call is not here (pip install salt; DWELL_TEST_SALT names its directory): what needs Salt was not run")
		}
		bin = filepath.Dir(found)
	}
	m := &manager{root: t.TempDir(), bin: bin}
	m.write(t, "default/salt/soc/defaults.yaml", string(defaults))
	m.write(t, "default/salt/soc/init.sls", fmt.Sprintf(`{%% import_yaml 'soc/defaults.yaml' as D %%}
{%% set M = salt['pillar.get']('soc', D.soc, merge=true) %%}
console:
  file.serialize:
    - name: %s
    - serializer: json
    - dataset: {{ {'server': M.config.server, 'eventFields': M.config.eventFields} | json }}
`, m.path("soc.json")))
	m.write(t, "default/pillar/top.sls", "base:\n  '*':\n    - soc.soc_soc\n    - soc.adv_soc\n")
	m.write(t, "local/pillar/soc/soc_soc.sls", "")
	m.write(t, "local/pillar/soc/adv_soc.sls", "")
	m.write(t, "local/salt/README", "")
	settings := fmt.Sprintf(`{id: manager_standalone, file_client: local, root_dir: %[1]s/var, use_superseded: [module.run],
 file_roots: {base: [%[1]s/local/salt, %[1]s/default/salt]}, pillar_roots: {base: [%[1]s/local/pillar, %[1]s/default/pillar]}}
`, m.root)
	m.write(t, "etc/minion", settings)
	m.write(t, "etc/master", settings)
	return m
}

func (m *manager) path(name string) string { return filepath.Join(m.root, filepath.FromSlash(name)) }

func (m *manager) write(t *testing.T, name, text string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(m.path(name)), 0o755))
	require.NoError(t, os.WriteFile(m.path(name), []byte(text), 0o644))
}

func (m *manager) read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(m.path(name))
	require.NoError(t, err)
	return string(b)
}

func (m *manager) saltCall() string {
	return filepath.Join(m.bin, "salt-call") + " --local -l error -c " + m.path("etc")
}

// salt runs a Salt function and returns its output.
func (m *manager) salt(t *testing.T, args ...string) json.RawMessage {
	t.Helper()
	words := append(strings.Fields(m.saltCall()), "--out=json", "--retcode-passthrough")
	out, err := exec.CommandContext(t.Context(), words[0], append(words[1:], args...)...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	var answer struct {
		Local json.RawMessage `json:"local"`
	}
	require.NoError(t, json.Unmarshal(out, &answer), "%s", out)
	return answer.Local
}

type query struct{ Name, Query string }

// console is the console's configuration after a highstate.
type console struct {
	Server struct {
		Client struct{ Hunt, Dashboards struct{ Queries []query } }
	}
	EventFields map[string][]string
}

// queries returns the lists that dwell extends.
func (c console) queries() map[string][]query {
	return map[string][]query{"hunt": c.Server.Client.Hunt.Queries, "dashboards": c.Server.Client.Dashboards.Queries}
}

func (m *manager) console(t *testing.T) (c console) {
	t.Helper()
	m.salt(t, "state.apply", "soc")
	require.NoError(t, json.Unmarshal([]byte(m.read(t, "soc.json")), &c))
	return c
}

// helper runs dwell-soc-queries on this manager.
func (m *manager) helper(t *testing.T, args ...string) (string, error) {
	t.Helper()
	args = append([]string{"soc/dwell-soc-queries", "--saltstack", m.root, "--soc-json", m.path("soc.json"), "--salt-call", m.saltCall()}, args...)
	out, err := exec.CommandContext(t.Context(), "python3", args...).CombinedOutput()
	require.NotContains(t, string(out), "Traceback")
	return string(out), err
}

func ourQueries(t *testing.T) (ours map[string][]query) {
	t.Helper()
	b, err := os.ReadFile("soc/queries.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &ours))
	return ours
}

// onionDefaults has the shape of Security Onion 2.4's defaults: 62 hunt queries, of which 23 share seven names, and 80
// dashboards. DWELL_TEST_SOC_DEFAULTS can name the real salt/soc/defaults.yaml, which is not distributed here.
func onionDefaults(t *testing.T) []byte {
	t.Helper()
	if path := os.Getenv("DWELL_TEST_SOC_DEFAULTS"); path != "" {
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		return b
	}
	var hunt, dashboards []map[string]any
	add := func(list *[]map[string]any, name string, times int) {
		for i := range times {
			*list = append(*list, map[string]any{"name": name, "description": "It's \"" + name + "\" – {" + name + "}", "query": fmt.Sprintf(`tags:%s | groupby field%d*`, name, i), "showSubtitle": true})
		}
	}
	for times, names := range [][]string{2: {"DHCP", "Files", "FTP"}, 3: {"x509"}, 4: {"Connections"}, 5: {"DNS", "HTTP"}} {
		for _, name := range names {
			add(&hunt, name, times)
		}
	}
	for i := range 39 {
		add(&hunt, fmt.Sprintf("Query %d", i), 1)
	}
	for i := range 80 {
		add(&dashboards, fmt.Sprintf("Dashboard %d", i), 1)
	}
	b, err := yaml.Marshal(map[string]any{"soc": map[string]any{"config": map[string]any{
		"eventFields": map[string]any{"default": []string{"soc_timestamp"}, ":zeek:conn": []string{"soc_timestamp", "source.ip"}},
		"server":      map[string]any{"client": map[string]any{"hunt": map[string]any{"queries": hunt}, "dashboards": map[string]any{"queries": dashboards}}}}}})
	require.NoError(t, err)
	return b
}

// With dwell's queries added, all of Security Onion's stay in order, an update or an administrator's change takes
// effect without a second run, and removal restores every byte.
func TestConsoleKeepsItsOwnQueries(t *testing.T) {
	m := newManager(t, onionDefaults(t))
	ours := ourQueries(t)
	before := m.console(t)
	require.Len(t, before.Server.Client.Hunt.Queries, 62)
	const adv = "# an administrator's own\nsoc:\n  config:\n    server: {maxPacketCount: 5000}" // without a newline at its end
	m.write(t, "local/pillar/soc/adv_soc.sls", adv)

	out, err := m.helper(t)
	require.NoError(t, err, out)
	require.Contains(t, out, "hunt: 62 queries as before, 7 of dwell's behind them")
	holds := func(before console) {
		t.Helper()
		after := m.console(t)
		for where, mine := range ours {
			require.Equal(t, append(before.queries()[where], mine...), after.queries()[where])
		}
		require.Len(t, after.EventFields, len(before.EventFields)+4)
		for key, fields := range before.EventFields {
			require.Equal(t, fields, after.EventFields[key])
		}
	}
	holds(before)
	first := m.read(t, "local/pillar/soc/adv_soc.sls")
	out, err = m.helper(t)
	require.NoError(t, err, out)
	require.Equal(t, first, m.read(t, "local/pillar/soc/adv_soc.sls"), "a second run changes nothing")
	require.Contains(t, string(m.salt(t, "pillar.get", "soc:config:server:maxPacketCount")), "5000", "the file's own settings hold")

	// The master renders the pillar in another kind of process.
	master, err := exec.CommandContext(t.Context(), filepath.Join(m.bin, "salt-run"), "-l", "error", "-c", m.path("etc"), "--out=json", "pillar.show_pillar", "manager_standalone").Output()
	require.NoError(t, err)
	require.Contains(t, string(master), "dwell - Findings")
	require.NotContains(t, string(master), "_errors")

	// An update of Security Onion changes the first query and adds one.
	var tree map[string]any
	require.NoError(t, yaml.Unmarshal(onionDefaults(t), &tree))
	hunt := tree["soc"].(map[string]any)["config"].(map[string]any)["server"].(map[string]any)["client"].(map[string]any)["hunt"].(map[string]any)
	list := hunt["queries"].([]any)
	list[0].(map[string]any)["query"] = "* | groupby brought.by.the.update"
	hunt["queries"] = append(list, map[string]any{"name": "Brand new", "query": "tags:new"})
	b, err := yaml.Marshal(tree)
	require.NoError(t, err)
	m.write(t, "default/salt/soc/defaults.yaml", string(b))
	updated := m.console(t).Server.Client.Hunt.Queries
	require.Len(t, updated, 63+len(ours["hunt"]))
	require.Equal(t, "* | groupby brought.by.the.update", updated[0].Query)
	require.Equal(t, "Brand new", updated[62].Name)

	// An administrator sets a list in the console's settings.
	m.write(t, "local/pillar/soc/soc_soc.sls", `{soc: {config: {server: {client: {hunt: {queries: [{name: Mine, query: "tags:mine"}]}}}}}}`)
	require.Equal(t, append([]query{{"Mine", "tags:mine"}}, ours["hunt"]...), m.console(t).Server.Client.Hunt.Queries)
	m.write(t, "local/pillar/soc/soc_soc.sls", "")

	out, err = m.helper(t, "--remove")
	require.NoError(t, err, out)
	require.Equal(t, adv, m.read(t, "local/pillar/soc/adv_soc.sls"), "byte for byte")
	require.NoFileExists(t, m.path("local/pillar/soc/dwell.sls"))
	m.write(t, "default/salt/soc/defaults.yaml", string(onionDefaults(t)))
	require.Equal(t, before, m.console(t))
}

// Whatever the helper meets, the pillar has no new error afterwards, or the old files are restored.
func TestHelperPutsBackWhatDoesNotWork(t *testing.T) {
	m := newManager(t, onionDefaults(t))
	m.console(t)
	for _, c := range []struct{ name, adv, want string }{
		{"a list that is laid over", "soc: {config: {server: {client: {hunt: {queries: [{name: Mine, query: '*'}]}}}}}\n", "dwell's queries for hunt are not in the pillar; everything is put back"},
		{"another include", "include:\n  - soc.other\n", "add \"- soc.dwell\" to that list by hand"},
		{"an error that was there", "soc: [\n", "the pillar of this manager is in error already, nothing was changed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m.write(t, "local/pillar/soc/adv_soc.sls", c.adv)
			if c.name == "another include" {
				m.write(t, "local/pillar/soc/other.sls", "soc: {}\n")
			}
			out, err := m.helper(t)
			require.Error(t, err)
			require.Contains(t, out, c.want)
			require.Equal(t, c.adv, m.read(t, "local/pillar/soc/adv_soc.sls"))
			require.NoFileExists(t, m.path("local/pillar/soc/dwell.sls"))
		})
	}
	m.write(t, "local/pillar/soc/adv_soc.sls", "#!jinja|yaml\n---\nsoc: {}\n")
	out, err := m.helper(t)
	require.NoError(t, err, out)
	require.Len(t, m.console(t).Server.Client.Hunt.Queries, 62+len(ourQueries(t)["hunt"]), "a first line that must stay first does")
}

// Without a manager the error says where to run the helper.
func TestHelperWithoutAManager(t *testing.T) {
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("python3 is not here: the helper for the console's queries was not run")
	}
	dir := t.TempDir()
	run := func(args ...string) string {
		out, err := exec.CommandContext(t.Context(), "python3", append([]string{"soc/dwell-soc-queries", "--saltstack", dir, "--salt-call", "no-such-salt"}, args...)...).CombinedOutput()
		require.Error(t, err)
		require.NotContains(t, string(out), "Traceback")
		return string(out)
	}
	require.Contains(t, run(), "is not there: run this on the manager, as root")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "local/pillar/soc"), 0o755))
	require.Contains(t, run(), "no-such-salt: No such file or directory")
	entries, err := os.ReadDir(filepath.Join(dir, "local/pillar/soc"))
	require.NoError(t, err)
	require.Empty(t, entries)
}

// A real Salt renders the printed state, for each mode.
func TestSaltStateRenders(t *testing.T) {
	m := newManager(t, onionDefaults(t))
	printed := filepath.Join(t.TempDir(), "files")
	program, err := os.Executable()
	require.NoError(t, err)
	require.NoError(t, Print(printed, program))
	require.NoError(t, os.CopyFS(m.path("local/salt"), os.DirFS(filepath.Join(printed, "salt"))))
	settings := m.read(t, "local/salt/dwell/settings.yaml")
	for _, c := range []struct{ old, with, want, not string }{
		{"", "", "dwell-hunt.timer", ""},
		{"mode: timer", "mode: serve", "dwell_unit_dwell-serve.service", ""},
		{"enabled: True", "enabled: False", "dwell_stopped_dwell-hunt.timer", "dwell_program"},
	} {
		m.write(t, "local/salt/dwell/settings.yaml", strings.Replace(settings, c.old, c.with, 1))
		var states map[string]any
		require.NoError(t, json.Unmarshal(m.salt(t, "state.show_sls", "dwell"), &states))
		text, err := json.Marshal(states)
		require.NoError(t, err)
		require.Contains(t, string(text), c.want)
		if c.not != "" {
			require.NotContains(t, states, c.not)
		}
	}
}
