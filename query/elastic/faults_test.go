package elastic

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/es"
	"dwell/internal/es/estest"
	"dwell/internal/hunt"

	"dwell/integration/testnode"
)

// loaded is an index with an hour of traffic and the expected result of reading it.
type loaded struct {
	cluster
	index string
	req   hunt.Request
	want  map[hunt.Connection]int64
}

func (c cluster) loaded(t *testing.T, seed uint64, n int) loaded {
	t.Helper()
	recs := traffic(seed, n, time.Hour)
	l := loaded{cluster: c, index: c.index(t, 2)}
	c.load(t, l.index, recs)
	l.req = hunt.Request{From: day, To: day.Add(time.Hour), Scope: hunt.NewScope(nil, hunt.Outbound)}
	l.want = expected(recs, l.req.Scope, l.req.From, l.req.To)
	return l
}

func (l loaded) source(t *testing.T, client *es.Client, opt Options) *Source {
	t.Helper()
	if opt.Index == nil {
		opt.Index = []string{l.index}
	}
	s, err := New(client, opt)
	require.NoError(t, err)
	s.pause = time.Millisecond
	return s
}

// behind puts a fake before the real server.
func (c cluster) behind(t *testing.T, fake *estest.Fake, change func(*es.Config)) *es.Client {
	t.Helper()
	next, err := es.Network(c.cfg)
	require.NoError(t, err)
	fake.Next = next
	return c.with(t, func(cfg *es.Config) {
		cfg.Transport, cfg.BackoffMin, cfg.BackoffMax = fake, time.Millisecond, 2*time.Millisecond
		if change != nil {
			change(cfg)
		}
	})
}

// isPage selects the requests for connections.
func isPage(r estest.Request) bool {
	return r.Is("/_search") && strings.Contains(string(r.Body), `"composite"`)
}

// isHistogram selects the counts of plan and refine.
func isHistogram(r estest.Request) bool {
	return r.Is("/_search") && strings.Contains(string(r.Body), `"date_histogram"`)
}

func times(n int, r estest.Reply) []estest.Reply {
	out := make([]estest.Reply, n)
	for i := range out {
		out[i] = r
	}
	return out
}

func pages(fake *estest.Fake) (n int) {
	for _, r := range fake.Requests() {
		if isPage(r) {
			n++
		}
	}
	return n
}

// Temporary faults: the window is complete and exact, and nothing was emitted twice (docs/facts/elasticsearch.md, 3.3,
// by number).
func TestReadSurvives(t *testing.T) {
	attempts := 1 + es.DefaultMaxRetries
	c := shared(t, testnode.Line8) // The faults are the fake's, whatever the line.
	l := c.loaded(t, 11, 1000)
	for _, f := range []struct {
		name    string
		pick    func(estest.Request) bool
		replies []estest.Reply
		timeout time.Duration
		note    string
	}{
		{name: "fault 1, queue full, for less than the retries", pick: isPage, replies: times(3, estest.Rejected())},
		{name: "fault 1, queue full, for longer", pick: isPage, replies: times(2*attempts, estest.Rejected()), note: "too busy"},
		{name: "fault 2, node restarting", pick: isPage, replies: times(3, estest.Error(503, "no_shard_available_action_exception", "x"))},
		{name: "fault 3, connection cut", pick: isPage, replies: []estest.Reply{{Err: io.ErrUnexpectedEOF}, {Err: io.EOF}}},
		{name: "fault 3, answer cut", pick: isPage, replies: times(2, estest.Reply{Status: 200, Body: `{"took":1,"timed_out":fal`, Cut: 20})},
		{name: "a proxy's page", pick: isPage, replies: times(2, estest.HTML())},
		{name: "an answer without connections", pick: isPage, replies: times(2, estest.JSON(`{"took":1,"timed_out":false,"_shards":{"total":1,"successful":1,"skipped":0,"failed":0},"aggregations":{}}`))},
		{name: "an answer that ends within its page", pick: isPage, replies: times(2, estest.JSON(`{"took":1,"timed_out":false,"_shards":{"total":1,"successful":1,"skipped":0,"failed":0},"aggregations":{"c":{"buckets":[{"key":{"t":1772323200000,"s":"10.0.0.1","d":"8.8.8.8"},"doc_count":3},`))},
		{name: "fault 4, slow node", pick: isPage, replies: times(2, estest.Reply{Stall: true}), timeout: 2 * time.Second, note: "timed out"},
		{name: "fault 5, failed shard once", pick: isPage, replies: times(1, estest.ShardFailed(1, 2, "illegal_state_exception", "x"))},
		{name: "fault 6, timed out", pick: isPage, replies: times(2, estest.TimedOut()), note: "timed out"},
		{name: "fault 7, too many buckets in a 200", pick: isPage, replies: times(2, estest.ShardFailed(1, 2, "too_many_buckets_exception", "x")), note: "smaller slices"},
		{name: "fault 8, breaker that lets go", pick: isPage, replies: times(2*attempts, estest.Breaker(false)), note: "too busy"},
		{name: "fault 8, breaker that does not", pick: isPage, replies: times(3, estest.Breaker(true)), note: "smaller slices"},
		{name: "the plan itself is too big", pick: isHistogram, replies: times(2, estest.Error(400, "too_many_buckets_exception", "x"))},
		{name: "cutting a slice times out", pick: func(r estest.Request) bool {
			return isPage(r) || isHistogram(r) && strings.Contains(string(r.Body), `"fixed_interval":"14`)
		},
			replies: times(2, estest.TimedOut()), note: "timed out"},
	} {
		t.Run(f.name, func(t *testing.T) {
			fake := new(estest.Fake).When(f.pick, f.replies...)
			client := c.behind(t, fake, func(cfg *es.Config) { cfg.Timeout = f.timeout })
			var got collector
			r, err := l.source(t, client, Options{SliceDocs: 200}).Read(t.Context(), l.req, got.emit)
			require.NoError(t, err)
			same(t, l.want, got.conns)
			complete(t, r)
			require.Contains(t, notes(r), f.note)
			if f.note == "" {
				require.Empty(t, r.Notes)
			}
		})
	}
}

