package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"dwell/internal/config"
	"dwell/internal/history"
	"dwell/internal/hunt"
	"dwell/internal/output"
	"dwell/internal/pipeline"
	"dwell/internal/pipeline/material"
	"dwell/internal/store"
	"dwell/query/elastic"
	"dwell/scoring"
)

func newShow(a *app) *cobra.Command {
	f := &huntFlags{}
	c := &cobra.Command{
		Use:   "show FINDING-ID | PAIR | SOURCE DESTINATION",
		Short: "Show everything about one finding, or about one pair even if it is no finding",
		Long: `Show one finding by its id, as it was stored, with the connections it rests on; or one pair, as dwell.pair reads: a source
address, and an address, a name, a network, a TLS fingerprint or the domain of a DNS tunnel. A pair that is no finding is
shown too, with the reason why it is none.

The picture: a timeline of the window and a histogram of the intervals.`,
		Example: `  dwell show 3b2b0d6d1f0c47a7a5fd2d4a36d8a1c2              a stored finding
  dwell show 10.1.4.22 203.0.113.7                         the last 24h in the cluster
  dwell show WS-014 cdn.example --day yesterday            the host by its name, as stored findings show it
  dwell show 10.1.4.22 cdn.example --zeek /nsm/zeek/logs/2026-11-22
  dwell show '10.1.4.22>203.0.113.0/24'                    a network, as the finding names it
  dwell show 10.1.4.22 '*:443/tcp#ja4=t13d190900_9dc949149365_97f8aa674fd9'
  dwell show 10.1.4.22 '*.evil.example/dns'                a DNS tunnel
  dwell show 3b2b0d6 --connections                         its raw records, tab-separated in a pipe`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) error { return a.show(c.Context(), f, args) },
	}
	f.window(c.Flags())
	c.Flags().BoolVar(&f.history, "history", false, "use the records that earlier hunts kept, and keep what is read (docs/history.md)")
	c.Flags().BoolVar(&f.raw, "connections", false, "print the raw connections (of a DNS tunnel the queries) with Zeek's uids, and nothing else")
	return c
}

func (a *app) show(ctx context.Context, f *huntFlags, args []string) error {
	settings, err := f.load(a)
	if err != nil {
		return err
	}
	var stored *hunt.Finding
	decided := map[string]hunt.Disposition{}
	var from netip.Addr
	var to hunt.Side
	if pair := strings.Join(args, ">"); strings.Contains(pair, ">") {
		if from, to, err = a.pairOf(ctx, settings, pair); err != nil {
			return err
		}
	} else {
		if err := named(args[0]); err != nil {
			return err
		}
		st, err := a.storeOf(settings, args[0])
		if err != nil {
			return err
		}
		members, err := a.identifyAll(ctx, st, args[0])
		if err != nil {
			return err
		}
		if stored = &members[0]; len(members) > 1 {
			a.say("dwell: campaign %s, %s; the strongest is shown, `dwell findings --campaign %s --expand` lists all", stored.Dwell.Campaign.Name, hunt.Many(len(members), "finding"), args[0])
		}
		remark, err := a.remarker(settings)
		if err != nil {
			return err
		}
		remark(stored)
		last, err := st.Dispositions(ctx, []string{stored.Dwell.FindingID})
		if err != nil {
			return err
		}
		decided[stored.Dwell.FindingID] = last[stored.Dwell.FindingID]
		settings.Hunt.Profile = stored.Dwell.Profile
		from, to = stored.Source.IP, hunt.SideOf(stored)
	}
	options, err := f.options(ctx, a, settings)
	if err != nil {
		return err
	}
	if stored != nil {
		d := stored.Dwell.Window
		options.Request.From, options.Request.To, options.Request.Since = d.Start.Time, d.End.Time, 0
	}
	if stored == nil {
		if err := askable(&options.Request.Scope, from, &to); err != nil {
			return err
		}
	}
	f.history = f.history && (stored == nil || stored.Dwell.Sensor == "") // history does not keep which sensor saw a record
	source, err := a.kept(ctx, f, settings, options.Request)
	if err != nil {
		return err
	}
	if stored != nil && stored.Dwell.Sensor != "" {
		options.Sensor = stored.Dwell.Sensor
		if of, ok := source.(*elastic.Source); ok {
			source = of.ForSensor(pipeline.SensorOf(stored))
		}
	}
	bar := newProgress(a)
	options.Request.Progress = bar.update
	switch {
	case to.Addr.IsValid() && (len(f.zeek) == 0 && !f.history || f.history && f.raw): // a cluster can give these two alone; raw records need no more
		options.Request.Scope.Only = hunt.Two{Src: from, Dst: to.Addr}
		options.NoNames = len(f.zeek) == 0
	case f.history: // it is sorted by source, so a month takes seconds
		options.Request.Scope.Only.Src = from
	}
	portrait, err := takePortrait(ctx, source, options, from, to)
	bar.done()
	if err != nil {
		return err
	}
	a.notes(portrait.Reading.Notes)
	if stored == nil && f.history && !f.raw {
		a.say("dwell: note: only records of %s were read, so how many other hosts contact the destination does not count here; `dwell hunt` counts it", from)
	}
	if f.raw {
		if err := a.rawOf(ctx, source, &options, portrait); err != nil {
			return err
		}
		return a.answered(portrait)
	}
	if _, alone := source.(*history.Alone); stored == nil && len(f.zeek) == 0 && !alone {
		decided = a.decisions(ctx, settings, portrait.Findings)
	}
	p := &painter{w: a.Out, p: portrait, decided: decided, width: 96, terminal: a.Width, files: f.zeek}
	if a.Width > 0 {
		p.width = min(a.Width-12, 96)
	}
	if err := p.draw(stored, settings); err != nil {
		return err
	}
	return a.answered(portrait)
}

