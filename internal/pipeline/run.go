// Package pipeline carries a hunt out: it lets a source read the window, merges what comes into pairs, scores every
// pair and writes the findings down, strongest first. It does no I/O of its own and knows no source by name.
package pipeline

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"time"

	"dwell/internal/evidence"
	"dwell/internal/evidence/firstseen"
	"dwell/internal/hunt"
	"dwell/internal/pairs"
	"dwell/scoring"
)

// Options say what a hunt is to be.
type Options struct {
	// Request is what the source is asked for.
	Request hunt.Request
	// Indicators to look for: beacon, long, strobe, dns. Empty means all.
	Indicators []string
	// Profile is the score that ranks.
	Profile string
	// MinScore is the score below which no Finding is made, beside those that have a severity (0.2 or more), which
	// are always made. 0 makes one for every pair that was scored.
	MinScore float64
	// NoNames leaves the logs of names and queries unread.
	NoNames bool
	// Safelist marks findings; nil marks none. It never hides and never changes a score.
	Safelist Safelist
	// Judges weigh evidence about the findings that have an indicator, in this order (profile dwell).
	Judges []evidence.Judge
	// RITA are the settings of profile rita; zero means those that RITA ships.
	RITA scoring.RITASettings
	// Remember fills Result.Seen.
	Remember bool
	// BySensor says that the hunt is one by sensor, Sensor whose part of it this is: see RunBySensor.
	BySensor bool
	Sensor   string
	// Selftest measures the hunt's sensitivity with injected beacons (profile dwell).
	Selftest bool
	// Weights of the modifiers; nil means the defaults.
	Weights evidence.Weights
	// Memory bounds what the connections take; what is beyond goes to disk while the hunt lasts. Zero is no bound.
	Memory pairs.Budget
	// Manager is the address of Security Onion's console, which the links of findings begin with; empty leaves them
	// relative to it.
	Manager string
	// Version of the program, part of a hunt's revision.
	Version string
	// Now is the clock. It stamps event.ingested and measures stages, nothing else.
	Now func() time.Time
}

// Safelist gives the rule that matches a finding at a time, nil for none.
type Safelist interface {
	Match(f *hunt.Finding, now time.Time) *hunt.SafelistRule
}

// looksFor says whether an indicator was asked for.
func (o *Options) looksFor(indicator string) bool {
	return len(o.Indicators) == 0 || slices.Contains(o.Indicators, indicator)
}

// Result is a hunt that was carried out.
type Result struct {
	// Document is the hunt's own record.
	Document hunt.Document
	// Findings, strongest first.
	Findings []hunt.Finding
	// Reading is what the source said.
	Reading hunt.Reading
	// Seen is when each external destination was seen in the window, by address and by name, and the story of each finding that has a
	// severity; what several sensors saw comes once for each. Only with Options.Remember.
	Seen iter.Seq2[string, firstseen.Span]
}

// severityFloor is the score from which a finding has a severity.
const severityFloor = 0.2

// Run carries a hunt out. It fails when the source does; what the source could not read in part stands in
// Result.Reading.Gaps, and the hunt is then marked incomplete.
func Run(ctx context.Context, src hunt.Source, o Options) (_ *Result, err error) {
	defer collectOften()()
	in := src.Open()
	begun := o.Now()
	m, reading, err := gather(ctx, in, o)
	defer func() { err = cmp.Or(err, m.close()) }()
	if err != nil {
		return nil, err
	}
	read := o.Now()

	id := newIdentity(&reading, &o)
	res := &Result{Reading: reading}
	counts, weighed, err := res.judge(ctx, in, &m, &id, o)
	if err != nil {
		return nil, err
	}
	if in.Samples != nil {
		remarks, err := in.Samples(ctx, res.Findings)
		if err != nil {
			return nil, err
		}
		res.Reading.Add(remarks)
	}
	if o.Remember {
		res.Seen = m.seen(reading.Window, o.Request.Scope, res.Findings)
	}
	var statement *hunt.Statement
	if o.Profile != ProfileRITA {
		if statement, err = res.state(ctx, in, &m, &id, counts, o); err != nil {
			return nil, err
		}
	}
	res.Document = id.document(&res.Reading, counts, o)
	res.Document.Dwell.Hunt.Statement = statement
	res.Document.Dwell.Hunt.Stages = hunt.Stages{Read: read.Sub(begun).Seconds(), Evidence: weighed.Seconds(),
		Score: (o.Now().Sub(read) - weighed).Seconds()}
	return res, nil
}

// identity is what all findings of a hunt share.
type identity struct {
	definition     hunt.Definition
	hunt, revision string
	incomplete     bool
	ingested       hunt.Time
}

func newIdentity(reading *hunt.Reading, o *Options) identity {
	id := identity{definition: hunt.Definition{
		Source: reading.Source, Window: reading.Window, Internal: o.Request.Scope.Internal,
		Direction: o.Request.Scope.Direction, Indicators: o.Indicators, Profile: o.Profile, BySensor: o.BySensor || o.Sensor != "",
	}}
	id.hunt = id.definition.ID()
	id.revision = hunt.Revision(id.hunt, reading, o.Version, evidence.Revisions(o.Judges, o.Weights)...)
	id.incomplete = len(reading.Gaps) > 0
	id.ingested = hunt.Time{Time: o.Now().UTC().Truncate(time.Millisecond)}
	return id
}

// counts of a hunt.
type counts struct {
	connections, pairs, scored int64
	severities                 hunt.BySeverity
	// hours and skipped are profile dwell's only.
	hours   hours
	skipped hunt.Skipped
}

