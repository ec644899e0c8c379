package testnode

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
)

// shared holds the clusters of this test binary. It is package-level because go test gives TestMain and the tests
// nothing else in common; only Main and ForTest touch it.
var shared testClusters

type testClusters struct {
	mu      sync.Mutex
	running bool
	byLine  map[Line]outcome
}

// outcome is kept with its error too: what did not start for one test is not tried again for the next.
type outcome struct {
	cluster *Cluster
	err     error
}

// Main runs a package's tests and then stops the clusters that ForTest started. It returns the exit code for os.Exit.
func Main(m interface{ Run() int }) int {
	shared.mu.Lock()
	shared.running = true
	shared.mu.Unlock()

	code := m.Run()

	shared.mu.Lock()
	defer shared.mu.Unlock()
	for _, o := range shared.byLine {
		if o.cluster == nil {
			continue
		}
		if err := o.cluster.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "testnode:", err)
			code = max(code, 1)
		}
	}
	return code
}

// ForTest returns the cluster of the line that the tests of this binary share, and brings it up for the first that
// asks. See the package comment for where it comes from, and for the rule about names.
//
// Where none can be had the test is skipped with one line that says why; with DWELL_REQUIRE_ELASTICSEARCH=1 it fails.
// Line 9 without a JDK for it is skipped in any case. A cluster that should be there and does not come up is a failure.
func ForTest(t testing.TB, line Line) *Cluster {
	t.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if !shared.running {
		t.Fatal("testnode.ForTest needs `func TestMain(m *testing.M) { os.Exit(testnode.Main(m)) }` in this package: it stops the server")
	}
	o, tried := shared.byLine[line]
	if !tried {
		o.cluster, o.err = Open(t.Context(), line, Options{})
		if shared.byLine == nil {
			shared.byLine = map[Line]outcome{}
		}
		shared.byLine[line] = o
	}
	switch missing := errors.Is(o.err, ErrNoJDK) || errors.Is(o.err, ErrNoMaven); {
	case o.err == nil:
		return o.cluster
	case missing && (line == Line9 || !Required()):
		t.Skipf("SKIPPED, no Elasticsearch %d.x: neither %s nor Docker, and %v", line, line.env(envURL), o.err)
	default:
		t.Fatalf("no Elasticsearch %d.x: %v", line, o.err)
	}
	return nil
}
