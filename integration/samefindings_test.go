package integration_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/integration/testnode"
	"dwell/internal/es"
	"dwell/internal/hunt"
	"dwell/internal/pipeline"
	"dwell/internal/pipeline/rank"
	"dwell/internal/pipeline/rita"
	"dwell/internal/simulate"
	"dwell/query/zeek"
)

// wholeSeconds makes a source like Security Onion's mapping, where event.duration is long: the index has only whole
// seconds (docs/output.md). The two ways do not differ otherwise, because files are truncated to milliseconds too.
type wholeSeconds struct{ hunt.Source }

func (w wholeSeconds) Open() *hunt.Session {
	in := w.Source.Open()
	read := in.Connections
	in.Connections = func(ctx context.Context, req hunt.Request, emit func([]hunt.Connection) error) (hunt.Reading, error) {
		return read(ctx, req, func(batch []hunt.Connection) error {
			for i := range batch {
				if batch[i].Duration >= 0 {
					batch[i].Duration -= batch[i].Duration % 1000
				}
			}
			return emit(batch)
		})
	}
	return in
}

// A simulated day gives the same pairs, counts and scores from its files and from Elasticsearch, for every scorable
// pair and both profiles.
func TestSameLogsBothWays(t *testing.T) {
	dir := t.TempDir()
	labels := simulated(t, dir, "testdata/office.yaml")
	conn := filepath.Join(dir, "conn.log")
	onEachLine(t, func(t *testing.T, client *es.Client) {
		src := loaded(t, client, conn)
		for _, ranking := range []pipeline.Ranking{rank.Ranking{}, rita.Ranking{}} {
			o := huntOf(ranking, labels.Window)
			o.NoNames = true
			files, index := run(t, wholeSeconds{zeek.New(zeek.Options{Paths: []string{conn}})}, o), run(t, src, o)
			require.Empty(t, index.Reading.Gaps)
			require.Greater(t, len(files.Findings), 20)
			require.Equal(t, files.Document.Dwell.Hunt.Connections, index.Document.Dwell.Hunt.Connections)
			require.Equal(t, files.Document.Dwell.Hunt.Pairs, index.Document.Dwell.Hunt.Pairs)
			sameFindings(t, byPair(files), byPair(index))
		}
	})
}

// findingIDs are the findings' stable ids.
func findingIDs(r *pipeline.Result) []string {
	out := make([]string, 0, len(r.Findings))
	for i := range r.Findings {
		out = append(out, r.Findings[i].Dwell.FindingID)
	}
	slices.Sort(out)
	return out
}

func byPair(r *pipeline.Result) map[string]hunt.Finding {
	out := map[string]hunt.Finding{}
	for _, f := range r.Findings {
		if strings.Contains(f.Dwell.Pair, "#unshared=") { // no single connection represents what a host shares with no other
			f.Source.Port, f.Log = 0, nil
		}
		out[f.Dwell.Pair] = f
	}
	return out
}

// simulated writes a scenario's day to a directory.
func simulated(t *testing.T, dir, scenario string) *simulate.Labels {
	t.Helper()
	return simulatedAs(t, dir, scenario, simulate.Format{})
}

func simulatedAs(t *testing.T, dir, scenario string, format simulate.Format) *simulate.Labels {
	t.Helper()
	f, err := os.Open(scenario)
	require.NoError(t, err)
	defer f.Close()
	sc, err := simulate.Parse(f)
	require.NoError(t, err)
	summary, err := simulate.Run(t.Context(), sc, dir, format)
	require.NoError(t, err)
	return summary.Labels
}

// Half of all connections are duplicated, and one starts long before the window, in files and in Elasticsearch.
func TestSameCopiesBothWays(t *testing.T) {
	client := cluster(t, testnode.Line8)
	made, dir := t.TempDir(), t.TempDir()
	labels := simulated(t, made, "testdata/office.yaml")
	whole, err := os.ReadFile(filepath.Join(made, "conn.log"))
	require.NoError(t, err)
	lines := strings.SplitAfter(string(whole), "\n")
	from, to := labels.Window.Start, labels.Window.End
	long := ""
	for i, began := range []time.Time{from.Add(-30 * time.Hour), from.Add(-9 * 24 * time.Hour)} {
		long += fmt.Sprintf(`{"ts":%d.5,"uid":"CLONG%d","id.orig_h":"10.0.0.%d","id.orig_p":4%d000,"id.resp_h":"203.0.113.77","id.resp_p":8443,"proto":"tcp","duration":%.1f,"orig_bytes":1000,"resp_bytes":2000,"orig_ip_bytes":3000,"conn_state":"SF"}`+"\n",
			began.Unix(), i, 200+i, i, to.Add(-time.Duration(i+1)*time.Hour).Sub(began).Seconds())
	}
	for name, text := range map[string]string{"a/conn.log": string(whole), "b/conn.log": strings.Join(lines[:len(lines)/2], ""), "c/conn.log": long} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	o := huntOf(rank.Ranking{}, labels.Window)
	o.NoNames = true
	fromFiles := run(t, wholeSeconds{zeek.New(zeek.Options{Paths: []string{dir}})}, o)
	fromIndex := run(t, loaded(t, client, dir), o)
	require.Empty(t, fromIndex.Reading.Gaps)
	require.Contains(t, fmt.Sprint(fromIndex.Document.Dwell.Hunt.Notes), "count once")
	for _, pair := range []string{"10.0.0.200>203.0.113.77:8443/tcp", "10.0.0.201>203.0.113.77:8443/tcp"} {
		require.Contains(t, byPair(fromIndex), pair, "what lasts longer than the window is found")
	}
	require.Equal(t, fromFiles.Document.Dwell.Hunt.Connections, fromIndex.Document.Dwell.Hunt.Connections)
	require.Equal(t, findingIDs(fromFiles), findingIDs(fromIndex))
	sameFindings(t, byPair(fromFiles), byPair(fromIndex))
}
