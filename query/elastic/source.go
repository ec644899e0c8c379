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
// the plain names, never both (they would count the own cluster twice).
const Auto = "auto"

// The defaults and bounds of Options.
const (
	DefaultSliceDocs   = 20_000
	DefaultConcurrency = 2
	// MaxPage is the most buckets a page may have: Security Onion's search.max_buckets.
	MaxPage = 65_536
	// minPage is how small pages become before a slice is given up.
	minPage = 64
)

// Options say what is read and how much of it at once.
type Options struct {
	// Index names what is searched; empty or {"auto"} means Auto.
	Index []string
	// SliceDocs is how many connections a request asks for, about; 0 means DefaultSliceDocs. At most MaxPage.
	SliceDocs int
	// Concurrency is how many requests are under way at most; 0 means DefaultConcurrency.
	Concurrency int
	// MaxPage bounds the buckets of one page; 0 means MaxPage, the most that is allowed.
	MaxPage int
	// Logger hears of slices and of what was made smaller (debug); nil means silence.
	Logger *slog.Logger
	// Now is the clock used when the cluster does not tell its own; nil means time.Now.
	Now func() time.Time
}

// Validate gives all that is wrong with the options, joined.
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

// Source reads connections out of one cluster.
type Source struct {
	client searcher
	opt    Options
	// hunt is what is kept while a hunt lasts; nil keeps nothing.
	hunt *memo
	// pause is what a worker waits before it reads a slice again that could not be read.
	pause time.Duration
	// many is manyDestinations.
	many int64
}

// New makes a source. It asks the cluster nothing.
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
		window, err := resolve(req, now)
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
	if err == nil && out.Records > 0 {
		err = s.readOpen(ctx, req, &out, first.ended, first.take)
	}
	first.tell(&out)
	return out, err
}

// readConnections reads what a log asks of the connections in a request's window.
func (s *Source) readConnections(ctx context.Context, req hunt.Request, of func(hunt.Window) log) (hunt.Reading, error) {
	now, notes, err := s.clock(ctx)
	if err != nil {
		return hunt.Reading{}, err
	}
	window, err := resolve(req, now)
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

// resolve settles the window: the given ends; what is missing of them counts from now less the settle delay.
func resolve(req hunt.Request, now time.Time) (hunt.Window, error) {
	since := req.Since
	if since == 0 {
		since = 24 * time.Hour
	}
	end := req.To
	if end.IsZero() {
		end = now.Add(-req.Settle)
	}
	start := req.From
	if start.IsZero() {
		start = end.Add(-since)
	}
	return hunt.NewWindow(start, end)
}

// skewNote is the difference between clocks above which people are told; a schedule stops at [es.MaxSkew].
const skewNote = 2 * time.Second

// clock gives the cluster's time, or ours with a note where we may not ask.
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
