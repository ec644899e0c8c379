package pipeline

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"dwell/internal/hunt"
	"dwell/internal/pairs"
)

// Portrait is everything about one pair of addresses (or an address and a name): what dwell show draws.
type Portrait struct {
	Src netip.Addr
	// Dst is the other side: an address or a name.
	Dst string
	// Findings of the pair, scored whatever their weight, strongest first. Empty when nothing could be scored.
	Findings []hunt.Finding
	// Why says, when no finding has a severity, why there is none.
	Why string
	// Starts are the pair's connections in the window, Unix milliseconds, ascending; Sizes what the originator sent
	// each time (IP bytes, hunt.Absent where unknown).
	Starts, Sizes []int64
	// Ports are the destination ports with their connections, the busiest first.
	Ports []PortCount
	// Names used towards the address, or addresses behind the name, the most used first.
	Names []string
	// Window and Reading are the hunt's.
	Reading hunt.Reading
}

// PortCount is one destination port and its number of connections.
type PortCount struct {
	Port        string
	Connections int
}

// Show hunts as Run does, and keeps everything about one pair. dst is an address or a name.
func Show(ctx context.Context, src hunt.Source, o Options, from netip.Addr, dst string) (_ *Portrait, err error) {
	o.MinScore = 0
	m, reading, err := gather(ctx, src, o)
	defer func() { err = cmp.Or(err, m.close()) }()
	if err != nil {
		return nil, err
	}
	p := &Portrait{Src: from, Dst: dst, Reading: reading}
	id := newIdentity(&reading, &o)
	res := &Result{Reading: reading}
	if _, _, err := res.judge(ctx, src, &m, &id, o); err != nil {
		return nil, err
	}
	addr, addrErr := netip.ParseAddr(dst)
	for _, f := range res.Findings {
		if f.Source.IP == from && (addrErr == nil && f.Destination.IP == addr || addrErr != nil && strings.EqualFold(f.Destination.Domain, dst)) {
			p.Findings = append(p.Findings, f)
		}
	}
	if addrErr == nil {
		p.paint(m.table, func(pair *pairs.Pair) bool { return pair.Src == from && pair.Dst == addr })
	} else if m.named != nil {
		p.paint(m.named.Table, func(pair *pairs.Pair) bool { return pair.Src == from && strings.EqualFold(m.named.Name(pair.Dst), dst) })
	}
	p.names(&m, addr, addrErr == nil)
	p.explain()
	return p, m.err()
}

// paint takes the pair's connections out of a table.
func (p *Portrait) paint(t *pairs.Table, is func(*pairs.Pair) bool) {
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
			if n > 0 {
				port := pair.Ports[i]
				p.Ports = append(p.Ports, PortCount{strings.TrimSpace(fmt.Sprintf("%d/%s %s", port.Number, port.Proto, port.Service)), n})
			}
		}
		slices.SortStableFunc(p.Ports, func(a, b PortCount) int { return b.Connections - a.Connections })
	})
}

// names finds what else the other side is called.
func (p *Portrait) names(m *material, addr netip.Addr, isAddr bool) {
	if m.named == nil {
		return
	}
	var mu sync.Mutex
	m.named.Table.Walk(func(_ int, pair *pairs.Pair) {
		if pair.Src != p.Src {
			return
		}
		addresses, _ := m.named.Addresses(pair.Src, pair.Dst)
		name := m.named.Name(pair.Dst)
		mu.Lock()
		defer mu.Unlock()
		switch {
		case isAddr && slices.Contains(addresses, addr):
			p.Names = append(p.Names, name)
		case !isAddr && strings.EqualFold(name, p.Dst):
			for _, a := range addresses {
				p.Names = append(p.Names, a.String())
			}
		}
	})
	slices.Sort(p.Names)
}

// explain says why a pair is no finding.
func (p *Portrait) explain() {
	switch {
	case len(p.Starts) == 0:
		p.Why = "there is no connection between the two in the window, in the direction and networks of this hunt"
	case len(p.Starts) < fewest && (len(p.Findings) == 0 || p.Findings[0].Dwell.Severity == ""):
		p.Why = fmt.Sprintf("%d connections: a rhythm is judged from %d on, and they lasted less than an hour", len(p.Starts), fewest)
	case len(p.Findings) == 0:
		p.Why = "every port has fewer than four connections, and none was connected for an hour: nothing could be judged"
	case p.Findings[0].Dwell.Severity == "":
		p.Why = fmt.Sprintf("the score is %.3f; a finding begins at 0.2", p.Findings[0].Dwell.Score)
	}
}
