// Package pipeline runs a hunt: the source fills tables with the window, a ranking makes findings of them, and the
// pipeline orders them and writes the coverage statement. It does no I/O of its own, and knows no source and no
// ranking by name.
package pipeline

import (
	"cmp"
	"context"
	"iter"
	"net/netip"
	"slices"
	"strings"
	"time"

	"dwell/internal/evidence/firstseen"
	"dwell/internal/hunt"
	"dwell/internal/pairs"
	"dwell/internal/pipeline/campaign"
	"dwell/internal/pipeline/material"
	"dwell/scoring"
)

// Ranking makes findings of what a hunt read, with its own score.
type Ranking interface {
	// Profile is its name, part of the hunt's definition.
	Profile() string
	// Revisions identify its lists, rules and weights; they become part of the hunt's revision.
	Revisions() []string
	// Shown says whether it needs what hosts show of themselves.
	Shown() bool
	// ListedName says whether an indicator list names a name; nil without a list.
	ListedName() func(name string) bool
	// Rank makes the findings.
	Rank(ctx context.Context, m *material.Material) (*material.Ranked, error)
	// Weight orders findings, the largest first.
	Weight(f *hunt.Finding) float64
}

// Options define a hunt.
type Options struct {
	// Request is the request to the source.
	Request hunt.Request
	// Indicators to look for: beacon, long, strobe, dns. Empty means all.
	Indicators []string
	// Ranking scores.
	Ranking Ranking
	// MinScore is the score below which no Finding is made. Those with a severity (0.2 or more) are always made; 0
	// makes one for every scored pair.
	MinScore float64
	// NoEvidence says that the ranking weighs no evidence, which makes it another hunt.
	NoEvidence bool
	// NoNames skips the logs of names and queries.
	NoNames bool
	// Safelist marks findings; nil marks none. It never hides one and never changes a score.
	Safelist Safelist
	// Remember fills Result.Seen.
	Remember bool
	// BySensor marks a hunt by sensor, and Sensor names the part: see RunBySensor.
	BySensor bool
	Sensor   string
	// Selftest measures the hunt's sensitivity with injected beacons, if the ranking can.
	Selftest bool
	// Memory bounds the connections in memory; the rest goes to disk during the hunt. Zero is no bound.
	Memory pairs.Budget
	// Of and About name the pair for Inspect: see material.Wanted.
	Of    netip.Addr
	About func(*hunt.Finding) bool
	// Manager is the address of Security Onion's console, at which the links of findings begin; empty makes them
	// relative.
	Manager string
	// Version of the program, part of a hunt's revision.
	Version string
	// Now is the clock. It stamps event.ingested and measures stages, nothing else.
	Now func() time.Time
}

// Safelist returns the rule that matches a finding at a time, nil for none.
type Safelist interface {
	Match(f *hunt.Finding, now time.Time) *hunt.SafelistRule
}

func (o *Options) wanted() material.Wanted {
	return material.Wanted{Request: o.Request, Indicators: o.Indicators, MinScore: o.MinScore, Sensor: o.Sensor, Selftest: o.Selftest,
		Memory: o.Memory, NoNames: o.NoNames, Shown: o.Ranking.Shown(), Of: o.Of, About: o.About, ListedName: o.Ranking.ListedName(), Manager: o.Manager, Now: o.Now}
}

// Result is a finished hunt.
type Result struct {
	// Document is the hunt's own document.
	Document hunt.Document
	// Findings, strongest first.
	Findings []hunt.Finding
	// Campaigns, strongest first: what several internal hosts do alike.
	Campaigns []hunt.Campaign
	// Reading is what the source reported, with what was reported about evidence.
	Reading hunt.Reading
	// Seen is when each external destination was seen in the window, by address and by name, and each finding that has
	// a severity; once for each of several sensors. Only with Options.Remember.
	Seen iter.Seq2[string, firstseen.Span]
}

// needs are the logs without which indicators cannot be found. Beacons are in several.
var needs = map[string]string{hunt.LongConnection: "conn", hunt.Strobe: "conn", hunt.DNSTunnel: "dns"}

// notLookedFor is a gap if nothing that was asked for can be found, since logs are missing.
func notLookedFor(indicators, missing []string) []hunt.Note {
	for _, text := range indicators {
		if i, err := hunt.ParseIndicator(text); err != nil || !slices.Contains(missing, needs[i]) {
			return nil
		}
	}
	if len(indicators) == 0 {
		return nil
	}
	return []hunt.Note{{What: "nothing was looked for: " + strings.Join(indicators, " and ") + " cannot be found without the log that is missing", Hint: "give that log, or ask for other indicators"}}
}

