package zeek

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

// captures is the directory of captures beside the project; without it the test is skipped.
func captures(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	require.NoError(t, err)
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		require.NotEqual(t, dir, filepath.Dir(dir), "no go.mod above the package")
		dir = filepath.Dir(dir)
	}
	path := filepath.Join(dir, "..", "shared", "captures")
	if _, err := os.Stat(path); err != nil {
		t.Skipf("captures not found at %s: skipped", path)
	}
	return path
}

// collect reads everything into one slice.
func collect(t testing.TB, req hunt.Request, paths ...string) ([]hunt.Connection, hunt.Reading) {
	t.Helper()
	var mu sync.Mutex
	var all []hunt.Connection
	reading, err := New(Options{Paths: paths}).Read(context.Background(), req, func(b []hunt.Connection) error {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, b...)
		return nil
	})
	require.NoError(t, err)
	return all, reading
}

func both(t testing.TB, internal ...string) hunt.Request {
	t.Helper()
	var nets []netip.Prefix
	for _, s := range internal {
		nets = append(nets, netip.MustParsePrefix(s))
	}
	return hunt.Request{Scope: hunt.NewScope(nets, hunt.Both)}
}

// naive counts records and those in scope by the slow and obvious way, apart from everything the package does:
// encoding/json or strings.Split, one line at a time.
func naive(t *testing.T, scope hunt.Scope, match func(name string) bool, paths ...string) (records, kept int64) {
	t.Helper()
	read := func(path string) {
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
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			line := lines.Text()
			var src, dst string
			switch {
			case strings.HasPrefix(line, "#fields"):
				fields = strings.Split(line, "\t")[1:]
				continue
			case line == "" || line[0] == '#':
				continue
			case line[0] == '{':
				var m map[string]any
				require.NoError(t, json.Unmarshal([]byte(line), &m))
				for _, k := range []string{"id.orig_h", "id_orig_h"} {
					if v, ok := m[k].(string); ok {
						src, dst = v, m[strings.Replace(k, "orig", "resp", 1)].(string)
					}
				}
			default:
				for i, v := range strings.Split(line, "\t") {
					switch fields[i] {
					case "id.orig_h":
						src = v
					case "id.resp_h":
						dst = v
					}
				}
			}
			records++
			if scope.Keep(netip.MustParseAddr(src).Unmap(), netip.MustParseAddr(dst).Unmap()) {
				kept++
			}
		}
		require.NoError(t, lines.Err())
	}
	for _, p := range paths {
		require.NoError(t, filepath.WalkDir(p, func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && match(d.Name()) {
				read(path)
			}
			return err
		}))
	}
	return records, kept
}

// TestCaptures reads every capture with a conn log and compares with the naive count.
func TestCaptures(t *testing.T) {
	root := captures(t)
	isConn := func(name string) bool { return strings.HasPrefix(name, "conn.") }
	for _, tc := range []struct {
		dir      string
		internal []string
		records  int64 // What the captures' README says, 0 where it does not.
	}{
		{"rita/missing_host", []string{"64.225.56.201/32"}, 105918},
		{"rita/proxy", nil, 463},
		{"rita/proxy_rolling", nil, 7550},
		{"rita/synthetic", nil, 148532},
		{"rita/open_conns/closed", nil, 0},
		{"iot23-8-1-hakai", nil, 10403},
		{"iot23-21-1-torii", nil, 3286},
		{"ctu-normal-008", []string{"147.32.81.167/32"}, 5663},
		{"ctu-normal-011", []string{"147.32.83.165/32"}, 9048},
		// The README says 1,800; its two conn.log.gz have 613 lines (zcat | wc -l).
		{"apt29-json", nil, 613},
	} {
		t.Run(tc.dir, func(t *testing.T) {
			req := both(t, tc.internal...)
			path := filepath.Join(root, tc.dir)
			records, kept := naive(t, req.Scope, isConn, path)
			if tc.records > 0 {
				require.Equal(t, tc.records, records, "the naive count against the README's")
			}
			all, reading := collect(t, req, path)
			require.Empty(t, reading.Gaps)
			require.NotContains(t, said(reading.Notes), "goes back", "no sensor's clock was set back in these")
			open := int64(0)
			for _, c := range all {
				if c.State == hunt.StateOpen {
					open++
				}
			}
			require.Equal(t, kept, int64(len(all))-open+repeated(t, reading.Notes))
			require.Equal(t, int64(len(all)), reading.Connections)
			require.GreaterOrEqual(t, reading.Records, records)
			var sum int64
			for _, s := range reading.Slices {
				sum += s.Read
			}
			require.Equal(t, reading.Connections, sum, "the slices' counts add up")
			for i := range all {
				require.True(t, reading.Window.Contains(all[i].Start))
			}
		})
	}
}

