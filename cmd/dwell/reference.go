package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

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
