package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"sync"

	"dwell/internal/hunt"
	"dwell/internal/pairs"
)

// material is everything that a hunt read.
type material struct {
	table *pairs.Table
	// named and dns are nil where the source has no such logs or they were not asked for.
	named *pairs.Named
	dns   *pairs.DNS
	// nameless are HTTP requests without a Host by source and destination, signatures what machines show of themselves:
	// profile rita only.
	nameless   map[hunt.Two]int64
	signatures *signatures
}

// err is what went wrong on disk, if some of it lies there.
func (m *material) err() error {
	if m.named == nil {
		return m.table.Err()
	}
	return cmp.Or(m.table.Err(), m.named.Err())
}

// close removes what lies on disk, and lets go of all.
func (m *material) close() error {
	err := m.table.Close()
	if m.named != nil {
		err = errors.Join(err, m.named.Close())
	}
	*m = material{}
	return err
}

// gather reads what the hunt needs: the connections first, since they settle the window, then the names used in them
// and the queries. What the source says about each goes into one Reading.
func gather(ctx context.Context, in *hunt.Session, o Options) (material, hunt.Reading, error) {
	m := material{table: pairs.NewTableWithin(o.Memory.Half())}
	reading, err := in.Connections(ctx, o.Request, func(batch []hunt.Connection) error {
		m.table.Add(batch)
		return cmp.Or(ctx.Err(), m.table.Err())
	})
	if err != nil {
		return m, reading, fmt.Errorf("read connections: %w", err)
	}
	if in.Names == nil || o.NoNames {
		return m, reading, nil
	}
	req := o.Request
	if reading.Window != (hunt.Window{}) {
		req.From, req.To, req.Since = reading.Window.ReadFrom(), reading.Window.End, 0
	}
	if o.Profile == ProfileRITA {
		m.nameless = map[hunt.Two]int64{}
	}
	if err := m.readNames(ctx, in, req, &reading); err != nil {
		return m, reading, fmt.Errorf("read names: %w", err)
	}
	if o.Profile == ProfileRITA && reading.Window != (hunt.Window{}) {
		if err := m.readSignatures(ctx, in, req, &reading); err != nil {
			return m, reading, fmt.Errorf("read signatures: %w", err)
		}
	}
	if in.DNS != nil && o.looksFor("dns") && reading.Window != (hunt.Window{}) {
		m.dns = pairs.NewDNS()
		req.From = reading.Window.Start
		more, err := in.DNS(ctx, req, func(batch []hunt.DNSRecord) error {
			m.dns.Add(batch)
			return ctx.Err()
		})
		if err != nil {
			return m, reading, fmt.Errorf("read DNS: %w", err)
		}
		include(&reading, "dns", &more)
		if err := m.answers(ctx, in, req, &reading); err != nil {
			return m, reading, fmt.Errorf("read DNS answers: %w", err)
		}
	}
	return m, reading, nil
}

// maxAnswered is how many domains are looked up: those with the most names come first.
const maxAnswered = 200

// answers asks a source that gives queries without answers for those of the domains that may be tunnels.
func (m *material) answers(ctx context.Context, in *hunt.Session, req hunt.Request, reading *hunt.Reading) error {
	if in.Answers == nil {
		return nil
	}
	var wanted []hunt.Answers
	var of []*pairs.Queries
	for _, q := range m.dns.All() {
		if len(q.Names) < tunnelFloor || len(wanted) == maxAnswered {
			break
		}
		wanted, of = append(wanted, hunt.Answers{Client: q.Client, Domain: q.Domain}), append(of, q)
	}
	remarks, err := in.Answers(ctx, req, wanted)
	reading.Add(remarks)
	if err != nil {
		return err
	}
	for i, a := range wanted {
		of[i].AnswerBytes = a.Bytes
		for _, addr := range a.Addresses {
			of[i].Answered(addr)
		}
	}
	return nil
}

