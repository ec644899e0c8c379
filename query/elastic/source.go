package elastic

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"dwell/internal/es"
	"dwell/internal/hunt"
	"dwell/query/once"
)

// Auto is the Options.Index that lets the cluster decide: with remote clusters the whole grid by "*:" names, otherwise
// the plain names. Never both: they would count the own cluster twice.
const Auto = "auto"

// The defaults and bounds of Options.
const (
	DefaultSliceDocs   = 20_000
	DefaultConcurrency = 2
	// MaxPage is the largest number of buckets in a page: Security Onion's search.max_buckets.
	MaxPage = 65_536
	// minPage is the smallest page before a slice is given up.
	minPage = 64
)

// Options say what is read and how much of it at once.
type Options struct {
	// Index names the indices; empty or {"auto"} means Auto.
	Index []string
	// SliceDocs is the approximate number of connections of a request; 0 means DefaultSliceDocs. At most MaxPage.
	SliceDocs int
	// Concurrency is the largest number of requests at once; 0 means DefaultConcurrency.
	Concurrency int
	// MaxPage bounds the buckets of one page; 0 means MaxPage, the maximum.
	MaxPage int
	// Logger logs slices and reduced sizes (debug); nil logs nothing.
	Logger *slog.Logger
	// Now is the clock used when the cluster does not return its own; nil means time.Now.
	Now func() time.Time
}

// Validate returns all problems of the options, joined.
func (o *Options) Validate() error {
	var errs []error
	if o.SliceDocs < 0 || o.SliceDocs > MaxPage {
		errs = append(errs, fmt.Errorf("slice of %d connections: it has to be between 1 and %d", o.SliceDocs, MaxPage))
	}
	if o.Concurrency < 0 {
		errs = append(errs, fmt.Errorf("concurrency %d is negative", o.Concurrency))
	}
	if o.MaxPage < 0 || o.MaxPage > MaxPage {
		errs = append(errs, fmt.Errorf("page of %d buckets: it has to be between 1 and %d", o.MaxPage, MaxPage))
	}
	for _, name := range o.Index {
		if name == "" {
			errs = append(errs, errors.New("an index name is empty"))
		}
	}
	return errors.Join(errs...)
}

// Source reads connections from one cluster.
type Source struct {
	client searcher
	opt    Options
	// hunt is what is kept during a hunt; nil keeps nothing.
	hunt *memo
	// pause is how long a worker waits before it reads a failed slice again.
	pause time.Duration
	// many is manyDestinations.
	many int64
}

// New makes a source. It sends no request.
func New(client *es.Client, opt Options) (*Source, error) {
	if err := opt.Validate(); err != nil {
		return nil, err
	}
	if len(opt.Index) == 0 {
		opt.Index = []string{Auto}
	}
	if opt.SliceDocs == 0 {
		opt.SliceDocs = DefaultSliceDocs
	}
	if opt.Concurrency == 0 {
		opt.Concurrency = DefaultConcurrency
	}
	if opt.MaxPage == 0 {
		opt.MaxPage = MaxPage
	}
	opt.SliceDocs = min(opt.SliceDocs, opt.MaxPage)
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	return &Source{client: searcher{Client: client}, opt: opt, pause: time.Second, many: manyDestinations}, nil
}

// Read is [hunt.Session.Connections]. Errors are the cluster's (*es.Error, with its kind) or emit's.
func (s *Source) Read(ctx context.Context, req hunt.Request, emit func([]hunt.Connection) error) (hunt.Reading, error) {
	first := firstOnly{set: once.New(once.Most), every: req.EveryRecord, emit: emit, ended: cmp.Or(req.Ended, &hunt.Ended{}),
		latest: s.opt.Now().Add(clockFault).UnixMilli()}
	if req.OnlyEarlier {
		now, _, err := s.clock(ctx)
		if err != nil {
			return hunt.Reading{}, err
		}
		window, err := req.WindowAt(now)
		if err != nil {
			return hunt.Reading{}, err
		}
		out := hunt.Reading{Window: window}
		err = s.readLong(ctx, req, &out, first.take)
		if err == nil {
			err = s.readOpen(ctx, req, &out, first.ended, first.take)
		}
		first.tell(&out)
		return out, err
	}
	out, err := s.readConnections(ctx, req, func(w hunt.Window) log {
		return log{query: connQuery(req.Scope), from: w.ReadFrom().UnixMilli(), rows: rowsOf(connection(), first.take),
			beside: func(ctx context.Context, r *reading) (bool, error) { return r.readTurned(ctx, first.take) }}
	})
	if err == nil {
		err = s.readLong(ctx, req, &out, first.take)
	}
	if err == nil && (out.Records > 0 || req.Scope.Narrowed()) {
		err = s.readOpen(ctx, req, &out, first.ended, first.take)
	}
	first.tell(&out)
	return out, err
}

// readConnections reads a log's connections in a request's window.
func (s *Source) readConnections(ctx context.Context, req hunt.Request, of func(hunt.Window) log) (hunt.Reading, error) {
	now, notes, err := s.clock(ctx)
	if err != nil {
		return hunt.Reading{}, err
	}
	window, err := req.WindowAt(now)
	if err != nil {
		return hunt.Reading{}, err
	}
	p, err := s.place(ctx)
	if err != nil {
		return hunt.Reading{Window: window}, err
	}
	l := of(window)
	l.anew = func() query { return of(window).query }
	l.many, l.window, l.to = "connections", window, window.End.UnixMilli()
	r := newReading(s, p, l, req)
	r.notes = append(notes, p.notes...)
	err = r.run(ctx, now)
	out := r.result()
	out.OutOfScope = r.left
	out.Add(hunt.Remarks{Notes: r.left.Notes(), Gaps: p.lost()})
	return out, err
}

// skewNote is the difference between clocks that is reported; a schedule stops at [es.MaxSkew].
const skewNote = 2 * time.Second

// clock returns the cluster's time, or ours with a note if that is not permitted.
func (s *Source) clock(ctx context.Context) (time.Time, []hunt.Note, error) {
	c, err := s.client.Clock(ctx)
	switch {
	case es.Is(err, es.Permission):
		return s.opt.Now(), []hunt.Note{{
			What: "the cluster's clock could not be asked, so this host's was used",
			Hint: "grant the cluster privilege monitor",
		}}, nil
	case err != nil:
		return time.Time{}, nil, err
	}
	var notes []hunt.Note
	if c.Off() > skewNote {
		notes = append(notes, hunt.Note{
			What: fmt.Sprintf("this host's clock is %s the cluster's; the window follows the cluster's", c.Difference()),
			Hint: "let both follow the same time server",
		})
	}
	return c.Now, notes, nil
}
