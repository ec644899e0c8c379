package zeek

import (
	"fmt"
	"sync"

	"dwell/internal/hunt"
	"dwell/query/once"
	"dwell/query/zeek/log"
)

// openSet has the connections that had not ended when they were last logged, each once: the logs repeat them every
// hour, and the last record counts. They are few, since they are logged only after minutes or an hour.
type openSet struct {
	mu    sync.Mutex
	byUID map[hunt.UID]*openConn
	// nameless have no uid, so nothing shows whether they repeat.
	nameless []*openConn
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

// handOn passes on the connections that stayed open and reach into the window, and reports them. By then those that
// were also logged at their end are known.
func (o *openSet) handOn(r *log.Report, known *once.Set, reaches func(*hunt.Connection) bool, emit func([]hunt.Connection) error) (n int64, err error) {
	var batch []hunt.Connection
	take := func(c *openConn) {
		if known.Came(&c.conn) || !reaches(&c.conn) {
			return
		}
		c.file.Emitted++
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
		r.Note(hunt.Note{What: fmt.Sprintf("connections still open when last logged: %d; they count with the duration they had then", n)})
	}
	return n, nil
}
