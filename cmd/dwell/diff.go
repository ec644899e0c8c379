package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"dwell/internal/hunt"
	"dwell/internal/output"
	"dwell/internal/store"
)

// rise is the increase of a score that counts without a higher severity.
const rise = 0.1

func newDiff(a *app) *cobra.Command {
	f := &huntFlags{}
	c := &cobra.Command{
		Use:   "diff [BEFORE [AFTER]]",
		Short: "Compare two hunts or days: what is new, what has risen, what is gone",
		Long: `Compare the findings of two stored hunts or days: what is new, what has risen (in severity, or by 0.1 or more) and what is
gone. BEFORE and AFTER are ids of hunts, or days (2026-11-22, yesterday, today). Without AFTER it is today, or for a hunt the newest one;
without both, the day before the newest hunt's end is compared with the day that ends there.

With --zeek given twice, both sets of log files are hunted and compared, and nothing is stored. Findings below --min-score are
left out. Exit code 5 when one side has no hunt or an incomplete one: what is gone may then only be missing.`,
		Example: `  dwell diff                         what changed in the last 24 h that were hunted
  dwell diff 2026-11-21 2026-11-22   two days
  dwell diff 44b0f1e                 the newest hunt against this one
  dwell diff --zeek logs/2026-11-21 --zeek logs/2026-11-22
  dwell diff -o json | jq -r '.new[].dwell.pair'`,
		Args: cobra.MaximumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error { return a.diff(c.Context(), f, args) },
	}
	p := c.Flags()
	p.StringArrayVar(&f.zeek, "zeek", nil, "`path` of Zeek logs to hunt in; give it twice, the older ones first")
	p.StringSlice("internal", nil, "internal network (`CIDR`, repeatable); replaces the default RFC 1918, fc00::/7, 100.64.0.0/10")
	p.Float64("min-score", 0, "findings with this `score` or more on one of the sides (default 0.4)")
	p.BoolVar(&f.safelisted, "show-safelisted", false, "include safelisted findings")
	p.StringVarP(&f.format, "output", "o", "", "`format`: table (the default) or json")
	p.BoolVar(&f.expand, "expand", false, "in tables, one line per finding instead of one per campaign")
	p.BoolVar(&f.noPager, "no-pager", false, "do not page long output on a terminal (else $DWELL_PAGER, $PAGER or less)")
	f.wholeHunt = p
	return c
}

// half is one side of a comparison.
type half struct {
	// Name is what was asked for, a hunt or a day; Window what its hunts cover.
	Name     string        `json:"name"`
	Window   hunt.TimeSpan `json:"window"`
	Complete bool          `json:"complete"`
	Hunts    int           `json:"hunts"`
	findings []hunt.Finding
}

// change is what -o json prints.
type change struct {
	Before half           `json:"before"`
	After  half           `json:"after"`
	New    []hunt.Finding `json:"new"`
	Risen  []risen        `json:"risen"`
	Gone   []hunt.Finding `json:"gone"`
}

// risen is a finding that was weaker before.
type risen struct {
	hunt.Finding
	WasScore    float64 `json:"was_score"`
	WasSeverity string  `json:"was_severity"`
}

func (a *app) diff(ctx context.Context, f *huntFlags, args []string) error {
	if err := tableOrJSON(cmp.Or(f.format, "table")); err != nil {
		return err
	}
	settings, err := f.load(a)
	if err != nil {
		return err
	}
	remark, err := a.remarker(settings)
	if err != nil {
		return err
	}
	for _, text := range args {
		if _, err := a.dayOrHunt(text); err != nil {
			return err
		}
	}
	var c change
	if len(f.zeek) > 0 {
		if len(f.zeek) != 2 || len(args) > 0 {
			return usage("--zeek is given twice, the older logs first, and without BEFORE and AFTER")
		}
		for i, h := range []*half{&c.Before, &c.After} {
			one := *f
			one.zeek = f.zeek[i : i+1]
			options, err := one.options(ctx, a, settings)
			if err != nil {
				return err
			}
			source, err := a.source(ctx, one.zeek, settings)
			if err != nil {
				return err
			}
			bar := newProgress(a)
			options.Request.Progress = bar.update
			result, err := runHunt(ctx, source, options)
			bar.done()
			if err != nil {
				return err
			}
			s := &result.Document.Dwell.Hunt
			*h = half{Name: f.zeek[i], Window: result.Document.Dwell.Window, Complete: s.Complete && s.Connections > 0, Hunts: 1, findings: result.Findings}
			for _, g := range result.Reading.Gaps {
				a.warn("INCOMPLETE: %s: %s", f.zeek[i], g)
			}
		}
	} else {
		st, err := a.openStore(settings)
		if err != nil {
			return err
		}
		if c.Before, c.After, err = a.halves(ctx, st, args); err != nil {
			return err
		}
	}
	c.compare(settings.Hunt.MinScore, func(x *hunt.Finding) bool {
		remark(x)
		return f.safelisted || !x.Dwell.Safelisted
	})
	if err := a.drawDiff(f, &c); err != nil {
		return err
	}
	for _, h := range []*half{&c.Before, &c.After} {
		if h.Hunts == 0 || !h.Complete {
			return codeError{exitIncomplete, fmt.Sprintf("%s has no complete hunt with connections: what is new or gone may only be missing in it", h.Name)}
		}
	}
	return nil
}

