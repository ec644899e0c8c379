package hunt

import (
	"fmt"
	"time"
)

// Window is a span of time that a hunt looks at: half-open, [Start, End), UTC, whole milliseconds.
// A connection belongs to it when the connection's start does.
type Window struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
}

// NewWindow cuts both ends to whole milliseconds UTC, the resolution in which both sources give connections.
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

// Contains says whether a connection that started at ms (Unix milliseconds) belongs to the window.
func (w Window) Contains(ms int64) bool {
	return ms >= w.Start.UnixMilli() && ms < w.End.UnixMilli()
}

// String gives the window as analysts write it: two RFC 3339 times.
func (w Window) String() string {
	return w.Start.Format(time.RFC3339) + "/" + w.End.Format(time.RFC3339)
}

// ReadFrom is where reading has to begin so that RITA's numbers come out as RITA's: RITA takes the 24 hours
// before the newest connection and then starts at the hour in which they begin, so up to an hour before a
// window of 24 h is read too. What lies before Start counts for RITA's five numbers and for nothing else.
// Windows shorter than 24 h have no such margin: RITA's would begin at their first connection.
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
