package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"dwell/internal/output"
)

func newConfig(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "config",
		Short: "Show each setting in force and where it came from",
		Long: `Show each setting in force and where it came from: flag, environment, file or default. Secrets are never shown.
A flag wins over the environment, the environment over the file, the file over the default.`,
		Example: `  dwell config
  DWELL_HUNT_SINCE=7d dwell config | grep since`,
		RunE: func(*cobra.Command, []string) error {
			l, err := a.load(nil)
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(a.Out, 0, 8, 2, ' ', 0)
			for _, s := range l.Settings() {
				fmt.Fprintf(w, "%s\t%s\t%s\n", s.Key, output.Clean(s.Value), output.Clean(s.Origin))
			}
			return w.Flush()
		},
	}
}
