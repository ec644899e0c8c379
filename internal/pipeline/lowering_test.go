package pipeline

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/internal/evidence"
)

// TestNobodyLowersHisOwnScore tries for each thing that lowers a score to get it by the traffic of one infected host and
// the intruder's servers, forged senders included. Beside it is what gives it: something that the intruder does not
// control. So each finding stays at least high. Proper NTP requests, pings and keep-alives are the exception: medium at
// least. They carry next to nothing, and every VPN and device with a time server of its own would come before implants.
func TestNobodyLowersHisOwnScore(t *testing.T) {
	long(t)
	const forged = "settings-win.data.microsoft.com"
	browser := func(s *stage) {
		s.every(60, .1, func(t float64) { s.tls(t, s.victim, s.server, forged, s.of[s.victim], 500) })
	}
	udp := func(port int, service string, period float64, bytes int) func(s *stage) {
		return func(s *stage) {
			s.every(period, .05, func(t float64) { s.conn(t, s.victim, s.server, port, "udp", service, bytes, bytes, .05) })
		}
	}
	for _, tc := range []struct {
		lowers, needs string
		do            func(s *stage)
	}{
		{"small packets at a port of its own", "three hosts that talk to the server", udp(3999, "", 30, 32)},
		{"data at a port of calls", "keep-alives, which carry next to nothing", udp(3478, "", 30, 400)},
		{"a catalogued name", "an answer of the network's resolver, or three hosts that vouch", browser},
		{"a catalogued name, resolved by one's own resolver", "the network's resolver", func(s *stage) {
			browser(s)
			s.resolve(60, s.victim, s.address(45, 193), forged, s.server)
		}},
		{"a mail relay's lack of rarity", "mail servers in twenty networks that answer; it costs rarity alone", func(s *stage) {
			for i := range 25 {
				s.conn(float64(600*i), s.victim, s.address(23, 151), 25, "tcp", "smtp", 900, 400, 1)
			}
			s.every(60, .1, func(t float64) { s.conn(t, s.victim, s.server, 25, "tcp", "smtp", 500, 300, .5) })
		}},
		{"a catalogued name, where no DNS is logged", "hosts that vouch", func(s *stage) { browser(s); s.logs["dns"] = nil }},
		{"a catalogued name, resolved by another infected host", "a resolver that several hosts use", func(s *stage) {
			browser(s)
			for h := range 24 {
				s.resolve(float64(3600*h+60), s.victim, s.hosts[3], forged, s.server)
			}
		}},
		{"a resolver's role, by hosts that do not exist", "hosts that other destinations answer", func(s *stage) {
			for i := range 6 {
				for range 40 {
					s.resolve(s.r.Float64()*86400, fmt.Sprintf("%s20%d", s.victim[:len(s.victim)-2], i), s.victim, s.sites[i][0], s.sites[i][1])
				}
			}
			s.every(120, .1, func(t float64) { s.query(t, s.victim, s.server, "own.example") })
		}},
		{"a resolver's role, by hosts that only send", "answers", func(s *stage) {
			for _, h := range s.hosts[:6] {
				for range 40 {
					s.query(s.r.Float64()*86400, h, s.victim, s.sites[0][0])
				}
			}
			s.every(120, .1, func(t float64) { s.query(t, s.victim, s.server, "own.example") })
		}},
		{"presence of many hosts", "a quarter of the hosts, answered", func(s *stage) {
			s.every(60, .1, func(t float64) { s.tls(t, s.victim, s.server, "own.example", s.of[s.victim], 500) })
			for _, h := range s.hosts {
				s.spoof(s.r.Float64()*86400, h, s.server, 443, "tcp")
			}
		}},
	} {
		t.Run(tc.lowers, func(t *testing.T) {
			s := newStage(29)
			s.resolvers()
			tc.do(s)
			f := loudest(s.hunt(t, nil), s.victim, s.server)
			t.Logf("%.3f; needs %s", f.Dwell.Score, tc.needs)
			require.GreaterOrEqual(t, f.Dwell.Score, .6, "%v", f.Dwell.Reasons)
			require.Equal(t, "none", f.Dwell.Explained)
			for _, m := range f.Dwell.Modifiers {
				require.GreaterOrEqual(t, m.Value, 0.0, m.Name)
			}
			for _, r := range f.Dwell.Reasons {
				require.NotContains(t, r, "at most:")
			}
		})
	}
	// Every modifier with a negative weight is among what other hosts and time have to give.
	for _, term := range evidence.Terms() {
		if term.Weight < 0 {
			require.Contains(t, []string{evidence.Common, evidence.Known}, term.Name, "say in this test what an intruder must control to get it")
		}
	}
	// What resolvers of the network's say does count.
	s := newStage(29)
	browser(s)
	s.resolvers()
	s.resolve(60, s.victim, s.victim[:len(s.victim)-2]+"253", forged, s.server)
	f := loudest(s.hunt(t, nil), s.victim, s.server)
	require.Equal(t, "weak", f.Dwell.Explained, "%v", strings.Join(f.Dwell.Reasons, "\n"))
}

// resolvers has every host ask the site's resolver, twice: the site has a DNS log.
func (s *stage) resolvers() {
	for i, h := range s.hosts {
		for _, at := range []float64{100, 9000} {
			s.resolve(at+float64(i), h, s.victim[:len(s.victim)-2]+"253", s.sites[i][0], s.sites[i][1])
		}
	}
}

// resolve is a query with the address that answers it.
func (s *stage) resolve(t float64, src, to, name, answer string) {
	uid := s.conn(t, src, to, 53, "udp", "dns", 60, 120, .03)
	s.add("dns", t, uid, src, to, 53, map[string]any{"proto": "udp", "query": name, "qtype_name": "A", "rcode_name": "NOERROR", "answers": []string{answer}})
}
