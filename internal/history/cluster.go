package history

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"dwell/internal/atomicfile"
	"dwell/internal/hunt"
)

// Cluster is a source of which whole hours are kept. An hour that the source describes as it did when it was read comes
// from history; of one with late records only those are read; every other is read whole. So the hunt's records are the
// same with and without history.
type Cluster struct {
	Store *Store
	Of    hunt.Source
}

// Open implements [hunt.Source]. Records are kept once the connections, names and DNS queries of a window were read
// without a gap. A source that cannot describe its hours is returned as it is.
func (c *Cluster) Open() *hunt.Session {
	inner := c.Of.Open()
	if inner.Hours == nil || inner.Names == nil || inner.DNS == nil {
		return inner
	}
	v := &visit{store: c.Store, in: inner}
	s := *inner
	s.Connections, s.Names, s.DNS, s.Sensors = v.connections, v.names, v.dns, bySensor(inner.Sensors, "the cluster")
	s.Earliest, s.Starts, s.Began = c.Store.Earliest, c.Store.Starts, c.Store.Began
	s.Close = func() error {
		var err error
		if inner.Close != nil {
			err = inner.Close()
		}
		if v.rec == nil {
			return err
		}
		return errors.Join(err, v.rec.Discard())
	}
	return &s
}

// apart says that a hunt wants other records than history keeps.
func apart(why, from string) hunt.Note {
	return hunt.Note{What: why + ", which history does not keep: it read its whole window from " + from}
}

// bySensor has a hunt by sensor report that it does not use history.
func bySensor(sensors func(context.Context, hunt.Request) (hunt.Window, []hunt.SensorPart, hunt.Remarks, error), from string) func(context.Context, hunt.Request) (hunt.Window, []hunt.SensorPart, hunt.Remarks, error) {
	if sensors == nil {
		return nil
	}
	return func(ctx context.Context, req hunt.Request) (hunt.Window, []hunt.SensorPart, hunt.Remarks, error) {
		w, parts, remarks, err := sensors(ctx, req)
		remarks.Notes = append(remarks.Notes, apart("a hunt by sensor needs each record's sensor", from))
		return w, parts, remarks, err
	}
}

// visit is one hunt in a cluster.
type visit struct {
	store *Store
	in    *hunt.Session
	// rec is nil if another process writes the history: then nothing is kept.
	rec *Recording

	// kept hours have not changed; late ones want what arrived after a moment; cold ones are read whole.
	kept map[int64]bool
	late map[int64]int64
	cold map[int64]bool
	// changed is the earliest whole hour that is read again, or for the first time; Unix milliseconds.
	changed int64
	// now is the source's description of all hours.
	now map[int64]hunt.Hour
	// halves are hours of which history had one kind of records before another was found damaged: they are not kept.
	halves map[int64]bool
	scope  *hunt.Scope
	// source is the cluster's name.
	source string
	// read is the number of the three kinds that were read; broken says that one of them had a gap.
	read   int
	broken bool
}

// fewLate: if more than one in so many records of an hour is late, the hour is read again. A sensor that was away adds
// what others saw, too, and repeats are known for certain only among records that are read together.
const fewLate = 4

// plan decides what of a window comes from where.
func (v *visit) plan(ctx context.Context, req hunt.Request) (hunt.Window, hunt.Remarks, error) {
	seen := v.store.Hours(time.UnixMilli(0), v.store.o.Now().Add(24*time.Hour))
	req.Scope.Only = hunt.Two{} // kept hours are described by all their records
	w, now, remarks, err := v.in.Hours(ctx, req, seen)
	if err != nil {
		return w, remarks, err
	}
	v.changed = math.MaxInt64
	v.kept, v.late, v.cold, v.halves, v.now = map[int64]bool{}, map[int64]int64{}, map[int64]bool{}, map[int64]bool{}, now
	for at := hourOf(w.ReadFrom().UnixMilli()); at < w.End.UnixMilli(); at += hourMS {
		was, have := seen[at]
		is, whole := now[at]
		switch {
		case !have || !whole:
			v.cold[at] = true
		case was == is.HourState:
			v.kept[at] = true
		case was.Arrived > 0 && was.Records+is.Later == is.Records && is.Later <= was.Records/fewLate:
			v.late[at] = was.Arrived
			v.kept[at] = true
		default:
			v.cold[at] = true
		}
		if v.cold[at] && whole {
			v.changed = min(v.changed, at)
		}
	}
	return w, remarks, nil
}

