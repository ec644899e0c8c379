// Package rita ranks as RITA v5 does: its scores, its modifiers and its order.
package rita

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
	"dwell/internal/pipeline/material"
	"dwell/scoring"
)

// Profile is the ranking's name.
const Profile = "rita"

// Ranking ranks as RITA v5 does (docs/detection.md, "By RITA's score"). The zero value has no lists and no history.
type Ranking struct {
	// Settings are RITA's; zero means those that it ships.
	Settings scoring.RITASettings
	// Indicators has indicators of compromise, FirstSeen when a destination was first seen; nil means unknown.
	Indicators Indicators
	FirstSeen  *firstseen.Store
	// Missing is why FirstSeen cannot be used, or nil.
	Missing error
}

// Indicators knows which addresses and names are indicators of compromise.
type Indicators interface {
	Lookup(addrs []netip.Addr, name string) []hunt.IntelHit
	// Revision identifies its content.
	Revision() string
}

// Profile is the ranking's name.
func (r Ranking) Profile() string { return Profile }

// Revisions identify the ranking's lists and settings.
func (r Ranking) Revisions() (list []string) {
	if r.Indicators != nil {
		list = append(list, r.Indicators.Revision())
	}
	return list
}

// Shown says that RITA weighs what hosts show of themselves.
func (r Ranking) Shown() bool { return true }

// ListedName says whether an indicator list names a name; nil without a list.
func (r Ranking) ListedName() func(name string) bool {
	if r.Indicators == nil {
		return nil
	}
	return func(name string) bool { return len(r.Indicators.Lookup(nil, name)) > 0 }
}

// Weight orders findings: RITA's final score, which may be above 1 and below 0.
func (r Ranking) Weight(f *hunt.Finding) float64 { return final(f.Dwell.Parts, f.Dwell.Modifiers) }

// search is one hunt: every pair of addresses, every pair of a source and a name, and every domain below which many
// names were queried.
type search struct {
	m     *material.Material
	rita  scoring.RITAWindow
	set   scoring.RITASettings
	intel Indicators
	seen  *firstseen.Store
	// settled says that the first-seen store reaches back far enough for something to be new.
	settled bool
	spread  *spread
	domains []*domain

	mu sync.Mutex
	// hidden are the pairs of addresses whose connections are shown by name.
	hidden map[hunt.Two]struct{}
}

// worker scores pairs in one goroutine, with its own scratch space.
type worker struct {
	*search
	counts   material.Counts
	findings []hunt.Finding
	scorer   scoring.Scorer
	series   scoring.Series
}

// Rank scores every pair.
func (r Ranking) Rank(ctx context.Context, m *material.Material) (*material.Ranked, error) {
	s := &search{m: m, set: r.Settings, intel: r.Indicators, hidden: map[hunt.Two]struct{}{}}
	if s.set == (scoring.RITASettings{}) {
		s.set = scoring.RITAShipped()
	}
	if oldest, newest, ok := m.Span(); ok {
		s.rita = scoring.RITAWindowOf(oldest, newest)
	}
	if r.FirstSeen != nil {
		if reach, ok := r.FirstSeen.Reach(); ok {
			s.seen, s.settled = r.FirstSeen, s.days(reach) > scoring.RITANewDays
		}
	}
	if m.LooksFor("dns") {
		s.domains = domains(m.DNS)
	}
	s.spread = s.count()
	workers := make([]*worker, pairs.Workers())
	for i := range workers {
		workers[i] = &worker{search: s}
	}
	if m.Named != nil {
		m.Named.Table.Walk(func(n int, p *pairs.Pair) {
			if ctx.Err() == nil {
				workers[n].name(p)
			}
		})
	}
	m.Table.Walk(func(n int, p *pairs.Pair) {
		if ctx.Err() == nil {
			workers[n].address(p)
		}
	})
	workers[0].tunnels()
	out := &material.Ranked{Remarks: firstseen.Missing(r.Missing)}
	for _, w := range workers {
		out.Connections += w.counts.Connections
		out.Pairs += w.counts.Pairs
		out.Scored += w.counts.Scored
		out.Findings = append(out.Findings, w.findings...)
	}
	return out, cmp.Or(ctx.Err(), m.Err())
}

// totals are a pair's sums in the hunt's window, and RITA's sums over its own.
type totals struct {
	material.Totals
	ritaCount, ritaDuration int64
	ritaBytes               int64
	// busiest is the index of the port with the most connections.
	busiest int
}

// pairLook is a pair as RITA sees it.
type pairLook struct {
	totals
	parts  hunt.Parts
	beacon scoring.RITAResult
	scored bool
}

// look scores a pair's connections; ok is false if none is in the hunt's window.
func (w *worker) look(p *pairs.Pair) (l pairLook, ok bool) {
	l.totals = w.sum(p)
	if l.Connections == 0 {
		return l, false // only in the margin for RITA's numbers
	}
	l.beacon, l.scored = w.scorer.RITA(w.series, w.rita)
	if l.scored = l.scored && w.m.LooksFor("beacon"); l.scored {
		l.parts.Beacon = w.set.BeaconThreat(l.beacon.Score)
	}
	if w.m.LooksFor("long") {
		l.parts.LongConnection = scoring.RITALongConnectionThreat(float64(l.ritaDuration) / 1000)
	}
	if w.m.LooksFor("strobe") {
		l.parts.Strobe = scoring.RITAStrobeThreat(l.ritaCount)
	}
	return l, true
}

