package scoring

import "slices"

// Long is how long a key was connected.
type Long struct {
	// Score is the indicator's value: RITA's steps of 1, 4, 8 and 12 hours (0.2, 0.4, 0.6, 0.8) on Union. For windows
	// shorter than a day the steps are as much shorter; for longer windows they stay. Less than LongFewest is 0 in any window.
	Score float64
	// Union is for how many seconds of the window at least one connection was open; Share is that as a share of it.
	Union, Share float64
	// Sum of the durations within the window, and the longest single one, seconds.
	Sum, Longest float64
	// Connections with a known duration that reach into the window; Pieces that they join to, so Pieces-1 times the
	// connection was lost and taken up again; Hole is the longest time between two pieces, seconds.
	Connections, Pieces int
	Hole                float64
}

// LongFewest is for how many seconds a key must be connected, however short the window: in two hours the first step
// would be five minutes, which downloads and open pages have too.
const LongFewest = 900.0

type interval struct{ start, end int64 }

// Long measures for how long the connections cover the window together, wherever they start. Absent and zero
// durations cover nothing; what lies outside the window does not count.
func (sc *Scorer) Long(s Series, w Window) Long {
	w = w.bounded()
	var l Long
	if s.Duration == nil || w.Length() == 0 {
		return l
	}
	open, sum, longest := sc.open[:0], int64(0), int64(0)
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
		sum += to - from
		longest = max(longest, to-from)
	}
	sc.open = open
	l.Sum, l.Longest = float64(sum)/second, float64(longest)/second
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
	union, end := int64(0), open[0].start
	l.Pieces = 1
	for _, o := range open {
		if o.start > end {
			l.Pieces++
			l.Hole = max(l.Hole, float64(o.start-end)/second)
		}
		if o.end > end {
			union += o.end - max(end, o.start)
			end = o.end
		}
	}
	l.Union = float64(union) / second
	l.Share = float64(union) / float64(w.Length())
	scale := min(1, float64(w.Length())/day)
	if l.Union < LongFewest {
		return l
	}
	l.Score = RITALongConnectionThreat(l.Union / scale)
	return l
}
