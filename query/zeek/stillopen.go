package zeek

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"dwell/internal/hunt"
	"dwell/query/zeek/log"
)

// opening are the logs of what is said at a connection's beginning.
var opening = []log.Kind{log.SSLLog, log.OpenSSL, log.SSH, log.RDP, log.SOCKS, log.QUIC, log.HTTPLog, log.OpenHTTP}

const (
	// openAge and openIdle are [hunt.OpenAge] and [hunt.OpenIdle] in milliseconds.
	openAge, openIdle = int64(hunt.OpenAge / time.Millisecond), int64(hunt.OpenIdle / time.Millisecond)
	// maxStill bounds how many are kept. More are a gap.
	maxStill = 1 << 16
	// openBytes is how much of older conn logs is read in any case, to know which connections have ended. More is read
	// only as long as it is no more than what the hunt itself reads.
	openBytes = 256 << 20
)

// still finds connections that are still open: what is said at their beginning has a record, they themselves have none,
// though the conn logs go on for an hour. They count up to the end of the conn logs.
func (in *reading) still(ctx context.Context, p *pass) error {
	if in.req.EveryRecord || in.req.Scope.Narrowed() || in.kinds[0] != log.Conn || in.records() == 0 {
		return nil
	}
	since, begin, err := in.earlier(ctx, p)
	if err != nil {
		return err
	}
	end := int64(0)
	for _, f := range in.files {
		if first, last, ok := spanOf(f); ok {
			begin, end = min(begin, first), max(end, last)
		}
	}
	var mu sync.Mutex
	// beyond are those of hours that the conn logs have nothing of, left those beyond maxStill, unknown those without a uid
	// whose connection may be forgotten.
	var all, beyond, left, unknown int64
	outside := reach{from: math.MaxInt64, to: math.MinInt64}
	found, opened := map[hunt.Ends]hunt.Connection{}, map[hunt.Ends]bool{} // opened are out of open_ssl and open_http logs
	young := map[hunt.Ends]hunt.Connection{}
	in.connEnd = end
	scan := log.Scan{Workers: in.opts.Workers, ChunkSize: in.chunkSize, Kinds: opening, Fields: flowFields(log.TransDepth)}
	scan.New = func() log.Taker {
		return stillTaker(func(r *log.Record) {
			f := flowOf(r)
			c := hunt.Connection{Start: r.Start, Duration: end - r.Start, OrigBytes: hunt.Absent, RespBytes: hunt.Absent, OrigIPBytes: hunt.Absent, Count: 1,
				Src: f.src, Dst: f.dst, SrcPort: f.srcPort, DstPort: f.dstPort, Proto: hunt.TCP, Service: string(r.Kind.Closed()), State: hunt.StateOpen, UID: r.UID}
			if r.Start <= since {
				return
			}
			if (r.Start > end+openAge || r.Start < begin-openAge) && p.scope.Keep(f.src, f.dst) {
				if r.Start >= p.window.from && r.Start < p.window.to {
					mu.Lock()
					beyond++
					outside.from, outside.to = min(outside.from, r.Start), max(outside.to, r.Start)
					mu.Unlock()
				}
				return
			}
			if c.Duration < openAge && !in.req.Young || f.srcPort == 0 || !p.scope.Keep(f.src, f.dst) || !p.window.wants(&c) {
				return
			}
			later := r.Kind.Closed() == log.HTTPLog && r.Count(log.TransDepth) > 1
			if later && c.UID == (hunt.UID{}) {
				return // its connection began long before
			}
			if r.Kind == log.QUIC {
				c.Proto = hunt.UDP
			}
			open, known := p.unended(&c)
			mu.Lock()
			defer mu.Unlock()
			if !known {
				unknown++
				return
			}
			at := c.Ends()
			if c.Duration < openAge {
				if have, ok := young[at]; open && (ok && c.Start < have.Start || !ok && len(young) < maxStill) {
					young[at] = c
				}
				return
			}
			have, ok := found[at]
			if !later || open && !ok {
				all++
			}
			switch {
			case !open || ok && have.Start <= c.Start:
			case !ok && len(found) == maxStill:
				left++
			default:
				found[at] = c
				if r.Kind != r.Kind.Closed() {
					opened[at] = true
				}
			}
		})
	}
	files := slices.DeleteFunc(filesOf(in.set, opening...), func(f *log.File) bool { return f.Until <= max(since, p.window.back) })
	if err := scan.Run(ctx, files); err != nil {
		return err
	}
	if float64(beyond) > max(hunt.OpenShare*float64(all+beyond), 1) {
		in.report.Gap(hunt.Note{What: fmt.Sprintf("the conn logs go from %s to %s, and %s of %s TLS, HTTP, SSH, RDP, SOCKS and QUIC records lie more than an hour outside of that: connection records are missing",
			hunt.At(begin).Time.UTC().Format(time.RFC3339), hunt.At(end).Time.UTC().Format(time.RFC3339), hunt.Count(beyond), hunt.Count(all+beyond)),
			Hint: "give the conn logs of all of that time, or choose the window by --from and --to", During: windowOf(outside.from, outside.to)})
	}
	if unknown > 0 {
		in.report.Gap(hunt.Note{What: fmt.Sprintf("records without a uid, of more connections than are remembered: for %s of them it is not known whether the connection is still open", hunt.Count(unknown)),
			Hint: "hunt a shorter window"})
	}
	maps.DeleteFunc(young, func(at hunt.Ends, _ hunt.Connection) bool { _, older := found[at]; return older })
	if len(found) == 0 {
		p.open.begun = slices.Collect(maps.Values(young))
		return nil
	}
	if n := len(found); float64(n) > max(hunt.OpenShare*float64(all), 1) {
		from, to := int64(math.MaxInt64), int64(math.MinInt64)
		for _, c := range found {
			from, to = min(from, c.Start), max(to, c.Start)
		}
		lost := hunt.Note{What: fmt.Sprintf("%s of %s with TLS, HTTP, SSH, RDP, SOCKS or QUIC records have no connection record: too many to be still open, so records are missing", hunt.Count(int64(n)), hunt.Many(all, "connection")),
			Hint: "give the conn logs of all of that time", During: windowOf(from, to)}
		if ended := n - len(opened); float64(ended) <= max(hunt.OpenShare*float64(all), 1) && len(filesOf(in.set, log.OpenConn)) > 0 {
			in.report.Note(lost) // open_conn logs have the others
			return nil
		}
		in.report.Gap(lost)
		return nil
	}
	if left > 0 {
		in.report.Gap(hunt.Note{What: fmt.Sprintf("%s that may still be open were left out: more than %s", hunt.Many(left, "connection"), hunt.Count(maxStill)), Hint: "hunt a shorter window"})
	}
	list := slices.SortedFunc(maps.Values(found), func(a, b hunt.Connection) int { return cmp.Compare(a.Start, b.Start) })
	p.open.begun = slices.AppendSeq(slices.Clone(list), maps.Values(young))
	if !in.req.Young { // who asks for these says it
		for _, n := range hunt.OpenNotes(list) {
			in.report.Note(n)
		}
	}
	return nil
}

