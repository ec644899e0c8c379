package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

// everyCommand runs f for each command that is ours.
func everyCommand(root *cobra.Command, f func(c *cobra.Command)) {
	f(root)
	for _, sub := range root.Commands() {
		if sub.Name() != "completion" {
			everyCommand(sub, f)
		}
	}
}

// TestHelpFitsTheTerminal demands of each command's help that no line is wider than the terminal, at three widths, and
// that flags say what their values are and which default they have.
func TestHelpFitsTheTerminal(t *testing.T) {
	for _, width := range []int{80, 120, 200} {
		var out bytes.Buffer
		everyCommand(newRoot(&app{streams: &streams{Out: &out, Err: &out, Width: width}}), func(c *cobra.Command) {
			out.Reset()
			c.InitDefaultHelpFlag()
			require.NoError(t, c.Help())
			for line := range strings.SplitSeq(out.String(), "\n") {
				require.LessOrEqual(t, utf8.RuneCountInString(line), min(width, widestHelp), "%s at %d: %s", c.CommandPath(), width, line)
			}
			require.Contains(t, out.String(), "Usage:\n")
			require.Contains(t, out.String(), "Examples:\n", c.CommandPath())
			for _, name := range []string{"quiet", "color", "config"} {
				require.Contains(t, out.String(), "--"+name, c.CommandPath())
			}
		})
	}
	everyCommand(newRoot(&app{streams: &streams{}}), func(c *cobra.Command) {
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			what, text := pflag.UnquoteUsage(f)
			require.NotContains(t, []string{"string", "strings", "int", "uint", "float"}, what, "%s --%s: name the value", c.CommandPath(), f.Name)
			require.False(t, strings.Contains(text, "(default") && f.DefValue != "" && f.DefValue != "0" && f.DefValue != "false" && f.DefValue != "[]",
				"%s --%s says its default twice", c.CommandPath(), f.Name)
		})
	})
}

// TestHelpHasGroups: each command of the root is in a group, and hunt is among the first.
func TestHelpHasGroups(t *testing.T) {
	var out bytes.Buffer
	root := newRoot(&app{streams: &streams{Out: &out, Err: &out, Width: 80}})
	require.NoError(t, root.Help())
	require.Regexp(t, `(?s)Hunt:.*  hunt .*Look:.*  findings .*Decide:.*  triage .*Run:.*  serve .*Set up:.*  install `, out.String())
	require.NotContains(t, out.String(), "Commands:")
}

var outputOf = regexp.MustCompile(`\s+(\||>|2>|&&).*$`)

// TestExamplesAreRight reads each example of the help and of commands in the pages as the program does: its flags
// exist, their values can be read, and its arguments are as many as the command takes.
func TestExamplesAreRight(t *testing.T) {
	seen := 0
	check := func(where, line string) {
		for _, width := range []int{40, 1000} {
			text := strings.ReplaceAll(broken(line, width), "\\\n", " ")
			text, _, _ = strings.Cut(text, " #")
			words := shellWords(outputOf.ReplaceAllString(text, ""))
			require.Equal(t, "dwell", words[0], "%s: %s", where, line)
			root := newRoot(&app{streams: &streams{Now: time.Now}})
			c, args, err := root.Find(words[1:])
			require.NoError(t, err, "%s: %s", where, line)
			c.InitDefaultHelpFlag()
			c.InitDefaultVersionFlag()
			require.NoError(t, c.ParseFlags(args), "%s: %s", where, line)
			require.NoError(t, c.ValidateArgs(c.Flags().Args()), "%s: %s", where, line)
			seen++
		}
	}
	everyCommand(newRoot(&app{streams: &streams{}}), func(c *cobra.Command) {
		for line := range strings.SplitSeq(c.Example, "\n") {
			if strings.HasPrefix(strings.TrimSpace(line), "dwell ") {
				if parts := remark.FindStringSubmatch(line); parts != nil {
					line = parts[1]
				}
				check(c.CommandPath(), strings.TrimSpace(line))
			}
		}
	})
	require.Greater(t, seen, 100)
	pages, err := filepath.Glob("../../docs/*.md")
	require.NoError(t, err)
	for _, page := range append(pages, "../../README.md") {
		b, err := os.ReadFile(page)
		require.NoError(t, err)
		inside := false
		for line := range strings.SplitSeq(strings.ReplaceAll(string(b), "\\\n", " "), "\n") {
			switch {
			case strings.HasPrefix(line, "```"):
				inside = !inside
			case inside && strings.HasPrefix(strings.TrimPrefix(line, "$ "), "dwell ") && !strings.HasPrefix(line, "dwell:"):
				if parts := remark.FindStringSubmatch(line); parts != nil {
					line = parts[1]
				}
				check(page, strings.TrimPrefix(line, "$ "))
			}
		}
	}
}

// shellWords splits a command as a shell does, quotes and all that examples need.
func shellWords(text string) (words []string) {
	var word strings.Builder
	quote, some := rune(0), false
	for _, r := range text + " " {
		switch {
		case quote == 0 && (r == '\'' || r == '"'):
			quote, some = r, true
		case r == quote:
			quote = 0
		case quote == 0 && (r == ' ' || r == '\n'):
			if some {
				words = append(words, word.String())
			}
			word.Reset()
			some = false
		default:
			word.WriteRune(r)
			some = true
		}
	}
	return words
}

// TestWrongArguments: whatever is mistyped is refused with code 2, what it was, and what to do.
func TestWrongArguments(t *testing.T) {
	for typed, want := range map[string]string{
		"hnt":                           "did you mean `dwell hunt`?",
		"hnut":                          "did you mean `dwell hunt`?",
		"help nosuch":                   "unknown command \"nosuch\"",
		"help safelist ad":              "did you mean `dwell safelist add`?",
		"completion fihs":               "did you mean `dwell completion fish`?",
		"config foo":                    "takes no argument",
		"version 1":                     "takes no argument",
		"who":                           "an argument is missing: dwell who DESTINATION | FINDING-ID",
		"diff a b c":                    "too many (3): dwell diff",
		"diff soon":                     "is neither",
		"triage":                        "a finding is required",
		"triage 123456 --note x":        "--status is required",
		"findings --severity hihg":      "did you mean high?",
		"findings --indicator lsited":   "did you mean listed?",
		"hunt --zeek x --profile ritta": "did you mean rita?",
		"hunt --zeek x -o tabel":        "did you mean table?",
		"hunt --zek x":                  "did you mean --zeek?",
		"--color blue status":           "--color \"blue\" is not one of",
	} {
		var out, err bytes.Buffer
		s := &streams{Out: &out, Err: &err, Now: time.Now, Environ: []string{"XDG_CONFIG_HOME=" + t.TempDir()}}
		code := execute(t.Context(), s, strings.Fields(typed))
		require.Equal(t, exitUsage, code, "%s: %s", typed, err.String())
		require.Empty(t, out.String(), typed)
		require.Contains(t, strings.Join(strings.Fields(err.String()), " "), want, typed)
		require.Contains(t, err.String(), "hint: ", fmt.Sprint(typed))
	}
}

// TestDumbTerminal: neither colors nor a line drawn again and again where the terminal shows escape sequences as text.
func TestDumbTerminal(t *testing.T) {
	for term, want := range map[string]bool{"dumb": false, "xterm": true, "": true} {
		s := &streams{OutTTY: true, ErrTTY: true, Environ: []string{"TERM=" + term}, Now: time.Now}
		require.Equal(t, want, s.color("auto"), term)
		require.True(t, s.color("always"), term)
		require.Equal(t, want, newProgress(&app{streams: s}) != nil, term)
	}
}
