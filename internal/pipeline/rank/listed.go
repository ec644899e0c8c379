package rank

import (
	"net/netip"
	"slices"

	"dwell/internal/hunt"
	"dwell/internal/pairs"
)

// lister is a judge with indicator lists.
type lister interface {
	Len() int
	Lookup(addresses []netip.Addr, name string) []hunt.IntelHit
}

// listedValue is what a hit of an indicator list weighs by itself: medium, before the list's own modifier.
const listedValue = 0.4

// onList is the key's value as a hit of an indicator list.
func (k *key) onList() float64 {
	if k.listed {
		return listedValue
	}
	return 0
}

// lists are those of the judges' lists that hold anything.
func (r Ranking) lists() (out []lister) {
	for _, j := range r.Judges {
		if l, ok := j.(lister); ok && l.Len() > 0 {
			out = append(out, l)
		}
	}
	return out
}

// names says whether a list names an address (or none) or a name (or none). What is on a list is a finding whatever its rhythm, of one
// connection, too.
func (p *prober) names(a netip.Addr, name string) bool {
	for _, l := range p.lists {
		var addresses []netip.Addr
		if a.IsValid() {
			addresses = []netip.Addr{a}
		}
		if len(l.Lookup(addresses, name)) > 0 {
			return true
		}
	}
	return false
}

// asks says whether a list names anything that was asked for.
func (p *prober) asks(q *pairs.Queries) bool {
	if len(p.lists) == 0 {
		return false
	}
	return slices.ContainsFunc(q.Texts(), func(name string) bool { return p.names(netip.Addr{}, name) })
}
