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
func (r *Result) state(ctx context.Context, in *hunt.Session, m *material, id *identity, c counts, o Options) (*hunt.Statement, error) {
	seen, err := r.cover(ctx, in, o)
	if err != nil {
		return nil, err
	}
	w := r.Reading.Window
	s := &hunt.Statement{Candidates: c.scored, Cut: max(severityFloor, o.MinScore), Hours: int64(len(c.hours)), HoursWithData: c.hours.count(), Skipped: c.skipped}
	for i := range r.Findings {
		if r.Findings[i].Dwell.Safelisted {
			s.Safelisted++
		}
	}
	var floors []string
	for _, period := range [...]float64{60, 600, 3600, 14400} {
		var texts []string
		for _, of := range [...]struct{ jitter, missed float64 }{{0.2, 0}, {0.5, 0.3}} {
			if period == 14400 && of.missed > 0 {
				continue // no window that people hunt in is long enough
			}
			f := scoring.DetectionFloor(int(c.scored), w.Duration().Seconds(), period, of.jitter, of.missed, s.Cut)
			s.Floor = append(s.Floor, hunt.Floor{Period: period, Jitter: of.jitter, Missed: of.missed, CheckIns: int64(f.CheckIns), Hours: round(f.Hours)})
			text := "too few fit in"
			if f.CheckIns > 0 {
				text = fmt.Sprintf("%s in %.1f h", hunt.Count(f.CheckIns), f.Hours)
			}
			texts = append(texts, text)
		}
		floors = append(floors, fmt.Sprintf("every %s %s", scoring.Span(period), strings.Join(texts, " / ")))
	}
	told, lacks := covered(s, &seen)
	if id.incomplete {
		lacks = append(lacks, "the hunt is incomplete")
	}
	if float64(s.HoursWithData) < cleanHours*float64(s.Hours) || s.Hours == 0 {
		lacks = append(lacks, fmt.Sprintf("only %s of %s hours have connections", hunt.Count(s.HoursWithData), hunt.Count(s.Hours)))
	}
	s.Complete = len(lacks) == 0
	if n := c.skipped; n != (hunt.Skipped{}) {
		told = append(told, "too busy to be judged as a whole: "+busy(n))
	}
	s.Text = fmt.Sprintf("%s tested, connections in %s of %s hours, %s safelisted; %s. "+
		"A beacon scores %.2f or more with a likelihood of 95 %% from so many check-ins on, if its gaps vary by 20 %% / by 50 %% with 30 %% missed: %s.",
		hunt.Many(s.Candidates, "key"), hunt.Count(s.HoursWithData), hunt.Count(s.Hours), hunt.Many(s.Safelisted, "finding"), strings.Join(told, "; "), s.Cut, strings.Join(floors, "; "))
	if o.Selftest && w != (hunt.Window{}) && o.looksFor("beacon") {
		s.Selftest = selftest(ctx, m, w, c, o)
		s.Text += " " + selftestText(s.Selftest, s.Cut) + "."
	}
	if !s.Complete {
		s.Text += " No clean bill: " + strings.Join(lacks, "; ") + "."
	}
	return s, cmp.Or(ctx.Err(), m.err())
}

// busy names what was skipped.
func busy(n hunt.Skipped) string {
	var parts []string
	for _, of := range [...]struct {
		count int64
		one   string
	}{{n.Networks, "network"}, {n.Fingerprints, "TLS fingerprint"}, {n.Domains, "domain"}} {
		if of.count > 0 {
			parts = append(parts, hunt.Many(of.count, of.one))
		}
	}
	return strings.Join(parts, ", ")
}
