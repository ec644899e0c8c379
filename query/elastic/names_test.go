package elastic

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
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

// zeekLine is a line of the tests' ssl, http and dns logs.
type zeekLine struct {
	TS     float64    `json:"ts"`
	UID    string     `json:"uid"`
	Src    netip.Addr `json:"id.orig_h"`
	Sport  uint16     `json:"id.orig_p"`
	Dst    netip.Addr `json:"id.resp_h"`
	Dport  uint16     `json:"id.resp_p"`
	SNI    *string    `json:"server_name,omitempty"`
	JA3    string     `json:"ja3,omitempty"`
	JA4    string     `json:"ja4,omitempty"`
	Method string     `json:"method,omitempty"`
	Host   *string    `json:"host,omitempty"`
	URI    string     `json:"uri,omitempty"`
	Depth  int        `json:"trans_depth,omitempty"`
	Query  *string    `json:"query,omitempty"`
	Type   string     `json:"qtype_name,omitempty"`
	// Answers multiply a document's weight, and must not multiply its count.
	Answers []string `json:"answers,omitempty"`
}

// start is the line's time in milliseconds.
func (l *zeekLine) start() int64 { return int64(l.TS*1000 + 0.5) }

// logs are lines by log.
type logs map[string][]string

// names makes n lines of each of ssl, http and dns over a span: repeated and rare names in several spellings, no name,
// requests to internal and external proxies, addresses in and out of scope, some duplicate lines.
func names(t *testing.T, seed uint64, n int, span time.Duration) logs {
	t.Helper()
	rnd := rand.New(rand.NewPCG(seed, 2))
	pick := func(list ...string) string { return list[rnd.IntN(len(list))] }
	host := func() *string {
		s := pick("cdn.example", "CDN.Example", "cdn.example.", "cdn.example:8080", "192.0.2.7", "192.0.2.7:80", "[2001:db8::7]:443", "2001:db8::7",
			"b\u00fccher.example", "a\"b\\c", fmt.Sprintf("%d.rare.example", rnd.IntN(1000)))
		if rnd.IntN(8) == 0 {
			return nil
		}
		return &s
	}
	out := logs{}
	for log := range map[string]bool{"ssl": true, "http": true, "dns": true} {
		for range n {
			l := zeekLine{TS: float64(day.UnixMilli()+rnd.Int64N(span.Milliseconds())) / 1000, UID: fmt.Sprintf("C%x", rnd.Uint64()),
				Src: netip.MustParseAddr(pick("10.0.0.1", "10.0.0.2", "fd00::5", "203.0.113.99")), Sport: uint16(1024 + rnd.IntN(60000)),
				Dst: netip.MustParseAddr(pick("203.0.113.7", "2001:db8::9", "10.0.0.53", "224.0.0.251")), Dport: uint16([]int{443, 80, 3128}[rnd.IntN(3)])}
			switch log {
			case "ssl":
				l.SNI = host()
				l.JA3, l.JA4 = pick("", "", "e7d705a3286e19ea42f587b344ee6865"), pick("", "t13d1516h2_8daaf6152771_b186095e22b6")
			case "http":
				l.Depth = 1
				l.Method, l.Host, l.URI = pick("GET", "POST", "CONNECT", "connect"), host(), pick("/", "/a?b", "", "http://c2.example/a", "HTTPS://user@C2.example:8443?b", "ftp://192.0.2.7", "http://")
				if l.Method != "GET" && rnd.IntN(3) > 0 {
					l.URI = pick("c2.example:443", "C2.example:8443", "c2.example", "198.51.100.1:443", "[2001:db8::1]:444")
				}
			case "dns":
				l.Query, l.Type = host(), pick("A", "TXT", "")
				if rnd.IntN(2) == 0 {
					l.Answers = []string{"192.0.2.1", "192.0.2.2", "alias.example"}
				}
			}
			b, err := json.Marshal(l)
			require.NoError(t, err)
			out[log] = append(out[log], string(b))
			if rnd.IntN(20) == 0 {
				out[log] = append(out[log], string(b))
			}
		}
	}
	return out
}

