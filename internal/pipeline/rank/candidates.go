package rank

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"

	"dwell/internal/evidence"
	"dwell/internal/hunt"
	"dwell/internal/pairs"
	"dwell/internal/pipeline/material"
	"dwell/internal/tile"
	"dwell/scoring"
)

// key is one candidate. What was measured on it is on the shelf until it is taken.
type key struct {
	*measured
	place   tile.Place
	shelved bool
	// shown is the score of its presence, once all are measured.
	shown scoring.PresenceScore
	// still are its connections that have not ended.
	still *hunt.StillOpen
}

// measured is what was measured on a candidate. A further field belongs in [measured.code], too.
type measured struct {
	hunt.PairKey
	kind   scoring.KeyKind
	beacon scoring.Beacon
	size   scoring.SizeScore
	long   scoring.Long
	strobe scoring.Strobe
	totals material.Totals
	port   pairs.Port
	ports  int
	rita   *scoring.RITAResult
	// presence is how persistently it is active.
	presence scoring.Presence
	// of are its connections, by numbers that each has in all keys of its source.
	of packed
	// addresses are the destinations of a key with several, the busiest first; count is the number of all.
	addresses []netip.Addr
	count     int
	// closing is a reason that comes last; listed says that an indicator list names it.
	closing string
	listed  bool
	// odd says that other logs make it suspect.
	odd bool
	// names are those of a key by domain, the most used first.
	names []evidence.Name
	// uses are the connections to each address of a key by name or fingerprint.
	uses []pairs.Use
	// hosts is the number of hosts that show a fingerprint.
	hosts int
	// timeline has its check-ins: connections, queries, or the requests whose rhythm counts.
	timeline *hunt.Timeline
}

// prober measures keys in one goroutine. It reuses its memory.
type prober struct {
	scoring.Scorer
	window  scoring.Window
	rita    scoring.RITAWindow
	wanted  *material.Wanted
	keepAll bool
	longest float64 // seconds that a key must be connected for a long connection
	series  scoring.Series
	whole   scoring.Series // of all ports of a pair, for RITA
	perPort []int64
	// apart are a pair's connections sorted by port, from is where each port's begin; ofPair are RITA's numbers of the
	// pair.
	apart        []pairs.Record
	begins       []int64
	ofPair       *scoring.RITAResult
	ritaKnown    bool
	sums         []int64
	tested       *atomic.Int64 // number of candidates so far by all probers
	counts       material.Counts
	hours        hours
	skipped      int64 // networks and other roll-ups
	byName       scoring.Hours
	pair         pairs.Pair
	roll         rollUp
	scratch      measured // the candidate that is measured
	hashes       []uint64 // of a source's destinations
	alone        []int    // those that no other host uses
	lists        []lister // indicator lists
	httpRequests *pairs.Requests
	suspects     *suspects // those of other logs
	domains      domains
}

// grounds are the facts about a candidate besides its connections.
type grounds struct {
	// listed means that an indicator names it, odd that another log makes it a suspect. Either keeps it, whatever its
	// rhythm, until evidence is weighed.
	listed, odd bool
	// messages are the times of its HTTP requests or other messages in persistent connections, if any.
	messages []int64
}

func newProber(m *material.Material, tested *atomic.Int64) *prober {
	w := m.Window
	p := &prober{httpRequests: &m.Requests, domains: domains{named: m.Named}, tested: tested, window: scoring.Window{Start: w.Start.UnixMilli(), End: w.End.UnixMilli()}, wanted: &m.Wanted,
		keepAll: m.MinScore < material.Floor, hours: newHours(w)}
	if oldest, newest, ok := m.Span(); ok {
		p.rita = scoring.RITAWindowOf(oldest, newest)
	}
	p.longest = max(scoring.LongFewest, 3600*min(1, w.Duration().Hours()/24))
	return p
}

// comparable is the number of candidates with which two rhythms of one candidate are compared.
const comparable = 10_000

