package history

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"dwell/internal/hunt"
)

// Archive is log files whose records are kept: a file is read once, however many hunts follow. Its records stay when
// the file goes.
type Archive struct {
	// Store has the records.
	Store *Store
	// List returns the paths of all files.
	List func() ([]string, error)
	// Only makes a source of some of them.
	Only func(paths map[string]bool) hunt.Source
	// All is the source of all files, for what history does not keep.
	All hunt.Source
	// ReadAgain is the most of conn logs, in bytes of their files, that are read again for the uids of findings; 0 is
	// 128 MiB.
	ReadAgain int64

	// dropped is the number of hours that went for their size at the last update.
	dropped int
	// gone are the times of conn logs that were read and are not there any more.
	gone []hunt.Window
}

// Update reads new files and returns their number. It reads all again if the kept records no longer match the files;
// why says what differs. Scope is the one that the history was opened with.
func (a *Archive) Update(ctx context.Context, scope hunt.Scope, progress func(hunt.Progress)) (files int, why string, err error) {
	files, why, err = a.update(ctx, scope, progress, "", "")
	var alone alone
	if errors.As(err, &alone) {
		files, why, err = a.update(ctx, scope, progress, "", alone.beside)
	}
	if errors.Is(err, errFilled) {
		return a.update(ctx, scope, progress, mayBeThere, "")
	}
	return files, why, err
}

// errFilled says that new files have records of a time in which some were missing, or the conn logs that were.
var errFilled = errors.New("what was missing when the logs were read may be there now")

// mayBeThere is why all files are read again.
var mayBeThere = errFilled.Error()

// alone says that the new files have no conn log, though the archive has: their other logs must not stand for
// connections. They are read beside a known one.
type alone struct{ beside string }

func (alone) Error() string { return "the new logs have no conn log" }

// withoutConn says whether a reading had no conn log.
func withoutConn(notes []hunt.Note) bool {
	return slices.ContainsFunc(notes, func(n hunt.Note) bool { return slices.Contains(n.Logs, "conn") })
}

// newestConn is the conn log that was read before and written last, of those that are still there; empty if none is.
func (in *Inputs) newestConn(now map[string]File) (path string) {
	for at, f := range in.Files {
		if _, there := now[at]; there && f.Conn && (path == "" || f.Changed > in.Files[path].Changed || f.Changed == in.Files[path].Changed && at > path) {
			path = at
		}
	}
	return path
}

