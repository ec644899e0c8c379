package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"dwell/internal/output"
)

// The groups of commands in `dwell --help`, in this order.
const (
	groupHunt   = "hunt"
	groupLook   = "look"
	groupDecide = "decide"
	groupRun    = "run"
	groupSetUp  = "setup"
)

// Widths of help: that of a pipe, and the most that is easy to read.
const (
	plainHelp  = 100
	widestHelp = 120
)

// group puts the commands into groups, in the order in which they are used.
func group(root *cobra.Command, commands map[string][]*cobra.Command) {
	for _, g := range []cobra.Group{{ID: groupHunt, Title: "Hunt"}, {ID: groupLook, Title: "Look"}, {ID: groupDecide, Title: "Decide"},
		{ID: groupRun, Title: "Run"}, {ID: groupSetUp, Title: "Set up"}} {
		root.AddGroup(&g)
		for _, c := range commands[g.ID] {
			c.GroupID = g.ID
			root.AddCommand(c)
		}
	}
	root.SetCompletionCommandGroupID(groupSetUp)
}

// help prints what a command does, no wider than the terminal.
func (a *app) help(c *cobra.Command, _ []string) {
	width := plainHelp
	if a.Width > 0 {
		width = min(a.Width, widestHelp)
	}
	var b strings.Builder
	about := c.Long
	if about == "" {
		about = c.Short
	}
	for _, paragraph := range strings.Split(strings.TrimSpace(about), "\n\n") {
		b.WriteString(output.Wrap(strings.ReplaceAll(paragraph, "\n", " "), width, "") + "\n\n")
	}
	b.WriteString("Usage:\n")
	if c.Runnable() && c.HasParent() {
		b.WriteString("  " + c.UseLine() + "\n")
	}
	if c.HasAvailableSubCommands() {
		b.WriteString("  " + c.CommandPath() + " COMMAND [flags]\n")
	}
	if c.HasExample() {
		b.WriteString("\nExamples:\n" + examples(c.Example, width))
	}
	if c.HasAvailableSubCommands() {
		subcommands(&b, c, width)
	}
	for _, g := range flagGroups(c) {
		b.WriteString("\n" + g.title + ":\n" + strings.TrimRight(g.flags.FlagUsagesWrapped(width), "\n") + "\n")
	}
	if c.HasAvailableInheritedFlags() {
		b.WriteString("\nFlags of every command:\n" + strings.TrimRight(c.InheritedFlags().FlagUsagesWrapped(width), "\n") + "\n")
	}
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "\nSee `%s COMMAND --help` for each of them.\n", c.CommandPath())
	}
	fmt.Fprint(c.OutOrStdout(), b.String())
}

// subcommands lists those of a command by group, the rest under one heading.
func subcommands(b *strings.Builder, c *cobra.Command, width int) {
	list := func(title, id string) {
		head := "\n" + title + ":\n"
		for _, sub := range c.Commands() {
			if (sub.IsAvailableCommand() || sub.Name() == "help") && sub.GroupID == id {
				b.WriteString(head)
				head = ""
				text := fmt.Sprintf("  %-10s  %s", sub.Name(), sub.Short)
				b.WriteString(output.Wrap(text, width, strings.Repeat(" ", 14)) + "\n")
			}
		}
	}
	for _, g := range c.Groups() {
		list(g.Title, g.ID)
	}
	list("Commands", "")
}

// manyFlags is the number of flags from which they are printed in groups.
const manyFlags = 15

// flagTitles are the groups of a command's own flags; the last one has all others.
var flagTitles = []struct{ title, names string }{
	{"What is read", "zeek since from to day internal direction by-sensor history memory explain"},
	{"How it is scored", "indicator profile selftest"},
	{"What is kept", "write remember remember-only"},
	{"What is printed", ""},
}

type flagGroup struct {
	title string
	flags *pflag.FlagSet
}

// flagGroups are the flags of a command, in one group where they are few.
func flagGroups(c *cobra.Command) (out []flagGroup) {
	own := 0
	c.LocalFlags().VisitAll(func(*pflag.Flag) { own++ })
	if own == 0 {
		return nil
	}
	if own < manyFlags || c.LocalFlags().Lookup("zeek") == nil {
		return []flagGroup{{"Flags", c.LocalFlags()}}
	}
	last := len(flagTitles) - 1
	for _, t := range flagTitles {
		out = append(out, flagGroup{t.title, pflag.NewFlagSet(t.title, pflag.ContinueOnError)})
	}
	c.LocalFlags().VisitAll(func(f *pflag.Flag) {
		at := slices.IndexFunc(flagTitles[:last], func(t struct{ title, names string }) bool { return slices.Contains(strings.Fields(t.names), f.Name) })
		if at < 0 {
			at = last
		}
		out[at].flags.AddFlag(f)
	})
	return slices.DeleteFunc(out, func(g flagGroup) bool { return !g.flags.HasFlags() })
}

// remark matches an example and the explanation behind it.
var remark = regexp.MustCompile(`^(\s*\S.*?)\s{2,}(\S.*)$`)

// examples leaves lines that fit as they are, and otherwise moves the explanations above the commands.
func examples(text string, width int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	fits := true
	for _, l := range lines {
		fits = fits && len(l) <= width
	}
	if fits {
		return strings.Join(lines, "\n") + "\n"
	}
	var b strings.Builder
	for _, l := range lines {
		if parts := remark.FindStringSubmatch(l); parts != nil {
			b.WriteString(output.Wrap("  # "+parts[2], width, "  # ") + "\n")
			l = parts[1]
		}
		b.WriteString(broken(l, width) + "\n")
	}
	return b.String()
}

// broken splits a command into lines that a shell joins, never inside quotes.
func broken(command string, width int) string {
	var b strings.Builder
	used, quote, word := 0, rune(0), ""
	put := func() {
		if used > 0 && used+1+len(word)+2 > width {
			b.WriteString(" \\\n      ")
			used = 6
		} else if used > 0 {
			b.WriteString(" ")
			used++
		}
		b.WriteString(word)
		used += len(word)
		word = ""
	}
	indent := command[:len(command)-len(strings.TrimLeft(command, " "))]
	word = indent
	for _, r := range strings.TrimLeft(command, " ") {
		switch {
		case quote == 0 && (r == '\'' || r == '"'):
			quote = r
		case r == quote:
			quote = 0
		case r == ' ' && quote == 0:
			put()
			continue
		}
		word += string(r)
	}
	put()
	return b.String()
}

// newHelp is the help command; an unknown name is a usage error.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND]", GroupID: groupSetUp, Short: "Show the help of a command", Example: "  dwell help hunt\n  dwell help safelist add", Args: cobra.ArbitraryArgs,
		ValidArgsFunction: func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			about, _, err := c.Root().Find(args)
			if err != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return subcommandNames(about), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(c *cobra.Command, args []string) error {
			about, rest, _ := c.Root().Find(args)
			if len(rest) > 0 {
				return asked(about, usage("unknown command %q for %q", rest[0], about.CommandPath()))
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	}
}

// subcommandNames are the commands below one.
func subcommandNames(c *cobra.Command) (names []string) {
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	return names
}
