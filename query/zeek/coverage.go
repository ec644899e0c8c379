package zeek

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"dwell/internal/hunt"
	"dwell/query/zeek/log"
)

// sensors takes each given path for a sensor and counts the window's hours with records in it, in whole minutes.
func (in *reading) sensors(w hunt.Window) (out []hunt.SensorHours) {
	hours := map[string]map[int64]struct{}{}
	for _, p := range in.opts.Paths {
		hours[p] = map[int64]struct{}{}
	}
	for _, f := range in.files {
		for minute := range f.Buckets {
			if at := minute * time.Minute.Milliseconds(); at >= w.Start.UnixMilli() && at < w.End.UnixMilli() {
				hours[f.Root][(at-w.Start.UnixMilli())/time.Hour.Milliseconds()] = struct{}{}
			}
		}
	}
	for p, set := range hours {
		out = append(out, hunt.SensorHours{Name: p, Hours: int64(len(set))})
	}
	slices.SortFunc(out, func(a, b hunt.SensorHours) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// Coverage is [hunt.Session.Coverage], from capture_loss and stats logs; Read reports the sensors' hours.
func (s *Source) Coverage(ctx context.Context, req hunt.Request) (hunt.Coverage, []hunt.Note, error) {
	var mu sync.Mutex
	peers := map[string]*hunt.PeerLoss{}
	q := query{from: req.From, to: req.To, kinds: []log.Kind{log.CaptureLoss, log.Stats},
		fields: []log.Field{log.Peer, log.Gaps, log.Acks, log.Dropped, log.Link}}
	out, err := s.each(ctx, q, func(r *log.Record) error {
		mu.Lock()
		defer mu.Unlock()
		name := string(r.Text(log.Peer))
		p := peers[name]
		if p == nil {
			p = &hunt.PeerLoss{Peer: name}
			peers[name] = p
		}
		p.Gaps += max(r.Count(log.Gaps), 0)
		p.Acks += max(r.Count(log.Acks), 0)
		p.Dropped += max(r.Count(log.Dropped), 0)
		p.Packets += max(r.Count(log.Link), 0)
		return nil
	})
	if err != nil {
		return hunt.Coverage{}, nil, err
	}
	var seen hunt.Coverage
	for _, p := range peers {
		seen.Loss = append(seen.Loss, *p)
	}
	slices.SortFunc(seen.Loss, func(a, b hunt.PeerLoss) int { return cmp.Compare(a.Peer, b.Peer) })
	// Unreadable lines of these logs lose no connection.
	return seen, append(out.Notes, out.Gaps...), nil
}
