package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"dwell/internal/hunt"
)

// progress keeps one line on stderr up to date while a source is read: how far, how fast, how long to go.
type progress struct {
	w     io.Writer
	now   func() time.Time
	mu    sync.Mutex
	begun time.Time
	shown time.Time
	drawn bool
}

// newProgress gives nil, on which every method does nothing, where nobody is looking.
func newProgress(a *app) *progress {
	if !a.ErrTTY || a.quiet {
		return nil
	}
	return &progress{w: a.Err, now: a.Now, begun: a.Now()}
}

// update is safe from many goroutines; it draws at most ten times a second.
func (p *progress) update(at hunt.Progress) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if now.Sub(p.shown) < 100*time.Millisecond {
		return
	}
	p.shown, p.drawn = now, true
	elapsed := now.Sub(p.begun).Seconds()
	text := "reading"
	if at.Connections > 0 { // logs of names have none
		text += fmt.Sprintf(": %s connections", hunt.Count(at.Connections))
		if elapsed > 0.5 {
			text += fmt.Sprintf(", %s/s", hunt.Count(int64(float64(at.Connections)/elapsed)))
		}
	}
	if at.Total > 0 && at.Done > 0 {
		text += fmt.Sprintf(", %d%% of %s", 100*at.Done/at.Total, at.Unit)
		text += ", " + hunt.Seconds(elapsed/float64(at.Done)*float64(at.Total-at.Done)) + " to go"
	}
	fmt.Fprintf(p.w, "\r\x1b[K%s", text)
}

// done takes the line away.
func (p *progress) done() {
	if p == nil || !p.drawn {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprint(p.w, "\r\x1b[K")
}