// skipped counts the fingerprints that were left alone, and the domains of which names or answers were cut.
func (m *material) skipped() (fingerprints, domains int64) {
	if m.named != nil {
		fingerprints = m.named.Busy.Fingerprints
	}
	if m.dns != nil {
		for _, q := range m.dns.All() {
			if len(q.Names) < tunnelFloor {
				break
			}
			if q.Overflow > 0 {
				domains++
			}
		}
	}
	return fingerprints, domains
}

// span is the oldest and newest start of everything that was read, Unix milliseconds.
func (m *material) span() (oldest, newest int64, ok bool) {
	oldest, newest, ok = m.table.Span()
	if m.named == nil {
		return oldest, newest, ok
	}
	if first, last, some := m.named.Table.Span(); some {
		oldest, newest, ok = min(oldest, first), max(newest, last), true
	}
	return oldest, newest, ok
}

func (m *material) readNames(ctx context.Context, in *hunt.Session, req hunt.Request, reading *hunt.Reading) (err error) {
	uses := pairs.NewNames()
	var mu sync.Mutex
	proxies := map[netip.Addr]bool{}
	oldest, newest := int64(math.MaxInt64), int64(math.MinInt64)
	more, err := in.Names(ctx, req, func(batch []hunt.NameRecord) error {
		uses.Add(batch)
		for i := range batch {
			switch r := &batch[i]; {
			case r.Kind == hunt.Connect:
				mu.Lock()
				proxies[r.Dst] = true
				oldest, newest = min(oldest, r.Start), max(newest, r.Start)
				mu.Unlock()
			case r.Kind == hunt.HTTP && r.Name == "" && m.nameless != nil:
				mu.Lock()
				m.nameless[hunt.Two{Src: r.Src, Dst: r.Dst}] += max(r.Count, 1)
				mu.Unlock()
			}
		}
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	if reading.Window == (hunt.Window{}) {
		if len(proxies) == 0 {
			return nil
		}
		// Everything goes through proxies: what was asked of them is all there is, and settles the window.
		reading.Window = hunt.Window{Start: hunt.At(oldest).Time, End: hunt.At(newest + 1).Time}
		if start := reading.Window.End.Add(-req.Since); req.Since > 0 && start.After(reading.Window.Start) {
			reading.Window.Start = start
		}
		req.From, req.To, req.Since = reading.Window.Start, reading.Window.End, 0
	}
	include(reading, "names", &more)
	tables := []*pairs.Table{m.table}
	var inside []netip.Addr
	for a := range proxies {
		if req.Scope.IsInternal(a) { // connections to others were read already
			inside = append(inside, a)
		}
	}
	if len(inside) > 0 {
		proxied := pairs.NewTableWithin(m.table.Budget())
		defer func() { err = cmp.Or(err, proxied.Close()) }()
		req.Scope.Proxies = inside
		more, err := in.Connections(ctx, req, func(batch []hunt.Connection) error {
			proxied.Add(batch)
			return cmp.Or(ctx.Err(), proxied.Err())
		})
		if err != nil {
			return err
		}
		include(reading, "proxies", &hunt.Reading{Connections: more.Connections, Gaps: more.Gaps})
		tables = append(tables, proxied)
	}
	m.named = uses.Join(tables...)
	if b := m.named.Busy; b.Fingerprints > 0 {
		reading.Notes = append(reading.Notes, hunt.Note{Count: b.Fingerprints,
			What: fmt.Sprintf("%s TLS fingerprints of a machine and port were not followed as such: each is in more than %s records (%s in all), among which no beat could be told", hunt.Count(b.Fingerprints), hunt.Count(pairs.MaxPrinted), hunt.Count(b.Records)),
			Hint: "what they went to was still judged by address, name and network"})
	}
	for _, t := range tables {
		if err := t.Err(); err != nil {
			return err
		}
	}
	return m.err()
}

// include adds what a further reading said. Its count becomes a slice, so that it is part of the hunt's revision.
func include(reading *hunt.Reading, what string, more *hunt.Reading) {
	reading.Notes = append(reading.Notes, more.Notes...)
	reading.Gaps = append(reading.Gaps, more.Gaps...)
	reading.Slices = append(reading.Slices, hunt.Slice{Name: what, Start: reading.Window.Start, End: reading.Window.End, Read: more.Connections})
}
