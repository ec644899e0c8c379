package testnode

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
)

// shared holds the clusters of this test binary. It is package-level because TestMain and the tests share nothing else;
// only Main and ForTest use it.
var shared testClusters

type testClusters struct {
	mu      sync.Mutex
	running bool
	byLine  map[Line]outcome
}

// outcome is kept with its error too, so that a failed start is not repeated for each test.
type outcome struct {
	cluster *Cluster
	err     error
}

// Main runs a package's tests, then stops the clusters that ForTest started. It returns the exit code for os.Exit.
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

// ForTest returns the cluster of the line that this binary's tests share, and starts it on the first call. See the
// package comment for its origin and the rule about names.
//
// If none is available the test is skipped with the reason; with DWELL_REQUIRE_ELASTICSEARCH=1 it fails. Line 9 without
// a JDK for it is always skipped. A cluster that should start but does not is a failure.
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
