package log

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/require"
)

// counter counts records.
type counter struct{ n *int }

func (c counter) Take(*Record, *Counts) (Problem, error) { *c.n++; return Fine, nil }
func (c counter) Flush() error                           { return nil }

func write(t testing.TB, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, content, 0o600))
	return path
}

func packed(t testing.TB, s string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(s))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.String()
}

func wideText(s string) string {
	var b strings.Builder
	b.WriteString("\xff\xfe")
	for _, c := range utf16.Encode([]rune(s)) {
		b.WriteString(string([]byte{byte(c), byte(c >> 8)}))
	}
	return b.String()
}

const connTSV = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n" +
	"#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tservice\tduration\torig_bytes\tresp_bytes\tconn_state\tlocal_orig\tlocal_resp\tmissed_bytes\thistory\torig_pkts\torig_ip_bytes\tresp_pkts\tresp_ip_bytes\ttunnel_parents\n"

// tsvRows are n connections, one a minute.
func tsvRows(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%d.%06d\tC%d\t10.0.0.1\t%d\t203.0.113.7\t443\ttcp\tssl\t1.500000\t472\t1800\tSF\tT\tF\t0\tShADadFf\t8\t892\t7\t2168\t-\n", 1717200000+60*i, i, i, 1024+i)
	}
	return b.String()
}

// jsonRow is the same connection as JSON, without braces.
func jsonRow(i int) string {
	return fmt.Sprintf(`{"ts":%d.%06d,"uid":"C%d","id.orig_h":"10.0.0.1","id.orig_p":%d,"id.resp_h":"203.0.113.7","id.resp_p":443,"proto":"tcp","service":"ssl","duration":1.5,"orig_bytes":472,"resp_bytes":1800,"conn_state":"SF"}`,
		1717200000+60*i, i, i, 1024+i)
}

// each makes a text of n records.
func eachRow(n int, shape func(row string) string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(shape(jsonRow(i)))
	}
	return b.String()
}

// batches makes a text of n records, ten in each list; the last list has one record less, and another has it alone.
func batches(n int, shape func(row string) string, before, after string) string {
	var b strings.Builder
	for i := range n {
		if i%10 == 0 || i == n-1 {
			b.WriteString(before)
		}
		b.WriteString(shape(jsonRow(i)))
		if i%10 == 9 || i >= n-2 {
			b.WriteString(after)
		} else {
			b.WriteString(",")
		}
	}
	return b.String()
}

func quote(s string) string { return strings.ReplaceAll(s, `"`, `\"`) }

