package soconfig

import (
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"dwell/internal/config"
)

var update = flag.Bool("update", false, "write the sample configuration anew")

// sample is the sample configuration, generated from the settings: every key is explained, and only the first is set.
func sample(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("# dwell's settings, each with its default. Goes to /etc/dwell/config.yaml. Made from internal/config; do not edit here.\n")
	b.WriteString("# Secrets do not belong here: put the API key into a file (api_key_file), the environment or a systemd credential.\n")
	group := ""
	for _, k := range config.Keys() {
		g, name, ok := strings.Cut(k.Name, ".")
		require.True(t, ok, k.Name)
		if g != group {
			group = g
			fmt.Fprintf(&b, "\n%s:\n", g)
		}
		line := "  #"
		for _, word := range strings.Fields(k.About) {
			if len(line)+len(word) > 110 {
				b.WriteString(line + "\n")
				line = "  #"
			}
			line += " " + word
		}
		b.WriteString(line + "\n")
		value, err := json.Marshal(k.Default)
		require.NoError(t, err)
		if k.Secret {
			fmt.Fprintf(&b, "  # %s:\n", name)
			continue
		}
		fmt.Fprintf(&b, "  %s: %s\n", name, value)
	}
	return b.String()
}

func TestSampleConfiguration(t *testing.T) {
	want := sample(t)
	const path = "dwell/config.yaml"
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(want), 0o600))
	}
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, want, string(got), "run go test ./so-config -update")

	loaded, err := config.Load(config.Options{File: path})
	require.NoError(t, err, "dwell reads it")
	defaults, err := config.Load(config.Options{})
	require.NoError(t, err)
	require.Equal(t, defaults.Config, loaded.Config, "what it sets are the defaults")
}

// dwell reads the configuration that the state would write to /etc/dwell/config.yaml.
func TestSaltSettingsAreGoodConfiguration(t *testing.T) {
	b, err := os.ReadFile("salt/dwell/settings.yaml")
	require.NoError(t, err)
	var settings struct {
		Dwell struct {
			Enabled bool           `yaml:"enabled"`
			Mode    string         `yaml:"mode"`
			Config  map[string]any `yaml:"config"`
		} `yaml:"dwell"`
	}
	require.NoError(t, yaml.Unmarshal(b, &settings))
	require.True(t, settings.Dwell.Enabled)
	require.Equal(t, "timer", settings.Dwell.Mode)
	key := filepath.Join(t.TempDir(), "api_key")
	require.NoError(t, os.WriteFile(key, []byte("c2VjcmV0"), 0o600))
	require.Equal(t, "/etc/dwell/api_key", settings.Dwell.Config["elasticsearch"].(map[string]any)["api_key_file"])
	settings.Dwell.Config["elasticsearch"].(map[string]any)["api_key_file"] = key
	text, err := yaml.Marshal(settings.Dwell.Config)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(path, text, 0o600))
	loaded, err := config.Load(config.Options{File: path})
	require.NoError(t, err)
	require.Len(t, loaded.Hunt.Internal, 3)
}

// Every file that the state refers to is where it looks, including the program.
func TestPrintIsReadyForSalt(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "files")
	program := filepath.Join(t.TempDir(), "program")
	require.NoError(t, os.WriteFile(program, []byte("the program"), 0o755))
	require.NoError(t, Print(dir, program))
	require.ErrorIs(t, Print(dir, program), fs.ErrExist, "nothing is written over")
	state, err := os.ReadFile(filepath.Join(dir, "salt/dwell/init.sls"))
	require.NoError(t, err)
	asked := 0
	for _, m := range regexp.MustCompile(`salt://dwell/files/(\S+)`).FindAllStringSubmatch(string(state), -1) {
		if m[1] != "{{" {
			asked++
			require.FileExists(t, filepath.Join(dir, saltFiles, m[1]))
		}
	}
	require.Equal(t, 2, asked, "the program and the user; units are named by the loop")
	units := regexp.MustCompile(`{% set units = \[(.*)\] %}`).FindStringSubmatch(string(state))
	require.NotNil(t, units)
	for unit := range strings.SplitSeq(units[1], ", ") {
		require.FileExists(t, filepath.Join(dir, saltFiles, strings.Trim(unit, "'")))
	}
	b, err := os.ReadFile(filepath.Join(dir, saltFiles, "dwell"))
	require.NoError(t, err)
	require.Equal(t, "the program", string(b))
	for _, run := range []string{filepath.Join(dir, saltFiles, "dwell"), filepath.Join(dir, "soc/dwell-soc-queries")} {
		info, err := os.Stat(run)
		require.NoError(t, err)
		require.NotZero(t, info.Mode()&0o100, "%s can be run", run)
	}
}

