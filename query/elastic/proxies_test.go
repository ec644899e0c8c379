package elastic

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

// TestNamesOfQUICAndSOCKS: servers have names in QUIC's records, and SOCKS proxies are asked for names or addresses.
// RITA reads neither.
func TestNamesOfQUICAndSOCKS(t *testing.T) {
	forEachLine(t, func(t *testing.T, c cluster) {
		index := c.index(t, 1)
		document := func(dataset, dst string, port int, more string) string {
			return "{\"create\":{}}\n" + fmt.Sprintf(`{"@timestamp":%d,"event":{"dataset":"zeek.%s"},"source":{"ip":"10.0.0.1","port":5000},"destination":{"ip":%q,"port":%d}%s}`,
				day.UnixMilli(), dataset, dst, port, more) + "\n"
		}
		c.bulk(t, index, []byte(document("quic", "203.0.113.9", 443, `,"quic":{"server_name":"H3.example"}`)+
			document("socks", "10.0.0.3", 1080, `,"socks":{"request":{"name":"c2.example","port":8443}}`)+
			document("socks", "10.0.0.4", 1080, `,"socks":{"request":{"host":"198.51.100.7","port":80}}`)+
			document("socks", "10.0.0.4", 1081, `,"socks":{"version":5}`)+
			document("http", "10.0.0.5", 3128, `,"http":{"method":"GET","uri":"http://plain.example/a","virtual_host":"plain.example"}`)))
		c.do(t, "POST", "/"+index+"/_refresh", nil)
		for every, want := range map[bool][]string{
			false: {"10.0.0.3 c2.example:8443 connect", "10.0.0.4 198.51.100.7:80 connect", "10.0.0.5 plain.example:80 connect", "203.0.113.9 h3.example:0 tls"},
			true:  nil,
		} {
			var got []string
			l := loaded{cluster: c, index: index}
			r, err := l.source(t, c.Client, Options{}).ReadNames(t.Context(), hunt.Request{From: day, To: day.Add(time.Hour), EveryRecord: every,
				Scope: hunt.NewScope(nil, hunt.Outbound)}, func(batch []hunt.NameRecord) error {
				for _, n := range batch {
					kind := map[hunt.NameKind]string{hunt.TLS: "tls", hunt.HTTP: "http", hunt.Connect: "connect"}[n.Kind]
					got = append(got, fmt.Sprintf("%s %s:%d %s", n.Dst, strings.Clone(n.Name), n.Port, kind))
				}
				return nil
			})
			require.NoError(t, err)
			require.Empty(t, r.Gaps)
			slices.Sort(got)
			require.Equal(t, want, got)
		}
	})
}
