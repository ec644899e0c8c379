package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"dwell/internal/evidence/judges"
	"dwell/internal/hunt"
	"dwell/internal/pipeline"
	"dwell/internal/pipeline/rank"
	"dwell/query/zeek"
)

// trick is something that an implant or its owner does to look harmless, with the score that it had before the rules of
// docs/detection.md ("What cannot be bought"; security review of commit 227c836) and the severity that it keeps.
type trick struct {
	name   string
	before float64
	want   string
	do     func(s *office)
}

// forgedName is in the catalogue.
const forgedName = "settings-win.data.microsoft.com"

func tricks() []trick {
	tls := func(s *office, name, ja4 string) {
		s.every(60, .1, func(t float64) { s.tls(t, s.victim, s.server, name, ja4) })
	}
	spoofed := func(s *office) {
		for i := range 2 { // hosts that do not exist, to a neighbor of the server
			s.conn(float64(3600*i), s.net+fmt.Sprint(201+i), netip.MustParseAddr(s.server).Next().String(), 9, "udp", "", 0, 0)
		}
	}
	pauses := func(draw func(s *office) float64) func(s *office) {
		return func(s *office) {
			for t := draw(s); t < 86400; t += draw(s) {
				s.tls(t, s.victim, s.server, "own.example", s.browser)
			}
		}
	}
	return []trick{
		{"undisguised", 1, "critical", func(s *office) { tls(s, "own.example", s.ja4) }},
		{"1.2 a catalogued name", .7, "high", func(s *office) { tls(s, forgedName, s.browser) }},
		{"1.2 a catalogued name, two spoofed packets", .3, "high", func(s *office) { tls(s, forgedName, s.browser); spoofed(s) }},
		{"1.2 made-up clients make a resolver", .447, "high", func(s *office) {
			for i := range 120 {
				s.query(float64(700*i), s.net+fmt.Sprint(201+i%3), s.victim, "site1.example", "192.0.2.1")
			}
			s.every(60, .1, func(t float64) { s.conn(t, s.victim, s.server, 853, "tcp", "ssl", 400, 700) })
		}},
		{"1.2 two packets hide queries behind a resolver", 0, "medium", func(s *office) {
			s.query(900, s.net+"201", s.victim, "site1.example", "192.0.2.1")
			s.query(950, s.net+"201", s.resolver, "cmd.own.example", "192.0.2.1")
			s.every(60, .1, func(t float64) { s.query(t, s.victim, s.resolver, "cmd.own.example", "192.0.2.1") })
		}},
		{"1.7 port 53", .3, "medium", func(s *office) {
			s.every(60, .1, func(t float64) { s.query(t, s.victim, s.server, "www.google.com", "192.0.2.1") })
		}},
		{"1.7 port 123, as time servers are asked", .3, "medium", func(s *office) {
			s.every(64, .05, func(t float64) { s.conn(t, s.victim, s.server, 123, "udp", "ntp", 48, 48) })
		}},
		{"1.7 port 853", .7, "high", func(s *office) {
			s.every(60, .1, func(t float64) { s.conn(t, s.victim, s.server, 853, "tcp", "ssl", 400, 700) })
		}},
		{"1.11 pauses without memory", .181, "medium", pauses(func(s *office) float64 { return 60 * s.r.ExpFloat64() })},
		{"1.11 pauses of a gamma law", .274, "medium", pauses(func(s *office) float64 {
			return 20 * (s.r.ExpFloat64() + s.r.ExpFloat64() + s.r.ExpFloat64())
		})},
		{"1.12 on 13 of 25 hosts", .59, "high", func(s *office) {
			for _, h := range s.hosts[:13] {
				s.every(60, .1, func(t float64) { s.tls(t, h, s.server, "own.example", s.ja4) })
			}
			s.victim = s.hosts[0]
		}},
		{"1.13 a host framed by spoofed packets (medium at most)", 1, "-medium", func(s *office) {
			s.every(60, .1, func(t float64) { s.conn(t, s.victim, s.server, 443, "tcp", "", 0, 0) })
		}},
	}
}

// printTricks hunts one day of 25 hosts for each trick. Judgments of the safelist (1.6) are not part of a score; they are
// in the tests of internal/safelist and internal/pipeline.
func printTricks(ctx context.Context, w io.Writer) (missed int, err error) {
	fmt.Fprintln(w, "-- tricks: a day of 25 hosts (score before, severity that it keeps at least, severity and score now)")
	for i, k := range tricks() {
		s := newOffice(uint64(i + 1))
		k.do(s)
		f, err := s.hunt(ctx)
		if err != nil {
			return 0, err
		}
		want, atMost := k.want, k.want[0] == '-'
		if atMost {
			want = want[1:]
		}
		verdict, now := "", loudness(f.Dwell.Severity)
		if bound := loudness(want); atMost && now > bound || !atMost && now < bound {
			verdict = "  MISSED"
			missed++
		}
		fmt.Fprintf(w, "%-56s %.3f  %-8s | %-8s %.3f%s\n", k.name, k.before, k.want, f.Dwell.Severity, f.Dwell.Score, verdict)
	}
	return missed, nil
}

