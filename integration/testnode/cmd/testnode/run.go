package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"dwell/integration/testnode"
)

// stdio are the command's streams.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

// settings are the flags' values.
type settings struct {
	lines    []testnode.Line
	options  testnode.Options
	check    bool
	optional bool
	command  []string
}

// Exit codes: the command's own; 1 if no server started; 2 for wrong usage; 128+n if a signal ended the command.
const (
	exitFailed = 1
	exitUsage  = 2
)

// commandEndsWithin is how long the command may take after a signal before it is killed.
const commandEndsWithin = 30 * time.Second

// run runs the command line and returns the exit code.
func run(ctx context.Context, args []string, io stdio) int {
	s, err := parse(args, io)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(io.err, "testnode:", err)
		return exitUsage
	}
	if s.check {
		return check(ctx, s, io)
	}
	clusters, err := open(ctx, s, io)
	code := exitFailed
	if err == nil {
		code, err = serve(ctx, s, clusters, io)
	}
	for _, c := range clusters {
		err = errors.Join(err, c.Close())
	}
	if err != nil {
		fmt.Fprintln(io.err, "testnode:", err)
		if code == 0 {
			code = exitFailed
		}
	}
	return code
}

func parse(args []string, io stdio) (settings, error) {
	s := settings{}
	f := flag.NewFlagSet("testnode", flag.ContinueOnError)
	f.SetOutput(io.err)
	f.Usage = func() {
		fmt.Fprintln(io.err, "usage: testnode [flags] [-- COMMAND ARGS...]")
		f.PrintDefaults()
	}
	line := f.String("line", "8", "`lines` of Elasticsearch to bring up: 8, 9 or 8,9; where no JDK suits line 9 it is left out")
	f.StringVar(&s.options.Heap, "heap", "1g", "Java heap of a node, as Java spells its `size`")
	f.BoolVar(&s.options.FullJIT, "full-jit", false, "optimise as in production: slower to start, faster afterwards; for measurements")
	verbose := f.Bool("v", false, "show the server's log on standard error")
	f.BoolVar(&s.check, "check", false, "only say whether a server could be brought up: exit code 0 or 1")
	f.BoolVar(&s.optional, "optional", false, "run COMMAND without a server where none can be had, unless DWELL_REQUIRE_ELASTICSEARCH=1")
	if err := f.Parse(args); err != nil {
		return settings{}, err
	}
	for text := range strings.SplitSeq(*line, ",") {
		l, err := testnode.ParseLine(strings.TrimSpace(text))
		if err != nil {
			return settings{}, err
		}
		s.lines = append(s.lines, l)
	}
	if *verbose {
		s.options.Log = io.err
	}
	s.command = f.Args()
	return s, nil
}

// check prints for each line whether it is possible; the exit code considers only required lines.
func check(ctx context.Context, s settings, io stdio) int {
	code := 0
	for _, line := range s.lines {
		if err := testnode.Possible(ctx, line); err != nil {
			fmt.Fprintln(io.err, "testnode:", err)
			if mustHave(s, line) {
				code = exitFailed
			}
		}
	}
	return code
}

// mustHave reports whether a line is required. Line 9 needs a JDK that Debian stable lacks, so beside line 8 it is
// optional.
func mustHave(s settings, line testnode.Line) bool {
	return line != testnode.Line9 || len(s.lines) == 1
}

// open starts the lines in turn, because one start keeps the host busy enough. With an error it also returns the open
// ones, to be closed.
func open(ctx context.Context, s settings, io stdio) ([]*testnode.Cluster, error) {
	var clusters []*testnode.Cluster
	for _, line := range s.lines {
		if err := testnode.Possible(ctx, line); err != nil {
			if mustHave(s, line) && (!s.optional || testnode.Required()) {
				return clusters, err
			}
			fmt.Fprintf(io.err, "testnode: NOTE: nothing runs against Elasticsearch %d.x: %v\n", line, err)
			continue
		}
		began := time.Now()
		c, err := testnode.Open(ctx, line, s.options)
		if err != nil {
			return clusters, err
		}
		clusters = append(clusters, c)
		fmt.Fprintf(io.err, "testnode: Elasticsearch %s from the %s at %s, up in %.1f s\n",
			c.Version, c.Origin, c.URL, time.Since(began).Seconds())
	}
	return clusters, nil
}

// serve runs the command with the clusters in its environment, or prints that environment and waits for a signal.
func serve(ctx context.Context, s settings, clusters []*testnode.Cluster, io stdio) (int, error) {
	if len(s.command) == 0 {
		for _, c := range clusters {
			for _, line := range c.Environment() {
				fmt.Fprintln(io.out, "export "+line)
			}
		}
		fmt.Fprintln(io.err, "testnode: running; Ctrl-C stops it")
		<-ctx.Done()
		return 0, nil
	}
	cmd := exec.CommandContext(ctx, s.command[0], s.command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = io.in, io.out, io.err
	cmd.Env = os.Environ()
	for _, c := range clusters {
		cmd.Env = append(cmd.Env, c.Environment()...)
	}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = commandEndsWithin
	err := cmd.Run()
	var ended *exec.ExitError
	switch {
	case err == nil:
		return 0, nil
	case errors.As(err, &ended):
		if status, ok := ended.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			return 128 + int(status.Signal()), nil
		}
		return ended.ExitCode(), nil
	default:
		return exitFailed, fmt.Errorf("run %s: %w", s.command[0], err)
	}
}
