package schedule

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"dwell/internal/es"
	"dwell/internal/hunt"
)

// Job hunts windows.
type Job interface {
	// Clock returns the time that decides which windows are over: the cluster's, with this host's beside it.
	Clock(ctx context.Context) (es.Clock, error)
	// Past returns, by window end, what is known of the hunts that Hunt would run over these windows: those exact
	// hunts, not others over the same time. Windows never hunted are absent.
	Past(ctx context.Context, windows []hunt.Window) (map[time.Time]hunt.Past, error)
	// Hunt hunts one window and stores its findings. done is false if it must be tried again although there was no
	// error: it was incomplete or empty.
	Hunt(ctx context.Context, w hunt.Window) (done bool, err error)
	// Waiting reports whether data waits for upload. The cluster is then tried every minute.
	Waiting() bool
}

// Options of a Runner.
type Options struct {
	Schedule Schedule
	// Window is the length of a window, Settle how long ago it must have ended.
	Window, Settle time.Duration
	// CatchUp is how many of the newest windows are caught up on; at least 1.
	CatchUp int
	Logger  *slog.Logger
	// Watch is notified of events; it must not block.
	Watch Watch
}

// Watch is notified of what a Runner does, for metrics and readiness.
type Watch interface {
	// Clock reports a reading of the cluster's clock.
	Clock(c es.Clock)
	// Ended reports that a window was hunted; err is why that failed, or nil.
	Ended(w hunt.Window, took time.Duration, err error)
	// Looked reports how many windows are to be hunted now or later. err is why that is unknown, or why a window cannot
	// be hunted.
	Looked(due int, err error)
	// Missed reports n windows that are too old to catch up on.
	Missed(n int)
}

// SkewError means that the clocks differ too much to tell which windows are over.
type SkewError struct{ es.Clock }

// Error states the difference.
func (e *SkewError) Error() string {
	return fmt.Sprintf("this host's clock is %s the cluster's: nothing is scheduled while they are more than %s apart; let both follow the same time server",
		e.Difference(), es.MaxSkew)
}

// After a failure to find out what is due, the pause doubles from firstPause to lastPause.
const (
	firstPause = time.Minute
	lastPause  = 15 * time.Minute
	// stall is how long a hunt may run without a sign of life.
	stall = time.Hour
)

// retryPauses are the pauses before each retry of an incomplete or empty window; after the last one it stays as it is.
// failurePauses is the same for a window that could not be hunted at all; its last pause repeats as long as the window
// is caught up on.
var (
	retryPauses   = []time.Duration{5 * time.Minute, 30 * time.Minute, 3 * time.Hour}
	failurePauses = []time.Duration{time.Minute, 5 * time.Minute, 30 * time.Minute, 3 * time.Hour}
)

// Runner hunts by a schedule, one window at a time.
type Runner struct {
	job Job
	mu  sync.Mutex
	o   Options
	// wake ends a pause early. until is the deadline for the next sign of life.
	wake  chan struct{}
	until time.Time

	// tried is what this process knows of windows, by window end.
	tried map[time.Time]*tried
	// lastError is the last error logged, so that it is not repeated.
	lastError string
	// reported is the window end up to which missed windows were reported.
	reported time.Time
}

// tried is the state of a window that this process hunted.
type tried struct {
	past hunt.Past
	// failed is the number of failures in a row, err the last error, next the earliest retry.
	failed int
	err    error
	next   time.Time
}

// New returns a Runner. [Runner.Run] starts it.
func New(job Job, o Options) *Runner {
	return &Runner{job: job, o: o, wake: make(chan struct{}, 1), tried: map[time.Time]*tried{}, until: time.Now().Add(stall)}
}

// Set replaces the options, for example after a configuration reload, and checks what is due. A hunt under way
// continues.
func (r *Runner) Set(o Options) {
	r.mu.Lock()
	r.o = o
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Heartbeat is a sign of life of the hunt under way.
func (r *Runner) Heartbeat() { r.signal(stall) }

// Alive reports whether the runner is waiting, or hunting with signs of life.
func (r *Runner) Alive() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Now().Before(r.until)
}

