package simulate

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/integration/load/sodoc"
	"dwell/internal/securityonion"
)

// seconds parses a time or interval cell.
func seconds(t *testing.T, cell string) float64 {
	t.Helper()
	f, err := strconv.ParseFloat(cell, 64)
	require.NoError(t, err)
	return f
}

func ends(r map[string]string) [4]string {
	return [4]string{r["id.orig_h"], r["id.orig_p"], r["id.resp_h"], r["id.resp_p"]}
}

// A whole morning with all logs: they must agree about each connection.
func TestLogsTellOneStory(t *testing.T) {
	sc := small()
	sc.Implants[0].Intel = "feed-a"
	dir, s := run(t, sc, Format{})
	logs := map[string][]map[string]string{}
	for _, log := range Logs() {
		logs[log] = tsvRecords(t, filepath.Join(dir, log+".log"))
		require.NotEmpty(t, logs[log], log)
		require.EqualValues(t, len(logs[log]), s.Labels.Logs[Log(log)])
	}
	conns := map[string]map[string]string{}
	for _, c := range logs["conn"] {
		require.Nil(t, conns[c["uid"]], "each uid once")
		conns[c["uid"]] = c
	}

	for _, log := range []string{"dns", "ssl", "http", "files", "weird", "notice", "kerberos", "ntlm", "intel"} {
		for _, r := range logs[log] {
			c, ok := conns[r["uid"]]
			require.True(t, ok, "%s: %s is in conn.log", log, r["uid"])
			require.Equal(t, ends(c), ends(r), log)
			at, start := seconds(t, r["ts"]), seconds(t, c["ts"])
			require.GreaterOrEqual(t, at, start, log)
			if c["duration"] != "-" {
				require.LessOrEqual(t, at, start+seconds(t, c["duration"])+0.1, log)
			}
			switch log {
			case "ssl", "http", "dns", "ntlm":
				require.Contains(t, c["service"], log)
			case "kerberos":
				require.Equal(t, "krb_tcp", c["service"])
				require.Regexp(t, `^([A-Z0-9-]+\$|user-\d+)/CORP\.EXAMPLE$`, r["client"])
				require.Equal(t, r["success"] == "T", r["error_msg"] == "-" && r["till"] != "-")
			case "intel":
				require.Equal(t, []string{"cdn-static.example", "Intel::DOMAIN", "SSL::IN_SERVER_NAME", "feed-a"},
					[]string{r["seen.indicator"], r["seen.indicator_type"], r["seen.where"], r["sources"]})
			}
		}
	}

	t.Run("certificates", func(t *testing.T) {
		known := map[string]map[string]string{}
		for _, x := range logs["x509"] {
			require.Nil(t, known[x["fingerprint"]], "a certificate is logged once a day")
			known[x["fingerprint"]] = x
		}
		hidden, shown, own := 0, 0, 0
		for _, r := range logs["ssl"] {
			if r["cert_chain_fps"] == "-" {
				hidden++
				require.Equal(t, "-", r["subject"])
				continue
			}
			shown++
			require.Equal(t, "TLSv12", r["version"], "TLS 1.3 hides its certificates")
			x := known[r["cert_chain_fps"]]
			require.NotNil(t, x)
			require.Equal(t, x["certificate.subject"], r["subject"])
			require.Equal(t, x["certificate.issuer"], r["issuer"])
			if r["validation_status"] == "self signed certificate" {
				own++
				require.Equal(t, r["subject"], r["issuer"])
			}
		}
		require.Positive(t, hidden)
		require.Positive(t, shown)
		require.Positive(t, own)
		for _, n := range logs["notice"] {
			require.Equal(t, "SSL::Invalid_Server_Cert", n["note"])
			require.Contains(t, []string{"CN=cdn-static.example", "CN=localhost"}, n["sub"], "only the implants sign for themselves")
		}
	})

	t.Run("names are looked up before they are used", func(t *testing.T) {
		type use struct{ client, name string }
		answered := map[use][]float64{}
		for _, q := range logs["dns"] {
			if q["rtt"] != "-" && q["answers"] != "-" {
				k := use{q["id.orig_h"], q["query"]}
				answered[k] = append(answered[k], seconds(t, q["ts"])+seconds(t, q["rtt"]))
			}
		}
		unknown, named := 0, 0
		for _, r := range append(append([]map[string]string{}, logs["ssl"]...), logs["http"]...) {
			name := r["server_name"]
			if name == "" {
				name = r["host"]
			}
			if name == "-" || strings.HasPrefix(name, "www.corp") || strings.Contains(r["id.orig_h"], ":") || strings.Contains(r["id.resp_h"], ":") ||
				r["id.resp_p"] == "3128" {
				continue
			}
			named++
			start := seconds(t, conns[r["uid"]]["ts"])
			before := false
			for _, at := range answered[use{r["id.orig_h"], name}] {
				before = before || at <= start
			}
			if !before {
				unknown++
			}
		}
		require.Greater(t, named, 500)
		// One query in 500 is never answered, but the connection is made all the same.
		require.Less(t, float64(unknown), 0.01*float64(named))
	})

	t.Run("leases name the hosts", func(t *testing.T) {
		for _, r := range logs["dhcp"] {
			c := conns[r["uids"]]
			require.NotNil(t, c)
			require.Equal(t, "67", c["id.resp_p"])
			found := false
			for _, m := range s.Labels.Hosts {
				if m.Address.String() == r["assigned_addr"] {
					found = true
					require.Equal(t, m.Name, r["host_name"])
					require.Equal(t, m.MAC, r["mac"])
				}
			}
			require.True(t, found, r["assigned_addr"])
		}
	})

	t.Run("files are those of HTTP", func(t *testing.T) {
		used := map[string]string{}
		for _, r := range logs["http"] {
			for _, k := range []string{"orig_fuids", "resp_fuids"} {
				if r[k] != "-" {
					used[r[k]] = r["uid"]
				}
			}
		}
		for _, r := range logs["files"] {
			require.Equal(t, used[r["fuid"]], r["uid"])
		}
	})
}

