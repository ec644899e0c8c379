// Package zeek is the source of a hunt in Zeek log files; package log parses them.
//
// [Source] returns every connection of the window exactly once. Whatever it cannot read is a gap of the [hunt.Reading]:
// damaged lines, files that end early, unreadable files that may have records. It holds nothing of a log in memory
// beyond the chunks being parsed, a bounded memory of past connections, and the few connections that had not ended.
package zeek

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"dwell/internal/hunt"
	"dwell/query/once"
	"dwell/query/zeek/log"
)

// Options say what to read.
type Options struct {
	// Paths are files, directories (with everything below them) and globs. File names do not matter.
	Paths []string
	// Only, if set, are the wanted files, by their paths as [log.List] returns them.
	Only map[string]bool
	// Workers is the number of goroutines that parse, and of those that read and unpack. Zero means one a processor.
	Workers int
}

// Source reads Zeek log files. It keeps what the look-ups for findings need of the last reading.
type Source struct {
	opts       Options
	chunkSize  int
	maxSpreads int64
	maxAnswers int
	maxOnce    int
	openBytes  int64
	now        func() time.Time

	mu   sync.Mutex
	seen seen
	set  *log.Set
	// reported are the notes made: one for a file, however often it is read.
	reported map[string]bool
}

// New makes a source; Read finds out whether the paths exist.
func New(o Options) *Source {
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	return &Source{opts: o, maxSpreads: maxSpreads, maxAnswers: maxAnswers, maxOnce: once.Most, openBytes: openBytes, now: time.Now}
}

// The logs whose records are connections or stand in for them.
var (
	connKinds  = []log.Kind{log.Conn, log.OpenConn, log.ConnLong}
	standIns   = []log.Kind{log.HTTPLog, log.SSLLog}
	huntedLogs = []log.Kind{log.Conn, log.OpenConn, log.ConnLong, log.HTTPLog, log.OpenHTTP, log.SSLLog, log.OpenSSL, log.QUIC, log.SOCKS, log.DNSLog}
)