// Permanent faults: everything readable is read, and the rest is named, with its count.
func TestReadIsIncomplete(t *testing.T) {
	c := shared(t, testnode.Line8) // The faults are the fake's, whatever the line.
	l := c.loaded(t, 12, 2000)
	for _, f := range []struct {
		name    string
		replies []estest.Reply
		say     string
	}{
		{"fault 5, one slice's shards stay failed", times(1+es.DefaultMaxRetries, estest.ShardFailed(1, 2, "illegal_state_exception", "boom")), "1 of 2 shards failed"},
		{"fault 2, shards stay away", times(1+es.DefaultMaxRetries, estest.Error(503, "no_shard_available_action_exception", "x")), "no_shard_available_action_exception"},
	} {
		t.Run(f.name, func(t *testing.T) {
			fake := new(estest.Fake).When(isPage, f.replies...)
			client := c.behind(t, fake, nil)
			var got collector
			r, err := l.source(t, client, Options{SliceDocs: 200, Concurrency: 1}).Read(t.Context(), l.req, got.emit)
			require.NoError(t, err)
			require.Len(t, r.Gaps, 1)
			gap := r.Gaps[0]
			require.Contains(t, gap.String(), f.say)
			require.Contains(t, gap.Where, "2026-03-01T00:0", "the slice is named by its time")
			require.Positive(t, r.Slices[0].Expected)
			require.Equal(t, sum(l.want)-r.Slices[0].Expected, r.Connections)
			require.Equal(t, r.Connections, got.total)
			for conn, n := range got.conns {
				require.Equal(t, l.want[conn], n)
			}
			require.Zero(t, r.Slices[0].Read)
		})
	}
	t.Run("a cluster that answers nothing is not asked for every slice", func(t *testing.T) {
		fake := new(estest.Fake).When(isPage, times(10_000, estest.ShardFailed(2, 2, "illegal_state_exception", "boom"))...)
		r, err := l.source(t, c.behind(t, fake, nil), Options{SliceDocs: 20, Concurrency: 1}).Read(t.Context(), l.req, new(collector).emit)
		require.NoError(t, err)
		require.Greater(t, len(r.Slices), 50)
		require.Len(t, r.Gaps, len(r.Slices))
		var lost int64
		for _, s := range r.Slices {
			lost += s.Expected - s.Read
		}
		require.Equal(t, sum(l.want), lost)
		require.Equal(t, maxLost*(1+es.DefaultMaxRetries), pages(fake))
	})
}

