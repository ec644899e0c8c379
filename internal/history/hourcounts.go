package history

import (
	"maps"
	"slices"
	"sync"
	"time"

	"dwell/internal/hunt"
)

// hourly counts records by hour. A hunt's revision depends on these counts, so they are the same with and without
// history.
type hourly struct {
	mu sync.Mutex
	n  map[int64]int64
}

func newTally() *hourly { return &hourly{n: map[int64]int64{}} }

func tally[R any](h *hourly, batch []R, of identity[R]) {
	counts := map[int64]int64{}
	for i := range batch {
		counts[hourOf(of.start(&batch[i]))] += of.count(&batch[i])
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for at, n := range counts {
		h.n[at] += n
	}
}

// slices are the hours with records, in order.
func (h *hourly) slices() (out []hunt.Slice) {
	for _, at := range slices.Sorted(maps.Keys(h.n)) {
		out = append(out, hunt.Slice{Start: time.UnixMilli(at).UTC(), End: time.UnixMilli(at + hourMS).UTC(), Expected: h.n[at], Read: h.n[at]})
	}
	return out
}
