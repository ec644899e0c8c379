package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"dwell/internal/hunt"
)

// coverage is the coverage statement as a table.
type coverage struct {
	Complete bool
	// Gaps are what could not be read, Missing why the statement is incomplete, Notes further remarks.
	Gaps, Missing, Notes []string
	Rows                 []fact
	// Cut is the score that Floors refer to.
	Cut    float64
	Floors []floor
	Test   []fact
}

// floor is how many check-ins a beacon of an interval needs to reach the score, by regularity.
type floor struct{ Every, Regular, Irregular string }

func cover(doc *hunt.Document) *coverage {
	if doc == nil {
		return nil
	}
	d, h := &doc.Dwell, &doc.Dwell.Hunt
	c := &coverage{Complete: h.Complete, Gaps: h.Gaps, Notes: h.Notes}
	var l facts
	l.add("Window", "%s to %s (%s)", moment(d.Window.Start), moment(d.Window.End), hunt.Brief(d.Window.End.Sub(d.Window.Start.Time).Seconds()))
	l.add("Read from", "%s", h.Source)
	l.list("Internal networks", h.Internal)
	l.add("Direction", "%s", h.Direction)
	l.add("Connections analyzed", "%s of %s", hunt.Count(h.Connections), hunt.Many(h.Pairs, "pair"))
	l.add("Candidates scored", "%s", hunt.Count(h.Scored))
	if s := h.Statement; s != nil {
		c.Complete = c.Complete && s.Complete
		c.Missing, c.Cut = s.Missing, s.Cut
		l.add("Hours with connections", "%s of %s", hunt.Count(s.HoursWithData), hunt.Count(s.Hours))
		for _, x := range s.Sensors[:min(len(s.Sensors), 5)] {
			l.add("Sensor "+cut(x.Name, 60), "%s", hunt.Many(x.Hours, "hour")+" with records")
		}
		for _, text := range s.Covered {
			name, what := split(text)
			l.add(name, "%s", what)
		}
		l.add("Safelisted", "%s", hunt.Many(s.Safelisted, "finding"))
		c.floors(s)
		if t := s.Selftest; t != nil {
			c.Test = append(c.Test, fact{"Self-test", fmt.Sprintf("%s of %s injected beacons found", hunt.Count(t.Found), hunt.Count(t.Injected))})
		}
	}
	l.add("Profile", "%s, dwell %s", d.Profile, d.Version)
	c.Rows = l
	return c
}

// split splits a part of the statement into its subject and the rest.
func split(covered string) (name, text string) {
	log, rest, ok := strings.Cut(covered, " records in ")
	if ok && !strings.Contains(log, " ") {
		return "Log " + log, "records in " + rest
	}
	for start, name := range map[string]string{"packet loss": "Packet loss", "too busy": "Skipped"} {
		if strings.HasPrefix(covered, start) {
			return name, covered
		}
	}
	return "Also", covered
}

func (c *coverage) floors(s *hunt.Statement) {
	by := map[float64]*floor{}
	var order []float64
	for _, f := range s.Floor {
		row := by[f.Period]
		if row == nil {
			row = &floor{Every: hunt.Brief(f.Period), Irregular: "not in this window", Regular: "not in this window"}
			by[f.Period] = row
			order = append(order, f.Period)
		}
		if f.CheckIns == 0 {
			continue
		}
		text := fmt.Sprintf("%s in %s", hunt.Many(f.CheckIns, "check-in"), hunt.Brief(3600*f.Hours))
		if f.Missed > 0 {
			row.Irregular = text
		} else {
			row.Regular = text
		}
	}
	slices.Sort(order)
	for _, period := range order {
		c.Floors = append(c.Floors, *by[period])
	}
}

// summary is the overview for a manager.
type summary struct {
	// By severity, the number of entries (campaigns and single findings).
	By []fact
	// Entries, Findings and Hosts are their numbers.
	Entries, Findings, Hosts int
	// Median and Longest dwell time of entries of severity medium or higher, empty if unknown.
	Median, Longest string
	// Techniques shown by evidence, most frequent first, with the number of entries.
	Techniques []string
	Indicators []string
}

func sum(entries []entry, findings []hunt.Finding) summary {
	s := summary{Entries: len(entries), Findings: len(findings)}
	by, techniques := map[string]int{}, map[string]int{}
	internal := map[string]bool{}
	var times []*hunt.DwellTime
	for i := range entries {
		e := &entries[i]
		by[e.Severity()]++
		for _, t := range e.Lead.Threat.Techniques() {
			techniques[t]++
		}
		for _, f := range e.Members {
			internal[f.Dwell.InternalIP.String()] = true
			for _, x := range f.Dwell.Indicators {
				if known(x) && !slices.Contains(s.Indicators, x) {
					s.Indicators = append(s.Indicators, x)
				}
			}
		}
		if d := e.DwellTime(); d != nil {
			times = append(times, d)
		}
	}
	for _, word := range []string{"critical", "high", "medium", "low"} {
		s.By = append(s.By, fact{word, hunt.Count(by[word])})
	}
	s.Hosts = len(internal)
	slices.Sort(s.Indicators)
	if len(times) > 0 {
		slices.SortFunc(times, func(a, b *hunt.DwellTime) int { return cmp.Compare(a.Seconds, b.Seconds) })
		s.Median, s.Longest = dwellTime(times[len(times)/2]), dwellTime(times[len(times)-1])
	}
	for t, n := range techniques {
		s.Techniques = append(s.Techniques, fmt.Sprintf("%s (%s)", t, hunt.Count(n)))
	}
	slices.SortFunc(s.Techniques, func(a, b string) int {
		ta, _, _ := strings.Cut(a, " (")
		tb, _, _ := strings.Cut(b, " (")
		return cmp.Or(cmp.Compare(techniques[tb], techniques[ta]), cmp.Compare(a, b))
	})
	return s
}
