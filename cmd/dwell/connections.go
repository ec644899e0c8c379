package main

import (
	"bufio"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"dwell/internal/hunt"
	"dwell/internal/output"
	"dwell/internal/pipeline"
)

// flow identifies a connection of a source. Tables of names do not have the destination address.
type flow struct {
	start            int64
	srcPort, dstPort uint16
}

func flowOf(c *hunt.Connection) flow { return flow{c.Start, c.SrcPort, c.DstPort} }

// connections prints the raw records behind a portrait: connections with Zeek's uids, and of a DNS tunnel the queries.
// Without a terminal they are tab-separated.
func (a *app) connections(ctx context.Context, source hunt.Source, o *pipeline.Options, p *portrait) error {
	in := source.Open()
	if in.Close != nil {
		defer func() { _ = in.Close() }() // nothing was written
	}
	req := o.Request
	req.From, req.To, req.Since, req.Progress = p.Reading.Window.Start, p.Reading.Window.End, 0, nil
	if p.To.DNS {
		return a.queries(ctx, in, req, p)
	}
	if len(p.Raw) == 0 {
		return nil
	}
	if err := uids(ctx, in, req, p); err != nil {
		return err
	}
	rows := [][]string{{"TIME", "FROM", "TO", "PROTO", "LASTED", "SENT", "RECEIVED", "UID"}}
	for i := range p.Raw {
		c := &p.Raw[i]
		dst := p.To.Name
		if c.Dst.IsValid() {
			dst = c.Dst.String()
		}
		rows = append(rows, []string{a.moment(c.Start), fmt.Sprint(c.SrcPort), fmt.Sprintf("%s:%d", bracketed(dst), c.DstPort), strings.TrimSpace(c.Proto.String() + " " + c.Service),
			lasted(c.Duration), known(c.OrigBytes), known(c.RespBytes), orDash(c.UID.String())})
	}
	return a.raw(rows)
}

func bracketed(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

// moment is a time with its date for programs; on a terminal it is shorter.
func (a *app) moment(ms int64) string {
	t := time.UnixMilli(ms).UTC()
	if a.Width > 0 {
		return t.Format("01-02 15:04:05")
	}
	return t.Format("2006-01-02T15:04:05.000Z")
}

func lasted(ms int64) string {
	if ms == hunt.Absent {
		return "-"
	}
	return hunt.Brief(float64(ms) / 1000)
}

func known(n int64) string {
	if n == hunt.Absent {
		return "-"
	}
	return fmt.Sprint(n)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// uids fills in uid and destination of the connections, by start and ports.
func uids(ctx context.Context, in *hunt.Session, req hunt.Request, p *portrait) error {
	at := map[flow][]int{}
	for i := range p.Raw {
		at[flowOf(&p.Raw[i])] = append(at[flowOf(&p.Raw[i])], i)
	}
	var mu sync.Mutex
	fill := func(batch []hunt.Connection) error {
		mu.Lock()
		defer mu.Unlock()
		for i := range batch {
			c := &batch[i]
			if c.Src != p.Src || !slices.Contains(p.Addresses, c.Dst) {
				continue
			}
			for _, k := range at[flowOf(c)] {
				if r := &p.Raw[k]; !r.Dst.IsValid() || r.Dst == c.Dst {
					r.Dst = c.Dst
					if uid := c.UID.String(); uid != "" && (r.UID == hunt.UID{} || uid < r.UID.String()) {
						r.UID = c.UID
					}
				}
			}
		}
		return ctx.Err()
	}
	slices.SortFunc(p.Addresses, netip.Addr.Compare)
	p.Addresses = slices.Compact(p.Addresses)
	if in.UIDs != nil {
		return in.UIDs(ctx, req, p.Src, p.Addresses, fill)
	}
	if _, err := in.Connections(ctx, req, fill); err != nil {
		return err
	}
	var proxies []netip.Addr
	for _, x := range p.Addresses {
		if req.Scope.IsInternal(x) {
			proxies = append(proxies, x)
		}
	}
	if len(proxies) == 0 {
		return nil
	}
	req.Scope.Proxies = proxies
	_, err := in.Connections(ctx, req, fill)
	return err
}

// queries prints the DNS queries of a source below a domain.
func (a *app) queries(ctx context.Context, in *hunt.Session, req hunt.Request, p *portrait) error {
	if in.DNS == nil {
		return hint(usage("there are no DNS records to read"), "give the directory that holds dns.log")
	}
	type query struct {
		at             int64
		resolver       netip.Addr
		kind, text, of string
	}
	var mu sync.Mutex
	var all []query
	_, err := in.DNS(ctx, req, func(batch []hunt.DNSRecord) error {
		mu.Lock()
		defer mu.Unlock()
		for i := range batch {
			if r := &batch[i]; r.Client == p.Src && hunt.Within(r.Query, p.To.Name) {
				for range max(r.Count, 1) {
					all = append(all, query{r.Start, r.Resolver, r.Type, r.Query, strings.Join(r.Answers, ",")})
				}
			}
		}
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	slices.SortStableFunc(all, func(x, y query) int { return int(min(max(x.at-y.at, -1), 1)) })
	rows := [][]string{{"TIME", "RESOLVER", "TYPE", "QUERY", "ANSWERS"}}
	for _, q := range all {
		rows = append(rows, []string{a.moment(q.at), q.resolver.String(), orDash(q.kind), q.text, orDash(q.of)})
	}
	return a.raw(rows)
}

// raw prints rows: in columns on a terminal, where a line that is too long goes on below, else tab-separated without a
// heading.
func (a *app) raw(rows [][]string) error {
	w, done := a.paged(false)
	if a.Width > 0 {
		if err := output.PrintTable(w, rows, nil, nil, a.Width); err != nil {
			return err
		}
		return done()
	}
	b := bufio.NewWriter(w)
	for _, r := range rows[1:] {
		for i := range r {
			r[i] = output.Clean(r[i])
		}
		fmt.Fprintln(b, strings.Join(r, "\t"))
	}
	if err := b.Flush(); err != nil {
		return err
	}
	return done()
}
