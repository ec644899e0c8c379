package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"dwell/internal/config"
	"dwell/internal/evidence/host"
	"dwell/internal/hunt"
	"dwell/internal/output"
	"dwell/internal/pipeline"
	"dwell/internal/store"
)

func newHost(a *app) *cobra.Command {
	f := &huntFlags{}
	c := &cobra.Command{
		Use:   "host ADDRESS | NAME | FINDING-ID",
		Short: "Summarize an internal host: identity, external destinations, internal connections",
		Long: `Show one internal address on one page: its names, MAC and users by DHCP, Kerberos, NTLM and DNS, its operating system and
software, its alerts, its suspicious external destinations with their prevalence, and the internal hosts that it connected
to after the first contact with the strongest of them.

Out of the cluster the pairs are the stored findings of the window; where no hunt was stored, and with --zeek, they are
hunted for.`,
		Example: `  dwell host 10.1.4.22                                     the last 24 h in the cluster
  dwell host WS-014                                        by the name or user that stored findings show
  dwell host 10.1.4.22 --since 7d                          a week: shows which internal connections are new
  dwell host 10.1.4.22 --zeek /nsm/zeek/logs/2026-11-22    out of log files
  dwell host 10.1.4.22 -o json | jq -r '.pairs[].dwell.pair'`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return a.host(c.Context(), f, args[0]) },
	}
	f.window(c.Flags())
	c.Flags().StringVarP(&f.format, "output", "o", "table", "`format`: table or json")
	return c
}

func (a *app) host(ctx context.Context, f *huntFlags, text string) error {
	if err := tableOrJSON(f.format); err != nil {
		return err
	}
	settings, err := f.load(a)
	if err != nil {
		return err
	}
	var addr netip.Addr
	if isIDPrefix(text) {
		lead, err := a.leadOf(ctx, settings, f, text)
		if err != nil {
			return err
		}
		addr = lead.Dwell.InternalIP
	} else if addr, err = a.addressOf(ctx, settings, text); err != nil {
		return err
	}
	options, err := f.options(ctx, a, settings)
	if err != nil {
		return err
	}
	if !options.Request.Scope.IsInternal(addr) {
		return hint(usage("%s is not internal", addr), "give your own networks with --internal; for an external address: `dwell who %s`", addr)
	}
	source, err := a.source(ctx, f.zeek, settings)
	if err != nil {
		return err
	}
	findings, req, reading, err := a.pairsOf(ctx, f, settings, source, options, addr)
	if err != nil {
		return err
	}
	page, remarks, err := host.Look(ctx, source.Open(), req, addr, findings)
	if err != nil {
		return err
	}
	a.notes(append(reading.Notes, remarks.Notes...))
	gaps := distinct(append(reading.Gaps, remarks.Gaps...))
	for _, g := range gaps {
		a.warn("INCOMPLETE: %s", g)
	}
	if len(gaps) == 0 && !page.Known() {
		return hint(fmt.Errorf("no records of %s in %s", addr, span(&page.Window)), "is the window right (--since, --from, --to), and does a sensor see this network?")
	}
	if f.format == "json" {
		err = output.Encoder(a.Out).Encode(page)
	} else {
		err = (&hostPainter{painter: painter{w: a.Out, terminal: a.Width}, page: page, least: settings.Hunt.MinScore}).draw()
	}
	if err != nil {
		return fmt.Errorf("print the page: %w", err)
	}
	if n := len(gaps); n > 0 {
		return codeError{exitIncomplete, fmt.Sprintf("the page is incomplete (%s, above)", hunt.Many(n, "gap"))}
	}
	return nil
}

// distinct removes duplicates: a log that is read for several purposes reports the same gap each time.
func distinct(notes []hunt.Note) (out []hunt.Note) {
	seen := map[string]bool{}
	for _, n := range notes {
		if !seen[n.String()] {
			seen[n.String()] = true
			out = append(out, n)
		}
	}
	return out
}

