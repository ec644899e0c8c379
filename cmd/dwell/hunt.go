package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"dwell/internal/collector"
	"dwell/internal/config"
	"dwell/internal/hunt"
	"dwell/internal/output"
	htmlreport "dwell/internal/output/report"
	"dwell/internal/pairs"
	"dwell/internal/pipeline"
	"dwell/internal/pipeline/rita"
)

// huntFlags are the flags of commands that read records.
type huntFlags struct {
	zeek        []string
	from, to    string
	format, out string
	listFlags
	pick
	iocs
	day                 string
	write               bool
	failOn              string
	remember, learn     bool
	explain, safelisted bool
	history, raw        bool
	wholeHunt           *pflag.FlagSet
}

func newHunt(a *app) *cobra.Command {
	var f huntFlags
	c := &cobra.Command{
		Use:   "hunt [PATH...]",
		Args:  cobra.ArbitraryArgs,
		Short: "Hunt once and print the findings",
		Long: `Hunt once over one window and print the findings, strongest first. In Elasticsearch the window is the last 24 h
up to five minutes ago; with --zeek (or a path without it) it is what the logs span. Nothing is stored without --write.

A pair is scored when it has four connections or more, was connected for an hour or more, or connects once a
second. Severity: critical above 0.8, high at or above 0.6, medium 0.4, low 0.2.`,
		Example: `  dwell hunt --zeek /nsm/zeek/logs/2026-11-22                     a day of Zeek logs
  dwell hunt --zeek conn.log.gz --internal 192.0.2.0/24 -o wide   your own networks, all columns
  dwell hunt --since 12h --min-score 0.6                          the last half day in the cluster, high and critical
  dwell hunt --from 2026-11-20T00:00:00Z --to 2026-11-21T00:00:00Z --write
  dwell hunt -o ndjson | jq -r '[.dwell.score,.source.ip,.destination.ip]|@tsv'
  dwell hunt -o html > report.html                                a page to read and hand on
  dwell hunt -o rita-csv --out /nsm/rita                          files for Security Onion's own RITA integration
  dwell hunt --remember-only --since 30d                          once: learn what this network knows already
  dwell hunt --selftest -q -o json | jq .hunt.dwell.hunt.statement.selftest
  dwell hunt --ioc 203.0.113.7 --ioc ja4=t13d190900_9dc949149365_97f8aa674fd9
  dwell hunt --fail-on high                                       exit code 3 when something high turns up`,
		RunE: func(c *cobra.Command, paths []string) error {
			for _, p := range paths {
				a.say("dwell: reading %s as --zeek %s", p, p)
			}
			f.zeek = append(f.zeek, paths...)
			return a.hunt(c, &f)
		},
	}
	p := c.Flags()
	f.window(p)
	f.listed(p)
	f.pick.flags(p)
	p.StringArrayVar(&f.given, "ioc", nil, "print what matches this `indicator` only: an address, a network, a domain, a JA3, a JA4, a certificate's hash, or a file of them (repeatable)")
	p.StringVarP(&f.format, "output", "o", "", output.FormatHelp(true))
	p.StringVar(&f.out, "out", "", "with -o rita-csv: the `directory` that its three files go into, in place of older ones")
	p.Bool("by-sensor", false, "hunt in what each sensor saw on its own, for sites whose internal addresses overlap (of files, each --zeek is a sensor)")
	p.Bool("selftest", false, "measure the hunt's sensitivity: inject about 400 synthetic beacons and report how many are found (a second or two)")
	p.BoolVar(&f.write, "write", false, "store every finding that has a severity, and the hunt, in Elasticsearch")
	p.BoolVar(&f.remember, "remember", false, "record what was first seen in the state directory without storing the hunt (--write always does)")
	p.BoolVar(&f.learn, "remember-only", false, "record when each destination was first seen, without hunting: run it once over the past, so that hunts know what is new")
	p.BoolVar(&f.history, "history", false, "with --zeek: keep what is read, so that each file is read once however many hunts follow (docs/history.md)")
	p.StringVar(&f.failOn, "fail-on", "", "exit with code 3 when a finding has this `severity` or more: low, medium, high, critical")
	p.BoolVar(&f.explain, "explain", false, "show what would be read, and read nothing")
	p.BoolVar(&f.safelisted, "show-safelisted", false, "include safelisted findings")
	return c
}

