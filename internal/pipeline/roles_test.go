package pipeline

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/internal/evidence"
	"dwell/internal/hunt"
	"dwell/internal/pipeline/rank"
)

func has(f *hunt.Finding, term string) bool {
	for _, m := range f.Dwell.Modifiers {
		if m.Name == term {
			return true
		}
	}
	return false
}

// Infrastructure is recognized by what other hosts have it do. What is always true of it does not count, and stays
// among the reasons.
func TestInfrastructure(t *testing.T) {
	const why = "that does not count, since the host is"
	for _, clients := range []int{0, 12} {
		s := newStage(uint64(70 + clients))
		resolver, proxy, relay := s.hosts[20], s.hosts[21], s.hosts[22]
		for _, h := range s.hosts[:clients] {
			for range 40 {
				s.query(s.r.Float64()*86400, h, resolver, s.sites[s.r.IntN(60)][0])
				name := fmt.Sprintf("shop%d.com", s.r.IntN(30))
				at := s.r.Float64() * 86400
				uid := s.conn(at, h, proxy, 3128, "tcp", "http", 300, 900, .3)
				s.add("http", at, uid, h, proxy, 3128, map[string]any{"method": "CONNECT", "host": name + ":443", "uri": name + ":443", "trans_depth": 1})
			}
		}
		// A resolver asks one server in their name, a proxy is where an implant goes out, a relay has a mailbox to ask.
		s.every(30, .4, func(t float64) { s.query(t, resolver, s.server, s.sites[s.r.IntN(60)][0]) })
		out := s.address(45, 193)
		s.every(300, .1, func(t float64) { s.tls(t, proxy, out, "own.example", s.ja4, 500) })
		mailbox := s.address(45, 193)
		s.every(600, .05, func(t float64) { s.conn(t, relay, mailbox, 25, "tcp", "smtp", 900, 300, 2) })
		for range 2 * clients {
			s.conn(s.r.Float64()*86400, relay, s.address(23, 151), 25, "tcp", "smtp", 900, 300, 2)
		}
		res := s.hunt(t, nil)
		for host, dst := range map[string]string{resolver: s.server, proxy: out, relay: mailbox} {
			f := loudest(res, host, dst)
			require.NotZero(t, f.Dwell.Score, host)
			require.Equal(t, clients == 0, has(&f, evidence.Rare), "%d clients: %v", clients, f.Dwell.Reasons)
			require.Equal(t, clients > 0, strings.Contains(strings.Join(f.Dwell.Reasons, "\n"), why), "%d clients: %v", clients, f.Dwell.Reasons)
		}
		implant := loudest(res, proxy, out)
		require.Equal(t, "critical", implant.Dwell.Severity, "the rhythm of what goes through a proxy stays")
		asks := loudest(res, resolver, s.server)
		require.Equal(t, clients > 0, asks.Dwell.Explained == "weak", "%v", asks.Dwell.Reasons)
	}
}

// A proxy is no second host that talks to where one host goes through it: the destination stays rare.
func TestProxyIsNoCompany(t *testing.T) {
	s := newStage(31)
	proxy := s.hosts[21]
	ask := func(t float64, src, name string) {
		uid := s.conn(t, src, proxy, 3128, "tcp", "http", 300, 900, .3)
		s.add("http", t, uid, src, proxy, 3128, map[string]any{"method": "CONNECT", "host": name + ":443", "uri": name + ":443", "trans_depth": 1})
	}
	for _, h := range s.hosts[:12] {
		for range 40 {
			ask(s.r.Float64()*86400, h, fmt.Sprintf("shop%d.com", s.r.IntN(30)))
		}
	}
	s.every(300, .1, func(t float64) {
		ask(t, s.victim, "evil-own.com")
		s.tls(t+.1, proxy, s.server, "evil-own.com", "", 500)
	})
	f := loudest(s.hunt(t, nil), s.victim, "evil-own.com")
	require.Equal(t, "critical", f.Dwell.Severity)
	require.True(t, has(&f, evidence.Rare), "%v", f.Dwell.Reasons)
}

// What the site names itself is explained, on its own port alone.
func TestConfiguredServers(t *testing.T) {
	for _, configured := range []bool{false, true} {
		s := newStage(7)
		if configured {
			at := []netip.Prefix{netip.PrefixFrom(netip.MustParseAddr(s.server), 32)}
			s.servers = rank.Servers{Resolvers: at, TimeServers: at}
		}
		s.every(64, .02, func(t float64) { s.conn(t, s.victim, s.server, 123, "udp", "ntp", 48, 48, .03) })
		s.every(60, .1, func(t float64) { s.query(t, s.hosts[0], s.server, "www.google.com") })
		s.every(60, .1, func(t float64) { s.tls(t, s.hosts[1], s.server, "", s.ja4, 500) })
		res := s.hunt(t, nil)
		want := map[bool]string{false: "none", true: "strong"}[configured]
		asked := 0
		for _, f := range res.Findings {
			if f.Destination.IP.String() == s.server && (f.Destination.Port == 123 || f.Destination.Port == 53) && f.Dwell.DNS == nil {
				asked++
				require.Equal(t, want, f.Dwell.Explained, "%v", f.Dwell.Reasons)
			}
		}
		require.Equal(t, 2, asked, "names asked below a domain are another finding, which a resolver does not explain")
		other := loudest(res, s.hosts[1], s.server)
		require.Equal(t, "critical", other.Dwell.Severity)
	}
}

// Hosts with one rhythm to servers of their own, behind the browser's fingerprint, are one campaign; hosts with other
// rhythms are not in it.
func TestCampaignByRhythm(t *testing.T) {
	s := newStage(21)
	for _, h := range s.hosts[:4] {
		server := s.address(45, 193)
		s.every(300, .2, func(t float64) { s.conn(t, h, server, 8443, "tcp", "", 500, 900, .3) })
	}
	apart := s.address(45, 193)
	s.every(97, .02, func(t float64) { s.conn(t, s.hosts[5], apart, 8443, "tcp", "", 500, 900, .3) })
	res := s.hunt(t, nil)
	require.Len(t, res.Campaigns, 1)
	c := res.Campaigns[0]
	require.Equal(t, "rhythm", c.Kind, c.Name)
	require.EqualValues(t, 4, c.HostCount)
	strongest := 0.0
	for _, f := range res.Findings {
		if f.Dwell.Campaign != nil {
			strongest = max(strongest, f.Dwell.Score)
		}
	}
	require.Equal(t, strongest, c.Score, "never below its strongest member's")
	require.Contains(t, c.Reasons[0], "keep the same rhythm, each to rare destinations of its own")
}
