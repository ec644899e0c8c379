package main

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"time"

	"dwell/internal/evidence/judges"
	"dwell/internal/hunt"
	"dwell/internal/pipeline"
	"dwell/internal/pipeline/material"
	"dwell/internal/pipeline/rank"
	"dwell/internal/pipeline/rita"
	"dwell/internal/simulate"
	"dwell/query/zeek"
)

// disguise is an implant that persists without looking like a beacon, with the minimum severity that a hunt should give
// it.
type disguise struct {
	simulate.Talker
	want string
	// fast ones are part of the subset that go test runs.
	fast bool
}

// disguises are the section's implants, each on its own host.
func disguises() []disguise {
	every := func(d time.Duration) simulate.Duration { return simulate.Duration(d) }
	var pool []netip.Addr
	for i := range 30 { // each in its own network
		pool = append(pool, netip.AddrFrom4([4]byte{185, byte(10 + 7*i), byte(i * 3), 9}))
	}
	list := []disguise{
		{simulate.Talker{Name: "a new port each time", Period: every(5 * time.Minute), Jitter: 0.2, AnyPort: true, Service: "none"}, "high", true},
		{simulate.Talker{Name: "DNS, one name, 60 s", Kind: simulate.KindDNSBeacon, Domain: "cmd.night-sync.example", Period: every(time.Minute), Jitter: 0.1}, "medium", true},
		{simulate.Talker{Name: "DNS, one name, 30 min", Kind: simulate.KindDNSBeacon, Domain: "cmd.day-sync.example", Period: every(30 * time.Minute), Jitter: 0.1}, "medium", false},
		{simulate.Talker{Name: "kept-alive HTTP, 50 min", Kind: simulate.KindLong, Domain: "poll.kept-alive.example", Port: 80, From: every(10 * time.Hour), Period: every(20 * time.Hour), Duration: every(50 * time.Minute), Requests: 600}, "medium", true},
		{simulate.Talker{Name: "memoryless sleeps, mean 300 s", Domain: "random.walker.example", Period: every(5 * time.Minute), Timing: simulate.TimingMemoryless, SizeJitter: 0.5}, "medium", true},
		{simulate.Talker{Name: "memoryless, self-signed", Period: every(10 * time.Minute), Timing: simulate.TimingMemoryless, SelfSigned: true, NoServerName: true}, "high", false},
		{simulate.Talker{Name: "30 redirectors", Destinations: pool, Rotate: "random", Period: every(time.Minute), Jitter: 0.1, NoServerName: true}, "medium", true},
		{simulate.Talker{Name: "websocket, still open", Kind: simulate.KindLong, Domain: "socket.held.example", From: every(4 * time.Hour), Period: every(time.Minute), Duration: every(40 * time.Hour), Open: true}, "medium", true},
		{simulate.Talker{Name: "proxy, CONNECT", Domain: "assets.behind.example", Proxy: true, Period: every(2 * time.Minute), Jitter: 0.2}, "high", true},
		{simulate.Talker{Name: "proxy, absolute URI", Domain: "plain.behind-too.example", Proxy: true, Port: 80, Period: every(2 * time.Minute), Jitter: 0.2}, "high", false},
		{simulate.Talker{Name: "sleeps 60 s, then works 10 s", Domain: "worker.loop.example", Period: every(time.Minute), Timing: simulate.TimingWork, Work: every(10 * time.Second), SizeJitter: 0.5}, "high", true},
		{simulate.Talker{Name: "working hours, 10 min", Domain: "office.only.example", Period: every(10 * time.Minute), Jitter: 0.2, OfficeHours: true}, "medium", false},
		{simulate.Talker{Name: "short: 60 s for an hour", Domain: "brief.visit.example", From: every(11 * time.Hour), To: every(12 * time.Hour), Period: every(time.Minute), Jitter: 0.05}, "medium", true},
		{simulate.Talker{Name: "short: 5 s for 20 min", Domain: "briefer.visit.example", From: every(14 * time.Hour), To: every(14*time.Hour + 20*time.Minute), Period: every(5 * time.Second), Jitter: 0.02}, "medium", true},
		{simulate.Talker{Name: "proxy, 30 domains in turn", Domain: "turning.example", Names: 30, Proxy: true, Period: every(4 * time.Minute), Jitter: 0.2}, "medium", true},
		{simulate.Talker{Name: "DNS, 40 domains in turn", Kind: simulate.KindDNSBeacon, Domain: "asked-in-turn.example", Names: 40, Period: every(5 * time.Minute), Jitter: 0.3}, "medium", false},
		{simulate.Talker{Name: "proxy, SOCKS", Domain: "socks.behind-three.example", Proxy: true, SOCKS: true, Period: every(3 * time.Minute), Jitter: 0.3}, "high", true},
	}
	for i := range list {
		if list[i].Kind == "" {
			list[i].Kind = simulate.KindBeacon
		}
		list[i].Why = list[i].Name
		list[i].Talker.Name = fmt.Sprintf("disguise-%d", i+1)
	}
	return list
}