// keys maps settings to the flags that set them.
func (f *huntFlags) keys() map[string]*pflag.Flag {
	keys := map[string]*pflag.Flag{
		"hunt.since": f.wholeHunt.Lookup("since"), "hunt.internal": f.wholeHunt.Lookup("internal"),
		"hunt.direction": f.wholeHunt.Lookup("direction"), "hunt.indicators": f.wholeHunt.Lookup("indicator"),
		"hunt.min_score": f.wholeHunt.Lookup("min-score"), "hunt.profile": f.wholeHunt.Lookup("profile"), "hunt.memory": f.wholeHunt.Lookup("memory"),
		"hunt.selftest": f.wholeHunt.Lookup("selftest"), "hunt.by_sensor": f.wholeHunt.Lookup("by-sensor"),
	}
	maps.DeleteFunc(keys, func(_ string, flag *pflag.Flag) bool { return flag == nil }) // not every command has every flag
	return keys
}

// load reads the settings that the flags change.
func (f *huntFlags) load(a *app) (*config.Loaded, error) {
	a.files = len(f.zeek) > 0 && !f.write
	return a.load(f.keys())
}

func (a *app) hunt(c *cobra.Command, f *huntFlags) error {
	a.wait = waitHunt
	settings, err := f.load(a)
	if err != nil {
		return err
	}
	show, err := f.printing(a)
	if err != nil {
		return err
	}
	if err := f.pick.settle(); err != nil {
		return err
	}
	fail, err := severityRank(f.failOn)
	if err != nil {
		return err
	}
	if f.limit < 0 {
		return usage("--limit %d: want 0 (all) or more", f.limit)
	}
	if f.history && len(f.zeek) == 0 {
		return usage("--history goes with --zeek PATH: out of Elasticsearch, `dwell serve` and `dwell hunt --write` keep what they read by themselves")
	}
	if f.learn {
		if err := f.mayLearn(); err != nil {
			return err
		}
		settings.Evidence.Enabled = false // no judge is asked, so no feed is fetched
	}
	defer f.iocs.close()
	if err := f.iocs.settle(c.Context(), settings); err != nil {
		return err
	}
	options, err := f.options(c.Context(), a, settings)
	if err != nil {
		return err
	}
	source, err := a.source(c.Context(), f.zeek, settings)
	if err != nil {
		return err
	}
	if f.history {
		if source, err = a.archive(c.Context(), f.zeek, settings, options.Request); err != nil {
			return err
		}
	}
	if f.learn {
		return a.learn(c.Context(), source, len(f.zeek) == 0, &options, settings)
	}

	if f.explain {
		return a.explain(c.Context(), source.Open(), &options)
	}
	writer, err := a.writer(c.Context(), f.write, settings)
	if err != nil {
		return err
	}
	if writer != nil && len(f.zeek) == 0 {
		source = a.keeping(source, settings, options.Request.Scope)
	}
	bar := newProgress(a)
	options.Request.Progress = bar.update
	options.Remember = (f.write || f.remember) && settings.Evidence.Enabled
	result, err := runHunt(c.Context(), source, options)
	bar.done()
	if err != nil {
		return err
	}
	shown, hidden := printed(result.Findings, settings.Hunt.MinScore, f.safelisted)
	others := len(shown)
	shown = slices.DeleteFunc(shown, func(x hunt.Finding) bool { return !f.pick.has(&x) || !f.iocs.has(&x) })
	others -= len(shown)
	entries := f.grouped(shown, &show)
	more := len(entries) - f.first(len(entries), show.Format == output.Table, a.OutTTY)
	show.Hunt = &result.Document
	for _, c := range result.Campaigns { // they are in order
		if c.Score >= settings.Hunt.MinScore {
			show.Campaigns = append(show.Campaigns, c)
		}
	}
	if err := a.print(entries[:len(entries)-more], show, f.out, f.noPager); err != nil {
		return err
	}
	a.summarize(result, settings, len(shown), others, f.more(more), hidden)
	if len(f.given) > 0 && len(shown) == 0 {
		a.say("dwell: hint: no finding matches --ioc: `dwell who INDICATOR` looks at every connection, suspicious or not")
	}
	if writer != nil {
		if err := a.store(c.Context(), writer, settings, result); err != nil {
			return err
		}
	}
	err = a.remember(settings, result)
	if code := verdict(result, fail); code != nil || err == nil || !f.remember {
		return code
	}
	return codeError{exitFailed, "--remember: nothing was remembered (above)"}
}

// runHunt hunts, per sensor with hunt.by_sensor.
func runHunt(ctx context.Context, source hunt.Source, o pipeline.Options) (*pipeline.Result, error) {
	defer collector.Often()()
	if o.BySensor {
		return pipeline.RunBySensor(ctx, source, o)
	}
	return pipeline.Run(ctx, source, o)
}

