package scoring

import "slices"

// bursts are the gaps, in milliseconds, up to which connections that follow one another are one beat. A page, a retry
// or a download makes several connections where the program behind it acted once.
func bursts() [6]int64 {
	return [...]int64{0, 2 * second, 10 * second, 30 * second, 120 * second, 600 * second}
}

// gapOrder packs a gap (milliseconds) and its place in time into one word, so that one plain sort orders both. That
// holds gaps of up to a year and 2^27 connections.
type gapOrder uint64

const (
	placeBits  = 27
	longestGap = 1<<(62-placeBits) - 1
	mostGaps   = 1<<placeBits - 1
)

func (o gapOrder) gap() int64 { return int64(o >> placeBits) }
func (o gapOrder) place() int { return int(o & mostGaps) }

// load takes a series over: sorted starts, and the gaps between them in order of their length.
func (sc *Scorer) load(start []int64) {
	if len(start) > mostGaps {
		start = start[len(start)-mostGaps:] // the newest: a strobe long since
	}
	sc.start = append(sc.start[:0], start...)
	sortInts(sc.start)
	sc.gaps = sc.gaps[:0]
	for i := 1; i < len(sc.start); i++ {
		gap := min(sc.start[i]-sc.start[i-1], longestGap)
		sc.gaps = append(sc.gaps, gapOrder(uint64(gap)<<placeBits|uint64(i-1)))
	}
	sc.gapScratch = sortDigits(sc.gaps, sc.gapScratch, placeBits) // places ascend already
}

// beyond gives the gaps longer than burst, in order of their length: those between beats. Burst 0 gives all.
func (sc *Scorer) beyond(burst int64) []gapOrder {
	if burst == 0 {
		return sc.gaps
	}
	first, _ := slices.BinarySearchFunc(sc.gaps, burst, func(o gapOrder, b int64) int {
		if o.gap() > b {
			return 1
		}
		return -1
	})
	return sc.gaps[first:]
}

// collapse fills sc.beat with the first connection of every beat.
func (sc *Scorer) collapse(burst int64) []int64 {
	sc.beat = sc.beat[:0]
	for i, t := range sc.start {
		if i == 0 || burst == 0 || t-sc.start[i-1] > burst {
			sc.beat = append(sc.beat, t)
		}
	}
	return sc.beat
}

// strides fills sc.stride: for each gap between beats, by its place, the time from the start of the beat before it to
// the start of the beat after it.
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
