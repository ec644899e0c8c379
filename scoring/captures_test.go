package scoring_test

import (
	"bufio"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// captures is the directory of the captures, which are no part of the project: tests that need them are skipped
// without.
func captures(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	require.NoError(t, err)
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		require.NotEqual(t, filepath.Dir(dir), dir, "no go.mod above the test")
		dir = filepath.Dir(dir)
	}
	dir = filepath.Join(dir, "..", "shared", "captures")
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("captures not found at %s: skipped", dir)
	}
	return dir
}

// zeekTable reads a Zeek log or another table with tabs whose columns are named, and gives each line's values of the
// columns asked for ("" where a log has no such column or "-"). It is on purpose not the program's own reader.
func zeekTable(t testing.TB, path string, columns ...string) [][]string {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		z, err := gzip.NewReader(f)
		require.NoError(t, err)
		r = z
	}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	var at []int
	var out [][]string
	for lines.Scan() {
		values := strings.Split(lines.Text(), "\t")
		switch {
		case values[0] == "#fields" || at == nil && !strings.HasPrefix(values[0], "#"):
			if values[0] == "#fields" {
				values = values[1:]
			}
			at = make([]int, len(columns))
			for i, c := range columns {
				at[i] = -1
				for j, v := range values {
					if v == c {
						at[i] = j
					}
				}
			}
		case strings.HasPrefix(values[0], "#") || values[0] == "":
		default:
			row := make([]string, len(columns))
			for i, j := range at {
				if j >= 0 && j < len(values) && values[j] != "-" {
					row[i] = values[j]
				}
			}
			out = append(out, row)
		}
	}
	require.NoError(t, lines.Err())
	return out
}

// zeekLogs are all logs of a kind below a directory, in the order of their names.
func zeekLogs(t testing.TB, root, kind string) []string {
	t.Helper()
	var out []string
	require.NoError(t, filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasPrefix(d.Name(), kind+".") {
			out = append(out, path)
		}
		return err
	}))
	return out
}

// milliseconds of a decimal number of seconds, cut; -1 if it is empty.
func milliseconds(t testing.TB, s string) int64 {
	t.Helper()
	if s == "" {
		return -1
	}
	whole, part, _ := strings.Cut(s, ".")
	n, err := strconv.ParseInt(whole+(part + "000")[:3], 10, 64)
	require.NoError(t, err)
	return n
}

// number of a column; -1 if it is empty.
func number(t testing.TB, s string) int64 {
	t.Helper()
	if s == "" {
		return -1
	}
	n, err := strconv.ParseInt(s, 10, 64)
	require.NoError(t, err)
	return n
}

// decimal of a column.
func decimal(t testing.TB, s string) float64 {
	t.Helper()
	n, err := strconv.ParseFloat(s, 64)
	require.NoError(t, err)
	return n
}

// conn is a line of conn.log.
type conn struct {
	uid, src, dst, proto, service, state string
	port                                 int64
	start, duration, ipBytes, bytes      int64
}

func readConns(t testing.TB, root string) []conn {
	t.Helper()
	var out []conn
	for _, path := range zeekLogs(t, root, "conn") {
		for _, v := range zeekTable(t, path, "uid", "id.orig_h", "id.resp_h", "proto", "service", "conn_state", "id.resp_p", "ts", "duration", "orig_ip_bytes", "orig_bytes") {
			out = append(out, conn{uid: v[0], src: v[1], dst: v[2], proto: v[3], service: v[4], state: v[5], port: number(t, v[6]),
				start: milliseconds(t, v[7]), duration: milliseconds(t, v[8]), ipBytes: number(t, v[9]), bytes: number(t, v[10])})
		}
	}
	return out
}
