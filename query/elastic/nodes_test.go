package elastic

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/es"
	"dwell/internal/hunt"
	"dwell/internal/securityonion"

	"dwell/integration/testnode"
)

// node starts a server for one test, for settings and faults that would disturb other tests.
func node(t *testing.T, options testnode.Options) (*testnode.Node, cluster) {
	t.Helper()
	n, err := testnode.Start(t.Context(), options)
	if (errors.Is(err, testnode.ErrNoJDK) || errors.Is(err, testnode.ErrNoMaven)) && !testnode.Required() {
		t.Skipf("SKIPPED, no Elasticsearch of its own: %v", err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, n.Stop()) })
	return n, connect(t, es.Config{Addresses: []string{n.URL}, CAFile: n.CAFile, Username: n.Username, Password: n.Password,
		BackoffMin: 100 * time.Millisecond, BackoffMax: time.Second, MaxRetries: 60})
}

func (c cluster) settings(t *testing.T, name string, value any) {
	t.Helper()
	c.do(t, "PUT", "/_cluster/settings", object{"persistent": object{name: value}})
}

// Faults of a real server, on two servers of the test's own. They share one test because starting a server takes most
// of the time.
func TestOnServersOfItsOwn(t *testing.T) {
	if testing.Short() {
		t.Skip("starts two servers of its own")
	}
	n, c := node(t, testnode.Options{Name: "manager"})
	t.Run("faults of a real server", func(t *testing.T) { faultsOfARealServer(t, n, c) })
	t.Run("a grid of two clusters", func(t *testing.T) { crossCluster(t, n, c) })
}

func faultsOfARealServer(t *testing.T, n *testnode.Node, c cluster) {
	l := c.loaded(t, 14, 3000)
	read := func(t *testing.T, opt Options) (hunt.Reading, error) {
		var got collector
		r, err := l.source(t, c.Client, opt).Read(t.Context(), l.req, got.emit)
		if err == nil {
			same(t, l.want, got.conns)
			complete(t, r)
		}
		return r, err
	}
	t.Run("fault 7, search.max_buckets below what a page and even the plan want", func(t *testing.T) {
		c.settings(t, "search.max_buckets", 70)
		defer c.settings(t, "search.max_buckets", nil)
		wide := l
		wide.req.From = day.Add(-3 * time.Hour)
		r, err := read(t, Options{})
		require.NoError(t, err)
		require.Contains(t, notes(r), "too_many_buckets_exception")
		require.Greater(t, len(r.Slices), 20)
	})
	t.Run("fault 8, a breaker that a large page trips", func(t *testing.T) {
		c.settings(t, "indices.breaker.request.limit", "150kb")
		defer c.settings(t, "indices.breaker.request.limit", nil)
		impatient := loaded{cluster: c, index: l.index, req: l.req, want: l.want}
		var got collector
		client := c.with(t, func(cfg *es.Config) {
			cfg.MaxRetries, cfg.BackoffMin, cfg.BackoffMax = 1, time.Millisecond, time.Millisecond
		})
		r, err := impatient.source(t, client, Options{}).Read(t.Context(), l.req, got.emit)
		require.NoError(t, err)
		same(t, l.want, got.conns)
		complete(t, r)
		require.Contains(t, notes(r), "circuit_breaking_exception")
	})
	t.Run("fault 5, a shard fails in mid-hunt", func(t *testing.T) { failedShard(t, c) })
	t.Run("fault 2, the node restarts in mid-hunt", func(t *testing.T) {
		var once sync.Once
		var got collector
		restarted := make(chan error, 1)
		patient := c.with(t, func(cfg *es.Config) { cfg.Patience = 3 * time.Minute })
		r, err := l.source(t, patient, Options{SliceDocs: 100, Concurrency: 1}).Read(t.Context(), l.req, func(b []hunt.Connection) error {
			once.Do(func() {
				if err := n.Halt(); err != nil {
					restarted <- err
					return
				}
				go func() { restarted <- n.Restart(context.Background()) }()
			})
			return got.emit(b)
		})
		require.NoError(t, <-restarted)
		require.NoError(t, err)
		same(t, l.want, got.conns)
		complete(t, r)
	})
}