// Faults that end a hunt: an error of a kind that the command line handles.
func TestReadStops(t *testing.T) {
	c := shared(t, testnode.Line8) // The faults are the fake's, whatever the line.
	l := c.loaded(t, 13, 500)
	for _, f := range []struct {
		name  string
		reply estest.Reply
		kind  es.Kind
	}{
		{"fault 16, key expired in mid-hunt", estest.Error(401, "security_exception", "expired"), es.Auth},
		{"fault 16, right taken away in mid-hunt", estest.Error(403, "security_exception", "action [indices:data/read/search] is unauthorized"), es.Permission},
		{"a bug", estest.Error(400, "parsing_exception", "x"), es.Fatal},
	} {
		t.Run(f.name, func(t *testing.T) {
			fake := new(estest.Fake).When(isPage, f.reply)
			_, err := l.source(t, c.behind(t, fake, nil), Options{SliceDocs: 50}).Read(t.Context(), l.req, new(collector).emit)
			require.True(t, es.Is(err, f.kind), "%v", err)
			require.Contains(t, err.Error(), "slice 2026-03-01T00:")
		})
	}
	t.Run("emit's error", func(t *testing.T) {
		full := errors.New("disk full")
		var calls sync.Map
		_, err := l.source(t, c.Client, Options{SliceDocs: 50}).Read(t.Context(), l.req, func(b []hunt.Connection) error {
			calls.Store(&b[0], true)
			return full
		})
		require.ErrorIs(t, err, full)
	})
	t.Run("canceled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		_, err := l.source(t, c.Client, Options{SliceDocs: 20, Concurrency: 1}).Read(ctx, l.req, func([]hunt.Connection) error { cancel(); return nil })
		require.ErrorIs(t, err, context.Canceled)
	})
}

// Fault 10: Security Onion's disk cleaner deletes the index during reading.
func TestIndexDeletedInMidHunt(t *testing.T) {
	forEachLine(t, func(t *testing.T, c cluster) {
		for _, how := range []string{"the only one", "one of two"} {
			t.Run(how, func(t *testing.T) {
				l := c.loaded(t, 15, 800)
				var kept int64
				opt := Options{SliceDocs: 100, Concurrency: 1}
				if how == "one of two" {
					other := c.loaded(t, 16, 500)
					opt.Index = []string{l.index, other.index}
					for conn, n := range other.want {
						l.want[conn] += n
						kept += n
					}
				}
				var got collector
				var once sync.Once
				r, err := l.source(t, c.Client, opt).Read(t.Context(), l.req, func(b []hunt.Connection) error {
					once.Do(func() {
						_ = c.Do(context.Background(), es.Call{Op: "delete", Request: es.Request{Method: "DELETE", Path: "/" + l.index}})
					})
					return got.emit(b)
				})
				require.NoError(t, err)
				require.NotEmpty(t, r.Gaps)
				require.Contains(t, notes(r), "were removed from the cluster during the hunt")
				var lost int64
				for _, s := range r.Slices {
					lost += s.Expected - s.Read
				}
				require.Equal(t, sum(l.want), lost+got.total, "every connection was read or is in a gap")
				require.Equal(t, got.total, r.Connections)
				require.GreaterOrEqual(t, got.total, kept)
			})
		}
	})
}

// endsOf returns the first and the last connection in scope.
func endsOf(recs []record, scope hunt.Scope) (first, last record) {
	for _, r := range recs {
		if r.dataset == datasetConn && scope.Keep(r.Src, r.Dst) {
			if first.dataset == "" || r.Start < first.Start {
				first = r
			}
			if r.Start > last.Start {
				last = r
			}
		}
	}
	return first, last
}

// Fault 13: documents arrive during reading, in a part not yet read and in one already read.
func TestLateDocuments(t *testing.T) {
	forEachLine(t, func(t *testing.T, c cluster) {
		recs := traffic(17, 2000, time.Hour)
		l := loaded{cluster: c, index: c.index(t, 2)}
		c.load(t, l.index, recs)
		l.req = hunt.Request{From: day, To: day.Add(time.Hour), Scope: hunt.NewScope(nil, hunt.Outbound)}
		want := expected(recs, l.req.Scope, l.req.From, l.req.To)
		first, last := endsOf(recs, l.req.Scope)
		other := last
		last.SrcPort, other.SrcPort = last.SrcPort^1, last.SrcPort^2
		var got collector
		var once sync.Once
		r, err := l.source(t, c.Client, Options{SliceDocs: 100, Concurrency: 1}).Read(t.Context(), l.req, func(b []hunt.Connection) error {
			once.Do(func() { c.load(t, l.index, []record{first, last, other}) })
			return got.emit(b)
		})
		require.NoError(t, err)
		for _, r := range []record{last, other} {
			late := r.Connection
			late.Count = 0
			want[late]++
		}
		same(t, want, got.conns)
		complete(t, r)
		require.Contains(t, notes(r), "1 more connections of the window arrived while it was read")

		// Much that arrives meanwhile is a window that was not over.
		many := make([]record, 200)
		for i := range many {
			many[i] = first
			many[i].SrcPort, many[i].Start = uint16(20_000+i), first.Start+int64(i%2)
		}
		once = sync.Once{}
		r, err = l.source(t, c.Client, Options{SliceDocs: 100, Concurrency: 1}).Read(t.Context(), l.req, func([]hunt.Connection) error {
			once.Do(func() { c.load(t, l.index, many) })
			return nil
		})
		require.NoError(t, err)
		require.NotEmpty(t, r.Gaps)
		require.Contains(t, r.Gaps[0].What, "more connections of the window arrived while it was read")
	})
}

