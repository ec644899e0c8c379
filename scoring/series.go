package scoring

// Absent marks a size or a duration that was not logged. Every negative value counts as absent.
const Absent = -1

// Series is a candidate's connections. The slices run in parallel; Size and Duration are nil where nothing is known.
// Functions of this package never change or keep the slices.
type Series struct {
	// Start times, Unix milliseconds. Any order is accepted; ascending order saves a sort.
	Start []int64
	// Size is what the originator sent, IP headers included, in bytes, or Absent.
	Size []int64
	// Duration is milliseconds, or Absent.
	Duration []int64
}

// Window is the hunted time, Unix milliseconds, half open: Start is inside, End is not.
type Window struct{ Start, End int64 }

// Length of the window in milliseconds, never negative.
func (w Window) Length() int64 {
	w = w.bounded()
	return max(0, w.End-w.Start)
}

// endOfTime, about 35,000 years from 1970, bounds all windows, so that no difference of times overflows.
const endOfTime = 1 << 50

func (w Window) bounded() Window {
	clamp := func(t int64) int64 { return min(endOfTime, max(-endOfTime, t)) }
	return Window{clamp(w.Start), clamp(w.End)}
}

const (
	second = 1000
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour
)
