package zeek

import (
	"bytes"
	"context"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"dwell/internal/hunt"
	"dwell/query/once"
	"dwell/query/zeek/log"
)

// batchSize is the number of connections passed on at once.
const batchSize = 2048

// connFields make a connection; spanFields give its time and scope alone.
var (
	spanFields = []log.Field{log.OrigH, log.RespH, log.LocalOrig, log.LocalResp, log.Duration}
	connFields = append([]log.Field{log.OrigP, log.RespP, log.Proto, log.Service, log.OrigBytes, log.RespBytes,
		log.OrigIPBytes, log.RespIPBytes, log.ConnState, log.History}, spanFields...)
)

// pass is one pass over the files with connections.
type pass struct {
	scope hunt.Scope
	// spanOnly reads only the time and addresses of records, and passes nothing on.
	spanOnly bool
	// window bounds what is passed on.
	window reach
	// every is hunt.Request.EveryRecord.
	every bool
	// take gets every wanted connection, from several goroutines at once. It keeps nothing of the batch.
	take func(batch []hunt.Connection) error
	once *once.Set
	// ended are the uids of connections with a record of their end; named says that there are any, nameless that some
	// have no uid.
	ended           hunt.EndedUIDs
	named, nameless atomic.Bool
	// records are those of logs that stand in for conn.
	records *once.Records
	open    *openSet
	// held have durations that are possible only if the logs reach that far.
	held struct {
		sync.Mutex
		list []held
	}
	// latest is tomorrow: no record can be of a later time.
	latest int64
	// stillOpen are those without a record of their own.
	stillOpen int64
	// connections counts those passed on.
	connections atomic.Int64
	dropped     dropped
}

type held struct {
	conn hunt.Connection
	file *log.File
}

const (
	// unlikely is the least duration of a connection that is held until the end of the logs is known.
	unlikely = int64(7 * 24 * time.Hour / time.Millisecond)
	// maxHeld bounds their number. Further ones are passed on as they are.
	maxHeld = 1 << 14
	// dayMillis is a day.
	dayMillis = int64(24 * time.Hour / time.Millisecond)
)

// reach is a window in Unix milliseconds, half-open. A connection that began before from, but not before back, and was
// still open at start is wanted, too.
type reach struct{ back, from, start, to int64 }

func everything() reach { return reach{math.MinInt64, math.MinInt64, math.MinInt64, math.MaxInt64} }

func (w *reach) wants(c *hunt.Connection) bool {
	switch {
	case c.Start >= w.to:
		return false
	case c.Start >= w.from:
		return true
	}
	return c.Start >= w.back && c.Duration > 0 && c.Start+c.Duration > w.start
}

// run makes the pass.
func (p *pass) run(ctx context.Context, s *Source, files []*log.File, kinds []log.Kind, progress func(), read *atomic.Int64) error {
	scan := log.Scan{Workers: s.opts.Workers, ChunkSize: s.chunkSize, Kinds: kinds, Fields: connFields, Read: read, Progress: progress, Bucket: s.bucket(), Times: huntedLogs}
	switch {
	case p.spanOnly:
		scan.Fields = spanFields
	case kinds[0] != log.Conn:
		scan.Fields = append(slices.Clone(connFields), log.URI)
	}
	scan.New = func() log.Taker {
		return &connTaker{pass: p, services: map[string]string{}, batch: make([]hunt.Connection, 0, batchSize)}
	}
	return scan.Run(ctx, files)
}

// connTaker makes connections of records.
type connTaker struct {
	pass        *pass
	batch       []hunt.Connection
	ended       []hunt.Connection
	services    map[string]string
	lastService string
	lost        dropped
}

