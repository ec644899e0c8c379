package integration_test

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
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"dwell/integration/load"
	"dwell/integration/load/sodoc"
	"dwell/integration/testnode"
	"dwell/internal/es"
	"dwell/internal/hunt"
	"dwell/internal/pipeline"
	"dwell/internal/pipeline/rank"
	"dwell/internal/simulate"
	"dwell/query/zeek"
	"dwell/query/zeek/log"
)

// ofFiles are the kinds of cases that are about how a file looks, which documents do not tell, but for those named.
var ofFiles = regexp.MustCompile("^(file names|JSON shapes|damaged and odd files|one bad beginning)$")

const notOfFiles = "9E-dns-eth0 20-one-stream-all-logs AC-strings-for-numbers 55-odd-values 57-ipv6-zone"

// TestCasesBothWays hunts the logs of the cases (cmd/dwell/testdata/cases, and those beside the project) in their files
// and in Elasticsearch and demands the same findings: copies, pieces, turned sides and long connections included.
func TestCasesBothWays(t *testing.T) {
	client := cluster(t, testnode.Line8)
	paths, err := filepath.Glob("../cmd/dwell/testdata/cases/*/case.json")
	require.NoError(t, err)
	beside, err := filepath.Glob("../../shared/cases/*/case.json")
	require.NoError(t, err)
	dirs := map[string]string{}
	for _, p := range append(beside, paths...) {
		dirs[filepath.Base(filepath.Dir(p))] = filepath.Dir(p)
	}
	compared := 0
	for _, name := range slices.Sorted(maps.Keys(dirs)) {
		t.Run(name, func(t *testing.T) {
			if sameBothWays(t, client, name, dirs[name]) {
				compared++
			}
		})
	}
	require.GreaterOrEqual(t, compared, 25)
}