// signal is a sign of life: the next is due within d.
func (r *Runner) signal(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.until = time.Now().Add(d)
}

func (r *Runner) options() Options {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.o
}

// Run hunts until ctx ends, then returns nil. A hunt under way is abandoned, and its window hunted again later. The
// store decides what is due, so a restart neither loses nor repeats a window.
func (r *Runner) Run(ctx context.Context) error {
	pause := firstPause
	for {
		r.signal(stall)
		o := r.options()
		wait, err := r.round(ctx, &o)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			r.logChange(&o, err, "pause", pause.String())
			wait, pause = pause, min(2*pause, lastPause)
		} else {
			pause = firstPause
		}
		if r.job.Waiting() {
			wait = min(wait, time.Minute)
		}
		wait = max(wait, time.Second)
		r.signal(wait + stall)
		select {
		case <-time.After(wait):
		case <-r.wake:
		case <-ctx.Done():
			return nil
		}
	}
}

// logChange logs an error when it first occurs and when it changes.
func (r *Runner) logChange(o *Options, err error, args ...any) {
	cause := err.Error()
	if inner := errors.Unwrap(err); inner != nil {
		cause = inner.Error() // without the window, which changes each time
	}
	// Ignore digits: times and counts differ although the error is the same.
	cause = strings.Map(func(c rune) rune {
		if unicode.IsDigit(c) {
			return -1
		}
		return c
	}, cause)
	if cause != r.lastError {
		o.Logger.Warn("the hunt will be tried again", append([]any{"error", err}, args...)...)
		r.lastError = cause
	}
}

// round hunts the windows that are due, and returns how long to wait. An error means that nothing can be done now. A
// window that fails is retried later and the next one is hunted, unless the cluster cannot be reached at all.
func (r *Runner) round(ctx context.Context, o *Options) (wait time.Duration, err error) {
	open, now, err := r.findDue(ctx, o)
	if err != nil {
		o.Watch.Looked(0, err)
		return 0, fmt.Errorf("determine what is due: %w", err)
	}
	ready := slices.DeleteFunc(slices.Clone(open), func(w hunt.Window) bool { return r.tried[w.End].next.After(time.Now()) })
	// Failed windows come last, so that one that brings the cluster down does not block the others.
	slices.SortStableFunc(ready, func(a, b hunt.Window) int { return cmp.Compare(r.tried[a.End].failed, r.tried[b.End].failed) })
	o.Watch.Looked(len(open), r.failing(open))
	for _, w := range ready {
		if err := r.hunt(ctx, o, w); err != nil {
			open = r.unsettled(open)
			o.Watch.Looked(len(open), r.failing(open))
			if ctx.Err() != nil {
				return 0, ctx.Err()
			}
			if _, err := r.job.Clock(ctx); err != nil {
				return 0, fmt.Errorf("determine what is due: %w", err)
			}
			continue
		}
		open = r.unsettled(open)
		o.Watch.Looked(len(open), r.failing(open))
	}
	if r.lastError != "" && r.failing(open) == nil {
		o.Logger.Info("hunting resumes: the problem is solved", "was", r.lastError)
		r.lastError = ""
	}
	// Use the cluster's clock, which decides when a window is over.
	wait = o.Schedule.Next(now.Add(-o.Settle)).Add(o.Settle).Sub(now)
	for _, w := range open {
		wait = min(wait, time.Until(r.tried[w.End].next))
	}
	return wait, nil
}