// Run runs a hunt. It fails if the source does; what the source could not read is in Result.Reading.Gaps, and the hunt
// is then marked incomplete.
func Run(ctx context.Context, src hunt.Source, o Options) (_ *Result, err error) {
	h, err := begin(ctx, src, &o)
	defer func() { err = cmp.Or(err, h.m.Close()) }()
	if err != nil {
		return nil, err
	}
	res, in := h.res, h.m.Session
	res.Reading.Gaps = append(res.Reading.Gaps, notLookedFor(o.Indicators, h.m.Missing)...)
	res.Reading.Add(dwellTimes(ctx, in, res.Reading.Window, res.Findings, nil))
	by := res.finish(&o, h.Sensitivity != nil)
	if in.Samples != nil {
		remarks, err := in.Samples(ctx, res.Findings)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil: // no score depends on a sample, but an analyst needs it
			remarks.Gaps = append(remarks.Gaps, hunt.Note{What: "the last connection of each finding could not be looked up: " + err.Error(),
				Hint: "findings lack source port, sensor and Zeek's uid; nothing else is affected"})
		}
		res.Reading.Add(remarks)
	}
	var seen hunt.Coverage
	if h.Sensitivity != nil {
		if seen, err = res.cover(ctx, in, h.m); err != nil {
			return nil, err
		}
	}
	id := newIdentity(&res.Reading, &o)
	id.stamp(res.Findings)
	if o.Remember {
		var notes []hunt.Note
		res.Seen, notes = h.m.Seen(res.Findings)
		res.Reading.Notes = append(res.Reading.Notes, notes...)
	}
	res.Document = id.document(&res.Reading, h.Counts, by, &o)
	if h.Sensitivity != nil {
		res.Document.Dwell.Hunt.Statement = res.state(h.Ranked, &seen)
		confide(res.Findings, res.Document.Dwell.Hunt.Statement.Logs)
	}
	res.Document.Dwell.Hunt.Stages = hunt.Stages{Read: h.read.Sub(h.begun).Seconds(), Evidence: h.Evidence.Seconds(),
		Score: (o.Now().Sub(h.read) - h.Evidence).Seconds()}
	return res, cmp.Or(ctx.Err(), h.m.Err())
}

// Inspect reads and ranks like Run, and calls look with the findings in order and all that was read, before that is
// released. It leaves out what is only stored: samples, coverage, statement. History is asked only about the findings
// that Options.About wants.
func Inspect(ctx context.Context, src hunt.Source, o Options, look func(*material.Material, *Result) error) (err error) {
	o.Selftest = false
	h, err := begin(ctx, src, &o)
	defer func() { err = cmp.Or(err, h.m.Close()) }()
	if err != nil {
		return err
	}
	h.res.Reading.Add(dwellTimes(ctx, h.m.Session, h.res.Reading.Window, h.res.Findings, o.About))
	h.res.finish(&o, h.Sensitivity != nil)
	id := newIdentity(&h.res.Reading, &o)
	id.stamp(h.res.Findings)
	return cmp.Or(look(h.m, h.res), h.m.Err())
}

// halfway is a hunt that has read and ranked.
type halfway struct {
	*material.Ranked
	m   *material.Material
	res *Result
	// begun and read are when it began, and when all was read.
	begun, read time.Time
}

// begin reads and ranks. The material must be closed, after an error too.
func begin(ctx context.Context, src hunt.Source, o *Options) (h halfway, err error) {
	h.begun = o.Now()
	var reading hunt.Reading
	if h.m, reading, err = material.Gather(ctx, src.Open(), o.wanted()); err != nil {
		return h, err
	}
	h.read = o.Now()
	if h.Ranked, err = o.Ranking.Rank(ctx, h.m); err != nil {
		return h, err
	}
	h.res = &Result{Reading: reading, Findings: h.Findings}
	h.res.Reading.Add(h.Remarks)
	return h, nil
}

// apart is the least difference of two scores, so that all lists have one order. Elasticsearch keeps 24 bits of a
// score.
const apart = 1e-6

// separate lowers the second of two equal scores a little, within its severity. Findings are sorted by score.
func separate(findings []hunt.Finding) {
	for i := 1; i < len(findings); i++ {
		f, before := &findings[i], findings[i-1].Dwell.Score
		if score := before - apart; f.Dwell.Score > score && scoring.SeverityOf(score) == scoring.SeverityOf(f.Dwell.Score) {
			f.Dwell.Score = score
		}
	}
}

// finish sorts the findings, separates equal scores of dwell's ranking, adds what does not change scores, finds
// campaigns, and counts by severity.
func (r *Result) finish(o *Options, own bool) (by hunt.BySeverity) {
	order(r.Findings, o.Ranking)
	if own { // RITA's scores stay as RITA computes them
		separate(r.Findings)
	}
	for i := range r.Findings {
		if f := &r.Findings[i]; o.Safelist != nil {
			f.Dwell.Safelist = o.Safelist.Match(f, o.Now())
			f.Dwell.Safelisted = f.Dwell.Safelist.Marks()
			if rule := f.Dwell.Safelist; rule != nil && rule.Broken != "" {
				f.Dwell.Reasons = slices.Insert(f.Dwell.Reasons, 0, "safelisted by rule "+rule.Name+", but "+rule.Broken)
			}
		}
		r.Findings[i].Threat = hunt.ThreatOf(&r.Findings[i])
		switch r.Findings[i].Dwell.Severity {
		case "critical":
			by.Critical++
		case "high":
			by.High++
		case "medium":
			by.Medium++
		case "low":
			by.Low++
		}
	}
	r.Campaigns = campaign.Of(r.Findings)
	for i := range r.Findings {
		r.Findings[i].Dwell.Subject = hunt.SubjectOf(&r.Findings[i])
	}
	return by
}
