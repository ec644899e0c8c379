package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"dwell/internal/hunt"
	"dwell/internal/output"
	"dwell/internal/simulate"
)

// simulateFlags override a scenario.
type simulateFlags struct {
	scenario, out, start, length string
	seed                         uint64
	hosts                        int
	rate                         float64
	json, gzip, hourly           bool
}

func newSimulate(a *app) *cobra.Command {
	var f simulateFlags
	c := &cobra.Command{
		Use:   "simulate",
		Short: "Simulate labeled Zeek logs of a day, with implants among the traffic",
		Long: `Make a day of Zeek logs: people with their rhythm, updates, time, names, telemetry, internal traffic, and a few implants.
labels.json beside the logs says what is what and why. The same seed and settings give the same bytes.`,
		Example: `  dwell simulate --out /tmp/day                                  the built-in scenario
  dwell simulate --out /tmp/day --hosts 200 --seed 7 --json --gzip --hourly
  dwell simulate --out /tmp/day --scenario office.yaml           your own hosts, services and implants
  dwell hunt --zeek /tmp/day                                     and find them`,
		RunE: func(c *cobra.Command, _ []string) error { return a.simulate(c, &f) },
	}
	p, sc := c.Flags(), simulate.Default()
	p.StringVar(&f.out, "out", "", "`directory` to write to; it is made if need be")
	p.StringVar(&f.scenario, "scenario", "", "YAML `file` with the scenario; what it does not name is as in the built-in one, and flags go before it")
	p.Uint64Var(&f.seed, "seed", sc.Seed, "`number` that random choices begin with")
	p.IntVar(&f.hosts, "hosts", sc.Hosts, "`number` of workstations; servers come on top")
	p.Float64Var(&f.rate, "rate", sc.Rate, "`number` of connections a workstation makes in an hour")
	p.StringVar(&f.start, "start", sc.Start.Format(time.RFC3339), "`time` of the first moment, RFC 3339")
	p.StringVar(&f.length, "length", "24h", "`duration` of the logs, as in 24h or 7d")
	p.BoolVar(&f.json, "json", false, "JSON lines, as Security Onion's Zeek writes, instead of TSV")
	p.BoolVar(&f.gzip, "gzip", false, "compress the logs")
	p.BoolVar(&f.hourly, "hourly", false, "one file per hour, in one directory per day, as Zeek rotates")
	return c
}

func (a *app) simulate(c *cobra.Command, f *simulateFlags) error {
	if f.out == "" {
		return usage("--out is required")
	}
	sc, err := f.scenarioOf(c)
	if err != nil {
		return err
	}
	return a.makeLogs(c.Context(), sc, f)
}

// scenarioOf reads the scenario and applies the flags.
func (f *simulateFlags) scenarioOf(c *cobra.Command) (simulate.Scenario, error) {
	sc := simulate.Default()
	if f.scenario != "" {
		file, err := os.Open(f.scenario)
		if err != nil {
			return sc, usage("read scenario: %v", err)
		}
		defer file.Close()
		if sc, err = simulate.Parse(file); err != nil {
			return sc, usage("%s: %v", f.scenario, err)
		}
	}
	given := c.Flags().Changed
	if given("seed") {
		sc.Seed = f.seed
	}
	if given("hosts") {
		sc.Hosts = f.hosts
	}
	if given("rate") {
		sc.Rate = f.rate
	}
	if given("start") {
		start, err := time.Parse(time.RFC3339, f.start)
		if err != nil {
			return sc, usage("--start %q is not an RFC 3339 time, as in 2026-11-22T00:00:00Z", f.start)
		}
		sc.Start = start
	}
	if given("length") {
		length, err := simulate.ParseDuration(f.length)
		if err != nil {
			return sc, usage("--length: %v", err)
		}
		sc.Length = length
	}
	if err := sc.Validate(); err != nil {
		return sc, usageError{err}
	}
	return sc, nil
}

func (a *app) makeLogs(ctx context.Context, sc simulate.Scenario, f *simulateFlags) error {
	summary, err := simulate.Run(ctx, sc, f.out, simulate.Format{JSON: f.json, Gzip: f.gzip, Hourly: f.hourly})
	if err != nil {
		return err
	}
	l := summary.Labels
	var lines []string
	for _, log := range simulate.Logs() {
		if n := l.Logs[simulate.Log(log)]; n > 0 {
			lines = append(lines, fmt.Sprintf("%s %s", hunt.Count(n), log))
		}
	}
	made := fmt.Sprintf("%s: %s, %s; records: %s", output.Clean(f.out), hunt.Many(len(summary.Files), "file"), hunt.Size(summary.Bytes), strings.Join(lines, ", "))
	fmt.Fprintln(a.Out, output.Wrap(made, a.Width, "  "))
	window := fmt.Sprintf("window %s/%s; %s and %s, labeled in %s", l.Window.Start.Format(time.RFC3339), l.Window.End.Format(time.RFC3339),
		hunt.Many(len(l.Implants), "implant"), hunt.Many(len(l.Services), "service"), simulate.LabelsFile)
	fmt.Fprintln(a.Out, output.Wrap(window, a.Width, "  "))
	return nil
}
