package scoring

import (
	"math"
	"slices"
)

// Long is how long a candidate was connected.
type Long struct {
	// Score is the indicator's value: RITA's steps of 1, 4, 8 and 12 hours (0.2, 0.4, 0.6, 0.8) on Held; Union alone
	// gives 0.2 at most. The steps shrink in proportion for windows under a day and stay for longer ones. Below
	// LongFewest it is 0.
	Score float64
	// Union is the seconds of the window with at least one open connection; Share is Union as a share of the window.
	Union, Share float64
	// Held is the part of Union, in seconds, that was kept open: single connections of two hours and stretches of two
	// hours of connections in close succession, or the longest one if that is more. For single connections the two
	// hours shrink as the steps do.
	Held float64
	// Longest is the longest single duration within the window, seconds.
	Longest float64
	// Connections is the number with a known duration that reach into the window. Pieces is the number of unbroken
	// pieces that they form: the connection was lost and resumed Pieces-1 times. Hole is the longest time between two
	// pieces, seconds.
	Connections, Pieces int
	Hole                float64
}

// LongFewest is the least connected time in seconds, however short the window. In two hours the first step would be
// five minutes, as downloads and open pages have.
const LongFewest = 900.0

const (
	// longHole is the longest hole, as a share of the connection before it, that still counts as close succession.
	longHole = 0.1
	// longOverlap: a stretch whose connections together last longer than this many times the stretch is many short
	// connections, not one kept open. Memoryless connections dense enough to cover nine tenths of the time reach 2.56:
	// rho/(1-exp(-rho)) with 1-exp(-rho) = 0.9.
	longOverlap = 2.0
)

// hold adds up the time held: every stretch of two hours, or else the longest one alone. Several calls of an hour are
// not a connection kept open.
type hold struct{ sum, longest int64 }

func (h *hold) add(length, enough int64) {
	h.longest = max(h.longest, length)
	if length >= enough {
		h.sum += length
	}
}

func (h *hold) held() int64 { return max(h.sum, h.longest) }

type interval struct{ start, end int64 }

// Long measures how long the connections together cover the window, wherever they start. Absent and zero durations
// cover nothing; time outside the window does not count.
func (sc *Scorer) Long(s Series, w Window) Long {
	w = w.bounded()
	var l Long
	if s.Duration == nil || w.Length() == 0 {
		return l
	}
	open, longest := sc.open[:0], int64(0)
	for i, start := range s.Start {
		d := s.Duration[i]
		if d <= 0 || start >= w.End {
			continue
		}
		from, to := max(start, w.Start), w.End
		if start+d > start { // otherwise it overflows: open without end
			to = min(start+d, w.End)
		}
		if to <= from {
			continue
		}
		open = append(open, interval{from, to})
		longest = max(longest, to-from)
	}
	sc.open = open
	l.Longest = float64(longest) / second
	l.Connections = len(open)
	if l.Connections == 0 {
		return l
	}
	slices.SortFunc(open, func(a, b interval) int {
		if a.start < b.start {
			return -1
		}
		if a.start > b.start {
			return 1
		}
		return 0
	})
	scale := min(1, float64(w.Length())/day)
	shortest := int64(max(LongFewest*second, hour*scale))
	var kept hold
	union, end := int64(0), open[0].start
	l.Pieces = 1
	at := newStretch(open[0].start)
	for _, o := range open {
		if o.start > end {
			l.Pieces++
			l.Hole = max(l.Hole, float64(o.start-end)/second)
		}
		if float64(o.start-at.end) > longHole*float64(at.last) {
			at.hold(&kept, shortest)
			at = newStretch(o.start)
		}
		at.add(o, shortest)
		if o.end > end {
			union += o.end - max(end, o.start)
			end = o.end
		}
	}
	at.hold(&kept, shortest)
	l.Union, l.Held = float64(union)/second, float64(kept.held())/second
	l.Share = float64(union) / float64(w.Length())
	if l.Union < LongFewest {
		return l
	}
	l.Score = max(RITALongConnectionThreat(l.Held/scale), min(0.2, RITALongConnectionThreat(l.Union/scale)))
	return l
}

// stretch is a time of connections in close succession, milliseconds.
type stretch struct {
	start, end int64
	// last is the duration of the connection that ends last, sum that of all, covered the time with at least one open.
	last, sum, covered int64
	// single is the time that the long ones cover, up to singleEnd.
	single, singleEnd int64
}

func newStretch(start int64) stretch {
	return stretch{start: start, end: start, singleEnd: math.MinInt64}
}

// add adds a connection that begins no earlier than those before. It is long if it lasts shortest or more.
func (s *stretch) add(o interval, shortest int64) {
	length := o.end - o.start
	s.sum += length
	if o.end > s.end {
		s.covered += o.end - max(s.end, o.start)
		s.end, s.last = o.end, length
	}
	if length >= shortest && o.end > s.singleEnd {
		s.single += o.end - max(s.singleEnd, o.start)
		s.singleEnd = o.end
	}
}

// hold adds what counts: the whole stretch if it lasts an hour, else its long connections.
func (s *stretch) hold(h *hold, shortest int64) {
	if s.covered >= hour && float64(s.sum) <= longOverlap*float64(s.end-s.start) {
		h.add(s.covered, 2*hour)
		return
	}
	if s.single > 0 {
		h.add(s.single, 2*shortest)
	}
}