// look inspects the files again.
func (s *Source) look(ctx context.Context, r *log.Report) (*log.Set, error) {
	set, err := log.Look(ctx, s.opts.Paths, s.opts.Workers, r)
	if err == nil && s.opts.Only != nil {
		set.Files = slices.DeleteFunc(set.Files, func(f *log.File) bool { return !s.opts.Only[f.Path] })
		set.Left = slices.DeleteFunc(set.Left, func(l log.Left) bool { return !s.opts.Only[l.Path] })
	}
	if err != nil {
		return nil, err
	}
	for _, l := range set.Left {
		if l.Explicit {
			return nil, fmt.Errorf("read Zeek log: %s", hunt.Note{What: l.What, Where: l.Path, Hint: l.Hint})
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set = set
	return set, nil
}

// holding are the files that may have records of some logs, as found when connections were read, in order of their
// first records.
func (s *Source) holding(ctx context.Context, r *log.Report, kinds ...log.Kind) ([]*log.File, error) {
	s.mu.Lock()
	set := s.set
	s.mu.Unlock()
	if set == nil {
		var err error
		if set, err = s.look(ctx, r); err != nil {
			return nil, err
		}
	}
	return filesOf(set, kinds...), nil
}

func filesOf(set *log.Set, kinds ...log.Kind) (out []*log.File) {
	for _, f := range set.Files {
		if f.Holds(kinds...) {
			out = append(out, f)
		}
	}
	slices.SortStableFunc(out, func(a, b *log.File) int { return cmp.Compare(a.First, b.First) })
	return out
}

// bucket is the precision of the noted times: minutes where paths are sensors, whose hours are counted.
func (s *Source) bucket() int64 {
	if len(s.opts.Paths) > 1 {
		return time.Minute.Milliseconds()
	}
	return time.Hour.Milliseconds()
}

// reading is one Read in progress.
type reading struct {
	*Source
	req    hunt.Request
	report *log.Report
	set    *log.Set
	// files have connections; kinds are the logs that they come from.
	files []*log.File
	kinds []log.Kind
	read  atomic.Int64
	// beside is the span of the other logs, once it is known.
	beside []hunt.Window
	// connEnd is the end of the conn logs, Unix milliseconds, once it is known.
	connEnd int64
	// spanned says that a first pass read the times that it needed.
	spanned bool
}

// Read is [hunt.Session.Connections]. Without From, To and Since the window is the span of all logs, ends of
// connections included: it is known only at the end, and everything is passed on. Since, and an open end, cost a first
// pass over the files that reads only times and addresses.
func (s *Source) Read(ctx context.Context, req hunt.Request, emit func([]hunt.Connection) error) (hunt.Reading, error) {
	if req.Since < 0 || (req.Since > 0 && !req.From.IsZero()) {
		return hunt.Reading{}, errors.New("since counts back from the end of the window: give it without from, and above zero")
	}
	in := &reading{Source: s, req: req, report: &log.Report{}, kinds: connKinds}
	var err error
	s.mu.Lock()
	in.set = s.set
	s.mu.Unlock()
	if in.set == nil || !req.Scope.Narrowed() {
		if in.set, err = s.look(ctx, in.report); err != nil {
			return hunt.Reading{}, err
		}
	}
	in.files = filesOf(in.set, connKinds...)
	if len(in.files) == 0 {
		in.standIn()
	}
	if err := in.nothing(); err != nil {
		return hunt.Reading{}, err
	}
	in.report.Left(in.set.Left)
	window, p, err := in.connections(ctx, emit)
	if err != nil {
		return hunt.Reading{}, err
	}
	if in.records() == 0 && !slices.ContainsFunc(in.files, func(f *log.File) bool { return !f.WasRead }) && in.standIn() {
		// These turned out to have no connections.
		if window, p, err = in.connections(ctx, emit); err != nil {
			return hunt.Reading{}, err
		}
	}
	if len(req.Scope.Proxies) == 0 { // that is a further reading of the same hunt
		s.settled(window, req.From.IsZero() && req.To.IsZero() && req.Since == 0)
	}
	return in.reading(window, p), nil
}

// standIn has http and ssl logs stand in for connections, where there is no conn log.
func (in *reading) standIn() bool {
	if files := filesOf(in.set, standIns...); len(files) > 0 {
		in.files, in.kinds = files, standIns
		n := len(files)
		in.report.Note(hunt.Note{What: fmt.Sprintf("there is no conn log; the records of %s stand for connections, each with its own time", hunt.Many(n, "http or ssl log")),
			Hint: "durations and IP bytes are unknown, and what is neither HTTP nor TLS is not seen", Logs: []string{"conn"}})
		return true
	}
	in.report.Note(hunt.Note{What: "there is no conn log, so no beacon, long connection or strobe can be found",
		Hint: "give the directory that holds conn.log", Logs: []string{"conn"}})
	return false
}

func (in *reading) records() (n int64) {
	for _, f := range in.files {
		n += f.Records
	}
	return n
}

// nothing is the error if no file has anything to hunt in.
func (in *reading) nothing() error {
	if len(filesOf(in.set, huntedLogs...)) > 0 {
		return nil
	}
	where := strings.Join(in.opts.Paths, ", ")
	var have []string
	for _, l := range in.set.Left {
		have = append(have, l.Path+" "+l.What)
	}
	for _, f := range in.set.Files {
		kind := "holds no record"
		for k := range f.Kinds {
			kind = "is a Zeek log of another kind (" + string(k) + ")"
		}
		have = append(have, f.Path+" "+kind)
	}
	if len(have) == 0 {
		return fmt.Errorf("no Zeek log in %s: found no file at all; give the directory that holds conn.log", where)
	}
	more := ""
	if n := len(have) - 5; n > 0 {
		have, more = have[:5], fmt.Sprintf("; and %d more files", n)
	}
	return fmt.Errorf("no log that can be hunted in (conn, dns, http, ssl) in %s: %s%s; give the directory that holds conn.log", where, strings.Join(have, "; "), more)
}

// connections settles the window and passes on the connections.
func (in *reading) connections(ctx context.Context, emit func([]hunt.Connection) error) (hunt.Window, *pass, error) {
	p := &pass{scope: in.req.Scope, take: emit, once: once.New(in.maxOnce), records: once.NewRecords(in.maxOnce / 8), open: &openSet{byUID: map[hunt.UID]*openConn{}}, latest: in.latest()}
	p.every, p.once.ByUID = in.req.EveryRecord, in.req.EveryRecord
	window, bounds, err := in.bounds(ctx)
	if err != nil {
		return window, p, err
	}
	p.window = bounds
	if err := p.run(ctx, in.Source, in.inBounds(bounds), in.kinds, in.progress(p), &in.read); err != nil {
		return window, p, err
	}
	span := in.span(ctx)
	if err := p.finish(in.report, span.End.UnixMilli()); err != nil {
		return window, p, fmt.Errorf("hand on connections: %w", err)
	}
	if err := in.still(ctx, p); err != nil {
		return window, p, fmt.Errorf("look for open connections: %w", err)
	}
	if err := p.open.handOn(in.report, p); err != nil {
		return window, p, err
	}
	if window == (hunt.Window{}) {
		if start := span.End.Add(-in.req.Since); in.req.Since > 0 && start.After(span.Start) {
			span.Start = start
		}
		return span, p, nil
	}
	if in.req.From.IsZero() && in.req.Since == 0 {
		window.Start = span.Start
		if !window.End.After(window.Start) {
			window.Start = window.End.Add(-time.Millisecond)
		}
	}
	return window, p, nil
}

// progress adapts the request's callback: bytes of files, some of which are read twice.
func (in *reading) progress(p *pass) func() {
	if in.req.Progress == nil {
		return nil
	}
	var total int64
	for _, f := range in.files {
		total += f.Size
	}
	if needsSpan(in.req) {
		total *= 2
	}
	const step = 4 << 20
	var mu sync.Mutex
	var reported int64
	return func() {
		done := in.read.Load()
		mu.Lock()
		defer mu.Unlock()
		if done < reported+step && done < total {
			return
		}
		reported = done
		in.req.Progress(hunt.Progress{Done: min(done, total), Total: total, Unit: "bytes", Connections: p.connections.Load()})
	}
}

// reading assembles what the hunt gets.
func (in *reading) reading(w hunt.Window, p *pass) hunt.Reading {
	r := in.report
	out := hunt.Reading{Window: w, Source: strings.Join(in.opts.Paths, ", "), Connections: p.connections.Load()}
	var kept, future int64
	unread := 0
	for _, f := range in.files {
		if !f.WasRead {
			unread++
			continue
		}
		r.Tell(f)
		_, _, n := mass(f)
		in.far(f, n)
		out.Records += f.Records
		kept += f.InScope
		future += f.Future
		slice := hunt.Slice{Name: f.Path, Read: f.Emitted}
		if f.InScope > 0 {
			slice.Start, slice.End = time.UnixMilli(f.Oldest).UTC(), time.UnixMilli(f.Newest+1).UTC()
		}
		out.Slices = append(out.Slices, slice)
	}
	if p.stillOpen > 0 {
		out.Slices = append(out.Slices, hunt.Slice{Name: "still open", Read: p.stillOpen})
	}
	slices.SortStableFunc(out.Slices, func(a, b hunt.Slice) int { return a.Start.Compare(b.Start) })
	r.Faults()
	if unread > 0 {
		r.Note(hunt.Note{What: fmt.Sprintf("logs that were last written well before the window, not read: %d", unread)})
	}
	if p.once.Forgot() {
		r.Note(forgot("connections", in.maxOnce))
	}
	for _, n := range p.dropped.Notes() {
		r.Note(n)
	}
	out.OutOfScope, out.ConnEnd = p.dropped.OutOfScope, in.connEnd
	switch {
	case len(in.files) == 0:
	case out.Records == 0 && unread > 0:
		r.Gap(hunt.Note{What: fmt.Sprintf("no conn log was written in the window %s, or after it", w), Where: out.Source,
			Hint: "move the window with --from and --to, or leave it out to read everything"})
	case out.Records == 0:
		r.Gap(hunt.Note{What: fmt.Sprintf("no log holds a record of a connection; read: %d", len(in.files)), Where: out.Source})
	case future == out.Records:
	case kept == 0:
		r.Note(hunt.Note{What: fmt.Sprintf("none of %d records is in scope", out.Records), Where: out.Source,
			Hint: "name your own networks with --internal, or look in the other --direction"})
	case out.Connections == 0:
		r.Gap(hunt.Note{What: fmt.Sprintf("no connection in scope is in the window %s; the logs span %s", w, in.span(context.Background())),
			Where: out.Source, Hint: "move the window with --from and --to, or leave it out to read everything"})
	}
	in.fresh(r)
	out.Notes, out.Gaps = r.Notes, r.Gaps
	if len(in.opts.Paths) > 1 {
		out.Sensors = in.sensors(w)
	}
	return out
}

// fresh removes from a report what was reported before.
func (s *Source) fresh(r *log.Report) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reported == nil {
		s.reported = map[string]bool{}
	}
	said := func(n hunt.Note) bool {
		text := n.String()
		defer func() { s.reported[text] = true }()
		return s.reported[text]
	}
	r.Notes, r.Gaps = slices.DeleteFunc(r.Notes, said), slices.DeleteFunc(r.Gaps, said)
}

// always is a pair of bounds that leaves nothing out.
func always() (from, to int64) { return math.MinInt64, math.MaxInt64 }
