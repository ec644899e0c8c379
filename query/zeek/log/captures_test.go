package log

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

var escaped = regexp.MustCompile(`\\\\|\\x[0-9a-fA-F]{2}`) //nolint:gochecknoglobals // A constant in all but name.

// naiveRows reads a log the slow and obvious way: each record as a map from field to text, lists joined by commas,
// fields that are not set left out.
func naiveRows(t *testing.T, path string) (rows []map[string]string) {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	var in io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		in, err = gzip.NewReader(f)
		require.NoError(t, err)
	}
	var fields []string
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<22)
	for lines.Scan() {
		line := lines.Text()
		row := map[string]string{}
		switch {
		case strings.HasPrefix(line, "#fields"):
			fields = strings.Split(line, "\t")[1:]
			continue
		case line == "" || line[0] == '#':
			continue
		case line[0] == '{':
			var m map[string]any
			d := json.NewDecoder(strings.NewReader(line))
			d.UseNumber()
			require.NoError(t, d.Decode(&m))
			for k, v := range m {
				if list, ok := v.([]any); ok {
					var parts []string
					for _, p := range list {
						parts = append(parts, fmt.Sprint(p))
					}
					v = strings.Join(parts, ",")
				}
				if s := fmt.Sprint(v); s != "" {
					row[k] = s
				}
			}
		default:
			for i, v := range strings.Split(line, "\t") {
				if v == "-" || v == "(empty)" || v == "" {
					continue
				}
				row[fields[i]] = escaped.ReplaceAllStringFunc(v, func(s string) string {
					if s == `\\` {
						return `\`
					}
					n, err := strconv.ParseUint(s[2:], 16, 8)
					require.NoError(t, err)
					return string([]byte{byte(n)})
				})
			}
		}
		rows = append(rows, row)
	}
	require.NoError(t, lines.Err())
	return rows
}

// TestCapturesRecords compares every field of every record of every log that is read, in all captures (of the three
// days of missing_host the first), with the naive reading.
func TestCapturesRecords(t *testing.T) {
	root := filepath.Join("..", "..", "..", "..", "shared", "captures")
	if _, err := os.Stat(root); err != nil {
		t.Skipf("captures not found at %s: skipped", root)
	}
	kinds := []Kind{HTTPLog, OpenHTTP, SSLLog, OpenSSL, DNSLog, X509, DHCP, Weird, Notice, Files, Software, Kerberos, NTLM}
	seen := map[Kind]int{}
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		kind := kindOfName(path)
		if err == nil && (d.Name() == "2024-04-20" || d.Name() == "2024-04-21") {
			return fs.SkipDir
		}
		if err != nil || d.IsDir() || !slices.Contains(kinds, kind) {
			return err
		}
		want := naiveRows(t, path)
		if len(want) == 0 {
			return nil
		}
		// Of the fields that dwell reads, all are compared.
		var wanted []string
		for _, row := range want {
			var cells [fields]string
			for name, v := range row {
				if f, _ := fieldOf(name); f != None {
					cells[f] = v
				}
			}
			cells[Path] = ""
			wanted = append(wanted, strings.Join(cells[:], "|"))
		}
		var mu sync.Mutex
		var got []string
		report := &Report{}
		set, err := Look(t.Context(), []string{path}, 1, report)
		require.NoError(t, err)
		require.Len(t, set.Files, 1, path)
		scan := Scan{Kinds: read, New: func() Taker {
			return takerFunc(func(r *Record, _ *Counts) (Problem, error) {
				var cells [fields]string
				for f := range fields {
					if f != Path {
						cells[f] = string(r.Text(f))
					}
				}
				mu.Lock()
				defer mu.Unlock()
				got = append(got, strings.Join(cells[:], "|"))
				return Fine, nil
			})
		}}
		for f := None + 1; f < fields; f++ {
			scan.Fields = append(scan.Fields, f)
		}
		require.NoError(t, scan.Run(t.Context(), set.Files))
		report.Tell(set.Files[0])
		require.Empty(t, report.Gaps)
		slices.Sort(wanted)
		slices.Sort(got)
		if d := cmp.Diff(wanted, got); d != "" {
			t.Errorf("%s: records differ (-want +got):\n%.2000s", path, d)
		}
		seen[kind] += len(got)
		return nil
	}))
	for _, k := range []Kind{HTTPLog, SSLLog, DNSLog, X509, Files, Weird, Notice, Kerberos} {
		require.Positive(t, seen[k], k)
	}
}
