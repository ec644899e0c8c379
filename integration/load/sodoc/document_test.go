package sodoc

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

// samples returns the directory of sample documents beside the module's root.
func samples(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	require.NoError(t, err)
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		up := filepath.Dir(dir)
		require.NotEqual(t, dir, up, "no go.mod above the test")
		dir = up
	}
	dir = filepath.Join(dir, "..", "shared", "samples", "security-onion")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("SAMPLES OF SECURITY ONION not found at ../shared/samples/security-onion: skipped")
	}
	return dir
}

// environment are the fields of a sample that its agent wrote about itself; a converter cannot know them.
var environment = []string{"elastic_agent", "metadata", "log.offset"}

func without(doc map[string]any, path string) {
	head, rest, more := strings.Cut(path, ".")
	if !more {
		delete(doc, head)
		return
	}
	if inner, ok := doc[head].(map[string]any); ok {
		without(inner, rest)
	}
}

func parse(t *testing.T, b []byte) map[string]any {
	t.Helper()
	var m map[string]any
	require.NoError(t, json.Unmarshal(b, &m), "%s", b)
	return m
}

// Each sample was made by the real ingest pipelines' steps; its own message is the line to convert.
func TestDocumentsAreAsTheSamples(t *testing.T) {
	dir := samples(t)
	for _, log := range []string{"conn", "dns", "http", "ssl"} {
		t.Run(log, func(t *testing.T) {
			b, err := os.ReadFile(filepath.Join(dir, "derived-zeek."+log+".json"))
			require.NoError(t, err)
			want := parse(t, b)["_source"].(map[string]any)
			got, err := Document(log, []byte(want["message"].(string)), Meta{Observer: "so-sensor1",
				Path:     "/nsm/zeek/logs/current/" + log + ".log",
				Ingested: time.Date(2024, 10, 15, 13, 7, 42, 118e6, time.UTC)})
			require.NoError(t, err)
			for _, path := range environment {
				without(want, path)
			}
			// In 2.4.110 the tags have the dataset twice, later once; and the name of the agent's input.
			require.ElementsMatch(t, []any{"elastic-agent", "input-so-manager", "beats_input_codec_plain_applied", log, log}, want["tags"])
			want["tags"] = []any{"elastic-agent", "beats_input_codec_plain_applied", log}
			require.Empty(t, cmp.Diff(want, parse(t, got)))
		})
	}
}

func at(t *testing.T, doc []byte, path string) any {
	t.Helper()
	var v any = parse(t, doc)
	for _, k := range strings.Split(path, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[k]
	}
	return v
}

func TestUnansweredConnection(t *testing.T) {
	doc, err := Document("conn", []byte(`{"ts":1700000000.9999,"uid":"C1","id.orig_h":"10.0.0.1","id.orig_p":5000,"id.resp_h":"203.0.113.9","id.resp_p":443,"proto":"tcp","conn_state":"S0","orig_pkts":1,"orig_ip_bytes":52,"resp_pkts":0,"resp_ip_bytes":0}`), Meta{})
	require.NoError(t, err)
	require.Equal(t, "2023-11-14T22:13:20.999Z", at(t, doc, "@timestamp"), "milliseconds are cut")
	require.Equal(t, "2023-11-14T22:13:30.999Z", at(t, doc, "event.ingested"))
	for _, path := range []string{"event.duration", "network.bytes", "network.protocol", "client.bytes", "server.bytes", "observer", "log.file", "connection.local"} {
		require.Nil(t, at(t, doc, path), path)
	}
	require.EqualValues(t, 0, at(t, doc, "server.ip_bytes"))
	require.Equal(t, "Connection attempt seen, no reply", at(t, doc, "connection.state_description"))
}

