package integration_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/integration/testnode"
	"dwell/internal/es"
	"dwell/internal/es/estest"
	"dwell/internal/hunt"
	"dwell/internal/pipeline"
	"dwell/query/elastic"
)

// Whatever happens to its requests, a hunt must equal the undisturbed one, report what is missing (a gap, exit code 5),
// or fail. These tests look for any other outcome: complete but different.

// faults are the possible faults of an answer, by name. Some damage the real server's answer.
func faults() map[string]estest.Reply {
	spoil := func(how func([]byte) ([]byte, error)) estest.Reply { return estest.Reply{Spoil: how} }
	part := func(b []byte, of float64) []byte { return b[:int(float64(len(b))*of)] }
	return map[string]estest.Reply{
		"500": estest.Error(500, "internal_server_error", "x"), "502 page": {Status: 502, Header: http.Header{}, Body: "<html>"},
		"503": estest.Error(503, "no_shard_available_action_exception", "x"), "504": {Status: 504, Body: "{}"}, "429": estest.Rejected(),
		"breaker": estest.Breaker(false), "500 page": {Status: 500, Header: http.Header{"Content-Type": {"text/html"}}, Body: "<html>oops</html>"},
		"reset": {Err: syscall.ECONNRESET}, "closed": {Err: io.EOF}, "refused": {Err: syscall.ECONNREFUSED},
		"empty": {Status: 200, Body: ""}, "page": estest.HTML(), "{}": estest.JSON("{}"), "[]": estest.JSON("[]"), "null": estest.JSON("null"),
		"cut":           spoil(func(b []byte) ([]byte, error) { return part(b, 0.5), io.ErrUnexpectedEOF }),
		"cut late":      spoil(func(b []byte) ([]byte, error) { return part(b, 0.99), io.ErrUnexpectedEOF }),
		"torn":          spoil(func(b []byte) ([]byte, error) { return part(b, 0.5), nil }),
		"torn late":     spoil(func(b []byte) ([]byte, error) { return part(b, 0.95), nil }),
		"gzip cut":      spoil(func(b []byte) ([]byte, error) { return part(b, 0.7), errors.New("gzip: invalid checksum") }),
		"twice":         spoil(func(b []byte) ([]byte, error) { return append(slices.Clone(b), b...), nil }),
		"shards failed": estest.ShardFailed(1, 2, "illegal_state_exception", "x"), "timed out": estest.TimedOut(),
		"slow": {Stall: true},
	}
}

// disturbed is a simulated network in a real cluster, with the hunt to disturb.
type disturbed struct {
	cfg     es.Config
	next    http.RoundTripper
	options pipeline.Options
	want    string
	// requests is the number that an undisturbed hunt sends.
	requests int
}

func undisturbed(t *testing.T) *disturbed {
	node := testnode.ForTest(t, testnode.Line8)
	node.Exclusive(t)
	d := &disturbed{cfg: configOf(node)}
	dir := t.TempDir()
	labels := simulated(t, dir, "testdata/office.yaml")
	loaded(t, connect(t, node), dir)
	var err error
	d.next, err = es.Network(d.cfg)
	require.NoError(t, err)
	d.cfg.BackoffMin, d.cfg.BackoffMax, d.cfg.Timeout = time.Millisecond, 20*time.Millisecond, 20*time.Second
	d.options = hostileOptions(labels)
	fake := new(estest.Fake)
	res, err := d.hunt(t, fake, 0)
	require.NoError(t, err)
	require.Empty(t, res.Reading.Gaps)
	require.Greater(t, len(res.Findings), 3)
	d.want, d.requests = content(t, res), len(fake.Requests())
	return d
}

// hunt hunts through a fake; timeout 0 is the default.
func (d *disturbed) hunt(t *testing.T, fake *estest.Fake, timeout time.Duration) (*pipeline.Result, error) {
	fake.Next = d.next
	cfg := d.cfg
	cfg.Transport = fake
	if timeout > 0 {
		cfg.Timeout = timeout
	}
	client, err := es.New(cfg)
	require.NoError(t, err)
	src, err := elastic.New(client, elastic.Options{SliceDocs: 1500, Concurrency: 1})
	require.NoError(t, err)
	return pipeline.Run(t.Context(), src, d.options)
}

// content is what a hunt found, without the hunt's identity.
func content(t *testing.T, r *pipeline.Result) string {
	t.Helper()
	var b strings.Builder
	for i := range r.Findings {
		f := r.Findings[i]
		f.Dwell.HuntID, f.Dwell.Revision, f.Event.Ingested, f.Event.ID = "", "", hunt.Time{}, ""
		text, err := json.Marshal(f)
		require.NoError(t, err)
		b.Write(text)
		b.WriteByte('\n')
	}
	return b.String()
}