// office is a day of 24 hosts that share sixty sites and a resolver, and a victim among them, in Zeek's logs.
type office struct {
	r                                           *rand.Rand
	net, victim, server, resolver, ja4, browser string
	hosts                                       []string
	logs                                        map[string][]map[string]any
	n                                           int
}

func newOffice(seed uint64) *office {
	s := &office{r: rand.New(rand.NewPCG(seed, 23)), net: "10.7.3.", ja4: "t12d1809h1_a0b1c2d3e4f5_0f1e2d3c4b5a", browser: "t13d1516h2_8daaf6152771_b186095e22b6", logs: map[string][]map[string]any{}}
	s.victim, s.resolver, s.server = s.net+"99", s.net+"253", fmt.Sprintf("45.%d.%d.7", 1+s.r.IntN(200), 1+s.r.IntN(200))
	for i := range 24 {
		s.hosts = append(s.hosts, s.net+fmt.Sprint(i+1))
	}
	for _, h := range append([]string{s.victim}, s.hosts...) {
		for range 120 {
			site, t := s.r.IntN(60), s.r.Float64()*86400
			at := fmt.Sprintf("23.%d.4.9", site+1)
			s.query(t, h, s.resolver, fmt.Sprintf("site%d.example", site), at)
			s.tls(t+.1, h, at, fmt.Sprintf("site%d.example", site), s.browser)
		}
	}
	return s
}

func (s *office) add(log string, t float64, src, dst string, port int, fields map[string]any) {
	fields["ts"], fields["uid"] = 1_767_225_600+t, fmt.Sprintf("C%d", s.n)
	fields["id.orig_h"], fields["id.orig_p"], fields["id.resp_h"], fields["id.resp_p"] = src, 20000+s.n%40000, dst, port
	s.logs[log] = append(s.logs[log], fields)
}

// conn adds a connection; without bytes it is one packet that nothing answers.
func (s *office) conn(t float64, src, dst string, port int, proto, service string, out, in int) {
	s.n++
	f := map[string]any{"proto": proto, "conn_state": "S0", "orig_ip_bytes": 40, "resp_ip_bytes": 0}
	if out > 0 {
		f = map[string]any{"proto": proto, "conn_state": "SF", "duration": .5, "orig_bytes": out, "resp_bytes": in, "orig_ip_bytes": out + 28, "resp_ip_bytes": in + 28}
	}
	if service != "" {
		f["service"] = service
	}
	s.add("conn", t, src, dst, port, f)
}

func (s *office) tls(t float64, src, dst, name, ja4 string) {
	s.conn(t, src, dst, 443, "tcp", "ssl", 300+s.r.IntN(400), 2000)
	s.add("ssl", t+.01, src, dst, 443, map[string]any{"version": "TLSv13", "established": true, "server_name": name, "ja4": ja4})
}

func (s *office) query(t float64, src, to, name, answer string) {
	s.conn(t, src, to, 53, "udp", "dns", 60, 120)
	s.add("dns", t, src, to, 53, map[string]any{"proto": "udp", "query": name, "qtype_name": "A", "rcode_name": "NOERROR", "answers": []string{answer}})
}

// every calls check at each check-in of a day.
func (s *office) every(period, jitter float64, check func(t float64)) {
	for t := s.r.Float64() * period; t < 86400; t += period * (1 + jitter*(2*s.r.Float64()-1)) {
		check(t)
	}
}

// hunt returns the most severe finding of the victim.
func (s *office) hunt(ctx context.Context) (loudest hunt.Finding, err error) {
	dir, err := os.MkdirTemp("", "dwell-quality-")
	if err != nil {
		return loudest, err
	}
	defer os.RemoveAll(dir)
	for log, rows := range s.logs {
		var text []byte
		for _, row := range rows {
			line, err := json.Marshal(row)
			if err != nil {
				return loudest, err
			}
			text = append(append(text, line...), '\n')
		}
		if err := os.WriteFile(filepath.Join(dir, log+".log"), text, 0o600); err != nil {
			return loudest, err
		}
	}
	set, err := judges.Open(ctx, judges.Settings{})
	if err != nil {
		return loudest, err
	}
	res, err := pipeline.Run(ctx, zeek.New(zeek.Options{Paths: []string{dir}}), pipeline.Options{Ranking: rank.Ranking{Judges: set.List()}, Now: time.Now,
		Request: hunt.Request{Scope: hunt.NewScope(nil, hunt.Outbound)}})
	if err != nil {
		return loudest, err
	}
	for _, f := range res.Findings {
		if f.Source.IP.String() == s.victim && f.Dwell.Score > loudest.Dwell.Score {
			loudest = f
		}
	}
	return loudest, nil
}