// measure judges p.series; nil when nothing about it can become a finding. A rhythm must stand out among the candidates
// tested so far. In the end there are at least as many, so that what is dropped here would be dropped then too.
func (p *prober) measure(id hunt.PairKey, kind scoring.KeyKind, g grounds) *key {
	k := &p.scratch // few are kept, and each has a kilobyte
	*k = measured{PairKey: id, kind: kind, listed: g.listed, odd: g.odd}
	weight := 0.0
	if p.wanted.LooksFor("beacon") && len(p.series.Start) >= material.Fewest {
		k.beacon = p.Beacon(p.series, p.window)
		weight = k.beacon.Score(int(p.tested.Add(1))).Score
	}
	if p.wanted.LooksFor("beacon") && g.messages != nil {
		b := p.Beacon(scoring.Series{Start: g.messages}, p.window)
		weight = max(weight, b.Score(int(p.tested.Add(1))).Score)
		// The number of candidates tested so far depends on the order of the work, so both are compared with the same
		// number.
		if b.Score(comparable).Score > k.beacon.Score(comparable).Score || b.Beyond() && !k.beacon.Beyond() {
			k.beacon = b
			what := "HTTP requests"
			if kind == scoring.AddressKey || kind == scoring.PairKey {
				what = "messages (records of other Zeek logs than conn)"
			}
			k.closing = fmt.Sprintf("the rhythm is that of %s %s in persistent connections", hunt.Count(int64(len(g.messages))), what)
		}
	}
	// Connections to many destinations together nearly always cover hours, and last all day: only a rhythm is evidence
	// there.
	rolled := kind >= scoring.NetworkKey
	if p.wanted.LooksFor("long") && !rolled {
		k.long = p.Long(p.series, p.window)
	}
	if p.wanted.LooksFor("strobe") && !rolled {
		k.strobe = p.Strobe(p.series, p.window)
	}
	if k.strobe.Score >= material.Floor && k.long.Score <= material.Floor {
		k.long = scoring.Long{} // the sum of a flood's short connections is not a long one
	}
	if (p.wanted.LooksFor("beacon") || p.wanted.LooksFor(hunt.Presence)) && (!rolled || kind == scoring.QueriesKey) {
		k.presence = p.Presence(p.series, p.window)
	}
	if weight = max(weight, k.long.Score, k.strobe.Score); weight < material.Floor && !k.presence.Holds && !(k.presence.Busy && kind == scoring.QueriesKey) && !p.keepAll && !g.listed && !g.odd {
		return nil
	}
	k.size = p.Size(p.series, p.window)
	starts := p.series.Start
	if k.closing != "" {
		starts = g.messages
	}
	k.timeline = hunt.NewTimeline(starts, p.window.Start, p.window.End)
	kept := *k
	return &key{measured: &kept}
}

// partition counts the connections and sums the durations of each port.
func (p *prober) partition(pair *pairs.Pair) {
	n := len(pair.Ports)
	p.perPort, p.sums = slices.Grow(p.perPort[:0], n)[:n], slices.Grow(p.sums[:0], n)[:n]
	clear(p.perPort)
	clear(p.sums)
	for i := range pair.Connections {
		c := &pair.Connections[i]
		p.perPort[c.Port]++
		p.sums[c.Port] += max(c.Duration, 0)
	}
	p.apart, p.ritaKnown = p.apart[:0], false
}

// ofPort are a pair's connections to one port, after partition. They are separated once a pair, whatever the number of
// ports.
func (p *prober) ofPort(pair *pairs.Pair, port int) []pairs.Record {
	n := len(pair.Ports)
	if n == 1 {
		return pair.Connections
	}
	if len(p.apart) == 0 {
		p.begins = slices.Grow(p.begins[:0], n+1)[:n+1]
		p.begins[0] = 0
		for i, count := range p.perPort {
			p.begins[i+1] = p.begins[i] + count
		}
		p.apart = slices.Grow(p.apart, len(pair.Connections))[:len(pair.Connections)]
		next := slices.Clone(p.begins)
		for _, c := range pair.Connections {
			p.apart[next[c.Port]] = c
			next[c.Port]++
		}
	}
	return p.apart[p.begins[port]:p.begins[port+1]]
}

// inWindow returns the number of the pair's connections in the window, and notes the hours in which they start; active
// is the number of those hours.
func (p *prober) inWindow(pair *pairs.Pair, host *scoring.Hours) (n int64, active int) {
	next := p.window.Start // connections are sorted: the hour is computed only when the last one is over
	for i := range pair.Connections {
		if c := &pair.Connections[i]; p.reaches(c) {
			n++
			if c.Start >= next {
				h := (c.Start - p.window.Start) / hourMillis
				p.hours[h] = true
				host.Note(c.Start, p.window)
				active++
				next = p.window.Start + (h+1)*hourMillis
			}
		}
	}
	return n, active
}

// reaches says whether a connection is in the window: it starts in it, or began before and was still open at its start.
func (p *prober) reaches(c *pairs.Record) bool {
	return c.Start < p.window.End && (c.Start >= p.window.Start || c.Duration > 0 && c.Start+c.Duration > p.window.Start)
}

// fill puts a pair's connections to one port (-1: to all) into a series.
func (p *prober) fill(s *scoring.Series, pair *pairs.Pair, port int) {
	fillRecords(s, pair.Connections, port)
}

