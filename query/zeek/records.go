package zeek

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"
	"sync"
	"time"

	"dwell/internal/hunt"
	"dwell/query/once"
	"dwell/query/zeek/log"
)

// query says which records of which logs are wanted.
type query struct {
	// kinds are the logs. A record that repeats, also one in a log of open connections (OpenHTTP, OpenSSL) and in that
	// of ended ones, comes once.
	kinds []log.Kind
	// fields are read besides ts and uid.
	fields []log.Field
	// from and to bound ts, half-open; zero leaves that side open.
	from, to time.Time
	// most, if set, bounds the size of the files that are read; the newest are.
	most int64
	// every has what two taps log of one connection count twice.
	every bool
}

// outcome is the result of reading other logs.
type outcome struct {
	// files were read; records is the number of their records, taken the number passed on.
	files          int
	records, taken int64
	// hours are the window's hours in which each log has records.
	hours map[log.Kind]*hours
	log.Report
}

// hours are the window's hours with records, counted from its start.
type hours struct {
	of          map[int64]struct{}
	first, last int64
}

func (h *hours) add(o *hours) {
	maps.Copy(h.of, o.of)
	h.first, h.last = min(h.first, o.first), max(h.last, o.last)
}

// note adds the time of a record.
func (t *otherTaker) note(k log.Kind, ms int64) {
	if !t.window.Contains(ms) {
		return
	}
	h := t.hours[k.Closed()]
	if h == nil {
		h = &hours{map[int64]struct{}{}, ms, ms}
		t.hours[k.Closed()] = h
	}
	h.first, h.last = min(h.first, ms), max(h.last, ms)
	if at := (ms - t.window.Start.UnixMilli()) / time.Hour.Milliseconds(); at != t.at || k != t.last {
		h.of[at] = struct{}{}
		t.at, t.last = at, k
	}
}

// recordTaker takes one goroutine's records.
type recordTaker struct {
	take func(*log.Record) error
	// flush, if set, is called after the last record.
	flush func() error
}

// each calls take with every record of the query, from several goroutines at once. A missing log is no error:
// outcome.files says so.
func (s *Source) each(ctx context.Context, q query, take func(*log.Record) error) (outcome, error) {
	return s.records(ctx, q, func() recordTaker { return recordTaker{take: take} })
}

// records is each with a taker for each goroutine, so that takers can collect batches without locks.
func (s *Source) records(ctx context.Context, q query, newTaker func() recordTaker) (outcome, error) {
	var out outcome
	files, err := s.holding(ctx, &out.Report, q.kinds...)
	if err != nil {
		return outcome{}, err
	}
	from, to := always()
	if !q.from.IsZero() {
		from = q.from.UnixMilli()
	}
	if !q.to.IsZero() {
		to = q.to.UnixMilli()
	}
	var wanted []*log.File
	for _, f := range files {
		if f.Until >= from && (q.most == 0 || f.First < to) {
			wanted = append(wanted, f)
		}
	}
	if q.most > 0 {
		var since int64
		if wanted, since = newest(wanted, q.most); since != math.MinInt64 {
			out.Note(hunt.Note{What: fmt.Sprintf("what began before the window is judged without the TLS and HTTP records of %s or before: their logs were not read", time.UnixMilli(since).UTC().Format(time.RFC3339)),
				Hint: "hunt a longer window"})
		}
	}
	seen := once.NewRecords(s.maxOnce / 8)
	scan := log.Scan{Workers: s.opts.Workers, ChunkSize: s.chunkSize, Kinds: q.kinds, Fields: q.fields}
	out.hours = map[log.Kind]*hours{}
	window, _ := s.noting(hunt.Request{})
	var mu sync.Mutex
	scan.New = func() log.Taker {
		t := &otherTaker{to: newTaker(), from: from, until: to, all: s.spansAll() && !q.to.IsZero(), seen: seen, taps: !q.every, fields: q.fields, window: window, hours: map[log.Kind]*hours{}, at: -1}
		t.done = func() {
			mu.Lock()
			defer mu.Unlock()
			for k, h := range t.hours {
				if out.hours[k] == nil {
					out.hours[k] = h
				} else {
					out.hours[k].add(h)
				}
			}
		}
		return t
	}
	if err := scan.Run(ctx, wanted); err != nil {
		return outcome{}, err
	}
	out.files = len(files)
	for _, f := range wanted {
		out.Tell(f)
		if f.Far > 0 {
			out.Gap(farFrom(f, f.Far))
		}
		out.records += f.Records
		out.taken += f.Emitted
	}
	if seen.Forgot() {
		out.Note(forgot("records", s.maxOnce/8))
	}
	s.fresh(&out.Report)
	return out, nil
}

// forgot says that of more than most repeats may have counted twice.
func forgot(many string, most int) hunt.Note {
	n := once.Forgotten(many, most)
	n.Hint = "give no copies of logs beside the logs"
	return n
}

// newest are the files written last, up to a size in bytes. Since is when the newest of the others may end, Unix
// milliseconds; the least number if there are none.
func newest(files []*log.File, most int64) (taken []*log.File, since int64) {
	slices.SortStableFunc(files, func(a, b *log.File) int { return cmp.Compare(b.Until, a.Until) })
	for i, f := range files {
		if most -= f.Size; most < 0 {
			return files[:i], f.Until
		}
	}
	return files, math.MinInt64
}