// each returns the lines of a log with a time in the span; the same line twice, which follow each other, counts once.
func (l logs) each(t *testing.T, log string, from, to time.Time, f func(*zeekLine)) {
	t.Helper()
	for _, line := range slices.Compact(slices.Clone(l[log])) {
		var z zeekLine
		require.NoError(t, json.Unmarshal([]byte(line), &z))
		if ms := z.start(); ms >= from.UnixMilli() && ms < to.UnixMilli() {
			f(&z)
		}
	}
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// namesOf is the expected result of reading names, calculated from the lines with hunt's own rules for scope and names.
func (l logs) namesOf(t *testing.T, scope hunt.Scope, from, to time.Time) map[hunt.NameRecord]int64 {
	t.Helper()
	out := map[hunt.NameRecord]int64{}
	record := func(z *zeekLine, kind hunt.NameKind, name string, port uint16) {
		var print hunt.Fingerprint
		if kind == hunt.TLS {
			print = hunt.FingerprintOf(z.JA4, z.JA3, name)
		}
		out[hunt.NameRecord{Fingerprint: print, Start: z.start(), Src: z.Src, Dst: z.Dst, SrcPort: z.Sport, DstPort: z.Dport, Kind: kind, Name: name, Port: port}]++
	}
	l.each(t, "ssl", from, to, func(z *zeekLine) {
		if scope.Keep(z.Src, z.Dst) {
			record(z, hunt.TLS, hunt.HostName(text(z.SNI)), 0)
		}
	})
	l.each(t, "http", from, to, func(z *zeekLine) {
		whole := strings.Contains(z.URI, "://")
		if name, port, _ := hunt.ProxyTarget(z.Method, z.URI, text(z.Host), true); (whole || strings.EqualFold(z.Method, "CONNECT")) && scope.IsInternal(z.Src) {
			record(z, hunt.Connect, name, port)
		} else if scope.Keep(z.Src, z.Dst) {
			record(z, hunt.HTTP, hunt.HostName(text(z.Host)), 0)
		}
	})
	return out
}

// asked is the comparable part of a hunt.DNSRecord.
type asked struct {
	start            int64
	client, resolver netip.Addr
	query, typ       string
}

func (l logs) dnsOf(t *testing.T, scope hunt.Scope, from, to time.Time) map[asked]int64 {
	t.Helper()
	out := map[asked]int64{}
	l.each(t, "dns", from, to, func(z *zeekLine) {
		if scope.IsInternal(z.Src) && text(z.Query) != "" {
			out[asked{z.start(), z.Src, z.Dst, hunt.HostName(*z.Query), z.Type}]++
		}
	})
	return out
}

// got collects the sources' output.
type got struct {
	mu    sync.Mutex
	names map[hunt.NameRecord]int64
	dns   map[asked]int64
}

func (g *got) emitNames(batch []hunt.NameRecord) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, n := range batch {
		count := n.Count
		n.Count = 0
		g.names[n] += count
	}
	return nil
}

func (g *got) emitDNS(batch []hunt.DNSRecord) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, d := range batch {
		if d.Answers != nil {
			return fmt.Errorf("answers that nobody promised: %+v", d)
		}
		g.dns[asked{d.Start, d.Client, d.Resolver, d.Query, d.Type}] += d.Count
	}
	return nil
}

// settled checks that a reading lost nothing, that its slices add up, that the number of records is right, and that
// repeats are reported, with their number, and nothing else.
func settled[K comparable](t *testing.T, want map[K]int64, r hunt.Reading) {
	t.Helper()
	require.Empty(t, r.Gaps)
	var slices, total, again int64
	for _, n := range r.Notes {
		_, number, found := strings.Cut(n.What, "that came already, and count once: ")
		require.True(t, found, n.What)
		repeats, err := strconv.ParseInt(number, 10, 64)
		require.NoError(t, err)
		again += repeats
	}
	for _, s := range r.Slices {
		require.Equal(t, s.Expected, s.Read)
		slices += s.Read
	}
	for _, n := range want {
		total += n
	}
	require.Equal(t, total+again, slices)
	require.Equal(t, total, r.Connections)
}

func equalCounts[K comparable](t *testing.T, want, got map[K]int64) {
	t.Helper()
	require.NotEmpty(t, want)
	var diff []string
	for k, n := range want {
		if got[k] != n {
			diff = append(diff, fmt.Sprintf("%+v: want %d, got %d", k, n, got[k]))
		}
	}
	for k, n := range got {
		if want[k] == 0 {
			diff = append(diff, fmt.Sprintf("%+v: want none, got %d", k, n))
		}
	}
	require.Emptyf(t, diff[:min(len(diff), 3)], "%d records differ", len(diff))
}