func fillRecords(s *scoring.Series, records []pairs.Record, port int) {
	s.Start, s.Size, s.Duration = s.Start[:0], s.Size[:0], s.Duration[:0]
	for i := range records {
		if c := &records[i]; port < 0 || int(c.Port) == port {
			s.Start = append(s.Start, c.Start)
			s.Size = append(s.Size, c.OrigIPBytes)
			s.Duration = append(s.Duration, c.Duration)
		}
	}
}

// sum adds up the connections in the window, of one port or (-1) of all.
func (p *prober) sum(records []pairs.Record, port int) material.Totals {
	t := material.Totals{Longest: hunt.Absent}
	for i := range records {
		c := &records[i]
		if port >= 0 && int(c.Port) != port || !p.reaches(c) {
			continue
		}
		if c.Start < p.window.Start {
			inside := *c
			inside.Duration = min(c.Start+c.Duration, p.window.End) - p.window.Start
			t.Ended = max(t.Ended, p.window.Start+inside.Duration)
			c = &inside
		}
		t.Add(c)
	}
	return t
}

// finish adds up the connections of a key that is kept, of one port or (-1) of all.
func (p *prober) finish(k *key, pair *pairs.Pair, records []pairs.Record) {
	k.totals, k.of = p.sum(records, -1), numbers(records, -1)
	if !p.ritaKnown { // it covers all ports, so once a pair is enough
		p.addRITA(k, pair)
		p.ofPair, p.ritaKnown = k.rita, true
	}
	k.rita = p.ofPair
}

// numbers identify a source's connections by start and source port, so that one has the same number in all keys. They
// ascend.
func numbers(records []pairs.Record, port int) packed {
	out := make([]uint64, 0, len(records))
	for i := range records {
		if c := &records[i]; port < 0 || int(c.Port) == port {
			out = append(out, uint64(c.Start)<<16|uint64(c.SrcPort))
		}
	}
	slices.Sort(out)
	return pack(slices.Compact(out))
}

// packed are ascending numbers, as differences in varints: some five bytes a connection.
type packed []byte

func pack(numbers []uint64) packed {
	out, before := make(packed, 0, 5*len(numbers)+8), uint64(0)
	for _, n := range numbers {
		out = binary.AppendUvarint(out, n-before)
		before = n
	}
	return out
}

func (p packed) numbers() []uint64 {
	var out []uint64
	for at := uint64(0); len(p) > 0; {
		d, n := binary.Uvarint(p)
		at, p = at+d, p[n:]
		out = append(out, at)
	}
	return out
}

// latestPort is the port of the last connection.
func latestPort(pair *pairs.Pair) (last pairs.Port) {
	for _, port := range pair.Ports {
		if port.Last >= last.Last {
			last = port
		}
	}
	return last
}

// addRITA adds RITA's five numbers, over all ports of the pair, as RITA counts.
func (p *prober) addRITA(k *key, pair *pairs.Pair) {
	p.fill(&p.whole, pair, -1)
	if r, ok := p.RITA(p.whole, p.rita); ok {
		k.rita = &r
	}
}

// busiestPort is the index of the port with the most connections.
func busiestPort(pair *pairs.Pair) int {
	counts := make([]int, len(pair.Ports))
	best := 0
	for i := range pair.Connections {
		counts[pair.Connections[i].Port]++
	}
	for i, n := range counts {
		if n > counts[best] {
			best = i
		}
	}
	return best
}

// indicators are the key's values in a hunt of this many keys.
func (k *key) indicators(tested int) scoring.Indicators {
	return scoring.Indicators{Beacon: k.beacon.Value(tested, k.size), Long: k.long.Score, Strobe: k.strobe.Score, Presence: k.shown.Score, Listed: k.onList()}
}

func ptr[T any](v T) *T { return &v }

// beaconFields are the parts of our score as they are stored.
func (k *key) beaconFields(tested int) *hunt.BeaconScore {
	b := &hunt.BeaconScore{}
	if k.rita != nil {
		b = material.RITAFields(k.rita)
	}
	if k.beacon.Test == scoring.NoTest {
		if k.rita == nil {
			return nil
		}
		return b
	}
	s := k.beacon.Score(tested)
	b.Score, b.PValueLog = ptr(s.Score), ptr(k.beacon.LogP)
	b.Period, b.Jitter, b.Coverage = ptr(material.Round(k.beacon.Period)), ptr(material.Round(k.beacon.Jitter)), ptr(material.Round(k.beacon.Coverage))
	b.Fraction, b.CheckIns = ptr(material.Round(k.beacon.Fraction)), ptr(int64(k.beacon.CheckIns))
	return b
}
