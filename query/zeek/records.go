package zeek

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"dwell/internal/hunt"
)

// Query says which records of which logs are wanted.
type Query struct {
	// Paths are files, folders and globs, as in Options.
	Paths []string
	// Kinds are the logs. Records of a log of open connections (OpenHTTP, OpenSSL) that come again, there or in the
	// log of ended ones, come once.
	Kinds []Kind
	// Fields are the fields to read besides ts and uid, as Zeek spells them ("id.orig_h", "certificate.subject").
	Fields []string
	// From and To bound ts, half-open; zero leaves that side open.
	From, To time.Time
	// Workers is how many goroutines parse. Zero means one a processor.
	Workers int
}

// Outcome is what reading other logs came to.
type Outcome struct {
	// Files were read; Records is how many records they hold, Taken how many of them were handed on.
	Files          int
	Records, Taken int64
	// Notes and Gaps are as in a hunt.Reading.
	Notes, Gaps []hunt.Note
}

// Records calls take with every record of the query, from several goroutines at once. That there is no log of a kind is
// no error: Outcome.Files says so.
func Records(ctx context.Context, q Query, take func(*Record) error) (Outcome, error) {
	return records(ctx, q, func() recordTaker { return recordTaker{take: take} })
}

// recordTaker is what one goroutine hands records to.
type recordTaker struct {
	take func(*Record) error
	// flush, if set, is called when nothing more comes.
	flush func() error
}

// records is Records with a taker for each goroutine, so that takers can gather batches without locks.
func records(ctx context.Context, q Query, newTaker func() recordTaker) (Outcome, error) {
	r := &report{}
	found, err := find(q.Paths, func(k Kind, _ string) bool { return slices.Contains(q.Kinds, k) }, r)
	if err != nil {
		return Outcome{}, err
	}
	files, err := inspectAll(ctx, found.files, r)
	if err != nil {
		return Outcome{}, err
	}
	var closed, open []*logFile
	for _, f := range files {
		switch {
		case !slices.Contains(q.Kinds, f.kind):
			if !f.explicit {
				r.note(hunt.Note{What: fmt.Sprintf("is named like a %s log but holds another", f.named), Where: f.path, Count: 1})
			}
		case f.kind.Open():
			open = append(open, f)
		default:
			closed = append(closed, f)
		}
	}
	if closed, err = dropCopies(ctx, closed, r); err != nil {
		return Outcome{}, err
	}
	s := &recordScan{fields: newFieldSet(q.Fields), open: map[openKey]*atomic.Bool{}, newTaker: newTaker}
	s.from, s.to = always()
	if !q.From.IsZero() {
		s.from = q.From.UnixMilli()
	}
	if !q.To.IsZero() {
		s.to = q.To.UnixMilli()
	}
	closed, open = notBefore(s.from, closed, r), notBefore(s.from, open, r)
	s.pipeline = pipeline{workers: q.Workers, chunkSize: chunkSize, read: new(atomic.Int64)}
	if s.workers <= 0 {
		s.workers = runtime.GOMAXPROCS(0)
	}
	// First which records are open, then those that have ended, then the open ones that were not among them.
	for _, pass := range []struct {
		stage stage
		files []*logFile
	}{{gather, open}, {closedRecords, closed}, {openRecords, open}} {
		s.stage = pass.stage
		if err := s.pipeline.run(ctx, pass.files, s.taker); err != nil {
			return Outcome{}, err
		}
	}
	out := Outcome{Files: len(closed) + len(open)}
	for _, f := range append(closed, open...) {
		r.tell(f)
		out.Records += f.tally.records
		out.Taken += f.tally.emitted
	}
	out.Notes, out.Gaps = r.notes, append(r.gaps, r.bad...)
	return out, nil
}

// stage is one of the three passes of a record scan.
type stage int

const (
	gather        stage = iota // Notes which records the logs of open connections hold.
	closedRecords              // Hands on the records of the other logs.
	openRecords                // Hands on the open ones that have not come yet.
)

// openKey is what makes a record of an open connection the one it is.
type openKey struct {
	uid hunt.UID
	ts  int64
}

// recordScan goes over logs of any kind.
type recordScan struct {
	pipeline
	fields   *fieldSet
	from, to int64
	stage    stage
	mu       sync.Mutex
	// open says of each record of an open connection whether it was handed on. It grows in the first stage only.
	open     map[openKey]*atomic.Bool
	newTaker func() recordTaker
}

func (s *recordScan) taker() taker {
	w := &recordWorker{scan: s, to: s.newTaker()}
	w.record = Record{fields: s.fields, cells: make([][]byte, len(s.fields.names))}
	w.name = make([]byte, 0, 128)
	return w
}

// recordWorker parses chunks into one Record after the other.
type recordWorker struct {
	scan   *recordScan
	record Record
	to     recordTaker
	// head is the header that columns was made for.
	head    *header
	columns []int
	ends    []int32
	buf     []byte
	name    []byte
	path    Kind
	has     bool
	keys    keyring
}

