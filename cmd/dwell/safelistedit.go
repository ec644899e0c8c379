package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/user"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"dwell/internal/config"
	"dwell/internal/hunt"
	"dwell/internal/output"
	"dwell/internal/safelist"
	"dwell/internal/store"
)

// ruleFlags are the properties of a new rule.
type ruleFlags struct {
	name, reason, owner, expires string
	destination, asn             string
	byID, dryRun                 bool
}

func newSafelistAdd(a *app) *cobra.Command {
	var f ruleFlags
	c := &cobra.Command{
		Use:   "add FINDING-ID | PAIR | SOURCE DESTINATION",
		Short: "Add a rule, no wider than needed",
		Long: `Add a rule to the safelist's file, at its end; everything else in the file stays as it is. The rule has the finding's source and
destination, with port and transport where the finding has them. A pair reads as dwell.pair does: the destination is an
address, a network, a name, a TLS fingerprint or the domain of a DNS tunnel. With --destination, --asn or the id of a campaign the rule is for any source.

Where Elasticsearch is configured, stored findings that match are re-marked.`,
		Example: `  dwell safelist add 3b2b0d6d1f0c47a7a5fd2d4a36d8a1c2 --reason "nightly backup, asked ops" --expires 180d
  dwell safelist add --destination updates.vendor.example --reason "whole fleet" --expires 180d
  dwell safelist add --asn AS64500 --reason "our own cloud" --expires 90d
  dwell safelist add 10.1.4.22 203.0.113.7:443 --reason "own server" --expires 2027-06-30 --owner ops
  dwell safelist add '10.1.4.22>*:443/tcp#ja4=t13d190900_9dc949149365_97f8aa674fd9' --reason "backup agent" --expires 90d --dry-run`,
		Args: cobra.MaximumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error { return a.addRule(c.Context(), &f, args) },
	}
	p := c.Flags()
	p.StringVar(&f.reason, "reason", "", "`text`: why this is no threat (required)")
	p.StringVar(&f.owner, "owner", "", "`name` of who decides (default: the user's login name)")
	p.StringVar(&f.expires, "expires", "", "expires on this `day` (UTC), 2027-06-30, or after so many days, 180d")
	p.StringVar(&f.name, "name", "", "the rule's `name` (default: made of what it matches)")
	p.StringVar(&f.destination, "destination", "", "a rule for this destination from any source: an address, a network, a `name` (with its port) or a fingerprint")
	p.StringVar(&f.asn, "asn", "", "`number` of an autonomous system, as in AS64500: a rule for every destination in it, from any source")
	p.BoolVar(&f.byID, "by-id", false, "match this one finding by its id and nothing else")
	p.BoolVar(&f.dryRun, "dry-run", false, "print the rule and change nothing")
	return c
}

func newSafelistRemove(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "remove NAME",
		Short: "Remove a rule",
		Long: `Remove a rule by its name from the safelist's file, with the comment right above it. Where a cluster is configured, findings it
matched are no longer safelisted, or are by another rule that matches.`,
		Example: `  dwell safelist remove backup`,
		Args:    cobra.ExactArgs(1),
		RunE:    func(c *cobra.Command, args []string) error { return a.removeRule(c.Context(), args[0]) },
	}
}

func newSafelistTest(a *app) *cobra.Command {
	var f huntFlags
	var huntID string
	c := &cobra.Command{
		Use:   "test [NAME...]",
		Short: "Show what rules match: stored findings, one hunt, or log files",
		Long: `Show which findings each rule, or each named one, matches: among the latest document of each finding in the cluster, in one
stored hunt (--hunt), or in a hunt over log files (--zeek) or a window (--since, --from, --to), which is not stored. Test a
draft with --set hunt.safelist=FILE. Expired rules are tested too, and marked as expired.`,
		Example: `  dwell safelist test backup
  dwell safelist test --hunt 44b0f1e1f5f7f0e0a3a7d7c1a8b1c2d3
  dwell safelist test --zeek /nsm/zeek/logs/2026-11-22 --set hunt.safelist=draft.yaml`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error { return a.testRules(c.Context(), &f, huntID, args) },
	}
	f.window(c.Flags())
	c.Flags().StringVar(&huntID, "hunt", "", "`id` of a stored hunt: its findings")
	return c
}