// compare fills in what changed between the sides.
func (c *change) compare(least float64, shown func(*hunt.Finding) bool) {
	was := map[string]*hunt.Finding{}
	for i := range c.Before.findings {
		was[c.Before.findings[i].Dwell.FindingID] = &c.Before.findings[i]
	}
	still := map[string]bool{}
	c.New, c.Risen, c.Gone = []hunt.Finding{}, []risen{}, []hunt.Finding{}
	for i := range c.After.findings {
		f := &c.After.findings[i]
		old := was[f.Dwell.FindingID]
		still[f.Dwell.FindingID] = true
		if f.Dwell.Severity == "" || f.Dwell.Score < least || !shown(f) {
			continue
		}
		switch {
		case old == nil || old.Dwell.Severity == "":
			c.New = append(c.New, *f)
		case f.Event.Severity > old.Event.Severity || f.Dwell.Score >= old.Dwell.Score+rise:
			c.Risen = append(c.Risen, risen{*f, old.Dwell.Score, old.Dwell.Severity})
		}
	}
	for i := range c.Before.findings {
		if f := &c.Before.findings[i]; !still[f.Dwell.FindingID] && f.Dwell.Severity != "" && f.Dwell.Score >= least && shown(f) {
			c.Gone = append(c.Gone, *f)
		}
	}
	strongest := func(a, b hunt.Finding) int {
		return cmp.Or(cmp.Compare(b.Dwell.Score, a.Dwell.Score), cmp.Compare(a.Dwell.Pair, b.Dwell.Pair))
	}
	slices.SortFunc(c.New, strongest)
	slices.SortFunc(c.Gone, strongest)
	slices.SortFunc(c.Risen, func(a, b risen) int { return strongest(a.Finding, b.Finding) })
}

// halves are the two sides that the arguments name.
func (a *app) halves(ctx context.Context, st *store.Store, args []string) (before, after half, err error) {
	hunts, err := st.Hunts(ctx, 0)
	if err != nil {
		return before, after, missingTemplates(err)
	}
	if len(hunts) == 0 {
		return before, after, codeError{exitIncomplete, "no hunt is stored yet, so there is nothing to compare: `dwell hunt --write` stores one"}
	}
	// The newest revision of each hunt; of several hunts the one whose window ends last comes first.
	slices.SortStableFunc(hunts, func(x, y hunt.Document) int {
		return cmp.Or(y.Dwell.Window.End.Compare(x.Dwell.Window.End.Time), y.Event.Ingested.Compare(x.Event.Ingested.Time))
	})
	if len(args) == 0 {
		end := hunts[0].Dwell.Window.End.Time
		day := 24 * time.Hour
		before, err = sideOfSpan(ctx, st, hunts, "the day before", end.Add(-2*day), end.Add(-day))
		if err == nil {
			after, err = sideOfSpan(ctx, st, hunts, "the last day", end.Add(-day), end)
		}
		return before, after, err
	}
	if before, err = a.side(ctx, st, hunts, args[0]); err != nil {
		return before, after, err
	}
	other := "today"
	if isIDPrefix(args[0]) {
		other = hunts[0].Dwell.HuntID
	}
	if len(args) == 2 {
		other = args[1]
	}
	after, err = a.side(ctx, st, hunts, other)
	return before, after, err
}