// answered ends with code 5 if records could not be read or the window has no connection at all.
func (a *app) answered(p *portrait) error {
	if err := a.incomplete(p.Reading.Gaps); err != nil {
		return err
	}
	if empty(&p.Reading) {
		return codeError{exitIncomplete, "nothing was read: the window has no connection at all, so this proves nothing"}
	}
	return nil
}

// pairOf parses a pair whose source may be a host's name.
func (a *app) pairOf(ctx context.Context, settings *config.Loaded, pair string) (from netip.Addr, to hunt.Side, err error) {
	host, destination, _ := strings.Cut(pair, ">")
	if _, bad := netip.ParseAddr(host); bad == nil || host == "" {
		if from, to, err = hunt.ParsePair(pair); err != nil {
			return from, to, usageError{err}
		}
		return from, to, nil
	}
	if _, err := netip.ParseAddr(destination); err == nil {
		return from, to, hint(usage("the source %q is not an address: a pair names the host that connects first", host), "did you mean `dwell show %s %s`?", destination, host)
	}
	if from, err = a.addressOf(ctx, settings, host); err != nil {
		return from, to, err
	}
	if to, err = hunt.ParseSide(destination); err != nil {
		return from, to, usageError{err}
	}
	return from, to, nil
}

// decisions are the dispositions of findings; a failure is a note, since they are an addition here.
func (a *app) decisions(ctx context.Context, settings *config.Loaded, findings []hunt.Finding) map[string]hunt.Disposition {
	ids := make([]string, len(findings))
	for i := range findings {
		ids[i] = findings[i].Dwell.FindingID
	}
	st, err := a.openStore(settings)
	if err != nil || len(ids) == 0 {
		return nil
	}
	out, err := st.Dispositions(ctx, ids)
	var missing *store.NotInstalledError
	if err != nil && !errors.As(err, &missing) {
		a.say("dwell: note: dispositions could not be looked up: %v", err)
	}
	return out
}

// shortID is the id prefix that screens show.
func shortID(f *hunt.Finding) string { return f.Dwell.FindingID[:min(7, len(f.Dwell.FindingID))] }

// askable rejects a pair that no hunt reads: both internal, neither internal, or swapped. It hints at what to ask.
func askable(scope *hunt.Scope, from netip.Addr, to *hunt.Side) error {
	in := scope.IsInternal(from)
	switch {
	case to.Addr.IsValid() && scope.Keep(from, to.Addr), scope.Direction != hunt.Outbound && !to.Addr.IsValid(), in && !to.Addr.IsValid():
		return nil
	case to.Addr.IsValid() && scope.Keep(to.Addr, from):
		return hint(usage("%s is external and %s internal: a pair names the host that connects first", from, to.Addr),
			"did you mean `dwell show %s %s`? --direction inbound is for inbound connections", to.Addr, from)
	case to.Addr.IsValid() && in && scope.IsInternal(to.Addr):
		return hint(usage("%s and %s are both internal: hunts read connections to external destinations", from, to.Addr),
			"`dwell host %s` lists its internal connections; --internal sets your own networks", from)
	case !in:
		return hint(usage("%s is not internal, so no hunt reads its connections", from), "--internal sets your own networks; `dwell who %s` lists the hosts that talked to it", from)
	}
	return hint(usage("%s is no destination of a hunt: multicast, loopback or link-local", to.Addr), "see `dwell show --help`")
}

