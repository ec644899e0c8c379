package zeek

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

var escaped = regexp.MustCompile(`\\\\|\\x[0-9a-fA-F]{2}`) //nolint:gochecknoglobals // A constant in all but name.

// naiveRows reads a log the slow and obvious way: each record as a map from field to text, lists joined by commas,
// fields that are not set left out.
func naiveRows(t *testing.T, path string) (rows []map[string]string) {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	var in io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		in, err = gzip.NewReader(f)
		require.NoError(t, err)
	}
	var fields []string
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<22)
	for lines.Scan() {
		line := lines.Text()
		row := map[string]string{}
		switch {
		case strings.HasPrefix(line, "#fields"):
			fields = strings.Split(line, "\t")[1:]
			continue
		case line == "" || line[0] == '#':
			continue
		case line[0] == '{':
			var m map[string]any
			d := json.NewDecoder(strings.NewReader(line))
			d.UseNumber()
			require.NoError(t, d.Decode(&m))
			for k, v := range m {
				if list, ok := v.([]any); ok {
					var parts []string
					for _, p := range list {
						parts = append(parts, fmt.Sprint(p))
					}
					v = strings.Join(parts, ",")
				}
				if s := fmt.Sprint(v); s != "" {
					row[k] = s
				}
			}
		default:
			for i, v := range strings.Split(line, "\t") {
				if v == "-" || v == "(empty)" || v == "" {
					continue
				}
				row[fields[i]] = escaped.ReplaceAllStringFunc(v, func(s string) string {
					if s == `\\` {
						return `\`
					}
					n, err := strconv.ParseUint(s[2:], 16, 8)
					require.NoError(t, err)
					return string([]byte{byte(n)})
				})
			}
		}
		rows = append(rows, row)
	}
	require.NoError(t, lines.Err())
	return rows
}

// TestCapturesRecords compares every field of every record of every log that is read, in all captures (of the three
// days of missing_host the first), with the naive reading.
func TestCapturesRecords(t *testing.T) {
	root := captures(t)
	kinds := []Kind{HTTPLog, OpenHTTP, SSLLog, OpenSSL, DNSLog, X509, DHCP, Weird, Notice, Files, Software, Kerberos, NTLM}
	read := map[Kind]int{}
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		kind := kindOfName(path)
		if err == nil && (d.Name() == "2024-04-20" || d.Name() == "2024-04-21") {
			return fs.SkipDir
		}
		if err != nil || d.IsDir() || !slices.Contains(kinds, kind) {
			return err
		}
		want := naiveRows(t, path)
		if len(want) == 0 {
			return nil
		}
		names := map[string]bool{}
		for _, row := range want {
			for k := range row {
				names[k] = true
			}
		}
		delete(names, "ts")
		delete(names, "uid")
		fields := slices.Sorted(maps.Keys(names))
		var wanted []string
		for _, row := range want {
			line := row["uid"]
			for _, f := range fields {
				line += "|" + row[f]
			}
			wanted = append(wanted, line)
		}
		var mu sync.Mutex
		var got []string
		out, err := Records(context.Background(), Query{Paths: []string{path}, Kinds: kinds, Fields: fields}, func(r *Record) error {
			line := r.UID.String()
			for _, f := range fields {
				line += "|" + string(r.Text(f))
			}
			mu.Lock()
			defer mu.Unlock()
			got = append(got, line)
			return nil
		})
		require.NoError(t, err)
		require.Empty(t, out.Gaps)
		require.Equal(t, 1, out.Files)
		slices.Sort(wanted)
		if kind.Open() {
			wanted = slices.Compact(wanted)
		}
		slices.Sort(got)
		if d := cmp.Diff(wanted, got); d != "" {
			t.Errorf("%s: records differ (-want +got):\n%.2000s", path, d)
		}
		read[kind] += len(got)
		return nil
	}))
	for _, k := range []Kind{HTTPLog, SSLLog, DNSLog, X509, Files, Weird, Notice, Kerberos} {
		require.Positive(t, read[k], k)
	}
}

const httpTSV = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\thttp\n" +
	"#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\ttrans_depth\tmethod\thost\turi\treferrer\tuser_agent\trequest_body_len\tresponse_body_len\tstatus_code\tproxied\tresp_mime_types\n"

func TestReadHTTP(t *testing.T) {
	want := HTTP{Flow: Flow{Start: epoch*1000 + 250, UID: hunt.NewUID([]byte("CHhAvVGS1DHFjwGM9")), Src: addr("10.0.0.1"), SrcPort: 50000, Dst: addr("203.0.113.7"), DstPort: 80},
		Method: "GET", Host: "c2.example", URI: "/a\tb\\c\x00,d", UserAgent: "Mozilla/5.0 (\"quoted\")", Status: 200, Depth: 2,
		RequestBytes: 0, ResponseBytes: 1234, Proxied: true, MIME: "text/html"}
	bare := HTTP{Flow: want.Flow, Status: hunt.Absent, Depth: hunt.Absent, RequestBytes: hunt.Absent, ResponseBytes: hunt.Absent}
	bare.Start++
	tsv := httpTSV + fmt.Sprintf("%d.250999\tCHhAvVGS1DHFjwGM9\t10.0.0.1\t50000\t203.0.113.7\t80\t2\tGET\tc2.example\t%s\t-\tMozilla/5.0 (\"quoted\")\t0\t1234\t200\tVIA -> x\ttext/html,image/png\n", epoch, `/a\x09b\\c\x00,d`) +
		fmt.Sprintf("%d.251\tCHhAvVGS1DHFjwGM9\t10.0.0.1\t50000\t203.0.113.7\t80\t-\t-\t-\t-\t-\t-\t-\t-\t-\t(empty)\t(empty)\n", epoch)
	js := fmt.Sprintf(`{"ts":%d.250999,"uid":"CHhAvVGS1DHFjwGM9","id.orig_h":"10.0.0.1","id.orig_p":50000,"id.resp_h":"203.0.113.7","id.resp_p":80,"trans_depth":2,"method":"GET","host":"c2.example","uri":"/a\tb\\c\u0000,d","user_agent":"Mozilla/5.0 (\"quoted\")","request_body_len":0,"response_body_len":1234,"status_code":200,"proxied":["VIA -> x"],"resp_mime_types":["text/html","image/png"]}`+"\n", epoch) +
		fmt.Sprintf(`{"ts":%d.251,"uid":"CHhAvVGS1DHFjwGM9","id":{"orig_h":"10.0.0.1","orig_p":50000,"resp_h":"203.0.113.7","resp_p":80},"host":null,"proxied":[],"resp_mime_types":[]}`+"\n", epoch)
	for name, content := range map[string]string{"tsv": tsv, "json": js} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			var got []HTTP
			out, err := ReadHTTP(context.Background(), Query{Paths: []string{folder(t, map[string]string{"http.log": content})}}, func(b []HTTP) error {
				mu.Lock()
				defer mu.Unlock()
				got = append(got, b...)
				return nil
			})
			require.NoError(t, err)
			require.Equal(t, Outcome{Files: 1, Records: 2, Taken: 2}, out)
			if d := cmp.Diff([]HTTP{want, bare}, got, cmp.Comparer(func(a, b HTTP) bool { return a == b })); d != "" {
				t.Fatal(d)
			}
		})
	}
}

func TestReadSSLAndDNS(t *testing.T) {
	dir := folder(t, map[string]string{
		"ssl.log": `{"ts":1.5,"uid":"C1","id.orig_h":"10.0.0.1","id.orig_p":50000,"id.resp_h":"2001:db8::7","id.resp_p":443,"version":"TLSv12","server_name":"c2.example","ja3":"e0fe397a5edfba9a6facc7c7b341f4eb","ja4":"t13d1516h2_8daaf6152771_b186095e22b6","subject":"CN=a\\, b","cert_chain_fps":["aa","bb"],"established":true,"resumed":false,"validation_status":"self signed certificate"}` + "\n",
		"dns.log": "#separator \\x09\n#path\tdns\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\trtt\tquery\tqtype_name\trcode_name\tanswers\trejected\n" +
			"2.000001\tC2\t10.0.0.1\t5353\t10.0.0.53\t53\tudp\t0.001999\tx.tunnel.example\tTXT\tNOERROR\tTXT 5 a\\x2cb,1.2.3.4\tF\n" +
			"3\tC3\t10.0.0.1\t5353\t10.0.0.53\t53\tudp\tfast\t-\t-\t-\t-\tT\n",
	})
	var tls []SSL
	_, err := ReadSSL(context.Background(), Query{Paths: []string{dir}}, func(b []SSL) error { tls = append(tls, b...); return nil })
	require.NoError(t, err)
	require.Equal(t, []SSL{{Flow: Flow{Start: 1500, UID: hunt.NewUID([]byte("C1")), Src: addr("10.0.0.1"), SrcPort: 50000, Dst: addr("2001:db8::7"), DstPort: 443},
		Version: "TLSv12", ServerName: "c2.example", JA3: "e0fe397a5edfba9a6facc7c7b341f4eb", JA4: "t13d1516h2_8daaf6152771_b186095e22b6",
		Subject: `CN=a\, b`, Fingerprints: []string{"aa", "bb"}, Established: true, Validation: "self signed certificate"}}, tls)

	var dns []DNS
	out, err := ReadDNS(context.Background(), Query{Paths: []string{dir}, Workers: 1}, func(b []DNS) error { dns = append(dns, b...); return nil })
	require.NoError(t, err)
	flow := Flow{Start: 2000, UID: hunt.NewUID([]byte("C2")), Src: addr("10.0.0.1"), SrcPort: 5353, Dst: addr("10.0.0.53"), DstPort: 53}
	second := flow
	second.Start, second.UID = 3000, hunt.NewUID([]byte("C3"))
	require.Equal(t, []DNS{
		{Flow: flow, Proto: hunt.UDP, Query: "x.tunnel.example", Type: "TXT", RCode: "NOERROR", Answers: []string{"TXT 5 a,b", "1.2.3.4"}, RTT: 1},
		{Flow: second, Proto: hunt.UDP, RTT: hunt.Absent, Rejected: true}}, dns)
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
	hosts := map[string]bool{}
	var mu sync.Mutex
	out, err := ReadHTTP(context.Background(), Query{Paths: []string{dir}, To: time.Unix(epoch+4, 0)}, func(b []HTTP) error {
		mu.Lock()
		defer mu.Unlock()
		for _, h := range b {
			require.NotContains(t, hosts, h.Host)
			hosts[h.Host] = h.Open
		}
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, map[string]bool{"host1": false, "host2": false, "host3": true}, hosts)
	require.Equal(t, int64(3), out.Taken)
}

// TestRecordsMonths leaves the logs of earlier days unread, and tells.
func TestRecordsMonths(t *testing.T) {
	files := map[string]string{}
	for d := range 20 {
		at := time.Unix(epoch, 0).UTC().AddDate(0, 0, d)
		files[at.Format("2006-01-02")+"/http.log"] = httpTSV + fmt.Sprintf("%d\tC%d\t10.0.0.1\t1\t203.0.113.7\t80\t1\tGET\thost\t/\t-\t-\t0\t0\t200\t-\t-\n", at.Unix(), d)
	}
	q := Query{Paths: []string{folder(t, files)}, Kinds: []Kind{HTTPLog}, From: time.Unix(epoch, 0).AddDate(0, 0, 10)}
	out, err := Records(context.Background(), q, func(*Record) error { return nil })
	require.NoError(t, err)
	require.Equal(t, int64(10), out.Taken)
	require.Equal(t, 14, out.Files)
	require.Contains(t, said(out.Notes), "http logs of days well before the window, not read: 6")
}

func TestRecordsTrouble(t *testing.T) {
	good := fmt.Sprintf("%d\tC1\t10.0.0.1\t1\t203.0.113.7\t80\t1\tGET\thost\t/\t-\t-\t0\t0\t200\t-\t-\n", epoch)
	dir := folder(t, map[string]string{
		"http.log":                   httpTSV + good + "garbage\n" + good,
		"a/http.log":                 "\x00\x01",
		"b/http.log":                 strings.Replace(httpTSV, "#path\thttp", "#path\tdns", 1) + good,
		"c/ssl.log":                  "x",
		"http.01:00:00-02:00:00.log": httpTSV + strings.Replace(good, "C1", "C2", 1)[:30],
	})
	take := func(*Record) error { return nil }
	q := Query{Paths: []string{dir}, Kinds: []Kind{HTTPLog}, Fields: []string{"host"}}
	out, err := Records(context.Background(), q, take)
	require.NoError(t, err)
	require.Equal(t, int64(2), out.Records)
	require.Contains(t, said(out.Gaps), "line 8 is no record and was left out: ts is no time")
	require.Contains(t, said(out.Gaps), "is binary, no Zeek log")
	require.Contains(t, said(out.Notes), "is named like a http log but holds another")
	require.Contains(t, said(out.Notes), "the last line is cut off")

	refused := errors.New("refused")
	_, err = Records(context.Background(), q, func(*Record) error { return refused })
	require.ErrorIs(t, err, refused)
	_, err = Records(context.Background(), Query{Paths: []string{dir}, Kinds: []Kind{Kerberos}}, take)
	require.NoError(t, err)
	require.PanicsWithValue(t, "zeek: field uri was not asked for", func() {
		r := Record{fields: newFieldSet([]string{"host"}), cells: make([][]byte, 1)}
		r.Text("uri")
	})
}
