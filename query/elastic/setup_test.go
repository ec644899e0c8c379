package elastic

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"dwell/internal/es"
	"dwell/internal/es/dsl"
	"dwell/internal/es/estest"
	"dwell/internal/hunt"
)

func TestWrongCredentials(t *testing.T) {
	forEachLine(t, func(t *testing.T, c cluster) {
		if c.cfg.Username == "" && c.cfg.APIKey == "" {
			t.Skip("this cluster has no security")
		}
		l := c.loaded(t, 21, 50)
		read := func(cl *es.Client) error {
			_, err := l.source(t, cl, Options{}).Read(t.Context(), l.req, new(collector).emit)
			return err
		}
		t.Run("wrong password", func(t *testing.T) {
			err := read(c.with(t, func(cfg *es.Config) { cfg.Password = "not-the-password" }))
			require.True(t, es.Is(err, es.Auth), "%v", err)
			require.NotContains(t, err.Error(), "not-the-password")
		})
		t.Run("wrong API key", func(t *testing.T) {
			err := read(c.with(t, func(cfg *es.Config) { cfg.APIKey = "nobody:nothing" }))
			require.True(t, es.Is(err, es.Auth), "%v", err)
		})
		t.Run("wrong CA", func(t *testing.T) {
			if c.cfg.CAFile == "" {
				t.Skip("this cluster speaks no TLS")
			}
			err := read(c.with(t, func(cfg *es.Config) { cfg.CAFile = "" }))
			require.True(t, es.Is(err, es.TLS), "%v", err)
			require.Contains(t, err.Error(), "elasticsearch.ca_file")
		})
		key := func(t *testing.T, indices []any) *es.Client {
			var res struct{ Encoded string }
			require.NoError(t, c.Do(t.Context(), es.Call{Op: "make an API key", Decode: es.JSON(&res), Request: es.Request{Method: "POST", Path: "/_security/api_key", Body: dsl.Encode(object{"name": "dwelltest", "role_descriptors": object{"r": object{"cluster": []any{"monitor"}, "indices": indices}}})}}))
			return c.with(t, func(cfg *es.Config) { cfg.Username, cfg.Password, cfg.APIKey = "", "", res.Encoded })
		}
		t.Run("a key that may read only what it needs", func(t *testing.T) {
			var got collector
			r, err := l.source(t, key(t, []any{object{"names": []any{l.index}, "privileges": []any{"read", "view_index_metadata"}}}), Options{}).Read(t.Context(), l.req, got.emit)
			require.NoError(t, err)
			same(t, l.want, got.conns)
			complete(t, r)
		})
		t.Run("a key that may not read", func(t *testing.T) {
			err := read(key(t, []any{object{"names": []any{"other"}, "privileges": []any{"read"}}}))
			require.Truef(t, es.Is(err, es.Permission), "%v", err)
			require.Contains(t, err.Error(), "one of the index privileges read,all on "+l.index)
		})
		t.Run("a key that may read one of two", func(t *testing.T) {
			other := c.index(t, 1)
			_, err := l.source(t, key(t, []any{object{"names": []any{l.index}, "privileges": []any{"read"}}}), Options{Index: []string{l.index, other}}).
				Read(t.Context(), l.req, new(collector).emit)
			require.Truef(t, es.Is(err, es.Permission), "what may not be read is never left out in silence: %v", err)
			require.Contains(t, err.Error(), other)
		})
	})
}

