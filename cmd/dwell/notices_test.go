package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// noticesFile is what goes out with the program: the licenses of everything that is linked into it.
const noticesFile = "../../THIRD-PARTY-NOTICES.txt"

// TestNoticesUpToDate holds the notices to the modules that the program links on the systems it is built for. With
// -update it writes them again out of the module cache; without, it compares the list of modules and versions, which
// needs no network.
func TestNoticesUpToDate(t *testing.T) {
	linked := map[string][]string{} // directories with packages that are linked, by module and version
	for _, system := range []string{"linux", "windows", "darwin"} {
		list := exec.CommandContext(t.Context(), "go", "list", "-deps", "-json=Module,Dir", ".")
		list.Env = append(os.Environ(), "GOOS="+system, "CGO_ENABLED=0")
		out, err := list.Output()
		require.NoError(t, err)
		for d := json.NewDecoder(bytes.NewReader(out)); ; {
			var p struct {
				Dir    string
				Module *struct{ Path, Version, Dir string }
			}
			err := d.Decode(&p)
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			if p.Module != nil && p.Module.Path != "dwell" {
				name := p.Module.Path + " " + p.Module.Version
				for dir := p.Dir; strings.HasPrefix(dir, p.Module.Dir); dir = filepath.Dir(dir) { // a part of a module may have a license of its own
					if !slices.Contains(linked[name], dir) {
						linked[name] = append(linked[name], dir)
					}
				}
			}
		}
	}
	require.NotEmpty(t, linked)
	names := make([]string, 0, len(linked))
	for name := range linked {
		names = append(names, name)
	}
	slices.Sort(names)
	if *update {
		require.NoError(t, os.WriteFile(noticesFile, []byte(notices(t, names, linked)), 0o644)) //nolint:gosec // a page of the repository
	}
	b, err := os.ReadFile(noticesFile)
	require.NoError(t, err)
	var noticed []string
	for _, m := range regexp.MustCompile(`(?m)^== (\S+ v\S+)$`).FindAllStringSubmatch(string(b), -1) {
		noticed = append(noticed, m[1])
	}
	require.Equal(t, names, noticed, "the program links other modules than THIRD-PARTY-NOTICES.txt names: run make generate")
}

// notices are the license files of the modules, and of Go itself, one after the other.
func notices(t *testing.T, names []string, dirs map[string][]string) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("Third-party notices\n\ndwell links the modules below, each under its own license, and Go's standard library. Made by \"make generate\".\n")
	licenses := func(dir string) (found bool) {
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		for _, e := range entries {
			if !regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice)`).MatchString(e.Name()) || e.IsDir() {
				continue
			}
			text, err := os.ReadFile(filepath.Join(dir, e.Name()))
			require.NoError(t, err)
			require.NotContains(t, string(text), "GNU GENERAL PUBLIC LICENSE", "%s: not to be linked into a program under Apache-2.0", dir)
			b.WriteString("\n" + strings.TrimSpace(strings.ReplaceAll(string(text), "\r\n", "\n")) + "\n")
			found = true
		}
		return found
	}
	b.WriteString("\n== Go\n")
	root, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	require.NoError(t, err)
	require.True(t, licenses(strings.TrimSpace(string(root))), "Go's license")
	for _, name := range names {
		b.WriteString("\n== " + name + "\n")
		slices.Sort(dirs[name])
		found := false
		for _, dir := range dirs[name] {
			found = licenses(dir) || found
		}
		require.True(t, found, "%s has no license", name)
	}
	return b.String()
}
