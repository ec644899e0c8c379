package pipeline

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"sync"

	"dwell/internal/evidence"
	"dwell/internal/evidence/firstseen"
	"dwell/internal/hunt"
	"dwell/internal/pairs"
	"dwell/scoring"
)

// ritaSearch is a hunt by RITA's score: every pair of addresses and every pair of a source and a name on its own, and every
// domain below which many names were asked for.
type ritaSearch struct {
	m      *material
	id     *identity
	o      Options
	window hunt.Window
	rita   scoring.RITAWindow
	set    scoring.RITASettings
	intel  indicators
	seen   *firstseen.Store
	// settled says that the store of what was seen first reaches far enough back for something to be new.
	settled bool
	spread  *ritaSpread
	domains []*ritaDomain

	mu sync.Mutex
	// hidden are the pairs of addresses whose connections are told by a name.
	hidden map[hunt.Two]struct{}
}

// indicators knows which addresses and names are indicators of compromise; the judge of indicator lists is one.
type indicators interface {
	Lookup(addrs []netip.Addr, name string) []hunt.IntelHit
}

// ritaWorker scores pairs in one goroutine, with scratch space of its own.
type ritaWorker struct {
	*ritaSearch
	counts   counts
	findings []hunt.Finding
	scorer   scoring.Scorer
	series   scoring.Series
}

// rita scores by RITA's rules (docs/detection.md, "By RITA's score").
func (r *Result) rita(ctx context.Context, m *material, id *identity, o Options) counts {
	s := &ritaSearch{m: m, id: id, o: o, window: id.definition.Window, set: o.ritaSettings(), hidden: map[hunt.Two]struct{}{}}
	if oldest, newest, ok := m.span(); ok {
		s.rita = scoring.RITAWindowOf(oldest, newest)
	}
	for _, j := range o.Judges {
		switch j := j.(type) {
		case indicators:
			s.intel = j
		case firstseen.Judge:
			if reach, ok := j.Store.Reach(); ok {
				s.seen, s.settled = j.Store, s.days(reach) > scoring.RITANewDays
			}
		}
	}
	if o.looksFor("dns") {
		s.domains = ritaDomains(m.dns)
	}
	s.spread = s.count()
	workers := make([]*ritaWorker, pairs.Workers())
	for i := range workers {
		workers[i] = &ritaWorker{ritaSearch: s}
	}
	if m.named != nil {
		m.named.Table.Walk(func(n int, p *pairs.Pair) {
			if ctx.Err() == nil {
				workers[n].name(p)
			}
		})
	}
	m.table.Walk(func(n int, p *pairs.Pair) {
		if ctx.Err() == nil {
			workers[n].address(p)
		}
	})
	workers[0].tunnels()
	var sum counts
	for _, w := range workers {
		sum.connections += w.counts.connections
		sum.pairs += w.counts.pairs
		sum.scored += w.counts.scored
		r.Findings = append(r.Findings, w.findings...)
	}
	return sum
}

// ritaSettings are RITA's as it ships them, unless a test asks for those of its code.
func (o *Options) ritaSettings() scoring.RITASettings {
	if o.RITA == (scoring.RITASettings{}) {
		return scoring.RITAShipped()
	}
	return o.RITA
}

// totals are a pair's sums in the hunt's window, and what RITA sums over its own.
type totals struct {
	connections, orig, resp int64
	silent, refused         int64
	duration, longest       int64 // ms
	first, last             int64 // ms
	ritaCount, ritaDuration int64
	ritaBytes               int64
	// busiest is the index of the port with the most connections.
	busiest int
}

// pairLook is a pair as RITA looks at it.
type pairLook struct {
	totals
	parts  hunt.Parts
	beacon scoring.RITAResult
	scored bool
}

