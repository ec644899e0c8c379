package elastic

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"
	"github.com/stretchr/testify/require"

	"dwell/integration/load/sodoc"
	"dwell/internal/es"
	"dwell/internal/hunt"

	"dwell/integration/testnode"
)

// cluster is a real Elasticsearch.
type cluster struct {
	cfg es.Config
	*es.Client
}

func TestMain(m *testing.M) { os.Exit(testnode.Main(m)) }

// forEachLine runs a test on every available Elasticsearch line, in parallel, because tests mostly wait for the server.
func forEachLine(t *testing.T, test func(*testing.T, cluster)) {
	t.Helper()
	for _, line := range []testnode.Line{testnode.Line8, testnode.Line9} {
		t.Run(fmt.Sprintf("Elasticsearch %d", line), func(t *testing.T) {
			t.Parallel()
			test(t, shared(t, line))
		})
	}
}

// shared is the cluster shared by all tests of a line.
func shared(t *testing.T, line testnode.Line) cluster {
	n := testnode.ForTest(t, line)
	return connect(t, es.Config{Addresses: []string{n.URL}, CAFile: n.CAFile, Username: n.Username, Password: n.Password})
}

func connect(t *testing.T, cfg es.Config) cluster {
	t.Helper()
	c, err := es.New(cfg)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return cluster{cfg, c}
}

// with returns a second client of the same cluster with another configuration.
func (c cluster) with(t *testing.T, change func(*es.Config)) *es.Client {
	cfg := c.cfg
	change(&cfg)
	cl, err := es.New(cfg)
	require.NoError(t, err)
	return cl
}

func (c cluster) do(t *testing.T, method, path string, body any) json.RawMessage {
	t.Helper()
	var b []byte
	if body != nil {
		var err error
		b, err = json.Marshal(body)
		require.NoError(t, err)
	}
	var out json.RawMessage
	require.NoError(t, c.Do(t.Context(), es.Call{Op: method, Index: path, Request: es.Request{Method: method, Path: path, Body: b},
		Decode: func(b []byte) error { out = slices.Clone(b); return nil }}))
	return out
}

// mapping is Security Onion's, including dynamic templates.
func mapping() object {
	var t struct {
		Template struct {
			Mappings object `json:"mappings"`
		} `json:"template"`
	}
	if err := json.Unmarshal(sodoc.IndexTemplate(0), &t); err != nil {
		panic(err)
	}
	return t.Template.Mappings
}

// index creates an index for one test.
func (c cluster) index(t *testing.T, shards int) string {
	t.Helper()
	name := fmt.Sprintf("dwelltest-%08x", rand.Uint32())
	c.do(t, "PUT", "/"+name, object{"settings": object{"number_of_shards": shards, "number_of_replicas": 0}, "mappings": mapping()})
	t.Cleanup(func() {
		// Whatever stays is wiped before the next test.
		_ = c.Do(context.Background(), es.Call{Op: "delete", Index: name, Request: es.Request{Method: "DELETE", Path: "/" + name + "?ignore_unavailable=true"}})
	})
	return name
}

// stream returns the name of a data stream for one test; the first documents create it.
func (c cluster) stream(t *testing.T) string {
	t.Helper()
	name := c.index(t, 1) + "-stream"
	c.do(t, "PUT", "/_index_template/"+name, object{"index_patterns": []any{name}, "priority": 900, "data_stream": object{},
		"template": object{"settings": object{"number_of_shards": 2, "number_of_replicas": 0}, "mappings": mapping()}})
	t.Cleanup(func() { // the next package on this server cannot wipe a template in use
		for _, path := range []string{"/_data_stream/", "/_index_template/"} {
			_ = c.Do(context.Background(), es.Call{Op: "delete", Index: name, Request: es.Request{Method: "DELETE", Path: path + name}})
		}
	})
	return name
}

// record is one line of conn.log as Security Onion indexes it. seconds has the duration's fraction.
type record struct {
	hunt.Connection
	seconds float64
	dataset string
}

