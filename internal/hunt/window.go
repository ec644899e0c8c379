package hunt

import (
	"fmt"
	"time"
)

// Window is a half-open time span, [Start, End), UTC, in whole milliseconds. A connection belongs to it if it starts in
// it.
type Window struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
}

// NewWindow truncates both ends to milliseconds UTC, the resolution of connections in both sources.
func NewWindow(start, end time.Time) (Window, error) {
	w := Window{Start: start.UTC().Truncate(time.Millisecond), End: end.UTC().Truncate(time.Millisecond)}
	if !w.End.After(w.Start) {
		return Window{}, fmt.Errorf("window ends at %s, which is not after its start %s",
			w.End.Format(time.RFC3339), w.Start.Format(time.RFC3339))
	}
	return w, nil
}

// Duration is the window's length.
func (w Window) Duration() time.Duration { return w.End.Sub(w.Start) }

// Contains reports whether a connection that started at ms (Unix milliseconds) belongs to the window.
func (w Window) Contains(ms int64) bool {
	return ms >= w.Start.UnixMilli() && ms < w.End.UnixMilli()
}

// String is the window as two RFC 3339 times.
func (w Window) String() string {
	return w.Start.Format(time.RFC3339) + "/" + w.End.Format(time.RFC3339)
}

// ReadFrom is where reading must start to reproduce RITA's numbers. RITA takes the 24 hours before the newest
// connection and starts at the full hour in which they begin, so a window of 24 h needs up to an hour before it. What
// is before Start counts only for RITA's five numbers. Windows under 24 h have no margin: RITA's would start at their
// first connection.
func (w Window) ReadFrom() time.Time {
	const day = 24 * time.Hour
	if w.Duration() < day {
		return w.Start
	}
	if hour := w.End.Add(-day - time.Millisecond).Truncate(time.Hour); hour.Before(w.Start) {
		return hour
	}
	return w.Start
}