// part is a piece of the window to read from the source.
type part struct {
	from, to time.Time
	later    map[int64]int64
}

// parts joins neighboring hours of a window that are read whole.
func parts(hours map[int64]bool, from, to time.Time) (out []part) {
	for _, at := range slices.Sorted(maps.Keys(hours)) {
		start, end := time.UnixMilli(at).UTC(), time.UnixMilli(at+hourMS).UTC()
		if start.Before(from) {
			start = from
		}
		if end.After(to) {
			end = to
		}
		if !start.Before(end) {
			continue
		}
		if n := len(out); n > 0 && out[n-1].to.Equal(start) {
			out[n-1].to = end
			continue
		}
		out = append(out, part{from: start, to: end})
	}
	return out
}

// latePart is the late records of kept hours.
func (v *visit) latePart(from, to time.Time) (p part, ok bool) {
	if len(v.late) == 0 {
		return p, false
	}
	hours := slices.Sorted(maps.Keys(v.late))
	p = part{from: time.UnixMilli(hours[0]).UTC(), to: time.UnixMilli(hours[len(hours)-1] + hourMS).UTC(), later: v.late}
	if p.from.Before(from) {
		p.from = from
	}
	if p.to.After(to) {
		p.to = to
	}
	return p, p.from.Before(p.to)
}

func (v *visit) connections(ctx context.Context, req hunt.Request, emit func([]hunt.Connection) error) (hunt.Reading, error) {
	if len(req.Scope.Proxies) > 0 || req.EveryRecord { // other records than the kept ones
		return v.in.Connections(ctx, req, emit)
	}
	if !req.Scope.Narrowed() { // a part of the records is not kept
		rec, err := v.store.Record(ctx, false)
		switch {
		case errors.Is(err, atomicfile.ErrLocked):
		case ctx.Err() != nil:
			return hunt.Reading{}, ctx.Err()
		case err != nil: // a full disk, another user's directory: kept records only save work
			reading, failed := v.in.Connections(ctx, req, emit)
			reading.Notes = append(reading.Notes, hunt.Note{What: "history cannot be used, so the hunt read its whole window from the cluster: " + err.Error(),
				Hint: "the state directory needs room and to be this user's"})
			return reading, failed
		default:
			v.rec = rec
		}
	}
	v.scope = &req.Scope
	v.store.teach(v.scope)
	w, remarks, err := v.plan(ctx, req)
	if err != nil {
		return hunt.Reading{Window: w}, err
	}
	var ended hunt.Ended
	reading, err := both(ctx, v, req, w.ReadFrom(), w.End, records[hunt.Connection]{v.in.Connections, v.store.Connections, v.rec.AddConnections, sameConnection}, func(batch []hunt.Connection) error {
		ended.Add(batch)
		return emit(batch)
	})
	reading.Window = w
	reading.Add(remarks)
	if err == nil && reading.Source == "" && v.in.Name != nil { // it was not used
		reading.Source, err = v.in.Name(ctx)
	}
	v.source = reading.Source
	if err == nil && reading.Connections == 0 { // the source can say why
		v.broken = true
		return v.in.Connections(ctx, req, emit)
	}
	if err != nil {
		return reading, err
	}
	// What began before the window and reaches into it, and what is still open, is little, and comes from the source.
	req.From, req.To, req.Since, req.OnlyEarlier, req.Ended = w.Start, w.End, 0, true, &ended
	was := v.store.begun()
	known := !req.Scope.Narrowed() && was.To > 0 && was.From <= w.Start.UnixMilli() && was.To >= w.Start.UnixMilli() && was.To < w.End.UnixMilli()
	if req.Begun = (&hunt.Begun{}); known {
		*req.Begun = was
		req.Begun.To, req.Begun.Later = min(was.To, v.changed), v.late
	}
	earlier, err := v.in.Connections(ctx, req, emit)
	reading.Slices = append(earlier.Slices, reading.Slices...)
	reading.Connections, reading.Records = reading.Connections+earlier.Connections, reading.Records+earlier.Records
	reading.Add(hunt.Remarks{Notes: earlier.Notes, Gaps: earlier.Gaps})
	v.broken = v.broken || len(earlier.Gaps) > 0
	if now := req.Begun; err == nil && len(earlier.Gaps) == 0 && v.rec != nil && now.To > was.To {
		if err := v.store.keepBegun(now); err != nil {
			reading.Notes = append(reading.Notes, hunt.Note{What: "which connections are still open could not be kept: " + err.Error(), Hint: "the next hunt looks at all of them again"})
		}
	}
	return reading, err
}

