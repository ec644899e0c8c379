package history

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"dwell/internal/hunt"
)

// opens are connections of an archive that may be open: later logs end them, or say more of them.
type opens struct {
	// before were open when the logs were read before.
	before map[hunt.Ends]hunt.Connection

	mu    sync.Mutex
	now   map[hunt.Ends]hunt.Connection
	ended map[hunt.Ends]bool
}

func newOpens(list []hunt.Connection) *opens {
	o := &opens{before: map[hunt.Ends]hunt.Connection{}, now: map[hunt.Ends]hunt.Connection{}, ended: map[hunt.Ends]bool{}}
	for _, c := range list {
		o.before[c.Ends()] = c
	}
	return o
}

// take takes open connections out of a batch, and notes which of the known ones have ended.
func (o *opens) take(batch []hunt.Connection) []hunt.Connection {
	return slices.DeleteFunc(batch, func(c hunt.Connection) bool {
		at := c.Ends()
		was, known := o.before[at]
		open := c.State == hunt.StateOpen && c.OrigIPBytes < 0 && c.OrigBytes < 0 // open_conn logs say more: they are records
		if !open && (!known || c.Start > was.Start+1000 || c.Start+max(c.Duration, 0)+hunt.OpenIdle.Milliseconds() < was.Start) {
			return false
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		if !open {
			o.ended[at] = true
			return false
		}
		if have, ok := o.now[at]; !ok || c.Start < have.Start {
			c.UID, c.Duration = hunt.UID{}, 0
			o.now[at] = c
		}
		return true
	})
}

// list are those that are still open, the oldest first. Young ones count only where their records can be there: not
// after a reading with a gap, and not if they are many.
func (o *opens) list(r *hunt.Reading) []hunt.Connection {
	young := func(c *hunt.Connection) bool { return r.ConnEnd-c.Start < hunt.OpenAge.Milliseconds() }
	n := 0
	for _, c := range o.now {
		if young(&c) {
			n++
		}
	}
	if len(r.Gaps) > 0 || float64(n) > max(hunt.OpenShare*float64(r.Connections), 1) {
		maps.DeleteFunc(o.now, func(_ hunt.Ends, c hunt.Connection) bool { return young(&c) })
	}
	for at, c := range o.before {
		if have, ok := o.now[at]; !o.ended[at] && (!ok || c.Start < have.Start) {
			o.now[at] = c
		}
	}
	return slices.SortedFunc(maps.Values(o.now), func(a, b hunt.Connection) int { return cmp.Compare(a.Start, b.Start) })
}

// stillOpen are the connections of a window that are still open, up to the end of the conn logs. As without history, a
// look at one host has none.
func (in *Inputs) stillOpen(req *hunt.Request, w hunt.Window) (out []hunt.Connection) {
	if req.Scope.Narrowed() {
		return nil
	}
	for _, c := range in.Open {
		c.Duration = in.ConnEnd - c.Start
		begins, ends := time.UnixMilli(c.Start), time.UnixMilli(in.ConnEnd)
		if c.Duration >= hunt.OpenAge.Milliseconds() && req.Scope.Keep(c.Src, c.Dst) && begins.Before(w.End) && ends.After(w.Start) && begins.After(w.Start.Add(-req.Back())) {
			out = append(out, c)
		}
	}
	return out
}