// safelistFile is the file to change: the configured one, or safelist.yaml next to the configuration file.
func safelistFile(settings *config.Loaded) (string, error) {
	if path := safelistPath(settings); path != "" {
		return path, nil
	}
	if settings.File == "" {
		return "", usage("no safelist: set its file with --set hunt.safelist=FILE, or in the configuration file")
	}
	return filepath.Join(filepath.Dir(settings.File), "safelist.yaml"), nil
}

func (a *app) addRule(ctx context.Context, f *ruleFlags, args []string) error {
	settings, err := a.load(nil)
	if err != nil {
		return err
	}
	path, err := safelistFile(settings)
	if err != nil {
		return err
	}
	rule, err := a.ruleFor(ctx, settings, f, args)
	if err != nil {
		return err
	}
	if err := f.fill(a, &rule); err != nil {
		return err
	}
	var after *safelist.List
	err = safelist.Edit(path, func(text []byte) (changed []byte, err error) {
		list, err := safelist.Parse(bytes.NewReader(text))
		if err != nil {
			return nil, usage("%s: %v", path, err)
		}
		if rule.Name == "" {
			rule.Name = list.NameFor(&rule)
		}
		if changed, err = safelist.Add(text, rule); err != nil {
			return nil, usage("%s: %v", path, err)
		}
		if f.dryRun {
			return nil, errDryRun
		}
		after, err = safelist.Parse(bytes.NewReader(changed))
		return changed, err
	})
	if err != nil && !errors.Is(err, errDryRun) {
		return err
	}
	fmt.Fprintf(a.Out, "%s: %s > %s until %s\n", output.Clean(rule.Name), output.Clean(orAny(rule.Source)), output.Clean(ruleSide(&rule)), rule.Expires)
	if f.dryRun {
		a.say("dwell: nothing was written (--dry-run)")
		return nil
	}
	a.say("dwell: written to %s", path)
	a.remark(ctx, settings, rule.Source, func(f *hunt.Finding) (*hunt.SafelistRule, bool) {
		if f.Dwell.Safelisted {
			return nil, false // by an earlier rule
		}
		by := after.Match(f, a.Now())
		return by, by.Marks() && by.Name == rule.Name
	})
	return nil
}

// errDryRun ends an edit before anything is written.
var errDryRun = errors.New("dry run")

func orAny(source string) string {
	if source == "" {
		return "any"
	}
	return source
}

// ruleFor makes the rule that the arguments ask for.
func (a *app) ruleFor(ctx context.Context, settings *config.Loaded, f *ruleFlags, args []string) (safelist.Rule, error) {
	switch {
	case (len(args) == 0) == (f.destination == "" && f.asn == "") || f.destination != "" && f.asn != "":
		return safelist.Rule{}, usage("what the rule matches is required, one of: the id of a finding or campaign, a pair, --destination, --asn")
	case f.asn != "":
		n, err := asNumber("--asn", f.asn)
		return safelist.Rule{ASN: n}, err
	case f.destination != "":
		to, err := hunt.ParseSide(f.destination)
		if err != nil {
			return safelist.Rule{}, usage("--destination: %v", err)
		}
		return safelist.OfSide("", to), nil
	}
	if pair := strings.Join(args, ">"); strings.Contains(pair, ">") {
		if f.byID {
			return safelist.Rule{}, usage("--by-id goes with the id of a finding")
		}
		from, to, err := hunt.ParsePair(pair)
		if err != nil {
			return safelist.Rule{}, usageError{err}
		}
		rule := safelist.OfSide(from.String(), to)
		a.noteSeen(ctx, settings, &rule)
		return rule, nil
	}
	if err := named(args[0]); err != nil {
		return safelist.Rule{}, err
	}
	st, err := a.storeOf(settings, args[0])
	if err != nil {
		return safelist.Rule{}, err
	}
	found, err := a.identifyAll(ctx, st, args[0])
	if err != nil {
		return safelist.Rule{}, err
	}
	rule := safelist.For(&found[0])
	switch {
	case len(found) > 1:
		return ofCampaign(rule, found, f.byID)
	case f.byID:
		rule = safelist.Rule{Finding: found[0].Dwell.FindingID, Seen: rule.Seen}
	}
	return rule, nil
}

