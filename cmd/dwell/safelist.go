package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"dwell/internal/config"
	"dwell/internal/hunt"
	"dwell/internal/output"
	"dwell/internal/safelist"
)

// safelistPath is the file that holds the safelist, or empty.
func safelistPath(settings *config.Loaded) string {
	return beside(settings, settings.Hunt.Safelist, "safelist.yaml")
}

// readSafelist reads the safelist; an empty list where there is none.
func readSafelist(settings *config.Loaded) (*safelist.List, error) {
	path := safelistPath(settings)
	if path == "" {
		return &safelist.List{}, nil
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, usage("hunt.safelist: %v", err)
	}
	if err != nil {
		return nil, fmt.Errorf("read safelist: %w", err)
	}
	defer f.Close()
	l, err := safelist.Parse(f)
	if err != nil {
		return nil, usage("%s: %v", path, err)
	}
	return l, nil
}

// remarker returns a function that marks a stored finding by the current rules, so that edits by hand count at once. A
// mark by a rule that this host does not have stays: another host may have it.
func (a *app) remarker(settings *config.Loaded) (func(*hunt.Finding), error) {
	list, err := readSafelist(settings)
	if err != nil {
		return nil, err
	}
	today := a.Now().UTC().Format(time.DateOnly)
	return func(f *hunt.Finding) {
		by := list.Match(f, a.Now())
		had := f.Dwell.Safelist
		known := had != nil && slices.ContainsFunc(list.Rules, func(r safelist.Rule) bool { return r.Name == had.Name })
		if by == nil && had != nil && !known && (had.Expires == "" || today < had.Expires) {
			return
		}
		f.Dwell.Safelist, f.Dwell.Safelisted = by, by.Marks()
	}, nil
}

func newSafelist(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "safelist",
		Short: "Manage the safelist",
		Long: `A safelist rule marks findings that are no threat; it has a reason, an owner and an expiry.
It never hides a finding from the store and never changes a score. The file is hunt.safelist, or safelist.yaml in the
directory of the configuration file.`,
		Example: `  dwell safelist list
  dwell safelist add 3b2b0d6d1f0c47a7a5fd2d4a36d8a1c2 --reason "nightly backup" --expires 180d
  dwell safelist test          findings that each rule matches
  dwell safelist lint          exit code 3 when a rule has expired`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	format := "table"
	list := &cobra.Command{
		Use: "list", Short: "List the rules", Example: "  dwell safelist list\n  dwell safelist list -o json | jq -r '.[].name'", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.listSafelist(format) },
	}
	list.Flags().StringVarP(&format, "output", "o", format, "`format`: table or json")
	c.AddCommand(list, &cobra.Command{
		Use: "lint", Short: "Check the file: exit code 2 when it cannot be read, 3 when a rule has expired", Example: "  dwell safelist lint", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.lintSafelist() },
	}, newSafelistAdd(a), newSafelistRemove(a), newSafelistTest(a))
	return c
}

func (a *app) listSafelist(format string) error {
	if err := tableOrJSON(format); err != nil {
		return err
	}
	settings, err := a.load(nil)
	if err != nil {
		return err
	}
	l, err := readSafelist(settings)
	if err != nil {
		return err
	}
	if format == "json" {
		return a.rulesJSON(l)
	}
	path := safelistPath(settings)
	if path == "" {
		return a.noSafelist(settings)
	}
	rows, reasons := [][]string{{"RULE", "SOURCE", "DESTINATION", "UNTIL", "OWNER"}}, []string{""}
	for i := range l.Rules {
		r := &l.Rules[i]
		rows, reasons = append(rows, []string{r.Name, orAny(r.Source), ruleSide(r), r.Expires, r.Owner}), append(reasons, r.Reason)
	}
	if len(l.Rules) > 0 {
		if err := output.PrintTable(a.Out, rows, nil, reasons, a.Width); err != nil {
			return fmt.Errorf("print the rules: %w", err)
		}
	}
	a.say("dwell: %s in %s", hunt.Many(len(l.Rules), "rule"), path)
	return nil
}

// noSafelist reports that there is no safelist and how to get one.
func (a *app) noSafelist(settings *config.Loaded) error {
	if _, err := safelistFile(settings); err != nil {
		return err
	}
	a.say("dwell: there is no safelist yet: `dwell safelist add` creates it")
	return nil
}

// rulesJSON prints the rules with the names that their file has.
func (a *app) rulesJSON(l *safelist.List) error {
	rules := []map[string]any{}
	text, err := yaml.Marshal(l.Rules)
	if err == nil {
		err = yaml.Unmarshal(text, &rules)
	}
	if err == nil {
		err = output.Encoder(a.Out).Encode(rules)
	}
	if err != nil {
		return fmt.Errorf("print the rules: %w", err)
	}
	return nil
}

// ruleSide is the destination of a rule, for people.
func ruleSide(r *safelist.Rule) string {
	to := r.Destination + r.Domain
	if r.ASN != 0 {
		to = strings.TrimSpace(fmt.Sprintf("%s AS%d", to, r.ASN))
	}
	if to == "" && r.Fingerprint != "" {
		to = "*"
	}
	if r.Port != 0 {
		to = fmt.Sprintf("%s:%d", to, r.Port)
	}
	if r.Transport != "" {
		to += "/" + r.Transport
	}
	if r.DNS {
		to += "/dns"
	}
	if r.Fingerprint != "" {
		to += "#" + r.Fingerprint
	}
	if r.Finding != "" {
		to = strings.TrimSpace(to + " finding " + r.Finding)
	}
	return to
}

func (a *app) lintSafelist() error {
	settings, err := a.load(nil)
	if err != nil {
		return err
	}
	l, err := readSafelist(settings)
	if err != nil {
		return err
	}
	if safelistPath(settings) == "" {
		return a.noSafelist(settings)
	}
	expired := l.Expired(a.Now())
	for _, r := range expired {
		fmt.Fprintf(a.Out, "%s expired on %s: renew or remove it\n", output.Clean(r.Name), r.Expires)
	}
	for i := range l.Rules {
		if r := &l.Rules[i]; r.Forgeable() && r.Holds(a.Now()) {
			a.warn("rule %s matches a name or fingerprint alone, which a client can forge: add the destination's networks or AS under seen (docs/safelist.md)", output.Clean(r.Name))
		}
	}
	if len(expired) > 0 {
		return codeError{exitCondition, fmt.Sprintf("%s of %s expired", hunt.Count(len(expired)), hunt.Many(len(l.Rules), "rule"))}
	}
	a.say("dwell: %s, none expired", hunt.Many(len(l.Rules), "rule"))
	return nil
}