// printing returns the output options; only rita-csv needs a directory.
func (f *huntFlags) printing(a *app) (output.Options, error) {
	rita := f.format == string(output.RITA)
	switch {
	case rita && f.out == "":
		return output.Options{}, usage("-o rita-csv: --out is required, as in --out /nsm/rita")
	case !rita && f.out != "":
		return output.Options{}, usage("--out goes with -o rita-csv; everything else is printed on stdout")
	case !rita:
		return a.printing(f.format, true)
	}
	if info, err := os.Stat(f.out); err != nil || !info.IsDir() {
		return output.Options{}, usage("--out %s: directory does not exist", f.out)
	}
	return output.Options{Format: output.RITA}, nil
}

// print writes the findings to stdout, or rita-csv files to a directory.
func (a *app) print(findings []hunt.Finding, show output.Options, folder string, noPager bool) error {
	if show.Format == output.RITA {
		written, err := output.WriteRITA(folder, findings)
		if err == nil {
			a.say("dwell: %s: %s", folder, written)
		}
		return err
	}
	if show.Format == output.HTML {
		return htmlreport.Write(a.Out, findings, htmlreport.Options{Hunt: show.Hunt, Campaigns: show.Campaigns, Now: a.Now()})
	}
	w, done := a.paged(noPager || show.Format != output.Table)
	if err := output.Findings(w, findings, show); err != nil {
		return fmt.Errorf("print findings: %w", err)
	}
	return done()
}

// explain prints the plan of a hunt.
func (a *app) explain(ctx context.Context, in *hunt.Session, o *pipeline.Options) error {
	lines, err := in.Plan(ctx, o.Request)
	if err != nil {
		return err
	}
	for _, l := range lines {
		fmt.Fprintln(a.Out, output.Clean(l))
	}
	fmt.Fprintf(a.Out, "then score by profile %s: %s, %s\n", o.Ranking.Profile(), strings.Join(o.Indicators, ", "), o.Request.Scope.Direction)
	return nil
}

// options converts flags and settings for the pipeline.
func (f *huntFlags) options(ctx context.Context, a *app, settings *config.Loaded) (pipeline.Options, error) {
	direction, err := hunt.ParseDirection(settings.Hunt.Direction)
	if err != nil {
		return pipeline.Options{}, usageError{err}
	}
	o := pipeline.Options{
		Request: hunt.Request{Since: settings.Hunt.Since, Settle: settings.Query.Settle, LookBack: cmp.Or(settings.Hunt.LookBack, -1),
			Scope: hunt.NewScope(settings.Hunt.Internal, direction)},
		Indicators: shortIndicators(settings.Hunt.Indicators), MinScore: settings.Hunt.MinScore,
		Manager: settings.Links.BaseURL, Version: version, Now: a.Now, Memory: pairs.Budget{Bytes: int64(settings.Hunt.Memory)},
		Selftest: settings.Hunt.Selftest, BySensor: settings.Hunt.BySensor,
	}
	byRITA := settings.Hunt.Profile == rita.Profile
	if o.Selftest && byRITA && f.wholeHunt.Changed("selftest") {
		return o, usage("--selftest measures our own score: leave --profile rita out")
	}
	// Without a home there is no state directory: then tiles go where temporary files go.
	if dir, err := settings.StateDir(a.Environ); err == nil {
		o.Memory.Folder = filepath.Join(dir, "tiles")
	}
	if o.Selftest && byRITA {
		a.say("dwell: note: the self-test measures dwell's own score: there is none by RITA's")
	}
	list, err := readSafelist(settings)
	if err != nil {
		return o, err
	}
	o.Safelist = list
	o.NoEvidence = !settings.Evidence.Enabled
	if o.Ranking, err = a.ranking(ctx, settings); err != nil {
		return o, err
	}
	if err := f.wholeDay(a.Now()); err != nil {
		return o, err
	}
	for _, b := range []struct {
		flag, text string
		at         *time.Time
	}{{"--from", f.from, &o.Request.From}, {"--to", f.to, &o.Request.To}} {
		if b.text == "" {
			continue
		}
		if *b.at, err = moment(b.text, a.Now()); err != nil {
			return o, usage("%s %v", b.flag, err)
		}
	}
	switch r := o.Request; {
	case !r.From.IsZero() && f.wholeHunt.Lookup("since") != nil && f.wholeHunt.Changed("since"):
		return o, usage("--from and --since both set the start of the window: leave one out")
	case !r.From.IsZero() && !r.To.IsZero() && !r.To.After(r.From):
		return o, usage("--to %s is not after --from %s", f.to, f.from)
	case !r.From.IsZero():
		o.Request.Since = 0
	}
	return o, nil
}

// printed returns the findings with the minimum score; hidden counts the safelisted ones that it leaves out.
func printed(findings []hunt.Finding, minScore float64, safelisted bool) (shown []hunt.Finding, hidden int) {
	for i := range findings {
		switch f := &findings[i]; {
		case f.Dwell.Score < minScore:
			return shown, hidden // they are in order
		case f.Dwell.Safelisted && !safelisted:
			hidden++
		default:
			shown = append(shown, *f)
		}
	}
	return shown, hidden
}