// incomplete prints the gaps and ends with code 5 if there are any.
func (a *app) incomplete(gaps []hunt.Note) error {
	for _, g := range gaps {
		a.warn("INCOMPLETE: %s", g)
	}
	if n := len(gaps); n > 0 {
		return codeError{exitIncomplete, fmt.Sprintf("the answer is incomplete (%s, above)", hunt.Many(n, "gap"))}
	}
	return nil
}

// reads adds the flags that choose which records are read.
func (f *huntFlags) reads(p *pflag.FlagSet) {
	p.StringArrayVar(&f.zeek, "zeek", nil, "read Zeek logs instead of Elasticsearch: `path` of a file, a directory or a glob (repeatable)")
	p.String("since", "", "`duration` of the window, as in 24h or 7d, up to now; with --zeek, up to the newest connection")
	p.StringVar(&f.from, "from", "", "`time` at which the window starts, inclusive: RFC 3339, a date, today, yesterday, or 24h for that long ago")
	p.StringVar(&f.to, "to", "", "`time` at which the window ends, exclusive")
	p.StringVar(&f.day, "day", "", "a whole `day` (UTC): 2026-11-22, today or yesterday")
	p.StringSlice("internal", nil, "internal network (`CIDR`, repeatable); replaces the default RFC 1918, fc00::/7, 100.64.0.0/10")
	p.String("direction", "", "`direction` of the connections: outbound (the default), inbound or both")
	p.String("memory", "", "maximum `size` of connections in memory, as in 512MiB (default 2GiB); the rest goes to files in the state directory")
	f.wholeHunt = p
}

// window adds the flags that choose what is read and how it is scored.
func (f *huntFlags) window(p *pflag.FlagSet) {
	f.reads(p)
	p.StringSlice("indicator", nil, "`indicators` to look for: "+strings.Join(hunt.Indicators(), ", ")+" (default: all)")
	p.Float64("min-score", 0, "print findings with this `score` or more (default 0.4; 0 prints every pair that was scored)")
	p.String("profile", "", "scoring `profile`: dwell (calibrated, the default) or rita (as RITA v5 does)")
}

// painter prints a portrait.
type painter struct {
	w     io.Writer
	p     *portrait
	width int
	// decided are the dispositions of findings, by their id.
	decided map[string]hunt.Disposition
	// files are the paths of --zeek.
	files []string
	// terminal is the terminal's width in columns, 0 for none.
	terminal int
	err      error
}

func (d *painter) line(format string, args ...any) {
	if d.err == nil {
		_, d.err = fmt.Fprintln(d.w, strings.TrimRight(output.Clean(fmt.Sprintf(format, args...)), " "))
	}
}

// text prints a line, wrapped at words; further lines are indented.
func (d *painter) text(indent int, format string, args ...any) {
	if d.err == nil {
		_, d.err = fmt.Fprintln(d.w, output.Wrap(output.Clean(fmt.Sprintf(format, args...)), d.terminal, strings.Repeat(" ", indent)))
	}
}

// head begins a part of the page.
func (d *painter) head(title string) { d.line(""); d.text(2, "%s", title) }

func (d *painter) draw(stored *hunt.Finding, settings *config.Loaded) error {
	p := d.p
	d.text(2, "%s > %s, %s%s", p.Src, p.Dst, p.Reading.Window, amount(p))
	shown := p.Findings
	if stored != nil {
		shown = []hunt.Finding{*stored}
	}
	if p.Why != "" {
		d.text(2, "no finding: %s", p.Why)
	}
	if port := p.To.Port; port != 0 && len(p.Raw) > 0 && !slices.ContainsFunc(p.Raw, func(c hunt.Connection) bool { return c.DstPort == port }) {
		d.text(2, "no connection to port %d; what follows is of the pair's other ports", port)
	}
	for i := range shown[:min(len(shown), 3)] {
		d.finding(&shown[i])
		d.triage(&shown[i], stored != nil)
	}
	if len(p.Starts) > 0 {
		d.picture()
	}
	d.queries(settings)
	return d.err
}