func TestNothingThere(t *testing.T) {
	forEachLine(t, func(t *testing.T, c cluster) {
		l := c.loaded(t, 22, 200)
		read := func(t *testing.T, index string, req hunt.Request) (hunt.Reading, error) {
			return l.source(t, c.Client, Options{Index: []string{index}}).Read(t.Context(), req, new(collector).emit)
		}
		t.Run("no such index", func(t *testing.T) {
			_, err := read(t, "dwelltest-missing", l.req)
			require.True(t, es.Is(err, es.NotFound), "%v", err)
			require.ErrorContains(t, err, "dwelltest-missing")
			require.ErrorContains(t, err, "no such index")
		})
		t.Run("one of two indices is missing", func(t *testing.T) {
			var got collector
			r, err := l.source(t, c.Client, Options{Index: []string{l.index, "dwelltest-missing"}}).Read(t.Context(), l.req, got.emit)
			require.NoError(t, err)
			same(t, l.want, got.conns)
			complete(t, r)
			require.Empty(t, r.Notes)
		})
		t.Run("an index without Zeek data", func(t *testing.T) {
			index := c.index(t, 1)
			c.load(t, index, []record{{Connection: hunt.Connection{Start: day.UnixMilli(), Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("8.8.8.8")}, dataset: "system.auth"}})
			_, err := read(t, index, l.req)
			require.True(t, es.Is(err, es.NotFound), "%v", err)
			require.ErrorContains(t, err, `it holds "system.auth"`)
		})
		t.Run("an empty index", func(t *testing.T) {
			_, err := read(t, c.index(t, 1), l.req)
			require.True(t, es.Is(err, es.NotFound), "%v", err)
		})
		t.Run("an index with none of the fields", func(t *testing.T) {
			name := c.index(t, 1) + "x"
			c.do(t, "PUT", "/"+name, object{})
			t.Cleanup(func() { _ = c.Do(t.Context(), es.Call{Request: es.Request{Method: "DELETE", Path: "/" + name}}) })
			_, err := read(t, name, l.req)
			require.True(t, es.Is(err, es.NotFound), "%v", err)
			c.do(t, "DELETE", "/"+name, nil)
		})
		t.Run("a window without data", func(t *testing.T) {
			req := l.req
			req.From, req.To = day.AddDate(0, 0, 7), day.AddDate(0, 0, 8)
			r, err := read(t, l.index, req)
			require.NoError(t, err)
			require.Empty(t, r.Gaps)
			require.Zero(t, r.Connections)
			require.Contains(t, notes(r), "no connection in the window; the newest one started 2026-03-01T00:")
			require.Contains(t, notes(r), " ago")
		})
		t.Run("a window with nothing in scope", func(t *testing.T) {
			req := l.req
			req.Scope = hunt.NewScope([]netip.Prefix{netip.MustParsePrefix("172.31.255.0/24")}, hunt.Outbound)
			r, err := read(t, l.index, req)
			require.NoError(t, err)
			require.Contains(t, notes(r), "none is outbound by the internal networks given")
			require.Contains(t, notes(r), "--internal")
		})
		t.Run("events in the future", func(t *testing.T) {
			index := c.index(t, 1)
			conn := hunt.Connection{Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("8.8.8.8")}
			past, future := record{Connection: conn, dataset: datasetConn}, record{Connection: conn, dataset: datasetConn}
			past.Start, future.Start = time.Now().Add(-time.Hour).UnixMilli(), time.Now().Add(time.Hour).UnixMilli()
			c.load(t, index, []record{past, future, future})
			var got collector
			r, err := l.source(t, c.Client, Options{Index: []string{index}}).Read(t.Context(), hunt.Request{Settle: 5 * time.Minute, Scope: l.req.Scope}, got.emit)
			require.NoError(t, err)
			require.EqualValues(t, 1, got.total, "the last 24 hours up to now less five minutes")
			require.WithinDuration(t, time.Now().Add(-5*time.Minute), r.Window.End, 2*time.Minute)
			require.Equal(t, 24*time.Hour, r.Window.Duration())
			require.Contains(t, notes(r), "2 connections start in the future")
		})
	})
}