// ritaHides is the duration in milliseconds at which a series by name takes its connections out of the pairs of
// addresses, whatever their number; four connections at different seconds do so, too.
const ritaHides = 3_600_000

// name looks at a pair of a source and a name. RITA keeps no names requested by external sources.
func (w *worker) name(p *pairs.Pair) {
	l, ok := w.look(p)
	if !ok || !w.m.Request.Scope.IsInternal(p.Src) {
		return
	}
	if l.beacon.Unique >= material.Fewest || l.ritaDuration >= ritaHides {
		w.mu.Lock()
		for _, u := range p.Uses() {
			w.hidden[hunt.Two{Src: p.Src, Dst: u.Addr}] = struct{}{}
		}
		w.mu.Unlock()
	}
	key := hunt.PairKey{Src: p.Src, Name: w.m.Named.Name(p.Dst), AnyPort: true}
	addresses, count := p.Addresses()
	if len(addresses) > 0 {
		key.Dst = addresses[0]
	}
	w.finding(key, p, &l, func(f *hunt.Finding) {
		f.Dwell.Evidence.Addresses, f.Dwell.Evidence.AddressCount = addresses, count
	})
}

// address looks at a pair of addresses, unless its connections are shown by name.
func (w *worker) address(p *pairs.Pair) {
	l, ok := w.look(p)
	if !ok {
		return
	}
	w.counts.Pairs++
	w.counts.Connections += l.Connections
	if _, hidden := w.hidden[hunt.Two{Src: p.Src, Dst: p.Dst}]; hidden {
		return
	}
	w.finding(hunt.PairKey{Src: p.Src, Dst: p.Dst, AnyPort: true}, p, &l, nil)
}

// finding makes a finding of a pair, if it weighs enough.
func (w *worker) finding(key hunt.PairKey, p *pairs.Pair, l *pairLook, more func(*hunt.Finding)) {
	hits := w.hits(&key)
	if !l.scored && l.parts == (hunt.Parts{}) && hits == nil {
		return
	}
	w.counts.Scored++
	modifiers, hosts := w.modifiers(&key, p, l, hits)
	score := final(l.parts, modifiers)
	if !w.keeps(score) {
		return
	}
	f := w.m.Finding(&material.Candidate{PairKey: key, Port: p.Ports[l.busiest], Ports: len(p.Ports), Totals: l.Totals}, l.parts)
	f.Dwell.Evidence = &hunt.Evidence{Prevalence: &hunt.Prevalence{Hosts: hosts, Active: w.spread.hostCount()}, Intel: hits}
	if more != nil {
		more(&f)
	}
	if l.scored {
		f.Beacon = material.RITAFields(&l.beacon)
	}
	starts := make([]int64, len(p.Connections))
	for i := range p.Connections {
		starts[i] = p.Connections[i].Start
	}
	f.Dwell.Timeline = hunt.NewTimeline(starts, w.m.Window.Start.UnixMilli(), w.m.Window.End.UnixMilli())
	f.Dwell.Indicators, f.Dwell.Reasons = l.explain()
	f.Rule = material.Rule(f.Dwell.Indicators)
	w.settle(&f, score, modifiers)
}

// keeps says whether a final score makes a finding.
func (s *search) keeps(score float64) bool {
	return score >= material.Floor || scoring.Clamp(score) >= s.m.MinScore
}

// settle sets a finding's score, modifiers and reasons.
func (w *worker) settle(f *hunt.Finding, score float64, modifiers []hunt.Modifier) {
	for _, m := range modifiers {
		f.Dwell.Reasons = append(f.Dwell.Reasons, m.Reason)
	}
	f.Dwell.Modifiers = modifiers
	evidence.Rank(f, score)
	f.Dwell.Score = scoring.Clamp(score)
	w.findings = append(w.findings, *f)
}

// final is RITA's final score, which may be above 1 and below 0: RITA orders by it.
func final(p hunt.Parts, modifiers []hunt.Modifier) float64 {
	sum := 0.0
	for _, m := range modifiers {
		sum += m.Value
	}
	return scoring.RITAFinal(sum, p.Beacon, p.LongConnection, p.Strobe, p.DNSTunnel)
}

// sum goes through the pair's connections once; it fills w.series with RITA's rows.
func (w *worker) sum(p *pairs.Pair) totals {
	var t totals
	w.series.Start, w.series.Size, w.series.Duration = w.series.Start[:0], w.series.Size[:0], w.series.Duration[:0]
	from, start, end := w.rita.From(), w.m.Window.Start.UnixMilli(), w.m.Window.End.UnixMilli()
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
		t.Add(c)
		perPort[c.Port]++
	}
	for i, n := range perPort {
		if n > perPort[t.busiest] {
			t.busiest = i
		}
	}
	return t
}

// explain returns the indicators and the reasons, strongest first.
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
			hunt.Brief(float64(l.ritaDuration)/1000), hunt.Count(l.ritaCount), hunt.Seconds(math.Max(float64(l.Longest), 0)/1000))},
		{l.parts.Strobe, hunt.Strobe, fmt.Sprintf("made %s connections, one per second or more", hunt.Count(l.ritaCount))},
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
