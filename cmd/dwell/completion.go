package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"dwell/internal/config"
	"dwell/internal/hunt"
	"dwell/internal/output"
	"dwell/internal/store"
)

var (
	unknownCommand = regexp.MustCompile(`^unknown command "([^"]*)" for`)
	unknownFlag    = regexp.MustCompile(`^unknown flag: --([^ =]+)`)
	wrongValue     = regexp.MustCompile(`"([^"]*)" is not one of ([a-z, _-]+)$`)
)

// goError is how pflag reports a value of the wrong type, with the name of Go's function.
var goError = regexp.MustCompile(`^invalid argument (".*") for "(?:-\w, )?(--[a-z-]+)" flag: strconv\.Parse(\w+)`)

// flagError says in plain words that a flag's value has the wrong type.
func flagError(err error) error {
	m := goError.FindStringSubmatch(err.Error())
	if m == nil {
		return err
	}
	want := map[string]string{"Float": "a number", "Bool": "true or false"}[m[3]]
	return fmt.Errorf("%s %s is not %s", m[2], m[1], cmp.Or(want, "a whole number"))
}

// asked makes a mistake in what was typed a usage error with a hint that fits: the nearest command or flag, or the help
// of the command that was found. Other errors stay as they are.
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
	var file *fs.PathError
	if errors.As(err, &hasHint) || errors.As(err, &file) { // the help of the command has no answer about a file
		return err
	}
	if strings.Contains(err.Error(), ": safelist: ") {
		return hint(err, "docs/safelist.md has the fields of a rule; `dwell safelist lint` checks the file")
	}
	help := "see `" + c.CommandPath() + " --help`"
	flag, value := unknownFlag.FindStringSubmatch(err.Error()), wrongValue.FindStringSubmatch(err.Error())
	switch {
	case command != nil:
		if near := config.Nearest(command[1], subcommandNames(c)); near != "" {
			help = "did you mean `" + c.CommandPath() + " " + near + "`?"
		}
		return hint(usageError{err}, "%s", help)
	case value != nil:
		if near := config.Nearest(value[1], strings.Split(value[2], ", ")); near != "" {
			help = "did you mean " + near + "? " + strings.ToUpper(help[:1]) + help[1:]
		}
	case flag != nil:
		var names []string
		c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		if near := config.Nearest(flag[1], names); near != "" {
			help = "did you mean --" + near + "? " + strings.ToUpper(help[:1]) + help[1:]
		}
	}
	return hint(err, "%s", help)
}

// values are the values of flags, for completion and for hints.
func values() map[string][]string {
	severities := []string{"low", "medium", "high", "critical"}
	return map[string][]string{
		"severity": severities, "fail-on": severities, "color": {"auto", "always", "never"}, "direction": {"outbound", "inbound", "both"},
		"profile": {"dwell", "rita"}, "indicator": hunt.Indicators(), "sort": {"score", "time", "source", "destination", "connections", "bytes"},
		"status": {hunt.Open, hunt.Benign, hunt.Escalated},
	}
}

// completeArgs offers arguments to a shell: ids of stored findings with their pairs, rules of the safelist, hosts with
// findings. Where the cluster does not answer at once, nothing is offered.
func completeArgs(a *app, root *cobra.Command) {
	findings := func(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
		return a.offer(func(f *hunt.Finding) (string, string) {
			return f.Dwell.FindingID[:min(7, len(f.Dwell.FindingID))], f.Dwell.Severity + " " + f.Dwell.Pair
		}, begun)
	}
	hosts := func(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
		return a.offer(func(f *hunt.Finding) (string, string) { return f.Dwell.InternalIP.String(), "" }, begun)
	}
	rules := func(_ *cobra.Command, _ []string, begun string) (out []string, _ cobra.ShellCompDirective) {
		settings, err := config.Load(config.Options{File: a.configFile, Set: a.set, Environ: a.Environ})
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		list, err := readSafelist(settings)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		for i := range list.Rules {
			if strings.HasPrefix(list.Rules[i].Name, begun) {
				out = append(out, output.Clean(list.Rules[i].Name))
			}
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	}
	for path, offer := range map[string]cobra.CompletionFunc{"show": findings, "triage": findings, "who": findings, "safelist add": findings, "safelist remove": rules, "safelist test": rules, "host": hosts} {
		if c, _, err := root.Find(strings.Fields(path)); err == nil {
			c.ValidArgsFunction = offer
		}
	}
}

// offerTime limits how long completion waits for the cluster.
const offerTime = 2 * time.Second

// offer returns the values of stored findings with a prefix, each once with a description.
func (a *app) offer(text func(*hunt.Finding) (value, remark string), begun string) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(context.Background(), offerTime)
	defer cancel()
	settings, err := config.Load(config.Options{File: a.configFile, Set: a.set, Environ: a.Environ})
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	st, err := a.openStore(settings)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	list, err := st.Findings(ctx, store.Filter{HideSafelisted: true})
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var out []string
	seen := map[string]bool{}
	for i := range list.Findings {
		value, remark := text(&list.Findings[i])
		if strings.HasPrefix(value, begun) && !seen[value] {
			seen[value] = true
			out = append(out, strings.TrimSuffix(value+"\t"+output.Clean(remark), "\t"))
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}

// complete registers the values of flags of a command and of those below it, so that shells offer them.
func complete(c *cobra.Command) {
	c.LocalFlags().VisitAll(func(f *pflag.Flag) {
		list, ok := values()[f.Name]
		if f.Name == "output" {
			list, ok = output.Formats(c.Name() == "hunt"), true
			if slices.Contains([]string{"host", "who", "diff", "status", "list"}, c.Name()) {
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

// tableOrJSON checks -o of a command that prints these two alone.
func tableOrJSON(format string) error {
	if format != "table" && format != "json" {
		return usage("-o %s: want table or json", format)
	}
	return nil
}
