package history

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"dwell/internal/hunt"
)

// Alone is what is kept of a cluster that does not answer, for look-ups. Every answer is incomplete, and says why.
type Alone struct {
	Store *Store
	// Why is the cluster's error.
	Why error
}

// Open implements [hunt.Source]. Look-ups other than those in history are not supported.
func (a *Alone) Open() *hunt.Session {
	s := &hunt.Session{Connections: a.connections, Earliest: a.Store.Earliest, Starts: a.Store.Starts, Began: a.Store.Began}
	s.Names = func(ctx context.Context, req hunt.Request, emit func([]hunt.NameRecord) error) (hunt.Reading, error) {
		lost, err := a.Store.Names(ctx, only(&req, Selection{From: req.From, To: req.To}), emit)
		return hunt.Reading{Gaps: damagedAlone(lost)}, err
	}
	s.DNS = func(ctx context.Context, req hunt.Request, emit func([]hunt.DNSRecord) error) (hunt.Reading, error) {
		lost, err := a.Store.Queries(ctx, only(&req, Selection{From: req.From, To: req.To}), emit)
		return hunt.Reading{Gaps: damagedAlone(lost)}, err
	}
	s.Answers = func(_ context.Context, _ hunt.Request, wanted []hunt.Answers) (r hunt.Remarks, err error) {
		if len(wanted) > 0 {
			r.Gaps = []hunt.Note{{What: "history does not have the answers to DNS queries: what came back through tunnels is not counted"}}
		}
		return r, nil
	}
	return s
}

func (a *Alone) connections(ctx context.Context, req hunt.Request, emit func([]hunt.Connection) error) (hunt.Reading, error) {
	if req.EveryRecord {
		return hunt.Reading{}, fmt.Errorf("a hunt by RITA's rules counts every record, which history does not keep: %w", a.Why)
	}
	if len(req.Scope.Proxies) > 0 {
		return hunt.Reading{Gaps: []hunt.Note{{What: "history does not have the connections to proxies: names that these were asked for may lack some"}}}, nil
	}
	a.Store.teach(&req.Scope)
	w, err := req.WindowAt(a.Store.o.Now()) // the cluster's clock is out of reach
	if err != nil {
		return hunt.Reading{}, err
	}
	r := hunt.Reading{Window: w, Source: a.Store.inputs.Source, Gaps: []hunt.Note{a.gap(w)}}
	var n atomic.Int64
	give := func(batch []hunt.Connection) error {
		n.Add(int64(len(batch)))
		return emit(batch)
	}
	lost, err := a.Store.Connections(ctx, only(&req, Selection{From: w.ReadFrom(), To: w.End}), give)
	if err != nil {
		return r, err
	}
	before, err := a.Store.Connections(ctx, only(&req, Selection{From: w.Start.Add(-req.Back()), To: w.ReadFrom(), Reach: w.Start}), give)
	maps.Copy(lost, before)
	r.Connections, r.Records, r.Gaps = n.Load(), n.Load(), append(r.Gaps, damagedAlone(lost)...)
	return r, err
}

// gap says what of a window is there.
func (a *Alone) gap(w hunt.Window) hunt.Note {
	kept := slices.Sorted(maps.Keys(a.Store.Hours(w.Start, w.End)))
	n := hunt.Note{What: fmt.Sprintf("Elasticsearch did not answer (%v), and history has nothing of this window", a.Why), Hint: "try again when it answers"}
	if len(kept) > 0 {
		first := hourOf(w.Start.UnixMilli())
		all := (hourOf(w.End.UnixMilli()-1)-first)/hourMS + 1
		n.What = fmt.Sprintf("Elasticsearch did not answer (%v), so this is what history has: %d of %s, up to %s; what arrived since and connections that are still open are missing",
			a.Why, len(kept), hunt.Many(int(all), "hour"), time.UnixMilli(kept[len(kept)-1]+hourMS).UTC().Format(time.RFC3339))
	}
	return n
}

// damagedAlone reports hours that cannot be trusted. The next hunt finds them, too, and reads them from the cluster.
func damagedAlone(lost map[int64]bool) []hunt.Note {
	if len(lost) == 0 {
		return nil
	}
	return []hunt.Note{{What: hunt.Many(len(lost), "hour") + " of history cannot be read: a file was changed, cut or removed"}}
}
