package firstseen

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"sync"

	"dwell/internal/hunt"
)

// learnAtOnce is how many destinations are held before they are passed to keep.
const learnAtOnce = 500_000

// Learn reads when each external destination was seen in a window, by address and by name. It keeps no series and
// scores nothing, so weeks of the past are cheap. It passes the result to keep, in parts if large.
func Learn(ctx context.Context, src hunt.Source, req hunt.Request, keep func(map[string]Span) error) (hunt.Reading, error) {
	l := learner{seen: map[string]Span{}, keep: keep}
	var reading hunt.Reading
	var err error
	in := src.Open()
	if in.Sightings != nil {
		reading, err = in.Sightings(ctx, req, func(batch []hunt.Sighting) error {
			l.mu.Lock()
			defer l.mu.Unlock()
			for _, g := range batch {
				if a, err := netip.ParseAddr(g.Destination); err == nil && req.Scope.IsInternal(a) {
					continue
				}
				l.see(g.Destination, Span{First: g.First, Last: g.Last})
			}
			return cmp.Or(ctx.Err(), l.pass(learnAtOnce))
		})
	} else {
		reading, err = l.walk(ctx, in, req)
	}
	if err != nil {
		return reading, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return reading, l.pass(0)
}

type learner struct {
	mu   sync.Mutex
	seen map[string]Span
	keep func(map[string]Span) error
}

// see merges a span; the caller holds mu.
func (l *learner) see(destination string, span Span) {
	if destination == "" || !Plain(destination) {
		return
	}
	if old, ok := l.seen[destination]; ok {
		span = span.Join(old)
	}
	l.seen[destination] = span
}

// pass passes on the spans if there are more than held; the caller holds mu.
func (l *learner) pass(held int) error {
	if len(l.seen) <= held {
		return nil
	}
	err := l.keep(l.seen)
	l.seen = map[string]Span{}
	return err
}

// walk reads a source's records without keeping them.
func (l *learner) walk(ctx context.Context, in *hunt.Session, req hunt.Request) (hunt.Reading, error) {
	var spans sightings[netip.Addr]
	reading, err := in.Connections(ctx, req, func(batch []hunt.Connection) error {
		spans.mu.Lock()
		defer spans.mu.Unlock()
		for i := range batch {
			if c := &batch[i]; c.RespBytes > 0 && c.State != hunt.StateSilent && c.State != hunt.StateRefused { // as in a hunt
				spans.see(c.Dst, c.Start)
			}
		}
		return ctx.Err()
	})
	if err != nil {
		return reading, fmt.Errorf("read connections: %w", err)
	}
	var named sightings[string]
	if in.Names != nil && reading.Window != (hunt.Window{}) {
		req.From, req.To, req.Since = reading.Window.Start, reading.Window.End, 0
		more, err := in.Names(ctx, req, func(batch []hunt.NameRecord) error {
			named.mu.Lock()
			defer named.mu.Unlock()
			for i := range batch {
				if r := &batch[i]; r.Name != "" {
					named.see(r.Name, r.Start)
				}
			}
			return ctx.Err()
		})
		if err != nil {
			return reading, fmt.Errorf("read names: %w", err)
		}
		reading.Add(hunt.Remarks{Notes: more.Notes, Gaps: more.Gaps})
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for a, span := range spans.seen {
		if !req.Scope.IsInternal(a) {
			l.see(a.String(), span)
		}
	}
	for name, span := range named.seen {
		if _, err := netip.ParseAddr(name); err != nil {
			l.see(name, span)
		}
	}
	return reading, nil
}

// sightings are spans by destination.
type sightings[K comparable] struct {
	mu   sync.Mutex
	seen map[K]Span
}

func (s *sightings[K]) see(what K, at int64) {
	if s.seen == nil {
		s.seen = map[K]Span{}
	}
	old, ok := s.seen[what]
	if !ok {
		old = Span{First: at, Last: at}
	}
	s.seen[what] = old.Join(Span{First: at, Last: at})
}
