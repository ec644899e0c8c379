package pipeline

import (
	"fmt"
	"math"
	"strings"
	"time"

	"dwell/internal/hunt"
	"dwell/internal/pipeline/material"
	"dwell/scoring"
)

// cleanHours is the share of hours with connections that complete coverage needs.
const cleanHours = 0.95

// coveredHours is the share of the hours with connections in which a log must have records to count as whole.
const coveredHours = 0.8

// state says what the hunt can say about beacons that it did not find.
func (r *Result) state(ranked *material.Ranked, seen *hunt.Coverage) *hunt.Statement {
	w, of := r.Reading.Window, ranked.Sensitivity
	s := &hunt.Statement{Candidates: ranked.Scored, Cut: of.Cut, Hours: int64(len(of.Hours)), Skipped: of.Skipped, Selftest: of.Selftest}
	for _, with := range of.Hours {
		if with {
			s.HoursWithData++
		}
	}
	for i := range r.Findings {
		if r.Findings[i].Dwell.Safelisted {
			s.Safelisted++
		}
	}
	floors := detectable(s, w.Duration().Seconds())
	told, lacks := covered(s, seen)
	s.Logs = logCoverage(r.Reading.Logs, s.HoursWithData)
	logs, short := coveredBy(s.Logs, w)
	told, lacks = append(told, logs...), append(lacks, short...)
	if len(r.Reading.Gaps) > 0 {
		lacks = append(lacks, "the hunt is incomplete")
	}
	if float64(s.HoursWithData) < cleanHours*float64(s.Hours) || s.Hours == 0 {
		lacks = append(lacks, fmt.Sprintf("only %s of %s hours have connections", hunt.Count(s.HoursWithData), hunt.Count(s.Hours)))
	}
	s.Complete = len(lacks) == 0
	if n := s.Skipped; n != (hunt.Skipped{}) {
		told = append(told, "too busy to be scored as a whole: "+busy(n))
	}
	if text := r.Reading.OutOfScope.Text(); text != "" {
		told = append(told, text)
	}
	s.Covered, s.Missing = told, lacks
	s.Text = fmt.Sprintf("%s tested, connections in %s of %s hours, %s safelisted; %s. "+
		"Check-ins needed for a score >= %.2f in 95%% of cases, %s.",
		hunt.Many(s.Candidates, "candidate"), hunt.Count(s.HoursWithData), hunt.Count(s.Hours), hunt.Many(s.Safelisted, "finding"), strings.Join(told, "; "), s.Cut, floors)
	if s.Selftest != nil {
		s.Text += " " + selftestText(s.Selftest, s.Cut) + "."
	}
	if !s.Complete {
		s.Text += " Coverage incomplete: " + strings.Join(lacks, "; ") + "."
	}
	return s
}

