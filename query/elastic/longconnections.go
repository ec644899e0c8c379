package elastic

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"dwell/internal/es/dsl"
	"dwell/internal/hunt"
)

// A connection's record has the time of its beginning and arrives at its end: one that lasts longer than a window is in
// no window that begins after it. So connections that began before a window and reach into it are read too; they are
// few and long.

// bands divide the time before a window: of what began that long before it, only what lasted at least as long is
// wanted.
var bands = []time.Duration{0, time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 4 * time.Hour, 12 * time.Hour,
	24 * time.Hour, 3 * 24 * time.Hour, 7 * 24 * time.Hour, 14 * 24 * time.Hour, 31 * 24 * time.Hour, 366 * 24 * time.Hour}

// reaching matches what began before from, at most back before start, and may have lasted until start.
func reaching(start, from int64, back time.Duration) object {
	var should []any
	for i, far := range bands[1:] {
		near := bands[i]
		a, b := start-min(far, back).Milliseconds(), min(start-near.Milliseconds(), from)
		if a < b {
			should = append(should, dsl.All(between(a, b),
				dsl.Range(fieldDuration, object{"gte": max(1, int64(near.Seconds()))})))
		}
	}
	return dsl.Any(should...)
}

// readLong reads the connections that began before those of a reading and reach into its window.
func (s *Source) readLong(ctx context.Context, req hunt.Request, out *hunt.Reading, emit func([]hunt.Connection) error) error {
	back := req.Back()
	start, from := out.Window.Start.UnixMilli(), out.Window.ReadFrom().UnixMilli()
	if req.EveryRecord || req.Part || back <= out.Window.Start.Sub(out.Window.ReadFrom()) {
		return nil
	}
	p, err := s.place(ctx)
	if err != nil {
		return err
	}
	req.Progress = nil
	var n int64
	var earlier hunt.Remarks
	queries := []query{connQuery(req.Scope)}
	if req.Scope.Direction == hunt.Outbound && !req.Scope.Narrowed() {
		queries = append(queries, turned(req.Scope))
	}
	for i, q := range queries {
		q.filter = append(q.filter, reaching(start, from, back))
		var kept atomic.Int64
		r := newReading(s, p, log{many: "earlier connections", query: q, window: out.Window, from: start - back.Milliseconds(), to: from, reported: true, past: true,
			rows: rowsOf(connection(), func(batch []hunt.Connection) error {
				batch = slices.DeleteFunc(batch, func(c hunt.Connection) bool { return c.Duration <= 0 || c.Start+c.Duration <= start })
				if i > 0 {
					batch = servers(batch)
				}
				if kept.Add(int64(len(batch))); len(batch) == 0 {
					return nil
				}
				return emit(batch)
			})}, req)
		_, err = r.all(ctx)
		got := r.result()
		earlier.Add(hunt.Remarks{Notes: got.Notes, Gaps: got.Gaps})
		n += kept.Load()
		if passes(err) {
			earlier.Gaps = append(earlier.Gaps, hunt.Note{What: "connections that began before the window could not be read: " + err.Error()})
			err = nil
			break
		}
		if err != nil {
			return err
		}
	}
	out.Records, out.Connections = out.Records+n, out.Connections+n
	if n > 0 {
		out.Slices = append([]hunt.Slice{{Name: "earlier", Start: out.Window.Start.Add(-back), End: out.Window.ReadFrom(), Expected: n, Read: n}}, out.Slices...)
	}
	out.Add(earlier)
	return nil
}
