package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// oneCase is a public report of somebody who reads Zeek's logs, remade as a small input. Cmd is one command, {d} the
// case's directory.
type oneCase struct {
	Cmd    []string `json:"cmd"`
	Before string   `json:"before"`
	Want   checks   `json:"want"`
}

// checks are what a case demands: exit codes, how many connections and records were hunted, the connections (seen) and
// scores (score) of findings by pair, pairs without an unexplained finding of 0.4 or more (quiet), reasons by pair,
// what is said and not said on stderr, in notes and gaps, and alternatives (any). Pairs and texts are regular
// expressions.
type checks struct {
	RC      []int                 `json:"rc"`
	Total   *int                  `json:"total"`
	Records *int                  `json:"records"`
	Seen    map[string][2]float64 `json:"seen"`
	Score   map[string][2]float64 `json:"score"`
	Quiet   string                `json:"quiet"`
	Said    oneOrMore             `json:"said"`
	Unsaid  oneOrMore             `json:"unsaid"`
	Reason  map[string]string     `json:"reason"`
	Any     []checks              `json:"any"`
}

type oneOrMore []string

func (o *oneOrMore) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*o = oneOrMore{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(o))
}

// outcome is what a run of dwell gave; document is empty where it printed none.
type outcome struct {
	code     int
	text     string
	document struct {
		Hunt struct {
			Dwell struct {
				Hunt struct {
					Connections, Records int
					Notes, Gaps          []string
				} `json:"hunt"`
			} `json:"dwell"`
		} `json:"hunt"`
		Findings []struct {
			Network struct{ Connections float64 } `json:"network"`
			Dwell   struct {
				Pair, Explained string
				Score           float64
				Also, Reasons   []string
				Modifiers       []json.RawMessage
			} `json:"dwell"`
		} `json:"findings"`
	}
}

// lacks says what of the checks does not hold.
func (w *checks) lacks(o *outcome) (bad []string) {
	say := func(format string, a ...any) { bad = append(bad, fmt.Sprintf(format, a...)) }
	found := &o.document.Hunt.Dwell.Hunt
	if w.RC != nil && !slices.Contains(w.RC, o.code) {
		say("exit code %d, not one of %v", o.code, w.RC)
	}
	if w.Total != nil && found.Connections != *w.Total {
		say("hunted %d connections, not %d", found.Connections, *w.Total)
	}
	if w.Records != nil && found.Records != *w.Records {
		say("%d records, not %d", found.Records, *w.Records)
	}
	within := func(want map[string][2]float64, what string, of func(i int) float64) {
		for pair, span := range want {
			most, any := 0.0, false
			for i := range o.document.Findings {
				if regexp.MustCompile(pair).MatchString(o.document.Findings[i].Dwell.Pair) {
					most, any = max(most, of(i)), true
				}
			}
			if !any || most < span[0] || most > span[1] {
				say("%s of %s is %v (found: %v), not %v", what, pair, most, any, span)
			}
		}
	}
	within(w.Seen, "connections", func(i int) float64 { return o.document.Findings[i].Network.Connections })
	within(w.Score, "score", func(i int) float64 { return o.document.Findings[i].Dwell.Score })
	for i := range o.document.Findings {
		f := &o.document.Findings[i].Dwell
		if w.Quiet != "" && f.Score >= 0.4 && (f.Explained == "" || f.Explained == "none") && regexp.MustCompile(w.Quiet).MatchString(f.Pair) {
			say("%s scores %.3f: %v", f.Pair, f.Score, f.Reasons)
		}
	}
	for _, want := range w.Said {
		if !regexp.MustCompile("(?is)" + want).MatchString(o.text) {
			say("nothing says /%s/", want)
		}
	}
	for _, not := range w.Unsaid {
		if got := regexp.MustCompile("(?i)" + not).FindString(o.text); got != "" {
			say("it says %q", got)
		}
	}
	for pair, want := range w.Reason {
		var texts []string
		for i := range o.document.Findings {
			if f := &o.document.Findings[i].Dwell; regexp.MustCompile(pair).MatchString(f.Pair) {
				texts = append(append(texts, f.Reasons...), string(bytes.Join(rawOf(f.Modifiers), nil)))
			}
		}
		if !regexp.MustCompile("(?i)" + want).MatchString(strings.Join(texts, " | ")) {
			say("no reason of %s says /%s/: %v", pair, want, texts)
		}
	}
	var none []string
	for i := range w.Any {
		lacks := w.Any[i].lacks(o)
		if len(lacks) == 0 {
			return bad
		}
		none = append(none, strings.Join(lacks, ", "))
	}
	if len(none) > 0 {
		say("none of: %s", strings.Join(none, " | "))
	}
	return bad
}

func rawOf(list []json.RawMessage) (out [][]byte) {
	for _, m := range list {
		out = append(out, m)
	}
	return out
}

// TestCases runs the cases of testdata/cases, and any others that stand beside the project.
func TestCases(t *testing.T) {
	dirs := map[string]string{}
	for _, root := range []string{filepath.Join("..", "..", "..", "shared", "cases"), filepath.Join("testdata", "cases")} {
		files, err := filepath.Glob(filepath.Join(root, "*", "case.json"))
		require.NoError(t, err)
		for _, f := range files {
			dirs[filepath.Base(filepath.Dir(f))] = filepath.Dir(f)
		}
	}
	require.GreaterOrEqual(t, len(dirs), 62)
	bin := filepath.Join(t.TempDir(), "dwell")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", bin, ".").CombinedOutput()
	require.NoError(t, err, "%s", out)
	for _, name := range slices.Sorted(maps.Keys(dirs)) {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join(dirs[name], "case.json"))
			require.NoError(t, err)
			var c oneCase
			require.NoError(t, json.Unmarshal(text, &c))
			require.Empty(t, c.Before, "a case that needs a shell")
			tmp := t.TempDir()
			d := filepath.Join(tmp, "d")
			require.NoError(t, os.CopyFS(d, os.DirFS(dirs[name])))
			for i, arg := range c.Cmd {
				c.Cmd[i] = strings.ReplaceAll(arg, "{d}", d)
			}
			cmd := exec.CommandContext(t.Context(), bin, c.Cmd...)
			var stdout, stderr bytes.Buffer
			cmd.Dir, cmd.Stdout, cmd.Stderr = d, &stdout, &stderr
			cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + tmp, "DWELL_STATE_DIR=" + filepath.Join(tmp, "state"), "TZ=UTC"}
			_ = cmd.Run() // what it ended with is checked
			o := outcome{code: cmd.ProcessState.ExitCode(), text: stderr.String()}
			if json.Unmarshal(stdout.Bytes(), &o.document) != nil {
				o.text += stdout.String()
			}
			found := &o.document.Hunt.Dwell.Hunt
			o.text = strings.ReplaceAll(o.text+strings.Join(append(found.Notes, found.Gaps...), "\n"), d, ".")
			require.NotContains(t, o.text, "panic:")
			require.Empty(t, c.Want.lacks(&o), "dwell %s\n%s", strings.Join(c.Cmd, " "), o.text)
		})
	}
}
