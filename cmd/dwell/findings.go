package main

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"dwell/internal/config"
	"dwell/internal/hunt"
	"dwell/internal/output"
	"dwell/internal/store"
)

// findingsFlags are the filters of the list.
type findingsFlags struct {
	severity, source, destination, age string
	huntID, findingID, sort, status    string
	campaign                           string
	indicators                         []string
	format                             string
	minScore                           float64
	listFlags
	every, safelisted bool
}

func newFindings(a *app) *cobra.Command {
	var f findingsFlags
	c := &cobra.Command{
		Use:   "findings",
		Short: "List what hunts have stored, filtered and sorted",
		Long: `List what hunts have stored. A finding is the same pair in hunt after hunt: its latest document is listed, of each hunt's
newest revision.`,
		Example: `  dwell findings                                        every finding, strongest first
  dwell findings --severity high --age 7d               high and critical whose last connection is at most a week old
  dwell findings --source 10.1.4.0/24 --sort time       what a subnet did, newest first
  dwell findings --destination evil.example -o ndjson   by name or address`,
		RunE: func(c *cobra.Command, _ []string) error { return a.findings(c.Context(), &f) },
	}
	p := c.Flags()
	p.StringVar(&f.severity, "severity", "", "this `severity` or more: low, medium, high, critical")
	p.Float64Var(&f.minScore, "min-score", 0, "this score or more, 0 to 1")
	p.StringVar(&f.source, "source", "", "source `address` or network")
	p.StringVar(&f.destination, "destination", "", "destination address, network or `name`; a name finds what is below it too")
	p.StringVar(&f.age, "age", "", "last connection within this time, as in 24h or 7d (`duration`)")
	p.StringSliceVar(&f.indicators, "indicator", nil, "with one of these: beacon, long_connection (long), strobe, dns_tunnel (dns)")
	p.StringVar(&f.campaign, "campaign", "", "findings of this campaign (`id`, or its beginning)")
	p.StringVar(&f.status, "status", "", "with this disposition: open, benign or escalated")
	p.StringVar(&f.huntID, "hunt", "", "findings of this hunt (`id`)")
	p.StringVar(&f.findingID, "id", "", "this finding only (`id`, or its beginning)")
	p.BoolVar(&f.every, "every", false, "the documents of every hunt, not only the latest of each finding")
	p.BoolVar(&f.safelisted, "show-safelisted", false, "include safelisted findings")
	p.StringVar(&f.sort, "sort", "score", "score, time, source, destination, connections or bytes")
	f.listed(p)
	p.StringVarP(&f.format, "output", "o", "", output.FormatHelp(false))
	return c
}

func (a *app) findings(ctx context.Context, f *findingsFlags) error {
	show, err := a.printing(f.format, false)
	if err != nil {
		return err
	}
	filter, err := f.filter(a)
	if err != nil {
		return err
	}
	st, err := a.loadStore()
	if err != nil {
		return err
	}
	list, err := st.Findings(ctx, filter)
	if err != nil {
		return missingTemplates(err)
	}
	entries := f.grouped(list.Findings, &show)
	n := f.first(len(entries), show.Format == output.Table, a.OutTTY)
	if err := a.print(entries[:n], show, "", f.noPager); err != nil {
		return err
	}
	text := fmt.Sprintf("%s, out of %s", hunt.Many(list.Total, "finding"), hunt.Many(list.Hunts, "hunt"))
	text += f.more(list.Total - len(list.Findings) + len(entries) - n)
	a.say("dwell: %s", text)
	if list.Hunts == 0 {
		a.say("dwell: hint: nothing was stored yet: `dwell hunt --write` does, after `dwell install`")
	}
	if list.Unfinished > 0 {
		a.warn("%s findings belong to hunts that did not finish writing: hunt that window again to complete it", hunt.Count(list.Unfinished))
	}
	return nil
}

// filter turns the flags into what the store takes.
func (f *findingsFlags) filter(a *app) (store.Filter, error) {
	severity, err := severityRank(f.severity)
	if err != nil {
		return store.Filter{}, err
	}
	filter := store.Filter{MinSeverity: severity, MinScore: f.minScore, Disposition: f.status, Campaign: f.campaign, HuntID: f.huntID, FindingID: f.findingID,
		Every: f.every, HideSafelisted: !f.safelisted, Sort: store.Order(f.sort), Limit: f.limit}
	for _, i := range f.indicators {
		name, err := hunt.ParseIndicator(i)
		if err != nil {
			return filter, usage("--indicator: %v", err)
		}
		filter.Indicators = append(filter.Indicators, name)
	}
	if f.huntID != "" && !isDigest(f.huntID) {
		return filter, usage("--hunt %q is not the id of a hunt: 32 hexadecimal digits, as `dwell status` prints it", f.huntID)
	}
	if f.campaign != "" && !isIDPrefix(f.campaign) {
		return filter, usage("--campaign %q is not the id of a campaign, or its first %d hexadecimal digits or more", f.campaign, leastID)
	}
	if f.findingID != "" && !isIDPrefix(f.findingID) {
		return filter, usage("--id %q is not the id of a finding, or its first %d hexadecimal digits or more", f.findingID, leastID)
	}
	if f.source != "" {
		if filter.Source, err = config.ParsePrefix(f.source); err != nil {
			return filter, usage("--source: %v", err)
		}
	}
	if f.destination != "" {
		if filter.Destination, err = config.ParsePrefix(f.destination); err != nil {
			filter.Destination, filter.Domain = netip.Prefix{}, strings.TrimPrefix(strings.ToLower(f.destination), "*.")
			if !isName(filter.Domain) {
				return filter, usage("--destination %q is not an address, a network or a name", f.destination)
			}
		}
	}
	if f.age != "" {
		age, err := config.ParseDuration(f.age)
		if err != nil {
			return filter, usage("--age: %v", err)
		}
		filter.Since = a.Now().Add(-age)
	}
	if err := filter.Validate(); err != nil {
		return filter, usageError{err}
	}
	return filter, nil
}
