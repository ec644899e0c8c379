package pipeline

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/internal/evidence"
)

// Domains in turn that no other host uses are one finding, though their address is everybody's: a proxy, by CONNECT or
// SOCKS, for names or addresses, or a content network. Other hosts visit domains of their own, without a rhythm.
func TestNamesInTurn(t *testing.T) {
	for seed, way := range []string{"connect", "connect, nobody else does", "connect to addresses", "socks", "content network", "quic"} {
		t.Run(way, func(t *testing.T) {
			s := newStage(uint64(200 + seed))
			proxy, cdn := s.hosts[21], s.sites[3][1]
			visit := func(at float64, src, name string, bytes int) {
				var fields map[string]any
				switch way {
				case "socks":
					fields = map[string]any{"version": 5, "status": "succeeded", "request_p": 443, "request.name": name}
					s.add("socks", at, s.conn(at, src, proxy, 1080, "tcp", "socks", bytes, 900, .3), src, proxy, 1080, fields)
				case "content network":
					s.tls(at, src, cdn, name, s.of[src], bytes)
				case "quic":
					fields = map[string]any{"version": "1", "server_name": name}
					s.add("quic", at, s.conn(at, src, cdn, 443, "udp", "quic", bytes, 900, .3), src, cdn, 443, fields)
				default:
					fields = map[string]any{"method": "CONNECT", "host": name + ":443", "uri": name + ":443", "trans_depth": 1}
					s.add("http", at, s.conn(at, src, proxy, 3128, "tcp", "http", bytes, 900, .3), src, proxy, 3128, fields)
					if strings.HasPrefix(way, "connect") && way != "connect to addresses" && src == s.victim {
						s.tls(at+.1, proxy, s.server, name, s.ja4, bytes)
					}
				}
			}
			others := 18
			if strings.HasSuffix(way, "nobody else does") {
				others = 0
			}
			for i, h := range append(s.hosts[:others:others], s.victim) {
				for range 40 {
					visit(8*3600+s.r.Float64()*36000, h, fmt.Sprintf("own%d-of-%d.com", s.r.IntN(6), i), 300+s.r.IntN(3000))
					visit(s.r.Float64()*86400, h, s.sites[s.r.IntN(60)][0], 300+s.r.IntN(3000))
				}
			}
			s.every(240, .3, func(at float64) {
				name := fmt.Sprintf("turn%d.net", s.r.IntN(30))
				if way == "connect to addresses" {
					name = fmt.Sprintf("45.%d.7.9", s.r.IntN(30))
				}
				visit(at, s.victim, name, 500)
			})
			loud := 0
			for _, f := range s.hunt(t, nil).Findings {
				if f.Dwell.Score < 0.4 {
					continue
				}
				loud++
				require.Equal(t, s.victim, f.Source.IP.String(), "%s", f.Dwell.Pair)
				if !strings.Contains(way, "network") && way != "quic" { // those have one address, which is narrower
					require.Contains(t, f.Dwell.Pair, "#unshared-names")
					require.True(t, has(&f, evidence.Rare), "%v", f.Dwell.Reasons)
					require.Equal(t, "T1008 Fallback Channels", f.Threat.Techniques()[0])
					require.Len(t, f.Dwell.Evidence.Names, 20)
					require.Empty(t, f.Dwell.Evidence.Addresses, "others use the proxy, too")
				}
			}
			require.Equal(t, 1, loud)
		})
	}
}
