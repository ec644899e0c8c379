package zeek

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"dwell/internal/hunt"
)

// openConn is a connection that had not ended when it was last logged.
type openConn struct {
	conn hunt.Connection
	file *logFile
	// closed says that conn.log has it too, with its end.
	closed atomic.Bool
}

// openSet holds the open connections, each once: the logs repeat them every hour, and the last time counts. They are
// few, because they are logged only after minutes or an hour, so they are held in memory.
type openSet struct {
	mu    sync.Mutex
	byUID map[hunt.UID]*openConn
	// nameless have no uid, so nothing can tell whether they come again.
	nameless []*openConn
}

// add takes a batch of one file.
func (o *openSet) add(f *logFile, batch []hunt.Connection) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range batch {
		c := &batch[i]
		if c.UID == (hunt.UID{}) {
			o.nameless = append(o.nameless, &openConn{conn: *c, file: f})
			continue
		}
		have := o.byUID[c.UID]
		switch {
		case have == nil:
			o.byUID[c.UID] = &openConn{conn: *c, file: f}
		case c.Duration > have.conn.Duration:
			have.conn, have.file = *c, f
		}
	}
}

// close notes that a connection has come to its end after all. It is called from several goroutines, when nothing is
// added any more.
func (o *openSet) close(uid hunt.UID) {
	if c := o.byUID[uid]; c != nil {
		c.closed.Store(true)
	}
}

// readOpen reads the logs of open connections.
func (s *Source) readOpen(ctx context.Context, base scan, files []*logFile) (*openSet, error) {
	set := &openSet{byUID: map[hunt.UID]*openConn{}}
	base.from, base.to = always()
	base.spanOnly = false
	base.connections = new(atomic.Int64)
	for _, f := range files {
		pass := base
		pass.take = func(batch []hunt.Connection) error {
			set.add(f, batch)
			return nil
		}
		if err := pass.run(ctx, []*logFile{f}); err != nil {
			return nil, err
		}
		f.tally.emitted = 0
	}
	return set, nil
}

// handOn emits the connections that stayed open and began in [from, to), and tells of them.
func (o *openSet) handOn(from, to int64, r *report, emit func([]hunt.Connection) error) (n int64, err error) {
	var batch []hunt.Connection
	var earlier int64
	var longest *openConn
	take := func(c *openConn) {
		if c.closed.Load() || c.conn.Start >= to {
			return
		}
		if c.conn.Start < from {
			// What ended before the window is no concern of it.
			if c.conn.Start+c.conn.Duration < from {
				return
			}
			earlier++
			if longest == nil || c.conn.Duration > longest.conn.Duration {
				longest = c
			}
			return
		}
		c.file.tally.emitted++
		batch = append(batch, c.conn)
	}
	for _, c := range o.byUID {
		take(c)
	}
	for _, c := range o.nameless {
		take(c)
	}
	if n = int64(len(batch)); n > 0 {
		if err := emit(batch); err != nil {
			return 0, fmt.Errorf("hand on open connections: %w", err)
		}
		r.note(hunt.Note{What: fmt.Sprintf("connections still open when last logged: %d; they count with the duration they had then", n), Count: n})
	}
	if longest != nil {
		c := &longest.conn
		r.note(hunt.Note{What: fmt.Sprintf("open connections that began before the window and do not count: %d; the longest is %s > %s port %d, since %s",
			earlier, c.Src, c.Dst, c.DstPort, time.UnixMilli(c.Start).UTC().Format(time.RFC3339)),
			Hint: "begin the window earlier to have them scored", Count: earlier})
	}
	return n, nil
}
