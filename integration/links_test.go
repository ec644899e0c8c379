package integration_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/integration/load"
	"dwell/internal/es"
	"dwell/internal/hunt"
	"dwell/internal/pipeline"
	"dwell/internal/pipeline/material"
	"dwell/internal/pipeline/rank"
	"dwell/internal/pipeline/rita"
	"dwell/internal/securityonion"
	"dwell/internal/simulate"
)

// office is a scenario with a candidate of each kind: an address, a network, a name, a TLS fingerprint, and a tunnel
// under a domain whose last two labels are a public suffix.
const office = `
seed: 11
hosts: 3
rate: 4
destinations: 100
length: 6h
logs: [conn, ssl, http, dns]
services: []
implants:
  - {name: address, kind: beacon, destinations: [203.0.113.7], port: 8443, period: 5m, jitter: 5%, request: 300, response: 900}
  - {name: rotating, kind: beacon, destinations: [198.51.100.20, 198.51.100.77, 198.51.100.140], rotate: random, period: 4m, jitter: 10%, request: 500, response: 500}
  - {name: name, kind: beacon, domain: c2.evil.co.uk, destinations: [203.0.113.40, 192.0.2.41], rotate: random, period: 4m, jitter: 5%, request: 300, response: 900}
  - {name: tunnel, kind: dns_tunnel, domain: t.tunnel.co.uk, period: 30s, request: 200, response: 200}
  - {name: roaming, kind: beacon, no_server_name: true, rotate: random, period: 3m, jitter: 10%, request: 500, response: 500, ja3: e7d705a3286e19ea42f587b344ee6865, ja4: t12i190800_d83cc789557e_16bbda4055b2, destinations: [185.7.1.9, 91.200.4.7, 45.9.148.3, 193.42.33.8, 5.188.86.2, 194.26.29.11, 141.98.10.5, 80.66.64.9, 62.204.41.7]}
`

// soc counts what Security Onion's console finds with a link: it takes the query and the range from the URL and sends
// them as a query_string and a range of whole seconds (securityonion-soc, server/modules/elastic/converter.go).
func soc(t *testing.T, client *es.Client, link string) int64 {
	t.Helper()
	u, err := url.Parse(link)
	require.NoError(t, err)
	raw := u.EscapedFragment()
	values, err := url.ParseQuery(raw[strings.Index(raw, "?")+1:])
	require.NoError(t, err)
	filter := []any{queryString(values.Get("q"))}
	if values.Has("t") {
		from, to, ok := strings.Cut(values.Get("t"), " - ")
		require.True(t, ok)
		at := func(s string) string {
			out, err := time.Parse("2006/01/02 3:04:05 PM", s)
			require.NoError(t, err)
			return out.Format(time.RFC3339)
		}
		require.Equal(t, "UTC", values.Get("z"))
		filter = append(filter, map[string]any{"range": map[string]any{"@timestamp": map[string]any{"gte": at(from), "lte": at(to), "format": "strict_date_optional_time"}}})
	}
	return count(t, client, filter)
}

func queryString(oql string) any {
	return map[string]any{"query_string": map[string]any{"query": oql, "analyze_wildcard": true, "default_field": "*"}}
}

func count(t *testing.T, client *es.Client, filter []any) int64 {
	t.Helper()
	body, err := json.Marshal(map[string]any{"size": 0, "track_total_hits": true, "query": map[string]any{"bool": map[string]any{"filter": filter}}})
	require.NoError(t, err)
	var hits struct{ Total struct{ Value int64 } }
	require.NoError(t, client.Search(t.Context(), es.SearchRequest{Op: "follow a link", Index: []string{securityonion.StreamZeek}, Body: body}, func(r es.SearchResult) error {
		return json.Unmarshal(r.Hits, &hits)
	}), string(body))
	return hits.Total.Value
}

// The link of every finding of a simulated day, for every kind of candidate, in a window that cuts connections off at
// both ends. For an address or a network Hunt shows exactly the connections that the finding counts, for a tunnel its
// queries, for a name the TLS and HTTP records with it, counted here in the logs.
func TestLinksFindTheConnections(t *testing.T) {
	sc, err := simulate.Parse(strings.NewReader(office))
	require.NoError(t, err)
	dir := t.TempDir()
	summary, err := simulate.Run(t.Context(), sc, dir, simulate.Format{JSON: true})
	require.NoError(t, err)
	from, to := summary.Labels.Window.Start.Add(time.Hour), summary.Labels.Window.End.Add(-time.Hour)
	bearing := namesIn(t, dir, from, to)
	onEachLine(t, func(t *testing.T, client *es.Client) {
		src := loaded(t, client, dir)
		for _, ranking := range []pipeline.Ranking{rank.Ranking{}, rita.Ranking{}} {
			o := huntOf(ranking, simulate.Window{Start: from, End: to})
			o.Manager = "https://manager/"
			res := run(t, src, o)
			kinds := map[string]int{}
			for i := range res.Findings {
				f := &res.Findings[i]
				require.True(t, strings.HasPrefix(f.Dwell.Links.SOCHunt, "https://manager/#/hunt?q="), f.Dwell.Links.SOCHunt)
				require.True(t, strings.HasPrefix(f.Dwell.Links.Kibana, "https://manager/kibana/app/discover#/?_g="), f.Dwell.Links.Kibana)
				want, kind := f.Network.Connections, "address"
				switch {
				case f.Dwell.DNS != nil:
					want, kind = f.Dwell.DNS.Queries, "dns"
				case f.Destination.Domain != "":
					want, kind = bearing[f.Source.IP.String()+" "+f.Destination.Domain], "name"
					require.GreaterOrEqual(t, want, f.Network.Connections, "%s: every connection of a name has a record that bears it", f.Dwell.Pair)
				case f.Dwell.Destination != nil && f.Dwell.Destination.Network != "":
					kind = "network"
				case f.Dwell.Destination != nil:
					kind = "fingerprint"
				}
				kinds[kind]++
				require.Positive(t, want)
				if f.Dwell.Destination != nil && strings.HasPrefix(f.Dwell.Destination.Fingerprint, "unshared") {
					require.GreaterOrEqual(t, soc(t, client, f.Dwell.Links.SOCHunt), want, "%s: those to shared destinations are among them", f.Dwell.Pair)
					continue
				}
				require.Equal(t, want, soc(t, client, f.Dwell.Links.SOCHunt), "%s: %s", f.Dwell.Pair, f.Dwell.Links.SOCHunt)
			}
			t.Logf("profile %s: findings by kind of key: %v", ranking.Profile(), kinds)
			if ranking.Profile() == rank.Profile {
				require.Len(t, kinds, 4, "a finding of each kind of candidate but networks, which narrower ones lead here")
			}
		}
	})
}

