// Package load puts Zeek logs into Elasticsearch as Security Onion stores them, for tests and the demo: one document
// per record in the data stream logs-zeek-so, with a stand-in for Security Onion's index template.
//
// It is exact: every line becomes a document or is counted and told, and at the end the index is counted and must have
// grown by what was acknowledged. Documents have ids made of file, line number and line, so loading the same files again
// adds nothing. It is not meant for a real grid, whose sensors do this, and refuses one unless Options.Force is set.
package load

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"sync"

	"golang.org/x/sync/errgroup"

	"dwell/integration/load/sodoc"
	"dwell/internal/es"
	"dwell/internal/hunt"
	"dwell/internal/securityonion"
	"dwell/internal/store/bulk"
	"dwell/query/zeek/log"
)

// Options of a load.
type Options struct {
	// Paths are files, and directories with everything below them.
	Paths []string
	// Observer is the sensor's name in the documents; empty means "so-sensor1".
	Observer string
	// Shards of the data stream; 0 means as many as Security Onion has.
	Shards int
	// Force loads into a cluster that looks like a real Security Onion grid.
	Force bool
	// Workers is how many bulks are on their way at once; 0 means 2.
	Workers int
	// BulkDocs is how many documents one bulk holds; 0 means 5000.
	BulkDocs int
}

// Report is what was loaded.
type Report struct {
	// Documents counts what was written, by log; Existing what was there already.
	Documents map[string]int
	Existing  int
	// Files is how many files were read. SkippedFiles names those that hold no log that we know.
	Files        int
	SkippedFiles []string
	// Bad are lines that are no records, by file, with the first of them explained. Dead are documents that the index
	// refused.
	Bad  []BadLines
	Dead []bulk.Dead
}

// BadLines are the lines of a file that became no document.
type BadLines struct {
	File  string
	Count int
	// First is where the first one is and what is wrong with it.
	First string
}

// Total is how many documents were written.
func (r *Report) Total() int {
	n := 0
	for _, c := range r.Documents {
		n += c
	}
	return n
}

// batch is what goes into one bulk: documents of one log.
type batch struct {
	log   string
	items []bulk.Item
}

// loader is one Load under way.
type loader struct {
	client  *es.Client
	o       Options
	batches chan batch
	mu      sync.Mutex
	report  Report
}

// Load loads the paths; what it loaded can be searched when it returns. The client must be allowed to put index templates
// and to write. The report is true also when there is an error.
func Load(ctx context.Context, client *es.Client, o Options) (Report, error) {
	if o.Observer == "" {
		o.Observer = "so-sensor1"
	}
	if o.Workers == 0 {
		o.Workers = 2
	}
	if o.BulkDocs == 0 {
		o.BulkDocs = 5000
	}
	files, err := find(o.Paths)
	if err != nil {
		return Report{}, err
	}
	if err := prepare(ctx, client, o); err != nil {
		return Report{}, err
	}
	before, err := count(ctx, client)
	if err != nil {
		return Report{}, err
	}
	l := &loader{client: client, o: o, batches: make(chan batch, o.Workers), report: Report{Documents: map[string]int{}}}
	if err := l.run(ctx, files); err != nil {
		return l.report, err
	}
	after, err := count(ctx, client)
	if err == nil && after-before != l.report.Total() {
		err = fmt.Errorf("load %s: it holds %d documents more than before, but %d were acknowledged; does something else write there?",
			securityonion.StreamZeek, after-before, l.report.Total())
	}
	return l.report, err
}

// run reads the files one after the other and writes what they hold with several workers.
func (l *loader) run(ctx context.Context, files []string) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(l.batches)
		for _, f := range files {
			if err := l.file(ctx, f); err != nil {
				return err
			}
		}
		return nil
	})
	for range l.o.Workers {
		g.Go(func() error {
			for b := range l.batches {
				if err := l.write(ctx, b); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// file turns one file's lines into documents. Only one goroutine is here, so what it reports needs no lock.
func (l *loader) file(ctx context.Context, path string) error {
	abs, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("%w", err)
	}
	lines, err := log.OpenLines(path)
	if err != nil {
		return fmt.Errorf("load %s: %w", path, err)
	}
	defer lines.Close()
	line, ended := lines.Next() // The header names the log, or else the file's name does.
	name := cmp.Or(lines.Header.Path, logName(path))
	converter, err := sodoc.NewConverter(name, sodoc.Meta{Observer: l.o.Observer, Path: "/nsm/zeek/logs/current/" + name + ".log"})
	if errors.Is(err, sodoc.ErrUnknownLog) {
		l.report.SkippedFiles = append(l.report.SkippedFiles, path)
		return nil
	}
	if err != nil {
		return fmt.Errorf("load %s: %w", path, err)
	}
	l.report.Files++
	bad := BadLines{File: path}
	b := batch{log: name}
	for ; ended == nil; line, ended = lines.Next() {
		doc, err := record(lines.Header, line)
		if err == nil {
			doc, err = converter.Append(nil, doc)
		}
		if err != nil {
			if bad.Count++; bad.Count == 1 {
				bad.First = fmt.Sprintf("line %d: %v", lines.Number, err)
			}
			continue
		}
		b.items = append(b.items, bulk.Item{ID: hunt.Digest(abs, strconv.Itoa(lines.Number), string(line)), Doc: doc})
		if len(b.items) == l.o.BulkDocs {
			if err := l.send(ctx, b); err != nil {
				return err
			}
			b.items = nil
		}
	}
	if !errors.Is(ended, io.EOF) {
		return fmt.Errorf("load %s: after line %d: %w", path, lines.Number, ended)
	}
	if bad.Count > 0 {
		l.report.Bad = append(l.report.Bad, bad)
	}
	if len(b.items) == 0 {
		return nil
	}
	return l.send(ctx, b)
}

func (l *loader) send(ctx context.Context, b batch) error {
	select {
	case l.batches <- b:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// write writes one batch and counts what became of it.
func (l *loader) write(ctx context.Context, b batch) error {
	w := bulk.New(bulk.Options{Client: l.client, Stream: securityonion.StreamZeek, MaxDocs: l.o.BulkDocs, MaxBytes: 16 << 20})
	r, err := w.Write(ctx, b.items)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.report.Documents[b.log] += r.Acked
	l.report.Existing += r.Existing
	l.report.Dead = append(l.report.Dead, r.Dead...)
	return err
}
