package schedule

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"dwell/internal/hunt"
)

// Job hunts windows.
type Job interface {
	// Done gives the ends of the windows that were hunted and stored already, of those that end after since.
	Done(ctx context.Context, since time.Time) (ends []time.Time, err error)
	// Hunt hunts one window and stores what it found. A hunt that is incomplete and says so is no error.
	Hunt(ctx context.Context, w hunt.Window) error
	// Waiting says whether something is held that the cluster would not take: it is then asked again each minute.
	Waiting() bool
}

// Options of a Runner.
type Options struct {
	Schedule Schedule
	// Window is how long each window is, Settle how long ago it has to be over.
	Window, Settle time.Duration
	// CatchUp is how many windows are made up for after downtime.
	CatchUp int
	Logger  *slog.Logger
	// Watch hears what happens; it must not block.
	Watch Watch
}

// Watch hears of what a Runner does: for metrics and readiness.
type Watch interface {
	// Began and Ended frame the hunt of one window; err is what it failed with.
	Began(w hunt.Window)
	Ended(w hunt.Window, took time.Duration, err error)
	// Looked says whether it could be found out what is due; due is how many windows are.
	Looked(due int, err error)
	// Missed says that so many windows are older than is caught up for.
	Missed(n int)
}

// Runner hunts by a schedule, one window after the other, oldest first: never two at once.
type Runner struct {
	job Job
	o   Options
	// last is what was said of the last trouble, so that the same is not said again every time.
	last string
	// told is up to where missed windows were told.
	told time.Time
}

// The pause after a failed hunt doubles from firstPause to lastPause.
const (
	firstPause = time.Minute
	lastPause  = 15 * time.Minute
)

// New makes a runner.
func New(job Job, o Options) *Runner { return &Runner{job: job, o: o} }

// Run hunts until ctx ends, and then returns nil. A hunt under way is abandoned: its window is open and will be hunted
// again. What is due is asked of the store each time, so nothing is lost or done twice over a restart.
func (r *Runner) Run(ctx context.Context) error {
	pause := firstPause
	for {
		err := r.round(ctx)
		if ctx.Err() != nil {
			return nil
		}
		now := time.Now()
		wait := r.o.Schedule.Next(now.Add(-r.o.Settle)).Add(r.o.Settle).Sub(now)
		if err != nil {
			cause := err.Error()
			if inner := errors.Unwrap(err); inner != nil {
				cause = inner.Error() // without the window, which moves on
			}
			if cause != r.last {
				r.o.Logger.Warn("the hunt will be tried again", "error", err, "pause", pause.String())
				r.last = cause
			}
			wait, pause = min(pause, wait), min(2*pause, lastPause)
		} else {
			if r.job.Waiting() {
				wait = min(wait, time.Minute)
			}
			if r.last != "" {
				r.o.Logger.Info("hunting goes on: the trouble is over", "was", r.last)
			}
			r.last, pause = "", firstPause
		}
		select {
		case <-time.After(max(wait, time.Second)):
		case <-ctx.Done():
			return nil
		}
	}
}

// round hunts all windows that are due.
func (r *Runner) round(ctx context.Context) error {
	ends, err := r.due(ctx)
	r.o.Watch.Looked(len(ends), err)
	if err != nil {
		return fmt.Errorf("look what is due: %w", err)
	}
	for i, e := range ends {
		w, err := hunt.NewWindow(e.Add(-r.o.Window), e)
		if err != nil {
			return err
		}
		begun := time.Now()
		r.o.Watch.Began(w)
		err = r.job.Hunt(ctx, w)
		r.o.Watch.Ended(w, time.Since(begun), err)
		if err != nil {
			return fmt.Errorf("hunt %s: %w", w, err)
		}
		r.o.Watch.Looked(len(ends)-i-1, nil)
	}
	return nil
}

// due asks which windows are still to be hunted. Without any hunt before, that is the newest alone.
func (r *Runner) due(ctx context.Context) ([]time.Time, error) {
	now := time.Now()
	newest := end(now, r.o.Settle)
	horizon := newest.Add(-r.o.Window - 31*24*time.Hour)
	done, err := r.job.Done(ctx, horizon)
	if err != nil {
		return nil, err
	}
	hunted := make(map[time.Time]bool, len(done))
	var last time.Time
	for _, e := range done {
		if e = e.UTC(); !e.Equal(e.Truncate(time.Hour)) {
			continue // somebody's own hunt, by hand or by the timer: windows before it may still be open
		}
		hunted[e] = true
		if e.After(last) && !e.After(newest) {
			last = e
		}
	}
	if last.IsZero() {
		return []time.Time{newest}, nil
	}
	ends, left := due(r.o.Schedule, last, now, r.o.Settle, max(r.o.CatchUp, 1))
	if left > 0 && newest.After(r.told) {
		r.told = newest
		r.o.Watch.Missed(left)
		r.o.Logger.Warn("windows were missed and are not made up for", "windows", left, "catch_up", r.o.CatchUp)
	}
	var open []time.Time
	for _, e := range ends {
		if !hunted[e] {
			open = append(open, e)
		}
	}
	return open, nil
}
