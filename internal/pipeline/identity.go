package pipeline

import (
	"time"

	"dwell/internal/hunt"
	"dwell/internal/pipeline/material"
)

// identity is what all findings of a hunt share. It depends on everything that was read and looked up, so it is known
// last.
type identity struct {
	definition     hunt.Definition
	hunt, revision string
	incomplete     bool
	ingested       hunt.Time
}

// Definition identifies the hunt of a window with these options; source is Reading.Source.
func (o *Options) Definition(source string, w hunt.Window) hunt.Definition {
	return hunt.Definition{Source: source, Window: w, Internal: o.Request.Scope.Internal, Direction: o.Request.Scope.Direction,
		Indicators: o.Indicators, Profile: o.Ranking.Profile(), BySensor: o.BySensor || o.Sensor != "", NoEvidence: o.NoEvidence}
}

func newIdentity(reading *hunt.Reading, o *Options) identity {
	id := identity{definition: o.Definition(reading.Source, reading.Window)}
	id.hunt = id.definition.ID()
	id.revision = hunt.Revision(id.hunt, reading, o.Version, o.Ranking.Revisions()...)
	id.incomplete = len(reading.Gaps) > 0
	id.ingested = hunt.Time{Time: o.Now().UTC().Truncate(time.Millisecond)}
	return id
}

// stamp notes the hunt in each finding.
func (id *identity) stamp(findings []hunt.Finding) {
	for i := range findings {
		f := &findings[i]
		d := &f.Dwell
		f.Event.Ingested = id.ingested
		d.HuntID, d.Revision, d.Profile, d.Incomplete = id.hunt, id.revision, id.definition.Profile, id.incomplete
		f.Event.ID = hunt.Digest("finding", id.hunt, id.revision, d.FindingID)
	}
}

// document is the hunt's own document.
func (id *identity) document(reading *hunt.Reading, c material.Counts, by hunt.BySeverity, o *Options) hunt.Document {
	w := reading.Window
	summary := hunt.Summary{
		Source: reading.Source, Direction: o.Request.Scope.Direction.String(), Complete: !id.incomplete,
		Lag:        id.ingested.Sub(w.End).Seconds(),
		OutOfScope: reading.OutOfScope.Summary(),
		Records:    reading.Records, Connections: c.Connections, Pairs: c.Pairs, Scored: c.Scored,
		Findings:   by.Critical + by.High + by.Medium + by.Low,
		BySeverity: by, Slices: hunt.SliceSummary{Read: int64(len(reading.Slices))},
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
	at := end
	if w == (hunt.Window{}) { // nothing was in scope: the document has the time of the hunt
		at, summary.Lag = id.ingested, 0
	}
	return hunt.Document{
		Timestamp: at,
		Schema:    hunt.SchemaOf(hunt.DatasetHunt),
		Event: hunt.Event{ID: hunt.Digest("hunt document", id.hunt, id.revision), Kind: "event", Category: []string{"network"}, Type: []string{"info"}, Module: hunt.Module, Dataset: hunt.DatasetHunt,
			Start: hunt.Time{Time: w.Start}, End: end, Ingested: id.ingested},
		Dwell: hunt.DwellHunt{HuntID: id.hunt, Revision: id.revision, SchemaVersion: hunt.SchemaVersion, Version: o.Version,
			Profile: id.definition.Profile, Window: hunt.TimeSpan{Start: hunt.Time{Time: w.Start}, End: end}, Hunt: summary},
	}
}
