package scoring

import "slices"

// bursts are the intervals, in milliseconds, up to which consecutive connections count as one check-in. A page, a retry
// or a download opens several connections for one action of the program.
func bursts() [6]int64 {
	return [...]int64{0, 2 * second, 10 * second, 30 * second, 120 * second, 600 * second}
}

// intervalOrder packs an interval (milliseconds) and its place in time into one word, so that one plain sort orders
// both. That holds intervals of up to a year and 2^27 connections.
type intervalOrder uint64

const (
	placeBits       = 27
	longestInterval = 1<<(62-placeBits) - 1
	mostIntervals   = 1<<placeBits - 1
)

func (o intervalOrder) length() int64 { return int64(o >> placeBits) }
func (o intervalOrder) place() int    { return int(o & mostIntervals) }

// load fills sc.start with the sorted starts and sc.intervals with the intervals between them, shortest first.
func (sc *Scorer) load(start []int64) {
	if len(start) > mostIntervals {
		start = start[len(start)-mostIntervals:] // keep the newest: so many connections are a strobe anyway
	}
	sc.start = append(sc.start[:0], start...)
	sortInts(sc.start)
	sc.intervals = sc.intervals[:0]
	for i := 1; i < len(sc.start); i++ {
		length := min(sc.start[i]-sc.start[i-1], longestInterval)
		sc.intervals = append(sc.intervals, intervalOrder(uint64(length)<<placeBits|uint64(i-1)))
	}
	sc.intervalScratch = sortDigits(sc.intervals, sc.intervalScratch, placeBits) // places ascend already
}

// beyond returns the intervals longer than burst, shortest first: those between check-ins. Burst 0 returns all.
func (sc *Scorer) beyond(burst int64) []intervalOrder {
	if burst == 0 {
		return sc.intervals
	}
	first, _ := slices.BinarySearchFunc(sc.intervals, burst, func(o intervalOrder, b int64) int {
		if o.length() > b {
			return 1
		}
		return -1
	})
	return sc.intervals[first:]
}

// collapse fills sc.checkIns with the first connection of every check-in.
func (sc *Scorer) collapse(burst int64) []int64 {
	sc.checkIns = sc.checkIns[:0]
	for i, t := range sc.start {
		if i == 0 || burst == 0 || t-sc.start[i-1] > burst {
			sc.checkIns = append(sc.checkIns, t)
		}
	}
	return sc.checkIns
}

// strides fills sc.stride: for each interval between check-ins, by its place, the time from the start of the check-in
// before it to the start of the check-in after it.
func (sc *Scorer) strides(burst int64) []int64 {
	n := max(0, len(sc.start)-1)
	sc.stride = slices.Grow(sc.stride[:0], n)[:n]
	begin := 0
	for i := range n {
		if burst == 0 || sc.start[i+1]-sc.start[i] > burst {
			sc.stride[i] = sc.start[i+1] - sc.start[begin]
			begin = i + 1
		}
	}
	return sc.stride
}