// dayOrHunt reads what names a side: a day, or (the zero time) the id of a hunt or its beginning.
func (a *app) dayOrHunt(text string) (time.Time, error) {
	if isIDPrefix(text) {
		return time.Time{}, nil
	}
	day, err := moment(text, a.Now())
	if err == nil && day.After(a.Now()) {
		return time.Time{}, usage("%s has not begun yet (UTC)", text)
	}
	if err != nil || !day.Equal(day.Truncate(24*time.Hour)) {
		return time.Time{}, usage("%q is neither the id of a hunt, as `dwell status` prints it, nor a day (2026-11-22, yesterday, today)", text)
	}
	return day, nil
}

// side is that of a hunt's id, or the beginning of one, or of a day.
func (a *app) side(ctx context.Context, st *store.Store, hunts []hunt.Document, text string) (half, error) {
	switch day, err := a.dayOrHunt(text); {
	case err != nil:
		return half{}, err
	case !day.IsZero():
		return sideOfSpan(ctx, st, hunts, text, day, day.AddDate(0, 0, 1))
	}
	of, err := beginning(hunts, text)
	switch {
	case err != nil:
		return half{}, err
	case of == nil:
		return half{}, hint(fmt.Errorf("there is no hunt %s", text), "`dwell status` lists the hunts with their ids")
	}
	list, err := st.Findings(ctx, store.Filter{HuntID: of.Dwell.HuntID})
	s := &of.Dwell.Hunt
	return half{Name: "hunt " + of.Dwell.HuntID[:7], Window: of.Dwell.Window, Complete: s.Complete && s.Connections > 0, Hunts: 1, findings: list.Findings}, err
}

// sideOfSpan is what hunts found whose last connection lies in a span. It is complete where hunts cover the span's end
// and none of those in it is incomplete.
func sideOfSpan(ctx context.Context, st *store.Store, hunts []hunt.Document, name string, from, to time.Time) (half, error) {
	h := half{Name: name, Window: hunt.TimeSpan{Start: hunt.Time{Time: from}, End: hunt.Time{Time: to}}}
	seen := map[string]bool{}
	for i := range hunts {
		d := &hunts[i].Dwell
		if !d.Window.Start.Before(to) || !d.Window.End.After(from) || seen[d.HuntID] {
			continue
		}
		seen[d.HuntID] = true
		h.Hunts++
		h.Complete = h.Complete || d.Hunt.Complete && d.Hunt.Connections > 0
	}
	list, err := st.Findings(ctx, store.Filter{Since: from, Until: to})
	h.findings = list.Findings
	return h, err
}

// drawDiff prints what changed.
func (a *app) drawDiff(f *huntFlags, c *change) error {
	if f.format == "json" {
		if err := output.Encoder(a.Out).Encode(c); err != nil {
			return fmt.Errorf("print the changes: %w", err)
		}
		return nil
	}
	w, done := a.paged(f.noPager)
	list := make([]hunt.Finding, len(c.Risen))
	for i := range c.Risen {
		list[i] = c.Risen[i].Finding
	}
	for _, part := range []struct {
		title    string
		findings []hunt.Finding
	}{{"NEW", c.New}, {"RISEN", list}, {"GONE", c.Gone}} {
		show := output.Options{Format: output.Table, Width: a.Width, Color: a.color(a.colorWhen)}
		entries := f.grouped(part.findings, &show)
		if c.After.Hunts == 0 && part.title == "GONE" {
			fmt.Fprintf(w, "GONE: unknown, since no hunt of %s is stored\n", c.After.Name)
			continue
		}
		fmt.Fprintf(w, "%s: %s\n", part.title, hunt.Many(len(part.findings), "finding"))
		if part.title == "RISEN" {
			for i := range entries {
				r := &c.Risen[slices.IndexFunc(c.Risen, func(r risen) bool { return r.Dwell.FindingID == entries[i].Dwell.FindingID })]
				fmt.Fprintln(w, output.Wrap(fmt.Sprintf("  %s  %s %.3f (was %s %.3f)  %s", r.Dwell.FindingID[:min(7, len(r.Dwell.FindingID))], r.Dwell.Severity, r.Dwell.Score,
					r.WasSeverity, r.WasScore, output.Clean(r.Dwell.Pair)), a.Width, "           "))
			}
			continue
		}
		if err := output.Findings(w, entries, show); err != nil {
			return fmt.Errorf("print the changes: %w", err)
		}
	}
	a.say("dwell: %s (%s) against %s (%s)", c.After.Name, span(&c.After.Window), c.Before.Name, span(&c.Before.Window))
	return done()
}
