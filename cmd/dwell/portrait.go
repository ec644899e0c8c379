package main

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"dwell/internal/collector"
	"dwell/internal/hunt"
	"dwell/internal/pairs"
	"dwell/internal/pipeline"
	"dwell/internal/pipeline/material"
)

// portrait is what dwell show prints of a pair: a source, and an address, name, network, fingerprint or DNS domain.
type portrait struct {
	Src netip.Addr
	// Dst is the destination, as it reads in a pair; To is the same.
	Dst string
	To  hunt.Side
	// Findings of the pair, scored whatever their weight, strongest first. Empty when nothing could be scored.
	Findings []hunt.Finding
	// Others is how many other hosts used the name, where the pair has no connection.
	Others int
	// Why says, when no finding has a severity, why there is none.
	Why string
	// Starts are the pair's connections in the window, Unix milliseconds, ascending; Sizes what the originator sent
	// each time (IP bytes, hunt.Absent where unknown).
	Starts, Sizes []int64
	// Raw are the connections one by one, in order of their start; their destinations are among Addresses.
	Raw       []hunt.Connection
	Addresses []netip.Addr
	// Ports are the destination ports with their connections, the busiest first.
	Ports []portCount
	// Names used for the address, or addresses behind the name.
	Names []string
	// Window and Reading are the hunt's.
	Reading hunt.Reading
}

// portCount is one destination port and its number of connections.
type portCount struct {
	Port        string
	Connections int
}

// takePortrait hunts and keeps everything about one pair.
func takePortrait(ctx context.Context, src hunt.Source, o pipeline.Options, from netip.Addr, to hunt.Side) (*portrait, error) {
	defer collector.Often()()
	o.MinScore = 0
	p := &portrait{Src: from, Dst: to.String(), To: to}
	o.Of, o.About = from, func(f *hunt.Finding) bool { return f.Source.IP == from && (to.Is(f) || sameTraffic(f, &to)) }
	err := pipeline.Inspect(ctx, src, o, func(m *material.Material, res *pipeline.Result) error {
		p.Reading = res.Reading
		p.find(res.Findings)
		p.draw(m)
		p.names(m, &to)
		p.explain(&to)
		return nil
	})
	return p, err
}

// find keeps the findings that are about the pair.
func (p *portrait) find(findings []hunt.Finding) {
	from, to := p.Src, &p.To
	for _, f := range findings {
		if f.Source.IP == from && to.Is(&f) {
			p.Findings = append(p.Findings, f)
		}
	}
	if len(p.Findings) > 0 {
		return
	}
	for _, f := range findings { // it may be under another candidate: the name of an address, the network around it
		if f.Source.IP == from && sameTraffic(&f, to) {
			p.Findings = append(p.Findings, f)
		}
	}
}

// draw keeps the connections of the pair.
func (p *portrait) draw(m *material.Material) {
	from, to := p.Src, p.To
	switch {
	case to.Addr.IsValid():
		p.paint(m.Table, nil, func(pair *pairs.Pair) bool { return pair.Src == from && pair.Dst == to.Addr })
	case to.Network.IsValid():
		p.paint(m.Table, nil, func(pair *pairs.Pair) bool { return pair.Src == from && to.Network.Contains(pair.Dst) })
	case m.Named == nil:
	case to.Fingerprint != "":
		p.paint(m.Named.Prints, m.Named, func(pair *pairs.Pair) bool {
			print := m.Named.Print(pair.Dst)
			return pair.Src == from && print.String() == to.Fingerprint && (to.Port == 0 || print.Port == to.Port)
		})
	case to.Name != "":
		p.paint(m.Named.Table, m.Named, func(pair *pairs.Pair) bool {
			return pair.Src == from && strings.EqualFold(m.Named.Name(pair.Dst), to.Name)
		})
	}
}

// sameTraffic reports whether a finding of another candidate is about this destination's traffic.
func sameTraffic(f *hunt.Finding, to *hunt.Side) bool {
	e := f.Dwell.Evidence
	if to.Addr.IsValid() && f.Dwell.DNS == nil && (f.Destination.IP == to.Addr || e != nil && slices.Contains(e.Addresses, to.Addr)) {
		return true
	}
	return slices.ContainsFunc(f.Dwell.Also, func(pair string) bool {
		_, o, err := hunt.ParsePair(pair)
		return err == nil && o.Addr == to.Addr && o.Network == to.Network && o.Fingerprint == to.Fingerprint && o.DNS == to.DNS && strings.EqualFold(o.Name, to.Name)
	})
}

