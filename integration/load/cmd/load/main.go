// Command load puts Zeek logs into the test Elasticsearch as Security Onion stores them:
//
//	go run ./integration/testnode/cmd/testnode -- go run ./integration/load/cmd/load DIRECTORY
//
// Address, CA file, user and password come from DWELL_TEST_ELASTICSEARCH_URL and its companions (package testnode).
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"dwell/integration/load"
	"dwell/internal/es"
	"dwell/internal/securityonion"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Getenv, os.Stderr)
	stop()
	os.Exit(code)
}

// run returns the exit code: 0 loaded, 1 failed, 2 wrong usage, 5 loaded except for invalid lines.
func run(ctx context.Context, args []string, env func(string) string, out io.Writer) int {
	flags := flag.NewFlagSet("load", flag.ContinueOnError)
	flags.SetOutput(out)
	force := flags.Bool("force", false, "load even where Security Onion's own templates are: a real grid")
	observer := flags.String("observer", "", "name of the sensor in the documents")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if flags.NArg() == 0 || env("DWELL_TEST_ELASTICSEARCH_URL") == "" {
		fmt.Fprintln(out, "load: usage: load [-force] [-observer NAME] PATH..., with the cluster in DWELL_TEST_ELASTICSEARCH_URL")
		return 2
	}
	client, err := es.New(es.Config{
		Addresses: []string{env("DWELL_TEST_ELASTICSEARCH_URL")}, CAFile: env("DWELL_TEST_ELASTICSEARCH_CA_FILE"),
		Username: env("DWELL_TEST_ELASTICSEARCH_USERNAME"), Password: env("DWELL_TEST_ELASTICSEARCH_PASSWORD"),
	})
	if err != nil {
		fmt.Fprintln(out, "load:", err)
		return 2
	}
	defer client.Close()
	begun := time.Now()
	report, err := load.Load(ctx, client, load.Options{Paths: flags.Args(), Force: *force, Observer: *observer})
	if report.Documents != nil {
		tell(out, &report, time.Since(begun))
	}
	switch {
	case err != nil:
		fmt.Fprintln(out, "load:", err)
		return 1
	case len(report.Bad)+len(report.Dead) > 0:
		return 5
	}
	return 0
}

// tell prints what was loaded and what was not.
func tell(out io.Writer, r *load.Report, took time.Duration) {
	var logs []string
	for log := range r.Documents {
		logs = append(logs, log)
	}
	slices.Sort(logs)
	fmt.Fprintf(out, "load: %d documents into %s in %.1f s (%.0f/s) out of %d files", r.Total(), securityonion.StreamZeek, took.Seconds(),
		float64(r.Total())/took.Seconds(), r.Files)
	for _, log := range logs {
		fmt.Fprintf(out, ", %s %d", log, r.Documents[log])
	}
	if r.Existing > 0 {
		fmt.Fprintf(out, "; %d were there already", r.Existing)
	}
	fmt.Fprintln(out)
	for _, f := range r.SkippedFiles {
		fmt.Fprintf(out, "load: %s holds no log that Security Onion's documents are known of: left out\n", f)
	}
	for _, b := range r.Bad {
		fmt.Fprintf(out, "load: %s: %d lines are no records and were left out; the first, %s\n", b.File, b.Count, b.First)
	}
	if len(r.Dead) > 0 {
		fmt.Fprintf(out, "load: %d documents were refused, the first because: %v\n", len(r.Dead), r.Dead[0].Err)
	}
}
