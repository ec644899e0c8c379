package integration_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/es"
	"dwell/internal/evidence"
	"dwell/internal/evidence/intel"
	"dwell/internal/evidence/protocol"
	"dwell/internal/hunt"
	"dwell/internal/pipeline/rank"
	"dwell/internal/simulate"
	"dwell/query/zeek"
)

type record = map[string]any

// zeekLogs writes logs as Zeek's JSON.
func zeekLogs(t *testing.T, dir string, logs map[string][]record) {
	t.Helper()
	for name, records := range logs {
		var text []byte
		for _, r := range records {
			b, err := json.Marshal(r)
			require.NoError(t, err)
			text = append(append(text, b...), '\n')
		}
		require.NoError(t, os.WriteFile(filepath.Join(dir, name+".log"), text, 0o600))
	}
}

// A single connection is a finding when an indicator names its fingerprint or certificate, when Zeek's intelligence
// framework reported it, and when three independent things about it are odd; two oddities are not enough. Files and
// Elasticsearch agree.
func TestOneConnectionIsEnough(t *testing.T) {
	const ja3Listed, certListed = "0123456789abcdef0123456789abcdef", "%064x"
	start := time.Date(2026, 3, 30, 0, 0, 0, 0, time.UTC)
	logs := map[string][]record{}
	n := 0
	connect := func(host, dst string, port int, at time.Duration, service string, more record) record {
		n++
		base := record{"ts": float64(start.Add(at).UnixMilli()) / 1000, "uid": fmt.Sprintf("C%d", n), "id.orig_h": host, "id.orig_p": 20000 + n, "id.resp_h": dst, "id.resp_p": port}
		conn, other := record{"proto": "tcp", "service": service, "duration": 2.0, "orig_bytes": 500, "resp_bytes": 3000, "conn_state": "SF", "orig_ip_bytes": 800, "resp_ip_bytes": 3500}, record{}
		for k, v := range base {
			conn[k], other[k] = v, v
		}
		for k, v := range more {
			other[k] = v
		}
		logs["conn"], logs[service] = append(logs["conn"], conn), append(logs[service], other)
		return base
	}
	tls := func(name, ja4, validation string, cert int) record {
		r := record{"version": "TLSv12", "ja4": ja4, "validation_status": validation, "subject": "CN=c", "issuer": "CN=ca", "cert_chain_fps": []string{fmt.Sprintf(certListed, cert)}}
		if name != "" {
			r["server_name"] = name
		}
		return r
	}
	const browser = "t13d1516h2_8daaf6152771_b0da82dd1658"
	for host := range 15 {
		for i := range 24 {
			connect(fmt.Sprintf("10.0.0.%d", host+1), fmt.Sprintf("198.51.100.%d", (i*7+host)%9+1), 443, time.Duration(i)*time.Hour+time.Duration((i*i*37+host*101)%3500)*time.Second, "ssl", tls("www.site.example", browser, "ok", 1))
		}
		connect(fmt.Sprintf("10.0.0.%d", host+1), "198.51.100.20", 80, time.Duration(host)*time.Hour, "http", record{"method": "GET", "host": "www.site.example", "uri": "/", "user_agent": "Mozilla/5.0"})
	}
	noon := 12 * time.Hour
	listed := tls("a.example", "", "ok", 1)
	delete(listed, "ja4")
	listed["ja3"] = ja3Listed
	connect("10.0.0.3", "203.0.113.3", 443, noon, "ssl", listed)
	connect("10.0.0.4", "203.0.113.4", 443, noon, "ssl", tls("b.example", browser, "ok", 77))
	connect("10.0.0.5", "203.0.113.5", 8443, noon, "ssl", tls("", "t13d1516h2_000000000000_111111111111", "self signed certificate", 2))
	connect("10.0.0.6", "203.0.113.6", 8443, noon, "ssl", tls("", browser, "self signed certificate", 3)) // two oddities only
	hit := connect("10.0.0.7", "203.0.113.7", 443, noon, "ssl", tls("c.example", browser, "ok", 1))
	hit["seen.indicator"], hit["seen.indicator_type"], hit["seen.where"], hit["sources"] = "203.0.113.7", "Intel::ADDR", "Conn::IN_RESP", []string{"feed"}
	connect("10.0.0.8", "203.0.113.8", 80, noon, "http", record{"method": "GET", "host": "203.0.113.8", "uri": "/a.exe", "user_agent": "Updater/9", "resp_mime_types": []string{"application/x-dosexec"}})
	asked := record{"ts": float64(start.Add(noon).UnixMilli()) / 1000, "uid": "D1", "id.orig_h": "10.0.0.9", "id.orig_p": 5353, "id.resp_h": "10.0.0.53", "id.resp_p": 53}
	query, seen := record{"proto": "udp", "query": "bad.evil.example", "qtype_name": "A", "rcode_name": "NXDOMAIN"}, record{"seen.indicator": "bad.evil.example", "seen.indicator_type": "Intel::DOMAIN", "seen.where": "DNS::IN_REQUEST", "sources": []string{"feed"}}
	for k, v := range asked {
		query[k], seen[k] = v, v
	}
	logs["dns"], logs["intel"] = []record{query}, []record{hit, seen}
	dir := t.TempDir()
	zeekLogs(t, dir, logs)

	list := filepath.Join(t.TempDir(), "ioc.txt")
	require.NoError(t, os.WriteFile(list, []byte(ja3Listed+"\n"+fmt.Sprintf(certListed, 77)+"\n"), 0o600))
	lists := intel.Load(t.Context(), []string{list}, nil)
	o := huntOf(rank.Ranking{Judges: []evidence.Judge{protocol.Judge{}, lists}}, simulate.Window{Start: start, End: start.Add(24 * time.Hour)})
	o.MinScore = 0.2
	want := map[string]string{
		"10.0.0.3>203.0.113.3:443/tcp": hunt.OnList, "10.0.0.4>203.0.113.4:443/tcp": hunt.OnList, "10.0.0.7>203.0.113.7:443/tcp": hunt.OnList,
		"10.0.0.9>*.evil.example/dns": hunt.OnList, "10.0.0.5>203.0.113.5:8443/tcp": hunt.Anomaly, "10.0.0.8>203.0.113.8:80/tcp": hunt.Anomaly,
	}
	check := func(t *testing.T, src hunt.Source) {
		res := run(t, src, o)
		require.Empty(t, res.Reading.Gaps)
		got := map[string]string{}
		for i := range res.Findings {
			f := &res.Findings[i]
			if f.Dwell.Indicators[0] == hunt.Beacon { // the even traffic of the others
				continue
			}
			got[f.Dwell.Pair] = f.Dwell.Indicators[0]
			switch f.Dwell.Indicators[0] {
			case hunt.OnList:
				require.NotEmpty(t, f.Dwell.Evidence.Intel, f.Dwell.Pair)
			case hunt.Anomaly:
				require.Equal(t, "medium", f.Dwell.Severity, f.Dwell.Pair)
			}
		}
		require.Equal(t, want, got)
	}
	t.Run("files", func(t *testing.T) { check(t, zeek.New(zeek.Options{Paths: []string{dir}})) })
	onEachLine(t, func(t *testing.T, client *es.Client) { check(t, loaded(t, client, dir)) })
}
