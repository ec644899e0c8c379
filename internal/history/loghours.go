package history

import (
	"sync"

	"dwell/internal/hunt"
)

// loghours counts the hours of a window, from its start, in which a log has kept records. Records out of scope are not
// kept, so it counts too few rather than too many.
type loghours struct {
	log        string
	begin, end int64

	mu    sync.Mutex
	hours map[int64]struct{}
	first int64
	last  int64
}

func newLoghours(log string, w hunt.Window) *loghours {
	return &loghours{log: log, begin: w.Start.UnixMilli(), end: w.End.UnixMilli(), hours: map[int64]struct{}{}}
}

// note adds records that start at some moments.
func note[R any](l *loghours, batch []R, start func(*R) (int64, bool)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := int64(-1)
	for i := range batch {
		at, is := start(&batch[i])
		if !is || at < l.begin || at >= l.end {
			continue
		}
		if h := (at - l.begin) / hourMS; h != before {
			l.hours[h], before = struct{}{}, h
		}
		if l.first == 0 || at < l.first {
			l.first = at
		}
		l.last = max(l.last, at)
	}
}

// coverage is the coverage of the logs with records.
func coverage(logs ...*loghours) (out []hunt.LogHours) {
	for _, l := range logs {
		if len(l.hours) > 0 {
			out = append(out, hunt.LogHours{Log: l.log, Hours: int64(len(l.hours)), First: l.first, Last: l.last})
		}
	}
	return out
}
