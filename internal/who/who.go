// Package who lists the hosts that contacted a destination, with first and last connection, count and bytes.
package who

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"dwell/internal/evidence/host"
	"dwell/internal/hunt"
	"dwell/internal/pairs"
	"dwell/internal/pipeline/material"
)

// Page is the answer of [Ask].
type Page struct {
	// Destination is what was asked for: an address, a network, a name (including names under it), a TLS fingerprint or
	// *.domain/dns.
	Destination string        `json:"destination"`
	Window      hunt.TimeSpan `json:"window"`
	// Hosts that contacted it, most connections first. Active is the number of hosts that contacted any external
	// destination, 0 if unknown.
	Hosts  []Host `json:"hosts"`
	Active int    `json:"active,omitempty"`
	// Totals over all hosts.
	Connections int64 `json:"connections"`
	Sent        int64 `json:"sent"`
	Received    int64 `json:"received"`
	// Also lists the names of the address, or the addresses behind the name, up to maxAlso.
	Also []string `json:"also"`
	// Gaps say what the answer lacks; it is complete without any.
	Gaps []string `json:"gaps,omitempty"`
}

// Host is one host's contact with the destination.
type Host struct {
	IP netip.Addr `json:"ip"`
	// Names and Users of the host, most frequent first.
	Names []string  `json:"names,omitempty"`
	Users []string  `json:"users,omitempty"`
	First hunt.Time `json:"first"`
	Last  hunt.Time `json:"last"`
	// Connections, and payload bytes sent and received; a size that Zeek did not log counts as 0. For a fingerprint TLS
	// records are counted, which have no sizes: Sent and Received are -1.
	Connections int64 `json:"connections"`
	Sent        int64 `json:"sent"`
	Received    int64 `json:"received"`
	// Queries are DNS queries for the name or names under it. A host may query without connecting.
	Queries int64 `json:"queries,omitempty"`
	// Ports, as in 443/tcp ssl, in numeric order.
	Ports []string `json:"ports,omitempty"`
}

const (
	maxAlso = 20
	// maxNamed bounds how many hosts' names are looked up.
	maxNamed = 1000
)

// hosts collects the answer; it is used by many goroutines.
type hosts struct {
	mu   sync.Mutex
	of   map[netip.Addr]*Host
	also map[string]bool
}

// Ask reads a window and returns the hosts that contacted a destination in it. The reading's gaps name what the answer
// lacks.
func Ask(ctx context.Context, src hunt.Source, w material.Wanted, to hunt.Side) (page *Page, reading hunt.Reading, err error) {
	m, reading, err := material.Gather(ctx, src.Open(), w)
	defer func() { err = cmp.Or(err, m.Close()) }()
	if err != nil {
		return nil, reading, err
	}
	h := &hosts{of: map[netip.Addr]*Host{}, also: map[string]bool{}}
	h.connections(m, &to)
	if to.Name != "" {
		h.queries(m, to.Name)
	}
	if to.Fingerprint != "" {
		remarks, err := h.fingerprints(ctx, m, &to)
		if reading.Add(remarks); err != nil {
			return nil, reading, err
		}
	}
	page = &Page{Destination: to.String(), Hosts: []Host{}, Window: hunt.TimeSpan{Start: hunt.Time{Time: reading.Window.Start}, End: hunt.Time{Time: reading.Window.End}}, Also: h.list()}
	if !w.Request.Scope.Narrowed() {
		m.Table.WalkSources(func(int, netip.Addr, *pairs.Of) { h.mu.Lock(); page.Active++; h.mu.Unlock() })
	}
	for _, x := range h.of {
		page.Hosts = append(page.Hosts, *x)
		page.Connections, page.Sent, page.Received = page.Connections+x.Connections, page.Sent+max(x.Sent, 0), page.Received+max(x.Received, 0)
	}
	slices.SortFunc(page.Hosts, func(a, b Host) int {
		return cmp.Or(cmp.Compare(b.Connections, a.Connections), cmp.Compare(b.Queries, a.Queries), a.IP.Compare(b.IP))
	})
	remarks, err := page.name(ctx, m)
	reading.Add(remarks)
	return page, reading, cmp.Or(err, m.Err())
}

