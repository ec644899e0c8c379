package zeek

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"dwell/internal/hunt"
	"dwell/query/once"
	"dwell/query/zeek/log"
)

// openSet holds the connections that had not ended when they were last logged, each once: the logs repeat them every
// hour, and the last time counts. They are few, because they are logged only after minutes or an hour.
type openSet struct {
	mu    sync.Mutex
	byUID map[hunt.UID]*openConn
	// nameless have no uid, so nothing can tell whether they come again.
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

// handOn emits the connections that stayed open and reach into the window, and tells of them. Those that came with their
// end, too, are known by then.
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

// pieces joins what Zeek logs of a connection whose beginning it missed: a record for every packet or every few, with
// one five-tuple. That is one connection. Parts of a log are parsed side by side, so pieces come in any order.
type pieces struct {
	mu   sync.Mutex
	of   map[fiveTuple][]held
	size int
	// joined are records that were joined with another.
	joined int64
}

type fiveTuple struct {
	src, dst         netip.Addr
	srcPort, dstPort uint16
}

const (
	// apart is how far two pieces of a connection may be from each other: Zeek forgets a silent one after five minutes.
	apart = 5 * 60 * 1000
	// maxPieces bounds how many connections wait for more of them, maxParts how many of one five-tuple.
	maxPieces = 1 << 16
	maxParts  = 64
)

// add takes a record of the middle of a connection; false when too many wait, and it is to be handed on as it is.
func (p *pieces) add(c *hunt.Connection, f *log.File) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	k := fiveTuple{c.Src, c.Dst, c.SrcPort, c.DstPort}
	waits := p.of[k]
	for i := range waits {
		if join(&waits[i].conn, c) {
			p.joined++
			return true
		}
	}
	if p.size >= maxPieces || len(waits) >= maxParts {
		return false
	}
	p.size++
	p.of[k] = append(waits, held{*c, f})
	return true
}

// join puts a piece to a connection that it belongs to by its time.
func join(to, c *hunt.Connection) bool {
	end, last := to.Start+max(to.Duration, 0), c.Start+max(c.Duration, 0)
	if c.Start > end+apart || last < to.Start-apart {
		return false
	}
	to.Start = min(to.Start, c.Start)
	to.Duration = max(end, last) - to.Start
	for _, n := range [...]struct {
		to   *int64
		more int64
	}{{&to.OrigBytes, c.OrigBytes}, {&to.RespBytes, c.RespBytes}, {&to.OrigIPBytes, c.OrigIPBytes}} {
		if n.more >= 0 {
			*n.to = max(*n.to, 0) + n.more
		}
	}
	return true
}

// rest are the connections that wait.
func (p *pieces) rest(r *log.Report) (out []held) {
	for _, waits := range p.of {
		slices.SortFunc(waits, func(a, b held) int { return cmp.Compare(a.conn.Start, b.conn.Start) })
		last := 0
		for i := 1; i < len(waits); i++ {
			if join(&waits[last].conn, &waits[i].conn) {
				p.joined++
			} else {
				last++
				waits[last] = waits[i]
			}
		}
		out = append(out, waits[:last+1]...)
	}
	if p.joined > 0 {
		r.Note(hunt.Note{What: fmt.Sprintf("records that are pieces of one connection whose beginning Zeek missed, and count as one with the others: %d", p.joined),
			Hint: "Zeek logs such a connection packet by packet"})
	}
	return out
}