func TestMappings(t *testing.T) {
	forEachLine(t, func(t *testing.T, c cluster) {
		recs := traffic(23, 300, time.Hour)
		scope := hunt.NewScope(nil, hunt.Outbound)
		req := hunt.Request{From: day, To: day.Add(time.Hour), Scope: scope}
		other := func(t *testing.T, change func(props object)) string {
			name := c.index(t, 2)
			c.do(t, "DELETE", "/"+name, nil)
			m := mapping()
			delete(m, "dynamic_templates")
			change(m["properties"].(object))
			c.do(t, "PUT", "/"+name, object{"settings": object{"number_of_replicas": 0}, "mappings": m})
			return name
		}
		t.Run("fault 11, an address that is text", func(t *testing.T) {
			name := other(t, func(p object) {
				p["source"] = object{"properties": object{"ip": object{"type": "keyword"}, "port": object{"type": "long"}}}
			})
			c.load(t, name, recs)
			l := loaded{cluster: c}
			_, err := l.source(t, c.Client, Options{Index: []string{name}}).Read(t.Context(), req, new(collector).emit)
			require.True(t, es.Is(err, es.Mapping), "%v", err)
			require.ErrorContains(t, err, "source.ip is of type keyword in "+name)
			good := c.index(t, 1)
			c.load(t, good, recs)
			var got collector
			r, err := l.source(t, c.Client, Options{Index: []string{good, name}}).Read(t.Context(), req, got.emit)
			require.NoError(t, err)
			same(t, expected(recs, scope, req.From, req.To), got.conns)
			require.Len(t, r.Gaps, 1)
			require.Contains(t, r.Gaps[0].What, "source.ip is of type keyword in "+name)
			later := hunt.Request{From: day.Add(48 * time.Hour), To: day.Add(49 * time.Hour), Scope: scope}
			c.load(t, good, moved(recs, 48*time.Hour))
			got = collector{}
			r, err = l.source(t, c.Client, Options{Index: []string{good, name}}).Read(t.Context(), later, got.emit)
			require.NoError(t, err)
			require.Empty(t, r.Gaps, "what is outside the window may be mapped as it likes")
			require.EqualValues(t, sum(expected(recs, scope, req.From, req.To)), got.total)
		})
		t.Run("fields that no record has", func(t *testing.T) {
			name := other(t, func(p object) {
				delete(p, "client")
				delete(p, "server")
				p["network"] = object{"properties": object{"transport": object{"type": "keyword"}, "protocol": object{"type": "keyword"}}}
			})
			poor := make([]record, len(recs))
			for i, r := range recs {
				r.OrigBytes, r.RespBytes, r.OrigIPBytes = hunt.Absent, hunt.Absent, hunt.Absent
				poor[i] = r
			}
			c.load(t, name, poor)
			l := loaded{cluster: c}
			var got collector
			r, err := l.source(t, c.Client, Options{Index: []string{name}}).Read(t.Context(), req, got.emit)
			require.NoError(t, err)
			same(t, expected(poor, scope, req.From, req.To), got.conns)
			complete(t, r)
			require.Contains(t, notes(r), "client.ip_bytes, client.bytes, server.bytes: not in any of the indices")
		})
		t.Run("numbers of different kinds, and a field in one index only", func(t *testing.T) {
			name := other(t, func(p object) {
				p["source"] = object{"properties": object{"ip": object{"type": "ip"}, "port": object{"type": "integer"}}}
				p["client"] = object{"properties": object{"ip_bytes": object{"type": "integer"}, "bytes": object{"type": "long"}}}
				delete(p, "server")
			})
			good := c.index(t, 2)
			poor := make([]record, len(recs))
			for i, r := range recs {
				r.RespBytes = hunt.Absent
				poor[i] = r
			}
			recs := traffic(123, 300, time.Hour)
			c.load(t, name, poor)
			c.load(t, good, recs)
			l := loaded{cluster: c}
			var got collector
			r, err := l.source(t, c.Client, Options{Index: []string{name, good}, SliceDocs: 50}).Read(t.Context(), req, got.emit)
			require.NoError(t, err)
			same(t, expected(append(poor, recs...), scope, req.From, req.To), got.conns)
			complete(t, r)
		})
	})
}

// A data stream whose backing index was rolled over is read whole, each connection once.
func TestRolledOverDataStream(t *testing.T) {
	forEachLine(t, func(t *testing.T, c cluster) {
		name := c.stream(t)
		recs := traffic(24, 900, time.Hour)
		c.load(t, name, recs[:300])
		c.do(t, "POST", "/"+name+"/_rollover", nil)
		c.load(t, name, recs[300:])
		l := loaded{cluster: c}
		scope := hunt.NewScope(nil, hunt.Outbound)
		req := hunt.Request{From: day, To: day.Add(time.Hour), Scope: scope}
		var got collector
		r, err := l.source(t, c.Client, Options{Index: []string{name}, SliceDocs: 100}).Read(t.Context(), req, got.emit)
		require.NoError(t, err)
		same(t, expected(recs, scope, req.From, req.To), got.conns)
		complete(t, r)
	})
}

// canned answers what comes before the plan, so that choices can be tested without a cluster.
func canned(remotes, clock estest.Reply) *estest.Fake {
	return &estest.Fake{Handle: func(_ int, r estest.Request) estest.Reply {
		switch {
		case r.Is("/_remote/info"):
			return remotes
		case strings.Contains(r.Path, "/_nodes/"):
			return clock
		case r.Is("/_search"):
			return estest.JSON(`{"took":1,"timed_out":false,"_shards":{"total":1,"successful":1,"skipped":0,"failed":0}}`)
		}
		return estest.JSON("{}")
	}}
}

func cannedSource(t *testing.T, fake *estest.Fake) *Source {
	t.Helper()
	c, err := es.New(es.Config{Addresses: []string{"http://es.invalid:9200"}, Transport: fake, MaxRetries: -1})
	require.NoError(t, err)
	s, err := New(c, Options{Now: func() time.Time { return day }})
	require.NoError(t, err)
	return s
}