// TestShapes reads the same 30 connections out of every shape that shippers, log stores, containers, editors and
// Windows give them. No shape is told by the name of its file.
func TestShapes(t *testing.T) {
	const n = 30
	tsv := connTSV + tsvRows(n)
	document := func(row string) string {
		var ts, uid, port string
		_, err := fmt.Sscanf(strings.NewReplacer(`,`, " ", `"`, "").Replace(row), "{ts:%s uid:%s id.orig_h:10.0.0.1 id.orig_p:%s", &ts, &uid, &port)
		require.NoError(t, err)
		return fmt.Sprintf(`"@timestamp":"2024-06-01T00:%02d:00.000Z","event":{"dataset":"zeek.conn","module":"zeek","duration":1.5},"log":{"id":{"uid":"%s"}},"source":{"ip":"10.0.0.1","port":%s},"destination":{"ip":"203.0.113.7","port":443},"network":{"transport":"tcp","protocol":"ssl"},"client":{"bytes":472},"server":{"bytes":1800},"connection":{"state":"SF"},"host":{"name":"so-sensor1"}`,
			(atoi(t, ts)-1717200000)/60, uid, port)
	}
	for name, content := range map[string]string{
		"TSV":                 tsv,
		"gzip":                packed(t, tsv),
		"gzip padded":         packed(t, tsv) + strings.Repeat("\x00", 512),
		"gzip members":        packed(t, connTSV+tsvRows(10)) + packed(t, strings.SplitN(tsvRows(n), "\n", 11)[10]),
		"UTF-16":              wideText(tsv),
		"Windows line ends":   strings.ReplaceAll(tsv, "\n", "\r\n"),
		"tab at each end":     strings.ReplaceAll(tsv, "\t-\n", "\t-\t\n"),
		"byte order marks":    "\xef\xbb\xbf" + connTSV + tsvRows(10) + "\xef\xbb\xbf" + connTSV + strings.SplitN(tsvRows(n), "\n", 11)[10],
		"CSV":                 strings.ReplaceAll(strings.TrimPrefix(connTSV[strings.Index(connTSV, "#fields"):], "#fields\t")+tsvRows(n), "\t", ","),
		"CSV in quotes":       "\"" + strings.ReplaceAll(strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(connTSV[strings.Index(connTSV, "#fields"):], "#fields\t")+tsvRows(n), "\n"), "\t", `","`), "\n", "\"\r\n\"") + "\"\r\n",
		"no header":           tsvRows(n),
		"path with interface": strings.Replace(tsv, "#path\tconn", "#path\tconn_eth1", 1),
		"no path":             strings.Replace(tsv, "#path\tconn\n", "", 1),
		"JSON":                eachRow(n, func(r string) string { return r + "\n" }),
		"with _path":          eachRow(n, func(r string) string { return `{"_path":"conn_ens5",` + r[1:] + "\n" }),
		"indented":            eachRow(n, func(r string) string { return "  " + r + "\n" }),
		"array on one line":   "[" + strings.TrimSuffix(eachRow(n, func(r string) string { return r + "," }), ",") + "]",
		"array a line each":   "[\n" + strings.TrimSuffix(eachRow(n, func(r string) string { return r + ",\n" }), ",\n") + "\n]\n",
		"pretty-printed":      eachRow(n, func(r string) string { return strings.NewReplacer(",", ",\n  ", "{", "{\n  ", "}", "\n}\n").Replace(r) }),
		"next to each other":  eachRow(n, func(r string) string { return r }),
		"record separators":   eachRow(n, func(r string) string { return "\x1e" + r + "\n" }),
		"Kafka":               eachRow(n, func(r string) string { return `{"conn":` + r + "}\n" }),
		"Filebeat": eachRow(n, func(r string) string {
			return `{"@timestamp":"2026-01-01T00:00:00Z","host":{"name":"x"},"message":"` + quote(r) + "\"}\n"
		}),
		"event.original": eachRow(n, func(r string) string {
			return `{"@timestamp":"2026-01-01T00:00:00Z","event":{"original":"` + quote(r) + "\"}}\n"
		}),
		"decoded by a shipper": eachRow(n, func(r string) string { return `{"@timestamp":"2026-01-01T00:00:00Z","json":` + r + "}\n" }),
		"Splunk":               eachRow(n, func(r string) string { return `{"preview":false,"result":{"_raw":"` + quote(r) + "\"}}\n" }),
		"Docker": eachRow(n, func(r string) string {
			return `{"log":"` + quote(r) + `\n","stream":"stdout","time":"2026-01-01T00:00:00Z"}` + "\n"
		}),
		"CloudWatch batches": `{"messageType":"CONTROL_MESSAGE","logEvents":[]}` + "\n" + batches(n, func(r string) string { return `{"id":"1","timestamp":1,"message":"` + quote(r) + `"}` }, `{"messageType":"DATA_MESSAGE","logEvents":[`, "]}"),
		"OpenTelemetry": batches(n, func(r string) string { return `{"timeUnixNano":"1","body":{"stringValue":"` + quote(r) + `"}}` },
			`{"resourceLogs":[{"resource":{"attributes":[]},"scopeLogs":[{"scope":{},"logRecords":[`, "]}]}]}\n"),
		"lists of texts":           batches(n, func(r string) string { return `"` + quote(r) + `"` }, `{"batch":[`, "]}\n"),
		"search answers":           batches(n, func(r string) string { return `{"_index":"x","_source":{` + document(r) + "}}" }, `{"took":3,"hits":{"hits":[`, "]}}\n"),
		"syslog":                   eachRow(n, func(r string) string { return "<13>Jun  1 00:00:00 sensor zeek_conn: " + r + "\n" }),
		"syslog with #012":         eachRow(n, func(r string) string { return "<13>Jun  1 00:00:00 sensor zeek: " + r + "#012 \n" }),
		"container runtime":        eachRow(n, func(r string) string { return "2026-01-01T00:00:00.1Z stdout F " + r + "\n" }),
		"syslog before TSV":        connTSV + strings.ReplaceAll("\n"+tsvRows(n), "\n17172", "\nJun  1 00:00:00 sensor zeek: 17172")[1:],
		"elasticdump":              eachRow(n, func(r string) string { return `{"_index":"logs-zeek-so","_id":"1","_source":{` + document(r) + "}}\n" }),
		"Security Onion's message": eachRow(n, func(r string) string { return `{"_source":{"message":"` + quote(r) + `",` + document(r) + "}}\n" }),
		"search answer":            `{"took":3,"hits":{"total":{"value":30},"hits":[` + strings.TrimSuffix(eachRow(n, func(r string) string { return `{"_index":"x","_source":{` + document(r) + "}}," }), ",") + "]}}",
		"Kibana's lists": eachRow(n, func(r string) string {
			return strings.NewReplacer(`:"`, `:["`, `",`, `"],`, `"}`, `"]}`, `"ts":`, `"ts":[`).Replace(strings.Replace(r, `,"uid"`, `],"uid"`, 1)) + "\n"
		}),
		"bulk format": eachRow(n, func(r string) string { return `{"index":{"_index":"x"}}` + "\n" + r + "\n" }),
		"all texts": eachRow(n, func(r string) string {
			return strings.NewReplacer(":1024,", `:"1024",`, ":443", `:"443"`, `"duration":1.5`, `"duration":"-"`).Replace(r) + "\n"
		}),
		"durations of Zui": eachRow(n, func(r string) string { return strings.Replace(r, `"duration":1.5`, `"duration":"1m30.5s"`, 1) + "\n" }),
		"Kafka Connect": eachRow(n, func(r string) string {
			return `{"schema":{"type":"struct","fields":[{"field":"ts","type":"double"},{"field":"id.orig_h"}]},"payload":` + r + "}\n"
		}),
		"kafkacat": eachRow(n, func(r string) string { return `{"topic":"zeek","ts":1717200000123,"payload":"` + quote(r) + "\"}\n" }),
		"Vector": eachRow(n, func(r string) string {
			return `{"file":"/x/conn.log","source_type":"file","timestamp":"2026-01-01T00:00:00Z","parsed":` + r + "}\n"
		}),
		"Fluent Bit": eachRow(n, func(r string) string { return `{"date":1717200000.5,"log":"` + quote(r) + "\"}\n" }),
		"GELF": eachRow(n, func(r string) string {
			return `{"version":"1.1","timestamp":1717200000.5,"short_message":"conn","full_message":"` + quote(r) + "\"}\n"
		}),
		"journald's JSON": eachRow(n, func(r string) string {
			return `{"__REALTIME_TIMESTAMP":"1717200000000000","MESSAGE":"` + quote(r) + "\"}\n"
		}),
		"journald's text": eachRow(n, func(r string) string { return "2024-06-01T00:00:07+0000 sensor zeek[81]: " + r + "\n" }),
		"a message in a message": eachRow(n, func(r string) string {
			return `{"@timestamp":"2026-01-01T00:00:00Z","message":` + strconv.Quote(`{"log":`+strconv.Quote(r)+`,"stream":"stdout"}`) + "}\n"
		}),
		"an object of ids": eachRow(n, func(r string) string {
			return strings.Replace(strings.NewReplacer(`"id.orig_h"`, `"id":{"orig_h"`, "id.", "", `:443,`, `:443},`).Replace(r), "},,", "},", 1) + "\n"
		}),
		"names in objects": eachRow(n, func(r string) string { return `{"zz":{"ts":5,"id.orig_h":"10.9.9.9"},` + r[1:] + "\n" }),
		"other columns in the middle": connTSV + tsvRows(10) + "#fields\tid.resp_p\tproto\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tts\torig_bytes\n" +
			regexp.MustCompile(`(?m)^(\S+)\t(\S+)\t(\S+)\t(\S+)\t(\S+)\t(\S+)\ttcp.*$`).ReplaceAllString(strings.SplitN(tsvRows(n), "\n", 11)[10], "$6\ttcp\t$2\t$3\t$4\t$5\t$1\t472"),
		"columns that nobody knows": strings.ReplaceAll(strings.ReplaceAll(tsv, "#fields\t", "#fields\tja4\tvlan\t"), "\n17172", "\nt13d\t40\t17172"),
		"semicolons":                strings.ReplaceAll(strings.Replace(tsv, `\x09`, `\x3b`, 1), "\t", ";"),
		"other words for unset":     strings.ReplaceAll(strings.Replace(tsv, "#unset_field\t-", "#unset_field\tN/A", 1), "\t-\n", "\tN/A\n"),
		"remarks between":           strings.ReplaceAll(tsv, "\n171720", "\n# a remark\n171720"),
		"torn beginning":            `me":"x","id.orig_p":1}` + "\n" + eachRow(n, func(r string) string { return r + "\n" }),
		"a line before":             `{"message":"started"}` + "\n" + eachRow(n, func(r string) string { return r + "\n" }),
		"a warning before":          "warning: something\n" + tsv,
		"zero bytes before":         strings.Repeat("\x00", 70000) + tsv,
	} {
		t.Run(name, func(t *testing.T) {
			set, err := Look(t.Context(), []string{write(t, "some.thing", []byte(content))}, 1, &Report{})
			require.NoError(t, err)
			require.Empty(t, set.Left)
			var uids []string
			scan := Scan{Workers: 1, ChunkSize: 300, Kinds: []Kind{Conn}, Fields: []Field{OrigH, OrigP, RespH, RespP, Proto, Service, Duration, OrigBytes}, New: func() Taker {
				return takerFunc(func(r *Record, _ *Counts) (Problem, error) {
					i := len(uids)
					uids = append(uids, r.UID.String())
					require.Equal(t, int64(1717200000+60*i)*1000, r.Start)
					require.Equal(t, "10.0.0.1", r.Addr(OrigH).String())
					require.Equal(t, "203.0.113.7", r.Addr(RespH).String())
					require.Equal(t, uint16(443), r.Port(RespP))
					require.Equal(t, "tcp", string(r.Text(Proto)))
					require.Equal(t, int64(472), r.Count(OrigBytes))
					if name == "durations of Zui" {
						require.Equal(t, int64(90500), r.Interval(Duration))
					}
					return Fine, nil
				})
			}}
			require.NoError(t, scan.Run(t.Context(), set.Files))
			require.Len(t, uids, n)
			require.Equal(t, map[Kind]bool{Conn: true}, set.Files[0].Kinds)
		})
	}
}