// Take takes a record of a conn log, or of a log that stands in for it.
func (t *connTaker) Take(r *log.Record, n *log.Counts) (log.Problem, error) {
	p := t.pass
	c := hunt.Connection{Start: r.Start, Count: 1, Src: r.Addr(log.OrigH), Dst: r.Addr(log.RespH), UID: r.UID}
	if !c.Src.IsValid() || !c.Dst.IsValid() {
		return noAddress(r, &c), nil
	}
	if c.Duration = duration(r); c.Duration < hunt.Absent {
		n.Negative++
		c.Duration = 0
	}
	end := c.Start + max(c.Duration, 0)
	if c.Start > p.latest {
		n.Future++
		n.FutureTo = max(n.FutureTo, c.Start)
		return log.Fine, nil
	}
	n.Step(c.Start, end)
	n.At(c.Start)
	if c.Duration <= unlikely {
		n.End = max(n.End, end)
	}
	if !p.every && p.flipped(r, &c) {
		n.Flipped++
		return t.keep(r, &c, n, true)
	}
	localOrig, localResp := r.Flag(log.LocalOrig), r.Flag(log.LocalResp)
	keep := p.scope.KeepLocal(c.Src, c.Dst, localOrig > 0, localResp > 0, localResp < 0)
	if !keep {
		if !p.spanOnly {
			t.lost.add(&p.scope, c.Src, c.Dst)
		}
		return log.Fine, nil
	}
	return t.keep(r, &c, n, false)
}

// kept takes a connection that is in scope; turned says that its sides were swapped.
func (t *connTaker) keep(r *log.Record, c *hunt.Connection, n *log.Counts, turned bool) (log.Problem, error) {
	p := t.pass
	n.InScope++
	n.Oldest, n.Newest = min(n.Oldest, c.Start), max(n.Newest, c.Start)
	if p.spanOnly {
		return log.Fine, nil
	}
	t.fill(r, c)
	if turned {
		c.SrcPort, c.DstPort = c.DstPort, c.SrcPort
		c.OrigBytes, c.RespBytes = c.RespBytes, c.OrigBytes
		c.OrigIPBytes = r.Count(log.RespIPBytes)
	}
	if r.Kind == log.Conn {
		t.end(c)
	}
	switch {
	case r.Kind.Open():
		c.State = hunt.StateOpen
		p.open.add(c, n.File)
		return log.Fine, nil
	case c.Duration > unlikely && p.hold(c, n.File):
		return log.Fine, nil
	}
	// Pieces of one connection are no copies of it.
	if again := p.again(r, c); again && (c.State != hunt.StateMiddle || p.every) {
		n.Again++
		return log.Fine, nil
	}
	if !p.window.wants(c) {
		return log.Fine, nil
	}
	n.Emitted++
	t.batch = append(t.batch, *c)
	if len(t.batch) == cap(t.batch) {
		return log.Fine, t.hand()
	}
	return log.Fine, nil
}

// flipped swaps the sides of a connection that Zeek logged from its middle, with the server as originator: from outside
// to inside, without a SYN, and with the lower port outside, as servers have.
func (p *pass) flipped(r *log.Record, c *hunt.Connection) bool {
	if p.spanOnly || p.scope.Direction != hunt.Outbound || p.scope.Narrowed() || string(r.Text(log.ConnState)) != "OTH" ||
		bytes.ContainsAny(r.Text(log.History), "SsHh") || string(r.Text(log.Proto)) != "tcp" {
		return false
	}
	if out, in := r.Port(log.OrigP), r.Port(log.RespP); out >= in || in < 1024 || !p.scope.Keep(c.Dst, c.Src) {
		return false
	}
	c.Src, c.Dst = c.Dst, c.Src
	return true
}

// again says whether a connection came before. A connection may have several requests in a second, so records that
// stand in for connections are compared as such.
func (p *pass) again(r *log.Record, c *hunt.Connection) bool {
	if r.Kind == log.Conn {
		return p.once.Again(c)
	}
	what, by := p.once.Mix(p.once.Hash(c), p.records.Bytes(r.Text(log.URI))), p.records.Bytes(c.UID[:])
	whole := p.once.Mix(what, by^uint64(r.Start*1000+r.Micros))
	if p.every || c.UID == (hunt.UID{}) {
		what = 0
	}
	return p.records.Again(whole, what, by, r.Start)
}

