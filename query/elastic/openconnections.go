package elastic

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"dwell/internal/es/dsl"
	"dwell/internal/hunt"
	"dwell/internal/securityonion"
)

// A connection that is still open has no record yet, but its beginning has: a TLS handshake, an HTTP request, an SSH,
// RDP, SOCKS or QUIC record. If no zeek.conn document has that record's uid, the connection has not ended. Later HTTP
// requests say the same of a connection that began long before, and so do conn_long and open_conn records.

const (
	// openSoon is how long before its first record a connection begins, almost always. Buckets have no uid, so others
	// are looked up by theirs: a longer time would let a short connection from the same port hide an open one.
	openSoon = 2 * time.Second
	// openAsked bounds the number of look-ups, openBack the number of records before the window that are read, openLater
	// the number of connections whose later requests are kept.
	openAsked, openBack, openLater = 100_000, 2_000_000, 1 << 20
	fieldUID                       = "log.id.uid"
	fieldDepth                     = "http.trans_depth"
)

// opening are the kinds of records that say that a connection began.
func opening() []string {
	out := []string{datasetTLS, datasetHTTP}
	for _, kind := range []string{"ssh", "rdp", "socks", "quic", "conn_long", "open_conn"} {
		out = append(out, securityonion.Dataset(kind))
	}
	return out
}

// maybeOpen are the records of connections that may be open, by the connection's ends.
type maybeOpen struct {
	mu    sync.Mutex
	begun map[hunt.Ends]int64 // start
	// later are HTTP requests that are not a connection's first, by the first and last of them.
	later map[hunt.Ends][2]int64
	// since is the time from which beginnings were read, Unix milliseconds; 0 for all.
	since int64
	// all are the records seen, left those of connections beyond openAsked or openLater.
	all, left int
}

// began notes a record of a connection's beginning.
func (s *maybeOpen) began(c *hunt.Connection, known *hunt.Ended) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all++
	if !known.Around(c, openSoon.Milliseconds()) {
		s.note(c.Ends(), c.Start)
	}
}

func (s *maybeOpen) note(at hunt.Ends, start int64) {
	switch have, ok := s.begun[at]; {
	case !ok && len(s.begun) == openAsked:
		s.left++
	case !ok || start < have:
		s.begun[at] = start
	}
}

// went notes later requests on a connection, in [first, last].
func (s *maybeOpen) went(c *hunt.Connection, first, last int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := c.Ends()
	have, ok := s.later[at]
	switch {
	case ok:
		first, last = min(first, have[0]), max(last, have[1])
	case len(s.later) == openLater:
		s.left++
		return
	}
	s.later[at] = [2]int64{first, last}
}

// list is the connections to look up: those with a beginning, and those with requests for as long as hunt.OpenAge.
func (s *maybeOpen) list() []hunt.Ends {
	for at, span := range s.later {
		if span[1]-span[0] >= hunt.OpenAge.Milliseconds() {
			s.note(at, span[0])
		}
	}
	return slices.SortedFunc(maps.Keys(s.begun), func(a, b hunt.Ends) int {
		return cmp.Or(cmp.Compare(s.begun[a], s.begun[b]), a.Src.Compare(b.Src), a.Dst.Compare(b.Dst))
	})
}

