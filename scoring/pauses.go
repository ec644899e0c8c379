package scoring

import (
	"cmp"
	"math"
	"slices"
)

const (
	// pauseFewest is the least number of connections.
	pauseFewest = 12
	// pauseWorks is the least share of the time that connections last in all: with less, pauses and intervals are the
	// same. pauseMost is the largest: what is nearly always open and reconnects after a moment does not sleep.
	pauseWorks, pauseMost = 0.02, 0.5
	// pauseJitter is the largest jitter of pauses. A loop sleeps exactly; wider sleeps show in the intervals
	// themselves.
	pauseJitter = 0.2
	// pauseLogP is the largest p-value (log10) of pauses that are considered.
	pauseLogP = -4
)

// pauseTest replaces the result if the pauses between connections, from the end of one to the start of the next, have a
// rhythm that their starts do not: a program that works and then sleeps.
//
// It is the INTERVAL test on the pauses, with its bound. Whatever the durations, the rest of an exponential interval
// that is longer than a connection is exponential again, with the same rate. Overlapping connections are one, as a
// connection that begins while another is open does not end a pause.
func (sc *Scorer) pauseTest(s Series, w Window, b *Beacon) {
	if s.Duration == nil || len(s.Start) < pauseFewest {
		return
	}
	open := sc.open[:0]
	for i, t := range s.Start {
		if t < w.Start || t >= w.End {
			continue
		}
		open = append(open, interval{t, t + min(max(0, s.Duration[i]), endOfTime)}) // an unknown end is none
	}
	sc.open = open
	byStart := func(a, b interval) int { return cmp.Compare(a.start, b.start) }
	if !slices.IsSortedFunc(open, byStart) {
		slices.SortFunc(open, byStart)
	}
	times := sc.inside[:0]
	slept, end, began := int64(0), int64(0), int64(0)
	for _, c := range open {
		switch {
		case len(times) == 0:
			began, end = c.start, c.end
			times = append(times, 0)
		case c.start > end:
			slept += c.start - end
			times = append(times, slept)
		}
		end = max(end, c.end)
	}
	sc.inside = times
	if len(times) < pauseFewest || slept <= 0 {
		return
	}
	worked := end - began - slept
	if share := float64(worked) / float64(end-began); share < pauseWorks || share > pauseMost {
		return
	}
	sc.load(times)
	o := Beacon{Connections: b.Connections, Enough: b.Enough, Paused: true}
	// The working time belongs to the rhythm.
	o.Enough *= float64(slept) / float64(slept+worked)
	if !sc.intervalBeacon(&o, pauseShare, pauseLogP*math.Ln10) || o.Modes[0].Jitter > pauseJitter || o.Burst > 0 || o.LogP > pauseLogP {
		return
	}
	held := float64(slept+worked) / float64(slept)
	o.Pause, o.Period, o.Covered, o.Enough = o.Period, o.Period*held, o.Covered*held, b.Enough
	if o.weight() > b.weight() {
		*b = o
	}
}
