package zeek

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
	"dwell/query/zeek/log"
)

const httpTSV = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\thttp\n" +
	"#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\ttrans_depth\tmethod\thost\turi\treferrer\tuser_agent\trequest_body_len\tresponse_body_len\tstatus_code\tproxied\tresp_mime_types\n"

// names reads the names in a directory.
func names(t *testing.T, req hunt.Request, dir string) ([]hunt.NameRecord, hunt.Reading) {
	t.Helper()
	var mu sync.Mutex
	var got []hunt.NameRecord
	out, err := New(Options{Paths: []string{dir}}).ReadNames(t.Context(), req, func(b []hunt.NameRecord) error {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, b...)
		return nil
	})
	require.NoError(t, err)
	return got, out
}

func TestReadNames(t *testing.T) {
	const flow = `"id.orig_h":"10.0.0.1","id.orig_p":50000,"id.resp_h":"203.0.113.7","id.resp_p":80`
	const proxy = `"id.orig_h":"10.0.0.1","id.orig_p":50000,"id.resp_h":"10.0.0.9","id.resp_p":3128`
	at := func(kind hunt.NameKind, name string, port uint16) hunt.NameRecord {
		n := hunt.NameRecord{Start: 1500, Src: addr("10.0.0.1"), SrcPort: 50000, Dst: addr("203.0.113.7"), DstPort: 80, Kind: kind, Name: name, Port: port, Count: 1, UID: hunt.NewUID([]byte("C1"))}
		if kind == hunt.Connect {
			n.Dst, n.DstPort = addr("10.0.0.9"), 3128
		}
		return n
	}
	aside := func(n hunt.NameRecord) hunt.NameRecord { n.Aside = true; return n }
	for line, want := range map[string]hunt.NameRecord{
		`{"ts":1.5,"uid":"C1",` + flow + `,"method":"GET","host":"C2.Example.:80","uri":"/a","request_body_len":3,"response_body_len":4,"status_code":200}`: at(hunt.HTTP, "c2.example", 0),
		`{"ts":1.5,"uid":"C1",` + flow + `,"method":"GET","status_code":200}`:                                                                               at(hunt.HTTP, "", 0),
		`{"ts":1.5,"uid":"C1",` + proxy + `,"method":"CONNECT","uri":"c2.example:8443","status_code":200}`:                                                  at(hunt.Connect, "c2.example", 8443),
		`{"ts":1.5,"uid":"C1",` + proxy + `,"method":"GET","host":"other","uri":"http://C2.example/a?b:443","status_code":200}`:                             at(hunt.Connect, "c2.example", 80),
		`{"ts":1.5,"uid":"C1",` + proxy + `,"method":"POST","uri":"https://u:p@c2.example:8443","status_code":200}`:                                         at(hunt.Connect, "c2.example", 8443),
		`{"ts":1.5,"uid":"C1",` + proxy + `,"version":5,"request.name":"c2.example","request_p":4444,"bound_p":1}`:                                          aside(at(hunt.Connect, "c2.example", 4444)),
		`{"ts":1.5,"uid":"C1",` + proxy + `,"version":5,"request.host":"198.51.100.9","request_p":4444,"bound_p":1}`:                                        aside(at(hunt.Connect, "198.51.100.9", 4444)),
		`{"ts":1.5,"uid":"C1",` + flow + `,"version":"1","client_initial_dcid":"ab","server_name":"h3.example"}`:                                            aside(at(hunt.TLS, "h3.example", 0)),
		`{"ts":1.5,"uid":"C1",` + flow + `,"version":"TLSv12","cipher":"x","server_name":"H2.example"}`:                                                     at(hunt.TLS, "h2.example", 0),
	} {
		// What the file is called says nothing.
		got, out := names(t, outbound(), folder(t, map[string]string{"some.json": line + "\n"}))
		require.Empty(t, out.Gaps)
		require.Equal(t, []hunt.NameRecord{want}, got, line)
	}
}