func (c cluster) loadLogs(t *testing.T, index string, l logs) {
	t.Helper()
	for log, lines := range l {
		c.lines(t, index, log, lines...)
	}
}

func TestNamesAndQueriesAreReadExactlyOnce(t *testing.T) {
	const span = 2 * time.Hour
	l := names(t, 41, 600, span)
	from, to := day.Add(17*time.Minute+time.Millisecond), day.Add(span-time.Minute)
	forEachLine(t, func(t *testing.T, c cluster) {
		index := c.index(t, 2)
		c.loadLogs(t, index, l)
		for _, tc := range []struct {
			opt       Options
			direction hunt.Direction
		}{{Options{}, hunt.Outbound}, {Options{SliceDocs: 100}, hunt.Inbound}, {Options{SliceDocs: 64, Concurrency: 4, MaxPage: 64}, hunt.Both}} {
			t.Run(fmt.Sprintf("slices of %d, %s", tc.opt.SliceDocs, tc.direction), func(t *testing.T) {
				tc.opt.Index = []string{index}
				src, err := New(c.Client, tc.opt)
				require.NoError(t, err)
				req := hunt.Request{From: from, To: to, Scope: hunt.NewScope(nil, tc.direction)}
				g := got{names: map[hunt.NameRecord]int64{}, dns: map[asked]int64{}}

				r, err := src.ReadNames(t.Context(), req, g.emitNames)
				require.NoError(t, err)
				want := l.namesOf(t, req.Scope, from, to)
				equalCounts(t, want, g.names)
				settled(t, want, r)

				r, err = src.ReadDNS(t.Context(), req, g.emitDNS)
				require.NoError(t, err)
				wantDNS := l.dnsOf(t, req.Scope, from, to)
				equalCounts(t, wantDNS, g.dns)
				settled(t, wantDNS, r)
			})
		}
	})
}

// The same slices and retries as for connections: what fails permanently is a gap with its count.
// What two sensors log of one query, request or handshake, some milliseconds apart and with uids of their own, counts
// once. Requests of one connection within a second are several; a query sent again from the same port is one.
func TestNamesAndQueriesOfTwoSensorsCountOnce(t *testing.T) {
	l := names(t, 46, 300, time.Hour)
	few := logs{"http": nil, "dns": nil}
	for i, at := range []float64{60, 60.2, 60.4} {
		z := zeekLine{TS: float64(day.Unix()) + at, UID: "Ckept", Src: netip.MustParseAddr("10.0.0.1"), Sport: 40000, Dst: netip.MustParseAddr("203.0.113.7"), Dport: 80,
			Method: "GET", Host: new("kept.example"), URI: "/", Depth: i + 1}
		for log := range few {
			z := z
			if log == "dns" {
				z = zeekLine{TS: z.TS, UID: "Casked", Src: z.Src, Sport: 40001, Dst: netip.MustParseAddr("10.0.0.53"), Dport: 53, Query: new("again.example"), Type: "A"}
			}
			b, err := json.Marshal(z)
			require.NoError(t, err)
			few[log] = append(few[log], string(b))
		}
	}
	later := func(of logs) logs {
		out := logs{}
		for log, lines := range of {
			for _, line := range lines {
				var z zeekLine
				require.NoError(t, json.Unmarshal([]byte(line), &z))
				z.TS, z.UID = z.TS+0.013, z.UID+"b"
				b, err := json.Marshal(z)
				require.NoError(t, err)
				out[log] = append(out[log], string(b))
			}
		}
		return out
	}
	forEachLine(t, func(t *testing.T, c cluster) {
		one, other := c.index(t, 2), c.index(t, 1)
		messages := func(index string, from int64) {
			var b []byte
			for i := range int64(3) {
				b = fmt.Appendf(b, `{"create":{}}
{"@timestamp":%d,"event":{"dataset":"zeek.mqtt_publish"},"observer":{"name":%q},"source":{"ip":"10.0.0.1","port":40002},"destination":{"ip":"203.0.113.7","port":1883}}
`, from+200*i, index)
			}
			c.bulk(t, index, b)
		}
		messages(one, day.UnixMilli())
		messages(other, day.UnixMilli()+13)
		for _, of := range []logs{l, few} {
			c.loadLogs(t, one, of)
			c.loadLogs(t, other, later(of))
		}
		src, err := New(c.Client, Options{Index: []string{one, other}, SliceDocs: 100})
		require.NoError(t, err)
		req := hunt.Request{From: day, To: day.Add(time.Hour), Scope: hunt.NewScope(nil, hunt.Outbound)}
		g := got{names: map[hunt.NameRecord]int64{}, dns: map[asked]int64{}}
		r, err := src.ReadNames(t.Context(), req, g.emitNames)
		require.NoError(t, err)
		// Of each only one came, which may be either's.
		kinds := func(of map[hunt.NameRecord]int64) map[hunt.NameKind]int64 {
			out := map[hunt.NameKind]int64{}
			for n, count := range of {
				out[n.Kind] += count
			}
			return out
		}
		want := kinds(l.namesOf(t, req.Scope, req.From, req.To))
		want[hunt.HTTP], want[hunt.Message] = want[hunt.HTTP]+3, 3
		require.Equal(t, want, kinds(g.names))
		settled(t, want, r)

		r, err = src.ReadDNS(t.Context(), req, g.emitDNS)
		require.NoError(t, err)
		queries := map[string]int64{"": 1 + sum(l.dnsOf(t, req.Scope, req.From, req.To))}
		require.Equal(t, queries[""], sum(g.dns))
		settled(t, queries, r)
	})
}