// TestLogOfEnvelope takes the log's name from what is around a record that neither names its log nor shows it by its
// fields; what remains unknown beside other logs is reported.
func TestLogOfEnvelope(t *testing.T) {
	const bare = `{"ts":1717200000.5,"uid":"C1","id.orig_h":"10.0.0.1","server_name":"a.example"}`
	for name, tc := range map[string]struct {
		line string
		want Kind
	}{
		"sourcetype":        {`{"result":{"sourcetype":"bro:ssl:json","_raw":"` + quote(bare) + `"}}`, SSLLog},
		"its underscore":    {`{"result":{"sourcetype":"corelight_ssl","_raw":"` + quote(bare) + `"}}`, SSLLog},
		"file of Filebeat":  {`{"@timestamp":"2026-01-01T00:00:00Z","log":{"file":{"path":"/nsm/zeek/logs/current/quic.log"}},"message":"` + quote(bare) + `"}`, QUIC},
		"dataset":           {`{"event":{"dataset":"zeek.ssl"},"message":"` + quote(bare) + `"}`, SSLLog},
		"file of Windows":   {`{"log":{"file":{"path":"C:\\zeek\\ssl.00:00:00-01:00:00.log"}},"message":"` + quote(bare) + `"}`, SSLLog},
		"flat document":     {`{"@timestamp":"2024-06-01T00:00:00Z","event_dataset":"zeek.ssl","log_id_uid":"C1","source_ip":"10.0.0.1","event_type":"bro_ssl"}`, SSLLog},
		"bare dataset":      {`{"event":{"dataset":"ssl"},"message":"` + quote(bare) + `"}`, SSLLog},
		"how it came":       {`{"type":"http","source":"syslog","message":"` + quote(bare) + `"}`, ""},
		"syslog":            {"<13>Jun  1 00:00:00 sensor zeek_ssl[81]: " + bare, SSLLog},
		"syslog's programs": {"Jun  1 00:00:00 sensor zeek-quic: " + bare, QUIC},
		"the record counts": {`{"sourcetype":"bro:ssl","_raw":"` + quote(strings.Replace(bare, `"server_name"`, `"answers":["192.0.2.1"],"query"`, 1)) + `"}`, DNSLog},
		"only in a value":   {`{"message":"` + quote(strings.Replace(bare, "a.example", "zeek.ssl", 1)) + `"}`, ""},
		"nothing":           {`{"message":"` + quote(bare) + `","source":"zeek"}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := NewParser(OrigH)
			require.Equal(t, fine, p.line([]byte(tc.line), newHeader()), tc.line)
			if tc.want == "" {
				require.Equal(t, Other, settle("", p.path, p.mark))
				return
			}
			require.Equal(t, tc.want, settle("", p.path, p.mark))
		})
	}
	r := &Report{}
	set, err := Look(t.Context(), []string{write(t, "all.json", []byte(jsonRow(0)+"\n"+bare+"\n"))}, 1, r)
	require.NoError(t, err)
	n := 0
	scan := Scan{Workers: 1, Kinds: []Kind{Conn}, New: func() Taker { return counter{&n} }}
	require.NoError(t, scan.Run(t.Context(), set.Files))
	r.Tell(set.Files[0])
	require.Equal(t, 1, n)
	require.Len(t, r.Notes, 1)
	require.Contains(t, r.Notes[0].What, "left out: 1, the first is line 2")
}

type takerFunc func(*Record, *Counts) (Problem, error)

func (f takerFunc) Take(r *Record, n *Counts) (Problem, error) { return f(r, n) }
func (takerFunc) Flush() error                                 { return nil }

func atoi(t *testing.T, s string) (n int) {
	t.Helper()
	_, err := fmt.Sscan(strings.SplitN(s, ".", 2)[0], &n)
	require.NoError(t, err)
	return n
}

// TestLeftOut names what is no log, and says what to do.
func TestLeftOut(t *testing.T) {
	for name, tc := range map[string]struct {
		content, what, hint string
		data                bool
	}{
		"pcap":     {"\xd4\xc3\xb2\xa1\x02\x00\x04\x00", "is a packet capture (pcap), no log", "zeek -r x", false},
		"pcapng":   {"\x0a\x0d\x0d\x0a\x1c\x00\x00\x00", "is a packet capture (pcapng), no log", "zeek -r x", false},
		"eve.json": {`{"timestamp":"2026-03-02T00:00:00.0+0000","event_type":"flow","src_ip":"10.0.0.1"}` + "\n", "is Suricata's log (eve.json)", "Zeek's logs", false},
		"lz4":      {"\x04\x22\x4d\x18xxxx", "is compressed with lz4", "lz4 -d x", true},
		"xz":       {"\xfd7zXZ\x00\x00", "is compressed with xz", "xz -d x", true},
		"zip":      {"PK\x03\x04xxxx", "is an archive (zip)", "unzip x", true},
		"7z":       {"7z\xbc\xaf\x27\x1cxx", "is an archive (7z)", "7z x x", true},
		"tar":      {strings.Repeat("x", 257) + "ustar\x00" + strings.Repeat("y", 300), "is an archive (tar)", "tar xf x", true},
		"tar.gz":   {packed(t, strings.Repeat("x", 257)+"ustar\x00"+strings.Repeat("y", 300)), "is an archive (tar)", "tar xzf x", true},
		"spaces":   {strings.ReplaceAll(connTSV+tsvRows(3), "\t", " "), "has spaces between its columns", "as Zeek wrote it", true},
		"no ts":    {strings.Replace(connTSV, "\tts\t", "\ttime\t", 1) + tsvRows(3), "has no field ts", "as Zeek wrote it", true},
		"text":     {"hello\nworld\n", "is neither Zeek TSV (no #fields line) nor JSON", "", false},
		"JSON":     {`{"a":1,"b":{"c":2}}` + "\n", "is JSON, but no Zeek record: it has no ts (its keys: a, b.c)", "", false},
		"binary":   {"\x00\x01\x02", "is binary, no Zeek log", "", false},
		"torn gz":  {packed(t, connTSV)[:12], "its compression ends before the first record", "copy it again", true},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, "x", []byte(tc.content))
			set, err := Look(t.Context(), []string{path}, 1, &Report{})
			require.NoError(t, err)
			require.Empty(t, set.Files)
			require.Len(t, set.Left, 1)
			require.Contains(t, set.Left[0].What, tc.what)
			require.Contains(t, strings.ReplaceAll(set.Left[0].Hint, path, "x"), tc.hint)
			require.Equal(t, tc.data, set.Left[0].Data)
		})
	}
}

// TestBesideLogs has what archives keep beside a log: no records are missing, whatever the names say.
func TestBesideLogs(t *testing.T) {
	for name, data := range map[string]bool{"conn.log.gz.sha256": false, "conn.log.MD5": false, "conn.log.gz.asc": false, "conn.log.1": true} {
		path := write(t, name, []byte(strings.Repeat("ab", 32)+"  conn.log.gz\n"))
		set, err := Look(t.Context(), []string{path}, 1, &Report{})
		require.NoError(t, err)
		require.Len(t, set.Left, 1, name)
		require.Equal(t, data, set.Left[0].Data, name)
	}
	set, err := Look(t.Context(), []string{write(t, "conn.log.idx", []byte(connTSV+tsvRows(3)))}, 1, &Report{})
	require.NoError(t, err)
	require.Len(t, set.Files, 1, "a log is what it holds")
}

// TestExtractedFiles: a file that somebody sends through the network is no log, whatever it holds.
func TestExtractedFiles(t *testing.T) {
	dir := t.TempDir()
	inside := filepath.Join(dir, "spool", "extract_files")
	require.NoError(t, os.MkdirAll(inside, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(inside, "HTTP-F1.log"), []byte(connTSV+tsvRows(3)), 0o600))
	for path, want := range map[string]int{dir: 0, filepath.Join(dir, "*"): 0, filepath.Join(dir, "**", "*.log"): 0, filepath.Join(dir, "spool", "*"): 0, inside: 1} {
		r := &Report{}
		set, err := Look(t.Context(), []string{path}, 1, r)
		if want == 0 && strings.HasSuffix(path, ".log") {
			require.ErrorContains(t, err, "no file matches")
			require.Len(t, r.Notes, 1)
			continue
		}
		require.NoError(t, err, path)
		require.Len(t, set.Files, want, path)
		require.Len(t, r.Notes, 1-want, path)
	}
}

// TestGlobs follows ** through any number of directories.
func TestGlobs(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"conn.log", "a/conn.log", "a/b/c/conn.log", "a/b/dns.log"} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(connTSV+tsvRows(1)), 0o600))
	}
	for pattern, want := range map[string]int{"**/conn*": 3, "a/**/conn.log": 2, "**/*.log": 4, "*/*.log": 1} {
		files, err := find([]string{filepath.Join(dir, pattern)}, &Report{})
		require.NoError(t, err)
		require.Len(t, files, want, pattern)
	}
	_, err := find([]string{filepath.Join(dir, "**", "x*")}, &Report{})
	require.ErrorContains(t, err, "no file matches")
}
