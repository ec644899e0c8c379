package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// unwanted is a row of the last table of docs/words.md.
type unwanted struct {
	expression *regexp.Regexp
	instead    string
}

// The program's strings and the pages follow docs/words.md.
func TestWords(t *testing.T) {
	words := wordsNotUsed(t)
	check := func(name string, line int, text string) {
		for _, w := range words {
			if found := w.expression.FindString(text); found != "" {
				t.Errorf("%s:%d: %q: use %s (docs/words.md)", name, line, found, w.instead)
			}
		}
	}
	each(t, []string{".go"}, func(name, text string) {
		if strings.HasPrefix(name, "integration/") || strings.HasSuffix(name, "_test.go") {
			return
		}
		files := token.NewFileSet()
		f, err := parser.ParseFile(files, path.Join("..", name), text, 0)
		require.NoError(t, err)
		ast.Inspect(f, func(n ast.Node) bool {
			l, ok := n.(*ast.BasicLit)
			if !ok || l.Kind != token.STRING {
				return true
			}
			// Only sentences are for readers: a string without a space names a field, a file or a log.
			if s, err := strconv.Unquote(l.Value); err == nil && strings.Contains(s, " ") {
				check(name, files.Position(l.Pos()).Line, s)
			}
			return true
		})
	})
	each(t, []string{".md"}, func(name, text string) {
		if name == "docs/words.md" || name == "CHANGELOG.md" {
			return
		}
		for i, line := range strings.Split(text, "\n") {
			check(name, i+1, line)
		}
	})
}

// wordsNotUsed reads the table under "Words not used".
func wordsNotUsed(t *testing.T) []unwanted {
	b, err := os.ReadFile("words.md")
	require.NoError(t, err)
	_, table, ok := strings.Cut(string(b), "## Words not used\n")
	require.True(t, ok)
	var out []unwanted
	for _, m := range regexp.MustCompile("(?m)^\\| `(.+)` \\| (.+) \\|$").FindAllStringSubmatch(table, -1) {
		out = append(out, unwanted{regexp.MustCompile("(?i)" + m[1]), m[2]})
	}
	require.Greater(t, len(out), 20, "the table is read whole")
	return out
}
