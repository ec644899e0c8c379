package elastic

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"dwell/internal/hunt"
)

// Plan implements [hunt.Session.Plan]: window, indices, and how many connections a hunt would read in how many
// requests. It only counts on the server, within a few hundred milliseconds.
func (s *Source) Plan(ctx context.Context, req hunt.Request) ([]string, error) {
	now, notes, err := s.clock(ctx)
	if err != nil {
		return nil, err
	}
	window, err := req.WindowAt(now)
	if err != nil {
		return nil, err
	}
	p, err := s.place(ctx)
	if err != nil {
		return nil, err
	}
	r := newReading(s, p, log{many: "connections", query: connQuery(req.Scope), window: window,
		from: window.ReadFrom().UnixMilli(), to: window.End.UnixMilli(), rows: rowsOf(connection(), nil)}, req)
	n, err := r.count(ctx, r.query.in(r.from, r.to))
	if err != nil {
		return nil, err
	}
	requests := (n + int64(s.opt.SliceDocs) - 1) / int64(s.opt.SliceDocs)
	lines := []string{
		"window " + window.String(),
		"indices " + strings.Join(p.now(), ", "),
		fmt.Sprintf("%d connections in scope (%s), since %s for RITA's numbers", n, req.Scope.Direction, stamp(r.from)),
		fmt.Sprintf("about %d requests of %d connections each, %d at a time; then names and DNS queries by the same slices", requests, s.opt.SliceDocs, s.opt.Concurrency),
	}
	for _, n := range slices.Concat(notes, p.notes, p.lost()) {
		lines = append(lines, n.String())
	}
	return lines, nil
}