// duration is a record's, in milliseconds: Absent, or negative if the clock was set back.
func duration(r *log.Record) int64 {
	if r.Has(log.Duration) || !r.Has(log.EventDuration) {
		return r.Interval(log.Duration)
	}
	return r.Interval(log.EventDuration)
}

func noAddress(r *log.Record, c *hunt.Connection) log.Problem {
	switch {
	case r.Has(log.OrigH) && !c.Src.IsValid():
		return log.NoSource
	case r.Has(log.RespH) && !c.Dst.IsValid():
		return log.NoTarget
	}
	return log.NoAddresses
}

// fill sets the other fields from a record.
func (t *connTaker) fill(r *log.Record, c *hunt.Connection) {
	c.SrcPort, c.DstPort = r.Port(log.OrigP), r.Port(log.RespP)
	switch r.Kind {
	case log.HTTPLog:
		c.Service, c.Proto = "http", hunt.TCP
		c.OrigBytes, c.RespBytes, c.OrigIPBytes = hunt.Absent, hunt.Absent, hunt.Absent
		return
	case log.SSLLog:
		c.Service, c.Proto = "ssl", hunt.TCP
		c.OrigBytes, c.RespBytes, c.OrigIPBytes = hunt.Absent, hunt.Absent, hunt.Absent
		return
	}
	c.Proto = r.Proto(log.Proto)
	if service := r.Word(log.Service); len(service) > 0 {
		c.Service = t.service(service)
	}
	c.OrigBytes, c.RespBytes, c.OrigIPBytes = r.Count(log.OrigBytes), r.Count(log.RespBytes), r.Count(log.OrigIPBytes)
	c.State = r.State(log.ConnState, c.Proto)
}

func (t *connTaker) service(b []byte) string {
	if string(b) == t.lastService {
		return t.lastService
	}
	s, ok := t.services[string(b)]
	if !ok {
		s = string(b)
		t.services[s] = s
	}
	t.lastService = s
	return s
}

// hold keeps a connection until everything was read; false if there are too many.
func (p *pass) hold(c *hunt.Connection, f *log.File) bool {
	p.held.Lock()
	defer p.held.Unlock()
	if len(p.held.list) >= maxHeld {
		return false
	}
	p.held.list = append(p.held.list, held{*c, f})
	return true
}

// hand passes the batch on.
func (t *connTaker) hand() error {
	if len(t.batch) == 0 {
		return nil
	}
	if err := t.pass.take(t.batch); err != nil {
		return err
	}
	t.pass.connections.Add(int64(len(t.batch)))
	t.batch = t.batch[:0]
	return nil
}

// end remembers that a connection has ended, so that a handshake with its uid is not of one that is still open.
func (t *connTaker) end(c *hunt.Connection) {
	if c.UID == (hunt.UID{}) {
		t.pass.nameless.Store(true)
		return
	}
	if t.ended = append(t.ended, hunt.Connection{UID: c.UID, Start: c.Start}); len(t.ended) == batchSize {
		t.note()
	}
}

// note hands on which connections have ended.
func (t *connTaker) note() {
	if len(t.ended) > 0 {
		t.pass.named.Store(true)
		t.pass.ended.Add(t.ended)
		t.ended = t.ended[:0]
	}
}

// Flush passes on the rest.
func (t *connTaker) Flush() error {
	t.note()
	t.pass.dropped.merge(&t.lost)
	return t.hand()
}

// finish passes on the long connections that waited until everything was read, and are possible.
func (p *pass) finish(r *log.Report, end int64) error {
	var batch []hunt.Connection
	for _, h := range p.held.list {
		c := h.conn
		if c.Start+c.Duration > end+dayMillis {
			r.ClockFault(h.file, "connections that would end after their logs do, which no clock that runs right gives; they count without a duration")
			c.Duration = hunt.Absent
		}
		switch {
		case p.once.Again(&c) && c.State != hunt.StateMiddle:
			h.file.Again++
		case p.window.wants(&c):
			h.file.Emitted++
			batch = append(batch, c)
		}
	}
	if len(batch) > 0 {
		if err := p.take(batch); err != nil {
			return err
		}
		p.connections.Add(int64(len(batch)))
	}
	return nil
}
