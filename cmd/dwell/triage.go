package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"dwell/internal/hunt"
	"dwell/internal/output"
	"dwell/internal/store"
)

// triageFlags are the flags of triage.
type triageFlags struct {
	status, note, who, assignee string
	destination                 string
}

func newTriage(a *app) *cobra.Command {
	var f triageFlags
	c := &cobra.Command{
		Use:   "triage FINDING-ID | PAIR...",
		Short: "Record a disposition of findings: benign, escalated or open",
		Long: `Record the disposition of findings: what, by whom, when and why. Their stored documents show it, and later hunts carry it.
A finding is named by its id, the beginning of it, or its pair, and a campaign's id names all of its findings; "-" reads ids from stdin, one per line. A benign finding
deserves a safelist rule with an expiry; an escalated one a case.`,
		Example: `  dwell triage 9286cae --status benign --note "nightly backup, confirmed with ops"
  dwell triage '10.1.4.22>203.0.113.7' --status escalated --assignee ben --note "case 17"
  dwell triage --destination cdn.evil.example --status escalated --note "case 17"      every finding with that destination
  dwell triage list                                                                    current dispositions`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error { return a.triage(c.Context(), &f, args) },
	}
	p := c.Flags()
	p.StringVar(&f.status, "status", "", "`disposition`: benign, escalated or open (required)")
	p.StringVar(&f.note, "note", "", "`text`: why (required)")
	p.StringVar(&f.who, "who", "", "`name` of who records it (default: the user's login name)")
	p.StringVar(&f.assignee, "assignee", "", "`name` of who takes care of it")
	p.StringVar(&f.destination, "destination", "", "every finding with this destination: an address, a network or a `name`")
	var limit int
	format := "table"
	list := &cobra.Command{
		Use: "list", Short: "List current dispositions, newest first", Example: "  dwell triage list --status escalated\n  dwell triage list -o json | jq -r '.[].dwell.pair'", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.listDispositions(c.Context(), f.status, format, limit)
		},
	}
	list.Flags().IntVar(&limit, "limit", 0, "maximum `number` of dispositions (0: all)")
	list.Flags().StringVarP(&format, "output", "o", format, "`format`: table or json")
	list.Flags().StringVar(&f.status, "status", "", "with this `disposition` only: benign, escalated or open")
	c.AddCommand(list)
	return c
}

func (a *app) triage(ctx context.Context, f *triageFlags, args []string) error {
	switch {
	case len(args) == 0 && f.destination == "":
		return usage("a finding is required: its id or pair, or --destination")
	case f.status == "":
		return usage("--status is required: benign, escalated or open")
	case !slices.Contains([]string{hunt.Benign, hunt.Escalated, hunt.Open}, f.status):
		return usage("--status %q is not one of benign, escalated, open", f.status)
	case strings.TrimSpace(f.note) == "":
		return usage("--note is required: the next analyst needs the reason")
	}
	if f.who == "" {
		u, err := user.Current()
		if err != nil {
			return usage("--who is required")
		}
		f.who = cmp.Or(a.env("SUDO_USER"), u.Username)
	}
	args, err := a.fromStdin(args)
	if err != nil {
		return err
	}
	for _, arg := range args {
		if err := named(arg); err != nil {
			return err
		}
	}
	st, err := a.loadStore()
	if err != nil {
		return err
	}
	var findings []hunt.Finding
	for _, arg := range args {
		found, err := a.identifyAll(ctx, st, arg)
		if err != nil {
			return err
		}
		findings = append(findings, found...)
	}
	if f.destination != "" {
		more, err := a.withDestination(ctx, st, f.destination)
		if err != nil {
			return err
		}
		findings = append(findings, more...)
	}
	short := output.Short(findings)
	for i := range findings {
		d := store.Decision{FindingID: findings[i].Dwell.FindingID, Disposition: f.status, Who: f.who, Note: oneLine(f.note), Assignee: oneLine(f.assignee), At: a.Now()}
		changed, err := st.Decide(ctx, d)
		if errors.Is(err, store.ErrNoFinding) {
			return hint(err, "`dwell findings` lists the ids")
		}
		if err != nil {
			return missingTemplates(err)
		}
		line := fmt.Sprintf("%s: finding %s, %s, by %s; updated %s", d.Disposition, short[i], output.Clean(findings[i].Dwell.Pair), output.Clean(d.Who), hunt.Many(changed, "document"))
		fmt.Fprintln(a.Out, output.Wrap(line, a.Width, "  "))
	}
	return nil
}

