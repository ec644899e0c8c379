package elastic

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

// What the scope excludes is counted by network. An address that Zeek calls local is internal, in any network, unless
// networks are configured.
func TestOutOfScope(t *testing.T) {
	forEachLine(t, func(t *testing.T, c cluster) {
		index := c.index(t, 1)
		line := func(src, dst, more string) string {
			return `{"@timestamp":` + "1772323260000" + `,"event":{"dataset":"zeek.conn"},"source":{"ip":"` + src + `","port":5},"destination":{"ip":"` + dst + `","port":443}` + more + `}`
		}
		body := ""
		for _, l := range []string{line("10.0.0.1", "8.8.8.8", ""), line("198.51.100.7", "8.8.8.8", ""), line("198.51.100.9", "8.8.4.4", ""), line("2001:db8:5::9", "2001:4860::8", ""),
			line("10.0.0.2", "100.64.3.4", ""), line("198.51.100.8", "224.0.0.1", ""), line("203.0.113.40", "9.9.9.9", `,"connection":{"local":{"originator":true,"responder":false}}`),
			line("10.0.0.4", "192.0.2.7", `,"connection":{"local":{"originator":true,"responder":true}}`), line("203.0.113.9", "10.0.0.5", ""), line("10.0.0.1", "10.0.0.9", "")} {
			body += "{\"create\":{}}\n" + l + "\n"
		}
		c.bulk(t, index, []byte(body))
		c.do(t, "POST", "/"+index+"/_refresh", nil)
		l := loaded{cluster: c, index: index}
		read := func(internal []netip.Prefix) (hunt.Reading, []string) {
			var got collector
			r, err := l.source(t, c.Client, Options{}).Read(t.Context(), hunt.Request{From: day, To: day.Add(time.Hour), Scope: hunt.NewScope(internal, hunt.Outbound)}, got.emit)
			require.NoError(t, err)
			require.Empty(t, r.Gaps)
			var from []string
			for x := range got.conns {
				from = append(from, x.Src.String())
			}
			return r, from
		}
		r, from := read(nil)
		require.ElementsMatch(t, []string{"10.0.0.1", "10.0.0.2", "203.0.113.40"}, from, "100.64.0.0/10 is outside to others where nobody named the internal networks")
		require.Equal(t, hunt.OutOfScope{Networks: map[netip.Prefix]int64{netip.MustParsePrefix("198.51.100.0/24"): 2, netip.MustParsePrefix("2001:db8:5::/64"): 1}, Reverse: 1,
			Called: map[netip.Prefix]int64{netip.MustParsePrefix("192.0.2.0/24"): 1}}, r.OutOfScope)
		require.Contains(t, notes(r), "neither side is internal: 3 connections, most from 198.51.100.0/24 (2), 2001:db8:5::/64 (1)")
		require.Contains(t, notes(r), "sensors call both sides local: 1 connection, most to 192.0.2.0/24 (1)")
		require.NotContains(t, notes(r), "100.64.0.0/10")
		r, from = read([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10")})
		require.ElementsMatch(t, []string{"10.0.0.1", "10.0.0.4"}, from)
		require.EqualValues(t, 1, r.OutOfScope.Shared)
		require.Contains(t, notes(r), "100.64.0.0/10")
		r, from = read([]netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")})
		require.ElementsMatch(t, []string{"198.51.100.7", "198.51.100.9"}, from)
		require.EqualValues(t, 7, r.OutOfScope.Total())
	})
}