// outcome is right, incomplete or failed; anything else fails the test.
func (d *disturbed) outcome(t *testing.T, r *pipeline.Result, err error) string {
	t.Helper()
	switch {
	case err != nil:
		return "failed"
	case len(r.Reading.Gaps) > 0:
		if r.Document.Dwell.Hunt.Complete || slices.ContainsFunc(r.Findings, func(f hunt.Finding) bool { return !f.Dwell.Incomplete }) {
			return "THIRD: gaps, and complete"
		}
		return "incomplete"
	case content(t, r) != d.want:
		return "THIRD: complete, and other"
	}
	return "right"
}

// atOnce does n things, some at a time: disturbed hunts wait more than they compute, and only read the cluster.
func atOnce(n int, do func(i int)) {
	var next atomic.Int64
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for i := next.Add(1) - 1; int(i) < n; i = next.Add(1) - 1 {
				do(int(i))
			}
		})
	}
	workers.Wait()
}

// One fault on the n-th request, for every n. The kinds of faults take turns; with DWELL_CHAOS=all every kind is tested
// for every n. DWELL_CHAOS_PART=2/5 runs the second fifth of the requests.
func TestOneFaultOnEachRequest(t *testing.T) {
	d := undisturbed(t)
	kinds := faults()
	names := slices.Sorted(maps.Keys(kinds))
	all := os.Getenv("DWELL_CHAOS") == "all"
	part, parts := 1, 1
	if text := os.Getenv("DWELL_CHAOS_PART"); text != "" {
		_, err := fmt.Sscanf(text, "%d/%d", &part, &parts)
		require.NoError(t, err)
	}
	type trial struct {
		n    int
		name string
	}
	var trials []trial
	for n := part; n <= d.requests; n += parts {
		for i, name := range names {
			if all || (n+i)%len(names) == 0 {
				trials = append(trials, trial{n, name})
			}
		}
	}
	var mu sync.Mutex
	counts := map[string]int{}
	var worst []string
	atOnce(len(trials), func(i int) {
		n, name := trials[i].n, trials[i].name
		timeout := time.Duration(0)
		if name == "slow" {
			timeout = 3 * time.Second
		}
		fake := new(estest.Fake).On(n, kinds[name])
		res, err := d.hunt(t, fake, timeout)
		o := d.outcome(t, res, err)
		mu.Lock()
		defer mu.Unlock()
		counts[o]++
		if o != "right" {
			which := ""
			if seen := fake.Requests(); len(seen) >= n {
				which = seen[n-1].Path
			}
			worst = append(worst, fmt.Sprintf("%s on request %d (%s): %s %v", name, n, which, o, err))
		}
	})
	t.Logf("%d requests: %v\n%s", d.requests, counts, strings.Join(worst, "\n"))
	sum := 0
	for o, n := range counts {
		sum += n
		require.Contains(t, []string{"right", "incomplete", "failed"}, o, strings.Join(worst, "\n"))
	}
	require.GreaterOrEqual(t, 10*counts["right"], 9*sum, "of single faults nine of ten are mended:\n%s", strings.Join(worst, "\n"))
}

// Hunts through a proxy that damages a part of all requests, by seed. DWELL_CHAOS is the number of hunts (make chaos:
// 200).
func TestChaos(t *testing.T) {
	d := undisturbed(t)
	hunts := 16
	if n, err := strconv.Atoi(os.Getenv("DWELL_CHAOS")); err == nil {
		hunts = n
	}
	kinds := faults()
	names := slices.Sorted(maps.Keys(kinds))
	var mu sync.Mutex
	counts := map[string]int{}
	var longest time.Duration
	atOnce(hunts, func(i int) {
		seed := i + 1
		random := rand.New(rand.NewPCG(uint64(seed), 7)) //nolint:gosec // Seeded on purpose.
		share := 0.02 + 0.18*random.Float64()
		own := names[:0:0]
		for range 1 + random.IntN(len(names)) {
			own = append(own, names[random.IntN(len(names))])
		}
		var lock sync.Mutex
		fake := &estest.Fake{Handle: func(int, estest.Request) estest.Reply {
			lock.Lock()
			defer lock.Unlock()
			if random.Float64() >= share {
				return estest.Usual()
			}
			return kinds[own[random.IntN(len(own))]]
		}}
		began := time.Now()
		res, err := d.hunt(t, fake, 3*time.Second)
		o := d.outcome(t, res, err)
		mu.Lock()
		counts[o]++
		longest = max(longest, time.Since(began))
		if strings.HasPrefix(o, "THIRD") {
			t.Errorf("seed %d, %.2f of %v: %s", seed, share, own, o)
		} else if err != nil {
			t.Logf("seed %d: %v", seed, err)
		}
		mu.Unlock()
	})
	t.Logf("%d hunts: %v, the longest %s", hunts, counts, longest.Round(time.Second))
	require.Greater(t, counts["right"], counts["failed"], "more are right than failed")
	require.Less(t, longest, 3*time.Minute, "none hangs")
}
