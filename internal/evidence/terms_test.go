package evidence

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
	"dwell/scoring"
)

var update = flag.Bool("update", false, "write the table of terms into docs/detection.md")

// The table in docs/detection.md is generated from Terms and Groups.
func TestTermsAreUpToDate(t *testing.T) {
	const path, begin, end = "../../docs/detection.md", "<!-- terms -->\n", "<!-- /terms -->"
	page, err := os.ReadFile(path)
	require.NoError(t, err)
	before, rest, ok := strings.Cut(string(page), begin)
	require.True(t, ok)
	_, after, ok := strings.Cut(rest, end)
	require.True(t, ok)
	group := map[string]Group{}
	for _, g := range Groups() {
		for _, m := range g.Members {
			require.NotContains(t, group, m, "a term is in one group at most")
			require.NotPanics(t, func() { Weights(nil).Of(m) })
			group[m] = g
		}
	}
	var b strings.Builder
	b.WriteString(before + begin + "| modifier | value | counts when | with others of its kind, at most |\n|---|---|---|---|\n")
	for _, term := range Terms() {
		ceiling := "-"
		if g, ok := group[term.Name]; ok {
			ceiling = fmt.Sprintf("%.2f (%s)", g.Ceiling, g.Name)
		}
		fmt.Fprintf(&b, "| `%s` | %+.2f | %s | %s |\n", term.Name, term.Weight, term.About, ceiling)
	}
	b.WriteString(end + after)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(b.String()), 0o644))
		return
	}
	require.True(t, b.String() == string(page), "docs/detection.md is stale: make generate")
}

// Three symptoms of one certificate weigh 0.15 together, not 0.30, and all are shown. Another group's value is
// unchanged.
func TestGroupsHaveCeilings(t *testing.T) {
	var f hunt.Finding
	s := NewCandidate(hunt.PairKey{}, scoring.Indicators{Beacon: 0.5}, &f, nil)
	s.Modify(SelfSigned, "self-signed")
	s.Modify(Expired, "expired")
	s.Modify(OtherName, "other name")
	s.Modify(NoName, "no name")
	s.Settle()
	require.InDelta(t, 1-0.5*(1-0.10/0.6)*(1-0.05/0.6)*(1-0.10/0.6), f.Dwell.Score, 1e-12)
	require.Len(t, f.Dwell.Reasons, 4)
	require.Len(t, f.Dwell.Modifiers, 4)
	values := map[string]float64{}
	for _, m := range f.Dwell.Modifiers {
		values[m.Name] = m.Value
	}
	require.Equal(t, map[string]float64{SelfSigned: 0.10, Expired: 0.05, OtherName: 0, NoName: 0.10}, values)
}

// A weight that no judge applies changes no score, and one without a test could do anything.
func TestEveryTermHasAJudgeAndATest(t *testing.T) {
	var code, tests strings.Builder
	require.NoError(t, filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".go" || filepath.Base(path) == "weights.go" {
			return err
		}
		b, err := os.ReadFile(path)
		if strings.HasSuffix(path, "_test.go") {
			tests.Write(b)
		} else {
			code.Write(b)
		}
		return err
	}))
	file, err := parser.ParseFile(token.NewFileSet(), "weights.go", nil, 0)
	require.NoError(t, err)
	terms := map[string]bool{}
	for _, term := range Terms() {
		terms[strconv.Quote(term.Name)] = true
	}
	found := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Names) != len(spec.Values) {
			return true
		}
		for i, v := range spec.Values {
			if lit, ok := v.(*ast.BasicLit); ok && terms[lit.Value] {
				found++
				use := regexp.MustCompile(`\bevidence\.` + spec.Names[i].Name + `\b`)
				require.True(t, use.MatchString(code.String()), "no judge below internal/ applies the term %s", lit.Value)
				require.True(t, use.MatchString(tests.String()), "no test below internal/ applies the term %s", lit.Value)
			}
		}
		return true
	})
	require.Equal(t, len(terms), found)
}