// The columns that every record is read for, beside the fields: they are told apart by negative numbers.
const (
	columnNone = -1
	columnTime = -2
	columnUID  = -3
	columnPath = -4
)

func (w *recordWorker) chunk(c chunk) error {
	n := newCounts()
	err := c.lines(&n, func(line []byte, head *header, number int64) (problem, error) {
		if line == nil {
			return fine, nil
		}
		why := w.parse(line, head)
		kind := c.file.kind.of(w.path)
		switch {
		case kind == otherKind:
			return foreign, nil
		case why != fine:
			return why, nil
		}
		n.records++
		r := &w.record
		r.Kind = kind
		if r.Start < w.scan.from || r.Start >= w.scan.to || !w.scan.wanted(r) {
			return fine, nil
		}
		n.emitted++
		if err := w.to.take(r); err != nil {
			return fine, fmt.Errorf("hand on %s record: %w", kind, err)
		}
		if r.odd {
			if n.odd == 0 {
				n.oddLine = number
			}
			n.odd++
		}
		return fine, nil
	})
	c.file.tally.add(&n)
	return err
}

func (w *recordWorker) flush() error {
	if w.to.flush == nil {
		return nil
	}
	return w.to.flush()
}

// wanted settles whether a record is to be handed on now.
func (s *recordScan) wanted(r *Record) bool {
	key := openKey{r.UID, r.Start}
	switch s.stage {
	case gather:
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.open[key] == nil {
			s.open[key] = new(atomic.Bool)
		}
		return false
	case closedRecords:
		if len(s.open) > 0 {
			if o := s.open[key]; o != nil {
				o.Store(true)
			}
		}
		return true
	case openRecords:
	}
	// A file that has grown since the first stage may hold what the set does not know.
	o := s.open[key]
	return o == nil || !o.Swap(true)
}

// parse reads one line into the record.
func (w *recordWorker) parse(line []byte, head *header) problem {
	r := &w.record
	clear(r.cells)
	r.UID, r.odd, r.scratch = hunt.UID{}, false, r.scratch[:0]
	w.path, w.has = "", false
	why := fine
	if line[0] == '{' {
		why = w.json(line)
	} else {
		why = w.tsv(line, head)
	}
	if why == fine && !w.has {
		return missingTime
	}
	return why
}

func (w *recordWorker) json(line []byte) problem {
	r := &w.record
	r.json = true
	s := scanner{b: line}
	why := fine
	w.keys.rewind()
	end := s.members(w.name[:0], func(name, value []byte) {
		special, at := w.keys.find(name, w.scan.fields, &w.buf)
		if value[0] == 'n' || string(value) == `""` || string(value) == "[]" {
			return
		}
		if at >= 0 {
			r.cells[at] = value
		}
		switch special {
		case columnTime:
			why = w.time(unquoted(value))
		case columnUID:
			r.UID = hunt.NewUID(unquoted(value))
		case columnPath:
			w.path = pathKind(unquoted(value))
		}
	})
	if end != fine {
		return end
	}
	if s.space(); s.i != len(s.b) {
		return badJSON
	}
	return why
}

func unquoted(b []byte) []byte {
	if len(b) > 1 && b[0] == '"' {
		return b[1 : len(b)-1]
	}
	return b
}

func (w *recordWorker) time(b []byte) problem {
	us, ok := parseTime(b)
	if !ok {
		return badTime
	}
	w.record.Start, w.has = us/1000, true
	return fine
}

func (w *recordWorker) tsv(line []byte, head *header) problem {
	if head.fields == nil {
		return noHeader
	}
	if head.separator == 0 {
		return badHeader
	}
	if w.head != head {
		w.plan(head)
	}
	r := &w.record
	r.json, r.set = false, head.setSep
	if head.path != "" {
		w.path = head.kind
	}
	w.ends = cut(w.ends[:0], line, head.separator)
	start := 0
	for i, end := range w.ends {
		cell := line[start:end]
		start = int(end) + 1
		if i >= len(w.columns) || w.columns[i] == columnNone || len(cell) == 0 || string(cell) == head.unset || string(cell) == head.empty {
			continue
		}
		switch at := w.columns[i]; at {
		case columnTime:
			if why := w.time(cell); why != fine {
				return why
			}
		case columnUID:
			r.UID = hunt.NewUID(cell)
		default:
			r.cells[at] = cell
		}
	}
	return head.fit(len(w.ends), line)
}

// plan settles what each column of a header is for.
func (w *recordWorker) plan(head *header) {
	w.head = head
	w.columns = w.columns[:0]
	for _, name := range head.fields {
		at := w.scan.fields.index(&w.buf, []byte(name))
		switch {
		case name == "ts":
			at = columnTime
		case name == "uid":
			at = columnUID
		case at < 0:
			at = columnNone
		}
		w.columns = append(w.columns, at)
	}
}
