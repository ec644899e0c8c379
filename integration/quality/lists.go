package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"dwell/internal/evidence/judges"
	"dwell/internal/hunt"
	"dwell/internal/output"
	"dwell/internal/pipeline"
	"dwell/internal/pipeline/rank"
	"dwell/internal/simulate"
	"dwell/query/zeek"
)

// day is a simulated day with this many workstations, and its maximum numbers of lines and alerts; 0 is no limit.
type day struct {
	workstations  int
	lines, alerts int
}

// days are those of the contract: a hundred hosts, the built-in scenario, and fifteen hundred hosts.
var days = []day{{92, 30, 24}, {60, 30, 24}, {1492, 60, 0}}

// list is an analyst's view of a day: a line per campaign or single finding, and an alert for each that is high or
// critical.
type list struct {
	hosts, lines, alerts int
	// implants is how many of the day's have a line. wrong are lines of benign services above an implant with at least
	// their evidence, and fleets above any implant that was answered.
	implants int
	wrong    []string
}

// listed simulates a day, hunts in it and groups the findings like every list.
func listed(ctx context.Context, d day) (l list, err error) {
	dir, err := os.MkdirTemp("", "quality.")
	if err != nil {
		return l, fmt.Errorf("list of a day: %w", err)
	}
	defer os.RemoveAll(dir)
	sc := simulate.Default()
	sc.Hosts = d.workstations
	made, err := simulate.Run(ctx, sc, dir, simulate.Format{})
	if err != nil {
		return l, err
	}
	set, err := judges.Open(ctx, judges.Settings{})
	if err != nil {
		return l, err
	}
	res, err := pipeline.Run(ctx, zeek.New(zeek.Options{Paths: []string{dir}}), pipeline.Options{Ranking: rank.Ranking{Judges: set.List()}, MinScore: 0.4, Now: time.Now,
		Request: hunt.Request{Scope: hunt.NewScope(nil, hunt.Outbound)}})
	if err != nil {
		return l, err
	}
	shown := slices.DeleteFunc(res.Findings, func(f hunt.Finding) bool { return f.Dwell.Score < 0.4 })
	leads, groups := output.Leads(shown)
	l.hosts, l.lines = len(made.Labels.Hosts), len(leads)
	found := map[string]bool{}
	var above []*hunt.Finding // benign lines so far
	for i := range leads {
		f := &leads[i]
		if f.Event.Severity >= 3 {
			l.alerts++
		}
		label := labelOf(f, made.Labels.Implants)
		if label == nil {
			above = append(above, f)
			continue
		}
		found[label.Name] = true
		for _, b := range above {
			fleet := groups[b.Dwell.FindingID].Members >= 3
			if fleet && f.Server.Bytes > 0 || !fleet && has(f, b) {
				l.wrong = append(l.wrong, fmt.Sprintf("%s (%s) is below %s", label.Name, f.Dwell.Pair, b.Dwell.Pair))
			}
		}
	}
	l.implants = len(found)
	return l, nil
}

// labelOf is the talker that a finding is about, or nil.
func labelOf(f *hunt.Finding, labels []*simulate.Label) *simulate.Label {
	name := strings.TrimPrefix(f.Destination.Domain, "*.")
	for _, l := range labels {
		from := slices.Contains(l.Sources, f.Dwell.InternalIP) || f.Dwell.InternalIP == l.Proxy && l.Proxy != (netip.Addr{})
		if from && (name != "" && hunt.Within(l.Domain, name) || slices.Contains(l.Destinations, f.Destination.IP)) {
			return l
		}
	}
	return nil
}

// evidence is the indicators and what raised the score.
func evidence(f *hunt.Finding) []string {
	out := slices.Clone(f.Dwell.Indicators)
	for _, m := range f.Dwell.Modifiers {
		if m.Value > 0 {
			out = append(out, m.Name)
		}
	}
	return out
}

// strongest is the value of the strongest indicator, to two decimals.
func strongest(f *hunt.Finding) float64 {
	p := &f.Dwell.Parts
	return math.Round(100*max(p.Beacon, p.LongConnection, p.Strobe, p.DNSTunnel, p.Presence, p.Listed)) / 100
}

// has reports whether a finding has all evidence of another, an indicator at least as strong, an answer if the other
// has one, and no better explanation.
func has(f, other *hunt.Finding) bool {
	explained := []string{"", "none", "weak", "strong"}
	mine := evidence(f)
	return strongest(f) >= strongest(other) && (f.Server.Bytes > 0 || other.Server.Bytes == 0) && slices.Index(explained, f.Dwell.Explained) <= slices.Index(explained, other.Dwell.Explained) &&
		!slices.ContainsFunc(evidence(other), func(e string) bool { return !slices.Contains(mine, e) })
}

// verdict is what a list misses, empty for nothing.
func (l *list) verdict(d day) string {
	switch {
	case l.lines > d.lines, d.alerts > 0 && l.alerts > d.alerts, len(l.wrong) > 0, l.implants < 12:
		return "  MISSED " + strings.Join(l.wrong, "; ")
	}
	return ""
}

// printLists prints a row per day and returns how many miss the target.
func printLists(ctx context.Context, w io.Writer) (missed int, err error) {
	fmt.Fprintln(w, "-- lists: lines of a simulated day; target: no implant below a benign line with no more evidence, or below a fleet")
	for _, d := range days {
		l, err := listed(ctx, d)
		if err != nil {
			return missed, err
		}
		v := l.verdict(d)
		if v != "" {
			missed++
		}
		fmt.Fprintf(w, "lists, %d hosts: %d lines (at most %d), %d alerts, %d implants%s\n", l.hosts, l.lines, d.lines, l.alerts, l.implants, v)
	}
	return missed, nil
}
