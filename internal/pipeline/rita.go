package pipeline

import (
	"fmt"

	"dwell/internal/evidence"
	"dwell/internal/hunt"
	"dwell/internal/pairs"
	"dwell/scoring"
)

// worker scores pairs in one goroutine, with scratch space of its own.
type worker struct {
	id       *identity
	options  Options
	window   hunt.Window
	rita     scoring.RITAWindow
	counts   counts
	findings []hunt.Finding
	scorer   scoring.Scorer
	series   scoring.Series
}

func newWorker(table *pairs.Table, id *identity, o Options) *worker {
	w := &worker{id: id, options: o, window: id.definition.Window}
	if oldest, newest, ok := table.Span(); ok {
		w.rita = scoring.RITAWindowOf(oldest, newest)
	}
	return w
}

// totals are a pair's sums in the hunt's window, and what RITA sums over its own.
type totals struct {
	connections, orig, resp int64
	duration, longest       int64 // ms
	first, last             int64 // ms
	ritaCount, ritaDuration int64
	// busiest is the index of the port with the most connections.
	busiest int
}

// look scores one pair by RITA's rules (docs/scoring.md, "RITA's numbers"), and makes a finding of it if it weighs enough.
func (w *worker) look(p *pairs.Pair) {
	t := w.sum(p)
	if t.connections == 0 {
		return // only in the margin that RITA's numbers reach back to
	}
	w.counts.pairs++
	w.counts.connections += t.connections

	var parts hunt.Parts
	var beacon scoring.RITAResult
	scored := false
	if w.options.looksFor("beacon") {
		if b, ok := w.scorer.RITA(w.series, w.rita); ok {
			beacon, scored = b, true
			parts.Beacon = scoring.RITABeaconThreat(b.Score)
		}
	}
	if w.options.looksFor("long") {
		parts.LongConnection = scoring.RITALongConnectionThreat(float64(t.ritaDuration) / 1000)
	}
	if w.options.looksFor("strobe") {
		parts.Strobe = scoring.RITAStrobeThreat(t.ritaCount)
	}
	if !scored && parts.LongConnection == 0 && parts.Strobe == 0 {
		return
	}
	w.counts.scored++
	score := max(parts.Beacon, parts.LongConnection, parts.Strobe)
	if score < severityFloor && score < w.options.MinScore {
		return
	}
	f := w.id.finding(&subject{PairKey: hunt.PairKey{Src: p.Src, Dst: p.Dst, AnyPort: true}, port: p.Ports[t.busiest], ports: len(p.Ports), totals: t},
		&w.options, parts)
	evidence.Rank(&f, score)
	if scored {
		f.Beacon = ritaFields(&beacon)
	}
	f.Dwell.Indicators, f.Dwell.Reasons = w.explain(&t, parts, &beacon)
	f.Rule = ruleOf(f.Dwell.Indicators)
	w.findings = append(w.findings, f)
}

// sum goes through the pair's connections once; it fills w.series with RITA's rows.
func (w *worker) sum(p *pairs.Pair) totals {
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
}

func ritaFields(b *scoring.RITAResult) *hunt.BeaconScore {
	count := int64(b.Count)
	return &hunt.BeaconScore{
		TS: &b.Timestamp, DS: &b.DataSize, Duration: &b.Duration, Historical: &b.Histogram, RITA: &b.Score,
		RITAConnections: &count, Interval: &hunt.Interval{Top: float64(b.TopInterval)},
	}
}

// explain names the indicators that fired and gives the reasons, strongest first.
func (w *worker) explain(t *totals, parts hunt.Parts, b *scoring.RITAResult) (indicators, reasons []string) {
	indicators, reasons = []string{}, []string{}
	add := func(value float64, name, reason string) {
		if value <= 0 {
			return
		}
		indicators = append(indicators, name)
		reasons = append(reasons, reason)
	}
	beacon := func() {
		add(parts.Beacon, hunt.Beacon, fmt.Sprintf("keeps coming back, mostly every %s: RITA's beacon score is %.3f (timing %.3f, sizes %.3f, hours %.3f, histogram %.3f) over %d connections",
			hunt.Seconds(float64(b.TopInterval)), b.Score, b.Timestamp, b.DataSize, b.Duration, b.Histogram, b.Count))
	}
	long := func() {
		add(parts.LongConnection, hunt.LongConnection, fmt.Sprintf("was connected for %s in all, in %d connections, the longest %s",
			hunt.Seconds(float64(t.ritaDuration)/1000), t.ritaCount, hunt.Seconds(float64(t.longest)/1000)))
	}
	add(parts.Strobe, hunt.Strobe, fmt.Sprintf("made %d connections, one a second or more", t.ritaCount))
	if parts.Beacon >= parts.LongConnection {
		beacon()
		long()
	} else {
		long()
		beacon()
	}
	return indicators, reasons
}