// ofCampaign widens the rule of a campaign's strongest finding to any source. It fails if a member does not match.
func ofCampaign(rule safelist.Rule, members []hunt.Finding, byID bool) (safelist.Rule, error) {
	name := members[0].Dwell.Campaign.Name
	if byID {
		return rule, usage("--by-id goes with the id of a finding, and campaign %s has %s", name, hunt.Many(len(members), "finding"))
	}
	rule.Source = ""
	for i := range members {
		if !rule.About(&members[i]) {
			return rule, hint(usage("the findings of campaign %s have different destinations: add a rule for each of them", name),
				"`dwell findings --campaign %s --expand` lists them; --destination and --asn are for any source", members[0].Dwell.Campaign.ID[:7])
		}
	}
	return rule, nil
}

// noteSeen adds to a rule for a pair what its latest stored finding shows, if there is one.
func (a *app) noteSeen(ctx context.Context, settings *config.Loaded, rule *safelist.Rule) {
	if len(settings.Elasticsearch.Addresses) > 0 {
		if st, err := a.openStore(settings); err == nil {
			source, _ := config.ParsePrefix(rule.Source)
			list, err := st.Findings(ctx, store.Filter{Source: source, Sort: store.ByTime})
			if err == nil {
				for i := range list.Findings {
					if rule.About(&list.Findings[i]) {
						rule.Note(&list.Findings[i])
						return
					}
				}
			}
		}
	}
	if rule.Forgeable() {
		a.warn("no stored finding shows the servers: the rule matches a name or fingerprint alone, which a client can forge; add it by a finding's id, or with a seen block (docs/safelist.md)")
	}
}