// pairsOf returns the findings about an address and the request with its final window. It hunts if none are stored.
func (a *app) pairsOf(ctx context.Context, f *huntFlags, settings *config.Loaded, source hunt.Source, o pipeline.Options, addr netip.Addr) ([]hunt.Finding, hunt.Request, hunt.Reading, error) {
	req := o.Request
	if len(f.zeek) == 0 {
		if req.To.IsZero() {
			req.To = a.Now().Add(-req.Settle)
		}
		if req.From.IsZero() {
			since := req.Since
			if since == 0 {
				since = 24 * time.Hour
			}
			req.From = req.To.Add(-since)
		}
		window, err := hunt.NewWindow(req.From, req.To)
		if err != nil {
			return nil, req, hunt.Reading{}, usageError{err}
		}
		req.From, req.To, req.Since = window.Start, window.End, 0
		found, stored, err := a.storedPairs(ctx, settings, req, addr)
		if err != nil || stored {
			return found, req, hunt.Reading{}, err
		}
		a.say("dwell: note: no finding about it is stored in that window, so it is hunted now; `dwell hunt --write` stores what it finds")
		o.Request.From, o.Request.To, o.Request.Since = req.From, req.To, 0
	}
	bar := newProgress(a)
	o.Request.Progress = bar.update
	result, err := pipeline.Run(ctx, source, o)
	bar.done()
	if err != nil {
		return nil, req, hunt.Reading{}, err
	}
	if len(f.zeek) == 0 || !req.From.IsZero() || !req.To.IsZero() || req.Since > 0 {
		req.From, req.To, req.Since = result.Reading.Window.Start, result.Reading.Window.End, 0
	} // Else all that the logs hold counts: what is inside may begin before the first connection to the outside.
	var out []hunt.Finding
	for i := range result.Findings {
		if d := &result.Findings[i].Dwell; d.InternalIP == addr && d.Severity != "" {
			out = append(out, result.Findings[i])
		}
	}
	return out, req, result.Reading, nil
}

// storedPairs returns the stored findings about an address whose last connection is in the window, strongest first.
func (a *app) storedPairs(ctx context.Context, settings *config.Loaded, req hunt.Request, addr netip.Addr) (found []hunt.Finding, stored bool, err error) {
	st, err := a.openStore(settings)
	if err != nil {
		return nil, false, err
	}
	remark, err := a.remarker(settings)
	if err != nil {
		return nil, false, err
	}
	list, err := st.Findings(ctx, store.Filter{Internal: addr, Since: req.From, Until: req.To, Sort: store.ByScore,
		Where: func(f *hunt.Finding) bool { remark(f); return true }})
	var missing *store.NotInstalledError
	if errors.As(err, &missing) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	return list.Findings, len(list.Findings) > 0, nil
}

func span(s *hunt.TimeSpan) string {
	if s.Start.IsZero() {
		return "all of the logs"
	}
	return hunt.Window{Start: s.Start.Time, End: s.End.Time}.String()
}

// hostPainter prints a host page.
type hostPainter struct {
	painter
	page *host.Page
	// least is the minimum score of a printed destination.
	least float64
}

func (d *hostPainter) draw() error {
	p := d.page
	title := p.IP.String()
	if len(p.Names) > 0 {
		title += "  " + p.Names[0].Text
	}
	d.line("%s", title)
	d.row("window", "%s", span(&p.Window))
	if p.FirstSeen != nil {
		d.row("seen", "%s to %s, %s", p.FirstSeen.Format(time.RFC3339), p.LastSeen.Format(time.RFC3339), hunt.Many(p.Connections, "connection"))
	}
	d.texts("names", p.Names, true)
	d.texts("MAC", p.MAC, true)
	d.texts("users", p.Users, true)
	d.row("system", "%s", listed(p.OS, "unknown (no software or user agents seen)"))
	d.texts("software", p.Software, false)
	if len(p.Software) == 0 {
		d.texts("agents", p.UserAgents, false)
	}
	switch {
	case p.AlertCount == nil:
		d.row("alerts", "not available")
	case *p.AlertCount == 0:
		d.row("alerts", "none in the window")
	default:
		d.row("alerts", "%s", hunt.Count(*p.AlertCount))
		for _, s := range p.Alerts {
			d.row("", "%7s  %s (%s)", hunt.Count(s.Count), s.Text, s.By)
		}
	}
	d.pairs()
	d.internal()
	for _, n := range p.Notes {
		d.text(6, "note: %s", n)
	}
	return d.err
}

// row is one line with its heading in front.
func (d *hostPainter) row(heading, format string, args ...any) {
	d.text(12, "  %-9s %s", heading, fmt.Sprintf(format, args...))
}

// shownTexts limits the texts of a kind on the page; JSON has them all.
const shownTexts = 6

func (d *hostPainter) texts(heading string, list []hunt.LogText, oneLine bool) {
	text := ""
	for i, s := range list[:min(len(list), shownTexts)] {
		if !oneLine {
			d.row(heading, "%s (%s)", cut(s.Text, 100), s.By)
			heading = ""
			continue
		}
		if i > 0 {
			text += ", "
		}
		text += s.Text + " (" + s.By + ")"
	}
	if more := len(list) - shownTexts; more > 0 {
		text += fmt.Sprintf(" and %s more (-o json)", hunt.Count(more))
	}
	if text != "" {
		d.row(heading, "%s", text)
	}
}

