package material

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"net/netip"
	"sync"

	"dwell/internal/hunt"
	"dwell/internal/pairs"
)

// Gather reads what the hunt needs: the connections first, since they settle the window, then the names used in them
// and the queries. What the source says about each goes into one Reading. The material has to be closed, after an error
// too.
func Gather(ctx context.Context, in *hunt.Session, w Wanted) (*Material, hunt.Reading, error) {
	w.Request.EveryRecord = w.Shown // a ranking by RITA's rules counts as RITA counts
	m := &Material{Wanted: w, Session: in, Table: pairs.NewTableWithin(w.Memory.Half())}
	reading, err := connections(ctx, in, w.Request, func(batch []hunt.Connection) error {
		m.Table.Add(batch)
		return cmp.Or(ctx.Err(), m.Table.Err())
	})
	if err != nil {
		return m, reading, fmt.Errorf("read connections: %w", err)
	}
	if in.Names != nil && !w.NoNames {
		err = m.readMore(ctx, in, &reading)
	}
	if n := m.Table.Crowded(); n > 0 {
		reading.Notes = append(reading.Notes, hunt.Note{What: fmt.Sprintf("%s have more than %s destination ports each: those beyond are judged together, not one by one",
			hunt.Many(n, "pair"), hunt.Count(pairs.MaxPorts-1))})
	}
	m.Window = reading.Window
	for _, n := range reading.Notes {
		m.Missing = append(m.Missing, n.Logs...)
	}
	return m, reading, err
}

// readMore reads the logs other than conn.
func (m *Material) readMore(ctx context.Context, in *hunt.Session, reading *hunt.Reading) error {
	req := m.Request
	if reading.Window != (hunt.Window{}) {
		req.From, req.To, req.Since = reading.Window.ReadFrom(), reading.Window.End, 0
	}
	if m.Shown {
		m.Nameless = map[hunt.Two]int64{}
	}
	if err := m.readNames(ctx, in, req, reading); err != nil {
		return fmt.Errorf("read names: %w", err)
	}
	if reading.Window == (hunt.Window{}) {
		return nil
	}
	if m.Shown && in.Signatures != nil {
		if err := m.readSignatures(ctx, in, req, reading); err != nil {
			return fmt.Errorf("read signatures: %w", err)
		}
	}
	if in.DNS == nil || !m.LooksFor("dns") {
		return nil
	}
	m.DNS = pairs.NewDNS(pairs.Budget{Bytes: m.share(dnsShare), Folder: m.Memory.Folder})
	m.DNS.Listed = m.ListedName
	req.From = reading.Window.Start
	more, err := in.DNS(ctx, req, func(batch []hunt.DNSRecord) error {
		m.DNS.Add(batch)
		return cmp.Or(ctx.Err(), m.DNS.Err())
	})
	if err != nil {
		return fmt.Errorf("read DNS: %w", err)
	}
	include(reading, "dns", &more)
	clients, queries, seldom := m.DNS.Crowded()
	if seldom > 0 {
		reading.Notes = append(reading.Notes, hunt.Note{What: fmt.Sprintf("%s asked for names below more domains than are kept: %s, each asked for too seldom to be a tunnel or a beacon, were not judged",
			hunt.Many(clients, "host"), hunt.Many(seldom, "domain"))})
	}
	if queries > 0 {
		reading.Gaps = append(reading.Gaps, hunt.Note{What: fmt.Sprintf("%s asked for names below more domains than are kept: %s queries were not judged for tunnels",
			hunt.Many(clients, "host"), hunt.Count(queries)), Hint: moreMemory})
	}
	if in.Answers == nil {
		m.Answers = true
		return nil
	}
	if err := m.answers(ctx, in, req, reading); err != nil {
		return fmt.Errorf("read DNS answers: %w", err)
	}
	return nil
}

// The shares of hunt.memory that DNS queries, the times of requests and the uses of names may take: a fourth and an
// eighth each. Uses beyond go to disk.
const dnsShare, requestShare, useShare = 4, 8, 8

const moreMemory = "raise hunt.memory, or hunt a shorter window"

// share is a part of hunt.memory, 8 MiB at least; 0 is no limit.
func (m *Material) share(of int64) int64 {
	if m.Memory.Bytes == 0 {
		return 0
	}
	return max(m.Memory.Bytes/of, 8<<20)
}

// maxAnswered limits the domains looked up: those with the most names come first.
const maxAnswered = 200