// A window that is not over by the cluster's clock is incomplete.
func TestWindowNotOver(t *testing.T) {
	c := shared(t, testnode.Line8)
	l := c.loaded(t, 19, 200)
	l.req.To = time.Now().UTC().Add(time.Hour)
	r, err := l.source(t, c.Client, Options{}).Read(t.Context(), l.req, new(collector).emit)
	require.NoError(t, err)
	require.Len(t, r.Gaps, 1)
	require.Contains(t, r.Gaps[0].What, "the window is not over")
}

// One record never spoils the rest: a hostile value in each field read, among valid connections.
func TestHostileValues(t *testing.T) {
	forEachLine(t, func(t *testing.T, c cluster) {
		recs := traffic(61, 400, time.Hour)
		scope := hunt.NewScope(nil, hunt.Outbound)
		req := hunt.Request{From: day, To: day.Add(time.Hour), Scope: scope}
		const good = `"source":{"ip":"10.9.9.9","port":5},"destination":{"ip":"8.8.8.8","port":443}`
		for name, fields := range map[string]string{
			"source port too large":        `"source":{"ip":"10.9.9.9","port":70000},"destination":{"ip":"8.8.8.8","port":443}`,
			"destination port negative":    `"source":{"ip":"10.9.9.9","port":5},"destination":{"ip":"8.8.8.8","port":-1}`,
			"destination port beyond hope": `"source":{"ip":"10.9.9.9","port":5},"destination":{"ip":"8.8.8.8","port":9223372036854775807}`,
			"two source ports":             `"source":{"ip":"10.9.9.9","port":[5,6]},"destination":{"ip":"8.8.8.8","port":443}`,
			"two sources":                  `"source":{"ip":["10.9.9.9","10.9.9.8"],"port":5},"destination":{"ip":"8.8.8.8","port":443}`,
			"two destinations":             `"source":{"ip":"10.9.9.9","port":5},"destination":{"ip":["8.8.8.8","9.9.9.9"],"port":443}`,
			"two services":                 good + `,"network":{"protocol":["ssl","http"],"transport":"tcp"}`,
			"two transports":               good + `,"network":{"transport":["tcp","udp"]}`,
			"many of everything":           `"source":{"ip":["10.9.9.9","10.9.9.8"],"port":[1,2,3]},"destination":{"ip":["8.8.8.8","8.8.4.4"],"port":[4,5]},"client":{"bytes":[1,2]}`,
			"duration near the end":        good + `,"event":{"dataset":"zeek.conn","duration":9223372036854775807}`,
			"duration negative":            good + `,"event":{"dataset":"zeek.conn","duration":-5}`,
			"bytes near the end":           good + `,"client":{"bytes":9223372036854775807,"ip_bytes":9223372036854775807},"server":{"bytes":9223372036854775807}`,
			"bytes negative":               good + `,"client":{"bytes":-1,"ip_bytes":-2},"server":{"bytes":-3}`,
			"bytes a list":                 good + `,"client":{"bytes":[1,2,3]},"server":{"bytes":[4,5]}`,
			"service long":                 good + `,"network":{"protocol":"` + strings.Repeat("x", 1000) + `"}`,
		} {
			t.Run(name, func(t *testing.T) {
				index := c.index(t, 1)
				c.load(t, index, recs)
				if !strings.Contains(fields, `"event"`) {
					fields += `,"event":{"dataset":"zeek.conn"}`
				}
				c.bulk(t, index, []byte("{\"create\":{}}\n"+fmt.Sprintf(`{"@timestamp":%d,%s}`, day.Add(time.Minute).UnixMilli(), fields)+"\n"))
				c.do(t, "POST", "/"+index+"/_refresh", nil)
				var got collector
				l := loaded{cluster: c, index: index}
				r, err := l.source(t, c.Client, Options{SliceDocs: 100}).Read(t.Context(), req, got.emit)
				require.NoError(t, err)
				require.Empty(t, r.Gaps)
				for conn, n := range expected(recs, scope, req.From, req.To) {
					require.Equal(t, n, got.conns[conn], "the others are as they were")
					delete(got.conns, conn)
				}
				require.Len(t, got.conns, 1, "and the odd one counts, without what cannot be")
				for conn := range got.conns {
					require.Equal(t, "10.9.9.9", conn.Src.String())
					require.Equal(t, "8.8.8.8", conn.Dst.String())
					require.Less(t, max(conn.Duration, conn.OrigBytes, conn.RespBytes, conn.OrigIPBytes), int64(1)<<51)
					require.GreaterOrEqual(t, min(conn.Duration, conn.OrigBytes, conn.RespBytes, conn.OrigIPBytes), int64(hunt.Absent))
				}
				if name != "service long" {
					require.NotEmpty(t, r.Notes, "and that is said")
				}
			})
		}
	})
}

