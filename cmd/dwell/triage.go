package main

import (
	"context"
	"errors"
	"fmt"
	"os/user"

	"github.com/spf13/cobra"

	"dwell/internal/output"
	"dwell/internal/store"
)

func newTriage(a *app) *cobra.Command {
	var status, note, who string
	c := &cobra.Command{
		Use:   "triage FINDING-ID",
		Short: "Record a disposition of a finding: benign, escalated or open",
		Long: `Record the disposition of a finding: what, by whom, when and why. Its stored documents show it, and later hunts carry it.
A benign finding deserves a safelist rule with an expiry; an escalated one a case.`,
		Example: `  dwell findings -o csv | cut -d, -f25       the ids
  dwell triage 9286caeb1cf0d753036cb2d076449ed6 --status benign --note "nightly backup, confirmed with ops"`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.triage(c.Context(), store.Decision{FindingID: args[0], Disposition: status, Who: who, Note: note})
		},
	}
	c.Flags().StringVar(&status, "status", "", "benign, escalated or open")
	c.Flags().StringVar(&note, "note", "", "why, in a sentence")
	c.Flags().StringVar(&who, "who", "", "who records it (default: the user's login name)")
	return c
}

func (a *app) triage(ctx context.Context, d store.Decision) error {
	if !isDigest(d.FindingID) {
		return usage("%q is not the id of a finding: 32 hexadecimal digits, as `dwell findings -o csv` prints it", d.FindingID)
	}
	switch d.Disposition {
	case "benign", "escalated", "open":
	default:
		return usage("--status %q is not one of benign, escalated, open", d.Disposition)
	}
	if d.Who == "" {
		u, err := user.Current()
		if err != nil {
			return usage("--who is required")
		}
		d.Who = u.Username
	}
	d.At = a.Now()
	st, err := a.loadStore()
	if err != nil {
		return err
	}
	changed, err := st.Decide(ctx, d)
	if errors.Is(err, store.ErrNoFinding) {
		return hint(err, "`dwell findings -o csv` lists the ids")
	}
	if err != nil {
		return missingTemplates(err)
	}
	fmt.Fprintf(a.Out, "%s: finding %s, by %s; updated %d documents\n", d.Disposition, d.FindingID, output.Clean(d.Who), changed)
	return nil
}