// earlier reads in conn logs from before the window which connections have ended, the newest first. Since is the time
// up to which that is not known, because older logs are left out; begin is that of the oldest log that was read.
func (in *reading) earlier(ctx context.Context, p *pass) (since, begin int64, err error) {
	budget := in.openBytes
	var before []*log.File
	for _, f := range in.files {
		switch {
		case !in.outside(f, p.window):
			budget = max(budget, 0) + f.Size
		case f.Until > p.window.back && !(f.WasRead && f.Oldest >= p.window.to):
			before = append(before, f)
		}
	}
	since, begin = math.MinInt64, math.MaxInt64
	if len(before) == 0 || len(filesOf(in.set, opening...)) == 0 {
		return since, begin, nil
	}
	before, since = newest(before, budget)
	// What a first pass counted in these files stays as it is.
	counts := make([]log.Counts, len(before))
	was := make([]bool, len(before))
	for i, f := range before {
		counts[i], was[i] = f.Counts, f.WasRead
	}
	scan := log.Scan{Workers: in.opts.Workers, ChunkSize: in.chunkSize, Kinds: []log.Kind{log.Conn}, Fields: connFields}
	scan.New = func() log.Taker { return &endedTaker{connTaker{pass: p, services: map[string]string{}}} }
	err = scan.Run(ctx, before)
	for i, f := range before {
		if f.Ended != nil {
			since = max(since, f.Until)
		}
		begin = min(begin, f.First)
		f.Counts, f.WasRead, f.Ended = counts[i], was[i], nil
	}
	if since > p.window.back {
		in.report.Note(hunt.Note{What: fmt.Sprintf("connections that are still open are looked for if they began after %s: conn logs from before were not read", hunt.At(since).Time.UTC().Format(time.RFC3339)),
			Hint: "`--history` keeps what was read; those before are found when they end"})
	}
	return since, begin, err
}

// endedTaker notes connections that have ended, and passes none on.
type endedTaker struct{ connTaker }

func (t *endedTaker) Take(r *log.Record, _ *log.Counts) (log.Problem, error) {
	c := hunt.Connection{Start: r.Start, Src: r.Addr(log.OrigH), Dst: r.Addr(log.RespH), UID: r.UID}
	if t.end(&c); c.UID == (hunt.UID{}) {
		t.fill(r, &c)
		t.pass.once.Again(&c)
	}
	return log.Fine, nil
}

func (t *endedTaker) Flush() error {
	t.note()
	return nil
}

// unended reports whether a connection has no record of its own, and whether that is known. Its uid says so exactly:
// addresses and ports alone would let a short connection from the same port hide it.
func (p *pass) unended(c *hunt.Connection) (open, known bool) {
	switch exact := c.UID != (hunt.UID{}) && p.named.Load(); {
	case exact && (p.ended.Has(c) || !p.nameless.Load()):
		return !p.ended.Has(c), true
	case p.once.Forgot():
		return false, false
	}
	// A TLS record does not say its transport: DTLS is over UDP, and a request by QUIC may be in any log.
	other := *c
	other.Proto = hunt.TCP + hunt.UDP - c.Proto
	return !p.once.Around(c, openIdle) && !p.once.Around(&other, openIdle), true
}

type stillTaker func(*log.Record)

func (t stillTaker) Take(r *log.Record, _ *log.Counts) (log.Problem, error) {
	t(r)
	return log.Fine, nil
}
func (stillTaker) Flush() error { return nil }
