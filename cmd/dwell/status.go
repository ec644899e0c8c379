package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"dwell/internal/config"
	"dwell/internal/es"
	"dwell/internal/hunt"
	"dwell/internal/output"
	"dwell/internal/schedule"
	"dwell/internal/store"
	"dwell/internal/store/spool"
)

func newStatus(a *app) *cobra.Command {
	var last int
	var format string
	c := &cobra.Command{
		Use:   "status",
		Short: "Show the last stored hunts, their lag and errors",
		Long: `Show the last hunts that were stored: window, how many connections, pairs and findings, whether the window was complete,
what went wrong, which hunts wait on this host for upload, and which alerts for the webhook or syslog server. LAG is how long after its window's end a hunt ran.`,
		Example: `  dwell status
  dwell status --limit 50
  dwell status -o json | jq -r '.[] | select(.dwell.hunt.complete | not) | .dwell.window.start'`,
		RunE: func(c *cobra.Command, _ []string) error { return a.status(c.Context(), last, format) },
	}
	c.Flags().IntVar(&last, "limit", 10, "maximum `number` of hunts, newest first")
	c.Flags().SetNormalizeFunc(renamed("last", "limit"))
	c.Flags().StringVarP(&format, "output", "o", "table", "`format`: table or json")
	return c
}

func (a *app) status(ctx context.Context, last int, format string) error {
	if err := tableOrJSON(format); err != nil {
		return err
	}
	if last < 1 {
		return usage("--limit %d: want 1 or more", last)
	}
	settings, err := a.load(nil)
	if err != nil {
		return err
	}
	st, err := a.openStore(settings)
	if err != nil {
		return err
	}
	defer a.held(settings)
	a.skew(ctx, st)
	hunts, err := st.Hunts(ctx, last)
	if err != nil {
		return missingTemplates(err)
	}
	if len(hunts) == 0 {
		return codeError{exitIncomplete, "no hunt is stored yet: `dwell hunt --write` stores one"}
	}
	if format == "json" {
		if err := output.Encoder(a.Out).Encode(hunts); err != nil {
			return fmt.Errorf("print the hunts: %w", err)
		}
		return nil
	}
	rows := [][]string{{"WINDOW", "LAG", "CONNS", "CRIT", "HIGH", "MED", "LOW", "STATE", "HUNT"}}
	for i := range hunts {
		h := &hunts[i]
		s, w := &h.Dwell.Hunt, &h.Dwell.Window
		window := "-"
		if !w.Start.IsZero() {
			window = w.Start.UTC().Format("2006-01-02 15:04") + " +" + hunt.Brief(w.End.Sub(w.Start.Time).Round(time.Minute).Seconds())
		}
		lag := "-"
		if !w.End.IsZero() {
			lag = hunt.Brief(h.Event.Ingested.Sub(w.End.Time).Seconds())
		}
		rows = append(rows, []string{window, lag, hunt.Count(s.Connections), hunt.Count(s.BySeverity.Critical), hunt.Count(s.BySeverity.High), hunt.Count(s.BySeverity.Medium),
			hunt.Count(s.BySeverity.Low), state(s), h.Dwell.HuntID[:min(7, len(h.Dwell.HuntID))]})
	}
	if err := output.PrintTable(a.Out, rows, nil, nil, a.Width); err != nil {
		return err
	}
	for i := range hunts {
		for _, g := range hunts[i].Dwell.Hunt.Gaps {
			fmt.Fprintf(a.Out, "%s: %s\n", hunts[i].Dwell.Window.Start.Format(time.RFC3339), output.Clean(g))
		}
	}
	return nil
}

// held reports hunts and alerts that wait on this host.
func (a *app) held(settings *config.Loaded) {
	dir, err := settings.StateDir(a.Environ)
	if err != nil {
		return
	}
	if waits, _, err := a.undelivered(settings); err != nil {
		a.warn("%v", err)
	} else if waits != "" {
		a.warn("%s", waits)
	}
	dir = filepath.Join(dir, "spool")
	if _, err := os.Stat(dir); err != nil {
		return // nothing of this user ever waited for upload on this host, or it is another's to see
	}
	st, err := spool.Look(dir, settings.State.SpoolBytes)
	if err != nil {
		a.warn("the spool cannot be read: %v", err)
		return
	}
	if st.Hunts+st.Dead+st.Refused+st.Damaged == 0 {
		a.say("dwell: spool empty (%s)", dir)
		return
	}
	text := fmt.Sprintf("%s waiting for upload in %s", hunt.Many(st.Hunts, "hunt"), dir)
	if !st.Oldest.IsZero() {
		text += " since " + st.Oldest.UTC().Format(time.RFC3339)
	}
	a.warn("%s; %s and %s refused for good, %s damaged (in dead, to be checked by hand); %s of %s used", text,
		hunt.Many(st.Dead, "document"), hunt.Many(st.Refused, "hunt"), hunt.Many(st.Damaged, "file"), hunt.Size(st.Bytes), hunt.Size(st.Max))
}

func state(s *hunt.Summary) string {
	switch {
	case !s.Complete:
		return "INCOMPLETE"
	case s.Connections == 0:
		return "EMPTY"
	}
	return "complete"
}

// skew warns if the clocks differ so much that nothing is scheduled.
func (a *app) skew(ctx context.Context, st *store.Store) {
	switch c, err := st.Clock(ctx); {
	case err != nil:
		a.say("dwell: note: the cluster's clock could not be asked: %v", err)
	case c.Off() > es.MaxSkew:
		a.warn("%v", &schedule.SkewError{Clock: c})
	}
}
