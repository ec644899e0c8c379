package hunt

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// OutOfScope counts connections that the scope excludes although one side may be internal: those between two addresses
// that are not internal, by the source's network, and those to carrier-grade NAT addresses, which count as internal.
type OutOfScope struct {
	// Networks are /24 (IPv4) or /64 (IPv6). Others counts the connections of networks beyond maxExternal.
	Networks map[netip.Prefix]int64
	Others   int64
	// Shared counts connections of internal sources to 100.64.0.0/10.
	Shared int64
	// Reverse counts connections across the border in the direction that was not hunted. They are not part of Total.
	Reverse int64
}

// maxExternal limits the number of networks.
const maxExternal = 4096

// Add counts n connections of a source.
func (o *OutOfScope) Add(src netip.Addr, n int64) {
	bits := 24
	if src.Is6() {
		bits = 64
	}
	p, err := src.Prefix(bits)
	if err != nil {
		return
	}
	if o.Networks == nil {
		o.Networks = map[netip.Prefix]int64{}
	}
	if _, ok := o.Networks[p]; !ok && len(o.Networks) >= maxExternal {
		o.Others += n
		return
	}
	o.Networks[p] += n
}

// Total is the number of connections between addresses that are not internal.
func (o *OutOfScope) Total() int64 {
	n := o.Others
	for _, c := range o.Networks {
		n += c
	}
	return n
}

// byConnections returns the networks, most connections first.
func (o *OutOfScope) byConnections() []netip.Prefix {
	var out []netip.Prefix
	for p := range o.Networks {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b netip.Prefix) int {
		return cmp.Or(cmp.Compare(o.Networks[b], o.Networks[a]), a.Addr().Compare(b.Addr()))
	})
	return out
}

// Text is a clause about what was excluded; empty if nothing was.
func (o *OutOfScope) Text() string {
	total := o.Total()
	if total == 0 {
		return ""
	}
	var names []string
	for _, p := range o.byConnections()[:min(len(o.Networks), 5)] {
		names = append(names, fmt.Sprintf("%s (%s)", p, Count(o.Networks[p])))
	}
	return fmt.Sprintf("out of scope, since neither side is internal: %s, most from %s", Many(total, "connection"), strings.Join(names, ", "))
}

// LeftOut is the stored form of [OutOfScope]: the connections between addresses that are not internal, their source
// networks (the 50 with the most), the connections to carrier-grade NAT, and the setting that would include the first
// network.
type LeftOut struct {
	Connections int64            `json:"connections"`
	Networks    []NetworkLeftOut `json:"networks"`
	CarrierNAT  int64            `json:"carrier_nat"`
	Setting     string           `json:"setting,omitempty"`
}

// NetworkLeftOut is one of those networks.
type NetworkLeftOut struct {
	Network     string `json:"network"`
	Connections int64  `json:"connections"`
}

// mostLeftOut is the number of networks stored.
const mostLeftOut = 50

// Summary returns the stored form; nil if nothing was excluded.
func (o *OutOfScope) Summary() *LeftOut {
	out := &LeftOut{Connections: o.Total(), Networks: []NetworkLeftOut{}, CarrierNAT: o.Shared}
	if out.Connections == 0 && out.CarrierNAT == 0 {
		return nil
	}
	for _, p := range o.byConnections()[:min(len(o.Networks), mostLeftOut)] {
		out.Networks = append(out.Networks, NetworkLeftOut{p.String(), o.Networks[p]})
	}
	if len(out.Networks) > 0 {
		out.Setting = "hunt.internal: " + out.Networks[0].Network
	}
	return out
}

// Notes say what was excluded and which setting would include it.
func (o *OutOfScope) Notes() (notes []Note) {
	if text := o.Text(); text != "" {
		hint := "if those networks are yours, name them with --internal (hunt.internal), beside the others"
		if most := o.byConnections(); len(most) > 0 {
			hint += ": " + most[0].String()
		}
		notes = append(notes, Note{What: text, Hint: hint})
	}
	if o.Shared > 0 {
		notes = append(notes, Note{What: fmt.Sprintf("out of scope, since 100.64.0.0/10 (carriers' NAT) counts as internal: %s to it", Many(o.Shared, "connection")),
			Hint: "if those are other people's hosts, give --internal (hunt.internal) without 100.64.0.0/10"})
	}
	return notes
}
