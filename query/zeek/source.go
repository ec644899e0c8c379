// Package zeek reads Zeek's log files: TSV and JSON, plain, gzip and zstd, single files and the folders in which Zeek
// and Security Onion keep them.
//
// [Source.Open] says what it can do. It promises that every connection of the window comes exactly once,
// and that whatever it could not read is a gap of the [hunt.Reading]: damaged lines, files that end early, folders
// that may not be listed. Copies of a log are read once and told. Nothing of a log is held in memory beyond the
// chunks being parsed and the few connections that had not ended.
package zeek

import (
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
)

// Options say what to read.
type Options struct {
	// Paths are files, folders (everything below them is looked at) and globs. A file is read whatever its name if
	// its content is a conn log; in folders and globs the name has to promise one, too.
	Paths []string
	// Workers is how many goroutines parse, and as many read and unpack. Zero means one a processor.
	Workers int
}

// Source gives the connections in Zeek log files. Of what it read last it keeps what the look-ups for findings need.
type Source struct {
	opts       Options
	chunkSize  int
	maxSpreads int64
	maxAnswers int

	mu   sync.Mutex
	seen seen
}

// New makes a source; whether the paths exist is found out by Read.
func New(o Options) *Source {
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	return &Source{opts: o, chunkSize: chunkSize, maxSpreads: maxSpreads, maxAnswers: maxAnswers}
}

// Read is [hunt.Session.Connections]. Without From, To and Since the window is what the connections in scope span, so it
// is known only at the end and everything is handed on; Since and an open end cost a first pass over the files that
// reads times and addresses alone.
func (s *Source) Read(ctx context.Context, req hunt.Request, emit func([]hunt.Connection) error) (hunt.Reading, error) {
	r := &report{}
	if req.Since < 0 || (req.Since > 0 && !req.From.IsZero()) {
		return hunt.Reading{}, errors.New("since counts back from the end of the window: give it without from, and above zero")
	}
	found, err := find(s.opts.Paths, wantConnections, r)
	if err != nil {
		return hunt.Reading{}, err
	}
	in, err := s.choose(ctx, found, r)
	if err != nil {
		return hunt.Reading{}, err
	}

	base := scan{pipeline: pipeline{workers: s.opts.Workers, chunkSize: s.chunkSize, read: new(atomic.Int64)},
		scope: req.Scope, connections: new(atomic.Int64), minutes: len(s.opts.Paths) > 1}
	base.progress = in.progress(req, &base)
	open, err := s.readOpen(ctx, base, in.open)
	if err != nil {
		return hunt.Reading{}, err
	}
	if len(open.byUID) > 0 {
		base.closed = open.close
	}
	bounds, err := s.bounds(ctx, base, req, in)
	if err != nil {
		return hunt.Reading{}, err
	}
	pass := base
	pass.from, pass.to, pass.take = bounds.from, bounds.to, emit
	if err := pass.run(ctx, in.inBounds(bounds, &base)); err != nil {
		return hunt.Reading{}, err
	}
	still, err := open.handOn(bounds.from, bounds.to, r, emit)
	if err != nil {
		return hunt.Reading{}, err
	}
	window := bounds.window
	if window == (hunt.Window{}) || req.From.IsZero() && req.Since == 0 {
		window = in.span(window.End)
	}
	if len(req.Scope.Proxies) == 0 { // that is a further reading of the same hunt
		s.settled(window)
	}
	return in.reading(s.opts.Paths, window, base.connections.Load()+still, r), nil
}

// wantConnections is what Read looks into: logs that hold connections by name, and files that hint at them.
func wantConnections(k Kind, path string) bool {
	return k.holdsConnections() || k == "" && hintsAtConn(path)
}

// input are the files of one hunt.
type input struct {
	// closed hold connections that have ended (or stand for some, where there is no conn log), open the others.
	closed, open []*logFile
}

// all are both kinds.
func (in *input) all() []*logFile { return append(slices.Clone(in.closed), in.open...) }