// conn.log does not depend on the other logs.
func TestLogsAreChosen(t *testing.T) {
	sc := small()
	sc.Length = Duration(time.Hour)
	all, _ := run(t, sc, Format{})
	sc.Logs = []string{"ssl"}
	some, s := run(t, sc, Format{})
	require.Equal(t, digests(t, all)["conn.log"], digests(t, some)["conn.log"])
	require.Equal(t, digests(t, all)["ssl.log"], digests(t, some)["ssl.log"])
	require.Len(t, s.Labels.Logs, 2)
	sc.Logs = []string{"conn"}
	only, s := run(t, sc, Format{})
	require.Equal(t, digests(t, all)["conn.log"], digests(t, only)["conn.log"])
	require.Len(t, s.Labels.Logs, 1)
}

func TestDNSTunnel(t *testing.T) {
	sc := small()
	sc.Implants = []Talker{{Name: "x", Kind: KindDNSTunnel, Hosts: []string{"ws-002"}, Domain: "t.evil.example", Period: Duration(10 * time.Second)}}
	sc.Length = Duration(time.Hour)
	dir, s := run(t, sc, Format{})
	label := s.Labels.Implants[0]
	require.Equal(t, "dns_tunnel", label.Indicator)
	names := map[string]bool{}
	n := int64(0)
	for _, q := range tsvRecords(t, filepath.Join(dir, "dns.log")) {
		if strings.HasSuffix(q["query"], ".t.evil.example") && q["id.orig_h"] == label.Sources[0].String() {
			n++
			names[q["query"]] = true
			require.Equal(t, label.Destinations[0].String(), q["id.resp_h"])
		}
	}
	require.Equal(t, label.Connections, n)
	require.InDelta(t, 360, n, 2)
	require.Greater(t, len(names), 350)
}