func (r record) document() object {
	d := object{"@timestamp": r.Start, "event": object{"dataset": r.dataset}}
	put := func(group, field string, v any) {
		g, ok := d[group].(object)
		if !ok {
			g = object{}
			d[group] = g
		}
		g[field] = v
	}
	put("source", "ip", r.Src.String())
	put("source", "port", r.SrcPort)
	put("destination", "ip", r.Dst.String())
	put("destination", "port", r.DstPort)
	if r.Proto != hunt.TransportUnknown {
		put("network", "transport", r.Proto.String())
	}
	if r.Service != "" {
		put("network", "protocol", r.Service)
	}
	if r.seconds >= 0 {
		put("event", "duration", r.seconds)
	}
	for _, b := range []struct {
		group, field string
		n            int64
	}{{"client", "bytes", r.OrigBytes}, {"client", "ip_bytes", r.OrigIPBytes}, {"server", "bytes", r.RespBytes}} {
		if b.n != hunt.Absent {
			put(b.group, b.field, b.n)
		}
	}
	return d
}

// load indexes records and refreshes.
func (c cluster) load(t *testing.T, index string, recs []record) {
	t.Helper()
	for chunk := range slices.Chunk(recs, 5000) {
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		for _, r := range chunk {
			b.WriteString("{\"create\":{}}\n")
			require.NoError(t, enc.Encode(r.document()))
		}
		c.bulk(t, index, b.Bytes())
	}
	c.do(t, "POST", "/"+index+"/_refresh", nil)
}

// lines indexes lines of a Zeek log as Security Onion would, and refreshes.
func (c cluster) lines(t *testing.T, index, log string, lines ...string) {
	t.Helper()
	convert, err := sodoc.NewConverter(log, sodoc.Meta{Observer: "sensor1"})
	require.NoError(t, err)
	for chunk := range slices.Chunk(lines, 5000) {
		var b []byte
		for _, line := range chunk {
			b = append(b, "{\"create\":{}}\n"...)
			b, err = convert.Append(b, []byte(line))
			require.NoError(t, err, line)
			b = append(b, '\n')
		}
		c.bulk(t, index, b)
	}
	c.do(t, "POST", "/"+index+"/_refresh", nil)
}

func (c cluster) bulk(t *testing.T, index string, body []byte) {
	t.Helper()
	var res struct {
		Errors bool            `json:"errors"`
		Items  json.RawMessage `json:"items"`
	}
	require.NoError(t, c.Do(t.Context(), es.Call{Op: "bulk", Request: esapi.BulkRequest{Index: index, Body: bytes.NewReader(body)}, Decode: es.JSON(&res)}))
	require.False(t, res.Errors, "%.500s", res.Items)
}