// update is Update; if anew is set, that is why all files are read, and beside is a known file to read with new ones.
func (a *Archive) update(ctx context.Context, scope hunt.Scope, progress func(hunt.Progress), anew, beside string) (files int, why string, err error) {
	now, err := a.look()
	if err != nil {
		return 0, "", err
	}
	rec, err := a.Store.Record(ctx, true)
	if err != nil {
		return 0, "", err
	}
	defer func() { err = errors.Join(err, rec.Discard()) }()
	inputs := a.Store.inputs
	fresh, why, err := changes(inputs, now)
	if err != nil {
		return 0, "", err
	}
	if why = cmp.Or(why, anew); why != "" {
		rec.anew, inputs, fresh = true, Inputs{}, map[string]bool{}
		for path := range now {
			fresh[path] = true
		}
	} else {
		a.Store.teach(&scope)
	}
	a.gone = goneOf(inputs.Files, now)
	if len(fresh) == 0 && why == "" {
		return 0, "", nil
	}
	files = len(fresh)
	if beside != "" {
		fresh[beside] = true
	}
	req := hunt.Request{Scope: scope, Progress: progress, Young: true}
	open := newOpens(inputs.Open)
	in := a.Only(fresh).Open()
	hours := map[int64]hunt.HourState{}
	var newest atomic.Int64
	reading, err := in.Connections(ctx, req, func(batch []hunt.Connection) error {
		batch = open.take(batch)
		rec.AddConnections(batch)
		last := int64(0)
		for i := range batch {
			last = max(last, batch[i].Start)
		}
		for was := newest.Load(); last > was && !newest.CompareAndSwap(was, last); was = newest.Load() {
		}
		return ctx.Err()
	})
	if err != nil {
		return 0, "", fmt.Errorf("read connections: %w", err)
	}
	if withoutConn(reading.Notes) {
		if known := inputs.newestConn(now); known != "" && beside == "" {
			return 0, "", alone{known}
		}
	} else if inputs.Newest > 0 && withoutConn(inputs.Notes) { // what stood for connections does not any more
		return 0, "", errFilled
	}
	if slices.ContainsFunc(inputs.Gaps, func(gap hunt.Note) bool {
		return slices.ContainsFunc(reading.Slices, func(s hunt.Slice) bool {
			return s.Name != beside && !s.End.IsZero() && overlap(gap.During, hunt.Window{Start: s.Start, End: s.End})
		})
	}) {
		return 0, "", errFilled
	}
	if reading.Records == 0 && inputs.Newest > 0 { // a log that has begun is no archive without records
		reading.Gaps = slices.DeleteFunc(reading.Gaps, func(gap hunt.Note) bool { return gap.Where == reading.Source })
	}
	conn := map[string]hunt.Window{}
	for _, s := range reading.Slices {
		conn[s.Name] = hunt.Window{Start: s.Start, End: s.End}
	}
	if reading.Window != (hunt.Window{}) {
		req.From, req.To = reading.Window.Start, reading.Window.End
		proxies := newProxies(&scope)
		for _, known := range inputs.Proxies {
			proxies.inside[known] = true
		}
		if in.Names != nil {
			more, err := in.Names(ctx, req, func(batch []hunt.NameRecord) error {
				rec.AddNames(batch)
				proxies.add(batch)
				return ctx.Err()
			})
			if err != nil {
				return 0, "", fmt.Errorf("read names: %w", err)
			}
			reading.Add(hunt.Remarks{Notes: more.Notes, Gaps: more.Gaps})
		}
		inputs.Proxies = slices.SortedFunc(maps.Keys(proxies.inside), netip.Addr.Compare)
		if through := req; len(inputs.Proxies) > 0 {
			through.Scope.Proxies = inputs.Proxies
			more, err := in.Connections(ctx, through, func(batch []hunt.Connection) error { rec.AddProxied(batch); return ctx.Err() })
			if err != nil {
				return 0, "", fmt.Errorf("read connections to proxies: %w", err)
			}
			reading.Gaps = append(reading.Gaps, more.Gaps...)
		}
		if in.DNS != nil {
			more, err := in.DNS(ctx, req, func(batch []hunt.DNSRecord) error { rec.AddQueries(batch); return ctx.Err() })
			if err != nil {
				return 0, "", fmt.Errorf("read DNS: %w", err)
			}
			reading.Add(hunt.Remarks{Notes: more.Notes, Gaps: more.Gaps})
		}
	}
	for _, at := range rec.Hours() {
		hours[at] = hunt.HourState{}
	}
	inputs.Notes, inputs.Gaps = notesOf(&inputs, reading.Notes), append(slices.Clone(inputs.Gaps), reading.Gaps...)
	inputs.Files = maps.Clone(inputs.Files)
	if inputs.Files == nil {
		inputs.Files = map[string]File{}
	}
	for path := range fresh {
		f := now[path]
		if f.CRC, err = sumOf(path, f.Bytes); errors.Is(err, fs.ErrNotExist) {
			continue // it was rotated away
		} else if err != nil {
			return 0, "", err
		}
		f.During, f.Conn = conn[path]
		f.Conn = f.Conn && !withoutConn(reading.Notes)
		inputs.Files[path] = f
	}
	if oldest, ok := a.Store.Oldest(); ok { // what is older than all that is kept is not compared with anything any more
		maps.DeleteFunc(inputs.Files, func(path string, f File) bool {
			_, there := now[path]
			return !there && f.Changed < oldest.UnixNano()
		})
	}
	inputs.Source = reading.Source
	inputs.Open, inputs.ConnEnd = open.list(&reading), max(inputs.ConnEnd, reading.ConnEnd)
	inputs.Window, inputs.Newest = join(inputs.Window, reading.Window), max(inputs.Newest, newest.Load())
	a.Store.inputs, rec.local = inputs, scope.Local()
	if a.dropped, err = rec.commit(nil, hours, inputs.Window.End.Add(-daysAfter)); err != nil {
		return 0, "", err
	}
	a.gone = goneOf(inputs.Files, now)
	return files, why, nil
}

// notesOf are the notes of all readings. A log is missing only if each reading missed it.
func notesOf(before *Inputs, notes []hunt.Note) (out []hunt.Note) {
	if len(before.Files) == 0 {
		return notes
	}
	in := func(list []hunt.Note, n hunt.Note) bool {
		return slices.ContainsFunc(list, func(o hunt.Note) bool { return o.What == n.What && o.Where == n.Where })
	}
	for _, n := range before.Notes {
		if len(n.Logs) == 0 || in(notes, n) {
			out = append(out, n)
		}
	}
	for _, n := range notes {
		if len(n.Logs) == 0 && !in(out, n) {
			out = append(out, n)
		}
	}
	return out
}

