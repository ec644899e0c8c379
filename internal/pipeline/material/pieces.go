package material

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"dwell/internal/hunt"
)

// pieces joins what Zeek logs of a connection whose beginning it missed: a record for every packet or every few, with
// one five-tuple. That is one connection. The records come in any order.
type pieces struct {
	mu   sync.Mutex
	of   map[fiveTuple][]hunt.Connection
	size int
	// joined counts the records that were joined with another.
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

// connections reads connections and emits each once; those in pieces come last.
func connections(ctx context.Context, in *hunt.Session, req hunt.Request, emit func([]hunt.Connection) error) (hunt.Reading, error) {
	if req.EveryRecord {
		return in.Connections(ctx, req, emit)
	}
	p := pieces{of: map[fiveTuple][]hunt.Connection{}}
	reading, err := in.Connections(ctx, req, func(batch []hunt.Connection) error { return emit(slices.DeleteFunc(batch, p.add)) })
	if rest := p.rest(); err == nil && len(rest) > 0 {
		err = emit(rest)
	}
	if p.joined > 0 {
		reading.Connections -= p.joined
		reading.Notes = append(reading.Notes, hunt.Note{What: fmt.Sprintf("records that are pieces of one connection whose beginning Zeek missed, and count as one with the others: %d", p.joined),
			Hint: "Zeek logs such a connection packet by packet"})
	}
	return reading, err
}

// add keeps a record of the middle of a connection. It returns false if the record is none, or too many are kept.
func (p *pieces) add(c hunt.Connection) bool {
	if c.State != hunt.StateMiddle {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	k := fiveTuple{c.Src, c.Dst, c.SrcPort, c.DstPort}
	waits := p.of[k]
	for i := range waits {
		if join(&waits[i], &c) {
			p.joined++
			return true
		}
	}
	if p.size >= maxPieces || len(waits) >= maxParts {
		return false
	}
	p.size++
	p.of[k] = append(waits, c)
	return true
}

// join adds a piece to the connection it belongs to by time.
func join(to, c *hunt.Connection) bool {
	end, last := to.Start+max(to.Duration, 0), c.Start+max(c.Duration, 0)
	if c.Start > end+apart || last < to.Start-apart {
		return false
	}
	if c.Start < to.Start {
		to.Start, to.UID = c.Start, c.UID
	}
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

// rest are the connections kept, in order of time.
func (p *pieces) rest() (out []hunt.Connection) {
	for _, waits := range p.of {
		slices.SortFunc(waits, func(a, b hunt.Connection) int { return cmp.Compare(a.Start, b.Start) })
		last := 0
		for i := 1; i < len(waits); i++ {
			if join(&waits[last], &waits[i]) {
				p.joined++
			} else {
				last++
				waits[last] = waits[i]
			}
		}
		out = append(out, waits[:last+1]...)
	}
	for i := range out {
		out[i].State = hunt.StateOther
	}
	slices.SortFunc(out, func(a, b hunt.Connection) int { return cmp.Compare(a.Start, b.Start) })
	return out
}