// seen is a hunt's most severe finding about an implant: its rank (a campaign is one line), severity and score. Zero
// means none.
type seen struct {
	rank     int
	severity string
	score    float64
}

func (s seen) String() string {
	if s.rank == 0 {
		return "nothing"
	}
	return fmt.Sprintf("%-8s %.3f, rank %d", s.severity, s.score, s.rank)
}

// loudness is the order of severities.
func loudness(severity string) int {
	return slices.Index([]string{"", "low", "medium", "high", "critical"}, severity)
}

// perDay is the most implants in one simulated day: more would be a good part of what its hosts do.
const perDay = 9

// huntDisguises hunts the implants on days of 60 hosts with both profiles, and returns the result for each.
func huntDisguises(ctx context.Context, seed uint64, of []disguise) (ours, theirs []seen, err error) {
	for part := range slices.Chunk(of, perDay) {
		own, other, err := huntDay(ctx, seed, part)
		if err != nil {
			return nil, nil, err
		}
		ours, theirs = append(ours, own...), append(theirs, other...)
	}
	return ours, theirs, nil
}

// huntDay simulates one day with the implants and hunts it.
func huntDay(ctx context.Context, seed uint64, of []disguise) (ours, theirs []seen, err error) {
	dir, err := os.MkdirTemp("", "dwell-quality-")
	if err != nil {
		return nil, nil, err
	}
	defer os.RemoveAll(dir)
	sc := simulate.Default()
	sc.Seed, sc.Implants = seed, nil
	for i, d := range of {
		d.Hosts = []string{fmt.Sprintf("ws-%03d", 6*i+2)}
		sc.Implants = append(sc.Implants, d.Talker)
	}
	made, err := simulate.Run(ctx, sc, dir, simulate.Format{JSON: true})
	if err != nil {
		return nil, nil, err
	}
	set, err := judges.Open(ctx, judges.Settings{})
	if err != nil {
		return nil, nil, err
	}
	for _, ranking := range []pipeline.Ranking{rank.Ranking{Judges: set.List()}, rita.Ranking{}} {
		res, err := pipeline.Run(ctx, zeek.New(zeek.Options{Paths: []string{dir}}), pipeline.Options{Ranking: ranking, MinScore: material.Floor, Now: time.Now,
			Request: hunt.Request{Scope: hunt.NewScope(sc.Internal, hunt.Outbound)}})
		if err != nil {
			return nil, nil, err
		}
		found := make([]seen, len(of))
		for i, l := range made.Labels.Implants {
			line, campaigns := 0, map[string]bool{}
			for at := range res.Findings {
				f := &res.Findings[at]
				if c := f.Dwell.Campaign; c == nil || !campaigns[c.ID] {
					line++ // a campaign is one line of the list
					if c != nil {
						campaigns[c.ID] = true
					}
				}
				if names(f, l) && loudness(f.Dwell.Severity) > loudness(found[i].severity) {
					found[i] = seen{line, f.Dwell.Severity, f.Dwell.Score}
				}
			}
		}
		if ours == nil {
			ours = found
		} else {
			theirs = found
		}
	}
	return ours, theirs, nil
}

// names reports whether a finding is about an implant: its host, and its server, its name or a parent domain.
func names(f *hunt.Finding, l *simulate.Label) bool {
	if !slices.Contains(l.Sources, f.Source.IP) {
		return false
	}
	for _, n := range append(slices.Clone(f.Dwell.Evidence.Names), f.Destination.Domain) {
		if n != "" && slices.ContainsFunc(append(slices.Clone(l.Names), l.Domain), func(own string) bool { return hunt.Within(own, n) }) {
			return true
		}
	}
	if l.Service == "dns" || l.Proxy.IsValid() {
		return false // all hosts use the resolver and the proxy
	}
	return slices.Contains(l.Destinations, f.Destination.IP) || slices.ContainsFunc(l.Destinations, func(a netip.Addr) bool { return slices.Contains(f.Dwell.Evidence.Addresses, a) })
}

// printDisguises prints a row per implant, and returns how many are less severe than required or rank below the first
// twenty.
func printDisguises(ctx context.Context, w io.Writer) (missed int, err error) {
	of := disguises()
	ours, theirs, err := huntDisguises(ctx, 7, of)
	if err != nil {
		return 0, err
	}
	fmt.Fprintln(w, "-- disguises: a simulated day of 60 hosts, hunted (severity, score and rank; RITA's profile beside it)")
	for i, d := range of {
		verdict := ""
		if loudness(ours[i].severity) < loudness(d.want) || ours[i].rank > 20 {
			verdict = "  MISSED"
			missed++
		}
		fmt.Fprintf(w, "%-40s %-8s %-28s | %s%s\n", d.Why, d.want, ours[i], theirs[i], verdict)
	}
	return missed, nil
}