// proxies are internal hosts that were asked for names of others.
type proxies struct {
	scope  *hunt.Scope
	mu     sync.Mutex
	inside map[netip.Addr]bool
}

func newProxies(s *hunt.Scope) *proxies { return &proxies{scope: s, inside: map[netip.Addr]bool{}} }

func (p *proxies) add(batch []hunt.NameRecord) {
	for i := range batch {
		if r := &batch[i]; r.Kind == hunt.Connect && p.scope.IsInternal(r.Dst) {
			p.mu.Lock()
			p.inside[r.Dst] = true
			p.mu.Unlock()
		}
	}
}

func join(a, b hunt.Window) hunt.Window {
	switch {
	case a == hunt.Window{}:
		return b
	case b == hunt.Window{}:
		return a
	}
	if b.Start.Before(a.Start) {
		a.Start = b.Start
	}
	if b.End.After(a.End) {
		a.End = b.End
	}
	return a
}

// Open implements [hunt.Source]: connections, names and DNS come from history, everything else from the files.
func (a *Archive) Open() *hunt.Session {
	inner := a.All.Open()
	s := *inner
	s.Sensors = bySensor(inner.Sensors, "the files")
	every := false // every record of the files is read
	var window hunt.Window
	var scope hunt.Scope
	s.Samples = func(ctx context.Context, findings []hunt.Finding) (hunt.Remarks, error) {
		return a.samples(ctx, scope, findings)
	}
	s.Connections = func(ctx context.Context, req hunt.Request, emit func([]hunt.Connection) error) (hunt.Reading, error) {
		if every = req.EveryRecord; every {
			reading, err := inner.Connections(ctx, req, emit)
			reading.Notes = append(reading.Notes, apart("a hunt by RITA's rules counts every record", "the files"))
			return reading, err
		}
		a.Store.teach(&req.Scope)
		reading := a.reading(req)
		if len(req.Scope.Proxies) > 0 {
			lost, err := a.Store.Connections(ctx, only(&req, Selection{From: req.From, To: req.To, Proxied: true}), func(batch []hunt.Connection) error {
				return emit(slices.DeleteFunc(batch, func(c hunt.Connection) bool { return !slices.Contains(req.Scope.Proxies, c.Dst) }))
			})
			return hunt.Reading{Window: reading.Window, Gaps: a.damaged(ctx, lost)}, err
		}
		window, scope = reading.Window, req.Scope
		var n atomic.Int64
		give := func(batch []hunt.Connection) error {
			n.Add(int64(len(batch)))
			return emit(batch)
		}
		from := reading.Window.ReadFrom()
		lost, err := a.Store.Connections(ctx, only(&req, Selection{From: from, To: reading.Window.End}), give)
		if back := reading.Window.Start.Add(-req.Back()); err == nil && !req.EveryRecord && back.Before(from) {
			var before map[int64]bool
			before, err = a.Store.Connections(ctx, only(&req, Selection{From: back, To: from, Reach: reading.Window.Start}), give)
			maps.Copy(lost, before)
		}
		still := a.Store.inputs.stillOpen(&req, reading.Window)
		if many := len(still); float64(many) > max(hunt.OpenShare*float64(n.Load()), 1) {
			still = nil
			reading.Gaps = append(reading.Gaps, hunt.Note{What: fmt.Sprintf("%s of %s have no record of their end: too many to be still open, so records are missing",
				hunt.Count(many), hunt.Many(n.Load(), "connection")), Hint: "give the conn logs of all of that time"})
		}
		reading.Notes = append(reading.Notes, hunt.OpenNotes(still)...)
		for batch := range slices.Chunk(still, batchRows) {
			err = cmp.Or(err, give(slices.Clone(batch)))
		}
		reading.Records, reading.Connections = n.Load(), n.Load()
		reading.Gaps = append(reading.Gaps, a.damaged(ctx, lost)...)
		if n.Load() == 0 && a.Store.inputs.Newest > 0 && !req.Scope.Narrowed() {
			reading.Gaps = append(reading.Gaps, hunt.Note{What: fmt.Sprintf("no connection in scope is in the window %s; the logs span %s", window, a.Store.inputs.Window),
				Where: reading.Source, Hint: "move the window with --from and --to, or leave it out to read everything"})
		}
		return reading, err
	}
	s.Earliest, s.Starts, s.Began = a.Store.Earliest, a.Store.Starts, a.Store.Began
	if s.Names != nil {
		s.Names = func(ctx context.Context, req hunt.Request, emit func([]hunt.NameRecord) error) (hunt.Reading, error) {
			if every {
				return inner.Names(ctx, req, emit)
			}
			http, tls := newLoghours("http", window), newLoghours("ssl", window)
			lost, err := a.Store.Names(ctx, only(&req, Selection{From: req.From, To: req.To}), func(batch []hunt.NameRecord) error {
				note(tls, batch, func(n *hunt.NameRecord) (int64, bool) { return n.Start, n.Kind == hunt.TLS && !n.Aside })
				note(http, batch, func(n *hunt.NameRecord) (int64, bool) {
					return n.Start, (n.Kind == hunt.HTTP || n.Kind == hunt.Connect) && !n.Aside
				})
				return emit(batch)
			})
			return hunt.Reading{Gaps: a.damaged(ctx, lost), Logs: coverage(http, tls)}, err
		}
	}
	if s.DNS != nil {
		s.DNS = func(ctx context.Context, req hunt.Request, emit func([]hunt.DNSRecord) error) (hunt.Reading, error) {
			if every {
				return inner.DNS(ctx, req, emit)
			}
			dns := newLoghours("dns", window)
			lost, err := a.Store.Queries(ctx, only(&req, Selection{From: req.From, To: req.To}), func(batch []hunt.DNSRecord) error {
				note(dns, batch, func(q *hunt.DNSRecord) (int64, bool) { return q.Start, true })
				return emit(batch)
			})
			return hunt.Reading{Gaps: a.damaged(ctx, lost), Logs: coverage(dns)}, err
		}
	}
	return &s
}