func TestOtherLogs(t *testing.T) {
	for _, tc := range []struct {
		log, line string
		want      map[string]any
	}{
		{"files", `{"ts":1700000000.1,"fuid":"F1","tx_hosts":["203.0.113.9","x"],"rx_hosts":["10.0.0.1"],"conn_uids":["C1"],"source":"HTTP","mime_type":"text/html","duration":0.5,"seen_bytes":166,"md5":"aa"}`,
			map[string]any{"event.dataset": "zeek.file", "source.ip": "203.0.113.9", "client.ip": "203.0.113.9", "destination.ip": "10.0.0.1", "log.id.fuid": "F1",
				"log.id.uid": []any{"C1"}, "file.source": "HTTP", "file.bytes.seen": 166., "event.duration": 0.5, "hash.md5": "aa", "pipeline": "files"}},
		{"files", `{"ts":1700000000.1,"fuid":"F1","uid":"C1","id.orig_h":"10.0.0.1","id.orig_p":1,"id.resp_h":"203.0.113.9","id.resp_p":80,"tx_hosts":[]}`,
			map[string]any{"source.ip": "10.0.0.1", "destination.ip": "203.0.113.9", "log.id.uid": []any{"C1"}, "destination.port": 80.}},
		{"x509", `{"ts":1700000000.1,"fingerprint":"ab12","certificate.version":3,"certificate.subject":"CN=x","certificate.key_length":2048,"san.dns":["x.example"],"basic_constraints.ca":false}`,
			map[string]any{"hash.sha256": "ab12", "x509.certificate.subject": "CN=x", "x509.certificate.key.length": 2048., "x509.san_dns": []any{"x.example"}, "x509.basic_constraints.ca": false, "source": nil}},
		{"dhcp", `{"ts":1700000000.1,"uids":["C1"],"client_addr":"10.0.0.7","server_addr":"10.0.0.1","mac":"02:1a:11:00:00:01","host_name":"ws-001","domain":"corp.example","assigned_addr":"10.0.0.7","lease_time":86400.0,"msg_types":["REQUEST","ACK"],"duration":0.01}`,
			map[string]any{"host.mac": "02:1a:11:00:00:01", "host.hostname": "ws-001", "host.domain": "corp.example", "dhcp.assigned_ip": "10.0.0.7", "log.id.uids": []any{"C1"}, "client.address": "10.0.0.7", "dhcp.lease_time": 86400.}},
		{"notice", `{"ts":1700000000.1,"uid":"C1","id.orig_h":"10.0.0.1","id.orig_p":5,"id.resp_h":"203.0.113.9","id.resp_p":443,"proto":"tcp","note":"SSL::Invalid_Server_Cert","msg":"m","sub":"s","p":443,"actions":["Notice::ACTION_LOG"]}`,
			map[string]any{"notice.note": "SSL::Invalid_Server_Cert", "notice.message": "m", "notice.sub_message": "s", "notice.p": 443., "network.transport": "tcp", "source.ip": "10.0.0.1"}},
		{"weird", `{"ts":1700000000.1,"name":"dns_unmatched_reply","addl":"x","notice":false,"peer":"zeek"}`,
			map[string]any{"weird.name": "dns_unmatched_reply", "weird.additional_info": "x", "weird.notice": false, "log": nil}},
		{"software", `{"ts":1700000000.1,"host":"10.0.0.1","software_type":"HTTP::BROWSER","name":"Firefox","version.major":120,"unparsed_version":"Firefox/120.0"}`,
			map[string]any{"source.ip": "10.0.0.1", "software.type": "HTTP::BROWSER", "software.version.major": 120., "software.version.unparsed": "Firefox/120.0"}},
		{"intel", `{"ts":1700000000.1,"uid":"C1","id":{"orig_h":"10.0.0.1","orig_p":5,"resp_h":"203.0.113.9","resp_p":443},"seen.indicator":"evil.example","seen":{"where":"SSL::IN_SERVER_NAME"},"matched":["Intel::DOMAIN"]}`,
			map[string]any{"intel.indicator": "evil.example", "intel.seen_where": "SSL::IN_SERVER_NAME", "source.ip": "10.0.0.1", "source.port": 5., "server.port": "443"}},
		{"dns", `{"ts":1700000000.1,"uid":"C1","query":"example.com","proto":"udp"}`,
			map[string]any{"dns.top_level_domain": "com", "dns.parent_domain": "example", "dns.subdomain": nil, "dns.highest_registered_domain": "example.com", "dns.query.length": 11.}},
		{"dns", `{"ts":1700000000.1,"uid":"C1","query":"localhost","proto":"udp"}`,
			map[string]any{"dns.top_level_domain": nil, "dns.query.length": 9., "dns.highest_registered_domain": nil}},
		{"ssl", `{"ts":"2023-11-14T22:13:20.123456Z","uid":"C1","ja4":"","ja4s":"x"}`,
			map[string]any{"@timestamp": "2023-11-14T22:13:20.123Z", "hash.ja4": nil, "hash.ja4s": "x", "network": nil}},
		{"conn", `{"ts":1700000000,"uid":"C1","id.orig_h":"fd00::1","id.orig_p":128,"id.resp_h":"2001:db8::1","id.resp_p":129,"proto":"icmp","service":null}`,
			map[string]any{"@timestamp": "2023-11-14T22:13:20.000Z", "network.transport": "icmp", "network.protocol": nil}},
	} {
		doc, err := Document(tc.log, []byte(tc.line), Meta{Import: true})
		require.NoError(t, err)
		for path, want := range tc.want {
			require.Equal(t, want, at(t, doc, path), "%s of %s", path, tc.line)
		}
		require.Equal(t, tc.line, at(t, doc, "message"))
		require.Equal(t, "import", at(t, doc, "data_stream.dataset"))
		require.Equal(t, true, at(t, doc, "event.imported"))
	}
}

