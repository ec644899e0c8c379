package elastic

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"dwell/internal/es/dsl"
	"dwell/internal/hunt"
	"dwell/internal/securityonion"
)

// A connection that is still open has no record yet, but its beginning has: a TLS handshake, an HTTP request, an SSH,
// RDP, SOCKS or QUIC record. If no zeek.conn document has that record's uid, the connection has not ended.

const (
	// openAge is the least age of such a record: the connections of younger ones may have ended, with their record on
	// its way.
	openAge = time.Hour
	// openIdle is how long before its first record a connection may have begun: browsers open some before they need
	// them.
	openIdle = 5 * time.Minute
	// openAsked bounds the number of look-ups, openBack the number of records before the window that are read.
	openAsked, openBack = 20_000, 2_000_000
	// openShare is the largest share that can be open. If it is more, connections' records are missing.
	openShare  = 0.05
	fieldUID   = "log.id.uid"
	fieldDepth = "http.trans_depth"
)

// opening are the kinds of records that begin a connection.
func opening() []string {
	return []string{datasetTLS, securityonion.Dataset("ssh"), securityonion.Dataset("rdp"), securityonion.Dataset("socks"), securityonion.Dataset("quic"), datasetHTTP}
}

// client is one end of a connection: no two connections have the same at a time.
type client = netip.AddrPort

// readOpen passes on the connections of a reading that are still open, also those that began before its window. A
// record is looked up by its uid if no connection with its addresses and ports has ended.
func (s *Source) readOpen(ctx context.Context, req hunt.Request, out *hunt.Reading, known *hunt.Ended, emit func([]hunt.Connection) error) error {
	if req.EveryRecord || req.Part || req.Scope.Narrowed() {
		return nil
	}
	p, err := s.place(ctx)
	if err != nil {
		return err
	}
	req.Progress = nil
	var mu sync.Mutex
	unended, all := map[client]hunt.Connection{}, 0
	reading := func(datasets []string, from, to time.Time, take func(*hunt.Connection)) *reading {
		q := scoped(req.Scope)
		q.datasets, q.filter = datasets, append(q.filter, dsl.Terms(fieldDataset, datasets), firstRequest())
		q.sources, q.also = []source{{"t", fieldTime, false}, {"s", fieldSource, false}, {"p", fieldSrcPort, true}, {"d", fieldDest, false}, {"q", fieldDstPort, true}}, []string{fieldUID}
		return newReading(s, p, log{many: "beginnings of connections", query: q, window: out.Window, docs: sightingDocs,
			from: from.UnixMilli(), to: to.UnixMilli(), reported: true, past: true, rows: rowsOf(connection(), func(batch []hunt.Connection) error {
				mu.Lock()
				defer mu.Unlock()
				for i := range batch {
					take(&batch[i])
				}
				return nil
			})}, req)
	}
	until := out.Window.End.Add(-openAge)
	r := reading(opening(), out.Window.Start, until, func(c *hunt.Connection) {
		if all++; !known.Around(c, openIdle.Milliseconds()) {
			at := netip.AddrPortFrom(c.Src, c.SrcPort)
			if have, ok := unended[at]; !ok || c.Start < have.Start {
				unended[at] = *c
			}
		}
	})
	from, err := r.back(ctx, out.Window.Start, req.Back())
	if err == nil && from.Before(out.Window.Start) {
		_, err = reading([]string{datasetConn}, from.Add(-openIdle), out.Window.Start, func(c *hunt.Connection) { known.Add([]hunt.Connection{*c}) }).all(ctx)
	}
	if r.from = from.UnixMilli(); err == nil && r.from < r.to {
		_, err = r.all(ctx)
	}
	open := slices.SortedFunc(maps.Values(unended), func(a, b hunt.Connection) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), a.Src.Compare(b.Src), cmp.Compare(a.SrcPort, b.SrcPort))
	})
	switch n := len(open); {
	case err != nil || n == 0:
	case n > 20 && float64(n) > openShare*float64(all):
		r.gaps = append(r.gaps, hunt.Note{What: fmt.Sprintf("%s of %s TLS, HTTP, SSH, RDP, SOCKS or QUIC records have no connection record: too many to be still open, so records are missing",
			hunt.Count(n), hunt.Count(all)), Hint: "see whether all of Zeek's conn log arrives"})
	default:
		err = s.stillOpen(ctx, p, out, from, open[:min(n, openAsked)], emit)
		if n -= openAsked; n > 0 {
			r.gaps = append(r.gaps, hunt.Note{What: fmt.Sprintf("%s that may still be open were not looked up", hunt.Many(n, "connection")), Hint: "hunt a shorter window"})
		}
	}
	if costsItself(err) {
		r.gaps = append(r.gaps, hunt.Note{What: "connections that are still open could not be looked for: " + err.Error()})
		err = nil
	}
	out.Add(hunt.Remarks{Notes: r.notes, Gaps: r.gaps})
	return err
}

// firstRequest leaves out a connection's later HTTP requests: they may come long after its beginning.
func firstRequest() object { return dsl.Not(dsl.Range(fieldDepth, object{"gt": 1})) }