func TestAutoChoosesIndices(t *testing.T) {
	denied := estest.Error(403, "security_exception", "no monitor")
	for _, c := range []struct {
		name    string
		remotes estest.Reply
		want    []string
		notes   int
	}{
		{"no remotes", estest.JSON("{}"), []string{"logs-zeek-so", "logs-import-so"}, 0},
		{"remotes", estest.JSON(`{"manager":{"connected":true},"heavy":{"connected":false}}`), []string{"*:logs-zeek-so", "*:logs-import-so"}, 0},
		{"not allowed to ask", denied, []string{"logs-zeek-so", "logs-import-so"}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, notes, err := cannedSource(t, canned(c.remotes, estest.JSON("{}"))).indices(t.Context())
			require.NoError(t, err)
			require.Equal(t, c.want, got)
			require.Len(t, notes, c.notes)
		})
	}
	_, _, err := cannedSource(t, canned(estest.Error(401, "security_exception", "x"), estest.Reply{})).indices(t.Context())
	require.True(t, es.Is(err, es.Auth))
}

func TestDoubleCountIsToldOf(t *testing.T) {
	require.Len(t, doubleCount([]string{"logs-zeek-so", "*:logs-zeek-so"}), 1)
	require.Empty(t, doubleCount([]string{"logs-import-so", "*:logs-zeek-so"}))
	require.Empty(t, doubleCount([]string{"logs-zeek-so", "heavy1:logs-zeek-so"}), "a heavy node's own index is not the manager's")
}

// Fault 12: the window follows the cluster's clock, and a difference is told.
func TestClocks(t *testing.T) {
	at := func(d time.Duration) estest.Reply {
		return estest.JSON(fmt.Sprintf(`{"nodes":{"n":{"timestamp":%d}}}`, time.Now().Add(d).UnixMilli()))
	}
	for _, c := range []struct {
		name string
		skew time.Duration
		note string
	}{
		{"together", 0, ""},
		{"the cluster is ahead", 6*time.Minute + 500*time.Millisecond, "behind the cluster's"},
		{"the cluster is behind", -6 * time.Minute, "6m0s ahead of the cluster's"},
	} {
		t.Run(c.name, func(t *testing.T) {
			now, notes, err := cannedSource(t, canned(estest.JSON("{}"), at(c.skew))).clock(t.Context())
			require.NoError(t, err)
			require.WithinDuration(t, time.Now().Add(c.skew), now, 30*time.Second)
			if c.note == "" {
				require.Empty(t, notes)
				return
			}
			require.Len(t, notes, 1)
			require.Contains(t, notes[0].What, c.note)
		})
	}
	t.Run("not allowed to ask", func(t *testing.T) {
		now, notes, err := cannedSource(t, canned(estest.JSON("{}"), estest.Error(403, "security_exception", "x"))).clock(t.Context())
		require.NoError(t, err)
		require.Equal(t, day, now, "our own clock")
		require.Len(t, notes, 1)
	})
	t.Run("no node answers", func(t *testing.T) {
		_, _, err := cannedSource(t, canned(estest.JSON("{}"), estest.JSON(`{"nodes":{}}`))).clock(t.Context())
		require.Error(t, err)
	})
}

// With auto, an index that may not be read is told and left out; when none may be read, that is the error.
func TestAutoWithoutRights(t *testing.T) {
	for _, c := range []struct {
		denied []string
		fails  bool
	}{{nil, false}, {[]string{"logs-import-so"}, false}, {[]string{"logs-import-so", "logs-zeek-so"}, true}} {
		fake := &estest.Fake{Handle: func(_ int, r estest.Request) estest.Reply {
			for _, d := range c.denied {
				if strings.Contains(r.Path, d) {
					return estest.Error(403, "security_exception", "action [indices:data/read/search] is unauthorized on indices ["+d+"]")
				}
			}
			return estest.JSON(`{"took":1,"timed_out":false,"_shards":{"total":1,"successful":1,"skipped":0,"failed":0}}`)
		}}
		r := newReading(cannedSource(t, fake), &place{names: []string{"logs-zeek-so", "logs-import-so"}}, log{rows: rowsOf(connection(), nil)}, hunt.Request{})
		err := r.readable(t.Context())
		require.Equal(t, c.fails, es.Is(err, es.Permission), "%v", err)
		if !c.fails {
			require.NoError(t, err)
			require.Len(t, r.notes, len(c.denied))
		}
	}
}