// amount is the number of connections; a DNS tunnel's queries are among the reasons.
func amount(p *portrait) string {
	if p.To.DNS {
		return ""
	}
	return fmt.Sprintf(", %s", hunt.Many(len(p.Starts), "connection"))
}

func (d *painter) finding(f *hunt.Finding) {
	d.head(strings.TrimRight(fmt.Sprintf("%s  score %.3f %s  %s", f.Dwell.Pair, f.Dwell.Score, orDash(f.Dwell.Severity), shortID(f)), " "))
	for i, r := range f.Dwell.Reasons {
		d.text(5, "  %d. %s", i+1, r)
	}
	breakdown, words := f.Dwell.Parts.String(), strings.NewReplacer("_", " ")
	for _, m := range f.Dwell.Modifiers {
		breakdown += fmt.Sprintf(", %s %+.2f", words.Replace(m.Name), m.Value)
	}
	d.text(4, "  score breakdown: %s; benign explanation: %s", breakdown, orNone(output.Explanation(f.Dwell.Explained)))
	for _, m := range f.Dwell.Modifiers {
		if !slices.Contains(f.Dwell.Reasons, m.Reason) { // one that is among the reasons is not said twice
			d.text(4, "  %s: %s", words.Replace(m.Name), m.Reason)
		}
	}
	if e := f.Dwell.Evidence; e != nil && e.Host != nil {
		h := e.Host
		d.text(4, "  host: %s; MAC %s; system %s; users %s", listed(h.Names, "no name"), listed(h.MAC, "unknown"), listed(h.OS, "unknown"), listed(h.Users, "unknown"))
		if h.Alerts != nil && *h.Alerts > 0 {
			d.line("  alerts: %s in the window (`dwell host %s`)", hunt.Count(*h.Alerts), f.Dwell.InternalIP)
		}
	}
	if t := f.Dwell.DwellTime; t != nil {
		since := ""
		if !t.RhythmSince.IsZero() {
			since = ", rhythm since " + t.RhythmSince.Format("2006-01-02 15:04")
		}
		d.text(4, "  dwell time: %s, first check-in %s%s", output.DwellTime(f), t.FirstCheckIn.Format("2006-01-02 15:04"), since)
	}
	if list := f.Threat.Techniques(); len(list) > 0 {
		d.text(4, "  ATT&CK: %s", strings.Join(list, ", "))
	}
	if b := f.Beacon; b != nil {
		if b.Score != nil {
			d.text(4, "  beacon: every %s ±%.0f%%, %s check-ins, %.0f%% of the intervals, %.0f%% of the window", scoring.Span(*b.Period), 100**b.Jitter, hunt.Count(*b.CheckIns), 100**b.Fraction, 100**b.Coverage)
		}
		if b.RITA != nil {
			d.text(4, "  RITA: %.3f (timing %.3f, sizes %.3f, hours %.3f, histogram %.3f) over %s connections", *b.RITA, *b.TS, *b.DS, *b.Duration, *b.Historical, hunt.Count(*b.RITAConnections))
		}
	}
}

// triage prints a finding's disposition and the next commands.
func (d *painter) triage(f *hunt.Finding, stored bool) {
	if r := f.Dwell.Safelist; r != nil {
		d.text(4, "  safelisted by rule %s: %s (%s, expires on %s)", r.Name, r.Reason, r.Owner, r.Expires)
	}
	if r, ok := d.decided[f.Dwell.FindingID]; ok && r.Dwell.Disposition != "" {
		d.text(4, "  disposition: %s", recorded(r))
	}
	if stored {
		id := shortID(f)
		d.text(4, "  next: dwell triage %s --status benign|escalated --note WHY; dwell safelist add %s --reason WHY --expires 90d", id, id)
	}
}

