package material

import (
	"bytes"
	"iter"
	"net/netip"
	"slices"

	"dwell/internal/evidence/firstseen"
	"dwell/internal/hunt"
	"dwell/internal/pairs"
)

// Seen is when each external destination was seen in the window, by address and by name, and the stories of findings with a
// severity. It holds nothing of the tables: a hunt's memory is free when it is written down.
func (m *Material) Seen(findings []hunt.Finding) iter.Seq2[string, firstseen.Span] {
	scope := m.Request.Scope
	addresses := collect(m.Table, m.Window)
	var names []string
	var named sightingList
	if m.Named != nil {
		named = collect(m.Named.Table, m.Window)
		for i := range named {
			names = append(names, m.Named.Name(named[i].addr()))
		}
	}
	return func(yield func(string, firstseen.Span) bool) {
		for i := range addresses {
			if a := addresses[i].addr(); !scope.IsInternal(a) && !yield(a.String(), addresses[i].span) {
				return
			}
		}
		for i, name := range names {
			if firstseen.Plain(name) && !yield(name, named[i].span) {
				return
			}
		}
		for i := range findings {
			f := &findings[i]
			if f.Dwell.Score >= Floor && f.Dwell.FindingID != "" &&
				!yield(firstseen.Story(f.Dwell.FindingID), firstseen.Span{First: f.Event.Start.UnixMilli(), Last: f.Event.End.UnixMilli()}) {
				return
			}
		}
	}
}

// sighting is when a destination was seen. There may be millions, so it holds no pointer.
type sighting struct {
	to   [16]byte
	span firstseen.Span
}

func (s *sighting) addr() netip.Addr { return netip.AddrFrom16(s.to).Unmap() }

// sightingList is in order and holds each destination once, but for what was added since it was settled.
type sightingList []sighting

func (l *sightingList) add(s sighting) {
	if len(*l) == cap(*l) {
		l.settle() // makes room where destinations come again and again
		if len(*l) > cap(*l)/2 {
			*l = slices.Grow(*l, max(1024, len(*l)/2))
		}
	}
	*l = append(*l, s)
}

func (l *sightingList) settle() {
	slices.SortFunc(*l, func(a, b sighting) int { return bytes.Compare(a.to[:], b.to[:]) })
	once := (*l)[:0]
	for _, s := range *l {
		if n := len(once); n > 0 && once[n-1].to == s.to {
			once[n-1].span = once[n-1].span.Join(s.span)
			continue
		}
		once = append(once, s)
	}
	*l = once
}

// collect goes over a table on all cores.
func collect(t *pairs.Table, w hunt.Window) (all sightingList) {
	perWorker := make([]sightingList, pairs.Workers())
	t.Walk(func(worker int, p *pairs.Pair) {
		s := sighting{to: p.Dst.As16()}
		for i := range p.Connections { // in order of time
			if at := p.Connections[i].Start; w.Contains(at) {
				if s.span.Last = at; s.span.First == 0 {
					s.span.First = at
				}
			}
		}
		if s.span.Last != 0 {
			perWorker[worker].add(s)
		}
	})
	for i, list := range perWorker {
		list.settle()
		all = append(all, list...)
		perWorker[i] = nil
	}
	all.settle()
	return all
}