var firstNumber = regexp.MustCompile(`[0-9]+`)

// repeated is how many records notes say came before or were pieces of another.
func repeated(t *testing.T, notes []hunt.Note) (n int64) {
	for _, note := range notes {
		if strings.Contains(note.What, "count once") || strings.Contains(note.What, "are pieces of one connection") {
			count, err := strconv.ParseInt(firstNumber.FindString(note.What), 10, 64)
			require.NoError(t, err, note.What)
			n += count
		}
	}
	return n
}

// TestCapturesRITAWindow counts the pair for which RITA v5.1.1 printed 331 connections (317 in a strict 24 h), by its
// start-of-hour rule.
func TestCapturesRITAWindow(t *testing.T) {
	req := both(t, "64.225.56.201/32")
	req.Since = 24 * time.Hour
	all, reading := collect(t, req, filepath.Join(captures(t), "rita/missing_host"))
	src := netip.MustParseAddr("73.54.23.243")
	margin, inside := 0, 0
	for i := range all {
		if c := &all[i]; c.Src == src && c.State != hunt.StateOpen && c.DstPort == 80 {
			margin++
			if reading.Window.Contains(c.Start) {
				inside++
			}
		}
	}
	require.Equal(t, 331, margin)
	require.Equal(t, 317, inside)
	require.Equal(t, 24*time.Hour, reading.Window.Duration())
}

// TestCapturesNoConn has captures without a conn log, in which http and ssl records stand for connections.
func TestCapturesNoConn(t *testing.T) {
	root := captures(t)
	for _, tc := range []struct {
		dir     string
		match   []string
		records int64 // The README's, 0 where it does not say.
	}{
		{"ctu-kovter-009", []string{"http.log.gz", "ssl.log.gz"}, 0},
		// The directory holds the same requests thrice, under three names: each counts once.
		{"rita/office_http", []string{"http.log.gz"}, 27204},
	} {
		t.Run(tc.dir, func(t *testing.T) {
			req := outbound()
			path := filepath.Join(root, tc.dir)
			records, kept := naive(t, req.Scope, func(name string) bool { return slices.Contains(tc.match, name) }, path)
			if tc.records > 0 {
				require.Equal(t, tc.records, records)
			}
			all, reading := collect(t, req, path)
			// A few addresses of pages are written in another way as JSON than as TSV, and count as two.
			require.InDelta(t, kept, int64(len(all)), 25)
			require.GreaterOrEqual(t, reading.Records, records)
			require.Empty(t, reading.Gaps)
			require.Contains(t, said(reading.Notes), "there is no conn log; the records of")
			for i := range all {
				require.Equal(t, hunt.TCP, all[i].Proto)
				require.Contains(t, []string{"http", "ssl"}, all[i].Service)
				require.Equal(t, int64(hunt.Absent), all[i].Duration)
			}
		})
	}
}

// TestCapturesEveryFolder reads every directory of the captures on its own: nothing in them is damaged. The folder of all
// RITA captures has http logs without their conn logs, which is a gap.
func TestCapturesEveryFolder(t *testing.T) {
	root := captures(t)
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() || path == root {
			return err
		}
		reading, err := New(Options{Paths: []string{path}}).Read(context.Background(), both(t), func([]hunt.Connection) error { return nil })
		if err != nil {
			require.ErrorContains(t, err, "no log that can be hunted in")
			require.Contains(t, []string{"reference", "timing-reference"}, filepath.Base(path))
			return nil
		}
		if filepath.Base(path) == "rita" {
			require.Len(t, reading.Gaps, 1)
			require.Contains(t, said(reading.Gaps), "records have no connection record")
			return nil
		}
		require.Empty(t, reading.Gaps, path)
		return nil
	}))
}

// TestCapturesJSON reads the same connections as Zeek wrote them and as RITA's authors turned them into JSON.
func TestCapturesJSON(t *testing.T) {
	root := captures(t)
	tsv, _ := collect(t, both(t), filepath.Join(root, "rita/open_conns/open/conn.log"))
	js, _ := collect(t, both(t), filepath.Join(root, "rita/json_with_all_fields/conn.log"))
	require.NotEmpty(t, tsv)
	equal(t, sorted(tsv), js)
}
