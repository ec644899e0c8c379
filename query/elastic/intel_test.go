package elastic

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
	"dwell/query/zeek"
)

// TestWhatZeekWasToldToLookFor looks records of Zeek's intelligence framework up in Security Onion's shape and in
// intel.log, and demands the same of both: by address and port, by name whoever answered, by the domain of a tunnel, by
// the fingerprint of a roll-up, and not of other hosts.
func TestWhatZeekWasToldToLookFor(t *testing.T) {
	line := func(src, dst, port, indicator, kind, sources string) string {
		return `{"ts":1772330400.5,"uid":"C1","id.orig_h":"` + src + `","id.orig_p":50000,"id.resp_h":"` + dst + `","id.resp_p":` + port + `,"seen.indicator":"` + indicator +
			`","seen.indicator_type":"` + kind + `","seen.where":"Conn::IN_RESP","seen.node":"zeek","matched":["` + kind + `"],"sources":[` + sources + `]}`
	}
	lines := []string{
		line("10.0.0.1", "203.0.113.7", "443", "203.0.113.7", "Intel::ADDR", `"feed-a"`),
		line("10.0.0.1", "203.0.113.7", "443", "203.0.113.7", "Intel::ADDR", `"feed-a","feed-b"`),
		line("10.0.0.1", "203.0.113.7", "80", "203.0.113.7", "Intel::ADDR", `"feed-a"`),
		line("10.0.0.2", "203.0.113.7", "443", "203.0.113.7", "Intel::ADDR", `"feed-a"`),
		line("10.0.0.1", "10.0.0.53", "53", "evil.example", "Intel::DOMAIN", `"feed-c"`),
		line("10.0.0.1", "198.51.100.1", "443", "other.example", "Intel::DOMAIN", `"feed-c"`),
		line("10.0.0.1", "10.0.0.53", "53", "t.Tunnel.example", "Intel::DOMAIN", `"feed-d"`),
		line("10.0.0.2", "10.0.0.53", "53", "tunnel.example", "Intel::DOMAIN", `"feed-d"`),
		line("10.0.0.1", "10.0.0.53", "53", "xtunnel.example", "Intel::DOMAIN", `"feed-d"`),
		line("10.0.0.1", "198.51.100.2", "443", "e7d705a3286e19ea42f587b344ee6865", "Intel::JA3", `"feed-e"`),
		line("10.0.0.2", "198.51.100.2", "443", "e7d705a3286e19ea42f587b344ee6865", "Intel::JA3", `"feed-e"`),
	}
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "intel.log"), []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	src, dst := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("203.0.113.7")
	wanted := []hunt.PairKey{{Src: src, Dst: dst, Port: 443, Proto: hunt.TCP}, {Src: src, Dst: dst, Name: "evil.example", Port: 443, Proto: hunt.TCP},
		{Src: src, Dst: netip.MustParseAddr("192.0.2.1"), Port: 443, Proto: hunt.TCP},
		{Src: src, Dst: netip.MustParseAddr("10.0.0.53"), DNS: "tunnel.example", Port: 53},
		{Src: src, Fingerprint: hunt.Fingerprint{Kind: hunt.JA3, Value: "e7d705a3286e19ea42f587b344ee6865"}, Port: 443, Proto: hunt.TCP},
		{Src: src, Fingerprint: hunt.Fingerprint{Kind: hunt.JA4, Value: "t13d1516h2_8daaf6152771_b186095e22b6"}, Port: 443, Proto: hunt.TCP}}
	known := func(n int64, sources ...hunt.Counted) hunt.IntelSeen {
		return hunt.IntelSeen{Indicator: "203.0.113.7", Type: "Intel::ADDR", Count: n, Sources: sources}
	}
	count := func(source string, n int64) hunt.Counted { return hunt.Counted{Value: source, Count: n} }
	want := [][]hunt.IntelSeen{{known(2, count("feed-a", 2), count("feed-b", 1))},
		{known(3, count("feed-a", 3), count("feed-b", 1)), {Indicator: "evil.example", Type: "Intel::DOMAIN", Count: 1, Sources: []hunt.Counted{count("feed-c", 1)}}}, nil,
		{{Indicator: "t.Tunnel.example", Type: "Intel::DOMAIN", Count: 1, Sources: []hunt.Counted{count("feed-d", 1)}}},
		{{Indicator: "e7d705a3286e19ea42f587b344ee6865", Type: "Intel::JA3", Count: 1, Sources: []hunt.Counted{count("feed-e", 1)}}}, nil}
	req := hunt.Request{From: day, To: day.Add(24 * time.Hour), Scope: hunt.NewScope(nil, hunt.Outbound)}
	check := func(t *testing.T, source hunt.Source) {
		book, notes, err := source.Open().Facts(t.Context(), req, wanted)
		require.NoError(t, err)
		require.Empty(t, notes)
		require.EqualValues(t, len(lines), book.Records["intel"])
		for i := range wanted {
			require.Empty(t, cmp.Diff(want[i], book.Facts[i].Intel, cmpopts.EquateEmpty()))
		}
	}
	t.Run("files", func(t *testing.T) { check(t, zeek.New(zeek.Options{Paths: []string{dir}})) })
	forEachLine(t, func(t *testing.T, c cluster) {
		index := c.index(t, 2)
		c.lines(t, index, "intel", lines...)
		s, err := New(c.Client, Options{Index: []string{index}})
		require.NoError(t, err)
		check(t, s)
	})
}