func TestSystemdUnits(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("systemd-analyze is not here: the units were not verified")
	}
	dir := t.TempDir()
	for _, unit := range []string{"dwell-hunt.service", "dwell-hunt.timer", "dwell-serve.service"} {
		b, err := os.ReadFile(filepath.Join("systemd", unit))
		require.NoError(t, err)
		// The program is not installed on the test host.
		text := strings.ReplaceAll(string(b), "/usr/sbin/dwell ", "/bin/true ")
		require.NoError(t, os.WriteFile(filepath.Join(dir, unit), []byte(text), 0o600))
	}
	out, err := exec.CommandContext(t.Context(), "systemd-analyze", "verify", filepath.Join(dir, "dwell-hunt.service"), filepath.Join(dir, "dwell-hunt.timer"), filepath.Join(dir, "dwell-serve.service")).CombinedOutput()
	var about []string
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "dwell") {
			about = append(about, line)
		}
	}
	require.Empty(t, about, "%v", err)
}

// aggregatable returns the type of every field of dwell's streams that can be grouped by.
func aggregatable(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for name, tpl := range byName(t) {
		if !strings.HasPrefix(name, string(ComponentTemplate)) || tpl.Template.Mappings == nil {
			continue
		}
		mapped := map[string]field{}
		leaves("", tpl.Template.Mappings.Properties, mapped)
		for path, f := range mapped {
			if f.Type != "text" && (f.Index == nil || *f.Index) {
				out[path] = f.Type
			}
		}
	}
	return out
}

// The templates have every field of the console's queries and columns.
func TestSOCQueries(t *testing.T) {
	fields := aggregatable(t)
	var queries map[string][]struct {
		Name, Description, Query string
		ShowSubtitle             bool
	}
	b, err := os.ReadFile("soc/queries.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &queries))
	seen := map[string]bool{}
	for _, where := range []string{"hunt", "dashboards"} {
		require.NotEmpty(t, queries[where])
		for _, q := range queries[where] {
			require.True(t, strings.HasPrefix(q.Name, "dwell - "), "the helper knows ours by this")
			require.False(t, seen[where+q.Name])
			seen[where+q.Name] = true
			require.NotEmpty(t, q.Description)
			search, groups, _ := strings.Cut(q.Query, "|")
			require.Regexp(t, `^event\.dataset:dwell\.(finding|alert|hunt|disposition)( AND |$)`, strings.TrimSpace(search), "our documents only")
			require.NotContains(t, search, ":(", "the console takes a field before a parenthesis into it")
			for _, m := range regexp.MustCompile(`([a-z_.]+):`).FindAllStringSubmatch(search, -1) {
				require.Contains(t, fields, m[1], q.Name)
			}
			for group := range strings.SplitSeq(groups, "|") {
				words := strings.Fields(group)
				require.Equal(t, "groupby", words[0], q.Name)
				for _, w := range words[1:] {
					if strings.HasPrefix(w, "-") {
						require.Contains(t, []string{"-sankey", "-pie", "-bar"}, w)
						continue
					}
					require.Contains(t, fields, w, q.Name)
				}
			}
		}
	}
	var columns map[string][]string
	b, err = os.ReadFile("soc/eventfields.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &columns))
	require.Len(t, columns, 4, "a set of columns for each of our streams")
	for set, names := range columns {
		require.Regexp(t, `^:dwell:(finding|alert|hunt|disposition)$`, set)
		for _, n := range names {
			if n != "soc_timestamp" && n != "message" {
				require.Contains(t, fields, n, set)
			}
		}
	}
}

// Every file here is in the program too, although go:embed skips names that start with a dot or an underscore.
func TestEveryFileIsEmbedded(t *testing.T) {
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		require.NoError(t, filepath.WalkDir(e.Name(), func(path string, d os.DirEntry, err error) error {
			require.NoError(t, err)
			if !d.IsDir() && filepath.Ext(path) != ".go" {
				_, err := files.ReadFile(filepath.ToSlash(path))
				require.NoError(t, err)
			}
			return nil
		}))
	}
}
