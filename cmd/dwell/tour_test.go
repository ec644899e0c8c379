package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"dwell/integration/load"
	"dwell/integration/testnode"
	"dwell/internal/es"
)

const tour = "../../docs/tour.md"

// answers are what the eleven questions of the page must be answered with, by the beginning of their commands. A number
// is the exit code where it is not 0.
var answers = []struct {
	command, stdout string
	code            int
}{
	{"dwell who cdn-static.example", `10\.20\.0\.\d+.* 289 `, 0},
	{"dwell findings --asn", `not known`, 5}, // the demo has no data of autonomous systems
	{"dwell diff --min-score", `(?s)NEW: [1-9].*no complete hunt`, 5},
	{"dwell show 10.20.0.45 cdn-static.example --day 2026-03-02 --connections", `203\.0\.113\.7:443.*\s+C\w{10,}`, 0},
	{"dwell findings --severity critical -o stix", `"type": "bundle"`, 0},
	{"dwell findings -o blocklist", `(?m)^beta-updates\.example$`, 0},
	{"dwell show 10.20.0.45 cdn.wavemusicvideo.example", `score 0\.[0-3]\d* low`, 0},
	{"dwell host 10.20.0.45 --from", `External destinations|cdn-static|203\.0\.113\.7`, 0},
	{"dwell who ja4=", `10\.20\.0\.\d+.* 289 `, 0},
	{"dwell diff --zeek", `(?s)NEW: [1-9].*exfil\.example`, 0},
	{"dwell findings --host", `10\.20\.0\.\d+`, 0},
}

// TestTour follows docs/tour.md on a real Elasticsearch: every command of it works, and those that answer a question
// answer it. With -update the outputs are recorded into the page, as a terminal of 80 columns shows them; without it
// the page must show them.
func TestTour(t *testing.T) {
	if _, err := exec.LookPath("script"); err != nil {
		t.Skip("a terminal is needed to show outputs as a person sees them: there is no script(1)")
	}
	cluster := testnode.ForTest(t, testnode.Line8)
	cluster.Exclusive(t)
	require.NoError(t, cluster.Wipe(t.Context()))
	dir := t.TempDir()
	bin, err := exec.LookPath("dwell") // this program, by TestMain
	require.NoError(t, err)
	run := func(name string, args ...string) {
		out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
		require.NoError(t, err, "%s %v: %s", name, args, out)
	}
	demo := filepath.Join(dir, "demo")
	run(bin, "simulate", "--scenario", "../../integration/testdata/demo.yaml", "--out", filepath.Join(demo, "zeek"))
	client, err := es.New(es.Config{Addresses: []string{cluster.URL}, CAFile: cluster.CAFile, Username: cluster.Username, Password: cluster.Password})
	require.NoError(t, err)
	_, err = load.Load(t.Context(), client, load.Options{Paths: []string{filepath.Join(demo, "zeek")}})
	require.NoError(t, err)
	environ := append(os.Environ(), "DEMO="+demo, "DWELL_ELASTICSEARCH_ADDRESSES="+cluster.URL,
		"DWELL_ELASTICSEARCH_CA_FILE="+cluster.CAFile, "DWELL_STATE_DIR="+filepath.Join(demo, "state"), "DWELL_HUNT_SAFELIST="+filepath.Join(demo, "safelist.yaml"),
		"XDG_CONFIG_HOME="+filepath.Join(dir, "none"), "NO_COLOR=1", "DWELL_PAGER=cat", "SUDO_USER=ann")
	require.NoError(t, os.WriteFile(filepath.Join(demo, "safelist.yaml"), []byte("rules: []\n"), 0o600))
	install := exec.CommandContext(t.Context(), bin, "install", "--create-key", filepath.Join(demo, "api_key"))
	install.Env = append(environ, "DWELL_ELASTICSEARCH_USERNAME="+cluster.Username, "DWELL_ELASTICSEARCH_PASSWORD="+cluster.Password)
	out, err := install.CombinedOutput()
	require.NoError(t, err, "%s", out)
	environ = append(environ, "DWELL_ELASTICSEARCH_API_KEY_FILE="+filepath.Join(demo, "api_key"))

	page, err := os.ReadFile(tour)
	require.NoError(t, err)
	var recorded strings.Builder
	answered := map[string]bool{}
	for i, block := range strings.Split(string(page), "```") {
		if i > 0 {
			recorded.WriteString("```")
		}
		if i%2 == 0 || !strings.HasPrefix(block, "\n$ ") {
			recorded.WriteString(block)
			continue
		}
		recorded.WriteString("\n")
		for _, command := range commands(block) {
			recorded.WriteString("$ " + command + "\n")
			shell := "set -o pipefail\n" + command
			c := exec.CommandContext(t.Context(), "script", "-qec", "stty cols 80 rows 500; bash -c '"+strings.ReplaceAll(shell, "'", `'\''`)+"'", "/dev/null")
			c.Env, c.Dir = environ, "../.."
			var text strings.Builder
			c.Stdout, c.Stderr = &text, &text
			err := c.Run()
			want, out := 0, screen(text.String(), dir, cluster.URL)
			for _, a := range answers {
				if strings.HasPrefix(command+"\n", a.command) {
					want, answered[a.command] = a.code, true
					assert.Regexp(t, a.stdout, out, command)
				}
			}
			assert.Equal(t, want, c.ProcessState.ExitCode(), "%s: %v\n%s", command, err, out)
			recorded.WriteString(shown(out))
		}
	}
	require.Len(t, answered, len(answers), "each question has its command")
	if *update {
		require.NoError(t, os.WriteFile(tour, []byte(recorded.String()), 0o600))
		return
	}
	require.Equal(t, string(page), recorded.String(), "docs/tour.md shows other outputs than there are: run this test with -update")
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
	drawn = regexp.MustCompile(`[^\n]*\r\x1b\[K`)
	notes = regexp.MustCompile(`(?m)^dwell: note: .*\n( +.*\n)*`)
	// changing is what differs from run to run: the age of the data, and dates after today.
	changing = []struct {
		is *regexp.Regexp
		as string
	}{
		{regexp.MustCompile(`LAG +`), "LAG  "},
		{regexp.MustCompile(` [\d.,]+d +([\d,]+ +\d+ +\d+ +\d+ +\d+ +complete)`), " ...  $1"},
		{regexp.MustCompile(`(expires|until) 20\d\d-\d\d-\d\d`), "$1 ..."},
	}
)

// screen is an output without progress, notes and what changes from run to run.
func screen(text, dir, url string) string {
	text = strings.ReplaceAll(drawn.ReplaceAllString(text, ""), "\r", "")
	text = strings.NewReplacer(dir, "/tmp", url, "https://127.0.0.1:9200").Replace(notes.ReplaceAllString(text, ""))
	for _, c := range changing {
		text = c.is.ReplaceAllString(text, c.as)
	}
	return text
}

// shown is an output as the page has it: cut to what makes the point.
func shown(text string) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	const most = 13
	if len(lines) > most+1 {
		lines = append(lines[:most:most], "...")
	}
	for i, l := range lines {
		if r := []rune(strings.TrimRight(l, " ")); len(r) > 80 {
			lines[i] = string(r[:77]) + "..."
		} else {
			lines[i] = string(r)
		}
	}
	if len(lines) == 1 && lines[0] == "" {
		return ""
	}
	return strings.Join(lines, "\n") + "\n"
}