// detectable fills in what beacons need to be found in a window of so many seconds, and says it. What takes longer than
// the hours with connections is not promised: nothing shows that the others were seen.
func detectable(s *hunt.Statement, window float64) string {
	n := int(s.Candidates)
	need := func(kind string, period, jitter, missed float64, f scoring.Floor) string {
		if f.Hours > float64(s.HoursWithData) {
			f = scoring.Floor{}
		}
		s.Floor = append(s.Floor, hunt.Floor{Kind: kind, Period: period, Jitter: jitter, Missed: missed, CheckIns: int64(f.CheckIns), Hours: material.Round(f.Hours)})
		switch {
		case f.CheckIns == 0:
			return "not in this window"
		case kind == hunt.FloorWorkingHours:
			return fmt.Sprintf("%s in %s", hunt.Count(f.CheckIns), hunt.Many(int64(math.Round(f.Hours/scoring.WorkingHours)), "day"))
		}
		return fmt.Sprintf("%s in %.1fh", hunt.Count(f.CheckIns), f.Hours)
	}
	every := func(period float64, texts ...string) string {
		return "every " + scoring.Span(period) + ": " + strings.Join(texts, " / ")
	}
	var plain, pauses, days []string
	for _, period := range [...]float64{60, 600, 3600, 14400} {
		var texts []string
		for _, of := range [...]struct{ jitter, missed float64 }{{0.2, 0}, {0.5, 0.3}, {0.9, 0}} {
			if period == 14400 && of.jitter > 0.2 {
				continue // longer than any window of a hunt
			}
			texts = append(texts, need("", period, of.jitter, of.missed, scoring.DetectionFloor(n, window, period, of.jitter, of.missed, s.Cut)))
		}
		plain = append(plain, every(period, texts...))
	}
	for _, period := range [...]float64{60, 600, 3600} {
		pauses = append(pauses, every(period, need(hunt.FloorPauses, period, 0.2, 0, scoring.PauseFloor(n, window, period, 0.2, s.Cut))))
	}
	text := "with 20% jitter / 50% and 30% missed / 90%: " + strings.Join(plain, "; ") +
		"; of loops that work up to half of the time and then sleep, with 20% jitter: " + strings.Join(pauses, "; ")
	if window < 3*86400 {
		return text
	}
	for _, period := range [...]float64{3600, 7200, 14400} {
		var texts []string
		for _, jitter := range [...]float64{0.2, 0.5} {
			texts = append(texts, need(hunt.FloorWorkingHours, period, jitter, 0, scoring.DayFloor(n, window, period, jitter, s.Cut)))
		}
		days = append(days, every(period, texts...))
	}
	return text + fmt.Sprintf("; within %.0f hours a day, with 20%% jitter / 50%%: ", scoring.WorkingHours) + strings.Join(days, "; ")
}

// coveredBy says how much of the window each log besides conn covers, and which of them are no basis for a result:
// their records end, or begin, hours from where connections do.
func coveredBy(logs []hunt.LogCoverage, w hunt.Window) (told, lacks []string) {
	hours := int64((w.Duration() + time.Hour - 1) / time.Hour)
	for _, l := range logs {
		text := fmt.Sprintf("%s records in %s of %s hours", l.Log, hunt.Count(l.Hours), hunt.Count(hours))
		if !l.Whole {
			text += fmt.Sprintf(" only, from %s to %s", l.First.UTC().Format(time.RFC3339), l.Last.UTC().Format(time.RFC3339))
			if l.Log == "dns" || l.Log == "ssl" { // what every busy hour has
				lacks = append(lacks, text)
				continue
			}
		}
		told = append(told, text)
	}
	return told, lacks
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

// selftestText is a sentence about it, by period.
func selftestText(s *hunt.Selftest, cut float64) string {
	type sum struct{ found, injected int64 }
	var order []float64
	by := map[float64]sum{}
	for _, c := range s.Cells {
		if _, ok := by[c.Period]; !ok {
			order = append(order, c.Period)
		}
		n := by[c.Period]
		by[c.Period] = sum{n.found + c.FoundAlone + c.FoundAmong, n.injected + c.InjectedAlone + c.InjectedAmong}
	}
	var parts []string
	for _, period := range order {
		parts = append(parts, fmt.Sprintf("every %s %s of %s", scoring.Span(period), hunt.Count(by[period].found), hunt.Count(by[period].injected)))
	}
	text := fmt.Sprintf("Self-test: %[2]s of %[1]s beacons injected into this window, half of them under other traffic, score >= %.2[3]f (%[4]s)",
		hunt.Count(s.Injected), hunt.Count(s.Found), cut, strings.Join(parts, ", "))
	if len(s.Presence) > 0 {
		parts = nil
		for _, c := range s.Presence {
			parts = append(parts, fmt.Sprintf("mean pause %s %s of %s", scoring.Span(c.MeanPause), hunt.Count(c.Found), hunt.Count(c.Injected)))
		}
		text += "; of hosts active all through without a rhythm: " + strings.Join(parts, ", ")
	}
	parts = nil
	for _, c := range s.Campaigns {
		what := "no campaign"
		if c.Grouped > 0 {
			what = fmt.Sprintf("one campaign of %s, %s", hunt.Many(c.Grouped, "host"), c.Severity)
		}
		parts = append(parts, fmt.Sprintf("on %s hosts %s", hunt.Count(c.Hosts), what))
	}
	return text + "; one implant " + strings.Join(parts, ", ")
}
