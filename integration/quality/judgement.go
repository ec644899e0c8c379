package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"dwell/internal/evidence/judges"
	"dwell/internal/hunt"
	"dwell/internal/pipeline"
	"dwell/internal/pipeline/rank"
	"dwell/internal/simulate"
	"dwell/query/zeek"
)

// judgmentHosts is the number of workstations of the simulated site.
const judgmentHosts = 100

// judgment is the result for a simulated day's campaigns on a site without history: the fleet with the highest score,
// the lowest implant that has a name and works on one host, and how many of those exceed the fleets.
type judgment struct {
	fleets          int
	fleet           float64
	implants, above int
	quietest        float64
}

// judged hunts a simulated day with all evidence that the program has by itself.
func judged(ctx context.Context, seed uint64) (j judgment, err error) {
	dir, err := os.MkdirTemp("", "quality.")
	if err != nil {
		return j, fmt.Errorf("judgment: %w", err)
	}
	defer os.RemoveAll(dir)
	sc := simulate.Default()
	sc.Seed, sc.Hosts, sc.Start = seed, judgmentHosts, time.Date(2026, 9, 22, 0, 0, 0, 0, time.UTC)
	made, err := simulate.Run(ctx, sc, dir, simulate.Format{})
	if err != nil {
		return j, err
	}
	set, err := judges.Open(ctx, judges.Settings{})
	if err != nil {
		return j, err
	}
	res, err := pipeline.Run(ctx, zeek.New(zeek.Options{Paths: []string{dir}}), pipeline.Options{Ranking: rank.Ranking{Judges: set.List()}, MinScore: 0.2, Now: time.Now,
		Request: hunt.Request{Scope: hunt.NewScope(nil, hunt.Outbound)}})
	if err != nil {
		return j, err
	}
	for _, s := range made.Labels.Services {
		for _, c := range res.Campaigns {
			if len(s.Sources) >= 3 && s.Domain != "" && strings.HasSuffix(s.Domain, c.Name) {
				j.fleets++
				j.fleet = max(j.fleet, c.Score)
			}
		}
	}
	j.quietest = 1
	for _, i := range made.Labels.Implants {
		best := 0.0
		for _, f := range res.Findings {
			name := strings.TrimPrefix(f.Destination.Domain, "*.")
			if len(i.Sources) == 1 && f.Dwell.InternalIP == i.Sources[0] && name != "" && strings.HasSuffix(i.Domain, name) {
				best = max(best, f.Dwell.Score)
			}
		}
		if best == 0 {
			continue // without its own name, or not in this window
		}
		j.implants++
		j.quietest = min(j.quietest, best)
		if best > j.fleet {
			j.above++
		}
	}
	return j, nil
}

// printJudgment prints a row per simulated day and returns how many miss the target: every implant above every fleet,
// and no fleet critical.
func printJudgment(ctx context.Context, w io.Writer, seeds int) (missed int, err error) {
	fmt.Fprintf(w, "-- judgment: campaigns of %d hosts without history; target: every implant above every fleet, no fleet above .70\n", judgmentHosts)
	for seed := range uint64(seeds) {
		j, err := judged(ctx, 1+seed)
		if err != nil {
			return missed, err
		}
		verdict := ""
		if j.above < j.implants || j.fleet > 0.7 || j.fleets == 0 || j.implants == 0 {
			missed++
			verdict = "  MISSED"
		}
		fmt.Fprintf(w, "judgment, day %d: %d fleets, the loudest %.3f; %d of %d implants above it, the quietest %.3f%s\n", 1+seed, j.fleets, j.fleet, j.above, j.implants, j.quietest, verdict)
	}
	return missed, nil
}