// summarize reports on stderr what was read, what is not shown and what went wrong.
func (a *app) summarize(r *pipeline.Result, settings *config.Loaded, shown, others int, more string, hidden int) {
	h := &r.Document.Dwell.Hunt
	a.notes(r.Reading.Notes)
	window := "no window, since nothing is in scope"
	if r.Reading.Window != (hunt.Window{}) {
		window = "in " + r.Reading.Window.String()
	}
	text := fmt.Sprintf("%s with score >= %.2f, of %s scored, %s and %s, %s",
		hunt.Many(shown, "finding"), settings.Hunt.MinScore, hunt.Many(h.Scored, "candidate"), hunt.Many(h.Pairs, "pair"), hunt.Many(h.Connections, "connection"), window)
	text += more
	if others > 0 {
		text += fmt.Sprintf("; %s (--source, --destination, --ioc)", hunt.Many(others, "other"))
	}
	if hidden > 0 {
		text += fmt.Sprintf("; %s safelisted (--show-safelisted)", hunt.Count(hidden))
	}
	if weaker := int(h.Findings) - shown - others - hidden; weaker > 0 {
		text += fmt.Sprintf("; %s below --min-score", hunt.Count(weaker))
	}
	a.say("dwell: %s", text)
	if h.Pairs == 0 && h.Scored == 0 && len(r.Reading.Notes)+len(r.Reading.Gaps) == 0 {
		a.say("dwell: hint: no connection was in scope: are the internal networks right (--internal), and the window (--from, --to, --since)?")
	}
	if h.Statement != nil && h.Pairs+h.Scored > 0 {
		for i, sentence := range strings.SplitAfter(h.Statement.Text, ". ") {
			a.say("dwell: %s%s", [2]string{"statement: ", "  "}[min(i, 1)], strings.TrimSpace(sentence))
		}
	}
	for _, g := range r.Reading.Gaps {
		a.warn("INCOMPLETE: %s", g)
	}
}

// sameNotes is the maximum number of printed notes of one kind.
const sameNotes = 3

// notes prints the source's notes, of one kind only the first few unless --verbose.
func (a *app) notes(notes []hunt.Note) {
	seen := map[string]int{}
	for _, n := range notes {
		seen[n.Hint]++
		if a.verbose || n.Hint == "" || seen[n.Hint] <= sameNotes {
			a.say("dwell: note: %s", n)
		}
	}
	for _, n := range notes {
		if more := seen[n.Hint] - sameNotes; n.Hint != "" && more > 0 && !a.verbose {
			a.say("dwell: note: %s more of that kind (%s): --verbose lists them", hunt.Count(more), n.Hint)
			delete(seen, n.Hint)
		}
	}
}

// verdict returns the exit code of the contract: 5 wins over 3.
func verdict(r *pipeline.Result, fail int) error {
	// A hunt of nothing is no all-clear. Traffic in the other direction alone is one: a link may carry nothing else.
	if h := &r.Document.Dwell.Hunt; h.Connections == 0 && h.Scored == 0 && len(r.Findings) == 0 && (r.Reading.OutOfScope.Reverse == 0 || r.Reading.OutOfScope.Total() > 0) {
		return codeError{exitIncomplete, "nothing was analyzed: no connection was in scope"}
	}
	if n := len(r.Reading.Gaps); n > 0 {
		return codeError{exitIncomplete, fmt.Sprintf("the hunt is incomplete (%s, above)", hunt.Many(n, "gap"))}
	}
	if fail == 0 {
		return nil
	}
	found := 0
	for i := range r.Findings {
		if r.Findings[i].Event.Severity >= fail {
			found++
		}
	}
	if found > 0 {
		return codeError{exitCondition, fmt.Sprintf("%s at or above the severity of --fail-on", hunt.Many(found, "finding"))}
	}
	return nil
}

// severityRank parses a severity: 1 low to 4 critical, 0 for none.
func severityRank(word string) (int, error) {
	for i, w := range []string{"", "low", "medium", "high", "critical"} {
		if w == word {
			return i, nil
		}
	}
	return 0, usage("severity %q is not one of low, medium, high, critical", word)
}

// shortIndicators converts indicators to the pipeline's short names.
func shortIndicators(list []string) []string {
	out := make([]string, 0, len(list))
	for _, i := range list {
		if short := strings.NewReplacer("long_connection", "long", "dns_tunnel", "dns").Replace(i); !slices.Contains(out, short) {
			out = append(out, short)
		}
	}
	return out
}
