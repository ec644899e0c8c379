package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"dwell/internal/config"
	"dwell/internal/output"
)

// app is what the commands share: streams, global flags, and the settings once they are loaded.
type app struct {
	*streams
	configFile string
	set        []string
	quiet      bool
	verbose    bool
	colorWhen  string
	// files says that log files are read and nothing is stored, so that no secret is needed.
	files bool
	// ended is closed when the run is to end.
	ended <-chan struct{}
	wait  wait
}

// execute runs one command line and gives its exit code.
func execute(ctx context.Context, s *streams, args []string) int {
	root := newRoot(&app{streams: s, ended: ctx.Done()})
	root.SetArgs(args)
	c, err := root.ExecuteContextC(ctx)
	err = asked(c, err)
	code := exitCode(ctx, err)
	if err != nil {
		report(s, err, code)
	}
	return code
}

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "dwell",
		Short: "Hunt for command-and-control traffic in Zeek logs",
		Long: `dwell hunts for compromised hosts in Zeek data before any alert fires. It reads every connection of a day from
Security Onion's Elasticsearch, or from Zeek log files, and finds possible C2 traffic: beacons, long connections, strobes,
DNS tunnels. Each finding has a score and its reasons.

Exit codes: 0 done; 1 failed; 2 usage or configuration; 3 a condition you asked for; 4 authentication or
permission; 5 incomplete (something of the window could not be read); 130 interrupted.`,
		Example: `  dwell hunt --zeek /nsm/zeek/logs/2026-11-22          hunt in a directory of Zeek logs, no cluster needed
  dwell hunt --since 24h --write                       hunt in the cluster and store the findings
  dwell findings --severity high                       stored findings`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version,
		Args:          cobra.NoArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
		PersistentPreRunE: func(*cobra.Command, []string) error {
			if !slices.Contains(values()["color"], a.colorWhen) {
				return usage("--color %q is not one of auto, always, never", a.colorWhen)
			}
			return nil
		},
	}
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	root.SetIn(a.In)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{flagError(err)} })
	p := root.PersistentFlags()
	p.StringVar(&a.configFile, "config", "", "configuration `file` (default: dwell/config.yaml in the user's configuration directory, then /etc/dwell/config.yaml)")
	p.StringArrayVar(&a.set, "set", nil, "set any setting for this run, as `KEY=VALUE` (repeatable; secrets are refused)")
	p.BoolVarP(&a.quiet, "quiet", "q", false, "no progress and no notes, only errors and warnings")
	p.BoolVarP(&a.verbose, "verbose", "v", false, "more notes: slices, retries, files")
	p.StringVar(&a.colorWhen, "color", "auto", "`when` to color: auto, always or never")
	root.SetHelpFunc(a.help)
	group(root, map[string][]*cobra.Command{
		groupHunt:   {newHunt(a), newDiff(a)},
		groupLook:   {newFindings(a), newShow(a), newHost(a), newWho(a)},
		groupDecide: {newTriage(a), newSafelist(a)},
		groupRun:    {newServe(a), newStatus(a), newCheck(a)},
		groupSetUp:  {newInstall(a), newConfig(a), newSimulate(a), newMan(a), newVersion(a)},
	})
	root.SetHelpCommand(newHelp())
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		strict(c)
	}
	complete(root)
	completeArgs(a, root)
	return root
}

// strict makes wrong arguments of a command and its subcommands usage errors. A command of subcommands alone prints its
// help.
func strict(c *cobra.Command) {
	if c.Args == nil {
		c.Args = cobra.NoArgs
	}
	if !c.Runnable() {
		c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	}
	args := c.Args
	c.Args = func(c *cobra.Command, list []string) error {
		err := args(c, list)
		want := strings.TrimSuffix(c.UseLine(), " [flags]")
		switch {
		case err == nil || errors.As(err, &hinted{}):
			return err
		case c.HasAvailableSubCommands():
			return usage("unknown command %q for %q", list[0], c.CommandPath())
		case want == c.CommandPath():
			return usage("%s takes no argument, and %q is one", want, list[0])
		case len(list) == 0:
			return usage("an argument is missing: %s", want)
		}
		return usage("these arguments are too many (%d): %s", len(list), want)
	}
	for _, sub := range c.Commands() {
		strict(sub)
	}
}

// load reads the settings; flags maps a key to the flag that sets it. A file that blocks, such as a pipe without a
// writer, does not delay an interrupt.
func (a *app) load(flags map[string]*pflag.Flag) (*config.Loaded, error) {
	var l *config.Loaded
	var err error
	read := make(chan struct{})
	go func() {
		defer close(read)
		l, err = config.Load(config.Options{File: a.configFile, Set: a.set, Flags: flags, Environ: a.Environ, Files: a.files})
	}()
	select {
	case <-read:
	case <-a.ended:
		return nil, fmt.Errorf("read the configuration: %w", context.Canceled)
	}
	if err != nil {
		return nil, usageError{err}
	}
	for _, w := range l.Warnings {
		a.warn("%s", w)
	}
	return l, nil
}

// say prints a remark, unless --quiet.
func (a *app) say(format string, args ...any) {
	if !a.quiet {
		a.tell(fmt.Sprintf(format, args...))
	}
}

// warn prints a warning, --quiet or not: something an analyst must not miss.
func (a *app) warn(format string, args ...any) {
	a.tell("dwell: warning: " + fmt.Sprintf(format, args...))
}

// tell prints a line on stderr; on a terminal it breaks at words.
func (a *app) tell(text string) {
	fmt.Fprintln(a.Err, output.Wrap(output.Clean(text), a.ErrWidth, "       ")) // below what follows "dwell: "
}

// printing resolves -o: by default a table on a terminal and tab-separated lines in a pipe.
func (a *app) printing(format string, ofHunt bool) (output.Options, error) {
	o := output.Options{Format: output.Lines, Width: a.Width, Color: a.color(a.colorWhen)}
	if format == "" {
		if a.OutTTY {
			o.Format = output.Table
		}
		return o, nil
	}
	f, err := output.ParseFormat(format, ofHunt)
	if err != nil {
		return o, usageError{err}
	}
	o.Format = f
	return o, nil
}
