package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
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

// reference is the page docs/commands.md, made from the commands themselves. A flag that several commands share is
// described once, at the top: a page that says it six times is not read.
func reference() string {
	root := newRoot(&app{streams: &streams{}})
	shared, names := sharedFlags(root)
	var b strings.Builder
	b.WriteString("# Commands\n\n<!-- Made from cmd/dwell by \"make generate\"; do not edit. -->\n\n" +
		"For analysts and administrators. `dwell help COMMAND` prints the same.\n\n## Shared flags\n```\n" + shared.FlagUsages() + "```\n\n")
	page(&b, root, names)
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// sharedFlags are the flags that at least two commands have with the same text, and what identifies them.
func sharedFlags(root *cobra.Command) (*pflag.FlagSet, map[string]bool) {
	shared, seen, names := pflag.NewFlagSet("shared", pflag.ContinueOnError), map[string]bool{}, map[string]bool{}
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		c.NonInheritedFlags().VisitAll(func(f *pflag.Flag) {
			if seen[identity(f)] && shared.Lookup(f.Name) == nil {
				shared.AddFlag(f)
				names[identity(f)] = true
			}
			seen[identity(f)] = true
		})
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(root)
	return shared, names
}

func identity(f *pflag.Flag) string { return f.Name + " " + f.DefValue + " " + f.Usage }

func page(b *strings.Builder, c *cobra.Command, shared map[string]bool) {
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
	own, also := pflag.NewFlagSet(c.Name(), pflag.ContinueOnError), []string(nil)
	flags.VisitAll(func(f *pflag.Flag) {
		if shared[identity(f)] {
			also = append(also, "`--"+f.Name+"`")
		} else {
			own.AddFlag(f)
		}
	})
	if usage := own.FlagUsages(); usage != "" {
		b.WriteString("```\n" + usage + "```\n\n")
	}
	if len(also) > 0 {
		b.WriteString("Shared flags: " + strings.Join(also, ", ") + ".\n\n")
	}
	commands := c.Commands()
	slices.SortFunc(commands, func(a, b *cobra.Command) int { return strings.Compare(a.Name(), b.Name()) })
	for _, sub := range commands {
		if sub.IsAvailableCommand() && sub.Name() != "help" && sub.Name() != "completion" {
			page(b, sub, shared)
		}
	}
}
