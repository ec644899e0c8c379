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
	// Clock gives the time by which windows are over: that of the cluster, beside this host's.
	Clock(ctx context.Context) (es.Clock, error)
	// Past gives, by their ends, what is known of the hunts that Hunt would carry out over these windows: of those very hunts,
	// not of any other over the same time. Windows that were never hunted are left out.
	Past(ctx context.Context, windows []hunt.Window) (map[time.Time]hunt.Past, error)
	// Hunt hunts one window and stores what it found. done is false where it is to be tried again, though it is no error: it
	// was incomplete, or there was nothing in it.
	Hunt(ctx context.Context, w hunt.Window) (done bool, err error)
	// Waiting says whether something is held that the cluster would not take: it is then asked again each minute.
	Waiting() bool
}

// Options of a Runner.
type Options struct {
	Schedule Schedule
	// Window is how long each window is, Settle how long ago it has to be over.
	Window, Settle time.Duration
	// CatchUp is how many of the newest windows are looked after; at least 1.
	CatchUp int
	Logger  *slog.Logger
	// Watch hears what happens; it must not block.
	Watch Watch
}

// Watch hears of what a Runner does: for metrics and readiness.
type Watch interface {
	// Clock says what the cluster's clock showed.
	Clock(c es.Clock)
	// Ended says that a window was hunted; err is what it failed with.
	Ended(w hunt.Window, took time.Duration, err error)
	// Looked says how many windows are to be hunted now or later, and the trouble that there is: what is due cannot be found
	// out, or a window cannot be hunted.
	Looked(due int, err error)
	// Missed says that so many windows are older than is caught up for.
	Missed(n int)
}

// SkewError means that the clocks are too far apart to say which windows are over.
type SkewError struct{ es.Clock }

// Error says by how much.
func (e *SkewError) Error() string {
	return fmt.Sprintf("this host's clock is %s the cluster's: nothing is scheduled while they are more than %s apart; let both follow the same time server",
		e.Difference(), es.MaxSkew)
}

// The pause after nothing could be found out doubles from firstPause to lastPause.
const (
	firstPause = time.Minute
	lastPause  = 15 * time.Minute
	// stall is how long a hunt may go on without a sign of life.
	stall = time.Hour
)

// again is how long after each try a window that was incomplete or empty is tried again; then it stays as it is. failing is the
// same for one that could not be hunted at all, whose last pause repeats for as long as it is caught up for.
var (
	again   = []time.Duration{5 * time.Minute, 30 * time.Minute, 3 * time.Hour}
	failing = []time.Duration{time.Minute, 5 * time.Minute, 30 * time.Minute, 3 * time.Hour}
)

// Runner hunts by a schedule, one window after the other: never two at once.
type Runner struct {
	job Job
	mu  sync.Mutex
	o   Options
	// wake ends a pause early; until is when the runner gives its next sign of life, if it lives.
	wake  chan struct{}
	until time.Time

	// tried is what this process knows of windows, by their ends.
	tried map[time.Time]*tried
	// last is what was said of the last trouble, so that the same is not said again every time.
	last string
	// told is up to where missed windows were told.
	told time.Time
}

// tried is a window that this process hunted.
type tried struct {
	past hunt.Past
	// failed is how often in a row hunting it failed, at what it failed last; next is when it may be tried again.
	failed int
	err    error
	next   time.Time
}

// New makes a runner.
func New(job Job, o Options) *Runner {
	return &Runner{job: job, o: o, wake: make(chan struct{}, 1), tried: map[time.Time]*tried{}, until: time.Now().Add(stall)}
}

// Set gives other options, such as those of a configuration that was read again, and looks what is due by them. A hunt under
// way goes on.
func (r *Runner) Set(o Options) {
	r.mu.Lock()
	r.o = o
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Beat is a sign of life of the hunt under way.
func (r *Runner) Beat() { r.sign(stall) }

// Alive says whether the runner waits, or hunts and gives signs of life.
func (r *Runner) Alive() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Now().Before(r.until)
}

// sign is a sign of life: the next comes before d has passed.
func (r *Runner) sign(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.until = time.Now().Add(d)
}

func (r *Runner) options() Options {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.o
}

// Run hunts until ctx ends, and then returns nil. A hunt under way is abandoned: its window is open and will be hunted
// again. What is due is asked of the store each time, so nothing is lost or done twice over a restart.
func (r *Runner) Run(ctx context.Context) error {
	pause := firstPause
	for {
		r.sign(stall)
		o := r.options()
		wait, err := r.round(ctx, &o)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			r.trouble(&o, err, "pause", pause.String())
			wait, pause = pause, min(2*pause, lastPause)
		} else {
			pause = firstPause
		}
		if r.job.Waiting() {
			wait = min(wait, time.Minute)
		}
		wait = max(wait, time.Second)
		r.sign(wait + stall)
		select {
		case <-time.After(wait):
		case <-r.wake:
		case <-ctx.Done():
			return nil
		}
	}
}

// trouble is logged when it begins and when it changes.
func (r *Runner) trouble(o *Options, err error, args ...any) {
	cause := err.Error()
	if inner := errors.Unwrap(err); inner != nil {
		cause = inner.Error() // without the window, which moves on
	}
	// Without figures: times and counts differ where the trouble is the same.
	cause = strings.Map(func(c rune) rune {
		if unicode.IsDigit(c) {
			return -1
		}
		return c
	}, cause)
	if cause != r.last {
		o.Logger.Warn("the hunt will be tried again", append([]any{"error", err}, args...)...)
		r.last = cause
	}
}