// cut shortens long text.
func cut(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "..."
	}
	return s
}

func listed(list []string, none string) string {
	if len(list) == 0 {
		return none
	}
	text := list[0]
	for _, s := range list[1:] {
		text += ", " + s
	}
	return text
}

const shownPairs = 15

func (d *hostPainter) pairs() {
	p := d.page
	strong := 0
	for strong < len(p.Pairs) && p.Pairs[strong].Dwell.Score >= d.least { // they are in order
		strong++
	}
	weaker := ""
	if n := len(p.Pairs) - strong; n > 0 {
		weaker = fmt.Sprintf("; %s below --min-score %.2f", hunt.Count(n), d.least)
	}
	d.head(fmt.Sprintf("external destinations (%s suspicious%s)", hunt.Count(strong), weaker))
	for i := range p.Pairs[:min(strong, shownPairs)] {
		f := &p.Pairs[i]
		d.text(18, "  %.3f %-8s  %s  %s%s", f.Dwell.Score, f.Dwell.Severity, shortID(&f.Finding), f.Dwell.Pair, decidedOf(&f.Finding))
		if len(f.Dwell.Reasons) > 0 {
			d.text(18, "                  %s", f.Dwell.Reasons[0])
		}
		switch n := len(f.Neighbors); {
		case f.Dwell.DNS != nil:
		case n == 0 && f.Dwell.Evidence != nil && f.Dwell.Evidence.Prevalence != nil && f.Dwell.Evidence.Prevalence.Hosts > 1:
			d.line("                  %s hosts talk to it by name", hunt.Count(f.Dwell.Evidence.Prevalence.Hosts))
		case n == 0:
			d.line("                  prevalence: only this host")
		default:
			d.text(18, "                  %s: %s", others(n), some(f.Neighbors))
		}
	}
	if more := strong - shownPairs; more > 0 {
		d.line("  and %s more (-o json)", hunt.Count(more))
	}
}

// decidedOf is the disposition in parentheses, empty if open.
func decidedOf(f *hunt.Finding) string {
	switch {
	case f.Dwell.Safelisted && f.Dwell.Safelist != nil:
		return " (safelisted by rule " + f.Dwell.Safelist.Name + ")"
	case f.Dwell.Disposition == "" || f.Dwell.Disposition == hunt.Open:
		return ""
	case f.Dwell.Assignee != "":
		return " (" + f.Dwell.Disposition + ", " + f.Dwell.Assignee + ")"
	}
	return " (" + f.Dwell.Disposition + ")"
}

// others counts other hosts.
func others(n int) string {
	if n == 1 {
		return "1 other host"
	}
	return hunt.Count(n) + " other hosts"
}

func some(list []netip.Addr) string {
	texts := make([]string, 0, shownTexts)
	for _, a := range list[:min(len(list), shownTexts)] {
		texts = append(texts, a.String())
	}
	if more := len(list) - shownTexts; more > 0 {
		texts = append(texts, fmt.Sprintf("%s more", hunt.Count(more)))
	}
	return listed(texts, "")
}

const shownPorts = 12

// inside prints the internal services that were used, new hosts first.
func (d *hostPainter) internal() {
	p := d.page
	title := fmt.Sprintf("internal connections (%s)", hunt.Count(p.InternalConnections))
	if p.FirstContact != nil && slices.ContainsFunc(p.Internal, func(s host.Port) bool { return s.New > 0 }) {
		title += fmt.Sprintf("; new since the first connection of the strongest finding, %s", p.FirstContact.Format(time.RFC3339))
	}
	d.head(title)
	if len(p.Internal) == 0 {
		d.line("  none")
	}
	for i := range p.Internal[:min(len(p.Internal), shownPorts)] {
		s := &p.Internal[i]
		_, connections, _ := strings.Cut(hunt.Many(s.Connections, "connection"), " ")
		text := fmt.Sprintf("  %-10s %7s %s to %s", s.Port, hunt.Count(s.Connections), connections, hunt.Many(len(s.Hosts), "host"))
		if s.New > 0 {
			text += fmt.Sprintf(", %s NEW:", hunt.Count(s.New))
		} else {
			text += ":"
		}
		shown := 0
		for _, m := range s.Hosts {
			if m.New != (s.New > 0) || shown == shownTexts/2 {
				continue
			}
			shown++
			text += " " + m.IP.String()
			if m.New {
				text += m.First.Format(" (15:04)")
			}
		}
		d.text(12, "%s", text)
	}
	if more := len(p.Internal) - shownPorts; more > 0 {
		d.line("  and %s (-o json)", hunt.Many(more, "more port"))
	}
}
