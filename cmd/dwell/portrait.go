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

// portrait is everything about one pair of addresses (or an address and a name): what dwell show draws.
type portrait struct {
	Src netip.Addr
	// Dst is the other side, as it reads in a pair; To is the same.
	Dst string
	To  hunt.Side
	// Findings of the pair, scored whatever their weight, strongest first. Empty when nothing could be scored.
	Findings []hunt.Finding
	// Why says, when no finding has a severity, why there is none.
	Why string
	// Starts are the pair's connections in the window, Unix milliseconds, ascending; Sizes what the originator sent
	// each time (IP bytes, hunt.Absent where unknown).
	Starts, Sizes []int64
	// Ports are the destination ports with their connections, the busiest first.
	Ports []portCount
	// Names used towards the address, or addresses behind the name, the most used first.
	Names []string
	// Window and Reading are the hunt's.
	Reading hunt.Reading
}

// portCount is one destination port and its number of connections.
type portCount struct {
	Port        string
	Connections int
}

// takePortrait hunts, and keeps everything about one pair: a source and the other side, whatever kind of key that is.
func takePortrait(ctx context.Context, src hunt.Source, o pipeline.Options, from netip.Addr, to hunt.Side) (*portrait, error) {
	defer collector.Often()()
	o.MinScore = 0
	p := &portrait{Src: from, Dst: to.String(), To: to}
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
	for _, f := range findings { // it may be told by another key: the name of an address, the network around it
		if f.Source.IP == from && tells(&f, to) {
			p.Findings = append(p.Findings, f)
		}
	}
}

// draw keeps the connections of the pair.
func (p *portrait) draw(m *material.Material) {
	from, to := p.Src, p.To
	switch {
	case to.Addr.IsValid():
		p.paint(m.Table, func(pair *pairs.Pair) bool { return pair.Src == from && pair.Dst == to.Addr })
	case to.Network.IsValid():
		p.paint(m.Table, func(pair *pairs.Pair) bool { return pair.Src == from && to.Network.Contains(pair.Dst) })
	case m.Named == nil:
	case to.Fingerprint != "":
		p.paint(m.Named.Prints, func(pair *pairs.Pair) bool {
			print := m.Named.Print(pair.Dst)
			return pair.Src == from && print.String() == to.Fingerprint && (to.Port == 0 || print.Port == to.Port)
		})
	case to.Name != "":
		p.paint(m.Named.Table, func(pair *pairs.Pair) bool {
			return pair.Src == from && strings.EqualFold(m.Named.Name(pair.Dst), to.Name)
		})
	}
}

// tells says whether a finding about another key tells this side's story.
func tells(f *hunt.Finding, to *hunt.Side) bool {
	e := f.Dwell.Evidence
	if to.Addr.IsValid() && f.Dwell.DNS == nil && (f.Destination.IP == to.Addr || e != nil && slices.Contains(e.Addresses, to.Addr)) {
		return true
	}
	return slices.ContainsFunc(f.Dwell.Also, func(pair string) bool {
		_, o, err := hunt.ParsePair(pair)
		return err == nil && o.Addr == to.Addr && o.Network == to.Network && o.Fingerprint == to.Fingerprint && o.DNS == to.DNS && strings.EqualFold(o.Name, to.Name)
	})
}

// paint takes the pair's connections out of a table.
func (p *portrait) paint(t *pairs.Table, is func(*pairs.Pair) bool) {
	var mu sync.Mutex
	t.Walk(func(_ int, pair *pairs.Pair) {
		if !is(pair) {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		counts := make([]int, len(pair.Ports))
		for i := range pair.Connections {
			c := &pair.Connections[i]
			if p.Reading.Window.Contains(c.Start) {
				p.Starts, p.Sizes = append(p.Starts, c.Start), append(p.Sizes, c.OrigIPBytes)
				counts[c.Port]++
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

// names finds what else the other side is called.
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
			return
		}
		addresses, _ := m.Named.Addresses(pair.Src, pair.Dst)
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
		p.Why = "too few names below this domain were asked for to judge a tunnel, or it was not asked for at all"
	case to.DNS && p.Findings[0].Dwell.Severity == "":
		p.Why = fmt.Sprintf("the score is %.3f; a finding begins at 0.2", p.Findings[0].Dwell.Score)
	case to.DNS:
	case len(p.Starts) == 0 && to.Fingerprint != "":
		p.Why = "the host does not show this TLS fingerprint to two destinations or more, in 4 to 50,000 records: then it is not followed"
	case len(p.Starts) == 0:
		p.Why = "there is no connection between the two in the window, in the direction and networks of this hunt"
	case len(p.Starts) < material.Fewest && (len(p.Findings) == 0 || p.Findings[0].Dwell.Severity == ""):
		p.Why = fmt.Sprintf("%d connections: a rhythm is judged from %d on, and they lasted less than an hour", len(p.Starts), material.Fewest)
	case len(p.Findings) == 0:
		p.Why = "every port has fewer than four connections, and none was connected for an hour: nothing could be judged"
	case p.Findings[0].Dwell.Severity == "":
		p.Why = fmt.Sprintf("the score is %.3f; a finding begins at 0.2", p.Findings[0].Dwell.Score)
	}
}