// connections walks the table that has this kind of destination.
func (h *hosts) connections(m *material.Material, to *hunt.Side) {
	switch {
	case to.DNS:
	case to.Addr.IsValid():
		h.walk(m, m.Table, func(a netip.Addr) bool { return a == to.Addr }, to)
		h.collectNames(m, func(a netip.Addr) bool { return a == to.Addr })
	case to.Network.IsValid():
		h.walk(m, m.Table, to.Network.Contains, to)
		h.collectNames(m, to.Network.Contains)
	case to.Fingerprint != "" || m.Named == nil:
	default:
		h.walk(m, m.Named.Table, func(a netip.Addr) bool { return below(m.Named.Name(a), to.Name) }, to)
	}
}

// below reports whether a name equals another or is under it. Roll-ups ("*.domain") are not names.
func below(name, parent string) bool {
	name, parent = strings.ToLower(name), strings.ToLower(parent)
	return name == parent || hunt.Within(name, parent) && !strings.HasPrefix(name, "*.")
}

// walk adds a table's connections to the destinations for which match is true. A connection with two such names counts
// once.
func (h *hosts) walk(m *material.Material, t *pairs.Table, match func(netip.Addr) bool, to *hunt.Side) {
	t.WalkSources(func(_ int, src netip.Addr, of *pairs.Of) {
		var at []int
		for i := range of.Len() {
			if match(of.Dst(i)) {
				at = append(at, i)
			}
		}
		if len(at) == 0 {
			return
		}
		type start struct {
			at   int64
			port uint16
		}
		seen := map[start]bool{}
		var p pairs.Pair
		x, ports, also := &Host{IP: src}, map[string]bool{}, []string{}
		for _, i := range at {
			of.Decode(i, &p)
			some := false
			for k := range p.Connections {
				c := &p.Connections[k]
				port := &p.Ports[c.Port]
				if !m.Window.Contains(c.Start) || to.Port != 0 && port.Number != to.Port || len(at) > 1 && t != m.Table && seen[start{c.Start, c.SrcPort}] {
					continue
				}
				if len(at) > 1 && t != m.Table {
					seen[start{c.Start, c.SrcPort}] = true
				}
				x.add(c.Start, 1, max(c.OrigBytes, 0), max(c.RespBytes, 0))
				ports[strings.TrimSpace(portText(port))] = true
				some = true
			}
			if some && to.Name != "" {
				addresses, _ := p.Addresses()
				for _, a := range addresses {
					also = append(also, a.String())
				}
			}
		}
		for port := range ports {
			x.Ports = append(x.Ports, port)
		}
		slices.SortFunc(x.Ports, func(a, b string) int { return cmp.Or(cmp.Compare(len(number(a)), len(number(b))), cmp.Compare(a, b)) })
		h.take(x, also)
	})
}

func number(port string) string { n, _, _ := strings.Cut(port, "/"); return n }

// collectNames collects the names under which the addresses were contacted.
func (h *hosts) collectNames(m *material.Material, match func(netip.Addr) bool) {
	if m.Named == nil {
		return
	}
	m.Named.Table.WalkSources(func(_ int, src netip.Addr, of *pairs.Of) {
		var also []string
		var p pairs.Pair
		for i := range of.Len() {
			of.Decode(i, &p)
			if addresses, _ := p.Addresses(); slices.ContainsFunc(addresses, match) {
				also = append(also, m.Named.Name(of.Dst(i)))
			}
		}
		h.take(nil, also)
	})
}

// queries adds the hosts that queried the name or one under it.
func (h *hosts) queries(m *material.Material, name string) {
	if m.DNS == nil {
		return
	}
	for _, q := range m.DNS.All() {
		if q.Domain != name && !below(q.Domain, name) && !(below(name, q.Domain) && slices.ContainsFunc(q.Texts(), func(t string) bool { return below(t, name) })) {
			continue
		}
		h.mu.Lock()
		x := h.of[q.Client]
		if x == nil {
			x = &Host{IP: q.Client}
			h.of[q.Client] = x
		}
		x.Queries += q.Count
		if q.First > 0 {
			x.span(q.First)
			x.span(q.Last)
		}
		h.mu.Unlock()
	}
}

