package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"dwell/internal/collector"
	"dwell/internal/config"
	"dwell/internal/es"
	"dwell/internal/history"
	"dwell/internal/hunt"
	"dwell/internal/output"
	"dwell/internal/pipeline/material"
	"dwell/internal/who"
)

func newWho(a *app) *cobra.Command {
	f := &huntFlags{}
	c := &cobra.Command{
		Use:   "who DESTINATION | FINDING-ID",
		Short: "List the hosts that talked to a destination, suspicious or not",
		Long: `List every internal host that talked to a destination in a window: first and last connection, how many, bytes and ports. A
destination is an address, a network, a name (and the names below it), a TLS fingerprint or the domain of a DNS tunnel. It
need not be in any finding; the id of a finding or campaign stands for its destination and window. With --history the records come from what earlier hunts kept (docs/history.md).`,
		Example: `  dwell who 203.0.113.7                                the last 24 h in the cluster
  dwell who cdn.evil.example --since 7d --history      a week by name, read from history where it is kept
  dwell who 203.0.113.0/24 --zeek /nsm/zeek/logs/2026-11-22
  dwell who ja4=t13d190900_9dc949149365_97f8aa674fd9   every host with this client program
  dwell who '*.evil.example/dns' -o json | jq -r '.hosts[].ip'`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return a.who(c.Context(), f, args[0]) },
	}
	f.reads(c.Flags())
	c.Flags().BoolVar(&f.history, "history", false, "use the records that earlier hunts kept, and keep what is read (docs/history.md)")
	c.Flags().StringVarP(&f.format, "output", "o", "table", "`format`: table or json")
	c.Flags().IntVar(&f.limit, "limit", 0, "maximum `number` of hosts, most connections first (0: all)")
	return c
}

func (a *app) who(ctx context.Context, f *huntFlags, text string) error {
	if err := tableOrJSON(f.format); err != nil {
		return err
	}
	if f.limit < 0 {
		return usage("--limit %d: want 0 (all) or more", f.limit)
	}
	settings, err := f.load(a)
	if err != nil {
		return err
	}
	to, err := a.sideOf(ctx, settings, f, text)
	if missing := (hinted{}); errors.As(err, &missing) { // of an id that no finding has
		return err
	}
	if err != nil || to.Name != "" && !to.DNS && !isName(to.Name) {
		return usage("%q is not a destination: an address, a network (203.0.113.0/24), a name, a TLS fingerprint (ja4=...) or a domain of DNS (*.evil.example/dns)", text)
	}
	options, err := f.options(ctx, a, settings)
	if err != nil {
		return err
	}
	if scope := options.Request.Scope; to.Addr.IsValid() && scope.IsInternal(to.Addr) && scope.Direction != hunt.Inbound {
		return hint(usage("%s is internal: this command is about external destinations", to.Addr), "`dwell host %s` shows the host itself; --internal sets your own networks", to.Addr)
	}
	source, err := a.kept(ctx, f, settings, options.Request)
	if err != nil {
		return err
	}
	w := material.Wanted{Request: options.Request, Memory: options.Memory, Now: a.Now, Indicators: []string{"beacon"}}
	if to.Name != "" {
		w.Indicators = append(w.Indicators, "dns")
	}
	if to.Addr.IsValid() && (f.history || len(f.zeek) == 0) { // a cluster can give the connections to this one address, and so can history
		w.Request.Scope.Only.Dst, w.NoNames = to.Addr, !f.history
	}
	bar := newProgress(a)
	w.Request.Progress = bar.update
	often := collector.Often()
	page, reading, err := who.Ask(ctx, source, w, to)
	often()
	bar.done()
	if err != nil {
		return err
	}
	a.notes(reading.Notes)
	for _, g := range reading.Gaps {
		page.Gaps = append(page.Gaps, g.String())
	}
	listed := *page
	if f.limit > 0 {
		listed.Hosts = page.Hosts[:min(f.limit, len(page.Hosts))]
	}
	if f.format == "json" {
		err = output.Encoder(a.Out).Encode(&listed)
	} else {
		err = drawWho(a.Out, &listed, a.Width)
	}
	if err != nil {
		return fmt.Errorf("print the hosts: %w", err)
	}
	if more := len(page.Hosts) - len(listed.Hosts); more > 0 {
		a.say("dwell: %s (--limit)", moreLines(more))
	}
	return a.whoVerdict(page, &reading, w.Request.Scope.Narrowed())
}

// sideOf parses a destination, or takes that of a finding or campaign by its id, with its window by default.
func (a *app) sideOf(ctx context.Context, settings *config.Loaded, f *huntFlags, text string) (hunt.Side, error) {
	if !isIDPrefix(text) {
		return hunt.ParseSide(text)
	}
	lead, err := a.leadOf(ctx, settings, f, text)
	if err != nil {
		return hunt.Side{}, hint(err, "`dwell findings` lists ids; a destination is an address, a network, a name, ja4=... or *.evil.example/dns")
	}
	return hunt.SideOf(lead), nil
}

