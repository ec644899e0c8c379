package integration_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
	"dwell/so-config"
)

// window are the flags of the newest window that serve hunts now.
func window() []string {
	end := over().UTC()
	return []string{"--from", end.Add(-24 * time.Hour).Format(time.RFC3339), "--to", end.Format(time.RFC3339)}
}

// huntNow stores a hunt over that window.
func (g *grid) huntNow(t *testing.T, more ...string) {
	t.Helper()
	g.run(t, 0, append(append([]string{"hunt", "-q", "--write"}, window()...), more...)...)
}

// rewrite changes a stored hunt's document by id ("*": the only one), as if the hunt had gone differently, and stores
// it under its own and further ids.
func (g *grid) rewrite(t *testing.T, which string, change func(*hunt.Document), further ...string) {
	t.Helper()
	g.ask(t, "POST", "/"+soconfig.HuntStream+"/_refresh", "")
	var page struct {
		Hits struct {
			Hits []struct {
				Index  string        `json:"_index"`
				ID     string        `json:"_id"`
				SeqNo  int64         `json:"_seq_no"`
				Term   int64         `json:"_primary_term"`
				Source hunt.Document `json:"_source"`
			} `json:"hits"`
		} `json:"hits"`
	}
	require.NoError(t, json.Unmarshal(g.ask(t, "GET", "/"+soconfig.HuntStream+"/_search?seq_no_primary_term=true&q=_id:"+which, ""), &page))
	require.Len(t, page.Hits.Hits, 1)
	h := page.Hits.Hits[0]
	change(&h.Source)
	text, err := json.Marshal(h.Source)
	require.NoError(t, err)
	g.ask(t, "PUT", fmt.Sprintf("/%s/_doc/%s?refresh=true&if_seq_no=%d&if_primary_term=%d", h.Index, h.ID, h.SeqNo, h.Term), string(text))
	for _, id := range further {
		g.ask(t, "PUT", "/"+soconfig.HuntStream+"/_create/"+id+"?refresh=true", string(text))
	}
}

// Whatever is stored or waiting for a window, serve hunts it unless that exact hunt was made after the window's end and
// complete, or was tried often enough.
func TestEveryKindOfHuntBeforeServe(t *testing.T) {
	g := newGrid(t)
	attempt := func(ago time.Duration, complete bool, connections int64) func(*hunt.Document) {
		return func(d *hunt.Document) {
			d.Event.Ingested, d.Dwell.Hunt.Complete, d.Dwell.Hunt.Connections = hunt.Time{Time: time.Now().UTC().Add(-ago)}, complete, connections
		}
	}
	other := func(flags ...string) func(*testing.T) { return func(t *testing.T) { g.huntNow(t, flags...) } }
	was := func(change func(*hunt.Document), further ...string) func(*testing.T) {
		return func(t *testing.T) { g.huntNow(t); g.rewrite(t, "*", change, further...) }
	}
	const short = 6 * time.Minute // longer than the first pause, and after the window's end by a clock within five minutes
	for _, kind := range []struct {
		name string
		// hunts is how many serve runs at once, due how many it leaves for later.
		hunts, due int
		before     func(*testing.T)
	}{
		{"nothing", 1, 0, func(*testing.T) {}},
		{"the very hunt", 0, 0, other()},
		{"other indicators", 1, 0, other("--indicator", "dns")},
		{"another index", 1, 0, other("--set", "query.index=logs-zeek-so")},
		{"another direction", 1, 0, other("--direction", "both")},
		{"other networks", 1, 0, other("--internal", "10.0.0.0/9")},
		{"another profile", 1, 0, other("--profile", "rita")},
		{"by sensor", 1, 0, other("--by-sensor")},
		{"without evidence", 1, 0, other("--set", "evidence.enabled=false")},
		{"out of files", 1, 0, other("--zeek", g.day)},
		{"incomplete, a while ago", 1, 0, was(attempt(short, false, 5))},
		{"incomplete, just now", 0, 1, was(attempt(time.Second, false, 5))},
		{"incomplete, four times", 0, 0, was(attempt(short, false, 5), "b", "c", "d")},
		{"empty, a while ago", 1, 0, was(attempt(short, true, 0))},
		{"complete, before its end", 1, 0, was(attempt(5*time.Hour, true, 5))},
		{"complete, by a clock a day ahead", 0, 0, was(attempt(-24*time.Hour, true, 5))},
		{"replaced by an incomplete one", 1, 0, func(t *testing.T) {
			g.huntNow(t)
			g.rewrite(t, "*", attempt(short+time.Second, true, 5), "b")
			g.rewrite(t, "b", attempt(short, false, 5))
		}},
		{"replaced by a complete one", 0, 0, func(t *testing.T) {
			g.huntNow(t)
			g.rewrite(t, "*", attempt(short+time.Second, false, 5), "b")
			g.rewrite(t, "b", attempt(short, true, 5))
		}},
		{"killed before its document", 1, 0, func(t *testing.T) {
			g.huntNow(t)
			g.ask(t, "DELETE", "/_data_stream/"+soconfig.HuntStream, "")
			g.run(t, 0, "install")
		}},
		{"held on this host", 0, 0, func(t *testing.T) {
			g.ask(t, "PUT", "/"+soconfig.HuntStream+"/_settings", `{"index.blocks.write":true}`)
			defer g.ask(t, "PUT", "/"+soconfig.HuntStream+"/_settings", `{"index.blocks.write":null}`)
			g.huntNow(t, "--set", "elasticsearch.patience=1s")
			require.Len(t, g.kept(t), 2, "the held hunt, and what was seen first")
		}},
		{"a window of the future", 1, 0, func(t *testing.T) {
			end := over().UTC().Add(24 * time.Hour)
			g.run(t, 5, "hunt", "-q", "--write", "--from", end.Add(-24*time.Hour).Format(time.RFC3339), "--to", end.Format(time.RFC3339))
		}},
	} {
		t.Run(kind.name, func(t *testing.T) {
			var s *service
			metrics := ""
			for began := (hunt.Time{}); over() != began; { // again if a full hour came between
				g.forget(t)
				began = over()
				kind.before(t)
				s = g.serve(t)
				g.await(t, s, "/metrics", fmt.Sprintf(`dwell_hunts_total.outcome="complete". %d\n`, kind.hunts))
				g.await(t, s, "/readyz", `"ready"`)
				g.await(t, s, "/metrics", fmt.Sprintf(`dwell_windows_due %d\n`, kind.due))
				metrics = g.get("/metrics")
				s.stop(t)
			}
			require.Contains(t, metrics, fmt.Sprintf("dwell_hunts_total{outcome=\"complete\"} %d\n", kind.hunts), s.log)
			for _, outcome := range []string{"incomplete", "empty", "held", "failed"} {
				require.Contains(t, metrics, fmt.Sprintf("dwell_hunts_total{outcome=%q} 0\n", outcome), s.log)
			}
			for name := range g.kept(t) {
				require.NotContains(t, name, "hunt.ndjson", "nothing is held any more")
			}
		})
	}
}