func TestBehindTheProxy(t *testing.T) {
	sc := small()
	sc.Length, sc.Services = Duration(2*time.Hour), nil
	sc.Implants = []Talker{{Name: "x", Kind: KindBeacon, Hosts: []string{"ws-002"}, Domain: "cdn.evil.example", Proxy: true, Period: Duration(time.Minute)}}
	dir, s := run(t, sc, Format{})
	label := s.Labels.Implants[0]
	src, dst, proxy := label.Sources[0].String(), label.Destinations[0].String(), label.Proxy.String()
	inside, outside := int64(0), int64(0)
	for _, c := range tsvRecords(t, filepath.Join(dir, "conn.log")) {
		require.False(t, c["id.orig_h"] == src && c["id.resp_h"] == dst, "the implant never talks to its server itself")
		if c["id.orig_h"] == src && c["id.resp_h"] == proxy && c["id.resp_p"] == "3128" {
			inside++
			require.Equal(t, "http,ssl", c["service"])
		}
		if c["id.orig_h"] == proxy && c["id.resp_h"] == dst && c["id.resp_p"] == "443" {
			outside++
		}
	}
	require.Equal(t, label.Connections, inside)
	require.Equal(t, inside, outside)
	require.InDelta(t, 120, inside, 1)
	asked := int64(0)
	for _, r := range tsvRecords(t, filepath.Join(dir, "http.log")) {
		if r["id.orig_h"] == src && r["method"] == "CONNECT" {
			asked++
			require.Equal(t, "cdn.evil.example", r["host"])
			require.Equal(t, "cdn.evil.example:443", r["uri"])
			require.Equal(t, "-", r["resp_fuids"])
		}
	}
	require.Equal(t, inside, asked)
	for _, q := range tsvRecords(t, filepath.Join(dir, "dns.log")) {
		require.False(t, q["id.orig_h"] == src && q["query"] == "cdn.evil.example", "the proxy looks the name up")
	}
}

// By SOCKS the proxy is asked for a name, too, on a port of its own.
func TestBehindSOCKS(t *testing.T) {
	sc := small()
	sc.Length, sc.Services = Duration(2*time.Hour), nil
	sc.Implants = []Talker{{Name: "x", Kind: KindBeacon, Hosts: []string{"ws-002"}, Domain: "cdn.evil.example", Proxy: true, SOCKS: true, Period: Duration(time.Minute)}}
	dir, s := run(t, sc, Format{})
	label := s.Labels.Implants[0]
	asked := int64(0)
	for _, r := range tsvRecords(t, filepath.Join(dir, "socks.log")) {
		require.Equal(t, label.Sources[0].String(), r["id.orig_h"])
		require.Equal(t, label.Proxy.String(), r["id.resp_h"])
		require.Equal(t, "1080", r["id.resp_p"])
		require.Equal(t, "cdn.evil.example", r["request.name"])
		require.Equal(t, "443", r["request_p"])
		asked++
	}
	require.Equal(t, label.Connections, asked)
	require.InDelta(t, 120, asked, 1)
}

// Each line of each log converts to a document in Security Onion's format.
func TestLinesBecomeDocuments(t *testing.T) {
	sc := small()
	sc.Start, sc.Length = sc.Start.Add(9*time.Hour), Duration(30*time.Minute)
	dir, s := run(t, sc, Format{JSON: true})
	n := int64(0)
	for log, want := range s.Labels.Logs {
		c, err := sodoc.NewConverter(string(log), sodoc.Meta{Observer: "so-sensor1"})
		require.NoError(t, err)
		b, err := os.ReadFile(filepath.Join(dir, string(log)+".log"))
		require.NoError(t, err)
		for line := range bytes.Lines(b) {
			doc, err := c.Append(nil, line)
			require.NoError(t, err, "%s", line)
			var d struct {
				Event   struct{ Dataset string }
				Network struct {
					Community string `json:"community_id"`
				}
				Message string
			}
			require.NoError(t, json.Unmarshal(doc, &d))
			require.Equal(t, securityonion.Dataset(string(log)), d.Event.Dataset)
			if log == ConnLog {
				require.Contains(t, d.Message, `"community_id":"`+d.Network.Community+`"`, "Zeek's and the cluster's flow hash agree")
			}
			n, want = n+1, want-1
		}
		require.Zero(t, want, log)
	}
	require.Greater(t, n, int64(500))
}

// A scenario's bytes are pinned: another host, Go release or run must give the same. Update the digest when the
// simulation changes on purpose.
func TestBytesAreTheSameEverywhere(t *testing.T) {
	sc := small()
	sc.Start, sc.Length = sc.Start.Add(9*time.Hour), Duration(30*time.Minute)
	dir, _ := run(t, sc, Format{})
	require.Equal(t, "c88b66c47f0022eb", digests(t, dir)["conn.log"])
}