// leadOf returns the finding of an id, or a campaign's strongest. Without another window it sets that of the finding's
// hunt.
func (a *app) leadOf(ctx context.Context, settings *config.Loaded, f *huntFlags, id string) (*hunt.Finding, error) {
	st, err := a.openStore(settings)
	if err != nil {
		return nil, err
	}
	members, err := a.identifyAll(ctx, st, id)
	if err != nil {
		return nil, err
	}
	if d := members[0].Dwell.Window; len(f.zeek) == 0 && f.from == "" && f.to == "" && f.day == "" && !f.wholeHunt.Changed("since") {
		f.from, f.to = d.Start.Format(time.RFC3339), d.End.Format(time.RFC3339)
	}
	return &members[0], nil
}

// whoVerdict prints the totals. An empty list is an answer only if the window has connections.
func (a *app) whoVerdict(page *who.Page, reading *hunt.Reading, narrowed bool) error {
	window := "a window without any connection"
	if !page.Window.Start.IsZero() {
		window = span(&page.Window)
	}
	hosts := hunt.Many(len(page.Hosts), "host")
	if page.Active > 0 {
		hosts = fmt.Sprintf("%s of %s", hunt.Count(len(page.Hosts)), hunt.Many(page.Active, "host"))
	}
	a.say("dwell: %s with %s, %s, in %s", hosts, page.Destination, hunt.Many(page.Connections, "connection"), window)
	if narrowed {
		a.say("dwell: note: only records of this address were read: how many hosts are active is not known, and connections still open are not counted (`dwell hunt` finds those)")
	}
	switch err := a.incomplete(reading.Gaps); {
	case err != nil:
		return err
	case len(page.Hosts) == 0 && (!narrowed && page.Active == 0 || empty(reading)):
		return codeError{exitIncomplete, "nothing was read: no connection was in scope, so an empty list proves nothing"}
	case len(page.Hosts) == 0:
		a.say("dwell: hint: no host connected to it in this window: --since, --from or --day choose another one, --direction inbound looks the other way")
	}
	return nil
}

// empty reports whether the window has no connection at all.
func empty(reading *hunt.Reading) bool {
	return slices.ContainsFunc(reading.Notes, func(n hunt.Note) bool { return strings.HasPrefix(n.What, hunt.EmptyWindow) })
}

// kept is the source, with --history through the history; of a cluster that does not answer, history alone.
func (a *app) kept(ctx context.Context, f *huntFlags, settings *config.Loaded, req hunt.Request) (hunt.Source, error) {
	source, err := a.source(ctx, f.zeek, settings)
	switch {
	case err != nil || !f.history:
		return source, err
	case len(f.zeek) > 0:
		return a.archive(ctx, f.zeek, settings, req)
	}
	if why := a.answers(ctx, settings); why != nil {
		store, err := a.historyOfCluster(settings, req.Scope)
		if err != nil {
			return nil, errors.Join(why, err)
		}
		return &history.Alone{Store: store, Why: why}, nil
	}
	return a.keeping(source, settings, req.Scope), nil
}

// answersWithin is how long a look-up in history waits for the cluster, once.
const answersWithin = 5 * time.Second

// answers returns why the cluster does not answer now, nil if it does or if something else is wrong with it.
func (a *app) answers(ctx context.Context, settings *config.Loaded) error {
	quick := *settings
	quick.Elasticsearch.Retries, quick.Elasticsearch.Timeout = 0, min(quick.Elasticsearch.Timeout, answersWithin)
	client, err := a.client(&quick)
	if err != nil {
		return nil //nolint:nilerr // The look-up itself reports it.
	}
	if _, err = client.Info(ctx); ctx.Err() == nil && es.Is(err, es.Unreachable, es.Retryable, es.Overload, es.Timeout) {
		return err
	}
	return nil
}

// drawWho prints a line for each host. Below 100 columns what it is called and the ports go on a line of their own.
func drawWho(w io.Writer, page *who.Page, width int) error {
	if len(page.Hosts) == 0 {
		return nil
	}
	wide := width == 0 || width >= 100
	rows, below := [][]string{{"HOST", "FIRST", "LAST", "CONNS", "SENT", "RECEIVED"}}, []string{""}
	if wide {
		rows[0] = append(rows[0], "PORTS")
	}
	for i := range page.Hosts {
		h := &page.Hosts[i]
		also := slices.Clone(h.Ports)
		if h.Queries > 0 {
			also = append(also, hunt.Many(h.Queries, "DNS query"))
		}
		ports := strings.Join(also, ", ")
		if len(h.Users) > 0 {
			ports += "; " + h.Users[0]
		}
		name := strings.Join(h.Names[:min(len(h.Names), 1)], "")
		row := []string{h.IP.String(), shortTime(h.First), shortTime(h.Last), hunt.Count(h.Connections), size(h.Sent), size(h.Received)}
		if wide {
			row[0] = strings.TrimSpace(row[0] + " " + name)
			row, ports, name = append(row, ports), "", ""
		}
		rows, below = append(rows, row), append(below, strings.Trim(name+"; "+ports, "; "))
	}
	if err := output.PrintTable(w, rows, []bool{3: true, 4: true, 5: true}, below, width); err != nil || len(page.Also) == 0 {
		return err
	}
	_, err := fmt.Fprintln(w, output.Wrap("also: "+output.Chopped(output.Clean(strings.Join(page.Also, ", ")), width-6), width, "      "))
	return err
}

// size is a number of bytes, or that it is not known.
func size(n int64) string {
	if n == hunt.Absent {
		return "-"
	}
	return hunt.Size(n)
}

// shortTime is a moment for a column, empty where it is not known.
func shortTime(t hunt.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("01-02 15:04")
}