func TestNamesThatCannotBeReadAreAGap(t *testing.T) {
	c := shared(t, testnode.Line8) // The faults are the fake's, whatever the line.
	l := names(t, 42, 300, time.Hour)
	for log, lines := range l {
		l[log] = slices.Compact(lines)
	}
	index := c.index(t, 1)
	c.loadLogs(t, index, l)
	req := hunt.Request{From: day, To: day.Add(time.Hour), Scope: hunt.NewScope(nil, hunt.Outbound)}
	fake := new(estest.Fake).When(isPage, times(1+es.DefaultMaxRetries, estest.ShardFailed(1, 2, "illegal_state_exception", "boom"))...)
	src := loaded{cluster: c, index: index}.source(t, c.behind(t, fake, nil), Options{SliceDocs: 100, Concurrency: 1})
	g := got{names: map[hunt.NameRecord]int64{}}
	r, err := src.ReadNames(t.Context(), req, g.emitNames)
	require.NoError(t, err)
	require.Len(t, r.Gaps, 1)
	require.Contains(t, r.Gaps[0].What, "TLS and HTTP records could not be read")
	var want, came int64
	for n, count := range l.namesOf(t, req.Scope, req.From, req.To) {
		want += count
		came += g.names[n]
	}
	var lost int64
	for _, s := range r.Slices {
		lost += s.Expected - s.Read
	}
	require.Equal(t, want, came+lost)
	require.Positive(t, lost)
	require.Equal(t, came, r.Connections)
}

// If fingerprints cannot be aggregated, names are read without them, which is reported once. The result is that of the
// same lines without these fields.
func TestFingerprintsThatCannotBeCounted(t *testing.T) {
	l := names(t, 43, 300, time.Hour)
	req := hunt.Request{From: day, To: day.Add(time.Hour), Scope: hunt.NewScope(nil, hunt.Outbound)}
	forEachLine(t, func(t *testing.T, c cluster) {
		m := mapping()
		m["properties"].(object)["hash"] = object{"properties": object{"ja3": object{"type": "text"}, "ja4": object{"type": "keyword", "doc_values": false}}}
		index := c.index(t, 1)
		c.do(t, "DELETE", "/"+index, nil)
		c.do(t, "PUT", "/"+index, object{"settings": object{"number_of_replicas": 0}, "mappings": m})
		c.loadLogs(t, index, l)
		src, err := New(c.Client, Options{Index: []string{index}})
		require.NoError(t, err)
		g := got{names: map[hunt.NameRecord]int64{}}
		r, err := src.ReadNames(t.Context(), req, g.emitNames)
		require.NoError(t, err)
		want := map[hunt.NameRecord]int64{}
		for n, count := range l.namesOf(t, req.Scope, req.From, req.To) {
			if n.Kind == hunt.TLS {
				n.Fingerprint = hunt.FingerprintOf("", "", n.Name)
			}
			want[n] += count
		}
		equalCounts(t, want, g.names)
		said := notes(r)
		require.Len(t, r.Notes, 4)
		r.Notes = r.Notes[2:]
		settled(t, want, r)
		require.Contains(t, said, "hash.ja3 is of type text in ")
		require.Contains(t, said, "hash.ja4 is of type keyword")

		// Evidence, which needs few documents, has them all the same, as with the usual mapping.
		plain := c.index(t, 1)
		c.loadLogs(t, plain, l)
		usual, err := New(c.Client, Options{Index: []string{plain}})
		require.NoError(t, err)
		wanted := []hunt.PairKey{{Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("203.0.113.7"), Port: 443, Proto: hunt.TCP}}
		book, _, err := src.Facts(t.Context(), req, wanted)
		require.NoError(t, err)
		other, _, err := usual.Facts(t.Context(), req, wanted)
		require.NoError(t, err)
		require.Equal(t, other, book)
		require.NotEmpty(t, book.Facts[0].TLS.JA3)
	})
}