// A grid that uses Suricata for metadata is named as such.
func TestSuricataGridIsNamed(t *testing.T) {
	none := `{"took":1,"timed_out":false,"_shards":{"total":%d,"successful":%d,"skipped":0,"failed":0},"hits":{"total":{"value":0,"relation":"eq"},"hits":[%s]}}`
	fake := &estest.Fake{Handle: func(_ int, r estest.Request) estest.Reply {
		switch {
		case r.Is("/_remote/info"):
			return estest.JSON("{}")
		case strings.Contains(r.Path, "/_nodes/"):
			return estest.JSON(fmt.Sprintf(`{"nodes":{"n":{"timestamp":%d}}}`, time.Now().UnixMilli()))
		case strings.Contains(r.Path, "logs-suricata-so"):
			return estest.JSON(fmt.Sprintf(none, 1, 1, `{"sort":[1772323200000]}`))
		case r.Is("/_search"):
			return estest.JSON(fmt.Sprintf(none, 0, 0, ""))
		}
		return estest.JSON(`{"indices":[],"fields":{}}`)
	}}
	_, err := cannedSource(t, fake).Read(t.Context(), hunt.Request{Scope: hunt.NewScope(nil, hunt.Outbound)}, new(collector).emit)
	require.True(t, es.Is(err, es.NotFound), "%v", err)
	require.ErrorContains(t, err, "this grid uses Suricata for metadata")
	require.ErrorContains(t, err, "logs-zeek-so,logs-import-so")
}

func TestResolveWindow(t *testing.T) {
	now := day.Add(10 * time.Hour)
	at := func(h int) time.Time { return day.Add(time.Duration(h) * time.Hour) }
	for _, c := range []struct {
		name string
		req  hunt.Request
		want hunt.Window
	}{
		{"nothing given", hunt.Request{}, hunt.Window{Start: at(-14), End: at(10)}},
		{"settle", hunt.Request{Settle: time.Hour}, hunt.Window{Start: at(-15), End: at(9)}},
		{"since", hunt.Request{Since: 2 * time.Hour, Settle: time.Hour}, hunt.Window{Start: at(7), End: at(9)}},
		{"from", hunt.Request{From: at(1), Settle: time.Hour}, hunt.Window{Start: at(1), End: at(9)}},
		{"to", hunt.Request{To: at(5), Settle: time.Hour}, hunt.Window{Start: at(-19), End: at(5)}},
		{"to and since", hunt.Request{To: at(5), Since: time.Hour}, hunt.Window{Start: at(4), End: at(5)}},
		{"both", hunt.Request{From: at(1), To: at(2), Settle: time.Hour}, hunt.Window{Start: at(1), End: at(2)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := c.req.WindowAt(now)
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(c.want, got))
		})
	}
	_, err := (&hunt.Request{From: at(2), To: at(1)}).WindowAt(now)
	require.Error(t, err)
}

func TestOptionsNameEveryMistake(t *testing.T) {
	_, err := New(nil, Options{SliceDocs: MaxPage + 1, Concurrency: -1, MaxPage: -1, Index: []string{""}})
	for _, want := range []string{"65537", "concurrency", "page of -1", "index name is empty"} {
		require.ErrorContains(t, err, want)
	}
}

func TestGroup(t *testing.T) {
	const minute = 60_000
	counts := []bucket{{0, 5}, {minute, 5}, {3 * minute, 1}, {4 * minute, 50}, {5 * minute, 1}, {9 * minute, 9}}
	want := []slice{
		{From: 30_000, To: 2 * minute, Expected: 10},
		{From: 3 * minute, To: 4 * minute, Expected: 1},
		{From: 4 * minute, To: 5 * minute, Expected: 50},
		{From: 5 * minute, To: 9*minute + 1, Expected: 10},
	}
	got := group(counts, 30_000, 9*minute+1, minute, 10)
	require.Empty(t, cmp.Diff(want, got, cmp.AllowUnexported(slice{})))
}

// Progress never goes back, and ends where all is done.
func TestProgress(t *testing.T) {
	forEachLine(t, func(t *testing.T, c cluster) {
		l := c.loaded(t, 25, 500)
		var seen []hunt.Progress
		req := l.req
		req.Progress = func(p hunt.Progress) { seen = append(seen, p) }
		r, err := l.source(t, c.Client, Options{SliceDocs: 50, Concurrency: 1}).Read(t.Context(), req, new(collector).emit)
		require.NoError(t, err)
		require.Greater(t, len(seen), 3)
		for i := 1; i < len(seen); i++ {
			require.GreaterOrEqual(t, seen[i].Done, seen[i-1].Done)
			require.GreaterOrEqual(t, seen[i].Connections, seen[i-1].Connections)
		}
		last := seen[len(seen)-1]
		require.Equal(t, hunt.Progress{Done: int64(len(r.Slices)), Total: int64(len(r.Slices)), Unit: "slices", Connections: r.Connections}, last)
	})
}
