// Package schedule decides which windows to hunt when, and runs those hunts ([Runner]).
//
// Windows end at full hours UTC, so that a window is the same hunt regardless of who runs it and when.
package schedule

import (
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"dwell/internal/config"
)

// Schedule returns the times at which something is due.
type Schedule interface {
	// Next is the first time after t, UTC.
	Next(t time.Time) time.Time
}

// Parse reads an interval of whole minutes ("1h", "90m"), due at its multiples since 1970-01-01T00:00Z, or five cron
// fields in UTC ("15 */2 * * *").
func Parse(text string) (Schedule, error) {
	if fields := strings.Fields(text); len(fields) == 5 {
		s, err := cron.ParseStandard("TZ=UTC " + text)
		if err != nil {
			return nil, fmt.Errorf("serve.schedule: %w", err)
		}
		if s.Next(time.Unix(0, 0)).IsZero() {
			return nil, fmt.Errorf("serve.schedule: %q is never due", text)
		}
		return inUTC{s}, nil
	}
	d, err := config.ParseDuration(text)
	if err != nil {
		return nil, fmt.Errorf("serve.schedule: %q is neither an interval (1h) nor five cron fields (15 */2 * * *)", text)
	}
	if d < time.Minute || d%time.Minute != 0 {
		return nil, fmt.Errorf("serve.schedule: %q is not a whole number of minutes", text)
	}
	return every(d), nil
}

type inUTC struct{ cron.Schedule }

func (s inUTC) Next(t time.Time) time.Time { return s.Schedule.Next(t.UTC()).UTC() }

// every is an interval.
type every time.Duration

func (e every) Next(t time.Time) time.Time {
	d := int64(time.Duration(e) / time.Second)
	return time.Unix((t.Unix()/d+1)*d, 0).UTC()
}

// end is the end of the newest window that can be hunted at t: the last full hour at least settle ago.
func end(t time.Time, settle time.Duration) time.Time {
	return t.UTC().Add(-settle).Truncate(time.Hour)
}

// horizon is how far back the store is searched for past hunts.
const horizon = 31 * 24 * time.Hour

// ends returns the ends of the windows that fell due within the horizon, ascending, each once. The window of a due time
// ends at the full hour at or before it, and is hunted settle after its end. There is always at least one: the newest.
func (o *Options) ends(now time.Time) []time.Time {
	since := now.Add(-horizon)
	var ends []time.Time
	for t := o.Schedule.Next(since); !t.Add(o.Settle).After(now); t = o.Schedule.Next(t) {
		if e := t.UTC().Truncate(time.Hour); e.After(since) && (len(ends) == 0 || e.After(ends[len(ends)-1])) {
			ends = append(ends, e)
		}
	}
	if len(ends) == 0 {
		ends = append(ends, end(now, o.Settle))
	}
	return ends
}
