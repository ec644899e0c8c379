// Package load puts Zeek logs into Elasticsearch as Security Onion stores them, for tests and the demo: one document
// per record in the data stream logs-zeek-so, with a substitute for Security Onion's index template.
//
// It is exact: every line becomes a document or is counted and reported, and at the end the index must have grown by
// the number acknowledged. Ids are derived from file, line number and line, so loading the same files again adds
// nothing. On a real grid the sensors load logs, so it refuses one unless Options.Force is set.
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
	// Shards of the data stream; 0 means Security Onion's number.
	Shards int
	// Force loads into a cluster that looks like a real Security Onion grid.
	Force bool
	// Workers is the number of concurrent bulks; 0 means 2.
	Workers int
	// BulkDocs is the number of documents per bulk; 0 means 5000.
	BulkDocs int
}

// Report is what was loaded.
type Report struct {
	// Documents counts what was written, by log; Existing what was already there.
	Documents map[string]int
	Existing  int
	// Files is the number of files read. SkippedFiles names those of unknown logs.
	Files        int
	SkippedFiles []string
	// Bad are invalid lines, by file, with the first one explained. Dead are documents that the index rejected.
	Bad  []BadLines
	Dead []bulk.Dead
}

// BadLines are the lines of a file that did not become documents.
type BadLines struct {
	File  string
	Count int
	// First is the position of the first one, and its error.
	First string
}

// Total is the number of documents written.
func (r *Report) Total() int {
	n := 0
	for _, c := range r.Documents {
		n += c
	}
	return n
}

// batch is the content of one bulk: documents of one log.
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

// Load loads the paths; everything loaded is searchable when it returns. The client needs the privileges to put index
// templates and to write. The report is valid even with an error.
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

// run reads the files in turn and writes them with several workers.
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

// file turns one file's lines into documents. Only one goroutine calls it, so it needs no lock.
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
	line, ended := lines.Next() // the header names the log, or else the file name does
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

// write writes one batch and counts the results.
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
