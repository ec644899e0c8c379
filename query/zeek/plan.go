package zeek

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"dwell/internal/hunt"
	"dwell/query/zeek/log"
)

// Plan is [hunt.Session.Plan]: the files that would be read, those left out, and why.
func (s *Source) Plan(ctx context.Context, req hunt.Request) ([]string, error) {
	in := &reading{Source: s, req: req, report: &log.Report{}, kinds: connKinds}
	var err error
	if in.set, err = s.look(ctx, in.report); err != nil {
		return nil, err
	}
	if err := in.nothing(); err != nil {
		return nil, err
	}
	in.report.Left(in.set.Left)
	var lines []string
	var bytes int64
	files := filesOf(in.set, huntedLogs...)
	for _, f := range files {
		kinds := slices.Sorted(maps.Keys(f.Kinds))
		lines = append(lines, fmt.Sprintf("read %s (%s, %d bytes)", f.Path, listOf(kinds), f.Size))
		bytes += f.Size
	}
	lines = append(lines, fmt.Sprintf("%d files, %d bytes", len(files), bytes))
	switch {
	case !req.From.IsZero() || !req.To.IsZero():
		lines = append(lines, "the window is the one that was given")
	case req.Since > 0:
		lines = append(lines, fmt.Sprintf("a first pass finds the newest connection; the window is the %s before it", req.Since))
	default:
		lines = append(lines, "the window is what the logs span")
	}
	for _, n := range append(in.report.Notes, in.report.Gaps...) {
		lines = append(lines, n.String())
	}
	return lines, nil
}

func listOf(kinds []log.Kind) (text string) {
	for i, k := range kinds {
		if i > 0 {
			text += ", "
		}
		text += string(k)
	}
	return text
}
