package zeek

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sync"

	"dwell/internal/hunt"
	"dwell/query/zeek/log"
)

// openSet has the connections that had not ended when they were last logged: the logs repeat them every hour, and the
// last record counts. They are few, since they are logged only after minutes or an hour.
type openSet struct {
	mu    sync.Mutex
	byUID map[hunt.UID]*openConn
	// nameless have no uid.
	nameless []*openConn
	// begun are known only by what was said at their beginning.
	begun []hunt.Connection
}

type openConn struct {
	conn hunt.Connection
	file *log.File
}

func (o *openSet) add(c *hunt.Connection, f *log.File) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if c.UID == (hunt.UID{}) {
		o.nameless = append(o.nameless, &openConn{*c, f})
		return
	}
	have := o.byUID[c.UID]
	switch {
	case have == nil:
		o.byUID[c.UID] = &openConn{*c, f}
	case c.Duration > have.conn.Duration:
		have.conn, have.file = *c, f
	}
}

// same reports whether two open connections are one that two sensors, or two logs, saw.
func same(a, b *hunt.Connection) bool {
	return a.Start <= b.Start+b.Duration+hunt.Near && b.Start <= a.Start+a.Duration+hunt.Near
}

// join makes one connection of two records of it: what the first says, with the time of both.
func join(a, b *hunt.Connection) {
	end := max(a.Start+a.Duration, b.Start+b.Duration)
	a.Start = min(a.Start, b.Start)
	a.Duration = end - a.Start
}

// open are the connections that did not end, each once. By now those that were also logged at their end are known.
func (o *openSet) open(p *pass) (out []*openConn) {
	by := map[hunt.Ends][]*openConn{}
	take := func(c *openConn) {
		if p.once.Came(&c.conn) || c.conn.UID != (hunt.UID{}) && p.ended.Has(&c.conn) {
			return
		}
		at := c.conn.Ends()
		for _, have := range by[at] {
			if same(&have.conn, &c.conn) {
				join(&have.conn, &c.conn)
				return
			}
		}
		by[at] = append(by[at], c)
		out = append(out, c)
	}
	logged := slices.AppendSeq(slices.Clone(o.nameless), maps.Values(o.byUID))
	slices.SortFunc(logged, func(a, b *openConn) int { // the longest first: it knows most
		return cmp.Or(cmp.Compare(b.conn.Duration, a.conn.Duration), cmp.Compare(a.conn.Start, b.conn.Start), bytes.Compare(a.conn.UID[:], b.conn.UID[:]))
	})
	for _, c := range logged {
		take(c)
	}
	for _, c := range o.begun {
		take(&openConn{conn: c})
	}
	return out
}

// handOn passes on the connections that stayed open and reach into the window, and reports them.
func (o *openSet) handOn(r *log.Report, p *pass) error {
	var batch []hunt.Connection
	n := 0
	for _, c := range o.open(p) {
		switch {
		case !p.window.wants(&c.conn):
			continue
		case c.file != nil:
			c.file.Emitted++
			n++
		default:
			p.stillOpen++
		}
		batch = append(batch, c.conn)
	}
	if len(batch) == 0 {
		return nil
	}
	if err := p.take(batch); err != nil {
		return fmt.Errorf("hand on open connections: %w", err)
	}
	p.connections.Add(int64(len(batch)))
	if n > 0 {
		r.Note(hunt.Note{What: fmt.Sprintf("connections still open when last logged: %d; they count with the duration they had then, or up to the end of the conn logs if these have no record of them", n)})
	}
	return nil
}
