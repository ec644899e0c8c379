package integration_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/integration/load"
	"dwell/integration/testnode"
	"dwell/internal/es"
	"dwell/so-config"
)

// grid is a real Elasticsearch with a day of a small office, and the real program.
type grid struct {
	program string
	node    *testnode.Cluster
	client  *es.Client
	// state is the state directory, url the cluster's address, listen serve's address.
	state, url, listen string
	// day is the directory of the loaded logs.
	day string
}

// quiet is a small office with two implants, so that there are alerts.
const quiet = `
hosts: 3
rate: 6
services: []
implants:
  - {name: implant, kind: beacon, why: a beacon every five minutes, domain: cdn.example, destinations: [203.0.113.7], period: 5m, jitter: 5%, request: 300, response: 900}
  - {name: other, kind: beacon, why: a beacon every ten minutes, domain: far.example, destinations: [198.51.100.9], period: 10m, jitter: 5%, request: 200, response: 300}
`

// streams are the streams in which hunts are stored.
var streams = []string{soconfig.FindingStream, soconfig.HuntStream, soconfig.AlertStream}

// newGrid builds the program, loads the last twenty-six hours and installs.
func newGrid(t *testing.T) *grid {
	node := testnode.ForTest(t, testnode.Line8)
	node.Exclusive(t)
	program, err := build()
	require.NoError(t, err)
	g := &grid{program: program, node: node, client: connect(t, node), url: node.URL, listen: freeAddress(t)}
	g.day = t.TempDir()
	scenario := filepath.Join(t.TempDir(), "quiet.yaml")
	require.NoError(t, os.WriteFile(scenario, []byte(quiet), 0o600))
	g.fresh(t)
	start := time.Now().UTC().Truncate(time.Hour).Add(-26 * time.Hour)
	g.run(t, 0, "simulate", "--seed", "3", "--scenario", scenario, "--start", start.Format(time.RFC3339), "--length", "26h", "--out", g.day)
	_, err = load.Load(t.Context(), g.client, load.Options{Paths: []string{g.day}})
	require.NoError(t, err)
	g.run(t, 0, "install")
	return g
}

func freeAddress(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return l.Addr().String()
}

// fresh starts with an empty state directory.
func (g *grid) fresh(t *testing.T) { g.state = t.TempDir() }

// forget deletes everything that hunts stored.
func (g *grid) forget(t *testing.T) {
	for _, s := range streams {
		g.ask(t, "DELETE", "/_data_stream/"+s, "")
	}
	g.run(t, 0, "install")
	g.fresh(t)
}

// ask sends one request and returns the answer.
func (g *grid) ask(t *testing.T, method, path, body string) (answer []byte) {
	t.Helper()
	r := es.Request{Method: method, Path: path}
	if body != "" {
		r.Body = []byte(body)
	}
	require.NoError(t, g.client.Do(t.Context(), es.Call{Op: method + " " + path, Request: r, Decode: func(b []byte) error { answer = bytes.Clone(b); return nil }}))
	return answer
}

// command is the program without this host's own configuration.
func (g *grid) command(ctx context.Context, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, g.program, args...)
	ours := func(v string) bool { return strings.HasPrefix(v, "DWELL_") } // of the tests: to the program they would be settings
	c.Env = append(slices.DeleteFunc(os.Environ(), ours), "XDG_CONFIG_HOME=/nonexistent", "XDG_STATE_HOME="+g.state, "DWELL_STATE_DIR="+g.state, "DWELL_ELASTICSEARCH_ADDRESSES="+g.url,
		"DWELL_ELASTICSEARCH_USERNAME="+g.node.Username, "DWELL_ELASTICSEARCH_PASSWORD="+g.node.Password, "DWELL_SERVE_LISTEN="+g.listen)
	if strings.HasPrefix(g.url, "https:") {
		c.Env = append(c.Env, "DWELL_ELASTICSEARCH_CA_FILE="+g.node.CAFile)
	}
	return c
}

