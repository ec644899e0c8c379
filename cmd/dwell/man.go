package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"

	"dwell/internal/output"
)

func newMan(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "man DIRECTORY",
		Short: "Write the manual pages",
		Long:  `Write a manual page for dwell and for each of its commands into a directory, for man(1).`,
		Example: `  dwell man /usr/local/share/man/man1
  dwell man . && man ./dwell-hunt.1`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return fmt.Errorf("make the directory for the manual pages: %w", err)
			}
			root := c.Root()
			root.DisableAutoGenTag = true
			plainDefaults(root)
			if err := doc.GenManTree(root, &doc.GenManHeader{Title: "DWELL", Section: "1", Source: "dwell " + version}, args[0]); err != nil {
				return fmt.Errorf("write manual pages: %w", err)
			}
			a.say("dwell: manual pages are in %s", output.Clean(args[0]))
			return nil
		},
	}
}

// plainDefaults removes pflag's defaults: an unset flag takes the setting's value, not 0 or false.
func plainDefaults(c *cobra.Command) {
	c.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if f.DefValue == "0" || f.DefValue == "false" || f.DefValue == "[]" {
			f.DefValue = ""
		}
	})
	for _, sub := range c.Commands() {
		plainDefaults(sub)
	}
}

func newVersion(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Long: "Print what this program was built from.", Example: "  dwell version", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(a.Out, "dwell version "+version)
			return err
		},
	}
}