func TestBadLines(t *testing.T) {
	for line, want := range map[string]string{
		"":                              "no JSON object",
		"[1]":                           "no JSON object",
		`{"ts":1`:                       "no JSON object",
		`{"uid":"C1"}`:                  "ts is missing",
		`{"ts":"yesterday"}`:            "no time",
		`{"ts":-5}`:                     "no time",
		`{"ts":true}`:                   "no time",
		"#separator \\x09\n#path\tconn": "no JSON object",
	} {
		_, err := Document("conn", []byte(line), Meta{})
		require.ErrorContains(t, err, want, line)
	}
	_, err := Document("stats", []byte(`{"ts":1}`), Meta{})
	require.ErrorIs(t, err, ErrUnknownLog)
}

func TestAppendLeavesNothingOfTheLastLine(t *testing.T) {
	c, err := NewConverter("conn", Meta{})
	require.NoError(t, err)
	first, err := c.Append(nil, []byte(`{"ts":1700000000.1,"uid":"C1","service":"ssl","orig_bytes":1,"resp_bytes":2}`))
	require.NoError(t, err)
	require.EqualValues(t, 3, at(t, first, "network.bytes"))
	second, err := c.Append([]byte("x"), []byte(`{"ts":1700000000.1}`))
	require.NoError(t, err)
	require.Equal(t, byte('x'), second[0])
	require.Nil(t, at(t, second[1:], "network"))
	require.Nil(t, at(t, second[1:], "log"))
	third, err := c.Append([]byte("kept"), []byte(`{`))
	require.Error(t, err)
	require.Equal(t, "kept", string(third))
}

func FuzzDocument(f *testing.F) {
	f.Add(`{"ts":1700000000.5,"uid":"C\"1","id.orig_h":"10.0.0.1","id":{"resp_h":"x"},"query":"a\u0000.b\\","tx_hosts":[ [1],{"a":"]"}]}`)
	f.Add(`{"ts":1e9,"query":"\ud800.x","answers":[""],"rtt":"x","id.orig_p":"1"}`)
	f.Add("{\"ts\":1,\"host\":\"\xff\"}")
	f.Fuzz(func(t *testing.T, line string) {
		for _, log := range Convertible() {
			doc, err := Document(log, []byte(line), Meta{Observer: "s\"x"})
			if err != nil {
				continue
			}
			if !json.Valid(doc) {
				t.Fatalf("%s: %q became %q", log, line, doc)
			}
		}
	})
}

func BenchmarkConn(b *testing.B) {
	line := []byte(`{"ts":1728997651.204317,"uid":"C3Rk0e2qX1bYbN8hE9","id.orig_h":"10.55.100.111","id.orig_p":51234,"id.resp_h":"165.227.216.194","id.resp_p":443,"proto":"tcp","service":"ssl","duration":0.318442,"orig_bytes":1093,"resp_bytes":2110,"conn_state":"SF","local_orig":true,"local_resp":false,"missed_bytes":0,"history":"ShADadfF","orig_pkts":10,"orig_ip_bytes":1505,"resp_pkts":9,"resp_ip_bytes":2482}`)
	c, err := NewConverter("conn", Meta{Observer: "so-sensor1"})
	require.NoError(b, err)
	var dst []byte
	b.ReportAllocs()
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		if dst, err = c.Append(dst[:0], line); err != nil {
			b.Fatal(err)
		}
	}
}
