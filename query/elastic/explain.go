package elastic

import (
	"context"
	"fmt"
	"strings"

	"dwell/internal/hunt"
)

// Plan is [hunt.Session.Plan]: window, indices, how many connections a hunt would read and in how many requests. It
// counts on the server, which costs a few hundred milliseconds, and reads nothing.
func (s *Source) Plan(ctx context.Context, req hunt.Request) ([]string, error) {
	now, notes, err := s.clock(ctx)
	if err != nil {
		return nil, err
	}
	window, err := resolve(req, now)
	if err != nil {
		return nil, err
	}
	names, more, err := s.indices(ctx)
	if err != nil {
		return nil, err
	}
	r := newReading(s, names, log{many: "connections", query: connQuery(req.Scope), window: window,
		from: window.ReadFrom().UnixMilli(), to: window.End.UnixMilli(), rows: rowsOf(connection(), nil)}, req)
	n, err := r.count(ctx, r.query.in(r.from, r.to))
	if err != nil {
		return nil, err
	}
	slices := (n + int64(s.opt.SliceDocs) - 1) / int64(s.opt.SliceDocs)
	lines := []string{
		"window " + window.String(),
		"indices " + strings.Join(names, ", "),
		fmt.Sprintf("%d connections in scope (%s), from %s on for RITA's numbers", n, req.Scope.Direction, stamp(r.from)),
		fmt.Sprintf("about %d requests of %d connections each, %d at a time; then names and DNS queries by the same slices", slices, s.opt.SliceDocs, s.opt.Concurrency),
	}
	for _, n := range append(notes, more...) {
		lines = append(lines, n.String())
	}
	return lines, nil
}