// The profiles.
const (
	// ProfileDwell ranks by our own score (docs/detection.md), ProfileRITA as RITA v5 does.
	ProfileDwell = "dwell"
	ProfileRITA  = "rita"
)

// judge scores every pair on all cores, lets the evidence be weighed, and keeps the findings in order of their weight. It
// also gives the time that the evidence took.
func (r *Result) judge(ctx context.Context, in *hunt.Session, m *material, id *identity, o Options) (sum counts, weighed time.Duration, err error) {
	if o.Profile == ProfileRITA {
		sum = r.rita(ctx, m, id, o)
	} else {
		var subjects []*evidence.Subject
		sum, subjects = dwell(ctx, m, id, o)
		if err := m.err(); err != nil {
			return sum, 0, err
		}
		begun := o.Now()
		if err := r.weigh(ctx, in, subjects, o); err != nil {
			return sum, 0, err
		}
		weighed = o.Now().Sub(begun)
	}
	if err := cmp.Or(ctx.Err(), m.err()); err != nil {
		return sum, 0, err
	}
	sum.severities = r.finish(o)
	return sum, weighed, nil
}

// weigh lets every judge speak about the subjects that have an indicator, and makes findings of all of them.
func (r *Result) weigh(ctx context.Context, in *hunt.Session, subjects []*evidence.Subject, o Options) error {
	var weighty []*evidence.Subject
	for _, s := range subjects {
		if s.Indicators.Strongest() >= severityFloor {
			weighty = append(weighty, s)
		}
	}
	if len(weighty) > 0 {
		h := &evidence.Hunt{Window: r.Reading.Window, Request: o.Request, Source: in, Now: o.Now()}
		h.Request.From, h.Request.To, h.Request.Since = h.Window.Start, h.Window.End, 0
		for _, n := range r.Reading.Notes {
			h.Missing = append(h.Missing, n.Logs...)
		}
		for _, j := range o.Judges {
			remarks, err := j.Judge(ctx, h, weighty)
			if err != nil {
				return err
			}
			r.Reading.Add(remarks)
		}
	}
	for _, s := range subjects {
		s.Settle()
		if score := s.Finding.Dwell.Score; score >= severityFloor || score >= o.MinScore {
			r.Findings = append(r.Findings, *s.Finding)
		}
	}
	return nil
}

// finish puts the findings in order, adds what does not change their score, and counts them by severity.
func (r *Result) finish(o Options) (by hunt.BySeverity) {
	weight := func(f *hunt.Finding) float64 { return f.Dwell.Score }
	if o.Profile == ProfileRITA {
		weight = func(f *hunt.Finding) float64 { return ritaFinal(f.Dwell.Parts, f.Dwell.Modifiers) }
	}
	slices.SortFunc(r.Findings, func(a, b hunt.Finding) int {
		return cmp.Or(cmp.Compare(weight(&b), weight(&a)), cmp.Compare(b.Dwell.Parts.Strobe, a.Dwell.Parts.Strobe),
			cmp.Compare(b.Dwell.Parts.Beacon, a.Dwell.Parts.Beacon), cmp.Compare(b.Network.Connections, a.Network.Connections),
			cmp.Compare(a.Dwell.Pair, b.Dwell.Pair))
	})
	for i := range r.Findings {
		if f := &r.Findings[i]; o.Safelist != nil {
			f.Dwell.Safelist = o.Safelist.Match(f, o.Now())
			f.Dwell.Safelisted = f.Dwell.Safelist != nil
		}
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
	return by
}

// document is the hunt's record.
func (id *identity) document(reading *hunt.Reading, c counts, o Options) hunt.Document {
	w := reading.Window
	summary := hunt.Summary{
		Source: reading.Source, Direction: o.Request.Scope.Direction.String(), Complete: !id.incomplete,
		Lag:     id.ingested.Sub(w.End).Seconds(),
		Records: reading.Records, Connections: c.connections, Pairs: c.pairs, Scored: c.scored,
		Findings:   c.severities.Critical + c.severities.High + c.severities.Medium + c.severities.Low,
		BySeverity: c.severities, Slices: hunt.SliceSummary{Read: int64(len(reading.Slices))},
	}
	for _, p := range o.Request.Scope.Internal {
		summary.Internal = append(summary.Internal, p.String())
	}
	for _, s := range reading.Slices {
		if s.Expected != 0 && s.Expected != s.Read {
			summary.Slices.Mismatch++
		}
	}
	for _, n := range reading.Notes {
		summary.Notes = append(summary.Notes, n.String())
	}
	for _, g := range reading.Gaps {
		summary.Gaps = append(summary.Gaps, g.String())
	}
	end := hunt.Time{Time: w.End}
	return hunt.Document{
		Timestamp: end,
		Schema:    hunt.SchemaOf(hunt.DatasetHunt),
		Event: hunt.Event{ID: hunt.Digest("hunt document", id.hunt, id.revision), Kind: "event", Category: []string{"network"}, Type: []string{"info"}, Module: hunt.Module, Dataset: hunt.DatasetHunt,
			Start: hunt.Time{Time: w.Start}, End: end, Ingested: id.ingested},
		Dwell: hunt.DwellHunt{HuntID: id.hunt, Revision: id.revision, SchemaVersion: hunt.SchemaVersion, Version: o.Version,
			Profile: o.Profile, Window: hunt.TimeSpan{Start: hunt.Time{Time: w.Start}, End: end}, Hunt: summary},
	}
}
