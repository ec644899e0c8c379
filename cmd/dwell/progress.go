package main

import (
	"fmt"
	"io"
	"math"
	"sync"
	"time"

	"dwell/internal/hunt"
)

// progress updates a line on stderr while a source is read: share, rate and remaining time.
type progress struct {
	w     io.Writer
	now   func() time.Time
	mu    sync.Mutex
	begun time.Time
	shown time.Time
	drawn bool
	// kind is what is being read, phase how many kinds that makes, last how far the phase was.
	kind  string
	phase int
	last  int64
}

// newProgress returns nil, whose methods do nothing, unless stderr is a terminal that can erase a line.
func newProgress(a *app) *progress {
	if !a.ErrTTY || a.quiet || a.dumb() {
		return nil
	}
	return &progress{w: a.Err, now: a.Now, begun: a.Now()}
}

// patience is how long a phase runs before its end is estimated.
const patience = 5.0 // seconds

// update is safe from many goroutines; it draws at most ten times a second. A source begins again with each kind of
// log: then the phase does.
func (p *progress) update(at hunt.Progress) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	kind := "logs of names" // they count no connections
	if at.Connections > 0 {
		kind = "connections"
	}
	if kind != p.kind || at.Done < p.last {
		p.kind, p.begun, p.phase = kind, now, p.phase+1
	}
	p.last = at.Done
	if now.Sub(p.shown) < 100*time.Millisecond {
		return
	}
	p.shown, p.drawn = now, true
	elapsed := now.Sub(p.begun).Seconds()
	text := fmt.Sprintf("step %d: reading %s", p.phase, kind)
	if at.Connections > 0 {
		text += fmt.Sprintf(": %s", hunt.Count(at.Connections))
		if elapsed > 0.5 {
			text += fmt.Sprintf(", %s/s", hunt.Count(int64(float64(at.Connections)/elapsed)))
		}
	}
	switch {
	case at.Total > 0 && at.Done >= at.Total:
		text += ", scoring" // all is read: what follows has no measure
	case at.Total > 0 && at.Done > 0:
		text += fmt.Sprintf(", %d%% of %s", 100*at.Done/at.Total, at.Unit)
		if elapsed > patience {
			text += ", " + hunt.Brief(math.Ceil(elapsed/float64(at.Done)*float64(at.Total-at.Done))) + " left in this step"
		}
	}
	fmt.Fprintf(p.w, "\r\x1b[K%s", text)
}

// done clears the line.
func (p *progress) done() {
	if p == nil || !p.drawn {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprint(p.w, "\r\x1b[K")
}
