package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"dwell/integration/load"
	"dwell/integration/testnode"
	"dwell/internal/es"
)

const tour = "../../docs/tour.md"

// answers are what the eleven questions of the page must be answered with, by the beginning of their commands. A number is the exit code where it is not 0.
var answers = []struct {
	command, stdout string
	code            int
}{
	{"dwell who cdn-static.example", `10\.20\.0\.\d+.* 289 `, 0},
	{"dwell findings --asn", ``, 0}, // the demo has no data of autonomous systems
	{"dwell diff\n", `NEW: [1-9]`, 5},
	{"dwell show $HOST cdn-static.example --day 2026-03-02 --connections", `203\.0\.113\.7:443.*\sC\w{10,}`, 0},
	{"dwell findings --severity critical -o stix", `"type": "bundle"`, 0},
	{"dwell findings -o blocklist", `(?m)^beta-updates\.example$`, 0},
	{"dwell show $HOST updates.example", `no finding|score`, 0},
	{"dwell host $HOST --from", `External destinations|cdn-static|203\.0\.113\.7`, 0},
	{"dwell who ja4=", `10\.20\.0\.\d+.* 289 `, 0},
	{"dwell diff --zeek", `NEW: [1-9]`, 0},
	{"dwell findings --host", `10\.20\.0\.\d+`, 0},
}

// TestTour follows docs/tour.md on a real Elasticsearch: every command of it works, and those that answer a question answer it. With -update the outputs are
// recorded into the page, as a terminal of 100 columns shows them.
func TestTour(t *testing.T) {
	cluster := testnode.ForTest(t, testnode.Line8)
	cluster.Exclusive(t)
	require.NoError(t, cluster.Wipe(t.Context()))
	dir := t.TempDir()
	bin := filepath.Join(dir, "bin", "dwell")
	run := func(name string, args ...string) {
		out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
		require.NoError(t, err, "%s %v: %s", name, args, out)
	}
	run("go", "build", "-o", bin, ".")
	demo := filepath.Join(dir, "demo")
	run(bin, "simulate", "--scenario", "../../integration/testdata/demo.yaml", "--out", filepath.Join(demo, "zeek"))
	client, err := es.New(es.Config{Addresses: []string{cluster.URL}, CAFile: cluster.CAFile, Username: cluster.Username, Password: cluster.Password})
	require.NoError(t, err)
	_, err = load.Load(t.Context(), client, load.Options{Paths: []string{filepath.Join(demo, "zeek")}})
	require.NoError(t, err)
	environ := append(os.Environ(), "DEMO="+demo, "PATH="+filepath.Dir(bin)+":"+os.Getenv("PATH"), "DWELL_ELASTICSEARCH_ADDRESSES="+cluster.URL,
		"DWELL_ELASTICSEARCH_CA_FILE="+cluster.CAFile, "DWELL_STATE_DIR="+filepath.Join(demo, "state"), "DWELL_HUNT_SAFELIST="+filepath.Join(demo, "safelist.yaml"),
		"XDG_CONFIG_HOME="+filepath.Join(dir, "none"), "NO_COLOR=1", "DWELL_PAGER=cat")
	require.NoError(t, os.WriteFile(filepath.Join(demo, "safelist.yaml"), []byte("rules: []\n"), 0o600))
	install := exec.CommandContext(t.Context(), bin, "install", "--create-key", filepath.Join(demo, "api_key"))
	install.Env = append(environ, "DWELL_ELASTICSEARCH_USERNAME="+cluster.Username, "DWELL_ELASTICSEARCH_PASSWORD="+cluster.Password)
	out, err := install.CombinedOutput()
	require.NoError(t, err, "%s", out)
	environ = append(environ, "DWELL_ELASTICSEARCH_API_KEY_FILE="+filepath.Join(demo, "api_key"))

	page, err := os.ReadFile(tour)
	require.NoError(t, err)
	var recorded strings.Builder
	answered, variables := map[string]bool{}, ""
	for i, block := range strings.Split(string(page), "```") {
		if i%2 == 0 || !strings.HasPrefix(block, "\n$ ") {
			recorded.WriteString([2]string{"", "```"}[min(i, 1)] + block)
			continue
		}
		recorded.WriteString("```\n")
		for _, command := range commands(block) {
			shell := "set -o pipefail\n" + variables + command
			c := exec.CommandContext(t.Context(), "bash", "-c", shell)
			if *update {
				c = exec.CommandContext(t.Context(), "script", "-qec", "stty cols 100 rows 200; bash -c '"+strings.ReplaceAll(shell, "'", `'\''`)+"'", "/dev/null")
			}
			c.Env = environ
			var text strings.Builder
			c.Stdout, c.Stderr = &text, &text
			err := c.Run()
			code := c.ProcessState.ExitCode()
			want := 0
			for _, a := range answers {
				if strings.HasPrefix(command+"\n", a.command) {
					want, answered[a.command] = a.code, true
					require.Regexp(t, a.stdout, text.String(), command)
				}
			}
			require.Equal(t, want, code, "%s: %v\n%s", command, err, text.String())
			if name, _, ok := strings.Cut(command, "=$("); ok && !strings.Contains(name, " ") {
				variables += command + "\n" // as a shell keeps it for the commands that follow
			}
			recorded.WriteString("$ " + command + "\n" + shown(text.String(), demo, cluster.URL))
		}
		recorded.WriteString("```")
	}
	require.Len(t, answered, len(answers), "each question has its command")
	if *update {
		require.NoError(t, os.WriteFile(tour, []byte(recorded.String()), 0o600))
	}
}

// commands are those of a block: a line that begins with "$ ", and the lines that it goes on in after a backslash.
func commands(block string) (out []string) {
	more := false
	for _, line := range strings.Split(block, "\n") {
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			out = append(out, command)
		} else if more {
			out[len(out)-1] += "\n" + line
		} else {
			continue
		}
		more = strings.HasSuffix(line, `\`)
	}
	return out
}

var (
	drawn = regexp.MustCompile(`\r\x1b\[K[^\n\r]*`)
	notes = regexp.MustCompile(`(?m)^dwell: note: .*\n( +.*\n)*`)
)

// shown is an output as the page has it: without progress and notes, cut to what makes the point.
func shown(text, demo, url string) string {
	text = strings.NewReplacer(demo, "/tmp/demo", url, "https://127.0.0.1:9200").Replace(drawn.ReplaceAllString(text, ""))
	text = notes.ReplaceAllString(strings.ReplaceAll(text, "\r", ""), "")
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	const most = 16
	if more := len(lines) - most; more > 1 {
		lines = append(lines[:most:most], fmt.Sprintf("… %d lines more", more))
	}
	for i, l := range lines {
		if r := []rune(l); utf8.RuneCountInString(l) > 110 {
			lines[i] = string(r[:109]) + "…"
		}
	}
	if len(lines) == 1 && lines[0] == "" {
		return ""
	}
	return strings.Join(lines, "\n") + "\n"
}
