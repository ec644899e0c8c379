package integration_test

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/integration/load"
	"dwell/integration/testnode"
	"dwell/internal/es"
	"dwell/internal/hunt"
	"dwell/internal/pipeline"
	"dwell/internal/pipeline/rank"
	"dwell/query/elastic"
	"dwell/query/zeek"
)

// From Elasticsearch a tunnel's answers are looked up separately, from files they come with the queries. Sizes and
// everything derived from them are the same.
func TestTunnelsHaveTheSameAnswersBothWays(t *testing.T) {
	node := testnode.ForTest(t, testnode.Line8)
	node.Exclusive(t)
	client, err := es.New(es.Config{Addresses: []string{node.URL}, CAFile: node.CAFile, Username: node.Username, Password: node.Password})
	require.NoError(t, err)
	dir := t.TempDir()
	const start = 1772409600 // 2026-03-02T00:00:00Z
	var dns, conn strings.Builder
	// Two hosts under one domain, looked up together, with different answers.
	want := map[string]int64{"10.0.0.5": 0, "10.0.0.6": 0}
	for i := range 240 {
		host, answer := "10.0.0.5", strings.Repeat("x", 20+i%7)
		if i%2 == 1 {
			host, answer = "10.0.0.6", answer+"yz"
		}
		want[host] += int64(len(answer)) + int64(len("203.0.113.9"))
		fmt.Fprintf(&dns, `{"ts":%d.5,"uid":"D%d","id.orig_h":"%s","id.orig_p":%d,"id.resp_h":"10.0.0.53","id.resp_p":53,"proto":"udp","query":"c%03d.t.evil.example","qtype":16,"qtype_name":"TXT","answers":["%s","203.0.113.9"]}`+"\n",
			start+i*60, i, host, 40000+i, i, answer)
		fmt.Fprintf(&conn, `{"ts":%d.1,"uid":"C%d","id.orig_h":"10.0.0.5","id.orig_p":%d,"id.resp_h":"198.51.100.9","id.resp_p":443,"proto":"tcp","duration":1.0,"orig_bytes":10,"resp_bytes":10,"conn_state":"SF","orig_ip_bytes":100}`+"\n",
			start+i*61, i, 50000+i)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "dns.log"), []byte(dns.String()), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "conn.log"), []byte(conn.String()), 0o600))
	_, err = load.Load(t.Context(), client, load.Options{Paths: []string{dir}})
	require.NoError(t, err)
	index, err := elastic.New(client, elastic.Options{})
	require.NoError(t, err)
	for name, src := range map[string]hunt.Source{"files": zeek.New(zeek.Options{Paths: []string{dir}}), "index": index} {
		from := time.Unix(start, 0)
		res, err := pipeline.Run(t.Context(), src, pipeline.Options{Ranking: rank.Ranking{}, MinScore: 0.1, Now: time.Now,
			Request: hunt.Request{From: from, To: from.Add(24 * time.Hour), Scope: hunt.NewScope(nil, hunt.Outbound)}})
		require.NoError(t, err)
		found := 0
		for _, f := range res.Findings {
			if !strings.HasSuffix(f.Dwell.Pair, ">*.evil.example/dns") {
				continue
			}
			found++
			require.Equal(t, want[f.Source.IP.String()], f.Server.Bytes, name)
			require.Equal(t, int64(120), f.Dwell.DNS.Names, name)
			require.Equal(t, netip.MustParseAddr("10.0.0.53"), f.Destination.IP, name)
			require.Contains(t, strings.Join(f.Dwell.Reasons, "; "), "no host connected to an address in the answers", name)
		}
		require.Equal(t, len(want), found, name)
	}
}