// answers asks a source that gives queries without answers for those of the domains that may be tunnels.
func (m *Material) answers(ctx context.Context, in *hunt.Session, req hunt.Request, reading *hunt.Reading) error {
	var of []*pairs.Queries
	for q := range m.Domains() {
		if len(of) == maxAnswered {
			break
		}
		of = append(of, q)
	}
	remarks, err := LookUpAnswers(ctx, in, req, of)
	reading.Add(remarks)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		reading.Gaps = append(reading.Gaps, hunt.Note{What: "the answers to DNS queries could not be looked up: " + err.Error(),
			Hint: "domains are judged by their queries alone"})
	}
	return nil
}

// LookUpAnswers asks a source that gives queries without answers for those to some queries, and notes them there. After
// an error none is noted.
func LookUpAnswers(ctx context.Context, in *hunt.Session, req hunt.Request, of []*pairs.Queries) (hunt.Remarks, error) {
	wanted := make([]hunt.Answers, len(of))
	for i, q := range of {
		wanted[i] = hunt.Answers{Client: q.Client, Domain: q.Domain}
	}
	remarks, err := in.Answers(ctx, req, wanted)
	if err != nil {
		return remarks, err
	}
	for i, a := range wanted {
		of[i].AnswerBytes = a.Bytes
		for _, addr := range a.Addresses {
			of[i].Answered(addr)
		}
	}
	return remarks, nil
}

func (m *Material) readNames(ctx context.Context, in *hunt.Session, req hunt.Request, reading *hunt.Reading) (err error) {
	m.Requests.Most = m.share(requestShare)
	uses := pairs.NewNames(pairs.Budget{Bytes: m.share(useShare), Folder: m.Memory.Folder})
	defer func() { err = cmp.Or(err, uses.Close()) }()
	var mu sync.Mutex
	proxies := map[netip.Addr]bool{}
	oldest, newest := int64(math.MaxInt64), int64(math.MinInt64)
	more, err := in.Names(ctx, req, func(batch []hunt.NameRecord) error {
		uses.Add(batch)
		m.Requests.Add(batch)
		for i := range batch {
			switch r := &batch[i]; {
			case r.Kind == hunt.Connect:
				mu.Lock()
				proxies[r.Dst] = true
				oldest, newest = min(oldest, r.Start), max(newest, r.Start)
				mu.Unlock()
			case r.Kind == hunt.HTTP && r.Name == "" && m.Nameless != nil:
				mu.Lock()
				m.Nameless[hunt.Two{Src: r.Src, Dst: r.Dst}] += max(r.Count, 1)
				mu.Unlock()
			}
		}
		return cmp.Or(ctx.Err(), uses.Err())
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
	if n := m.Requests.Left(); n > 0 {
		reading.Gaps = append(reading.Gaps, hunt.Note{What: fmt.Sprintf("the times of %s HTTP requests did not fit in memory: their rhythm is that of their connections", hunt.Count(n)), Hint: moreMemory})
	}
	tables := []*pairs.Table{m.Table}
	var inside []netip.Addr
	for a := range proxies {
		if req.Scope.IsInternal(a) { // connections to others were read already
			inside = append(inside, a)
		}
	}
	if len(inside) > 0 {
		proxied := pairs.NewTableWithin(m.Table.Budget())
		defer func() { err = cmp.Or(err, proxied.Close()) }()
		req.Scope.Proxies = inside
		more, err := connections(ctx, in, req, func(batch []hunt.Connection) error {
			proxied.Add(batch)
			return cmp.Or(ctx.Err(), proxied.Err())
		})
		if err != nil {
			return err
		}
		include(reading, "proxies", &hunt.Reading{Connections: more.Connections, Gaps: more.Gaps})
		tables = append(tables, proxied)
	}
	m.Named = uses.Join(tables...)
	if b := m.Named.Busy; b.Fingerprints > 0 {
		reading.Notes = append(reading.Notes, hunt.Note{
			What: fmt.Sprintf("%s TLS fingerprints of a host and port were not followed as such: each is in more than %s records (%s in all), too many to find a rhythm among", hunt.Count(b.Fingerprints), hunt.Count(pairs.MaxPrinted), hunt.Count(b.Records)),
			Hint: "their destinations were still judged by address, name and network"})
	}
	for _, t := range tables {
		if err := t.Err(); err != nil {
			return err
		}
	}
	return m.Err()
}

// include adds the remarks of a further reading. Its count becomes a slice, so that it is part of the hunt's revision.
func include(reading *hunt.Reading, what string, more *hunt.Reading) {
	reading.Add(hunt.Remarks{Notes: more.Notes, Gaps: more.Gaps})
	reading.Logs = append(reading.Logs, more.Logs...)
	reading.Slices = append(reading.Slices, hunt.Slice{Name: what, Start: reading.Window.Start, End: reading.Window.End, Read: more.Connections})
}
