package elastic

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/es"
	"dwell/internal/hunt"

	"dwell/integration/testnode"
)

// What a real server does during a hunt. Fault numbers are those of the table in docs/facts/elasticsearch.md, 4.

// marked names every request; the server lists its tasks by that name.
type marked struct {
	name string
	next http.RoundTripper
}

func (m marked) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("X-Opaque-Id", m.name)
	return m.next.RoundTrip(req)
}

// marked returns a client of the same cluster whose requests have a name.
func (c cluster) marked(t *testing.T, name string) *es.Client {
	t.Helper()
	next, err := es.Network(c.cfg)
	require.NoError(t, err)
	return c.with(t, func(cfg *es.Config) { cfg.Transport = marked{name, next} })
}

// searching returns the ids of that name's running searches, and of those that read a page.
func (c cluster) searching(t *testing.T, name string) (all, pages []string) {
	t.Helper()
	var answer struct {
		Nodes map[string]struct {
			Tasks map[string]struct {
				Description string            `json:"description"`
				Headers     map[string]string `json:"headers"`
			} `json:"tasks"`
		} `json:"nodes"`
	}
	require.NoError(t, json.Unmarshal(c.do(t, "GET", "/_tasks?actions=*search*&detailed", nil), &answer))
	for _, n := range answer.Nodes {
		for id, task := range n.Tasks {
			if task.Headers["X-Opaque-Id"] != name {
				continue
			}
			all = append(all, id)
			if strings.Contains(task.Description, `"composite"`) {
				pages = append(pages, id)
			}
		}
	}
	return all, pages
}

// slow makes an index that takes many seconds to read: each document has so many addresses and sizes that it is
// hundreds of connections to a composite aggregation.
func (c cluster) slow(t *testing.T) string {
	t.Helper()
	index := c.index(t, 1)
	several := func(from, n int) []int {
		out := make([]int, n)
		for i := range out {
			out[i] = from + i
		}
		return out
	}
	doc, err := json.Marshal(object{"@timestamp": day.UnixMilli(), "event": object{"dataset": datasetConn}, "source": object{"ip": "10.0.0.1", "port": several(1024, 8)},
		"destination": object{"ip": "203.0.113.7", "port": several(1, 8)}, "client": object{"bytes": several(0, 8)}})
	require.NoError(t, err)
	for range 4 {
		c.bulk(t, index, []byte(strings.Repeat("{\"create\":{}}\n"+string(doc)+"\n", 5000)))
	}
	c.do(t, "POST", "/"+index+"/_refresh", nil)
	return index
}

// begin reads under a name until interrupted, and returns the page that the server is working on.
func (l loaded) begin(t *testing.T, name string) (page string, interrupt func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	s := l.source(t, l.marked(t, name), Options{SliceDocs: MaxPage})
	go func() {
		_, err := s.Read(ctx, l.req, new(collector).emit)
		ended <- err
	}()
	require.Eventually(t, func() bool {
		_, pages := l.searching(t, name)
		if len(pages) > 0 {
			page = pages[0]
		}
		return page != "" || len(ended) > 0
	}, time.Minute, 5*time.Millisecond)
	require.Empty(t, ended, "the reading ended before it was interrupted")
	return page, func() {
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
		require.Eventually(t, func() bool { all, _ := l.searching(t, name); return len(all) == 0 },
			time.Minute, 5*time.Millisecond, "searches of an interrupted hunt go on")
	}
}

// Fault 4, second half: an interrupted hunt leaves no search running on the server. A twin that started earlier and was
// not interrupted shows that its page would have continued.
func TestInterruptedHuntCancelsItsSearches(t *testing.T) {
	forEachLine(t, func(t *testing.T, c cluster) {
		l := loaded{cluster: c, index: c.slow(t), req: hunt.Request{From: day, To: day.Add(time.Hour), Scope: hunt.NewScope(nil, hunt.Outbound)}}
		page, interruptTwin := l.begin(t, l.index+"-twin")
		_, interrupt := l.begin(t, l.index+"-own")
		interrupt()
		_, pages := l.searching(t, l.index+"-twin")
		require.Contains(t, pages, page, "the twin's page is not done")
		interruptTwin()
	})
}

// Fault 10: the data stream is rolled over during the hunt, and new documents go to the new backing index, in a part of
// the window not yet read and in one already read.
func TestStreamRolledOverInMidHunt(t *testing.T) {
	forEachLine(t, func(t *testing.T, c cluster) {
		name := c.stream(t)
		recs := traffic(19, 1000, time.Hour)
		c.load(t, name, recs)
		l := loaded{cluster: c, index: name, req: hunt.Request{From: day, To: day.Add(time.Hour), Scope: hunt.NewScope(nil, hunt.Outbound)}}
		first, last := endsOf(recs, l.req.Scope)
		other := last
		last.SrcPort, other.SrcPort = last.SrcPort^1, last.SrcPort^2
		var got collector
		var once sync.Once
		r, err := l.source(t, c.Client, Options{SliceDocs: 100, Concurrency: 1}).Read(t.Context(), l.req, func(b []hunt.Connection) error {
			once.Do(func() {
				c.do(t, "POST", "/"+name+"/_rollover", nil)
				c.load(t, name, []record{first, last, other})
			})
			return got.emit(b)
		})
		require.NoError(t, err)
		same(t, expected(append(recs, last, other), l.req.Scope, l.req.From, l.req.To), got.conns)
		complete(t, r)
		require.Contains(t, notes(r), "1 more connections of the window arrived while it was read")
	})
}

// Fault 17: a certificate that cannot be verified ends the hunt at its first request, without a retry.
func TestTLSFailureOfARealServer(t *testing.T) {
	c := shared(t, testnode.Line8) // line 9 has no TLS here
	if c.cfg.CAFile == "" {
		t.Skip("SKIPPED: the cluster that was named has no authority of its own")
	}
	other := httptest.NewTLSServer(nil)
	defer other.Close()
	read := func(t *testing.T, cfg es.Config) error {
		cfg.BackoffMin = time.Hour // a second attempt would be noticed
		client := connect(t, cfg)
		s, err := New(client.Client, Options{})
		require.NoError(t, err)
		r, err := s.Read(t.Context(), hunt.Request{Scope: hunt.NewScope(nil, hunt.Outbound)}, new(collector).emit)
		require.Zero(t, r.Connections)
		require.True(t, es.Is(err, es.TLS), "%v", err)
		var verify *tls.CertificateVerificationError
		require.ErrorAs(t, err, &verify)
		return err
	}
	t.Run("unknown authority", func(t *testing.T) {
		cfg := c.cfg
		cfg.CAFile, cfg.CACert = "", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: other.Certificate().Raw})
		require.ErrorContains(t, read(t, cfg), "set elasticsearch.ca_file")
	})
	t.Run("wrong name", func(t *testing.T) {
		network, err := es.Network(c.cfg)
		require.NoError(t, err)
		to, err := url.Parse(c.cfg.Addresses[0])
		require.NoError(t, err)
		transport := network.(*http.Transport)
		transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, to.Host)
		}
		cfg := c.cfg
		cfg.Transport, cfg.Addresses = transport, []string{"https://manager.invalid:" + to.Port()}
		require.ErrorContains(t, read(t, cfg), "use the name or address in the certificate")
	})
}