// A second serve on a state directory refuses to start. Hunts of the same window beside a serve, with their own or the
// same state directory, leave one hunt document, each finding once and one alert per subject. SIGTERM ends serve in any
// phase with code 0.
func TestSideBySide(t *testing.T) {
	g := newGrid(t)
	g.huntNow(t)
	want := ids(g.stored(t))
	for _, own := range []bool{true, false} {
		t.Run(fmt.Sprintf("own state %t", own), func(t *testing.T) {
			g.forget(t)
			s := g.serve(t)
			g.await(t, s, "/healthz", "alive")
			require.Contains(t, g.run(t, 1, "serve", "--set", "serve.listen="), "another dwell uses this state directory")
			var all sync.WaitGroup
			for i := range 3 {
				c := g.command(t.Context(), append([]string{"hunt", "-q", "--write"}, window()...)...)
				if own {
					c.Env = append(c.Env, fmt.Sprintf("DWELL_STATE_DIR=%s/%d", g.state, i))
				}
				all.Go(func() {
					out, err := c.CombinedOutput()
					if err != nil {
						t.Errorf("%v: %s", err, out)
					}
				})
			}
			all.Wait()
			g.settled(t, s)
			s.stop(t)
			require.Equal(t, want, ids(g.stored(t)))
		})
	}
	loaded := 0
	for _, after := range []time.Duration{0, 5, 20, 60, 150, 400, 800, 1200} {
		g.forget(t)
		s := g.serve(t)
		time.Sleep(after * time.Millisecond)
		require.NoError(t, s.Process.Signal(syscall.SIGTERM))
		select {
		case <-s.done:
		case <-time.After(10 * time.Second):
			require.Fail(t, "serve does not end", "after %d ms: %s", after, s.log)
		}
		if s.log.String() != "" { // before its first line, the program may not have been loaded
			loaded++
			require.Zero(t, s.ProcessState.ExitCode(), "after %d ms: %s", after, s.log)
		}
		for name := range g.kept(t) {
			require.False(t, strings.Contains(name, ".dwell-"), "%s is left", name)
		}
	}
	require.Positive(t, loaded)
}