// Each record of a log that may hold many of one connection is handed on with its time; of ends inside alone none is,
// and RITA's rules know none.
func TestReadMessages(t *testing.T) {
	dir := folder(t, map[string]string{"mqtt_publish.log": `{"_path":"mqtt_publish","ts":1.5,"uid":"C1","id.orig_h":"10.0.0.1","id.orig_p":50000,"id.resp_h":"203.0.113.7","id.resp_p":1883,"topic":"t"}
{"_path":"mqtt_publish","ts":2.5,"uid":"C1","id.orig_h":"10.0.0.1","id.orig_p":50000,"id.resp_h":"203.0.113.7","id.resp_p":1883,"topic":"t"}
{"_path":"mqtt_publish","ts":3.5,"uid":"C2","id.orig_h":"10.0.0.1","id.orig_p":50001,"id.resp_h":"10.0.0.2","id.resp_p":1883,"topic":"t"}
`})
	got, _ := names(t, outbound(), dir)
	require.Len(t, got, 2)
	for i, start := range []int64{1500, 2500} {
		require.Equal(t, hunt.NameRecord{Start: start, Src: addr("10.0.0.1"), SrcPort: 50000, Dst: addr("203.0.113.7"), DstPort: 1883, Kind: hunt.Message, Count: 1, UID: hunt.NewUID([]byte("C1"))}, got[i])
	}
	req := outbound()
	req.EveryRecord = true
	got, _ = names(t, req, dir)
	require.Empty(t, got)
}

func TestReadDNS(t *testing.T) {
	dir := folder(t, map[string]string{
		"dns.log": "#separator \\x09\n#path\tdns\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\trtt\tquery\tqtype_name\trcode_name\tanswers\trejected\n" +
			"2.000001\tC2\t10.0.0.1\t5353\t10.0.0.53\t53\tudp\t0.001999\tX.tunnel.example\tTXT\tNOERROR\tTXT 5 a\\x2cb,1.2.3.4\tF\n" +
			"3\tC3\t10.0.0.300\t5353\t10.0.0.53\t53\tudp\tfast\t-\t-\t-\t-\tT\n",
	})
	var dns []hunt.DNSRecord
	out, err := New(Options{Paths: []string{dir}, Workers: 1}).ReadDNS(t.Context(), outbound(), func(b []hunt.DNSRecord) error { dns = append(dns, b...); return nil })
	require.NoError(t, err)
	require.Equal(t, []hunt.DNSRecord{{Start: 2000, Client: addr("10.0.0.1"), Resolver: addr("10.0.0.53"), Query: "x.tunnel.example", Type: "TXT", Answers: []string{"TXT 5 a,b", "1.2.3.4"}, Count: 1}}, dns)
	require.Contains(t, said(out.Notes), "records with a value that is not of its field's type, taken as not set: 1, the first is line 5")
}

// TestRecordsOpen has a request that is in the log of open connections twice and later in http.log, and one that stays.
func TestRecordsOpen(t *testing.T) {
	line := func(n int) string {
		return fmt.Sprintf("%d\tC%d\t10.0.0.1\t1\t203.0.113.7\t80\t1\tGET\thost%d\t/\t-\t-\t0\t0\t200\t-\t-\n", epoch+n, n, n)
	}
	open := strings.Replace(httpTSV, "#path\thttp", "#path\topen_http", 1)
	dir := folder(t, map[string]string{
		"http.log":                         httpTSV + line(1) + line(2),
		"open_http.00:00:00-01:00:00.log":  open + line(2) + line(3),
		"open_http.01:00:00-02:00:00.log":  httpTSV + line(2) + line(3) + line(4),
		"open_http.02:00:00-03:00:00.json": "",
	})
	req := outbound()
	req.To = time.Unix(epoch+4, 0)
	got, out := names(t, req, dir)
	hosts := map[string]int{}
	for _, n := range got {
		hosts[n.Name]++
	}
	require.Equal(t, map[string]int{"host1": 1, "host2": 1, "host3": 1}, hosts)
	require.Equal(t, int64(3), out.Connections)
}