func (v *visit) names(ctx context.Context, req hunt.Request, emit func([]hunt.NameRecord) error) (hunt.Reading, error) {
	if v.now == nil {
		return v.in.Names(ctx, req, emit)
	}
	return both(ctx, v, req, req.From, req.To, records[hunt.NameRecord]{v.in.Names, v.store.Names, v.rec.AddNames, sameName}, emit)
}

func (v *visit) dns(ctx context.Context, req hunt.Request, emit func([]hunt.DNSRecord) error) (hunt.Reading, error) {
	if v.now == nil {
		return v.in.DNS(ctx, req, emit)
	}
	asked := v.in.DNS
	if src := req.Scope.Only.Src; src.IsValid() { // the source narrows connections and names alone
		asked = func(ctx context.Context, req hunt.Request, emit func([]hunt.DNSRecord) error) (hunt.Reading, error) {
			return v.in.DNS(ctx, req, func(batch []hunt.DNSRecord) error {
				return emit(slices.DeleteFunc(batch, func(q hunt.DNSRecord) bool { return q.Client != src }))
			})
		}
	}
	return both(ctx, v, req, req.From, req.To, records[hunt.DNSRecord]{asked, v.store.Queries, v.rec.AddQueries, sameQuery}, emit)
}

// records is one kind of records: how the source and history return them, how they are recorded, and which are the
// same.
type records[R any] struct {
	ask    func(context.Context, hunt.Request, func([]R) error) (hunt.Reading, error)
	look   func(context.Context, Selection, func([]R) error) (map[int64]bool, error)
	record func([]R)
	same   identity[R]
}

