package campaign

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"dwell/internal/evidence"
	"dwell/internal/hunt"
	"dwell/scoring"
)

const (
	// likePeriod, likeSize and likeJitter are how much the measured rhythms of one program differ between hosts: ratios
	// of the periods and sizes, and a share of the larger jitter, which is at least leastJitter.
	likePeriod, likeSize, likeJitter, leastJitter = 1.1, 1.25, 0.4, 0.05
	// loud is the least severity with which a rhythm alone joins hosts: medium.
	loud = 2
)

// usual are the intervals, in seconds, that name campaigns. Measured periods differ a little from day to day, so a name
// has the nearest of these; an implant's sleep is mostly one of them.
func usual() []float64 {
	return []float64{10, 15, 20, 30, 45, 60, 90, 120, 180, 240, 300, 450, 600, 900, 1200, 1800, 2700, 3600, 5400, 7200, 10800, 14400, 21600, 28800, 43200, 86400}
}

// pace is the rhythm of a finding.
type pace struct {
	finding              int
	port                 int64
	transport            string
	period, jitter, size float64
}

func (p *pace) like(o *pace) bool {
	ratio := func(a, b float64) float64 { return max(a, b) / max(1, min(a, b)) }
	return p.port == o.port && p.transport == o.transport && ratio(p.period, o.period) <= likePeriod && ratio(p.size, o.size) <= likeSize &&
		math.Abs(p.jitter-o.jitter) <= max(leastJitter, likeJitter*max(p.jitter, o.jitter))
}

// rhythms names each finding's rhythm where hosts with rare destinations of their own share it, as one program's would
// be: those like the strongest finding's in period, jitter, size and port.
func rhythms(findings []hunt.Finding, parent []int) map[int]string {
	type step struct {
		port      int64
		transport string
		period    int
	}
	leads := map[step][]*pace{} // by their period on a scale of likePeriod: a lead is in the same step or the next
	of := map[*pace][]*pace{}
	var order []*pace
	for i := range findings {
		p := paceOf(&findings[i])
		if parent[i] < 0 || p == nil {
			continue
		}
		p.finding = i
		at := step{p.port, p.transport, int(math.Floor(math.Log(p.period) / math.Log(likePeriod)))}
		var lead *pace
		for _, near := range []int{-1, 0, 1} {
			for _, l := range leads[step{at.port, at.transport, at.period + near}] {
				if p.like(l) && (lead == nil || l.finding < lead.finding) {
					lead = l
				}
			}
		}
		if lead == nil {
			lead, leads[at], order = p, append(leads[at], p), append(order, p)
		}
		of[lead] = append(of[lead], p)
	}
	hosts := func(lead *pace) int {
		seen := map[host]bool{}
		for _, p := range of[lead] {
			seen[host{findings[p.finding].Dwell.InternalIP, findings[p.finding].Dwell.Sensor}] = true
		}
		return len(seen)
	}
	slices.SortStableFunc(order, func(a, b *pace) int { return cmp.Compare(hosts(b), hosts(a)) })
	names, taken := map[int]string{}, map[string]bool{}
	for _, lead := range order {
		if hosts(lead) < 2 {
			break
		}
		name := nameOf(of[lead])
		for n := 2; taken[name]; n++ { // another one near the same interval, on fewer hosts
			name = fmt.Sprintf("%s (%d)", nameOf(of[lead]), n)
		}
		taken[name] = true
		for _, p := range of[lead] {
			names[p.finding] = name
		}
	}
	return names
}

// paceOf is the rhythm of a finding; nil if it has none to share.
func paceOf(f *hunt.Finding) *pace {
	b := f.Beacon
	rare := slices.ContainsFunc(f.Dwell.Modifiers, func(m hunt.Modifier) bool { return m.Name == evidence.Rare })
	if b == nil || b.Period == nil || b.Jitter == nil || *b.Period <= 0 || !rare || f.Dwell.Explained != "none" || f.Event.Severity < loud ||
		f.Network.Connections == 0 || f.Dwell.DNS != nil {
		return nil
	}
	return &pace{port: int64(f.Destination.Port), transport: f.Network.Transport, period: *b.Period, jitter: *b.Jitter,
		size: float64(f.Client.Bytes) / float64(f.Network.Connections)}
}

// nameOf names a rhythm by the usual interval nearest to the median of its members.
func nameOf(members []*pace) string {
	periods := make([]float64, len(members))
	for i, p := range members {
		periods[i] = p.period
	}
	slices.Sort(periods)
	period := periods[len(periods)/2]
	nearest := slices.MinFunc(usual(), func(a, b float64) int {
		return cmp.Compare(math.Abs(math.Log(a/period)), math.Abs(math.Log(b/period)))
	})
	return fmt.Sprintf("about every %s, %d/%s", scoring.Span(nearest), members[0].port, members[0].transport)
}
