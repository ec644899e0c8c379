// Package schedule decides when to hunt which windows, and runs those hunts for as long as the service runs
// ([Runner]).
//
// Windows end at full hours UTC, so that the same window is the same hunt, whoever asks for it and whenever.
package schedule

import (
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"dwell/internal/config"
)

// Schedule gives the times at which something is due.
type Schedule interface {
	// Next is the first time after t, UTC.
	Next(t time.Time) time.Time
}

// Parse reads an interval of whole minutes ("1h", "90m"), which falls due at its multiples since midnight UTC of 1 January
// 1970, or five cron fields in UTC ("15 */2 * * *").
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

// end is where the newest window ends that can be hunted at t: the full hour that was over at least settle ago.
func end(t time.Time, settle time.Duration) time.Time {
	return t.UTC().Add(-settle).Truncate(time.Hour)
}

// horizon is how far back it is looked for what was hunted.
const horizon = 31 * 24 * time.Hour

// ends gives where the windows end that fell due in the horizon up to now, in order of time, each once: the window of a time
// ends at the full hour at or before it, and is hunted once it is over for the settle delay. There is always one: the newest.
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
