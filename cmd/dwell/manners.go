package main

import (
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"dwell/internal/config"
	"dwell/internal/hunt"
	"dwell/internal/output"
)

var (
	unknownCommand = regexp.MustCompile(`^unknown command "([^"]*)" for`)
	unknownFlag    = regexp.MustCompile(`^unknown flag: --([^ =]+)`)
)

// asked makes a mistake in what was typed a usage error with a hint that fits: the nearest command or flag, or the help of the command that was
// found. Other errors stay as they are.
func asked(c *cobra.Command, err error) error {
	if err == nil {
		return nil
	}
	var wrong usageError
	command := unknownCommand.FindStringSubmatch(err.Error())
	if command == nil && !errors.As(err, &wrong) {
		return err
	}
	var hasHint hinted
	if errors.As(err, &hasHint) {
		return err
	}
	help := "see `" + c.CommandPath() + " --help`"
	flag := unknownFlag.FindStringSubmatch(err.Error())
	switch {
	case command != nil:
		var names []string
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() {
				names = append(names, sub.Name())
			}
		}
		if near := config.Nearest(command[1], names); near != "" {
			help = "did you mean `" + c.CommandPath() + " " + near + "`?"
		}
		return hint(usageError{err}, "%s", help)
	case flag != nil:
		var names []string
		c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		if near := config.Nearest(flag[1], names); near != "" {
			help = "did you mean --" + near + "? " + strings.ToUpper(help[:1]) + help[1:]
		}
	}
	return hint(err, "%s", help)
}

// values are what flags take, by their name: for completion, and where a value is wrong.
func values() map[string][]string {
	severities := []string{"low", "medium", "high", "critical"}
	return map[string][]string{
		"severity": severities, "fail-on": severities, "color": {"auto", "always", "never"}, "direction": {"outbound", "inbound", "both"},
		"profile": {"dwell", "rita"}, "indicator": hunt.Indicators(), "sort": {"score", "time", "source", "destination", "connections", "bytes"},
		"status": {hunt.Open, hunt.Benign, hunt.Escalated},
	}
}

// complete registers the values of flags of a command and of those below it, so that shells offer them.
func complete(c *cobra.Command) {
	c.LocalFlags().VisitAll(func(f *pflag.Flag) {
		list, ok := values()[f.Name]
		if f.Name == "output" {
			list, ok = output.Formats(c.Name() == "hunt"), true
			if c.Name() == "host" {
				list = []string{"table", "json"}
			}
		}
		if ok {
			_ = c.RegisterFlagCompletionFunc(f.Name, cobra.FixedCompletions(slices.Clone(list), cobra.ShellCompDirectiveNoFileComp)) // fails only if done twice
		}
	})
	for _, sub := range c.Commands() {
		complete(sub)
	}
}
