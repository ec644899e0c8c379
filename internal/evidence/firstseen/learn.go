package firstseen

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"

	"dwell/internal/hunt"
)

// learnAtOnce is how many destinations are held before they are passed to keep.
const learnAtOnce = 500_000

// SourceShare limits the remembered destinations that only one host contacts, per host, to those contacted most. So no
// host crowds out the rest by scanning or querying.
const SourceShare = 100_000

// Learn reads when each external destination was seen in a window, by address and by name. It keeps no series and
// scores nothing, so weeks of the past are cheap. It passes the result to keep, in parts if large. What one host alone
// contacts beyond its share is left out, with a note of its number.
func Learn(ctx context.Context, src hunt.Source, req hunt.Request, keep func(map[string]Span) error) (hunt.Reading, error) {
	l := learner{seen: map[string]sight{}, keep: keep, share: SourceShare}
	return l.learn(ctx, src, req)
}

func (l *learner) learn(ctx context.Context, src hunt.Source, req hunt.Request) (hunt.Reading, error) {
	l.given, l.left = map[netip.Addr]int{}, map[netip.Addr]int{}
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
				l.see(g.Destination, sight{Span{First: g.First, Last: g.Last}, g.Source, g.Count})
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
	err = l.pass(0)
	for _, host := range slices.SortedFunc(maps.Keys(l.left), netip.Addr.Compare) {
		reading.Notes = append(reading.Notes, hunt.Note{What: fmt.Sprintf("%s contacted %s destinations that no other host did: first-seen times are kept for %s of them",
			host, hunt.Count(l.given[host]+l.left[host]), hunt.Count(l.given[host]))})
	}
	return reading, err
}

type learner struct {
	mu   sync.Mutex
	seen map[string]sight
	keep func(map[string]Span) error
	// share limits what a host alone contacts; given is how much of it was kept, left how much was not.
	share       int
	given, left map[netip.Addr]int
}

// sight is when something was seen, by which host, and how often; from is invalid for several hosts, or if unknown.
type sight struct {
	Span
	from  netip.Addr
	count int64
}

func (s sight) join(o sight) sight {
	if s.from != o.from {
		s.from = netip.Addr{}
	}
	return sight{s.Span.Join(o.Span), s.from, s.count + o.count}
}

// see merges a sight; the caller holds mu.
func (l *learner) see(destination string, s sight) {
	if destination == "" || !Plain(destination) {
		return
	}
	if old, ok := l.seen[destination]; ok {
		s = old.join(s)
	}
	l.seen[destination] = s
}

// pass passes on the spans if there are more than held, limited by each host's share; the caller holds mu.
func (l *learner) pass(held int) error {
	if len(l.seen) <= held {
		return nil
	}
	spans, alone := make(map[string]Span, len(l.seen)), map[netip.Addr][]string{}
	for what, s := range l.seen {
		if s.from.IsValid() {
			alone[s.from] = append(alone[s.from], what)
		} else {
			spans[what] = s.Span
		}
	}
	for host, own := range alone {
		if room := l.share - l.given[host]; len(own) > room {
			slices.SortFunc(own, func(a, b string) int { return cmp.Or(cmp.Compare(l.seen[b].count, l.seen[a].count), cmp.Compare(a, b)) })
			l.left[host] += len(own) - room
			own = own[:room]
		}
		l.given[host] += len(own)
		for _, what := range own {
			spans[what] = l.seen[what].Span
		}
	}
	l.seen = map[string]sight{}
	return l.keep(spans)
}

// walk reads a source's records without keeping them.
func (l *learner) walk(ctx context.Context, in *hunt.Session, req hunt.Request) (hunt.Reading, error) {
	var spans sightings[netip.Addr]
	reading, err := in.Connections(ctx, req, func(batch []hunt.Connection) error {
		spans.mu.Lock()
		defer spans.mu.Unlock()
		for i := range batch {
			if c := &batch[i]; c.RespBytes > 0 && c.State != hunt.StateSilent && c.State != hunt.StateRefused { // as in a hunt
				spans.see(c.Dst, c.Src, c.Start)
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
					named.see(r.Name, r.Src, r.Start)
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

// sightings are sights by destination.
type sightings[K comparable] struct {
	mu   sync.Mutex
	seen map[K]sight
}

func (s *sightings[K]) see(what K, from netip.Addr, at int64) {
	if s.seen == nil {
		s.seen = map[K]sight{}
	}
	now := sight{Span{First: at, Last: at}, from, 1}
	if old, ok := s.seen[what]; ok {
		now = old.join(now)
	}
	s.seen[what] = now
}