// look scores a pair's connections; ok is false where none is in the hunt's window.
func (w *ritaWorker) look(p *pairs.Pair) (l pairLook, ok bool) {
	l.totals = w.sum(p)
	if l.connections == 0 {
		return l, false // only in the margin that RITA's numbers reach back to
	}
	l.beacon, l.scored = w.scorer.RITA(w.series, w.rita)
	if l.scored = l.scored && w.o.looksFor("beacon"); l.scored {
		l.parts.Beacon = w.set.BeaconThreat(l.beacon.Score)
	}
	if w.o.looksFor("long") {
		l.parts.LongConnection = scoring.RITALongConnectionThreat(float64(l.ritaDuration) / 1000)
	}
	if w.o.looksFor("strobe") {
		l.parts.Strobe = scoring.RITAStrobeThreat(l.ritaCount)
	}
	return l, true
}

// ritaHides is the duration in milliseconds from which a series by name takes its connections out of the pairs of
// addresses, whatever their number; four connections at different seconds do so too.
const ritaHides = 3_600_000

// name looks at a pair of a source and a name. RITA keeps no names that outside sources asked for.
func (w *ritaWorker) name(p *pairs.Pair) {
	l, ok := w.look(p)
	if !ok || !w.o.Request.Scope.IsInternal(p.Src) {
		return
	}
	if l.beacon.Unique >= fewest || l.ritaDuration >= ritaHides {
		w.mu.Lock()
		for _, u := range w.m.named.Uses(p.Src, p.Dst) {
			w.hidden[hunt.Two{Src: p.Src, Dst: u.Addr}] = struct{}{}
		}
		w.mu.Unlock()
	}
	key := hunt.PairKey{Src: p.Src, Name: w.m.named.Name(p.Dst), AnyPort: true}
	addresses, count := w.m.named.Addresses(p.Src, p.Dst)
	if len(addresses) > 0 {
		key.Dst = addresses[0]
	}
	w.finding(key, p, &l, func(f *hunt.Finding) {
		f.Dwell.Evidence.Addresses, f.Dwell.Evidence.AddressCount = addresses, count
	})
}

// address looks at a pair of addresses, unless its connections are told by a name.
func (w *ritaWorker) address(p *pairs.Pair) {
	l, ok := w.look(p)
	if !ok {
		return
	}
	w.counts.pairs++
	w.counts.connections += l.connections
	if _, hidden := w.hidden[hunt.Two{Src: p.Src, Dst: p.Dst}]; hidden {
		return
	}
	w.finding(hunt.PairKey{Src: p.Src, Dst: p.Dst, AnyPort: true}, p, &l, nil)
}

// finding makes a finding of a pair, if it weighs enough.
func (w *ritaWorker) finding(key hunt.PairKey, p *pairs.Pair, l *pairLook, more func(*hunt.Finding)) {
	hits := w.hits(&key)
	if !l.scored && l.parts == (hunt.Parts{}) && hits == nil {
		return
	}
	w.counts.scored++
	modifiers, hosts := w.modifiers(&key, p, l, hits)
	final := ritaFinal(l.parts, modifiers)
	if !w.keeps(final) {
		return
	}
	f := w.id.finding(&subject{PairKey: key, port: p.Ports[l.busiest], ports: len(p.Ports), totals: l.totals}, &w.o, l.parts)
	f.Dwell.Evidence = &hunt.Evidence{Prevalence: &hunt.Prevalence{Hosts: hosts, Active: w.spread.machines()}, Intel: hits}
	if more != nil {
		more(&f)
	}
	if l.scored {
		f.Beacon = ritaFields(&l.beacon)
	}
	f.Dwell.Indicators, f.Dwell.Reasons = l.explain()
	f.Rule = ruleOf(f.Dwell.Indicators)
	w.settle(&f, final, modifiers)
}

// keeps says whether a final score is worth a finding.
func (s *ritaSearch) keeps(final float64) bool {
	return final >= severityFloor || scoring.Clamp(final) >= s.o.MinScore
}

// settle gives a finding its score, its modifiers and their reasons.
func (w *ritaWorker) settle(f *hunt.Finding, final float64, modifiers []hunt.Modifier) {
	for _, m := range modifiers {
		f.Dwell.Reasons = append(f.Dwell.Reasons, m.Reason)
	}
	f.Dwell.Modifiers = modifiers
	evidence.Rank(f, final)
	f.Dwell.Score = scoring.Clamp(final)
	w.findings = append(w.findings, *f)
}