func sameBothWays(t *testing.T, client *es.Client, name, dir string) bool {
	var c struct {
		Before, Kind string
		Cmd          []any
	}
	text, err := os.ReadFile(filepath.Join(dir, "case.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &c))
	if ofFiles.MatchString(c.Kind) && !strings.Contains(notOfFiles, name) {
		t.Skip("it is about files")
	}
	at := filepath.Join(t.TempDir(), "d")
	require.NoError(t, os.CopyFS(at, os.DirFS(dir)))
	if c.Before != "" {
		before := exec.CommandContext(t.Context(), "sh", "-c", c.Before)
		before.Dir = at
		out, err := before.CombinedOutput()
		require.NoError(t, err, string(out))
	}
	logs := filepath.Join(at, "logs")
	o := huntOf(rank.Ranking{}, simulate.Window{})
	first, err := pipeline.Run(t.Context(), zeek.New(zeek.Options{Paths: []string{logs}}), o)
	if err != nil || first.Reading.Window == (hunt.Window{}) {
		t.Skip("nothing to hunt in: ", err)
	}
	o.Request.From, o.Request.To = first.Reading.Window.Start, first.Reading.Window.End
	if i := slices.Index(c.Cmd, any("--from")); i > 0 {
		o.Request.From, err = time.Parse(time.RFC3339, c.Cmd[i+1].(string))
		require.NoError(t, err)
		o.Request.To, err = time.Parse(time.RFC3339, c.Cmd[slices.Index(c.Cmd, any("--to"))+1].(string))
		require.NoError(t, err)
	}
	documents(t, client, logs)
	o.Request.Scope = hunt.NewScope(nil, hunt.Outbound)
	files := run(t, wholeSeconds{zeek.New(zeek.Options{Paths: []string{logs}})}, o)
	o.Request.Scope = hunt.NewScope(nil, hunt.Outbound)
	index := run(t, sourceOf(t, client), o)
	sameFindings(t, unsampled(files), unsampled(index), cmpopts.EquateEmpty())
	require.Equal(t, files.Document.Dwell.Hunt.Connections, index.Document.Dwell.Hunt.Connections)
	return true
}

// unsampled are findings without the last connection's or query's own record, of copies and of the names of a domain
// each source has another at hand, and without the length of DNS answers, which the index tells where a tunnel may be.
// Whether a hunt is complete differs where a record's time is wrong: in files that is a gap.
func unsampled(r *pipeline.Result) map[string]hunt.Finding {
	out := byPair(r)
	for pair, f := range out {
		f.Log, f.Source.Port, f.Dwell.Incomplete = nil, 0, false
		if f.Dwell.DNS != nil {
			d := *f.Dwell.DNS
			f.Dwell.DNS, d.Query = &d, ""
			f.Network.Bytes, f.Network.AverageBytes, f.Server.Bytes = 0, 0, 0
		}
		out[pair] = f
	}
	return out
}

// documents loads every record that the files hold, whatever they are called and wrapped in, as Zeek's JSON.
func documents(t *testing.T, client *es.Client, logs string) {
	t.Helper()
	err := client.Do(t.Context(), es.Call{Op: "delete documents", Request: es.Request{Method: "DELETE", Path: "/_data_stream/logs-zeek-so"}})
	require.True(t, err == nil || es.Is(err, es.NotFound), err)
	set, err := log.Look(t.Context(), []string{logs}, 1, &log.Report{})
	require.NoError(t, err)
	var all []log.Field
	for f := log.Field(1); f.String() != "none"; f++ {
		all = append(all, f)
	}
	var mu sync.Mutex
	lines := map[log.Kind]*bytes.Buffer{}
	scan := log.Scan{Workers: 1, Fields: all, New: func() log.Taker {
		return zeekLines(func(k log.Kind, line []byte) {
			mu.Lock()
			defer mu.Unlock()
			if lines[k] == nil {
				lines[k] = &bytes.Buffer{}
			}
			lines[k].Write(append(line, '\n'))
		})
	}}
	for _, k := range sodoc.Convertible() {
		scan.Kinds = append(scan.Kinds, log.Kind(k))
	}
	require.NoError(t, scan.Run(t.Context(), set.Files))
	dir := t.TempDir()
	for k, b := range lines {
		require.NoError(t, os.WriteFile(filepath.Join(dir, string(k)+".log"), b.Bytes(), 0o600))
	}
	r, err := load.Load(t.Context(), client, load.Options{Paths: []string{dir}, Shards: 1})
	require.NoError(t, err)
	require.Empty(t, r.Dead)
}

// zeekLines gives records as Zeek's JSON.
type zeekLines func(log.Kind, []byte)

var number = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?$`)

func (z zeekLines) Take(r *log.Record, _ *log.Counts) (log.Problem, error) {
	line := map[string]any{"ts": json.Number(fmt.Sprintf("%d.%06d", (r.Start*1000+r.Micros)/1e6, (r.Start*1000+r.Micros)%1e6))}
	if r.UID != (hunt.UID{}) {
		line["uid"] = r.UID.String()
	}
	for f := log.OrigH; f.String() != "none"; f++ {
		name := f.String()
		text := string(r.Text(f))
		switch {
		case !r.Has(f) || strings.HasPrefix(name, "@") || f == log.EventDuration:
			continue
		case f == log.Duration:
			if ms := r.Interval(f); ms >= 0 && ms < 1e12 {
				line["duration"] = float64(ms) / 1000
			}
			continue
		case f == log.OrigH || f == log.RespH:
			if a := r.Addr(f); a.IsValid() {
				text = a.String()
			}
		case f == log.Answers || f == log.ChainPrints || f == log.ChainFUIDs || f == log.RespMIMEs:
			var list []string
			for part := range r.List(f) {
				list = append(list, string(part))
			}
			line[name] = list
			continue
		case f == log.LocalOrig || f == log.LocalResp:
			line[name] = r.Flag(f) > 0
			continue
		}
		for _, end := range []string{"orig_h", "orig_p", "resp_h", "resp_p"} {
			if name == "id_"+end {
				name = "id." + end
			}
		}
		if number.MatchString(text) {
			line[name] = json.Number(text)
		} else {
			line[name] = text
		}
	}
	b, err := json.Marshal(line)
	z(r.Kind, b)
	return log.Fine, err
}

func (zeekLines) Flush() error { return nil }