// only narrows a selection to the pair, source or destination of a request.
func only(req *hunt.Request, sel Selection) Selection {
	if dst := req.Scope.Only.Dst; dst.IsValid() {
		sel.Destination = netip.PrefixFrom(dst, dst.BitLen())
	}
	if src := req.Scope.Only.Src; src.IsValid() {
		sel.Source = netip.PrefixFrom(src, src.BitLen())
	}
	return sel
}

// damaged reports what cannot be trusted. The next hunt reads those files again.
func (a *Archive) damaged(ctx context.Context, lost map[int64]bool) []hunt.Note {
	if len(lost) == 0 {
		return nil
	}
	n := hunt.Note{What: fmt.Sprintf("%s of history cannot be read: a file was changed, cut or removed", hunt.Many(len(lost), "hour")),
		Hint: "hunt again: the logs are then read again"}
	if err := a.Store.Drop(ctx, lost); err != nil {
		n.Hint = "remove " + a.Store.dir + " and hunt again: " + err.Error()
	}
	return []hunt.Note{n}
}

// reading is what is known before anything is read: the window, and the notes about the files.
func (a *Archive) reading(req hunt.Request) hunt.Reading {
	in := a.Store.inputs
	w := in.Window
	if req.Since > 0 || !req.From.IsZero() { // without an end, it is that of the newest connection
		w.End = time.UnixMilli(in.Newest + 1).UTC()
	}
	if !req.From.IsZero() {
		w.Start = req.From
	}
	if !req.To.IsZero() {
		w.End = req.To
	}
	if req.Since > 0 {
		w.Start = w.End.Add(-req.Since)
	}
	r := hunt.Reading{Window: w, Source: in.Source, Notes: slices.Clone(in.Notes)}
	for i := range in.Gaps {
		if concerns(&in.Gaps[i], w) {
			r.Gaps = append(r.Gaps, in.Gaps[i])
		}
	}
	if gone := len(slices.DeleteFunc(slices.Clone(a.gone), func(g hunt.Window) bool { return !overlap(g, w) })); gone > 0 {
		r.Notes = append(r.Notes, hunt.Note{What: fmt.Sprintf("%s of this window are gone since history read them: their connections, names and queries count, but what is not kept "+
			"(certificates, answers, user agents, notices, names of hosts) is only known from the logs that are there", hunt.Many(gone, "conn log")),
			Hint: "restore the logs to have all evidence"})
	}
	if a.dropped > 0 {
		r.Notes = append(r.Notes, hunt.Note{What: fmt.Sprintf("dropped the oldest %s of history: history.size is reached", hunt.Many(a.dropped, "hour")), Hint: "raise history.size to keep more"})
	}
	if oldest, ok := a.Store.Oldest(); ok && w.Start.Before(oldest) && in.Window.Start.Before(oldest) {
		r.Gaps = append(r.Gaps, hunt.Note{What: fmt.Sprintf("history begins at %s: older records are no longer kept", oldest.Format(time.RFC3339)),
			Hint: "raise history.keep or history.size, or hunt the files themselves without --history"})
	}
	return r
}