// seesTrouble notices the first answer that reports something unavailable.
type seesTrouble struct {
	next http.RoundTripper
	once *sync.Once
	tell func()
}

func (s seesTrouble) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := s.next.RoundTrip(req)
	if err == nil && res.StatusCode == http.StatusServiceUnavailable {
		s.once.Do(s.tell)
	}
	return res, err
}

// failedShard removes one of an index's two shards during the hunt, permanently or until it was missed. Meanwhile the
// server may not recover a shard.
func failedShard(t *testing.T, c cluster) {
	const mayRecover = "cluster.routing.allocation.node_initial_primaries_recoveries"
	for _, back := range []bool{false, true} {
		t.Run(map[bool]string{false: "for good", true: "and comes back"}[back], func(t *testing.T) {
			l := c.loaded(t, 18, 800)
			defer c.settings(t, mayRecover, nil)
			network, err := es.Network(c.cfg)
			require.NoError(t, err)
			var missed, once sync.Once
			seen := false
			client := c.with(t, func(cfg *es.Config) {
				cfg.BackoffMin, cfg.BackoffMax, cfg.MaxRetries = time.Millisecond, 2*time.Millisecond, 2
				if back {
					cfg.BackoffMax, cfg.MaxRetries = time.Second, 60
				}
				cfg.Transport = seesTrouble{network, &missed, func() {
					seen = true
					if back {
						c.settings(t, mayRecover, nil)
					}
				}}
			})
			var got collector
			r, err := l.source(t, client, Options{SliceDocs: 100, Concurrency: 1}).Read(t.Context(), l.req, func(b []hunt.Connection) error {
				once.Do(func() {
					c.settings(t, mayRecover, 0)
					c.do(t, "POST", "/_cluster/reroute", object{"commands": []any{object{"cancel": object{"index": l.index, "shard": 1, "node": "manager", "allow_primary": true}}}})
				})
				return got.emit(b)
			})
			require.NoError(t, err)
			require.True(t, seen)
			if back {
				same(t, l.want, got.conns)
				complete(t, r)
				return
			}
			var lost int64
			for _, s := range r.Slices {
				lost += s.Expected - s.Read
			}
			require.Contains(t, notes(r), "Search rejected due to missing shards [["+l.index+"][1]] (search_phase_execution_exception")
			require.Positive(t, got.total)
			require.Equal(t, sum(l.want), lost+got.total, "every connection was read or is in a gap")
		})
	}
}