// round hunts the windows that are due, and says how long there is nothing to do. An error means that nothing can be done now.
// A window that fails is left for later and the next one is hunted, unless the cluster does not even tell its time.
func (r *Runner) round(ctx context.Context, o *Options) (wait time.Duration, err error) {
	open, now, err := r.look(ctx, o)
	if err != nil {
		o.Watch.Looked(0, err)
		return 0, fmt.Errorf("look what is due: %w", err)
	}
	ready := slices.DeleteFunc(slices.Clone(open), func(w hunt.Window) bool { return r.tried[w.End].next.After(time.Now()) })
	// What failed before comes last, so that a window that brings the cluster down is not the only one ever tried.
	slices.SortStableFunc(ready, func(a, b hunt.Window) int { return cmp.Compare(r.tried[a.End].failed, r.tried[b.End].failed) })
	o.Watch.Looked(len(open), r.failing(open))
	for _, w := range ready {
		if err := r.hunt(ctx, o, w); err != nil {
			open = r.still(open)
			o.Watch.Looked(len(open), r.failing(open))
			if ctx.Err() != nil {
				return 0, ctx.Err()
			}
			if _, err := r.job.Clock(ctx); err != nil {
				return 0, fmt.Errorf("look what is due: %w", err)
			}
			continue
		}
		open = r.still(open)
		o.Watch.Looked(len(open), r.failing(open))
	}
	if r.last != "" && r.failing(open) == nil {
		o.Logger.Info("hunting goes on: the trouble is over", "was", r.last)
		r.last = ""
	}
	// By the cluster's clock, since that says when a window is over.
	wait = o.Schedule.Next(now.Add(-o.Settle)).Add(o.Settle).Sub(now)
	for _, w := range open {
		wait = min(wait, time.Until(r.tried[w.End].next))
	}
	return wait, nil
}

// hunt hunts one window and keeps what came of it.
func (r *Runner) hunt(ctx context.Context, o *Options, w hunt.Window) error {
	t := r.tried[w.End]
	begun := time.Now()
	r.sign(stall)
	done, err := r.job.Hunt(ctx, w)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	o.Watch.Ended(w, time.Since(begun), err)
	if err != nil {
		pause := failing[min(t.failed, len(failing)-1)]
		t.failed, t.err, t.next = t.failed+1, fmt.Errorf("hunt %s: %w", w, err), time.Now().Add(pause)
		r.trouble(o, t.err, "window", w.String(), "pause", pause.String())
		return t.err
	}
	t.failed, t.err = 0, nil
	t.past.Try(done, time.Now())
	if over(&t.past) && !done {
		o.Logger.Warn("the window stays incomplete or empty: it is not tried again", "window", w.String(), "tries", t.past.Tries)
	}
	t.next = due(&t.past)
	return nil
}

// over says that a window is not hunted again, due when it is.
func over(p *hunt.Past) bool { return p.Done || p.Tries > len(again) }

func due(p *hunt.Past) time.Time {
	if p.Done || p.Tries == 0 {
		return time.Time{}
	}
	return p.Last.Add(again[min(p.Tries, len(again))-1])
}

// still are those of the windows that are not settled.
func (r *Runner) still(open []hunt.Window) []hunt.Window {
	return slices.DeleteFunc(open, func(w hunt.Window) bool { t := r.tried[w.End]; return t.err == nil && over(&t.past) })
}

// failing is the trouble of the first window that cannot be hunted.
func (r *Runner) failing(open []hunt.Window) error {
	for _, w := range open {
		if t := r.tried[w.End]; t.err != nil {
			return t.err
		}
	}
	return nil
}

// look finds out which windows are still to be hunted, oldest first, and gives the cluster's time.
func (r *Runner) look(ctx context.Context, o *Options) (open []hunt.Window, now time.Time, err error) {
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
	if first < 0 { // nothing was ever hunted: begin with the newest
		first = len(ends) - 1
	}
	// Holes are made up for among the newest windows, whatever was hunted after them; older ones are told once.
	from := max(first, len(ends)-max(o.CatchUp, 1))
	r.missed(o, ends[first:from])
	return r.still(windows[from:]), now, nil
}

// merge takes in what the store knows, beside what this process does: what was hunted a moment ago may not be seen there yet.
func (r *Runner) merge(ends []time.Time, past map[time.Time]hunt.Past) {
	known := make(map[time.Time]*tried, len(ends))
	for _, e := range ends {
		t := r.tried[e]
		if t == nil {
			t = &tried{}
		}
		if p := past[e]; !t.past.Done && (p.Done || p.Tries > t.past.Tries) {
			t.past, t.next = p, due(&p)
			if p.Done {
				t.failed, t.err = 0, nil
			}
		}
		known[e] = t
	}
	r.tried = known
}

// missed tells of windows that are too old to be made up for: those after the last one hunted of them.
func (r *Runner) missed(o *Options, ends []time.Time) {
	n := 0
	for i := len(ends) - 1; i >= 0 && ends[i].After(r.told) && r.tried[ends[i]].past == (hunt.Past{}); i-- {
		n++
	}
	if n > 0 {
		r.told = ends[len(ends)-1]
		o.Watch.Missed(n)
		o.Logger.Warn("windows were missed and are not made up for", "windows", n, "catch_up", o.CatchUp)
	}
}
