package elastic

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"dwell/internal/es"
	"dwell/internal/hunt"
)

// aggregations is shaped like what Elasticsearch 8.19.21 answered to query.page.
const aggregations = `{"c":{"after_key":{"t":1772323200001,"s":"fd00::1","p":null,"d":"2001:db8::2","q":53,"n":"udp","v":null,"u":null,"i":40,"o":null,"r":null},
"buckets":[
{"key":{"t":1772323200000,"s":"10.0.0.1","p":40000,"d":"203.0.113.7","q":443,"n":"tcp","v":"ssl,http","c":"S0","u":12,"i":1000,"o":800,"r":1099511627776},"doc_count":1},
{"key":{"t":1772323200000,"s":"10.0.0.1","p":40000,"d":"203.0.113.7","q":443,"n":"tcp","v":"a\"b\\c\u00e9","u":1.25,"i":0,"o":0,"r":0,"z":{"new":[1]},"long":"x"},"doc_count":3,"x":[]},
{"key":{"t":1772323200001,"s":"fd00::1","p":null,"d":"2001:db8::2","q":53,"n":"udp","v":null,"u":null,"i":40,"o":null,"r":null},"doc_count":1}]},"other":{"c":1}}`

func decoded() []hunt.Connection {
	a := netip.MustParseAddr
	return []hunt.Connection{
		{Start: 1772323200000, Src: a("10.0.0.1"), SrcPort: 40000, Dst: a("203.0.113.7"), DstPort: 443, Proto: hunt.TCP, Service: "ssl,http",
			Duration: 12000, OrigIPBytes: 1000, OrigBytes: 800, RespBytes: 1 << 40, Count: 1, State: hunt.StateSilent},
		{Start: 1772323200000, Src: a("10.0.0.1"), SrcPort: 40000, Dst: a("203.0.113.7"), DstPort: 443, Proto: hunt.TCP, Service: "a\"b\\cé",
			Duration: 1250, Count: 3},
		{Start: 1772323200001, Src: a("fd00::1"), Dst: a("2001:db8::2"), DstPort: 53, Proto: hunt.UDP,
			Duration: hunt.Absent, OrigIPBytes: 40, OrigBytes: hunt.Absent, RespBytes: hunt.Absent, Count: 1},
	}
}

func TestDecodePage(t *testing.T) {
	p := newCells()
	before := hunt.Connection{Start: 1}
	got, res, err := connection().decode(p, []byte(aggregations), []hunt.Connection{before})
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(append([]hunt.Connection{before}, decoded()...), got, cmpopts.EquateComparable(netip.Addr{}, hunt.UID{})))
	require.Equal(t, 3, res.Buckets)
	require.EqualValues(t, 5, res.Docs)
	require.JSONEq(t, `{"t":1772323200001,"s":"fd00::1","p":null,"d":"2001:db8::2","q":53,"n":"udp","v":null,"u":null,"i":40,"o":null,"r":null}`, string(res.After))

	got, res, err = connection().decode(p, []byte(`{"c":{"buckets":[]}}`), got[:0])
	require.NoError(t, err)
	require.Empty(t, got)
	require.Nil(t, res.After, "an empty page has no key to go on from")
}

func TestDecodePageRefuses(t *testing.T) {
	bucket := func(key, rest string) string {
		return `{"c":{"buckets":[{"key":{` + key + `}` + rest + `}]}}`
	}
	const key = `"t":1,"s":"10.0.0.1","d":"203.0.113.7"`
	for name, bad := range map[string]string{
		"half a page":       aggregations[:300],
		"nothing":           ``,
		"no aggregation":    `{}`,
		"more behind it":    aggregations + `,"_clusters":{}`,
		"no buckets":        `{"c":{}}`,
		"no count":          bucket(key, ``),
		"count of zero":     bucket(key, `,"doc_count":0`),
		"no key":            `{"c":{"buckets":[{"doc_count":1}]}}`,
		"no time":           bucket(`"s":"10.0.0.1","d":"203.0.113.7"`, `,"doc_count":1`),
		"null time":         bucket(`"t":null,"s":"10.0.0.1","d":"203.0.113.7"`, `,"doc_count":1`),
		"no source":         bucket(`"t":1,"d":"203.0.113.7"`, `,"doc_count":1`),
		"null destination":  bucket(`"t":1,"s":"10.0.0.1","d":null`, `,"doc_count":1`),
		"address with zone": bucket(`"t":1,"s":"fe80::1%eth0","d":"203.0.113.7"`, `,"doc_count":1`),
		"name for address":  bucket(`"t":1,"s":"host","d":"203.0.113.7"`, `,"doc_count":1`),
		"time as text":      bucket(`"t":"2026-03-01","s":"10.0.0.1","d":"203.0.113.7"`, `,"doc_count":1`),
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := connection().decode(newCells(), []byte(bad), nil)
			require.ErrorContains(t, err, "page of buckets")
		})
	}
}

func TestDecodePageAllocatesNothing(t *testing.T) {
	p := newCells()
	text := []byte(aggregations)
	into, _, err := connection().decode(p, text, nil)
	require.NoError(t, err)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if _, _, err := connection().decode(p, text, into[:0]); err != nil {
			panic(err)
		}
	}))
}