// day is the start of the tests' data.
var day = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// traffic makes n records over a span from day: a few busy pairs, IPv6, unanswered attempts, lists of services, records
// out of scope, and other logs.
func traffic(seed uint64, n int, span time.Duration) []record {
	rnd := rand.New(rand.NewPCG(seed, 1))
	addr := func(s string) netip.Addr { return netip.MustParseAddr(s) }
	var out []record
	for len(out) < n {
		r := record{dataset: datasetConn, seconds: -1}
		r.Connection = hunt.Connection{
			Start: day.UnixMilli() + rnd.Int64N(span.Milliseconds()), Count: 1, Duration: hunt.Absent,
			OrigBytes: hunt.Absent, RespBytes: hunt.Absent, OrigIPBytes: 40 + rnd.Int64N(1000),
			Src: addr(fmt.Sprintf("10.0.%d.%d", rnd.IntN(4), rnd.IntN(256))), SrcPort: uint16(1024 + rnd.IntN(60000)),
			Dst: addr(fmt.Sprintf("%d.%d.113.%d", 20+rnd.IntN(60), rnd.IntN(256), rnd.IntN(256))), DstPort: uint16([]int{443, 80, 53, 8443, 65535, 0}[rnd.IntN(6)]),
			Proto: []hunt.Transport{hunt.TCP, hunt.TCP, hunt.UDP, hunt.ICMP, hunt.TransportUnknown}[rnd.IntN(5)],
		}
		if rnd.IntN(4) == 0 {
			r.Src, r.Dst = addr(fmt.Sprintf("fd00::%x", rnd.IntN(1<<16))), addr(fmt.Sprintf("2001:db8:%x::%x", rnd.IntN(1<<16), 1+rnd.IntN(1<<16)))
		}
		if rnd.IntN(3) > 0 {
			r.seconds = rnd.ExpFloat64() * 30
			r.Duration = int64(r.seconds) * 1000
			r.OrigBytes, r.RespBytes = rnd.Int64N(1<<20), rnd.Int64N(1<<40)
			r.Service = []string{"", "ssl", "http", "ssl,http", "dns", "a\"b\\c\u00e9"}[rnd.IntN(6)]
		}
		if rnd.IntN(50) == 0 {
			r.OrigIPBytes = hunt.Absent
		}
		switch rnd.IntN(12) {
		case 0:
			r.Dst = addr("10.9.9.9") // Internal to internal.
		case 1:
			r.Src, r.Dst = r.Dst, r.Src // Inbound.
		case 2:
			r.dataset = "zeek.dns"
		case 3:
			r.Dst = addr([]string{"224.0.0.251", "255.255.255.255", "ff02::fb", "127.0.0.1"}[rnd.IntN(4)])
		}
		out = append(out, r)
	}
	return out
}

// expected is the expected result of reading the records: every distinct connection in scope and in [from, to) with its
// count, calculated from the records with hunt.Scope.
func expected(recs []record, scope hunt.Scope, from, to time.Time) map[hunt.Connection]int64 {
	out := make(map[hunt.Connection]int64)
	for _, r := range recs {
		c := r.Connection
		c.Count = 0
		if r.dataset == datasetConn && c.Start >= from.UnixMilli() && c.Start < to.UnixMilli() && scope.Keep(c.Src, c.Dst) {
			out[c]++
		}
	}
	return out
}

// collector is an emit that collects connections in expected's form.
type collector struct {
	mu    sync.Mutex
	conns map[hunt.Connection]int64
	total int64
}

func (c *collector) emit(batch []hunt.Connection) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conns == nil {
		c.conns = make(map[hunt.Connection]int64)
	}
	for _, x := range batch {
		n := x.Count
		x.Count = 0
		c.conns[x] += n
		c.total += n
	}
	return nil
}

func sum[K comparable](m map[K]int64) (n int64) {
	for _, c := range m {
		n += c
	}
	return n
}

// same compares two multisets; printing whole maps would not help.
func same(t *testing.T, want, got map[hunt.Connection]int64) {
	t.Helper()
	var diff []string
	for c, n := range want {
		if got[c] != n {
			diff = append(diff, fmt.Sprintf("%+v: want %d, got %d", c, n, got[c]))
		}
	}
	for c, n := range got {
		if want[c] == 0 {
			diff = append(diff, fmt.Sprintf("%+v: want none, got %d", c, n))
		}
	}
	require.Emptyf(t, diff[:min(len(diff), 3)], "%d connections differ", len(diff))
}

// complete checks that a reading lost nothing and that its slices add up, in order and without overlap.
func complete(t *testing.T, r hunt.Reading) {
	t.Helper()
	require.Empty(t, r.Gaps)
	var n int64
	for i, s := range r.Slices {
		require.Equal(t, s.Expected, s.Read, "slice %d", i)
		require.True(t, s.Start.Before(s.End))
		if i > 0 {
			require.False(t, s.Start.Before(r.Slices[i-1].End), "slices %d and %d overlap", i-1, i)
		}
		n += s.Read
	}
	require.Equal(t, r.Connections, n)
	require.Equal(t, r.Records, n)
}

func notes(r hunt.Reading) string {
	var b strings.Builder
	for _, n := range append(slices.Clone(r.Notes), r.Gaps...) {
		b.WriteString(n.String() + "\n")
	}
	return b.String()
}