// otherTaker passes on the records of a window, each once.
type otherTaker struct {
	to          recordTaker
	from, until int64
	// all says that the window is what all logs span: records far outside have a wrong clock.
	all    bool
	seen   *once.Records
	taps   bool
	fields []log.Field
	buf    []byte
	// window is the hunt's; at and last are the hour and log of the last record. done returns the hours.
	window hunt.Window
	hours  map[log.Kind]*hours
	at     int64
	last   log.Kind
	done   func()
}

// Take passes on a record.
func (t *otherTaker) Take(r *log.Record, n *log.Counts) (log.Problem, error) {
	if r.Start < t.from || r.Start >= t.until {
		if t.all && slices.Contains(huntedLogs, r.Kind) && (r.Start < max(t.from, firstLogs)-silence || r.Start-silence >= t.until) {
			n.Far++
		}
		return log.Fine, nil
	}
	if t.again(r) {
		n.Again++
		return log.Fine, nil
	}
	n.Emitted++
	t.note(r.Kind, r.Start)
	return log.Fine, t.to.take(r)
}

// Flush passes on the rest.
func (t *otherTaker) Flush() error {
	t.done()
	if t.to.flush == nil {
		return nil
	}
	return t.to.flush()
}

// again says whether the same record came before, in a copy of the log or from another tap. Records without a
// connection's ends are compared as a whole, in time to the microsecond.
func (t *otherTaker) again(r *log.Record) bool {
	b := append(t.buf[:0], r.Kind.Closed()...)
	var what, by uint64 // a query that is sent again within a second is one
	if t.taps && (r.UID != (hunt.UID{}) || r.Kind == log.DNSLog) && r.Has(log.OrigP) {
		f := flowOf(r)
		src, dst := f.src.As16(), f.dst.As16()
		b = append(append(b, src[:]...), dst[:]...)
		b = binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16(b, f.srcPort), f.dstPort)
		for _, f := range t.fields {
			if slices.Contains(spoken, f) {
				b = append(append(b, byte(f)), r.Text(f)...)
			}
		}
		if what = t.seen.Bytes(b); r.Kind != log.DNSLog {
			by = t.seen.Bytes(r.UID[:])
		}
	}
	b = binary.LittleEndian.AppendUint64(b, uint64(r.Start*1000+r.Micros))
	b = append(b, r.UID[:]...)
	for _, f := range t.fields {
		b = append(append(b, byte(f)), r.Text(f)...)
	}
	t.buf = b
	return t.seen.Again(t.seen.Bytes(b), what, by, r.Start)
}

// spoken are the fields in which two taps' records of one message agree. Answers are none of them: a tap may miss one.
var spoken = []log.Field{log.Query, log.QTypeName, log.ServerName, log.Method, log.Host, log.URI, log.RequestHost, log.RequestName, log.RequestPort,
	log.Name, log.Note, log.Indicator}

// flow is the connection that http, ssl and dns records name.
type flow struct {
	src, dst         netip.Addr
	srcPort, dstPort uint16
}

// flowFields are the fields that flowOf reads.
func flowFields(more ...log.Field) []log.Field {
	return append([]log.Field{log.OrigH, log.OrigP, log.RespH, log.RespP}, more...)
}

func flowOf(r *log.Record) flow {
	return flow{src: r.Addr(log.OrigH), srcPort: r.Port(log.OrigP), dst: r.Addr(log.RespH), dstPort: r.Port(log.RespP)}
}

// words keeps one copy of each repeated text.
type words map[string]string

// maxWords and maxText bound what a hostile network can make dwell keep: no meaningful name, fingerprint or user agent
// is longer.
const (
	maxWords = 1 << 16
	maxText  = 512
)

func (w words) keep(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	b = b[:min(len(b), maxText)]
	if s, ok := w[string(b)]; ok {
		return s
	}
	if len(w) >= maxWords {
		clear(w)
	}
	s := string(b)
	w[s] = s
	return s
}

// reading is the outcome as the hunt gets it.
func (o outcome) reading() hunt.Reading {
	out := hunt.Reading{Records: o.records, Connections: o.taken, Notes: o.Notes, Gaps: o.Gaps}
	for _, k := range slices.Sorted(maps.Keys(o.hours)) {
		h := o.hours[k]
		out.Logs = append(out.Logs, hunt.LogHours{Log: string(k), Hours: int64(len(h.of)), First: h.first, Last: h.last})
	}
	return out
}

// batches collects T into batches for emit.
type batches[T any] struct {
	list []T
	emit func([]T) error
}

func newBatches[T any](emit func([]T) error) *batches[T] {
	return &batches[T]{make([]T, 0, batchSize), emit}
}

func (b *batches[T]) add(v T) error {
	if b.list = append(b.list, v); len(b.list) < cap(b.list) {
		return nil
	}
	return b.flush()
}

func (b *batches[T]) flush() error {
	if len(b.list) == 0 {
		return nil
	}
	err := b.emit(b.list)
	b.list = b.list[:0]
	return err
}