// back is how far before a window beginnings are read: as far as connections are looked back for, but for openBack
// records at most.
func (r *reading) back(ctx context.Context, start time.Time, most time.Duration) (time.Time, error) {
	from, sum := start, int64(0)
	for step := time.Hour; start.Sub(from) < most; step *= 2 {
		next := from.Add(-min(step, most-start.Sub(from)))
		n, err := r.count(ctx, dsl.All(between(next.UnixMilli(), from.UnixMilli()), dsl.Terms(fieldDataset, append(opening(), datasetConn))))
		if err != nil {
			return from, err
		}
		if sum += n; sum > openBack {
			r.note("back", hunt.Note{What: fmt.Sprintf("connections that are still open and have no record of their own are looked for if they began after %s", stamp(from.UnixMilli())),
				Hint: "those before are found when they end"})
			break
		}
		from = next
	}
	return from, nil
}

// stillOpen looks up the records that may begin open connections, and passes on those whose uid has no connection
// record.
func (s *Source) stillOpen(ctx context.Context, p *place, out *hunt.Reading, from time.Time, open []hunt.Connection, emit func([]hunt.Connection) error) error {
	to := out.Window.End.Add(-openAge)
	var conns []hunt.Connection
	for batch := range slices.Chunk(open, 200) {
		var should []any
		for _, c := range batch {
			should = append(should, dsl.All(dsl.Term(fieldSource, c.Src), dsl.Term(fieldSrcPort, c.SrcPort), dsl.Term(fieldDest, c.Dst), dsl.Term(fieldDstPort, c.DstPort)))
		}
		begun, err := s.hits(ctx, p, "look for connections that are open in", dsl.All(between(from.UnixMilli(), to.UnixMilli()),
			dsl.Terms(fieldDataset, opening()), dsl.Exists(fieldUID), firstRequest(), dsl.Any(should...)))
		if err != nil {
			return err
		}
		var uids []string
		for _, b := range begun {
			uids = append(uids, first(b.Fields.UID))
		}
		done := map[string]bool{}
		for some := range slices.Chunk(uids, 1000) {
			found, err := s.hits(ctx, p, "look for the ends of connections in", dsl.All(only(datasetConn), dsl.Terms(fieldUID, some)))
			if err != nil {
				return err
			}
			for _, f := range found {
				done[first(f.Fields.UID)] = true
			}
		}
		for i := range begun {
			if c, ok := begun[i].connection(out.Window.End); ok && !done[first(begun[i].Fields.UID)] {
				done[first(begun[i].Fields.UID)] = true
				conns = append(conns, c)
			}
		}
	}
	if len(conns) == 0 {
		return nil
	}
	slices.SortFunc(conns, func(a, b hunt.Connection) int { return int(a.Start - b.Start) })
	var list []string
	for _, c := range conns[:min(len(conns), 3)] {
		list = append(list, fmt.Sprintf("%s > %s port %d since %s", c.Src, c.Dst, c.DstPort, stamp(c.Start)))
	}
	n := int64(len(conns))
	out.Records, out.Connections = out.Records+n, out.Connections+n
	out.Slices = append([]hunt.Slice{{Name: "open", Start: from, End: from.Add(time.Millisecond), Expected: n, Read: n}}, out.Slices...)
	out.Notes = append(out.Notes, hunt.Note{What: fmt.Sprintf("%s still open: what was said at their beginning has no connection record yet (%s); they count up to the window's end",
		hunt.Many(n, "connection"), strings.Join(list, ", "))})
	return emit(conns)
}

// opened is a record that begins a connection, or a connection's own.
type opened struct {
	Fields struct {
		sampleFields
		Dataset []string `json:"event.dataset"`
	} `json:"fields"`
}

// connection is the part of a connection up to a time at which it is open.
func (o *opened) connection(until time.Time) (c hunt.Connection, ok bool) {
	f := &o.Fields
	if len(f.Src) == 0 || len(f.Dst) == 0 || len(f.Start) == 0 || len(f.UID) == 0 {
		return c, false
	}
	if _, err := fmt.Sscan(f.Start[0], &c.Start); err != nil {
		return c, false
	}
	_, service, _ := strings.Cut(first(f.Dataset), ".")
	c.Src, c.Dst, c.SrcPort, c.DstPort = f.Src[0].Unmap(), f.Dst[0].Unmap(), uint16(first(f.SrcPort)), uint16(first(f.Port)) //nolint:gosec // Ports.
	c.Proto = hunt.TCP
	if service == "quic" {
		c.Proto = hunt.UDP
	}
	c.Service, c.State, c.Count, c.UID = service, hunt.StateOpen, 1, hunt.NewUID([]byte(f.UID[0]))
	c.Duration, c.OrigBytes, c.RespBytes, c.OrigIPBytes = until.UnixMilli()-c.Start, hunt.Absent, hunt.Absent, hunt.Absent
	return c, c.Duration > 0
}

// hits returns documents that match, up to the maximum of one search.
func (s *Source) hits(ctx context.Context, p *place, op string, query object) ([]opened, error) {
	return dsl.Hits[opened](ctx, s.client, dsl.Search{Op: op, Index: p.now(), Query: query, Size: most, Sort: []any{dsl.Ascending(fieldTime)},
		Fields:     []any{fieldSource, fieldDest, fieldDstPort, fieldSrcPort, fieldUID, fieldDataset, startMillis()},
		FilterPath: []string{"hits.hits.fields"}})
}