// readOpen passes on the connections of a reading that are still open, also those that began before its window. A
// record is looked up by its uid if no connection with its addresses and ports has ended.
func (s *Source) readOpen(ctx context.Context, req hunt.Request, out *hunt.Reading, known *hunt.Ended, emit func([]hunt.Connection) error) error {
	if req.EveryRecord || req.Part || len(req.Scope.Proxies) > 0 {
		return nil
	}
	p, err := s.place(ctx)
	if err != nil {
		return err
	}
	req.Progress = nil
	found := maybeOpen{begun: map[hunt.Ends]int64{}, later: map[hunt.Ends][2]int64{}}
	reading := func(req hunt.Request, datasets []string, which any, from, to time.Time, take func(*hunt.Connection)) *reading {
		q := scoped(req.Scope)
		q.datasets, q.filter = datasets, append(q.filter, dsl.Terms(fieldDataset, datasets), which)
		q.sources, q.also = []source{{"t", fieldTime, false}, {"s", fieldSource, false}, {"p", fieldSrcPort, true}, {"d", fieldDest, false}, {"q", fieldDstPort, true}}, []string{fieldUID}
		return newReading(s, p, log{many: "beginnings of connections", query: q, window: out.Window, docs: sightingDocs,
			from: from.UnixMilli(), to: to.UnixMilli(), reported: true, past: true, rows: rowsOf(connection(), func(batch []hunt.Connection) error {
				for i := range batch {
					take(&batch[i])
				}
				return nil
			})}, req)
	}
	began := func(c *hunt.Connection) { found.began(c, known) }
	from, until, later := out.Window.Start, out.Window.End.Add(-hunt.OpenAge), out.Window.Start
	r := reading(req, opening(), firstRequest(), from, until, began)
	if out.Records == 0 { // without any connection's record, none is missing
		if n, err := r.count(ctx, dsl.All(between(out.Window.Start.UnixMilli(), out.Window.End.UnixMilli()), only(datasetConn))); err != nil || n == 0 {
			return err
		}
	}
	if b := cmp.Or(req.Begun, &hunt.Begun{}); b.To > 0 { // an earlier hunt looked at the others
		from = time.UnixMilli(b.To).UTC()
		later, found.since = from, b.To
		for i := range b.Open {
			found.note(b.Open[i].Ends(), b.Open[i].Start)
		}
		if len(b.Later) > 0 {
			late := req
			late.Later = b.Later
			hours := slices.Sorted(maps.Keys(b.Later))
			_, err = reading(late, opening(), firstRequest(), time.UnixMilli(hours[0]), time.UnixMilli(hours[len(hours)-1]).Add(time.Hour), began).all(ctx)
		}
	} else if from, err = r.back(ctx, out.Window.Start, req.Back()); err == nil && from.Before(out.Window.Start) {
		_, err = reading(req, []string{datasetConn}, dsl.Exists(fieldUID), from.Add(-hunt.OpenIdle), out.Window.Start, func(c *hunt.Connection) { known.Add([]hunt.Connection{*c}) }).all(ctx)
	}
	if r.from = from.UnixMilli(); err == nil && r.from < r.to {
		_, err = r.all(ctx)
	}
	if err == nil {
		err = s.readLater(ctx, p, req, out.Window, later, &found)
	}
	if err == nil {
		var more []hunt.Note
		var open []hunt.Connection
		open, more, err = s.stillOpen(ctx, p, out, &found, emit)
		r.gaps = append(r.gaps, more...)
		if b := req.Begun; b != nil && err == nil {
			if b.To == 0 {
				b.From = from.UnixMilli()
			}
			b.To, b.Open = until.UnixMilli(), open
		}
	}
	if costsItself(err) {
		r.gaps = append(r.gaps, hunt.Note{What: "connections that are still open could not be looked for: " + err.Error()})
		err = nil
	}
	out.Add(hunt.Remarks{Notes: r.notes, Gaps: r.gaps})
	return err
}