// ritaFinal is RITA's final score, which may be above 1 and below 0: RITA's order goes by it.
func ritaFinal(p hunt.Parts, modifiers []hunt.Modifier) float64 {
	sum := 0.0
	for _, m := range modifiers {
		sum += m.Value
	}
	return scoring.RITAFinal(sum, p.Beacon, p.LongConnection, p.Strobe, p.DNSTunnel)
}

// sum goes through the pair's connections once; it fills w.series with RITA's rows.
func (w *ritaWorker) sum(p *pairs.Pair) totals {
	var t totals
	w.series.Start, w.series.Size, w.series.Duration = w.series.Start[:0], w.series.Size[:0], w.series.Duration[:0]
	from, start, end := w.rita.From(), w.window.Start.UnixMilli(), w.window.End.UnixMilli()
	perPort := make([]int64, len(p.Ports))
	for i := range p.Connections {
		c := &p.Connections[i]
		if c.Start >= from {
			w.series.Start = append(w.series.Start, c.Start)
			w.series.Size = append(w.series.Size, c.OrigIPBytes)
			t.ritaCount++
			t.ritaDuration += max(c.Duration, 0)
			t.ritaBytes += max(c.OrigIPBytes, 0) + max(c.RespBytes, 0)
		}
		if c.Start < start || c.Start >= end {
			continue
		}
		t.add(c)
		perPort[c.Port]++
	}
	for i, n := range perPort {
		if n > perPort[t.busiest] {
			t.busiest = i
		}
	}
	return t
}

// add counts a connection in; they come in order of their start.
func (t *totals) add(c *pairs.Record) {
	if t.connections == 0 {
		t.first = c.Start
	}
	t.last = c.Start
	t.connections++
	t.orig += max(c.OrigBytes, 0)
	t.resp += max(c.RespBytes, 0)
	t.duration += max(c.Duration, 0)
	t.longest = max(t.longest, c.Duration)
	switch c.State {
	case hunt.StateSilent:
		t.silent++
	case hunt.StateRefused:
		t.refused++
	case hunt.StateOther:
	}
}

func ritaFields(b *scoring.RITAResult) *hunt.BeaconScore {
	count := int64(b.Count)
	return &hunt.BeaconScore{
		TS: &b.Timestamp, DS: &b.DataSize, Duration: &b.Duration, Historical: &b.Histogram, RITA: &b.Score,
		RITAConnections: &count, Interval: &hunt.Interval{Top: float64(b.TopInterval)},
	}
}

// explain names the indicators that fired and gives the reasons, strongest first.
func (l *pairLook) explain() (indicators, reasons []string) {
	b := &l.beacon
	type one struct {
		value        float64
		name, reason string
	}
	fired := []one{
		{l.parts.Beacon, hunt.Beacon, fmt.Sprintf("keeps coming back, mostly every %s: RITA's beacon score is %.3f (timing %.3f, sizes %.3f, hours %.3f, histogram %.3f) over %s connections",
			scoring.Span(float64(b.TopInterval)), b.Score, b.Timestamp, b.DataSize, b.Duration, b.Histogram, hunt.Count(b.Count))},
		{l.parts.LongConnection, hunt.LongConnection, fmt.Sprintf("was connected for %s in all, in %s connections, the longest %s",
			hunt.Seconds(float64(l.ritaDuration)/1000), hunt.Count(l.ritaCount), hunt.Seconds(math.Max(float64(l.longest), 0)/1000))},
		{l.parts.Strobe, hunt.Strobe, fmt.Sprintf("made %s connections, one a second or more", hunt.Count(l.ritaCount))},
	}
	slices.SortStableFunc(fired, func(a, b one) int { return cmp.Compare(b.value, a.value) })
	indicators, reasons = []string{}, []string{}
	for _, f := range fired {
		if f.value > 0 {
			indicators, reasons = append(indicators, f.name), append(reasons, f.reason)
		}
	}
	return indicators, reasons
}
