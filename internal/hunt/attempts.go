package hunt

import "time"

// Past sums up the attempts of one hunt, oldest first. The zero value is a hunt never run.
type Past struct {
	// Done reports whether the newest attempt was complete and saw connections.
	Done bool
	// Tries is the number of attempts since the last settled one; Last is when the newest of them was made.
	Tries int
	Last  time.Time
}

// early is how long before its window's end by this host's clock a hunt may be made and still be after it by the
// cluster's.
const early = 5 * time.Minute

// Add adds a later attempt by its document. One made before its window was over does not count: it missed the rest.
func (p *Past) Add(d *Document) {
	if d.Event.Ingested.Before(d.Dwell.Window.End.Add(-early)) {
		return
	}
	p.Try(d.Settled(), d.Event.Ingested.Time)
}

// Try adds a later attempt; done reports whether it settled the hunt.
func (p *Past) Try(done bool, at time.Time) {
	if done {
		*p = Past{Done: true}
		return
	}
	p.Done, p.Tries, p.Last = false, p.Tries+1, at
}

// Settled reports whether repeating the hunt would find nothing more: the whole window was read and has connections.
// Records of a window without any may still arrive.
func (d *Document) Settled() bool { return d.Dwell.Hunt.Complete && d.Dwell.Hunt.Connections > 0 }
