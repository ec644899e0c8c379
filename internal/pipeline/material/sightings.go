package material

import (
	"bytes"
	"cmp"
	"fmt"
	"iter"
	"maps"
	"net/netip"
	"slices"

	"dwell/internal/evidence/firstseen"
	"dwell/internal/hunt"
	"dwell/internal/pairs"
)

// Seen is when each external destination answered in the window, by address and by name, and the subjects of findings
// with a severity; notes say what was left out. It holds nothing of the tables: a hunt's memory is free when it is
// written down.
func (m *Material) Seen(findings []hunt.Finding) (iter.Seq2[string, firstseen.Span], []hunt.Note) {
	scope := m.Request.Scope
	addresses, notes := collect(m.Table, m.Window).share("destinations", firstseen.SourceShare)
	var names []string
	var named sightingList
	if m.Named != nil {
		var more []hunt.Note
		named, more = collect(m.Named.Table, m.Window).share("names", firstseen.SourceShare)
		notes = append(notes, more...)
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
				!yield(firstseen.FindingKey(f.Dwell.FindingID), firstseen.Span{First: f.Event.Start.UnixMilli(), Last: f.Event.End.UnixMilli()}) {
				return
			}
		}
	}, notes
}

// sighting is when a destination was seen. It holds no pointer: there may be millions.
type sighting struct {
	to   [16]byte
	span firstseen.Span
	// from is the source, zero for more than one; count is how many connections there were.
	from  [16]byte
	count int64
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
			last := &once[n-1]
			last.span, last.count = last.span.Join(s.span), last.count+s.count
			if last.from != s.from {
				last.from = [16]byte{}
			}
			continue
		}
		once = append(once, s)
	}
	*l = once
}

// share keeps of what a source alone contacts the most contacted, up to a number: no scan of one host crowds out the
// rest.
func (l sightingList) share(what string, most int) (kept sightingList, notes []hunt.Note) {
	alone := map[[16]byte]int{}
	for i := range l {
		alone[l[i].from]++
	}
	delete(alone, [16]byte{})
	maps.DeleteFunc(alone, func(_ [16]byte, n int) bool { return n <= most })
	if len(alone) == 0 {
		return l, nil
	}
	for from, n := range alone {
		notes = append(notes, hunt.Note{What: fmt.Sprintf("%s contacted %s %s that no other host did: first-seen times are kept for the %s contacted most",
			netip.AddrFrom16(from).Unmap(), hunt.Count(n), what, hunt.Count(most))})
	}
	slices.SortFunc(notes, func(a, b hunt.Note) int { return cmp.Compare(a.What, b.What) })
	slices.SortFunc(l, func(a, b sighting) int {
		return cmp.Or(cmp.Compare(b.count, a.count), bytes.Compare(a.to[:], b.to[:]))
	})
	for i := range l {
		n, over := alone[l[i].from]
		if over && n <= 0 {
			continue
		}
		if over {
			// What is left of the share, counted down from the first one on.
			if n > most {
				n = most
			}
			alone[l[i].from] = n - 1
		}
		kept = append(kept, l[i])
	}
	return kept, notes
}

// answered says that the destination sent something: a contact without an answer is no sighting, since anybody can make
// millions.
func answered(r *pairs.Record) bool {
	return r.RespBytes > 0 && r.State != hunt.StateSilent && r.State != hunt.StateRefused
}

// collect reads a table on all cores.
func collect(t *pairs.Table, w hunt.Window) (all sightingList) {
	perWorker := make([]sightingList, pairs.Workers())
	t.Walk(func(worker int, p *pairs.Pair) {
		s := sighting{to: p.Dst.As16(), from: p.Src.As16()}
		for i := range p.Connections { // in order of time
			if at := p.Connections[i].Start; w.Contains(at) && answered(&p.Connections[i]) {
				s.count++
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