// both reads records: late ones first, then kept ones, and meanwhile the hours that are read whole, so that the source and
// this process work at once. Everything from the source is recorded.
func both[R any](ctx context.Context, v *visit, req hunt.Request, from, to time.Time, of records[R], emit func([]R) error) (out hunt.Reading, err error) {
	came := newArrivals(of.same)
	if p, ok := v.latePart(from, to); ok {
		if err := askPart(ctx, req, p, &out, of.ask, func(batch []R) error {
			of.record(batch)
			came.add(batch)
			return nil
		}); err != nil {
			return out, err
		}
	}
	given := newTally()
	give := func(batch []R) error {
		tally(given, batch, of.same)
		return emit(batch)
	}
	whole := func(ctx context.Context, hours map[int64]bool) error {
		for _, p := range parts(hours, from, to) {
			if err := askPart(ctx, req, p, &out, of.ask, func(batch []R) error { of.record(batch); return give(batch) }); err != nil {
				return err
			}
		}
		return nil
	}
	var lost map[int64]bool
	g, all := errgroup.WithContext(ctx)
	g.Go(func() error { return whole(all, v.cold) })
	g.Go(func() (err error) {
		lost, err = of.look(all, only(&req, Selection{From: from, To: to, Hours: v.kept}), func(batch []R) error { return give(came.without(batch)) })
		return err
	})
	if err := g.Wait(); err != nil {
		return out, err
	}
	again := map[int64]bool{}
	for at := range lost { // it is read from the source, as if it had never been kept
		if v.kept[at] {
			delete(v.kept, at)
			delete(v.late, at)
			v.cold[at], again[at] = true, true
			v.halves[at] = v.read > 0
		}
	}
	if len(lost) > 0 {
		out.Notes = append(out.Notes, hunt.Note{What: fmt.Sprintf("%s of history is damaged and was read from the source again", hunt.Many(len(lost), "hour"))})
		v.rec.forget(lost)
	}
	if rest := came.rest(func(start int64) bool { return v.kept[hourOf(start)] }); len(rest) > 0 {
		if err := give(rest); err != nil {
			return out, err
		}
	}
	if err := whole(ctx, again); err != nil {
		return out, err
	}
	out.Slices = given.slices()
	for _, sl := range out.Slices {
		out.Connections += sl.Read
	}
	out.Records = max(out.Records, out.Connections)
	v.broken = v.broken || len(out.Gaps) > 0
	if v.read++; v.read == 3 && !v.broken {
		out.Add(v.keep(from, to))
	}
	return out, nil
}

// askPart reads one part from the source and adds its notes to the reading.
func askPart[R any](ctx context.Context, req hunt.Request, p part, out *hunt.Reading, ask func(context.Context, hunt.Request, func([]R) error) (hunt.Reading, error), emit func([]R) error) error {
	req.From, req.To, req.Since, req.Later, req.Part = p.from, p.to, 0, p.later, true
	more, err := ask(ctx, req, emit)
	out.Source = more.Source
	out.Records += more.Records
	out.Sensors = append(out.Sensors, more.Sensors...)
	if more.Newest.After(out.Newest) {
		out.Newest = more.Newest
	}
	if more.Records == 0 && len(more.Gaps) == 0 { // an empty part says nothing about the whole
		more.Notes = nil
	}
	for _, n := range more.Notes { // each part of a hunt reports what is true of all of it
		if !slices.ContainsFunc(out.Notes, func(o hunt.Note) bool { return o.What == n.What && o.Where == n.Where }) {
			out.Notes = append(out.Notes, n)
		}
	}
	out.Gaps = append(out.Gaps, more.Gaps...)
	return err
}

// keep commits whole hours that the source described before they were read: what arrived since is late then.
func (v *visit) keep(from, to time.Time) (r hunt.Remarks) {
	if v.rec == nil {
		return r
	}
	whole, late := map[int64]hunt.HourState{}, map[int64]hunt.HourState{}
	for at, is := range v.now {
		switch _, came := v.late[at]; {
		case at < from.UnixMilli() || at+hourMS > to.UnixMilli() || v.halves[at]:
		case came:
			late[at] = is.HourState
		case v.cold[at]:
			whole[at] = is.HourState
		}
	}
	v.rec.local = v.scope.Local()
	v.store.named(v.source)
	dropped, err := v.rec.commit(whole, late, v.store.o.Now().Add(-daysAfter))
	switch {
	case err != nil:
		r.Notes = append(r.Notes, hunt.Note{What: "what was read could not be added to history: " + err.Error(), Hint: "the next hunt reads it again"})
	case dropped > 0:
		r.Notes = append(r.Notes, hunt.Note{What: fmt.Sprintf("dropped the oldest %s of history: history.size is reached", hunt.Many(dropped, "hour")), Hint: "raise history.size to keep more"})
	}
	return r
}