// paint takes the pair's connections from a table; named is set if its destinations are names or fingerprints.
func (p *portrait) paint(t *pairs.Table, named *pairs.Named, is func(*pairs.Pair) bool) {
	var mu sync.Mutex
	t.Walk(func(_ int, pair *pairs.Pair) {
		if !is(pair) {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		counts := make([]int, len(pair.Ports))
		var dst netip.Addr
		if named == nil {
			dst = pair.Dst
			p.Addresses = append(p.Addresses, dst)
		} else {
			for _, u := range pair.Uses() {
				p.Addresses = append(p.Addresses, u.Addr)
			}
		}
		for i := range pair.Connections {
			c := &pair.Connections[i]
			if p.Reading.Window.Contains(c.Start) {
				p.Starts, p.Sizes = append(p.Starts, c.Start), append(p.Sizes, c.OrigIPBytes)
				counts[c.Port]++
				port := &pair.Ports[c.Port]
				p.Raw = append(p.Raw, hunt.Connection{Start: c.Start, Duration: c.Duration, OrigBytes: c.OrigBytes, RespBytes: c.RespBytes, OrigIPBytes: c.OrigIPBytes,
					Src: pair.Src, Dst: dst, SrcPort: c.SrcPort, DstPort: port.Number, Proto: port.Proto, Service: port.Service, State: c.State})
			}
		}
		for i, n := range counts {
			if n == 0 {
				continue
			}
			port := pair.Ports[i]
			text := strings.TrimSpace(fmt.Sprintf("%d/%s %s", port.Number, port.Proto, port.Service))
			if at := slices.IndexFunc(p.Ports, func(c portCount) bool { return c.Port == text }); at >= 0 {
				p.Ports[at].Connections += n
			} else {
				p.Ports = append(p.Ports, portCount{text, n})
			}
		}
	})
	slices.SortStableFunc(p.Ports, func(a, b portCount) int { return cmp.Or(b.Connections-a.Connections, cmp.Compare(a.Port, b.Port)) })
	slices.SortStableFunc(p.Raw, func(a, b hunt.Connection) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.SrcPort, b.SrcPort))
	})
	p.inOrder()
}

// inOrder sorts the connections of several pairs by their start.
func (p *portrait) inOrder() {
	if slices.IsSorted(p.Starts) {
		return
	}
	order := make([]int, len(p.Starts))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(p.Starts[a], p.Starts[b]) })
	starts, sizes := make([]int64, len(order)), make([]int64, len(order))
	for i, at := range order {
		starts[i], sizes[i] = p.Starts[at], p.Sizes[at]
	}
	p.Starts, p.Sizes = starts, sizes
}

// names finds what else the destination is called.
func (p *portrait) names(m *material.Material, to *hunt.Side) {
	if m.Named == nil || to.DNS {
		return
	}
	behind := func(addresses []netip.Addr) bool {
		return slices.ContainsFunc(addresses, func(a netip.Addr) bool {
			return a == to.Addr || to.Network.IsValid() && to.Network.Contains(a)
		})
	}
	var mu sync.Mutex
	m.Named.Table.Walk(func(_ int, pair *pairs.Pair) {
		if pair.Src != p.Src {
			if to.Name != "" && strings.EqualFold(m.Named.Name(pair.Dst), to.Name) {
				mu.Lock()
				p.Others++
				mu.Unlock()
			}
			return
		}
		addresses, _ := pair.Addresses()
		name := m.Named.Name(pair.Dst)
		mu.Lock()
		defer mu.Unlock()
		switch {
		case behind(addresses):
			p.Names = append(p.Names, name)
		case to.Name != "" && strings.EqualFold(name, to.Name):
			for _, a := range addresses {
				p.Names = append(p.Names, a.String())
			}
		}
	})
	slices.Sort(p.Names)
}

// explain says why a pair is no finding.
func (p *portrait) explain(to *hunt.Side) {
	switch {
	case to.DNS && len(p.Findings) == 0:
		p.Why = "the host made no queries below this domain, or for too few names to judge a tunnel"
	case to.DNS && p.Findings[0].Dwell.Severity == "":
		p.Why = fmt.Sprintf("the score is %.3f; a finding has 0.2 or more", p.Findings[0].Dwell.Score)
	case to.DNS:
	case len(p.Starts) == 0 && to.Fingerprint != "":
		p.Why = "the host does not show this TLS fingerprint to two or more destinations in 4 to 50,000 records, so it is not a candidate"
	case len(p.Starts) == 0 && to.Name != "" && p.Others == 0:
		p.Why = "no host used the name " + to.Name + " in this window: check its spelling, and the window (--since, --from, --day)"
	case len(p.Starts) == 0 && to.Name != "":
		p.Why = fmt.Sprintf("%s did not use the name %s in this window, but %s did: `dwell who %s` lists them", p.Src, to.Name, hunt.Many(p.Others, "other host"), to.Name)
	case len(p.Starts) == 0:
		p.Why = fmt.Sprintf("there is no connection between the two in this window: `dwell who %s` lists the hosts with one; --since, --from and --day choose another window", to)
	case len(p.Starts) < material.Fewest && (len(p.Findings) == 0 || p.Findings[0].Dwell.Severity == ""):
		p.Why = fmt.Sprintf("%s: a beacon needs %d or more, and they lasted less than an hour", hunt.Many(len(p.Starts), "connection"), material.Fewest)
	case len(p.Findings) == 0:
		p.Why = "every port has fewer than four connections, and none was connected for an hour: nothing could be judged"
	case p.Findings[0].Dwell.Severity == "":
		p.Why = fmt.Sprintf("the score is %.3f; a finding has 0.2 or more", p.Findings[0].Dwell.Score)
	}
}
