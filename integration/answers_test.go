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

	"dwell/integration/testnode"
	"dwell/internal/hunt"
	"dwell/internal/pipeline/rank"
	"dwell/internal/simulate"
	"dwell/query/zeek"
)

// From Elasticsearch a tunnel's answers are looked up separately, from files they come with the queries. Sizes and
// everything derived from them are the same.
func TestTunnelsHaveTheSameAnswersBothWays(t *testing.T) {
	client := cluster(t, testnode.Line8)
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
	index := loaded(t, client, dir)
	for name, src := range map[string]hunt.Source{"files": zeek.New(zeek.Options{Paths: []string{dir}}), "index": index} {
		from := time.Unix(start, 0)
		o := huntOf(rank.Ranking{}, simulate.Window{Start: from, End: from.Add(24 * time.Hour)})
		o.MinScore = 0.1
		res := run(t, src, o)
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
