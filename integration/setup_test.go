package integration_test

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
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
	"dwell/internal/simulate"
	"dwell/query/elastic"
)

// programDir is where the program under test is built, once for all tests.
var programDir string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "dwell-program")
	if err != nil {
		panic(err)
	}
	programDir = dir
	code := testnode.Main(m)
	_ = os.RemoveAll(dir) // it is below the system's temporary directory
	os.Exit(code)
}

var build = sync.OnceValues(func() (string, error) {
	to := filepath.Join(programDir, "dwell")
	if out, err := exec.Command("go", "build", "-o", to, "dwell/cmd/dwell").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the program: %w: %s", err, out)
	}
	return to, nil
})

// cluster is an empty Elasticsearch for this test alone.
func cluster(t *testing.T, line testnode.Line) *es.Client {
	t.Helper()
	node := testnode.ForTest(t, line)
	node.Exclusive(t)
	return connect(t, node)
}

func configOf(node *testnode.Cluster) es.Config {
	return es.Config{Addresses: []string{node.URL}, CAFile: node.CAFile, Username: node.Username, Password: node.Password}
}

func connect(t *testing.T, node *testnode.Cluster) *es.Client {
	t.Helper()
	client, err := es.New(configOf(node))
	require.NoError(t, err)
	return client
}

// onEachLine runs a test on an empty cluster of each supported version.
func onEachLine(t *testing.T, test func(*testing.T, *es.Client)) {
	t.Helper()
	for _, line := range []testnode.Line{testnode.Line8, testnode.Line9} {
		t.Run(fmt.Sprintf("elasticsearch %d", line), func(t *testing.T) { test(t, cluster(t, line)) })
	}
}

// loaded stores the logs of a path as Security Onion would and returns the source that reads them. Slices are small, so
// that a hunt has several.
func loaded(t *testing.T, client *es.Client, path string) *elastic.Source {
	t.Helper()
	_, err := load.Load(t.Context(), client, load.Options{Paths: []string{path}})
	require.NoError(t, err)
	return sourceOf(t, client)
}

func sourceOf(t *testing.T, client *es.Client) *elastic.Source {
	t.Helper()
	src, err := elastic.New(client, elastic.Options{SliceDocs: 1500})
	require.NoError(t, err)
	return src
}

// huntOf is a hunt over a window, with all findings.
func huntOf(ranking pipeline.Ranking, w simulate.Window) pipeline.Options {
	return pipeline.Options{Ranking: ranking, Version: "test", Now: time.Now,
		Request: hunt.Request{From: w.Start, To: w.End, Scope: hunt.NewScope(nil, hunt.Outbound)}}
}

func run(t *testing.T, src hunt.Source, o pipeline.Options) *pipeline.Result {
	t.Helper()
	res, err := pipeline.Run(t.Context(), src, o)
	require.NoError(t, err)
	return res
}

// sameFindings compares findings by pair, apart from the hunt's identity and from what documents of connections have
// beyond the columns of a log: sensor, flow hash and endpoint.
func sameFindings(t *testing.T, want, got map[string]hunt.Finding, more ...cmp.Option) {
	t.Helper()
	require.Empty(t, cmp.Diff(want, got, append(more, cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}), cmpopts.EquateApprox(0, 1e-12),
		cmpopts.IgnoreFields(hunt.Dwell{}, "HuntID", "Revision", "FindingID", "Sample"), cmpopts.IgnoreFields(hunt.Event{}, "ID", "Ingested"),
		cmpopts.IgnoreFields(hunt.Finding{}, "Observer"), cmpopts.IgnoreFields(hunt.Network{}, "CommunityID"))...))
}
