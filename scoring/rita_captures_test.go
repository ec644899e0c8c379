package scoring_test

import (
	"math"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/scoring"
)

// ritaKey is a pair as RITA keeps it: destination address, or name.
type ritaKey struct{ src, dst string }

// ritaInput groups connections by address, and by every name (TLS server name, HTTP host, CONNECT target) that a
// record with the same uid carries.
//
// The window spans what RITA keeps: connections from inside to outside (in both directions where the sensor stood at
// the server), and HTTP CONNECT wherever the proxy is.
func ritaInput(t *testing.T, root string, internal []string, both bool) (map[ritaKey]*scoring.Series, scoring.RITAWindow) {
	t.Helper()
	conns := readConns(t, root)
	byUID := map[string]int{}
	series := map[ritaKey]*scoring.Series{}
	add := func(k ritaKey, c *conn) {
		s := series[k]
		if s == nil {
			s = &scoring.Series{}
			series[k] = s
		}
		s.Start, s.Size, s.Duration = append(s.Start, c.start), append(s.Size, c.ipBytes), append(s.Duration, c.duration)
	}
	oldest, newest := int64(math.MaxInt64), int64(math.MinInt64)
	within := func(c *conn) { oldest, newest = min(oldest, c.start), max(newest, c.start) }
	var networks []netip.Prefix
	for _, n := range internal {
		networks = append(networks, netip.MustParsePrefix(n))
	}
	inside := func(address string) bool {
		a := netip.MustParseAddr(address)
		return slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Contains(a) })
	}
	nowhere := func(address string) bool {
		a := netip.MustParseAddr(address)
		return a.IsUnspecified() || a.IsLoopback() || a.IsMulticast() || a.IsLinkLocalUnicast() || a == netip.MustParseAddr("255.255.255.255")
	}
	for i := range conns {
		c := &conns[i]
		if src, dst := inside(c.src), inside(c.dst); src != dst && (src || both) && !nowhere(c.src) && !nowhere(c.dst) {
			within(c)
		}
		byUID[c.uid] = i
		add(ritaKey{c.src, c.dst}, c)
	}
	type named struct{ uid, name string }
	seen := map[named]bool{}
	for _, log := range [][2]string{{"http", "host"}, {"ssl", "server_name"}} {
		for _, path := range zeekLogs(t, root, log[0]) {
			for _, v := range zeekTable(t, path, "uid", log[1], "method") {
				i, ok := byUID[v[0]]
				if ok && v[2] == "CONNECT" {
					within(&conns[i])
				}
				if n := (named{v[0], v[1]}); ok && v[1] != "" && !seen[n] {
					seen[n] = true
					add(ritaKey{conns[i].src, v[1]}, &conns[i])
				}
			}
		}
	}
	return series, scoring.RITAWindowOf(oldest, newest)
}

