package integration_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/integration/testnode"
	"dwell/so-config"
)

// nodesTime matches the time in a node's statistics.
var nodesTime = regexp.MustCompile(`"timestamp":\d+`)

// withClock is the cluster behind a proxy that changes its clock: skew is how far this host's clock is ahead of it. The
// program and the rest of the cluster's answers are real.
func withClock(t *testing.T, node *testnode.Cluster, skew *atomic.Int64) string {
	to, err := url.Parse(node.URL)
	require.NoError(t, err)
	ca, err := os.ReadFile(node.CAFile)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(ca))
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to); r.Out.Header.Del("Accept-Encoding") },
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}
	proxy.ModifyResponse = func(res *http.Response) error {
		if !strings.Contains(res.Request.URL.Path, "_nodes") {
			return nil
		}
		b, err := io.ReadAll(res.Body)
		if err != nil {
			return err
		}
		b = nodesTime.ReplaceAllFunc(b, func(was []byte) []byte {
			n, _ := strconv.ParseInt(string(was[len(`"timestamp":`):]), 10, 64)
			return strconv.AppendInt([]byte(`"timestamp":`), n-skew.Load(), 10)
		})
		res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
		res.Header.Set("Content-Length", strconv.Itoa(len(b)))
		return nil
	}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	return server.URL
}

// With a clock off by six minutes, five hours or a year, in either direction, from the start or while serving, nothing
// is hunted or recorded, and /readyz, the log, the metrics and `dwell status` report it. Once it is right, the window
// is hunted.
func TestWrongClocksOfTheProcess(t *testing.T) {
	g := newGrid(t)
	var skew atomic.Int64
	g.url = withClock(t, g.node, &skew)
	for _, off := range []time.Duration{6 * time.Minute, 5 * time.Hour, 365 * 24 * time.Hour} {
		for _, sign := range []time.Duration{1, -1} {
			t.Run((sign * off).String(), func(t *testing.T) {
				g.forget(t)
				word := map[bool]string{true: "ahead of", false: "behind"}[sign > 0]
				skew.Store((sign * off).Milliseconds())
				s := g.serve(t)
				g.await(t, s, "/readyz", "this host's clock is .* "+word+" the cluster's: nothing is scheduled")
				g.await(t, s, "/metrics", `dwell_clock_skew_seconds -?\d`)
				require.Contains(t, g.run(t, 5, "status"), word+" the cluster's")
				require.NotEmpty(t, g.run(t, 1, "check"))
				require.Equal(t, 1, strings.Count(s.log.String(), "nothing is scheduled"), s.log)
				require.Empty(t, g.stored(t))

				skew.Store(0)
				require.NoError(t, s.Process.Signal(syscall.SIGHUP))
				g.await(t, s, "/metrics", `dwell_hunts_total.outcome="complete". 1`)
				g.settled(t, s)
				had := len(g.stored(t))

				skew.Store((sign * off).Milliseconds())
				require.NoError(t, s.Process.Signal(syscall.SIGHUP))
				g.await(t, s, "/readyz", word+" the cluster's")
				s.stop(t)
				require.Len(t, g.stored(t), had)
				require.Contains(t, s.log.String(), "nothing is scheduled")
			})
		}
	}
}

// A window that is not over by the cluster's clock is incomplete, and a service hunts it when it is over.
func TestWindowThatIsNotOver(t *testing.T) {
	g := newGrid(t)
	from, to := time.Now().UTC().Truncate(time.Hour).Add(-23*time.Hour), time.Now().UTC().Truncate(time.Hour).Add(time.Hour)
	require.Contains(t, g.run(t, 5, "hunt", "--write", "--from", from.Format(time.RFC3339), "--to", to.Format(time.RFC3339)), "the window is not over")
	for id, text := range g.stored(t) {
		if strings.HasPrefix(id, soconfig.HuntStream) {
			require.Contains(t, text, `"complete":false`)
		}
	}
}
