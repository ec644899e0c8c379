package elastic

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"dwell/internal/es"
	"dwell/internal/hunt"
	"dwell/query/zeek"
)

// TestFactsOfManyKeys asks about 600 keys by address with and without a port, name, network and fingerprint, more than
// two searches hold, with names in capitals, with ports and with final dots, what Zeek and its intelligence framework
// remark, files of either direction, and records of other pairs of the same hosts, which count for nobody. The facts
// are those of the same records in log files; unanswered connections, which files tell elsewhere, are counted by hand
// below.
func TestFactsOfManyKeys(t *testing.T) {
	logs := map[string][]string{}
	n := 0
	add := func(log, src, dst string, port int, rest string) {
		n++
		logs[log] = append(logs[log], fmt.Sprintf(`{"ts":%d.5,"uid":"C%d","id.orig_h":%q,"id.orig_p":%d,"id.resp_h":%q,"id.resp_p":%d,%s}`, 1772330400+n, n, src, 1024+n%60000, dst, port, rest))
	}
	var wanted []hunt.PairKey
	key := func(k hunt.PairKey, src, dst string, port uint16) {
		k.Src, k.Port, k.Proto = netip.MustParseAddr(src), port, hunt.TCP
		if dst != "" {
			k.Dst = netip.MustParseAddr(dst)
		}
		wanted = append(wanted, k)
	}
	for i := range 150 {
		src, dst, name := fmt.Sprintf("10.0.0.%d", i%40+1), fmt.Sprintf("203.0.113.%d", i+1), fmt.Sprintf("host%d.example", i)
		if i%5 == 0 {
			src, dst = fmt.Sprintf("fd00::%x", i%40+1), fmt.Sprintf("2001:db8::%x", i+1)
		}
		other := fmt.Sprintf("203.0.113.%d", (i+1)%150+1) // another key's other side
		add("ssl", src, dst, 443, fmt.Sprintf(`"server_name":%q,"ja3":"a%d","ja4":"b%d","subject":"CN=%s","issuer":"CN=%s","cert_chain_fps":["%064x"],"validation_status":"ok"`, name, i%7, i%5, name, name, i+1))
		add("ssl", src, dst, 443, fmt.Sprintf(`"server_name":%q,"ja3":"a%d"`, strings.ToUpper(name), i%7))
		add("ssl", src, dst, 443, `"ja3":"c"`)
		add("ssl", src, other, 443, `"server_name":"elsewhere.example","ja4":"other"`)
		add("http", src, dst, 80, fmt.Sprintf(`"method":"GET","host":"%s:8080","uri":"/a.png","user_agent":"u%d","resp_mime_types":["text/plain","image/png"]`, name, i%3))
		add("http", src, dst, 80, fmt.Sprintf(`"method":"POST","host":"%s.","uri":"/b","user_agent":"u"`, strings.ToUpper(name[:1])+name[1:]))
		add("http", src, dst, 8080, `"method":"GET","uri":"/c"`)
		add("weird", src, dst, 443, `"name":"odd"`)
		add("notice", src, dst, 80, `"note":"A::B"`)
		add("intel", src, dst, 443, fmt.Sprintf(`"seen.indicator":%q,"seen.indicator_type":"Intel::DOMAIN","sources":["feed"]`, name))
		add("intel", src, other, 53, fmt.Sprintf(`"seen.indicator":%q,"seen.indicator_type":"Intel::DOMAIN","sources":["feed"]`, strings.ToUpper(name)))
		logs["files"] = append(logs["files"], fmt.Sprintf(`{"ts":1772330400.5,"fuid":"F%d","tx_hosts":[%q],"rx_hosts":[%q],"conn_uids":["C1"],"mime_type":"application/zip","seen_bytes":%d}`, i, dst, src, i),
			fmt.Sprintf(`{"ts":1772330400.6,"fuid":"G%d","tx_hosts":[%q],"rx_hosts":[%q],"conn_uids":["C1"],"mime_type":"text/plain","seen_bytes":1}`, i, src, dst))
		add("x509", src, dst, 443, fmt.Sprintf(`"id":"X%d","fingerprint":"%064x","certificate.subject":"CN=%s","certificate.issuer":"CN=%s","certificate.not_valid_before":1735689600.0,"certificate.not_valid_after":1798761600.0`, i, i+1, name, name))
		add("dns", src, "10.0.0.53", 53, fmt.Sprintf(`"query":%q,"answers":[%q]`, name, dst))
		key(hunt.PairKey{}, src, dst, 443)
		key(hunt.PairKey{}, src, dst, 80)
		key(hunt.PairKey{Name: name}, src, dst, 443)
		key(hunt.PairKey{AnyPort: true}, src, dst, 0)
	}
	key(hunt.PairKey{Network: netip.MustParsePrefix("203.0.113.0/24"), AnyPort: true}, "10.0.0.2", "", 0)
	key(hunt.PairKey{Fingerprint: hunt.Fingerprint{Kind: hunt.JA4, Value: "other"}}, "10.0.0.2", "", 443)
	key(hunt.PairKey{Name: "nobody.example"}, "10.0.0.2", "203.0.113.2", 443)
	dir := t.TempDir()
	for log, lines := range logs {
		require.NoError(t, os.WriteFile(filepath.Join(dir, log+".log"), []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	}
	req := hunt.Request{From: day, To: day.Add(24 * time.Hour), Scope: hunt.NewScope(nil, hunt.Outbound)}
	want, notes, err := zeek.New(zeek.Options{Paths: []string{dir}}).Facts(t.Context(), req, wanted)
	require.NoError(t, err)
	require.Empty(t, notes)
	for i, c := range hunt.Columns() {
		require.True(t, slices.ContainsFunc(want.Facts, func(f hunt.Facts) bool { return len(f.Values[i]) > 0 }), "no record here has %s, which hunt.Columns counts: add it above", c.Name)
	}
	named := want.Facts[2] // host0.example: by hand, so that files are not wrong in the same way
	require.EqualValues(t, 2, named.TLS.Records)
	require.EqualValues(t, 2, named.HTTP.Requests)
	require.Len(t, named.Intel, 2, "in both spellings")
	require.Equal(t, []hunt.Carried{{MIME: "application/zip", Count: 1}, {MIME: "text/plain", Count: 1, Bytes: 1}}, named.Files)

	// 10.0.0.2 to 203.0.113.2: 3 silent and 1 refused of port 443, 1 silent of port 80; one to another host in the
	// network.
	for _, c := range []struct {
		dst, state string
		port       int
	}{{"203.0.113.2", "S0", 443}, {"203.0.113.2", "S0", 443}, {"203.0.113.2", "S0", 443}, {"203.0.113.2", "REJ", 443}, {"203.0.113.2", "SF", 443}, {"203.0.113.2", "S0", 80}, {"203.0.113.9", "REJ", 443}} {
		add("conn", "10.0.0.2", c.dst, c.port, fmt.Sprintf(`"proto":"tcp","conn_state":%q`, c.state))
	}
	forEachLine(t, func(t *testing.T, c cluster) {
		index := c.index(t, 2)
		for log, lines := range logs {
			c.lines(t, index, log, lines...)
		}
		s, err := New(c.Client, Options{Index: []string{index}})
		require.NoError(t, err)
		got, notes, err := s.Facts(t.Context(), req, wanted)
		require.NoError(t, err)
		require.Empty(t, notes)
		for i, k := range wanted {
			require.Empty(t, cmp.Diff(want.Facts[i], got.Facts[i], cmpopts.EquateEmpty(), cmpopts.IgnoreFields(hunt.Facts{}, "Silent", "Refused")), k.String())
			silent, refused := int64(0), int64(0)
			switch {
			case k.Kind() == "network":
				silent, refused = 4, 2
			case k.AnyPort && k.Src.String() == "10.0.0.2" && k.Dst.String() == "203.0.113.2":
				silent, refused = 4, 1
			case k.Src.String() != "10.0.0.2" || k.Dst.String() != "203.0.113.2" || k.Kind() != "address":
			case k.Port == 443:
				silent, refused = 3, 1
			case k.Port == 80:
				silent = 1
			}
			require.Equal(t, []int64{silent, refused}, []int64{got.Facts[i].Silent, got.Facts[i].Refused}, k.String())
		}
		alone := req
		alone.KeysAlone = true
		got, notes, err = s.Facts(t.Context(), alone, wanted)
		require.NoError(t, err)
		require.Empty(t, notes)
		same, _, err := zeek.New(zeek.Options{Paths: []string{dir}}).Facts(t.Context(), alone, wanted)
		require.NoError(t, err)
		for i, k := range wanted {
			require.Equal(t, want.Facts[i].TLS.Records, got.Facts[i].TLS.Records, k.String())
			of := func(f *hunt.Facts) []any { return []any{f.TLS, f.HTTP, f.Values} }
			require.Empty(t, cmp.Diff(of(&same.Facts[i]), of(&got.Facts[i]), cmpopts.EquateEmpty()), k.String())
			require.Zero(t, got.Facts[i].Queries, k.String())
		}
		got, _, err = s.Facts(t.Context(), req, wanted)
		require.NoError(t, err)
		require.Equal(t, want.TLSHosts, got.TLSHosts)
		require.Equal(t, want.HTTPHosts, got.HTTPHosts)
	})
}

// TestSetsAreAskedForInHalves: what is too big for one answer, or has no room in it, is asked for in halves, down to
// single keys, and each key's last answer is one that had room, or its own.
func TestSetsAreAskedForInHalves(t *testing.T) {
	for _, refuse := range []func(n int) (bool, error){
		func(n int) (bool, error) { return n <= 3, nil },
		func(n int) (bool, error) {
			if n > 3 {
				return false, &es.Error{Kind: es.TooBig}
			}
			return true, nil
		},
		func(int) (bool, error) { return false, nil },
	} {
		f := &facts{ask: func(search func(context.Context) error) { require.NoError(t, search(t.Context())) }}
		last := map[int]int{}
		keys := make([]int, setsBatch+7)
		for i := range keys {
			keys[i] = i
		}
		f.sets(keys, func(_ context.Context, batch []int) (bool, error) {
			whole, err := refuse(len(batch))
			if err == nil {
				for _, i := range batch {
					last[i] = len(batch)
				}
			}
			return whole, err
		})
		require.Len(t, last, len(keys))
		for _, n := range last {
			require.LessOrEqual(t, n, 3)
		}
	}
	f := &facts{ask: func(search func(context.Context) error) {
		require.True(t, es.Is(search(t.Context()), es.TooBig), "one key alone cannot be halved")
	}}
	f.sets([]int{1}, func(context.Context, []int) (bool, error) { return false, &es.Error{Kind: es.TooBig} })
}
