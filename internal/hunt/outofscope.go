package hunt

import (
	"cmp"
	"fmt"
	"maps"
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
	// Called counts, by the destination's network, connections between internal addresses of which the destination is
	// internal only because a sensor called it local. They are not part of Total.
	Called map[netip.Prefix]int64
	// Shared counts connections of internal sources to 100.64.0.0/10.
	Shared int64
	// Reverse counts connections across the border in the direction that was not hunted. They are not part of Total.
	Reverse int64
}

// maxExternal limits the number of networks.
const maxExternal = 4096

// Add counts n connections of a source.
func (o *OutOfScope) Add(src netip.Addr, n int64) {
	if !count(&o.Networks, src, n) {
		o.Others += n
	}
}

// AddCalled counts n connections to a destination that a sensor called local.
func (o *OutOfScope) AddCalled(dst netip.Addr, n int64) { count(&o.Called, dst, n) }

// count adds to an address's network; false means that there are too many networks.
func count(in *map[netip.Prefix]int64, a netip.Addr, n int64) bool {
	bits := 24
	if a.Is6() {
		bits = 64
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return true
	}
	if *in == nil {
		*in = map[netip.Prefix]int64{}
	}
	if _, ok := (*in)[p]; !ok && len(*in) >= maxExternal {
		return false
	}
	(*in)[p] += n
	return true
}

// Total is the number of connections between addresses that are not internal.
func (o *OutOfScope) Total() int64 {
	n := o.Others
	for _, c := range o.Networks {
		n += c
	}
	return n
}

// byConnections returns networks, most connections first.
func byConnections(of map[netip.Prefix]int64) []netip.Prefix {
	return slices.SortedFunc(maps.Keys(of), func(a, b netip.Prefix) int {
		return cmp.Or(cmp.Compare(of[b], of[a]), a.Addr().Compare(b.Addr()))
	})
}

// largest names the five networks with the most connections.
func largest(of map[netip.Prefix]int64) string {
	var names []string
	for _, p := range byConnections(of)[:min(len(of), 5)] {
		names = append(names, fmt.Sprintf("%s (%s)", p, Count(of[p])))
	}
	return strings.Join(names, ", ")
}

// Text is a clause about what was excluded; empty if nothing was.
func (o *OutOfScope) Text() string {
	total := o.Total()
	if total == 0 {
		return ""
	}
	return fmt.Sprintf("out of scope, since neither side is internal: %s, most from %s", Many(total, "connection"), largest(o.Networks))
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
	for _, p := range byConnections(o.Networks)[:min(len(o.Networks), mostLeftOut)] {
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
		if most := byConnections(o.Networks); len(most) > 0 {
			hint += ": " + most[0].String()
		}
		notes = append(notes, Note{What: text, Hint: hint})
	}
	if len(o.Called) > 0 {
		var n int64
		for _, c := range o.Called {
			n += c
		}
		notes = append(notes, Note{What: fmt.Sprintf("out of scope, since sensors call both sides local: %s, most to %s", Many(n, "connection"), largest(o.Called)),
			Hint: "if those are not your hosts, correct the sensors' list of networks, or name your own with --internal (hunt.internal): then local_resp does not count"})
	}
	if o.Shared > 0 {
		notes = append(notes, Note{What: fmt.Sprintf("out of scope, since 100.64.0.0/10 (carriers' NAT) counts as internal: %s to it", Many(o.Shared, "connection")),
			Hint: "if those are other people's hosts, give --internal (hunt.internal) without 100.64.0.0/10"})
	}
	return notes
}