// TestRITACaptures compares with what RITA v5.1.1 itself printed. A row is compared if the series has as many
// connections as RITA says it used; rows that differ in that rest on RITA's linking of logs, not on its formulas, and
// their number is fixed here so that it cannot grow.
func TestRITACaptures(t *testing.T) {
	root := filepath.Join(captures(t), "rita")
	reference := filepath.Join(root, "reference")
	for _, c := range []struct {
		logs, file      string
		internal        []string
		both            bool
		compared, other int
	}{
		{filepath.Join(root, "synthetic"), "synthetic", []string{"10.0.0.0/8"}, false, 121, 0},
		{filepath.Join(root, "missing_host"), "missing_host", []string{"64.225.56.201/32"}, true, 170, 4},
		{filepath.Join(root, "proxy"), "proxytest", []string{"10.0.0.0/8"}, false, 2, 0},
		{filepath.Join(root, "proxy_rolling"), "proxy_rolling", []string{"10.0.0.0/8"}, false, 40, 0},
		{filepath.Join(root, "..", "iot23-8-1-hakai"), "iot23-8-1-hakai", []string{"192.168.100.0/24"}, false, 8, 0},
		{filepath.Join(root, "..", "iot23-21-1-torii"), "iot23-21-1-torii", []string{"192.168.100.0/24"}, false, 30, 0},
		{filepath.Join(root, "..", "ctu-normal-008"), "ctu-normal-008", []string{"147.32.80.0/20"}, false, 22, 3},
		{filepath.Join(root, "..", "ctu-normal-011"), "ctu-normal-011", []string{"147.32.80.0/20"}, false, 117, 1},
	} {
		t.Run(c.file, func(t *testing.T) {
			series, window := ritaInput(t, c.logs, c.internal, c.both)
			compared, other := 0, 0
			for _, row := range zeekTable(t, filepath.Join(reference, c.file+".final_import.tsv"), "src", "dst", "fqdn", "count", "ts_unique",
				"beacon_score", "ts_score", "ds_score", "dur_score", "hist_score", "beacon_threat_score") {
				want := decimal(t, row[5])
				if want == 0 {
					continue
				}
				key := ritaKey{row[0], row[1]}
				if row[2] != "" {
					key.dst = row[2]
				}
				var got scoring.RITAResult
				ok := false
				if s := series[key]; s != nil {
					got, ok = new(scoring.Scorer).RITA(*s, window)
				}
				if int64(got.Count) != number(t, row[3]) {
					t.Logf("%v: RITA has %s connections, the logs %d", key, row[3], got.Count)
					other++
					continue
				}
				compared++
				require.True(t, ok, "%v", key)
				require.EqualValues(t, number(t, row[4]), got.Unique, "%v", key)
				for i, g := range []float64{got.Score, got.Timestamp, got.DataSize, got.Duration, got.Histogram} {
					require.InDelta(t, decimal(t, row[5+i]), g, 0.002, "%v column %d", key, 5+i)
				}
				require.InDelta(t, decimal(t, row[10]), ritaCode.BeaconThreat(got.Score), 0.02, "%v threat", key)
			}
			require.Equal(t, []int{c.compared, c.other}, []int{compared, other}, "rows compared, rows with another count")
		})
	}
}

// TestRITAThreatsOfCaptures takes what RITA v5.1.1 printed and goes from its values to its threat scores and
// severities.
func TestRITAThreatsOfCaptures(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(captures(t), "rita", "reference", "*.final_import.tsv"))
	require.NoError(t, err)
	rows, severe := 0, 0
	for _, path := range paths {
		if strings.Contains(path, "_default") {
			continue // the shipped configuration has other thresholds
		}
		for _, row := range zeekTable(t, path, "beacon_score", "beacon_threat_score", "total_duration", "long_conn_score", "count", "strobe_score", "final_score", "severity", "modifiers", "beacon_type", "missing_host_count") {
			rows++
			beacon, long, strobe := decimal(t, row[1]), decimal(t, row[3]), decimal(t, row[5])
			require.InDelta(t, beacon, ritaCode.BeaconThreat(decimal(t, row[0])), 1e-9, "beacon of %v", row)
			require.InDelta(t, long, scoring.RITALongConnectionThreat(decimal(t, row[2])), 1e-6, "long connection of %v", row)
			require.InDelta(t, strobe, scoring.RITAStrobeThreat(number(t, row[4])), 1e-9, "strobe of %v", row)
			if row[8] == "" && row[9] != "dns" && row[10] == "0" {
				severe++
				require.InDelta(t, decimal(t, row[6]), scoring.RITAFinal(0, beacon, long, strobe), 1e-5, "final score of %v", row)
			}
			word := scoring.SeverityOf(decimal(t, row[6])).String()
			if word == "" {
				word = "none"
			}
			require.Equal(t, row[7], word, "severity of %v", row)
		}
	}
	require.Greater(t, rows, 500)
	require.Greater(t, severe, 300)
}