// fingerprints adds the hosts that show a TLS fingerprint. It reads the TLS records, because the tables have only
// fingerprints that were shown to several destinations.
func (h *hosts) fingerprints(ctx context.Context, m *material.Material, to *hunt.Side) (remarks hunt.Remarks, err error) {
	if m.Session.Names == nil || m.Window == (hunt.Window{}) {
		return remarks, nil
	}
	ports := map[netip.Addr]map[string]bool{}
	reading, err := m.Session.Names(ctx, m.LookUp(), func(batch []hunt.NameRecord) error {
		h.mu.Lock()
		defer h.mu.Unlock()
		for i := range batch {
			r := &batch[i]
			if r.Kind != hunt.TLS || r.Fingerprint.String() != to.Fingerprint || to.Port != 0 && r.DstPort != to.Port || !m.Window.Contains(r.Start) {
				continue
			}
			x := h.of[r.Src]
			if x == nil {
				x = &Host{IP: r.Src, Sent: hunt.Absent, Received: hunt.Absent}
				h.of[r.Src], ports[r.Src] = x, map[string]bool{}
			}
			x.span(r.Start)
			x.Connections += max(r.Count, 1)
			ports[r.Src][fmt.Sprintf("%d/tcp ssl", r.DstPort)] = true
			if len(h.also) < maxAlso {
				h.also[cmp.Or(r.Name, r.Dst.String())] = true
			}
		}
		return ctx.Err()
	})
	for a, list := range ports {
		for port := range list {
			h.of[a].Ports = append(h.of[a].Ports, port)
		}
		slices.Sort(h.of[a].Ports)
	}
	remarks = hunt.Remarks{Gaps: reading.Gaps}
	if strings.HasPrefix(to.Fingerprint, "ja3=") {
		remarks.Notes = append(remarks.Notes, hunt.Note{What: "a JA3 is looked for in TLS records without a JA4 only", Hint: "ask for the JA4 where Zeek logs one"})
	}
	return remarks, err
}

// take merges what a host did; without connections x adds no host.
func (h *hosts) take(x *Host, also []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, a := range also {
		h.also[a] = true
	}
	if x != nil && x.Connections > 0 {
		h.of[x.IP] = x
	}
}

func (h *hosts) list() []string {
	out := []string{}
	for a := range h.also {
		if !strings.HasPrefix(a, "*.") {
			out = append(out, a)
		}
	}
	slices.Sort(out)
	return out[:min(len(out), maxAlso)]
}

func (x *Host) add(start, n, sent, received int64) {
	x.span(start)
	x.Connections, x.Sent, x.Received = x.Connections+n, x.Sent+sent, x.Received+received
}

// span extends First and Last to a time in Unix milliseconds.
func (x *Host) span(at int64) {
	t := hunt.At(at)
	if x.First.IsZero() || t.Before(x.First.Time) {
		x.First = t
	}
	if t.After(x.Last.Time) {
		x.Last = t
	}
}

// name looks up the hosts' names and users.
func (p *Page) name(ctx context.Context, m *material.Material) (hunt.Remarks, error) {
	if m.Session.Hosts == nil || len(p.Hosts) == 0 {
		return hunt.Remarks{}, nil
	}
	addrs := make([]netip.Addr, 0, maxNamed)
	for i := range p.Hosts[:min(len(p.Hosts), maxNamed)] {
		addrs = append(addrs, p.Hosts[i].IP)
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	hosts, remarks, err := m.Session.Hosts(ctx, m.LookUp(), addrs, false)
	if err != nil {
		if ctx.Err() != nil {
			return remarks, ctx.Err()
		}
		remarks.Notes = append(remarks.Notes, hunt.Note{What: "names of hosts could not be looked up: " + err.Error()})
		return remarks, nil
	}
	for i := range p.Hosts {
		if of := hosts[p.Hosts[i].IP]; of != nil {
			e := host.Compact(of)
			p.Hosts[i].Names, p.Hosts[i].Users = e.Names, e.Users
		}
	}
	if n := len(p.Hosts); n > maxNamed {
		remarks.Notes = append(remarks.Notes, hunt.Note{What: fmt.Sprintf("names were looked up for the %s hosts with the most connections, of %s", hunt.Count(maxNamed), hunt.Count(n))})
	}
	return remarks, nil
}

func portText(p *pairs.Port) string {
	if p.Proto == hunt.ICMP {
		return "icmp"
	}
	return fmt.Sprintf("%d/%s %s", p.Number, p.Proto, p.Service)
}