func TestNoNamesAreTold(t *testing.T) {
	forEachLine(t, func(t *testing.T, c cluster) {
		read := func(t *testing.T, index string, req hunt.Request) (names, dns hunt.Reading) {
			src, err := New(c.Client, Options{Index: []string{index}})
			require.NoError(t, err)
			names, err = src.ReadNames(t.Context(), req, func([]hunt.NameRecord) error { return fmt.Errorf("there are no names") })
			require.NoError(t, err)
			dns, err = src.ReadDNS(t.Context(), req, func([]hunt.DNSRecord) error { return fmt.Errorf("there are no queries") })
			require.NoError(t, err)
			return names, dns
		}
		req := hunt.Request{From: day, To: day.Add(time.Hour), Scope: hunt.NewScope(nil, hunt.Outbound)}
		t.Run("connections only", func(t *testing.T) {
			index := c.index(t, 1)
			c.load(t, index, []record{{Connection: hunt.Connection{Start: day.UnixMilli(), Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("203.0.113.7")}, dataset: datasetConn}})
			n, d := read(t, index, req)
			require.Contains(t, notes(n), "there is no zeek.ssl or zeek.http record in the window")
			require.Contains(t, notes(d), "there is no zeek.dns record in the window")
			require.Zero(t, n.Connections+d.Connections)
			require.Empty(t, append(n.Gaps, d.Gaps...))
		})
		t.Run("none in scope", func(t *testing.T) {
			index := c.index(t, 1)
			c.loadLogs(t, index, names(t, 43, 20, time.Hour))
			req := req
			req.Scope = hunt.NewScope([]netip.Prefix{netip.MustParsePrefix("172.31.0.0/16")}, hunt.Outbound)
			n, d := read(t, index, req)
			require.Empty(t, notes(n)+notes(d), "records are there, so nothing is missing")
		})
		t.Run("a grid that never saw a fingerprint", func(t *testing.T) {
			index := c.index(t, 1)
			l := logs{}
			for log, lines := range names(t, 45, 40, time.Hour) {
				for _, line := range lines {
					var z zeekLine
					require.NoError(t, json.Unmarshal([]byte(line), &z))
					z.JA3, z.JA4 = "", ""
					b, err := json.Marshal(z)
					require.NoError(t, err)
					l[log] = append(l[log], string(b))
				}
			}
			c.loadLogs(t, index, l)
			require.NotContains(t, string(c.do(t, "GET", "/"+index+"/_mapping/field/hash.ja*", nil)), "ja3")
			src, err := New(c.Client, Options{Index: []string{index}})
			require.NoError(t, err)
			g := got{names: map[hunt.NameRecord]int64{}}
			r, err := src.ReadNames(t.Context(), req, g.emitNames)
			require.NoError(t, err)
			want := l.namesOf(t, req.Scope, req.From, req.To)
			equalCounts(t, want, g.names)
			settled(t, want, r)
		})
		t.Run("names that are mapped as numbers", func(t *testing.T) {
			name := c.index(t, 1)
			c.do(t, "DELETE", "/"+name, nil)
			m := mapping()
			m["properties"].(object)["ssl"] = object{"properties": object{"server_name": object{"type": "long"}}}
			c.do(t, "PUT", "/"+name, object{"settings": object{"number_of_replicas": 0}, "mappings": m})
			c.do(t, "POST", "/"+name+"/_doc?refresh=true", object{"@timestamp": req.From.Add(time.Minute), "event": object{"dataset": datasetTLS},
				"source": object{"ip": "10.0.0.1"}, "destination": object{"ip": "203.0.113.1"}, "ssl": object{"server_name": 5}})
			n, _ := read(t, name, req)
			require.Len(t, n.Gaps, 1)
			require.Contains(t, n.Gaps[0].What, "ssl.server_name is of type long")
		})
	})
}