// picture draws the day, the intervals and the sizes.
func (d *painter) picture() {
	p := d.p
	w := p.Reading.Window
	columns := max(d.width, 24)
	d.head(fmt.Sprintf("when (each block is %s)", hunt.Brief(w.Duration().Seconds()/float64(columns))))
	d.line("  %s", output.DayLine(p.Starts, w, columns))
	d.line("  %-*s%s", columns-len("2006-01-02 15:04"), w.Start.Format("2006-01-02 15:04"), w.End.Format("2006-01-02 15:04"))
	d.head("intervals between connections")
	if d.err == nil {
		d.err = output.Intervals(d.w, p.Starts, 12, 40)
	}
	d.head("bytes sent per connection (IP)")
	d.line("  %s", sizes(p.Sizes))
	d.head("ports")
	for _, port := range p.Ports[:min(len(p.Ports), 10)] {
		d.line("  %7s  %s", hunt.Count(port.Connections), port.Port)
	}
	if more := len(p.Ports) - 10; more > 0 {
		d.line("  and %s", hunt.Many(more, "more port"))
	}
	if len(p.Names) > 0 {
		d.head("also seen as")
		for _, n := range p.Names[:min(len(p.Names), 10)] {
			d.line("  %s", n)
		}
	}
}

// sizes is the range and median of sizes, and how many are unknown.
func sizes(all []int64) string {
	known := make([]int64, 0, len(all))
	for _, s := range all {
		if s >= 0 {
			known = append(known, s)
		}
	}
	if len(known) == 0 {
		return "unknown"
	}
	slices.Sort(known)
	text := fmt.Sprintf("%s to %s, median %s", hunt.Count(known[0]), hunt.Count(known[len(known)-1]), hunt.Count(known[len(known)/2]))
	if n := len(all) - len(known); n > 0 {
		text += fmt.Sprintf("; unknown for %s", hunt.Count(n))
	}
	return text
}

// rawOf prints the raw records of a pair, and their number or why there are none.
func (a *app) rawOf(ctx context.Context, source hunt.Source, o *pipeline.Options, p *portrait) error {
	if err := a.connections(ctx, source, o, p); err != nil {
		return err
	}
	if !p.To.DNS {
		a.say("dwell: %s from %s to %s, in %s", hunt.Many(len(p.Raw), "connection"), p.Src, p.Dst, p.Reading.Window)
	}
	if p.Why != "" && len(p.Raw) == 0 {
		a.say("dwell: %s", p.Why)
	}
	return nil
}

// spaced adds blanks between JSON values, so that wrapped lines stay valid JSON.
func spaced(body []byte) string {
	var b strings.Builder
	quoted, escaped := false, false
	for _, c := range body {
		if c == '"' && !escaped {
			quoted = !quoted
		}
		escaped = c == '\\' && !escaped
		b.WriteByte(c)
		if !quoted && (c == ',' || c == ':') {
			b.WriteByte(' ')
		}
	}
	return b.String()
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// queries prints ways to the raw connections.
func (d *painter) queries(settings *config.Loaded) {
	p := d.p
	w := p.Reading.Window
	if w == (hunt.Window{}) {
		return
	}
	query := material.RawQuery(p.Src, p.To)
	d.head("raw records")
	long := func(heading, text string) {
		d.text(16, "  %-13s %s", heading, output.Chopped(output.Clean(text), d.terminal-16))
	}
	if len(d.files) > 0 {
		long("dwell", fmt.Sprintf("dwell show '%s>%s' --connections --zeek %s", p.Src, p.Dst, strings.Join(d.files, " --zeek ")))
		return
	}
	long("Kibana (KQL)", query.KQL())
	long("Hunt (OQL)", query.OQL()+" | groupby destination.port network.protocol connection.state")
	address := "https://manager:9200"
	if len(settings.Elasticsearch.Addresses) > 0 {
		address = settings.Elasticsearch.Addresses[0]
	}
	filters := []any{map[string]any{"range": map[string]any{"@timestamp": map[string]string{"gte": w.Start.Format(time.RFC3339), "lt": w.End.Format(time.RFC3339)}}}}
	filters = append(filters, query.Filter()...)
	body, err := json.Marshal(map[string]any{"query": map[string]any{"bool": map[string]any{"filter": filters}}, "sort": []string{"@timestamp"}})
	if err != nil {
		d.err = err
		return
	}
	d.line("  %-13s curl --cacert CA -H 'Authorization: ApiKey KEY' \\", "curl")
	d.line("                  -H 'Content-Type: application/json' \\")
	d.line("                  %s/logs-zeek-so/_search \\", address)
	d.text(18, "                  -d '%s'", strings.ReplaceAll(spaced(body), "'", `'\''`))
}