// fill sets name, reason, owner and expiry.
func (f *ruleFlags) fill(a *app, r *safelist.Rule) error {
	if strings.TrimSpace(f.reason) == "" {
		return usage("--reason is required: why this is no threat")
	}
	if f.expires == "" {
		return usage("--expires is required: a day (2027-06-30), or in how many days (180d)")
	}
	day, err := safelist.ParseExpiry(f.expires, a.Now())
	if err != nil {
		return usage("--expires: %v", err)
	}
	if f.owner == "" {
		u, err := user.Current()
		if err != nil {
			return usage("--owner is required")
		}
		f.owner = cmp.Or(a.env("SUDO_USER"), u.Username)
	}
	// In one line, as lists and findings show them.
	r.Name, r.Reason, r.Owner, r.Expires = oneLine(f.name), oneLine(f.reason), oneLine(f.owner), day
	return nil
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// remark marks what was stored before the list changed. A failure is a warning: later hunts use the list anyway.
func (a *app) remark(ctx context.Context, settings *config.Loaded, source string, decide func(*hunt.Finding) (*hunt.SafelistRule, bool)) {
	if len(settings.Elasticsearch.Addresses) == 0 {
		a.say("dwell: note: no Elasticsearch configured: stored findings are not re-marked")
		return
	}
	st, err := a.openStore(settings)
	n := 0
	if err == nil {
		var filter store.Filter
		if source != "" {
			filter.Source, err = config.ParsePrefix(source)
		}
		if err == nil {
			n, err = st.Safelist(ctx, filter, decide)
		}
	}
	if err != nil {
		a.warn("the safelist is changed, but not all stored findings are re-marked (%s are): %v", hunt.Count(n), err)
		return
	}
	a.say("dwell: re-marked %s stored findings and alerts", hunt.Count(n))
}

func (a *app) removeRule(ctx context.Context, name string) error {
	settings, err := a.load(nil)
	if err != nil {
		return err
	}
	path, err := safelistFile(settings)
	if err != nil {
		return err
	}
	var after *safelist.List
	source := ""
	err = safelist.Edit(path, func(text []byte) (changed []byte, err error) {
		list, err := safelist.Parse(bytes.NewReader(text))
		if err != nil {
			return nil, usage("%s: %v", path, err)
		}
		for _, r := range list.Rules {
			if r.Name == name {
				source = r.Source
			}
		}
		changed, err = safelist.Remove(text, name)
		if errors.Is(err, safelist.ErrNoRule) {
			return nil, hint(usage("%s: %v", path, err), "`dwell safelist list` names them")
		}
		if err != nil {
			return nil, usage("%s: %v", path, err)
		}
		after, err = safelist.Parse(bytes.NewReader(changed))
		return changed, err
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(a.Out, "%s removed from %s\n", output.Clean(name), output.Clean(path))
	a.remark(ctx, settings, source, func(f *hunt.Finding) (*hunt.SafelistRule, bool) {
		return after.Match(f, a.Now()), safelist.Marked(f, name)
	})
	return nil
}

// fewMatches limits the findings listed per rule.
const fewMatches = 5

func (a *app) testRules(ctx context.Context, f *huntFlags, huntID string, names []string) error {
	settings, err := f.load(a)
	if err != nil {
		return err
	}
	list, err := readSafelist(settings)
	if err != nil {
		return err
	}
	for _, name := range names {
		if !slices.ContainsFunc(list.Rules, func(r safelist.Rule) bool { return r.Name == name }) {
			return hint(usage("there is no rule %q", name), "`dwell safelist list` names them")
		}
	}
	findings, err := a.tested(ctx, f, settings, huntID)
	if err != nil {
		return err
	}
	for i := range list.Rules {
		r := &list.Rules[i]
		if len(names) > 0 && !slices.Contains(names, r.Name) {
			continue
		}
		var matched []*hunt.Finding
		severe := 0
		for i := range findings {
			if f := &findings[i]; r.Matches(f) {
				matched = append(matched, f)
				if f.Event.Severity >= 3 {
					severe++
				}
			}
		}
		text := fmt.Sprintf("%s: matches %s, %s of them high or critical", r.Name, hunt.Many(len(matched), "finding"), hunt.Count(severe))
		if len(matched) == 1 {
			text = fmt.Sprintf("%s: matches one finding, %s", r.Name, cmp.Or(matched[0].Dwell.Severity, "without a severity"))
		}
		if !r.Holds(a.Now()) {
			text += "; expired on " + r.Expires + ", so it marks none"
		}
		fmt.Fprintln(a.Out, output.Clean(text))
		for _, f := range matched[:min(len(matched), fewMatches)] {
			fmt.Fprintln(a.Out, output.Clean(fmt.Sprintf("  %s  %.3f %s", f.Dwell.Pair, f.Dwell.Score, f.Dwell.Severity)))
		}
		if more := len(matched) - fewMatches; more > 0 {
			fmt.Fprintf(a.Out, "  and %s more\n", hunt.Count(more))
		}
	}
	a.say("dwell: %s, %s", hunt.Many(len(list.Rules), "rule"), hunt.Many(len(findings), "finding"))
	return nil
}

// tested returns the findings to test rules on: of a hunt now, of a stored hunt, or the latest of each finding.
func (a *app) tested(ctx context.Context, f *huntFlags, settings *config.Loaded, huntID string) ([]hunt.Finding, error) {
	if len(f.zeek) > 0 || f.from != "" || f.to != "" || f.wholeHunt.Changed("since") {
		if huntID != "" {
			return nil, usage("--hunt is a stored hunt: leave --zeek and the window out")
		}
		options, err := f.options(ctx, a, settings)
		if err != nil {
			return nil, err
		}
		source, err := a.source(ctx, f.zeek, settings)
		if err != nil {
			return nil, err
		}
		options.MinScore = 1 // what has a severity is found all the same
		result, err := runHunt(ctx, source, options)
		if err != nil {
			return nil, err
		}
		a.notes(result.Reading.Notes)
		return result.Findings, nil
	}
	if huntID != "" && !isIDPrefix(huntID) {
		return nil, notHunt(huntID)
	}
	st, err := a.openStore(settings)
	if err != nil {
		return nil, err
	}
	filter := store.Filter{Every: huntID != ""}
	if filter.HuntID, err = huntOf(ctx, st, huntID); err != nil {
		return nil, err
	}
	stored, err := st.Findings(ctx, filter)
	return stored.Findings, missingTemplates(err)
}