// hunt hunts one window and records the outcome.
func (r *Runner) hunt(ctx context.Context, o *Options, w hunt.Window) error {
	t := r.tried[w.End]
	begun := time.Now()
	r.signal(stall)
	done, err := r.job.Hunt(ctx, w)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	o.Watch.Ended(w, time.Since(begun), err)
	if err != nil {
		pause := failurePauses[min(t.failed, len(failurePauses)-1)]
		t.failed, t.err, t.next = t.failed+1, fmt.Errorf("hunt %s: %w", w, err), time.Now().Add(pause)
		r.logChange(o, t.err, "window", w.String(), "pause", pause.String())
		return t.err
	}
	t.failed, t.err = 0, nil
	t.past.Try(done, time.Now())
	if finished(&t.past) && !done {
		o.Logger.Warn("the window stays incomplete or empty: it is not tried again", "window", w.String(), "tries", t.past.Tries)
	}
	t.next = due(&t.past)
	return nil
}

// finished reports whether a window is not to be hunted again; due is when it is to be.
func finished(p *hunt.Past) bool { return p.Done || p.Tries > len(retryPauses) }

func due(p *hunt.Past) time.Time {
	if p.Done || p.Tries == 0 {
		return time.Time{}
	}
	return p.Last.Add(retryPauses[min(p.Tries, len(retryPauses))-1])
}

// unsettled returns the windows that are not settled.
func (r *Runner) unsettled(open []hunt.Window) []hunt.Window {
	return slices.DeleteFunc(open, func(w hunt.Window) bool { t := r.tried[w.End]; return t.err == nil && finished(&t.past) })
}

// failing is the error of the first window that cannot be hunted.
func (r *Runner) failing(open []hunt.Window) error {
	for _, w := range open {
		if t := r.tried[w.End]; t.err != nil {
			return t.err
		}
	}
	return nil
}

// findDue returns the windows still to be hunted, oldest first, and the cluster's time.
func (r *Runner) findDue(ctx context.Context, o *Options) (open []hunt.Window, now time.Time, err error) {
	clock, err := r.job.Clock(ctx)
	if err != nil {
		return nil, now, err
	}
	o.Watch.Clock(clock)
	if clock.Off() > es.MaxSkew {
		return nil, now, &SkewError{clock}
	}
	now = clock.Now
	ends := o.ends(now)
	windows := make([]hunt.Window, len(ends))
	for i, e := range ends {
		if windows[i], err = hunt.NewWindow(e.Add(-o.Window), e); err != nil {
			return nil, now, err
		}
	}
	past, err := r.job.Past(ctx, windows)
	if err != nil {
		return nil, now, err
	}
	r.merge(ends, past)
	first := slices.IndexFunc(ends, func(e time.Time) bool { return r.tried[e].past != (hunt.Past{}) || r.tried[e].failed > 0 })
	if first < 0 { // nothing was ever hunted: start with the newest
		first = len(ends) - 1
	}
	// Catch up on holes among the newest windows, whatever was hunted after them; report older ones once.
	from := max(first, len(ends)-max(o.CatchUp, 1))
	r.missed(o, ends[first:from])
	return r.unsettled(windows[from:]), now, nil
}

// merge combines the store's state with this process's own: a hunt just stored may not be visible yet.
func (r *Runner) merge(ends []time.Time, past map[time.Time]hunt.Past) {
	known := make(map[time.Time]*tried, len(ends))
	for _, e := range ends {
		t := r.tried[e]
		if t == nil {
			t = &tried{}
		}
		p := past[e]
		if now := time.Now(); p.Last.After(now) { // by a clock that was ahead: the pause would last as long as it was
			p.Last = now
		}
		if !t.past.Done && (p.Done || p.Tries > t.past.Tries) {
			t.past, t.next = p, due(&p)
			if p.Done {
				t.failed, t.err = 0, nil
			}
		}
		known[e] = t
	}
	r.tried = known
}

// missed reports windows too old to catch up on, once: those after the last of them that was hunted.
func (r *Runner) missed(o *Options, ends []time.Time) {
	n := 0
	for i := len(ends) - 1; i >= 0 && ends[i].After(r.reported) && r.tried[ends[i]].past == (hunt.Past{}); i-- {
		n++
	}
	if n > 0 {
		r.reported = ends[len(ends)-1]
		o.Watch.Missed(n)
		o.Logger.Warn("windows were missed and will not be caught up", "windows", n, "catch_up", o.CatchUp)
	}
}