// choose picks the files that hold connections. Logs of names are looked at only when there is no conn log.
func (s *Source) choose(ctx context.Context, found *finder, r *report) (*input, error) {
	var first, names []*logFile
	for _, f := range found.files {
		if f.named == HTTPLog || f.named == SSLLog {
			found.others[f.named]++
			names = append(names, f)
		} else {
			first = append(first, f)
		}
	}
	in := &input{}
	more, err := in.add(ctx, first, found, r)
	if err != nil {
		return nil, err
	}
	names = append(names, more...)
	if len(in.closed) == 0 && len(names) > 0 {
		named, err := in.add(ctx, names, found, r)
		if err != nil {
			return nil, err
		}
		in.closed = append(in.closed, named...)
		if n := len(in.closed); n > 0 {
			r.note(hunt.Note{What: fmt.Sprintf("there is no conn log; the records of %d http and ssl logs stand for connections, each with its own time", n),
				Hint: "durations and IP bytes are unknown, and what is neither HTTP nor TLS is not seen", Count: int64(n)})
		}
	}
	if len(in.closed)+len(in.open) == 0 {
		return nil, nothing(s.opts.Paths, found, r)
	}
	r.gaps = append(r.gaps, r.bad...)
	in.closed, err = dropCopies(ctx, in.closed, r)
	return in, err
}

// add looks into files and takes those that hold connections. It gives back http and ssl logs, which may have to
// stand for connections.
func (in *input) add(ctx context.Context, files []*logFile, found *finder, r *report) (names []*logFile, err error) {
	files, err = inspectAll(ctx, files, r)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		switch {
		case f.named == "" && !f.explicit:
			if f.kind == Conn && f.has {
				r.note(hunt.Note{What: "looks like a conn log but is not named like one, and was not read", Where: f.path,
					Hint: "name the file itself to have it read", Count: 1})
			}
		case f.kind == Conn:
			in.closed = append(in.closed, f)
		case f.kind.Open():
			in.open = append(in.open, f)
		case (f.kind == HTTPLog || f.kind == SSLLog) && (f.explicit || f.named == f.kind):
			names = append(names, f)
		case f.named.holdsConnections():
			r.note(hunt.Note{What: "is named like a " + string(f.named) + " log but holds another", Where: f.path, Count: 1})
		case f.explicit:
			found.others[f.named]++
			r.note(hunt.Note{What: "holds no connections", Where: f.path, Count: 1})
		}
	}
	return names, nil
}

// nothing is the error when no file holds connections.
func nothing(paths []string, found *finder, r *report) error {
	where := strings.Join(paths, ", ")
	if len(r.bad) > 0 {
		return fmt.Errorf("no conn log in %s can be read: %s: %s", where, r.bad[0].Where, r.bad[0].What)
	}
	var have []string
	for k, n := range found.others {
		name := string(k)
		if k == "" || k == otherKind {
			name = "no Zeek log by name"
		}
		have = append(have, fmt.Sprintf("%d %s", n, name))
	}
	if len(have) == 0 {
		return fmt.Errorf("no conn log in %s: found no file at all; give the folder that holds conn.log", where)
	}
	slices.Sort(have)
	return fmt.Errorf("no conn log in %s: found %s; give the folder that holds conn.log, or name the file itself", where, strings.Join(have, ", "))
}

// progress adapts the request's callback: bytes of files, of which some are read twice.
func (in *input) progress(req hunt.Request, base *scan) func() {
	if req.Progress == nil {
		return nil
	}
	var total int64
	for _, f := range in.closed {
		total += f.size
	}
	if needsSpan(req) {
		total *= 2
	}
	for _, f := range in.open {
		total += f.size
	}
	const step = 4 << 20
	var mu sync.Mutex
	var told int64
	return func() {
		done := base.read.Load()
		mu.Lock()
		defer mu.Unlock()
		if done < told+step && done < total {
			return
		}
		told = done
		req.Progress(hunt.Progress{Done: min(done, total), Total: total, Unit: "bytes", Connections: base.connections.Load()})
	}
}

// bounds is a window with what has to be read for it, Unix milliseconds, half-open.
type bounds struct {
	window   hunt.Window
	from, to int64
}

// needsSpan says whether the window depends on the newest connection and not all are wanted.
func needsSpan(req hunt.Request) bool {
	return req.To.IsZero() && (req.Since > 0 || !req.From.IsZero())
}