// fromStdin replaces "-" by the lines of stdin.
func (a *app) fromStdin(args []string) ([]string, error) {
	at := slices.Index(args, "-")
	if at < 0 {
		return args, nil
	}
	var lines []string
	for s := bufio.NewScanner(a.In); s.Scan(); {
		if id, _, _ := strings.Cut(strings.TrimSpace(s.Text()), " "); id != "" {
			lines = append(lines, id)
		}
	}
	if len(lines) == 0 {
		return nil, usage("- reads ids from stdin, one per line: there is none")
	}
	return slices.Replace(args, at, at+1, lines...), nil
}

// withDestination are the stored findings with a destination: an address, a network or a name.
func (a *app) withDestination(ctx context.Context, st *store.Store, destination string) ([]hunt.Finding, error) {
	filter, err := (&findingsFlags{destination: destination, safelisted: true}).filter(a)
	if err != nil {
		return nil, err
	}
	list, err := st.Findings(ctx, filter)
	if err != nil {
		return nil, missingTemplates(err)
	}
	if len(list.Findings) == 0 {
		return nil, hint(fmt.Errorf("there is no finding with destination %s", destination), "`dwell findings` lists them")
	}
	return list.Findings, nil
}

// listDispositions prints the current disposition of each triaged finding.
func (a *app) listDispositions(ctx context.Context, status, format string, limit int) error {
	switch {
	case status != "" && !slices.Contains([]string{hunt.Benign, hunt.Escalated, hunt.Open}, status):
		return usage("--status %q is not one of benign, escalated, open", status)
	case limit < 0:
		return usage("--limit %d: want 0 (all) or more", limit)
	}
	if err := tableOrJSON(format); err != nil {
		return err
	}
	st, err := a.loadStore()
	if err != nil {
		return err
	}
	all, err := st.AllDispositions(ctx)
	if err != nil {
		return missingTemplates(err)
	}
	all = slices.DeleteFunc(all, func(d hunt.Disposition) bool { return status != "" && d.Dwell.Disposition != status })
	more := 0
	if limit > 0 && len(all) > limit {
		all, more = all[:limit], len(all)-limit
	}
	if format == "json" {
		return output.Encoder(a.Out).Encode(append([]hunt.Disposition{}, all...))
	}
	for _, d := range all {
		line := fmt.Sprintf("%s  %-9s  %s  %s  %s", d.Timestamp.UTC().Format("2006-01-02 15:04"), d.Dwell.Disposition, d.Dwell.FindingID[:min(7, len(d.Dwell.FindingID))], d.Dwell.Pair, d.User.Name)
		if d.Dwell.Assignee != "" {
			line += " -> " + d.Dwell.Assignee
		}
		fmt.Fprintln(a.Out, output.Wrap(output.Clean(line+": "+d.Dwell.Note), a.Width, "    "))
	}
	text := hunt.Many(len(all), "disposition")
	if more > 0 {
		text += fmt.Sprintf("; %s (--limit)", moreLines(more))
	}
	a.say("dwell: %s", text)
	return nil
}

// recorded is a disposition as text.
func recorded(d hunt.Disposition) string {
	text := fmt.Sprintf("%s by %s on %s", d.Dwell.Disposition, d.User.Name, d.Timestamp.UTC().Format(time.DateOnly))
	if d.Dwell.Assignee != "" {
		text += ", assigned to " + d.Dwell.Assignee
	}
	if d.Dwell.Note != "" {
		text += ": " + d.Dwell.Note
	}
	return text
}
