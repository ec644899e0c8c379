package main

import (
	"flag"
	"os"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the generated pages")

// TestReferenceIsUpToDate holds docs/commands.md to the commands; -update writes it.
func TestReferenceIsUpToDate(t *testing.T) {
	const path = "../../docs/commands.md"
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(reference()), 0o644))
	}
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	require.True(t, reference() == string(b), "docs/commands.md is stale: make generate")
}

// TestEveryCommandHasHelp demands an example and a sentence of each command.
func TestEveryCommandHasHelp(t *testing.T) {
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		require.NotEmpty(t, c.Short, c.CommandPath())
		require.NotEmpty(t, c.Example, c.CommandPath())
		for _, sub := range c.Commands() {
			if sub.Name() != "help" && sub.Name() != "completion" {
				walk(sub)
			}
		}
	}
	walk(newRoot(&app{streams: &streams{}}))
}
