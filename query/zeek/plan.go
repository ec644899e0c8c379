package zeek

import (
	"context"
	"fmt"

	"dwell/internal/hunt"
)

// Plan is [hunt.Session.Plan]: which files would be read, and what was noticed in choosing them.
func (s *Source) Plan(ctx context.Context, req hunt.Request) ([]string, error) {
	r := &report{}
	found, err := find(s.opts.Paths, wantConnections, r)
	if err != nil {
		return nil, err
	}
	in, err := s.choose(ctx, found, r)
	if err != nil {
		return nil, err
	}
	var lines []string
	var bytes int64
	for _, f := range in.all() {
		lines = append(lines, fmt.Sprintf("read %s (%s, %d bytes)", f.path, f.kind, f.size))
		bytes += f.size
	}
	lines = append(lines, fmt.Sprintf("%d files, %d bytes", len(in.all()), bytes))
	switch {
	case !req.From.IsZero() || !req.To.IsZero():
		lines = append(lines, "the window is the one that was given")
	case req.Since > 0:
		lines = append(lines, fmt.Sprintf("a first pass finds the newest connection; the window is the %s before it", req.Since))
	default:
		lines = append(lines, "the window is what the connections in scope span")
	}
	for _, n := range append(r.notes, r.gaps...) {
		lines = append(lines, n.String())
	}
	return lines, nil
}