// namesIn counts the records of ssl.log and http.log with a name, by source and name.
func namesIn(t *testing.T, dir string, from, to time.Time) map[string]int64 {
	t.Helper()
	out := map[string]int64{}
	for _, log := range []string{"ssl", "http"} {
		b, err := os.ReadFile(filepath.Join(dir, log+".log"))
		require.NoError(t, err)
		for line := range strings.Lines(string(b)) {
			var r struct {
				TS         float64
				Orig       string `json:"id.orig_h"`
				ServerName string `json:"server_name"`
				Host       string
			}
			require.NoError(t, json.Unmarshal([]byte(line), &r))
			if at := int64(r.TS*1000 + 0.5); at >= from.UnixMilli() && at < to.UnixMilli() {
				out[r.Orig+" "+r.ServerName+r.Host]++
			}
		}
	}
	return out
}

// Each name that an attacker may choose is found exactly once in every query language of Elasticsearch, and nothing
// that it imitates is.
func TestLinksOfHostileNames(t *testing.T) {
	names := []string{"plain.example", `x" or event.dataset:"zeek.conn`, `ends\`, `x\" or *`, "*", "??", "a | groupby source.ip", "a) or (b", "not", "x&q=*#/y?t=1",
		`x')),index:'other`, "a,b", "-x.example", "bücher.example", "a~b^c", "[a to b]", ">5", "/.*/", "_exists_:ssl.server_name", "two  spaces", "a\u202eb"}
	var ssl, dns strings.Builder
	client := netip.MustParseAddr("10.0.0.9")
	for i, name := range append(names, "plain.example.org", "notplain.example") {
		quoted, err := json.Marshal(name)
		require.NoError(t, err)
		fmt.Fprintf(&ssl, `{"ts":1767225600.%03d,"uid":"C%d","id.orig_h":"10.0.0.9","id.orig_p":%d,"id.resp_h":"203.0.113.9","id.resp_p":443,"server_name":%s}`+"\n", i, i, 40000+i, quoted)
		for _, query := range []string{name, "deep.er." + name, "not" + name} {
			quoted, err := json.Marshal(query)
			require.NoError(t, err)
			fmt.Fprintf(&dns, `{"ts":1767225600.%03d,"uid":"D%d","id.orig_h":"10.0.0.9","id.orig_p":%d,"id.resp_h":"10.0.0.1","id.resp_p":53,"proto":"udp","query":%s,"qtype_name":"TXT"}`+"\n", i, i, 40000+i, quoted)
		}
	}
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "ssl.log"), []byte(ssl.String()), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "dns.log"), []byte(dns.String()), 0o600))
	onEachLine(t, func(t *testing.T, c *es.Client) {
		_, err := load.Load(t.Context(), c, load.Options{Paths: []string{dir}})
		require.NoError(t, err)
		for _, name := range names {
			q := material.RawQuery(client, hunt.Side{Name: name})
			// A question mark matches one character, so a name of such characters also finds others of its length.
			same := int64(0)
			for _, other := range names {
				if like(name, other) {
					same++
				}
			}
			require.Equal(t, same, count(t, c, []any{queryString(q.OQL())}), "%s: %s", strconv.Quote(name), q.OQL())
			require.Equal(t, int64(1), count(t, c, q.Filter()), strconv.Quote(name))

			quoted := securityonion.Query{All: []securityonion.Term{{Field: securityonion.FieldServerName, Value: name}}}
			require.Equal(t, int64(1), count(t, c, []any{queryString(quoted.OQL())}), quoted.OQL())

			below := securityonion.Query{All: []securityonion.Term{{Field: securityonion.FieldQuery, Value: name, Below: true}}}
			require.Equal(t, int64(2), count(t, c, below.Filter()), "the name and what is below it: %s", strconv.Quote(name))
			found := count(t, c, []any{queryString(below.OQL())})
			require.GreaterOrEqual(t, found, int64(2), below.OQL())
			if same == 1 && name != "*" && name != "??" {
				require.Equal(t, int64(2), found, "%s: %s", strconv.Quote(name), below.OQL())
			}
		}
	})
}

// like reports whether two names differ only in characters that no host name has.
func like(name, other string) bool {
	a, b := []rune(name), []rune(other)
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		host := a[i] >= 'a' && a[i] <= 'z' || a[i] >= '0' && a[i] <= '9' || a[i] == '.' || a[i] == '_' || a[i] == '-' && i > 0
		if host && a[i] != b[i] {
			return false
		}
	}
	return true
}