// A search silently ignores a closed index; one that may have data of the window is a gap.
func TestClosedIndices(t *testing.T) {
	forEachLine(t, func(t *testing.T, c cluster) {
		scope := hunt.NewScope(nil, hunt.Outbound)
		req := hunt.Request{From: day, To: day.Add(time.Hour), Scope: scope}
		old, recs := moved(traffic(62, 300, time.Hour), -30*time.Minute), traffic(63, 300, time.Hour)
		read := func(t *testing.T, name string) hunt.Reading {
			l := loaded{cluster: c}
			r, err := l.source(t, c.Client, Options{Index: []string{name}}).Read(t.Context(), req, new(collector).emit)
			require.NoError(t, err)
			return r
		}
		closeFirst := func(t *testing.T, name string) string {
			var found resolved
			require.NoError(t, json.Unmarshal(c.do(t, "GET", "/_resolve/index/.ds-"+name+"-*?expand_wildcards=all", nil), &found))
			slices.SortFunc(found.Indices, func(a, b struct {
				Name       string   `json:"name"`
				Attributes []string `json:"attributes"`
				Stream     string   `json:"data_stream"`
			}) int {
				return strings.Compare(a.Name, b.Name)
			})
			first := found.Indices[0].Name
			c.do(t, "POST", "/"+first+"/_close", nil)
			return first
		}
		t.Run("of a stream, in the window", func(t *testing.T) {
			name := c.stream(t)
			c.load(t, name, old)
			c.do(t, "POST", "/"+name+"/_rollover", nil)
			c.load(t, name, recs)
			first := closeFirst(t, name)
			r := read(t, name)
			require.Len(t, r.Gaps, 1)
			require.Equal(t, first, r.Gaps[0].Where)
			require.EqualValues(t, sum(expected(recs, scope, req.From, req.To)), r.Connections, "the rest is read")
		})
		t.Run("of a stream, long before the window", func(t *testing.T) {
			name := c.stream(t)
			c.load(t, name, moved(old, -48*time.Hour))
			c.do(t, "POST", "/"+name+"/_rollover", nil)
			c.load(t, name, append(moved(recs, -24*time.Hour), recs...))
			closeFirst(t, name)
			require.Empty(t, read(t, name).Gaps)
		})
		t.Run("of a pattern", func(t *testing.T) {
			name := c.index(t, 1)
			c.do(t, "PUT", "/"+name+"-x", object{"mappings": mapping()})
			c.load(t, name, recs)
			c.do(t, "POST", "/"+name+"-x/_close", nil)
			defer c.do(t, "DELETE", "/"+name+"-x", nil)
			r := read(t, name+"*")
			require.Len(t, r.Gaps, 1)
			require.Equal(t, name+"-x", r.Gaps[0].Where)
		})
		t.Run("all of them", func(t *testing.T) {
			name := c.index(t, 1)
			c.load(t, name, recs)
			c.do(t, "POST", "/"+name+"/_close", nil)
			require.Len(t, read(t, name).Gaps, 1)
		})
	})
}

// moved are the same records at another time.
func moved(recs []record, by time.Duration) []record {
	out := make([]record, len(recs))
	for i, r := range recs {
		r.Start += by.Milliseconds()
		out[i] = r
	}
	return out
}
