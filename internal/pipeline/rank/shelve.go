package rank

import (
	"net/netip"
	"slices"

	"dwell/internal/hunt"
	"dwell/internal/pairs"
	"dwell/scoring"
)

// shelve puts aside what was measured on keys: it is wanted again only once all are measured, and every host has some.
func (s *search) shelve(keys []*key) {
	var c coder
	for _, k := range keys {
		if k.shelved {
			continue
		}
		c.b = c.b[:0]
		k.code(&c, s.emptyTimeline)
		k.place, k.shelved, k.measured = s.shelf.Put(c.b), true, nil
	}
}

// take takes a key from the shelf, until letGo. Where the disk fails the key is empty, and so is the hunt: the shelf
// tells.
func (s *search) take(k *key) {
	if !k.shelved {
		return
	}
	k.measured = &measured{}
	if b := s.shelf.Get(k.place); b != nil {
		k.code(&coder{b: b, reads: true}, s.emptyTimeline)
	}
}

// letGo forgets what take took.
func (k *key) letGo() {
	if k.shelved {
		k.measured = nil
	}
}

func (s *search) emptyTimeline() *hunt.Timeline {
	return hunt.EmptyTimeline(s.m.Window.Start.UnixMilli(), s.m.Window.End.UnixMilli())
}

// code writes or reads what was measured. A timeline is one of the hunt's window, which empty makes.
func (m *measured) code(c *coder, empty func() *hunt.Timeline) {
	rated, timed := m.rita != nil, m.timeline != nil
	c.all(&m.PairKey, &m.kind, &m.beacon, &m.size, &m.long, &m.strobe, &m.totals, &m.port, &m.ports, &m.presence, &m.addresses, &m.count,
		&m.closing, &m.listed, &m.odd, &m.names, &m.hosts, &rated, &timed)
	if rated {
		if c.reads {
			m.rita = &scoring.RITAResult{}
		}
		c.all(m.rita)
	}
	m.of = c.bytes(m.of)
	if n := c.number(uint64(len(m.uses))); c.reads && n > 0 {
		m.uses = make([]pairs.Use, n)
	}
	for i := range m.uses {
		u := &m.uses[i]
		u.Addr, _ = netip.AddrFromSlice(c.bytes(u.Addr.AsSlice()))
		u.Connections = int64(c.number(uint64(u.Connections)))
	}
	if timed {
		if c.reads {
			m.timeline = empty()
		}
		m.timelineCode(c)
	}
}

func (m *measured) timelineCode(c *coder) {
	t := m.timeline
	for i := range t.Counts {
		t.Counts[i] = int64(c.number(uint64(t.Counts[i])))
	}
	if n := c.number(uint64(len(t.Intervals))); c.reads && n > 0 {
		t.Intervals = make([]hunt.IntervalBin, n)
	}
	for i := range t.Intervals {
		at, _ := slices.BinarySearch(hunt.IntervalEdges(), t.Intervals[i].From)
		at = int(c.number(uint64(at)))
		t.Intervals[i] = hunt.IntervalBinAt(at, int64(c.number(uint64(t.Intervals[i].Count))))
	}
}