// bounds settles the window, as far as it can be known before everything was read.
func (s *Source) bounds(ctx context.Context, base scan, req hunt.Request, in *input) (bounds, error) {
	b := bounds{}
	b.from, b.to = always()
	start, end := req.From, req.To
	switch {
	case needsSpan(req):
		base.spanOnly = true
		base.closed = nil
		w, err := in.newest(ctx, base)
		if err != nil {
			return b, err
		}
		end = w.End
		if end.IsZero() && req.Since > 0 {
			return b, nil
		}
		if req.Since > 0 {
			start = end.Add(-req.Since)
		} else if !end.After(start) {
			end = start.Add(time.Millisecond)
		}
	case end.IsZero():
		return b, nil
	case req.Since > 0:
		start = end.Add(-req.Since)
	case start.IsZero():
		b.window.End = end.UTC().Truncate(time.Millisecond)
		b.to = b.window.End.UnixMilli()
		return b, nil
	}
	w, err := hunt.NewWindow(start, end)
	if err != nil {
		return b, err
	}
	b.window, b.from, b.to = w, w.ReadFrom().UnixMilli(), w.End.UnixMilli()
	return b, nil
}

// inBounds leaves out files that hold nothing of the window, where that is known.
func (in *input) inBounds(b bounds, base *scan) []*logFile {
	var out []*logFile
	for _, f := range in.closed {
		c := &f.tally.counts
		switch {
		case f.tally.read && (c.kept == 0 || c.newest < b.from || c.oldest >= b.to), !f.tally.read && f.until < b.from:
			base.read.Add(f.size)
		default:
			out = append(out, f)
		}
	}
	return out
}

// span is the window from the oldest to the newest connection in scope, or to end. It is zero when there is none.
func (in *input) span(end time.Time) hunt.Window {
	oldest, newest := int64(math.MaxInt64), int64(math.MinInt64)
	for _, f := range in.all() {
		oldest, newest = min(oldest, f.tally.oldest), max(newest, f.tally.newest)
	}
	if oldest > newest {
		return hunt.Window{}
	}
	w := hunt.Window{Start: time.UnixMilli(oldest).UTC(), End: time.UnixMilli(newest + 1).UTC()}
	if !end.IsZero() {
		w.End = end
		if !w.End.After(w.Start) {
			w.Start = end.Add(-time.Millisecond)
		}
	}
	return w
}

// longSpan is a window that nobody asks for by intent.
const longSpan = 366 * 24 * time.Hour

// reading puts together what the hunt is told.
func (in *input) reading(paths []string, w hunt.Window, connections int64, r *report) hunt.Reading {
	out := hunt.Reading{Window: w, Source: strings.Join(paths, ", "), Connections: connections}
	files := in.all()
	total := newCounts()
	in.tellUnread(r)
	for _, f := range files {
		if !f.tally.read {
			continue
		}
		c := &f.tally.counts
		r.tell(f)
		total.add(c)
		slice := hunt.Slice{Name: f.path, Read: c.emitted}
		if c.kept > 0 {
			slice.Start, slice.End = time.UnixMilli(c.oldest).UTC(), time.UnixMilli(c.newest+1).UTC()
		}
		out.Slices = append(out.Slices, slice)
	}
	slices.SortStableFunc(out.Slices, func(a, b hunt.Slice) int { return a.Start.Compare(b.Start) })
	out.Records = total.records
	switch {
	case total.records == 0:
		r.note(hunt.Note{What: fmt.Sprintf("%d logs hold no record at all", len(files)), Where: out.Source, Count: int64(len(files))})
	case total.kept == 0:
		r.note(hunt.Note{What: fmt.Sprintf("none of %d records is in scope", total.records), Where: out.Source,
			Hint: "name your own networks with --internal, or look in the other --direction", Count: total.records})
	case connections == 0:
		r.note(hunt.Note{What: fmt.Sprintf("no connection in scope starts in the window %s; the logs span %s", w, in.span(time.Time{})),
			Where: out.Source, Hint: "move the window with --from and --to, or leave it out to read everything", Count: total.kept})
	}
	if w.Duration() > longSpan && w.Contains(total.oldest) {
		for _, f := range files {
			if f.tally.kept > 0 && f.tally.oldest == total.oldest {
				r.note(hunt.Note{What: "the logs span more than a year, from " + time.UnixMilli(total.oldest).UTC().Format(time.RFC3339) + " on: a sensor's clock may have been wrong",
					Where: f.path, Hint: "give --from or --since to leave that out", Count: 1})
				break
			}
		}
	}
	out.Notes, out.Gaps = r.notes, r.gaps
	if len(paths) > 1 {
		out.Sensors = in.sensors(paths, w)
	}
	return out
}
