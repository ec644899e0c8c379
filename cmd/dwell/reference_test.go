package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
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

// reference is the page docs/commands.md, made from the commands themselves.
func reference() string {
	var b strings.Builder
	b.WriteString("# Commands\n\n<!-- Made from cmd/dwell by \"make generate\"; do not edit. -->\n\n")
	page(&b, newRoot(&app{streams: &streams{}}))
	return strings.TrimRight(b.String(), "\n") + "\n"
}

func page(b *strings.Builder, c *cobra.Command) {
	fmt.Fprintf(b, "## %s\n%s.\n\n", c.CommandPath(), strings.TrimSuffix(c.Short, "."))
	if c.Long != "" {
		b.WriteString(c.Long + "\n\n")
	}
	if c.Example != "" {
		b.WriteString("```\n" + c.Example + "\n```\n\n")
	}
	flags := c.LocalFlags()
	if c.HasParent() {
		flags = c.NonInheritedFlags()
	}
	if usage := flags.FlagUsages(); usage != "" {
		b.WriteString("```\n" + usage + "```\n\n")
	}
	commands := c.Commands()
	slices.SortFunc(commands, func(a, b *cobra.Command) int { return strings.Compare(a.Name(), b.Name()) })
	for _, sub := range commands {
		if sub.IsAvailableCommand() && sub.Name() != "help" && sub.Name() != "completion" {
			page(b, sub)
		}
	}
}