// A grid of two clusters: the manager, which is its own remote as on Security Onion, and a heavy node. auto reads both,
// each connection once, and an unreachable heavy node is never left out silently.
func crossCluster(t *testing.T, manager *testnode.Node, mc cluster) {
	heavy, hc := node(t, testnode.Options{Name: "heavy", Heap: "512m", Peer: manager})
	scope := hunt.NewScope(nil, hunt.Outbound)
	req := hunt.Request{From: day, To: day.Add(time.Hour), Scope: scope}
	stream := func(c cluster, recs []record) {
		c.do(t, "PUT", "/_index_template/zeek", object{"index_patterns": []any{"logs-*-so"}, "priority": 900, "data_stream": object{},
			"template": object{"settings": object{"number_of_shards": 2, "number_of_replicas": 0}, "mappings": mapping()}})
		c.load(t, securityonion.StreamZeek, recs)
	}
	here, there := traffic(31, 800, time.Hour), traffic(32, 600, time.Hour)
	stream(mc, here)
	stream(hc, there)
	imported := []record{{Connection: hunt.Connection{Start: day.UnixMilli(), Src: netip.MustParseAddr("10.77.0.1"), Dst: netip.MustParseAddr("198.51.100.1"), Duration: hunt.Absent,
		OrigBytes: hunt.Absent, RespBytes: hunt.Absent, OrigIPBytes: hunt.Absent, Count: 1}, dataset: datasetConn, seconds: -1}}
	mc.load(t, securityonion.StreamImport, imported)
	here = append(here, imported...)
	read := func(t *testing.T, recs []record) hunt.Reading {
		s, err := New(mc.Client, Options{SliceDocs: 100})
		require.NoError(t, err)
		var got collector
		r, err := s.Read(t.Context(), req, got.emit)
		require.NoError(t, err)
		same(t, expected(recs, scope, req.From, req.To), got.conns)
		complete(t, r)
		return r
	}
	t.Run("without remotes, this cluster", func(t *testing.T) {
		require.Equal(t, "logs-zeek-so,logs-import-so", read(t, here).Source)
	})
	require.NoError(t, manager.AddRemote(t.Context(), "manager", manager))
	require.NoError(t, manager.AddRemote(t.Context(), "heavy", heavy))
	t.Run("with remotes, the whole grid, once", func(t *testing.T) {
		require.Equal(t, "*:logs-zeek-so,*:logs-import-so", read(t, append(here, there...)).Source)
	})
	t.Run("a remote that is away", func(t *testing.T) {
		require.NoError(t, heavy.Halt())
		client := mc.with(t, func(cfg *es.Config) { cfg.MaxRetries, cfg.BackoffMax = 1, 10*time.Millisecond })
		s, err := New(client, Options{})
		require.NoError(t, err)
		var got collector
		r, err := s.Read(t.Context(), req, got.emit)
		require.NoError(t, err)
		same(t, expected(here, scope, req.From, req.To), got.conns)
		require.Equal(t, "*:logs-zeek-so,*:logs-import-so", r.Source, "the hunt is the same, so that a later one replaces it")
		require.Len(t, r.Gaps, 1)
		require.Equal(t, "heavy", r.Gaps[0].Where)
		require.NoError(t, heavy.Restart(t.Context()))
	})
	t.Run("a remote that goes away in mid-hunt", func(t *testing.T) {
		require.Eventually(t, func() bool {
			var got collector
			s, err := New(mc.with(t, func(cfg *es.Config) { cfg.MaxRetries = 1 }), Options{})
			require.NoError(t, err)
			r, err := s.Read(t.Context(), req, got.emit)
			return err == nil && len(r.Gaps) == 0
		}, time.Minute, time.Second)
		client := mc.with(t, func(cfg *es.Config) { cfg.MaxRetries, cfg.BackoffMax = 1, 10*time.Millisecond })
		s, err := New(client, Options{SliceDocs: 100, Concurrency: 1})
		require.NoError(t, err)
		var once sync.Once
		var got collector
		r, err := s.Read(t.Context(), req, func(b []hunt.Connection) error {
			once.Do(func() { require.NoError(t, heavy.Halt()) })
			return got.emit(b)
		})
		require.NoError(t, err)
		require.Len(t, r.Gaps, 1)
		require.Equal(t, "heavy", r.Gaps[0].Where)
		for conn, n := range expected(here, scope, req.From, req.To) {
			require.GreaterOrEqual(t, got.conns[conn], n, "the rest of the grid is hunted")
		}
	})
	t.Run("this cluster is not among its remotes", func(t *testing.T) {
		require.NoError(t, heavy.Restart(t.Context()))
		mc.settings(t, "cluster.remote.manager.seeds", nil)
		require.Eventually(t, func() bool {
			s, err := New(mc.with(t, func(cfg *es.Config) { cfg.MaxRetries = 1 }), Options{SliceDocs: 100})
			require.NoError(t, err)
			var got collector
			r, err := s.Read(t.Context(), req, got.emit)
			if err != nil || len(r.Gaps) > 0 {
				return false
			}
			same(t, expected(append(here, there...), scope, req.From, req.To), got.conns)
			require.Contains(t, notes(r), "not among its own remotes")
			return true
		}, time.Minute, time.Second)
		require.NoError(t, heavy.Halt())
	})
	t.Run("fault 2, the node stays away", func(t *testing.T) {
		impatient := hc.with(t, func(cfg *es.Config) { cfg.MaxRetries, cfg.BackoffMax = 2, 10*time.Millisecond })
		s, err := New(impatient, Options{})
		require.NoError(t, err)
		_, err = s.Read(t.Context(), req, new(collector).emit)
		require.True(t, es.Is(err, es.Unreachable), "%v", err)
		require.ErrorContains(t, err, "3 attempts")
	})
}
