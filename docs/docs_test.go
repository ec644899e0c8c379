// Package docs_test keeps the documents true: pages that are named exist, and the list of packages matches the
// directories.
package docs_test

import (
	"flag"
	"go/doc"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the list of packages anew")

// each calls do for every file of the repository with one of the suffixes, by its path from the top.
func each(t *testing.T, endings []string, do func(name, text string)) {
	t.Helper()
	require.NoError(t, filepath.WalkDir("..", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && slices.Contains([]string{".git", "bin", "testdata", "dist"}, d.Name()) {
			return filepath.SkipDir
		}
		if !d.Type().IsRegular() || !slices.Contains(endings, filepath.Ext(name)) {
			return nil
		}
		b, err := os.ReadFile(name)
		do(strings.TrimPrefix(filepath.ToSlash(name), "../"), string(b))
		return err
	}))
}

// A reference to a page that does not exist explains nothing.
func TestPagesThatAreNamedExist(t *testing.T) {
	page := regexp.MustCompile(`[A-Za-z0-9_./-]+\.md\b`)
	// Names in tests and installed files, and pages of other projects.
	others := []string{"notes.md", "../shared/", "dwell-files/", "out/", "/usr/share/doc/"}
	each(t, []string{".go", ".md", ".sh", ".yaml", ".service", ".sls"}, func(name, text string) {
		for _, named := range page.FindAllString(text, -1) {
			if slices.ContainsFunc(others, func(o string) bool { return strings.Contains(named, o) }) {
				continue
			}
			found := slices.ContainsFunc([]string{named, path.Join(path.Dir(name), named), path.Join("docs", named)}, func(at string) bool {
				_, err := os.Stat(path.Join("..", at))
				return err == nil
			})
			require.True(t, found, "%s names %s, which is not there", name, named)
		}
	})
}

// "docs/facts/rita.md, 1.8" refers to the heading "1.8" of that page.
func TestSectionsThatAreCitedExist(t *testing.T) {
	cite := regexp.MustCompile(`docs/facts/([a-z-]+\.md),? \(?([0-9]+(?:\.[0-9]+)?)`)
	each(t, []string{".go", ".md"}, func(name, text string) {
		for _, m := range cite.FindAllStringSubmatch(text, -1) {
			b, err := os.ReadFile("facts/" + m[1])
			require.NoError(t, err, name)
			require.Regexp(t, `(?m)^#+ `+regexp.QuoteMeta(m[2])+`\.? `, string(b), "%s cites %s", name, m[0])
		}
	})
}

// The troubleshooting table quotes messages that the program prints.
func TestMessagesOfOperations(t *testing.T) {
	page, err := os.ReadFile("operations.md")
	require.NoError(t, err)
	_, table, found := strings.Cut(string(page), "| message |")
	require.True(t, found)
	table, _, _ = strings.Cut(table, "\n\n")
	quoted := regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(table, -1)
	require.NotEmpty(t, quoted)
	var code strings.Builder
	each(t, []string{".go"}, func(name, text string) {
		if !strings.HasSuffix(name, "_test.go") {
			code.WriteString(text)
		}
	})
	for _, m := range quoted {
		require.True(t, strings.Contains(code.String(), m[1]), "docs/operations.md quotes %q, which no program prints", m[1])
	}
}

// docs/design.md lists the directories with the first sentence of each package; -update writes it.
func TestPackageListIsUpToDate(t *testing.T) {
	const begin, end = "<!-- packages: begin -->\n", "<!-- packages: end -->"
	text, err := os.ReadFile("design.md")
	require.NoError(t, err)
	head, rest, ok := strings.Cut(string(text), begin)
	require.True(t, ok, begin)
	_, tail, ok := strings.Cut(rest, end)
	require.True(t, ok, end)
	made := head + begin + packages(t) + end + tail
	if *update {
		require.NoError(t, os.WriteFile("design.md", []byte(made), 0o644)) //nolint:gosec // a page of the repository
		return
	}
	require.True(t, made == string(text), "docs/design.md lists other packages than there are: run make generate")
}

func packages(t *testing.T) string {
	synopsis := map[string]string{}
	each(t, []string{".go"}, func(name, _ string) {
		dir := path.Dir(name)
		if strings.HasSuffix(name, "_test.go") {
			return
		}
		f, err := parser.ParseFile(token.NewFileSet(), path.Join("..", name), nil, parser.PackageClauseOnly|parser.ParseComments)
		require.NoError(t, err)
		if said := new(doc.Package).Synopsis(f.Doc.Text()); synopsis[dir] == "" {
			synopsis[dir] = said
		}
	})
	var b strings.Builder
	b.WriteString("| directory | what it is |\n|---|---|\n")
	for _, dir := range slices.Sorted(maps.Keys(synopsis)) {
		require.NotEmpty(t, synopsis[dir], "package %s has no comment", dir)
		_, what, _ := strings.Cut(synopsis[dir], " ")
		_, what, _ = strings.Cut(what, " ") // without "Package name"
		b.WriteString("| `" + dir + "` | " + strings.ReplaceAll(what, "|", `\|`) + " |\n")
	}
	return b.String()
}

// A direct dependency without a reason was not decided, and a reason without a dependency is out of date.
func TestDependenciesHaveAReason(t *testing.T) {
	mod, err := os.ReadFile("../go.mod")
	require.NoError(t, err)
	page, err := os.ReadFile("decisions/0005-direct-dependencies.md")
	require.NoError(t, err)
	var direct []string
	for _, line := range regexp.MustCompile(`(?m)^\t(\S+) v\S+$`).FindAllStringSubmatch(string(mod), -1) { // without "// indirect"
		direct = append(direct, strings.TrimPrefix(line[1], "github.com/"))
	}
	require.NotEmpty(t, direct)
	var reasons []string
	for _, row := range regexp.MustCompile(`(?m)^\| ([^|]*/[^|]*) \| [^|]`).FindAllStringSubmatch(string(page), -1) {
		for one := range strings.SplitSeq(row[1], ", ") {
			module, _, _ := strings.Cut(one, " (")
			reasons = append(reasons, module)
		}
	}
	require.ElementsMatch(t, direct, reasons, "go.mod (first) and the table of docs/decisions/0005-direct-dependencies.md")
}

// TestPagesStayShort: pages beside facts and decisions are 27,000 words at most. A new paragraph replaces an old one.
func TestPagesStayShort(t *testing.T) {
	words := 0
	pages, err := filepath.Glob("*.md")
	require.NoError(t, err)
	for _, p := range append(pages, "../README.md", "../CONTRIBUTING.md") {
		b, err := os.ReadFile(p)
		require.NoError(t, err)
		words += len(strings.Fields(string(b)))
	}
	require.LessOrEqual(t, words, 27_000)
}