// Two taps log the same query, request, message and handshake with uids of their own, some milliseconds apart, and one
// misses some: each counts once. Requests and messages that one tap logs twice within a second are two; the same query
// from the same port is one, sent again.
func TestTwoTapsCountOnce(t *testing.T) {
	line := func(tap string, at float64, port int, more string) string {
		return fmt.Sprintf(`{"ts":%.3f,"uid":"C%s%d","id.orig_h":"10.0.0.1","id.orig_p":%d,"id.resp_h":"203.0.113.7","id.resp_p":80,%s}`+"\n", epoch+at, tap, port, port, more)
	}
	logs := map[string]string{}
	for tap, offset := range map[string]float64{"a": 0, "b": 0.004} {
		http, dns, mqtt, ssl := "", "", "", ""
		for i := range 50 {
			at := float64(7*i) + offset
			if tap == "b" && i == 20 {
				continue
			}
			http += line(tap, at, 40000, `"method":"GET","host":"kept.example","uri":"/"`) + line(tap, at+.3, 40000, `"method":"GET","host":"kept.example","uri":"/"`)
			mqtt += line(tap, at, 40001, `"topic":"t"`) + line(tap, at+.3, 40001, `"topic":"t"`)
			ssl += line(tap, at, 50000+i, `"version":"TLSv12","server_name":"tls.example"`)
			if tap == "a" && i == 30 {
				continue
			}
			dns += line(tap, at, 60000+i, `"query":"asked.example","qtype_name":"A"`) + line(tap, at+.3, 60000+i, `"query":"asked.example","qtype_name":"A"`)
		}
		logs[tap+"/http.log"], logs[tap+"/dns.log"], logs[tap+"/mqtt_publish.log"], logs[tap+"/ssl.log"] = http, dns, mqtt, ssl
	}
	dir := folder(t, logs)
	got, out := names(t, outbound(), dir)
	count := map[hunt.NameKind]int{}
	for _, n := range got {
		count[n.Kind]++
	}
	require.Equal(t, map[hunt.NameKind]int{hunt.HTTP: 100, hunt.Message: 100, hunt.TLS: 50}, count)
	require.Contains(t, said(out.Notes), "records that came before, in this file or another, and count once")
	var queries atomic.Int64
	_, err := New(Options{Paths: []string{dir}}).ReadDNS(t.Context(), outbound(), func(b []hunt.DNSRecord) error { queries.Add(int64(len(b))); return nil })
	require.NoError(t, err)
	require.EqualValues(t, 50, queries.Load())

	// A query is known without a uid, too.
	logs["b/dns.log"] = regexp.MustCompile(`"uid":"[^"]*",`).ReplaceAllString(logs["b/dns.log"], "")
	queries.Store(0)
	_, err = New(Options{Paths: []string{folder(t, logs)}}).ReadDNS(t.Context(), outbound(), func(b []hunt.DNSRecord) error { queries.Add(int64(len(b))); return nil })
	require.NoError(t, err)
	require.EqualValues(t, 50, queries.Load())

	every := outbound() // RITA counts what two taps log twice
	every.EveryRecord = true
	got, _ = names(t, every, dir)
	require.Len(t, got, 2*(100+50)-3)
}

func TestRecordsTrouble(t *testing.T) {
	good := fmt.Sprintf("%d\tC1\t10.0.0.1\t1\t203.0.113.7\t80\t1\tGET\thost\t/\t-\t-\t0\t0\t200\t-\t-\n", epoch)
	dir := folder(t, map[string]string{
		"http.log":                   httpTSV + good + "garbage\n" + strings.Replace(good, "C1", "C3", 1),
		"b/http.log":                 strings.Replace(httpTSV, "#path\thttp", "#path\tdns", 1) + good,
		"http.01:00:00-02:00:00.log": httpTSV + strings.Replace(good, "C1", "C4", 1) + strings.Replace(good, "C1", "C2", 1)[:30],
	})
	take := func(*log.Record) error { return nil }
	q := query{kinds: []log.Kind{log.HTTPLog}, fields: []log.Field{log.Host}}
	s := New(Options{Paths: []string{dir}})
	out, err := s.each(t.Context(), q, take)
	require.NoError(t, err)
	require.Equal(t, int64(3), out.taken)
	require.Contains(t, said(out.Gaps), "line 8 is no record and was left out: ts is not a time")
	require.Contains(t, said(out.Notes), "the last line is cut off")
	out, err = s.each(t.Context(), q, take)
	require.NoError(t, err)
	require.Empty(t, append(out.Gaps, out.Notes...), "what was told is not told again")

	refused := errors.New("refused")
	_, err = s.each(context.Background(), q, func(*log.Record) error { return refused })
	require.ErrorIs(t, err, refused)
	out, err = s.each(t.Context(), query{kinds: []log.Kind{log.Kerberos}}, take)
	require.NoError(t, err)
	require.Zero(t, out.files)
}
