package log

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParseSeconds(t *testing.T) {
	for in, want := range map[string]int64{
		"0": 0, "1": 1_000_000, "1517336042.090842": 1517336042090842, "1588205198.89971": 1588205198899710,
		"0.0015780925750732422": 1578, "9.5367431640625e-07": 0, "5.0067901611328125e-06": 5, "1.5e3": 1_500_000_000,
		"1.58820519889971E9": 1588205198899710, "-0.000123": -123, "+2": 2_000_000, "0.9999999999": 999_999,
		"0000000000001.5": 1_500_000, "0e99": 0,
	} {
		got, ok := parseSeconds([]byte(in))
		require.True(t, ok, in)
		require.Equal(t, want, got, in)
	}
	for _, in := range []string{"", "-", ".", "1.", "1.2.3", "x", "1x", "1.5x", "1e", "1e+", "1e12345", "1e15", "99999999999999999999", "- 1", "NaN", "inf", "0x10"} {
		_, ok := parseSeconds([]byte(in))
		require.False(t, ok, in)
	}
}

// TestParseTime takes the expected values from the time package.
func TestParseTime(t *testing.T) {
	for in, layout := range map[string]string{
		"2020-04-30T00:06:38.899710Z":     time.RFC3339Nano,
		"2020-02-29T23:59:59Z":            time.RFC3339Nano,
		"2020-04-30T00:06:38.5+02:00":     time.RFC3339Nano,
		"2020-04-30T00:06:38.123456-0530": "2006-01-02T15:04:05.999999-0700",
		"2020-04-30 00:06:38.123456789":   "2006-01-02 15:04:05.999999999",
		"2020-04-30 00:06:38.5-07":        "2006-01-02 15:04:05.9-07",
		"2020-04-30T00:06:38":             "2006-01-02T15:04:05",
		"2020-04-30t00:06:38.899710z":     "2006-01-02t15:04:05.999999z",
		"Apr 30, 2020 @ 00:06:38.899":     "Jan 2, 2006 @ 15:04:05.999",
		"Mar 2, 2026 @ 23:06:38.000":      "Jan 2, 2006 @ 15:04:05.999",
	} {
		want, err := time.Parse(layout, in)
		require.NoError(t, err)
		got, ok := parseTime([]byte(in))
		require.True(t, ok, in)
		require.Equal(t, want.UnixMicro(), got, in)
	}
	got, ok := parseTime([]byte("1588205198899")) // Zeek's JSON::TS_MILLIS.
	require.True(t, ok)
	require.Equal(t, int64(1588205198899000), got)
	for _, in := range []string{"-1.5", "2020-04-30", "2020-13-30T00:06:38Z", "2020-04-30T24:06:38Z", "2020-04-30T00:06:38.", "2020-04-30T00:06:38X", "2020-04-30T00:06:38+1", "20x0-04-30T00:06:38Z", "Abc 30, 2020 @ 00:06:38.899", "1969-12-31T23:59:59Z"} {
		_, ok := parseTime([]byte(in))
		require.False(t, ok, in)
	}
}

// TestParseAddr compares with netip.
func TestParseAddr(t *testing.T) {
	for _, in := range []string{"0.0.0.0", "255.255.255.255", "10.1.22.133", "::", "::1", "2001:db8::1", "fe80::1", "2001:0db8:0000:0000:0000:0000:0000:0001"} {
		got, ok := ParseAddr([]byte(in))
		require.True(t, ok, in)
		require.Equal(t, netip.MustParseAddr(in), got, in)
	}
	for in, want := range map[string]string{"::ffff:10.0.0.1": "10.0.0.1", "64:ff9b::a00:1": "64:ff9b::a00:1", "fe80::1%eth0": "fe80::1"} {
		got, ok := ParseAddr([]byte(in))
		require.True(t, ok, in)
		require.Equal(t, netip.MustParseAddr(want), got, in)
	}
	for _, in := range []string{"", "-", "1", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.4 ", " 1.2.3.4", "1..2.3", "1.2.3.", "1.2.3.1000", ":", ":::", "g::1", "10.0.0.1/8"} {
		_, err := netip.ParseAddr(in)
		require.Error(t, err, in)
		_, ok := ParseAddr([]byte(in))
		require.False(t, ok, in)
	}
}

