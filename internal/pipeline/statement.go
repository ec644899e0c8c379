package pipeline

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"dwell/internal/hunt"
	"dwell/scoring"
)

const hourMillis = 3_600_000

// hours notes in which hours of a window, counted from its start, there were connections.
type hours []bool

func newHours(w hunt.Window) hours {
	return make(hours, (w.Duration().Milliseconds()+hourMillis-1)/hourMillis)
}

func (h hours) add(other hours) {
	for i, with := range other {
		h[i] = h[i] || with
	}
}

func (h hours) count() (n int64) {
	for _, with := range h {
		if with {
			n++
		}
	}
	return n
}

// cleanHours is the share of the hours that must have connections for a clean bill.
const cleanHours = 0.95

// state is what a hunt by our own score can say of beacons that it did not find.
func (r *Result) state(ctx context.Context, src hunt.Source, m *material, id *identity, c counts, o Options) (*hunt.Statement, error) {
	seen, err := r.cover(ctx, src, o)
	if err != nil {
		return nil, err
	}
	w := r.Reading.Window
	s := &hunt.Statement{Keys: c.scored, Cut: max(severityFloor, o.MinScore), Hours: int64(len(c.hours)), HoursWithData: c.hours.count(), Skipped: c.skipped}
	for i := range r.Findings {
		if r.Findings[i].Dwell.Safelisted {
			s.Safelisted++
		}
	}
	var floors []string
	for _, of := range [...]struct{ period, jitter, missed float64 }{
		{60, 0.2, 0}, {60, 0.5, 0.3}, {600, 0.2, 0}, {600, 0.5, 0.3}, {3600, 0.2, 0}, {3600, 0.5, 0.3}, {14400, 0.2, 0},
	} {
		f := scoring.DetectionFloor(int(c.scored), w.Duration().Seconds(), of.period, of.jitter, of.missed, s.Cut)
		s.Floor = append(s.Floor, hunt.Floor{Period: of.period, Jitter: of.jitter, Missed: of.missed, CheckIns: int64(f.CheckIns), Hours: round(f.Hours)})
		what := fmt.Sprintf("every %s ±%.0f %%", hunt.Seconds(of.period), 100*of.jitter)
		if of.missed > 0 {
			what += fmt.Sprintf(" with %.0f %% missed", 100*of.missed)
		}
		if f.CheckIns == 0 {
			floors = append(floors, what+": not in this window")
		} else {
			floors = append(floors, fmt.Sprintf("%s: %d check-ins in %.1f h", what, f.CheckIns, f.Hours))
		}
	}
	told, lacks := covered(s, &seen)
	if id.incomplete {
		lacks = append(lacks, "the hunt is incomplete")
	}
	if float64(s.HoursWithData) < cleanHours*float64(s.Hours) || s.Hours == 0 {
		lacks = append(lacks, fmt.Sprintf("only %d of %d hours have connections", s.HoursWithData, s.Hours))
	}
	s.Clean = len(lacks) == 0
	if n := c.skipped; n != (hunt.Skipped{}) {
		told = append(told, fmt.Sprintf("too busy to be judged as a whole: %d networks, %d TLS fingerprints, %d domains", n.Networks, n.Fingerprints, n.Domains))
	}
	s.Text = fmt.Sprintf("%d keys tested, connections in %d of %d hours, %d findings safelisted; %s. A beacon scores %.2f or more with a likelihood of 95 %% from here on: %s.",
		s.Keys, s.HoursWithData, s.Hours, s.Safelisted, strings.Join(told, "; "), s.Cut, strings.Join(floors, "; "))
	if o.Selftest && w != (hunt.Window{}) {
		s.Selftest = selftest(ctx, m, w, c, o)
		s.Text += " " + selftestText(s.Selftest, s.Cut) + "."
	}
	if !s.Clean {
		s.Text += " No clean bill: " + strings.Join(lacks, "; ") + "."
	}
	return s, cmp.Or(ctx.Err(), m.err())
}
