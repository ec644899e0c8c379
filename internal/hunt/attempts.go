package hunt

import "time"

// Past is what is known of the tries of one hunt; the zero value is a hunt that was never carried out.
type Past struct {
	// Done says that the newest try was complete and saw connections.
	Done bool
	// Tries is how many tries at the end of the list were not, Last when the last of them was.
	Tries int
	Last  time.Time
}

// Add takes a later try in.
func (p *Past) Add(d *Document) { p.Try(d.Settled(), d.Event.Ingested.Time) }

// Try takes a later try in by what came of it.
func (p *Past) Try(done bool, at time.Time) {
	if done {
		*p = Past{Done: true}
		return
	}
	p.Done, p.Tries, p.Last = false, p.Tries+1, at
}

// Settled says that hunting the window again would find nothing more: all of it was read, and something was there. A window
// without any connection may be one whose records are late.
func (d *Document) Settled() bool { return d.Dwell.Hunt.Complete && d.Dwell.Hunt.Connections > 0 }