func TestParseCount(t *testing.T) {
	for in, want := range map[string]int64{"0": 0, "1500": 1500, "999999999999999999": 999999999999999999, "1024.0": 1024, "1e3": 1000} {
		got, ok := parseCount([]byte(in))
		require.True(t, ok, in)
		require.Equal(t, want, got, in)
	}
	for _, in := range []string{"", "-1", "1.5", "x", "12x", "99999999999999999999999"} {
		_, ok := parseCount([]byte(in))
		require.False(t, ok, in)
	}
	_, ok := parsePort([]byte("65536"))
	require.False(t, ok)
}

func TestKindOfName(t *testing.T) {
	for name, want := range map[string]Kind{
		"conn.log": Conn, "conn.log.gz": Conn, "conn.log.zst": Conn, "conn.json": Conn, "conn.log.labeled": Conn,
		"conn.00:00:00-01:00:00.log.gz": Conn, "conn_20240419_10:00:00.log": Conn, "conn_20240419_10:00:00-11:00:00-0700.log.gz": Conn,
		"conn.2024-04-19-10-00-00.log.gz": Conn, "conn.10_00_00-11_00_00.log": Conn,
		"open_conn.05:00:00-06:00:00.log.gz": OpenConn, "open_conn.log": OpenConn, "conn_long.log": ConnLong,
		"open_conn.17_32_32-18_00_00.log.gz": OpenConn,
		"http.log":                           HTTPLog, "ssl.17:00:00-18:00:00.log.gz": SSLLog, "open_http.log": "open_http",
		"conn-summary.00:00:00-01:00:00.log.gz": Other, "known_conns.log": "", "conn_red.log": Conn, "conn_agg.log": Other, "known_hosts.log": "known_hosts",
		"conn__2020-07-16-09-43-10__2020-07-16-10-00-00__.log": Conn, "conn.log.1": Conn, "conn.10:00:00-11:00:00.log.gz.tmp": Conn,
		"conn.pcap": "", "conn": "", "conn.log.swp~": "", "README": "", "agent_http.log.gz": "",
	} {
		require.Equal(t, want, kindOfName("/some/where/"+name), name)
	}
}

// TestCut compares with strings.Split, for every length around the eight bytes that cut takes at once.
func TestCut(t *testing.T) {
	for _, sep := range []byte{'\t', '|', 0xff, 1} {
		for _, unit := range []string{"\t", "a", "\t\t", "a\t", "ab|\x01\xff\x80", "\x08\x09\x0a", "abcdefg\t"} {
			for n := range 20 {
				line := strings.Repeat(unit, n)
				var got []string
				start := 0
				for _, end := range cut(nil, []byte(line), sep) {
					got = append(got, line[start:end])
					start = int(end) + 1
				}
				require.Equal(t, strings.Split(line, string([]byte{sep})), got)
			}
		}
	}
}

// TestExportsOfKibana: a CSV file with quotes, separators in them, and times as Kibana shows them, which a note says.
func TestExportsOfKibana(t *testing.T) {
	path := filepath.Join(t.TempDir(), "export.csv")
	text := `"@timestamp","event.dataset","source.ip","source.port","destination.ip","destination.port","network.transport","note"` + "\n"
	for i := range 3 {
		text += fmt.Sprintf(`"Mar 2, 2026 @ 0%d:00:00.500","zeek.conn","10.0.0.1","5000%d","203.0.113.7",443,tcp,"a ""b"", c"`+"\n", i, i)
	}
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	set, err := Look(t.Context(), []string{path}, 1, &Report{})
	require.NoError(t, err)
	require.Len(t, set.Files, 1)
	require.Contains(t, set.Files[0].note, "without a time zone")
	p, head := NewParser(OrigH, RespH, RespP), set.Files[0].head
	require.Equal(t, fine, p.line([]byte(strings.Split(text, "\n")[2]), head))
	require.Equal(t, time.Date(2026, 3, 2, 1, 0, 0, 500_000_000, time.UTC).UnixMilli(), p.Start)
	require.Equal(t, "203.0.113.7", string(p.Text(RespH)))
	require.Equal(t, "443", string(p.Text(RespP)))
}