// readLater reads the later requests of a window's HTTP connections, after a time.
func (s *Source) readLater(ctx context.Context, p *place, req hunt.Request, w hunt.Window, from time.Time, found *maybeOpen) error {
	q := scoped(req.Scope)
	q.datasets, q.filter = []string{datasetHTTP}, append(q.filter, only(datasetHTTP), dsl.Range(fieldDepth, object{"gt": 1}))
	q = seenQuery(q, source{"s", fieldSource, false}, source{"p", fieldSrcPort, true}, source{"d", fieldDest, false}, source{"q", fieldDstPort, true})
	q.also = append(q.also, fieldUID)
	type requests struct {
		hunt.Connection
		first, last int64
	}
	rows := rowsOf(row[requests]{
		key: func(p *cells, r *requests) bool {
			p.connection(&r.Connection)
			return r.Src.IsValid() && r.Dst.IsValid()
		},
		count: func(*requests, int64) {},
		times: func(r *requests, first, last int64) { r.first, r.last = first, last },
	}, func(batch []requests) error {
		for i := range batch {
			found.went(&batch[i].Connection, batch[i].first, batch[i].last)
		}
		return nil
	})
	_, err := newReading(s, p, log{many: "later requests", query: q, window: w, docs: sightingDocs, from: from.UnixMilli(), to: w.End.UnixMilli(),
		reported: true, past: true, rows: rows}, req).all(ctx)
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
func (s *Source) stillOpen(ctx context.Context, p *place, out *hunt.Reading, found *maybeOpen, emit func([]hunt.Connection) error) (conns []hunt.Connection, gaps []hunt.Note, err error) {
	to, list := out.Window.End.Add(-hunt.OpenAge), found.list()
	if len(list) == 0 {
		return nil, nil, nil
	}
	from := found.begun[list[0]] // in order of time
	if found.left > 0 {
		gaps = append(gaps, hunt.Note{What: fmt.Sprintf("%s that may still be open were not looked up", hunt.Many(found.left, "connection")), Hint: "hunt a shorter window"})
	}
	open, fresh := map[hunt.Ends]hunt.Connection{}, 0
	for batch := range slices.Chunk(list, 200) {
		var should []any
		for _, c := range batch {
			should = append(should, dsl.All(dsl.Term(fieldSource, c.Src.Addr()), dsl.Term(fieldSrcPort, c.Src.Port()), dsl.Term(fieldDest, c.Dst.Addr()), dsl.Term(fieldDstPort, c.Dst.Port())))
		}
		begun, err := s.hits(ctx, p, "look for connections that are open in", dsl.All(between(from, to.UnixMilli()),
			dsl.Terms(fieldDataset, opening()), dsl.Exists(fieldUID), dsl.Any(should...)))
		if err != nil {
			return nil, gaps, err
		}
		if len(begun) == most {
			gaps = append(gaps, hunt.Note{What: fmt.Sprintf("%d hosts and ports have more than %d connections to one port, and those after %s that may still be open were not looked up",
				len(batch), most, first(begun[most-1].Fields.Start)), Hint: "hunt a shorter window"})
		}
		var uids []string
		for _, b := range begun {
			uids = append(uids, first(b.Fields.UID))
		}
		done := map[string]bool{}
		for some := range slices.Chunk(uids, 1000) {
			ended, err := s.hits(ctx, p, "look for the ends of connections in", dsl.All(only(datasetConn), dsl.Terms(fieldUID, some)))
			if err != nil {
				return nil, gaps, err
			}
			for _, f := range ended {
				done[first(f.Fields.UID)] = true
			}
		}
		for i := range begun { // in order of time, so the first of what two sensors saw
			c, ok := begun[i].connection(out.Window.End)
			if at := c.Ends(); ok && !done[first(begun[i].Fields.UID)] && open[at].Count == 0 {
				if open[at] = c; c.Start >= found.since {
					fresh++
				}
			}
		}
		if fresh > 20 && float64(fresh) > hunt.OpenShare*float64(found.all) {
			return nil, append(gaps, hunt.Note{What: fmt.Sprintf("%s or more of %s TLS, HTTP, SSH, RDP, SOCKS or QUIC records have no connection record: too many to be still open, so records are missing",
				hunt.Count(fresh), hunt.Count(found.all)), Hint: "see whether all of Zeek's conn log arrives"}), nil
		}
	}
	if len(open) == 0 {
		return nil, gaps, nil
	}
	conns = slices.Collect(maps.Values(open))
	slices.SortFunc(conns, func(a, b hunt.Connection) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), a.Src.Compare(b.Src), cmp.Compare(a.SrcPort, b.SrcPort))
	})
	var named []string
	for _, c := range conns[:min(len(conns), 3)] {
		named = append(named, fmt.Sprintf("%s > %s port %d since %s", c.Src, c.Dst, c.DstPort, stamp(c.Start)))
	}
	n := int64(len(conns))
	out.Records, out.Connections = out.Records+n, out.Connections+n
	out.Slices = append([]hunt.Slice{{Name: "open", Start: out.Window.Start, End: out.Window.Start.Add(time.Millisecond), Expected: n, Read: n}}, out.Slices...)
	out.Notes = append(out.Notes, hunt.Note{What: fmt.Sprintf("%s still open: what was said at their beginning has no connection record yet (%s); they count up to the window's end",
		hunt.Many(n, "connection"), strings.Join(named, ", "))})
	return conns, gaps, emit(slices.Clone(conns))
}

// opened is a record that begins a connection, or a connection's own.
type opened struct {
	Fields struct {
		sampleFields
		Service []string `json:"network.protocol"`
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
	if service == "conn_long" || service == "open_conn" {
		service = first(f.Service)
		c.Proto = hunt.ParseTransport(first(f.Transport))
	}
	c.Service, c.State, c.Count, c.UID = service, hunt.StateOpen, 1, hunt.NewUID([]byte(f.UID[0]))
	c.Duration, c.OrigBytes, c.RespBytes, c.OrigIPBytes = until.UnixMilli()-c.Start, hunt.Absent, hunt.Absent, hunt.Absent
	return c, c.Duration > 0
}

// hits returns the first document of each uid that matches, up to the maximum of one search.
func (s *Source) hits(ctx context.Context, p *place, op string, query object) ([]opened, error) {
	return dsl.Hits[opened](ctx, s.client, dsl.Search{Op: op, Index: p.now(), Query: query, Size: most, Sort: []any{dsl.Ascending(fieldTime)},
		Fields:     []any{fieldSource, fieldDest, fieldDstPort, fieldSrcPort, fieldUID, fieldDataset, fieldTransport, fieldService, startMillis()},
		More:       object{"collapse": object{"field": fieldUID}},
		FilterPath: []string{"hits.hits.fields"}})
}
