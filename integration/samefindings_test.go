package integration_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"dwell/integration/load"
	"dwell/integration/testnode"
	"dwell/internal/es"
	"dwell/internal/hunt"
	"dwell/internal/pipeline"
	"dwell/internal/pipeline/rank"
	"dwell/internal/pipeline/rita"
	"dwell/internal/simulate"
	"dwell/query/elastic"
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
	for _, line := range []testnode.Line{testnode.Line8, testnode.Line9} {
		t.Run(fmt.Sprintf("elasticsearch %d", line), func(t *testing.T) {
			node := testnode.ForTest(t, line)
			node.Exclusive(t)
			client, err := es.New(es.Config{Addresses: []string{node.URL}, CAFile: node.CAFile, Username: node.Username, Password: node.Password})
			require.NoError(t, err)
			dir := t.TempDir()
			labels := smallDay(t, dir)
			_, err = load.Load(t.Context(), client, load.Options{Paths: []string{dir + "/conn.log"}})
			require.NoError(t, err)
			fromIndex, err := elastic.New(client, elastic.Options{SliceDocs: 1500})
			require.NoError(t, err)

			for _, ranking := range []pipeline.Ranking{rank.Ranking{}, rita.Ranking{}} {
				o := pipeline.Options{Ranking: ranking, MinScore: 0, NoNames: true, Version: "test", Now: time.Now,
					Request: hunt.Request{From: labels.Window.Start, To: labels.Window.End, Scope: hunt.NewScope(nil, hunt.Outbound)}}
				files, err := pipeline.Run(t.Context(), wholeSeconds{zeek.New(zeek.Options{Paths: []string{dir + "/conn.log"}})}, o)
				require.NoError(t, err)
				index, err := pipeline.Run(t.Context(), fromIndex, o)
				require.NoError(t, err)
				require.Empty(t, index.Reading.Gaps)
				require.Greater(t, len(files.Findings), 20)
				require.Equal(t, files.Document.Dwell.Hunt.Connections, index.Document.Dwell.Hunt.Connections)
				require.Equal(t, files.Document.Dwell.Hunt.Pairs, index.Document.Dwell.Hunt.Pairs)
				require.Empty(t, cmp.Diff(byPair(files), byPair(index), cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}), cmpopts.EquateApprox(0, 1e-12),
					// Ignore the hunt's identity, and what the last connection's document has beyond a log's columns:
					// sensor, flow hash and endpoint.
					cmpopts.IgnoreFields(hunt.Dwell{}, "HuntID", "Revision", "FindingID", "Sample"), cmpopts.IgnoreFields(hunt.Event{}, "ID", "Ingested"),
					cmpopts.IgnoreFields(hunt.Finding{}, "Observer"), cmpopts.IgnoreFields(hunt.Network{}, "CommunityID")))
			}
		})
	}
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

// smallDay simulates few hosts, so that loading takes seconds.
func smallDay(t *testing.T, dir string) *simulate.Labels {
	t.Helper()
	return simulated(t, dir, "testdata/office.yaml")
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
	node := testnode.ForTest(t, testnode.Line8)
	node.Exclusive(t)
	client, err := es.New(es.Config{Addresses: []string{node.URL}, CAFile: node.CAFile, Username: node.Username, Password: node.Password})
	require.NoError(t, err)
	made, dir := t.TempDir(), t.TempDir()
	labels := smallDay(t, made)
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
	_, err = load.Load(t.Context(), client, load.Options{Paths: []string{dir}})
	require.NoError(t, err)
	index, err := elastic.New(client, elastic.Options{SliceDocs: 1500})
	require.NoError(t, err)
	o := pipeline.Options{Ranking: rank.Ranking{}, MinScore: 0, NoNames: true, Version: "test", Now: time.Now,
		Request: hunt.Request{From: from, To: to, Scope: hunt.NewScope(nil, hunt.Outbound)}}
	fromFiles, err := pipeline.Run(t.Context(), wholeSeconds{zeek.New(zeek.Options{Paths: []string{dir}})}, o)
	require.NoError(t, err)
	fromIndex, err := pipeline.Run(t.Context(), index, o)
	require.NoError(t, err)
	require.Empty(t, fromIndex.Reading.Gaps)
	require.Contains(t, fmt.Sprint(fromIndex.Document.Dwell.Hunt.Notes), "count once")
	for _, pair := range []string{"10.0.0.200>203.0.113.77:8443/tcp", "10.0.0.201>203.0.113.77:8443/tcp"} {
		require.Contains(t, byPair(fromIndex), pair, "what lasts longer than the window is found")
	}
	require.Equal(t, fromFiles.Document.Dwell.Hunt.Connections, fromIndex.Document.Dwell.Hunt.Connections)
	require.Empty(t, cmp.Diff(byPair(fromFiles), byPair(fromIndex), cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}), cmpopts.EquateApprox(0, 1e-12),
		cmpopts.IgnoreFields(hunt.Dwell{}, "HuntID", "Revision", "Sample"), cmpopts.IgnoreFields(hunt.Event{}, "Ingested", "ID"),
		cmpopts.IgnoreFields(hunt.Finding{}, "Observer"), cmpopts.IgnoreFields(hunt.Network{}, "CommunityID")))
}
