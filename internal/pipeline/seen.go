package pipeline

import (
	"net/netip"

	"dwell/internal/firstseen"
	"dwell/internal/hunt"
	"dwell/internal/pairs"
)

// stories adds when those of the findings were seen that have a severity.
func stories(seen map[string]firstseen.Span, findings []hunt.Finding) {
	for i := range findings {
		if f := &findings[i]; f.Dwell.Score >= severityFloor && f.Dwell.StoryID != "" {
			seen[firstseen.Story(f.Dwell.StoryID)] = firstseen.Span{First: f.Event.Start.UnixMilli(), Last: f.Event.End.UnixMilli()}
		}
	}
}

// seen is when each external destination was seen in the window, by address and by name.
func (m *material) seen(w hunt.Window, scope *hunt.Scope) map[string]firstseen.Span {
	out := map[string]firstseen.Span{}
	collect(out, m.table, w, func(dst netip.Addr) string {
		if scope.IsInternal(dst) {
			return ""
		}
		return dst.String()
	})
	if m.named != nil {
		collect(out, m.named.Table, w, func(dst netip.Addr) string {
			if name := m.named.Name(dst); firstseen.Plain(name) {
				return name
			}
			return ""
		})
	}
	return out
}

// collect goes over a table on all cores; call says what a destination is called, empty to leave it out.
func collect(into map[string]firstseen.Span, t *pairs.Table, w hunt.Window, call func(netip.Addr) string) {
	perWorker := make([]map[netip.Addr]firstseen.Span, pairs.Workers())
	for i := range perWorker {
		perWorker[i] = map[netip.Addr]firstseen.Span{}
	}
	t.Walk(func(worker int, p *pairs.Pair) {
		var span firstseen.Span
		for i := range p.Connections { // in order of time
			if at := p.Connections[i].Start; w.Contains(at) {
				if span.Last = at; span.First == 0 {
					span.First = at
				}
			}
		}
		if span.Last == 0 {
			return
		}
		if old, ok := perWorker[worker][p.Dst]; ok {
			span = span.Join(old)
		}
		perWorker[worker][p.Dst] = span
	})
	for _, seen := range perWorker {
		for dst, span := range seen {
			name := call(dst)
			if name == "" {
				continue
			}
			if old, ok := into[name]; ok {
				span = span.Join(old)
			}
			into[name] = span
		}
	}
}
