package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"dwell/internal/hunt"
	"dwell/internal/output"
)

func newStatus(a *app) *cobra.Command {
	var last int
	c := &cobra.Command{
		Use:   "status",
		Short: "Show the last hunts that were stored, how late they are and what went wrong",
		Long: `Show the last hunts that were stored: window, how many connections, pairs and findings, whether the window was complete,
and what went wrong. LAG is how long after its window's end a hunt ran.`,
		Example: `  dwell status
  dwell status --last 50`,
		RunE: func(c *cobra.Command, _ []string) error { return a.status(c.Context(), last) },
	}
	c.Flags().IntVar(&last, "last", 10, "how many hunts")
	return c
}

func (a *app) status(ctx context.Context, last int) error {
	if last < 1 {
		return usage("--last %d: want 1 or more", last)
	}
	store, err := a.loadStore()
	if err != nil {
		return err
	}
	hunts, err := store.Hunts(ctx, last)
	if err != nil {
		return missingTemplates(err)
	}
	if len(hunts) == 0 {
		a.say("dwell: no hunt was stored yet: `dwell hunt --write` does")
		return nil
	}
	w := tabwriter.NewWriter(a.Out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "WINDOW\tRAN\tLAG\tCONNECTIONS\tPAIRS\tCRITICAL\tHIGH\tMEDIUM\tLOW\tREAD\tSTATE")
	for i := range hunts {
		h := &hunts[i]
		s := &h.Dwell.Hunt
		fmt.Fprintf(w, "%s/%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%s\t%s\n",
			h.Dwell.Window.Start.Format(time.RFC3339), h.Dwell.Window.End.Format(time.RFC3339), h.Event.Ingested.Format(time.RFC3339),
			hunt.Seconds(h.Event.Ingested.Sub(h.Dwell.Window.End.Time).Seconds()),
			s.Connections, s.Pairs, s.BySeverity.Critical, s.BySeverity.High, s.BySeverity.Medium, s.BySeverity.Low, hunt.Seconds(s.Stages.Read), state(s))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for i := range hunts {
		for _, g := range hunts[i].Dwell.Hunt.Gaps {
			fmt.Fprintf(a.Out, "%s: %s\n", hunts[i].Dwell.Window.Start.Format(time.RFC3339), output.Clean(g))
		}
	}
	return nil
}

func state(s *hunt.Summary) string {
	if s.Complete {
		return "complete"
	}
	return "INCOMPLETE"
}
