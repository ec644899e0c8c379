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

// A connection that is still open has no record yet. But what is said at its beginning has: a TLS handshake, an HTTP
// request, an SSH, RDP or SOCKS record whose uid no zeek.conn document has is of a connection that has not ended.

const (
	// openAge is how old such a record must be: younger ones may have ended, and their record is on its way.
	openAge = time.Hour
	// openAsked bounds how many pairs are looked up, openBack how many records before the window are read for them.
	openAsked, openBack = 2_000, 2_000_000
	// openShare of all pairs at most can have one: where it is more, connections' records are lost on their way.
	openShare = 0.05
	fieldUID  = "log.id.uid"
)

// opening are the kinds of records that begin a connection.
func opening() []string {
	return []string{datasetTLS, securityonion.Dataset("ssh"), securityonion.Dataset("rdp"), securityonion.Dataset("socks"), datasetHTTP}
}

// ends are who talked to what, without time and source port.
type ends struct {
	src, dst netip.Addr
	port     uint16
}

// readOpen hands on the connections of a reading that are still open, those that began before its window too. Between
// ends that have ended connections as well, none is looked for: that would need the uid of each.
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
	unended, all := map[ends]struct{}{}, 0
	reading := func(datasets []string, from, to time.Time, take func(ends)) *reading {
		q := scoped(req.Scope)
		q.datasets, q.filter = datasets, append(q.filter, dsl.Terms(fieldDataset, datasets))
		q.sources, q.also = []source{{"s", fieldSource, false}, {"d", fieldDest, false}, {"q", fieldDstPort, true}}, []string{fieldTime, fieldUID}
		return newReading(s, p, log{many: "beginnings of connections", query: q, window: out.Window, docs: sightingDocs,
			from: from.UnixMilli(), to: to.UnixMilli(), reported: true, past: true, rows: rowsOf(pairRow(), func(batch []ends) error {
				mu.Lock()
				defer mu.Unlock()
				for _, e := range batch {
					take(e)
				}
				return nil
			})}, req)
	}
	until := out.Window.End.Add(-openAge)
	r := reading(opening(), out.Window.Start, until, func(e ends) {
		if all++; !known.Has(e.src, e.dst, e.port) {
			unended[e] = struct{}{}
		}
	})
	from, err := r.back(ctx, out.Window.Start, req.Back())
	if err == nil && from.Before(out.Window.Start) {
		_, err = reading([]string{datasetConn}, from, out.Window.Start, func(e ends) { known.AddEnds(e.src, e.dst, e.port) }).all(ctx)
	}
	if r.from = from.UnixMilli(); err == nil && r.from < r.to {
		_, err = r.all(ctx)
	}
	open := slices.SortedFunc(maps.Keys(unended), func(a, b ends) int {
		return cmp.Or(a.src.Compare(b.src), a.dst.Compare(b.dst), cmp.Compare(a.port, b.port))
	})
	switch {
	case err != nil || len(open) == 0:
	case known.Full():
		r.note("", hunt.Note{What: "connections that are still open were not looked for: too many different ones ended", Hint: "hunt a shorter window to have them"})
	case float64(len(open)) <= openShare*float64(all) || len(open) <= 20:
		err = s.stillOpen(ctx, p, out, from, open[:min(len(open), openAsked)], emit)
		if n := len(open) - openAsked; n > 0 {
			r.note("", hunt.Note{What: fmt.Sprintf("of %s that may have open connections %s were not looked at", hunt.Many(len(open), "pair"), hunt.Count(n))})
		}
	default:
		r.note("", hunt.Note{What: fmt.Sprintf("%s with TLS, HTTP, SSH, RDP or SOCKS records have no connection record, of %s: too many to be still open, so records are lost on their way",
			hunt.Many(len(open), "pair"), hunt.Count(all)), Hint: "see whether all of Zeek's conn log arrives"})
	}
	if costsItself(err) {
		r.gaps = append(r.gaps, hunt.Note{What: "connections that are still open could not be looked for: " + err.Error()})
		err = nil
	}
	out.Add(hunt.Remarks{Notes: r.notes, Gaps: r.gaps})
	return err
}

// back is how far before a window beginnings are read: as far as connections are looked back for, but no further than
// there are openBack records.
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

// pairRow is how a bucket becomes ends.
func pairRow() row[ends] {
	return row[ends]{
		key: func(p *cells, e *ends) bool {
			p.letters(func(letter byte) {
				switch letter {
				case 's':
					e.src = p.addr(p.scan.Text())
				case 'd':
					e.dst = p.addr(p.scan.Text())
				case 'q':
					e.port = p.port('q')
				default:
					p.scan.Skip()
				}
			})
			return e.src.IsValid() && e.dst.IsValid()
		},
		count: func(*ends, int64) {},
	}
}

// stillOpen looks at the records of such ends, and hands on the connections whose uid has no connection record.
func (s *Source) stillOpen(ctx context.Context, p *place, out *hunt.Reading, from time.Time, open []ends, emit func([]hunt.Connection) error) error {
	to := out.Window.End.Add(-openAge)
	var conns []hunt.Connection
	for batch := range slices.Chunk(open, 100) {
		var should []any
		for _, e := range batch {
			should = append(should, dsl.All(dsl.Term(fieldSource, e.src), dsl.Term(fieldDest, e.dst), dsl.Term(fieldDstPort, e.port)))
		}
		begun, err := s.hits(ctx, p, "look for connections that are open in", dsl.All(between(from.UnixMilli(), to.UnixMilli()),
			dsl.Terms(fieldDataset, opening()), dsl.Exists(fieldUID), dsl.Any(should...)))
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

// connection is what is known of a connection that is open until a time.
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
	c.Proto, c.Service, c.State, c.Count, c.UID = hunt.TCP, service, hunt.StateOpen, 1, hunt.NewUID([]byte(f.UID[0]))
	c.Duration, c.OrigBytes, c.RespBytes, c.OrigIPBytes = until.UnixMilli()-c.Start, hunt.Absent, hunt.Absent, hunt.Absent
	return c, c.Duration > 0
}

// hits gives documents that match, at most as many as a search gives.
func (s *Source) hits(ctx context.Context, p *place, op string, query object) ([]opened, error) {
	return dsl.Hits[opened](ctx, s.client, dsl.Search{Op: op, Index: p.now(), Query: query, Size: most, Sort: []any{dsl.Ascending(fieldTime)},
		Fields:     []any{fieldSource, fieldDest, fieldDstPort, fieldSrcPort, fieldUID, fieldDataset, startMillis()},
		FilterPath: []string{"hits.hits.fields"}})
}
