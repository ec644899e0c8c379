package zeek

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

// TestSpreadBeyondWhatIsKept: three hosts show fingerprints and user agents; one value is one host's own towards one
// server, one is two hosts' towards two, and JA3 counts where no JA4 is, whoever else shows it beside a JA4. The second
// pass finds what the first had no room for. The numbers are counted by hand from the lines below.
func TestSpreadBeyondWhatIsKept(t *testing.T) {
	dir := t.TempDir()
	var ssl, http strings.Builder
	line := func(b *strings.Builder, n int, src, dst, rest string) {
		fmt.Fprintf(b, `{"ts":%d.5,"uid":"C%d","id.orig_h":"10.0.0.%s","id.orig_p":%d,"id.resp_h":"203.0.113.%s","id.resp_p":443,%s}`+"\n", 1774828800+n, n, src, 40000+n, dst, rest)
	}
	line(&ssl, 1, "1", "1", `"ja3":"a","ja4":"A"`)
	line(&ssl, 2, "1", "1", `"ja3":"b","ja4":"A"`)
	line(&ssl, 3, "2", "2", `"ja3":"c","ja4":"B"`)
	line(&ssl, 4, "3", "3", `"ja3":"d","ja4":"B"`)
	line(&ssl, 5, "3", "4", `"ja3":"c"`)
	line(&http, 6, "1", "5", `"user_agent":"x"`)
	line(&http, 7, "2", "5", `"user_agent":"x"`)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "ssl.log"), []byte(ssl.String()), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "http.log"), []byte(http.String()), 0o600))
	start := time.Unix(1774828800, 0)
	req := hunt.Request{From: start, To: start.Add(time.Hour), Scope: hunt.NewScope(nil, hunt.Outbound)}
	var wanted []hunt.PairKey
	for _, k := range []string{"1 1", "2 2", "3 4", "1 5"} {
		src, dst, _ := strings.Cut(k, " ")
		wanted = append(wanted, hunt.PairKey{Src: netip.MustParseAddr("10.0.0." + src), Dst: netip.MustParseAddr("203.0.113." + dst), Port: 443, Proto: hunt.TCP})
	}
	trait := func(value string, count int64, hosts, destinations int) []hunt.Trait {
		return []hunt.Trait{{Counted: hunt.Counted{Value: value, Count: count}, Hosts: hosts, Destinations: destinations}}
	}
	for _, most := range []int64{0, maxSpreads} {
		s := New(Options{Paths: []string{dir}})
		s.maxSpreads = most
		book, _, err := s.Facts(t.Context(), req, wanted)
		require.NoError(t, err)
		require.Equal(t, 3, book.TLSHosts)
		require.Equal(t, 2, book.HTTPHosts)
		require.Equal(t, trait("A", 2, 1, 1), book.Facts[0].TLS.JA4)
		require.Equal(t, trait("B", 1, 2, 2), book.Facts[1].TLS.JA4)
		require.Equal(t, trait("c", 1, 0, 0), book.Facts[1].TLS.JA3, "where JA4 is, nobody asks")
		require.Equal(t, trait("c", 1, 2, 2), book.Facts[2].TLS.JA3)
		require.Equal(t, trait("x", 1, 2, 1), book.Facts[3].HTTP.Agents)
	}
}