// run runs the program to its end, requires an exit code and returns stderr.
func (g *grid) run(t *testing.T, code int, args ...string) string {
	t.Helper()
	c := g.command(t.Context(), args...)
	var stderr bytes.Buffer
	c.Stderr = &stderr
	_ = c.Run() // the exit code is checked below
	require.Equal(t, code, c.ProcessState.ExitCode(), "%v: %s", args, &stderr)
	return stderr.String()
}

// service is a running serve.
type service struct {
	*exec.Cmd
	log  *logged
	done chan struct{}
}

// logged is a process's output, readable while it is written.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (g *grid) serve(t *testing.T, args ...string) *service {
	t.Helper()
	s := &service{Cmd: g.command(context.WithoutCancel(t.Context()), append([]string{"serve"}, args...)...), log: &logged{}, done: make(chan struct{})}
	s.Stderr = s.log
	require.NoError(t, s.Start())
	go func() { _ = s.Wait(); close(s.done) }() // ProcessState has the result
	t.Cleanup(func() { _ = s.Process.Kill(); <-s.done })
	return s
}

// stop ends a serve like systemd.
func (s *service) stop(t *testing.T) {
	t.Helper()
	require.NoError(t, s.Process.Signal(syscall.SIGTERM))
	select {
	case <-s.done:
	case <-time.After(20 * time.Second):
		require.Fail(t, "serve does not end", s.log)
	}
	require.Zero(t, s.ProcessState.ExitCode(), s.log)
}

// get returns serve's answer, empty if there is none.
func (g *grid) get(path string) string {
	res, err := http.Get("http://" + g.listen + path)
	if err != nil {
		return ""
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	return string(b)
}

// await repeats the request until the answer matches.
func (g *grid) await(t *testing.T, s *service, path, pattern string) {
	t.Helper()
	wanted, last := regexp.MustCompile(pattern), ""
	for end := time.Now().Add(90 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if last = g.get(path); wanted.MatchString(last) {
			return
		}
	}
	require.Fail(t, "not answered in time", "%s: %s never matched %s\n%s", path, last, pattern, s.log)
}

// settled waits until serve has checked and has nothing more to do.
func (g *grid) settled(t *testing.T, s *service) {
	t.Helper()
	g.await(t, s, "/readyz", `"ready"`)
	g.await(t, s, "/metrics", "dwell_windows_due 0")
}

// stored is everything that hunts stored, by stream and id, without what differs between runs: times and durations.
func (g *grid) stored(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, stream := range streams {
		g.ask(t, "POST", "/"+stream+"/_refresh", "")
		var page struct {
			Hits struct {
				Hits []struct {
					ID     string         `json:"_id"`
					Source map[string]any `json:"_source"`
				} `json:"hits"`
			} `json:"hits"`
		}
		require.NoError(t, json.Unmarshal(g.ask(t, "GET", "/"+stream+"/_search?size=5000", ""), &page))
		for _, h := range page.Hits.Hits {
			delete(h.Source["event"].(map[string]any), "ingested")
			if summary, ok := h.Source["dwell"].(map[string]any)["hunt"].(map[string]any); ok {
				delete(summary, "stages")
				delete(summary, "lag")
				delete(summary, "notes") // notes on history differ: it may have kept hours or not
			}
			text, err := json.Marshal(h.Source)
			require.NoError(t, err)
			out[stream+" "+h.ID] = string(text)
		}
	}
	return out
}

// kept is the content of the state directory, except history's own files, with the content of the first-seen store.
func (g *grid) kept(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	require.NoError(t, filepath.WalkDir(g.state, func(path string, d os.DirEntry, err error) error {
		name, _ := filepath.Rel(g.state, path)
		switch {
		case err != nil:
			return err
		case d.IsDir() || strings.HasPrefix(name, "history") || strings.HasSuffix(name, "lock"):
			return nil
		}
		text, err := os.ReadFile(path)
		out[name] = string(text)
		return err
	}))
	return out
}

// ids are a map's sorted keys, for a message.
func ids(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
