package output

import (
	"encoding/csv"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

// The files are read back as Security Onion's pipelines rita.beacons, rita.connections and rita.dns do: beacons and
// names by typed CSV columns (float, 32-bit integer), connections by splitting at the first commas and colons, without
// quotes.
func TestRITAFilesAreWhatSecurityOnionReads(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, ritaDNS), []byte("of the last hunt\n"), 0o600))
	beacon := sample(hostile)
	beacon.Dwell.Score, beacon.Network.Bytes, beacon.Network.AverageBytes = 0.96349, 9_256_780_000_000, 12345678.9
	ts := 0.5
	beacon.Beacon.TS, beacon.Beacon.Interval = &ts, &hunt.Interval{Top: 299.6}
	long := sample("")
	long.Dwell.Indicators, long.Network.Protocol, long.Dwell.Connection.Longest = []string{hunt.LongConnection, hunt.Beacon}, "ssl,h\"ttp", 86411.3374
	long.Source.IP, long.Beacon = netip.MustParseAddr("2001:db8::5"), nil
	open := long
	open.Dwell.Indicators, open.Dwell.Connection.Open = []string{hunt.LongConnection}, &hunt.StillOpen{Connections: 1}
	rolled := sample("")
	rolled.Destination.IP, rolled.Dwell.Evidence = netip.Addr{}, &hunt.Evidence{Addresses: []netip.Addr{netip.MustParseAddr("198.51.100.9")}}
	nowhere, strobe, tunnel, domain := sample(""), sample(""), sample(hostile), sample("Domain.example")
	nowhere.Destination.IP, nowhere.Dwell.Evidence = netip.Addr{}, nil
	strobe.Dwell.Indicators = []string{hunt.Strobe}
	for _, f := range []*hunt.Finding{&tunnel, &domain} {
		f.Dwell.Indicators, f.Dwell.DNS = []string{hunt.DNSTunnel}, &hunt.DNSEvidence{Names: 4324, Queries: 1 << 40}
	}
	report, err := WriteRITA(dir, []hunt.Finding{beacon, long, open, rolled, nowhere, strobe, tunnel, domain})
	require.NoError(t, err)
	require.Equal(t, RITAReport{Beacons: 3, Long: 2, DNS: 2, Capped: 3, Left: 1, Strobes: 1}, report)
	require.Contains(t, report.String(), "3 numbers cut to 2147483647")
	require.Contains(t, report.String(), "1 findings left out, they have no single address; 1 strobes left out")

	lines := func(name string) []string {
		b, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		// A line must not start with what the older integration skips.
		for line := range strings.Lines(string(b)) {
			require.NotRegexp(t, `^(Score|Source|Domain|No results)`, line)
			require.NotContains(t, line, "\x1b")
		}
		return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
	}
	table := func(name string, types string) [][]string {
		rows, err := csv.NewReader(strings.NewReader(strings.Join(lines(name), "\n"))).ReadAll()
		require.NoError(t, err)
		for _, row := range rows {
			require.Len(t, row, len(types))
			for i, typ := range types {
				switch typ {
				case 'a':
					_, err = netip.ParseAddr(row[i])
				case 'f':
					_, err = strconv.ParseFloat(row[i], 32)
					require.NotContains(t, row[i], "e")
				case 'i':
					_, err = strconv.ParseInt(row[i], 10, 32)
				}
				require.NoError(t, err)
			}
		}
		return rows
	}
	// beacon.score, source.ip, destination.ip, network.connections, network.average_bytes, network.bytes,
	// beacon.ts_score, beacon.ds_score, beacon.duration_score, beacon.historical_score, beacon.interval.top
	beacons := table(ritaBeacons, "faaififfffi")
	require.Equal(t, []string{"0.963", "10.1.4.22", "203.0.113.7", "331", "12345678.9", "2147483647", "0.5", "0", "0", "0", "300"}, beacons[0])
	require.Equal(t, "2001:db8::5", beacons[1][1])
	require.Equal(t, "198.51.100.9", beacons[2][2])
	// dns.question.name, dns.question.subdomain_count, dns.question.count
	names := table(ritaDNS, "sii")
	require.True(t, strings.HasPrefix(names[0][0], "'=cmd"), "a spreadsheet must not run it")
	require.Equal(t, []string{"domain.example", "4324", "2147483647"}, names[1])

	connections := lines(ritaLong)
	require.Len(t, connections, 2)
	require.True(t, strings.HasSuffix(connections[1], ",open"), connections[1])
	parts := strings.SplitN(connections[0], ",", 5)
	require.Equal(t, []string{"2001:db8::5", "203.0.113.7", "443:tcp:ssl+h_ttp", "86411.337", "closed"}, parts)

	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 3, "nothing temporary is left behind")

	_, err = WriteRITA(dir, nil)
	require.NoError(t, err)
	for _, name := range []string{ritaBeacons, ritaLong, ritaDNS} {
		require.Equal(t, []string{""}, lines(name), "a hunt without findings takes the last one's away")
	}
	_, err = WriteRITA(filepath.Join(dir, "none"), nil)
	require.ErrorContains(t, err, "none")
}
