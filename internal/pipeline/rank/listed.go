package rank

import (
	"context"
	"net/netip"
	"slices"

	"dwell/internal/hunt"
	"dwell/internal/pairs"
	"dwell/internal/pipeline/material"
)

// lister is a judge with indicator lists.
type lister interface {
	Len() int
	Lookup(addresses []netip.Addr, name string) []hunt.IntelHit
	Texts() []string
}

// listedValue is the value of a hit of an indicator list: medium, before the list's own modifier.
const listedValue = 0.4

// onList is the key's value as a hit of an indicator list.
func (k *key) onList() float64 {
	if k.listed {
		return listedValue
	}
	return 0
}

// lists are the judges' lists with entries.
func (r Ranking) lists() (out []lister) {
	for _, j := range r.Judges {
		if l, ok := j.(lister); ok && l.Len() > 0 {
			out = append(out, l)
		}
	}
	return out
}

// ListedName says whether one of the judges' lists names a name; nil if no list has entries.
func (r Ranking) ListedName() func(name string) bool {
	lists := r.lists()
	if len(lists) == 0 {
		return nil
	}
	return func(name string) bool {
		return slices.ContainsFunc(lists, func(l lister) bool { return len(l.Lookup(nil, name)) > 0 })
	}
}

// names says whether a list names an address (or none) or a name (or none). What is on a list is a finding whatever its
// rhythm, even of one connection.
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

// asks says whether a list names a queried name.
func (p *prober) asks(q *pairs.Queries) bool {
	if len(p.lists) == 0 && (p.suspects == nil || len(p.suspects.names) == 0) {
		return false
	}
	return slices.ContainsFunc(q.Texts(), func(name string) bool { return p.names(netip.Addr{}, name) || p.suspects.name(q.Client, name) })
}

// suspects are the pairs and names that other logs make suspect, whatever their rhythm.
type suspects struct {
	pairs map[hunt.Suspect]bool // the value is Listed
	names map[hunt.Suspect]bool
}

// pair says whether a pair is suspect, and whether because an indicator names it.
func (s *suspects) pair(src, dst netip.Addr, port uint16) (listed, found bool) {
	if s == nil {
		return false, false
	}
	listed, found = s.pairs[hunt.Suspect{Src: src, Dst: dst, Port: port}]
	return listed, found
}

// name says whether Zeek's intelligence framework reported a source's query for a name.
func (s *suspects) name(src netip.Addr, name string) bool {
	return s != nil && s.names[hunt.Suspect{Src: src, Domain: name}]
}

// suspects gets them from the source. What cannot be looked up is a gap: findings would be missing.
func (r Ranking) suspects(ctx context.Context, m *material.Material, lists []lister) (*suspects, hunt.Remarks) {
	if len(r.Judges) == 0 || m.Session == nil || m.Session.Suspects == nil || m.Window == (hunt.Window{}) {
		return nil, hunt.Remarks{}
	}
	var texts []string
	for _, l := range lists {
		texts = append(texts, l.Texts()...)
	}
	list, remarks, err := m.Session.Suspects(ctx, m.LookUp(), texts)
	if err != nil {
		remarks.Gaps = append(remarks.Gaps, hunt.Note{What: "indicator matches and protocol oddities without a rhythm could not be looked up: " + err.Error(), Hint: "they are missing among the findings"})
	}
	out := &suspects{pairs: map[hunt.Suspect]bool{}, names: map[hunt.Suspect]bool{}}
	for _, x := range list {
		key := x
		key.Listed = false
		if x.Domain != "" {
			out.names[key] = true
		} else {
			out.pairs[key] = out.pairs[key] || x.Listed
		}
	}
	return out, remarks
}