// netip is the judge of what an address is.
func TestIPv4(t *testing.T) {
	for _, s := range []string{"1.2.3.4", "255.255.255.255", "0.0.0.0", "256.1.1.1", "1.2.3", "1.2.3.4.5", "1.2.3.", "01.2.3.4", "1..2.3", "", "1.2.3.4 ", "a.b.c.d", "1.2.3.4444", "10.0.0.00"} {
		want, err := netip.ParseAddr(s)
		got, ok := ipv4([]byte(s))
		require.Equal(t, err == nil && want.Is4(), ok, s)
		if ok {
			require.Equal(t, want, got)
		}
	}
}

// FuzzPage: whatever comes off the wire, the decoder does not panic, and what it accepts is whole connections that add
// up. Text that is cut short is never accepted.
func FuzzPage(f *testing.F) {
	f.Add([]byte(aggregations), 10)
	f.Add([]byte(strings.ReplaceAll(aggregations, "\n", "")), 300)
	f.Add([]byte(`{"c":{"buckets":[{"key":{"t":1,"s":"::ffff:10.0.0.1","d":"8.8.8.8"},"doc_count":1}]}}`), 5)
	f.Fuzz(func(t *testing.T, b []byte, cut int) {
		got, res, err := connection().decode(newCells(), b, nil)
		if err != nil {
			return
		}
		require.Len(t, got, res.Buckets)
		var docs int64
		for _, c := range got {
			require.True(t, c.Src.IsValid() && c.Dst.IsValid() && c.Count > 0)
			require.False(t, c.Src.Is4In6() || c.Dst.Is4In6())
			docs += c.Count
		}
		require.Equal(t, docs, res.Docs)
		whole := strings.TrimRight(string(b), " \n\r\t")
		if cut >= 0 && cut < len(whole) {
			_, _, err = connection().decode(newCells(), []byte(whole[:cut]), nil)
			require.Error(t, err)
		}
	})
}

// answer is a page of n buckets with the given keys, written as Elasticsearch 8.19.21 writes them.
func answer(n int, key func(i int) string) []byte {
	var t strings.Builder
	t.WriteString(`{"c":{"after_key":` + key(n-1) + `,"buckets":[`)
	for i := range n {
		if i > 0 {
			t.WriteByte(',')
		}
		t.WriteString(`{"key":` + key(i) + `,"doc_count":1}`)
	}
	t.WriteString(`]}}`)
	return []byte(t.String())
}

// recorded answers every search with the same body.
type recorded []byte

func (r recorded) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"X-Elastic-Product": {"Elasticsearch"}}, ContentLength: -1, Body: io.NopCloser(bytes.NewReader(r))}, nil
}

// benchmarkPage is what a page costs this side: the client, the network aside, and the decoder.
func benchmarkPage[T any](b *testing.B, w row[T], text []byte, n int) {
	whole := fmt.Appendf(nil, `{"took":100,"timed_out":false,"_shards":{"total":2,"successful":2,"skipped":0,"failed":0},"aggregations":%s}`, text)
	client, err := es.New(es.Config{Addresses: []string{"http://127.0.0.1:9200"}, Transport: recorded(whole)})
	if err != nil {
		b.Fatal(err)
	}
	s, err := New(client, Options{Index: []string{"x"}})
	if err != nil {
		b.Fatal(err)
	}
	r := newReading(s, &place{names: []string{"x"}}, log{rows: rowsOf(w, func([]T) error { return nil })}, hunt.Request{})
	p, into := newCells(), <-r.free
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if got, err := r.pages(b.Context(), p, slice{From: 0, To: 1, Expected: int64(n)}, into); err != nil || got != int64(n) {
			b.Fatal(got, err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/record")
}

func BenchmarkPage(b *testing.B) {
	const n = 20_000
	address := func(i int) string { return fmt.Sprintf(`"s":"10.0.%d.%d"`, i%4, i%250) }
	b.Run("connections", func(b *testing.B) {
		benchmarkPage(b, connection(), answer(n, func(i int) string {
			return fmt.Sprintf(`{"t":%d,%s,"p":%d,"d":"%d.7.113.9","q":443,"n":"tcp","v":"ssl","u":%d,"i":%d,"o":%d,"r":%d}`,
				1772323200000+i, address(i), 1024+i, 20+i%60, i%60, 40+i, i*3, i*7)
		}), n)
	})
	b.Run("names", func(b *testing.B) {
		benchmarkPage(b, serverName(), answer(n, func(i int) string {
			return fmt.Sprintf(`{"t":%d,%s,"p":%d,"d":"%d.7.113.9","q":443,"k":"zeek.ssl","h":"www%d.example.com","v":null}`,
				1772323200000+i, address(i), 1024+i, 20+i%60, i*7919%4000)
		}), n)
	})
	b.Run("DNS", func(b *testing.B) {
		benchmarkPage(b, dnsRecord(), answer(n, func(i int) string {
			return fmt.Sprintf(`{%s,"d":"10.255.0.53","n":"www%d.example.com","y":"A"}`, address(i), i*7919%4000)
		}), n)
	})
	b.Run("DNS, each query another", func(b *testing.B) {
		benchmarkPage(b, dnsRecord(), answer(n, func(i int) string {
			return fmt.Sprintf(`{%s,"d":"10.255.0.53","n":"x%d.t.example.com","y":"A"}`, address(i), i)
		}), n)
	})
}
