package scoring

import (
	"math"
	"slices"
)

// Long is how long a key was connected.
type Long struct {
	// Score is the indicator's value: RITA's steps of 1, 4, 8 and 12 hours (0.2, 0.4, 0.6, 0.8) on Held; Union alone
	// makes 0.2 at most. For windows shorter than a day the steps are as much shorter; for longer windows they stay.
	// Less than LongFewest is 0 in any window.
	Score float64
	// Union is for how many seconds of the window at least one connection was open; Share is that as a share of it.
	Union, Share float64
	// Held is the part of Union, in seconds, that somebody kept open: single connections of two hours and stretches of
	// two hours of connections that follow one another closely, or the longest of an hour if there is more in it.
	// Single connections may be as much shorter in windows under a day as the steps are.
	Held float64
	// Longest is the longest single duration within the window, seconds.
	Longest float64
	// Connections with a known duration that reach into the window; Pieces that they join to, so Pieces-1 times the
	// connection was lost and taken up again; Hole is the longest time between two pieces, seconds.
	Connections, Pieces int
	Hole                float64
}

// LongFewest is for how many seconds a key must be connected, however short the window: in two hours the first step
// would be five minutes, which downloads and open pages have too.
const LongFewest = 900.0

const (
	// longHole is the longest hole, as a share of the connection before it, after which the next one still follows
	// closely.
	longHole = 0.1
	// longOverlap: a stretch whose connections last longer in all than this many times the stretch is no connection
	// kept open but many short ones. Of connections that begin without memory, so dense that they cover nine tenths of
	// the time, it is 2.56 times: rho/(1-exp(-rho)) where 1-exp(-rho) is 0.9.
	longOverlap = 2.0
)

// hold adds up what is held: all of two hours' worth, or the longest alone. Several talks of an hour are no connection
// kept open.
type hold struct{ sum, longest int64 }

func (h *hold) add(length, enough int64) {
	h.longest = max(h.longest, length)
	if length >= enough {
		h.sum += length
	}
}

func (h *hold) held() int64 { return max(h.sum, h.longest) }

type interval struct{ start, end int64 }

// Long measures for how long the connections cover the window together, wherever they start. Absent and zero
// durations cover nothing; what lies outside the window does not count.
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
		if start+d > start { // else it overflows: open for ever
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

// stretch is a time of connections that follow one another closely, milliseconds.
type stretch struct {
	start, end int64
	// last is how long the connection lasts that ends last; sum is the time of all together, covered that of one at
	// least.
	last, sum, covered int64
	// single is the time of the long ones among them, until singleEnd.
	single, singleEnd int64
}

func newStretch(start int64) stretch {
	return stretch{start: start, end: start, singleEnd: math.MinInt64}
}

// add takes in a connection that begins no earlier than those before; from shortest on it is a long one.
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

// hold tells what counts: all of it where one follows the other for an hour, else the long ones.
func (s *stretch) hold(h *hold, shortest int64) {
	if s.covered >= hour && float64(s.sum) <= longOverlap*float64(s.end-s.start) {
		h.add(s.covered, 2*hour)
		return
	}
	if s.single > 0 {
		h.add(s.single, 2*shortest)
	}
}
