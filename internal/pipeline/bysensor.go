package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"dwell/internal/evidence/firstseen"
	"dwell/internal/hunt"
	"dwell/internal/pipeline/material"
)

// RunBySensor hunts each sensor's records separately, one sensor after another, and joins the results: the same address
// at two sensors is two hosts. A source that does not know sensors is an error.
func RunBySensor(ctx context.Context, src hunt.Source, o Options) (*Result, error) {
	in := src.Open()
	if in.Sensors == nil {
		return nil, errors.New("this source cannot tell sensors apart")
	}
	window, parts, remarks, err := in.Sensors(ctx, o.Request)
	if err != nil {
		return nil, err
	}
	if len(parts) == 0 {
		return Run(ctx, src, o) // it says why there is nothing
	}
	o.Request.From, o.Request.To, o.Request.Since = window.Start, window.End, 0
	results := make([]*Result, len(parts))
	for i, part := range parts {
		one := o
		one.Sensor = cmp.Or(part.Name, noSensor)
		if results[i], err = Run(ctx, part.Source, one); err != nil {
			return nil, fmt.Errorf("%s: %w", sensorName(part.Name), err)
		}
	}
	return join(parts, results, remarks, o), nil
}

// noSensor stands for records that name no sensor.
const noSensor = "(none)"

// SensorOf is the sensor of a finding of a hunt by sensor, as its records name it.
func SensorOf(f *hunt.Finding) string {
	if f.Dwell.Sensor == noSensor {
		return ""
	}
	return f.Dwell.Sensor
}

// join makes one hunt of several.
func join(parts []hunt.SensorPart, results []*Result, remarks hunt.Remarks, o Options) *Result {
	o.BySensor = true
	out := &Result{Reading: hunt.Reading{Notes: remarks.Notes, Gaps: remarks.Gaps}}
	var c material.Counts
	var stages hunt.Stages
	said, own := map[string][]string{}, false
	for i, r := range results {
		name := sensorName(parts[i].Name)
		out.Reading.Window = r.Reading.Window
		out.Reading.Records += r.Reading.Records
		out.Reading.Connections += r.Reading.Connections
		for _, s := range r.Reading.Slices {
			s.Name = strings.TrimSpace(name + " " + s.Name)
			out.Reading.Slices = append(out.Reading.Slices, s)
		}
		for _, g := range r.Reading.Gaps {
			g.Where = strings.TrimSuffix(name+": "+g.Where, ": ")
			out.Reading.Gaps = append(out.Reading.Gaps, g)
		}
		for _, n := range r.Reading.Notes {
			said[n.String()] = append(said[n.String()], name)
		}
		h := &r.Document.Dwell.Hunt
		own = own || h.Statement != nil
		c.Connections, c.Pairs, c.Scored = c.Connections+h.Connections, c.Pairs+h.Pairs, c.Scored+h.Scored
		stages.Read, stages.Score, stages.Evidence = stages.Read+h.Stages.Read, stages.Score+h.Stages.Score, stages.Evidence+h.Stages.Evidence
		out.Findings = append(out.Findings, r.Findings...)
		out.Seen = seenTogether(out.Seen, r.Seen)
	}
	for _, r := range results { // each note once, with its sensors unless it is about all
		for _, n := range r.Reading.Notes {
			of := said[n.String()]
			delete(said, n.String())
			if len(of) > 0 && len(of) < len(results) {
				n.Where = strings.TrimSuffix(hunt.Listed(of)+": "+n.Where, ": ")
			}
			if len(of) > 0 {
				out.Reading.Notes = append(out.Reading.Notes, n)
			}
		}
	}
	sources := make([]string, len(results))
	for i, r := range results {
		sources[i] = r.Reading.Source
	}
	slices.Sort(sources)
	out.Reading.Source = strings.Join(slices.Compact(sources), ", ")
	id := newIdentity(&out.Reading, &o)
	id.stamp(out.Findings)
	by := out.finish(&o, own)
	out.Document = id.document(&out.Reading, c, by, &o)
	out.Document.Dwell.Hunt.Stages = stages
	out.Document.Dwell.Hunt.Statement = statements(parts, results)
	return out
}

// seenTogether returns both, in this order.
func seenTogether(a, b iter.Seq2[string, firstseen.Span]) iter.Seq2[string, firstseen.Span] {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return func(yield func(string, firstseen.Span) bool) {
		for _, seen := range [...]iter.Seq2[string, firstseen.Span]{a, b} {
			for what, span := range seen {
				if !yield(what, span) {
					return
				}
			}
		}
	}
}

// statements joins the sensors' statements: sums, the fewest hours, and the highest floor, that of the sensor with the
// most candidates.
func statements(parts []hunt.SensorPart, results []*Result) *hunt.Statement {
	var out *hunt.Statement
	var texts []string
	most := int64(-1)
	for i, r := range results {
		s := r.Document.Dwell.Hunt.Statement
		if s == nil {
			continue
		}
		if out == nil {
			out = &hunt.Statement{Complete: true, Cut: s.Cut, Hours: s.Hours, HoursWithData: s.HoursWithData}
		}
		out.Complete = out.Complete && s.Complete
		out.HoursWithData = min(out.HoursWithData, s.HoursWithData)
		if s.Candidates > most {
			most, out.Floor = s.Candidates, s.Floor
		}
		out.Candidates += s.Candidates
		out.Safelisted += s.Safelisted
		out.Skipped.Networks += s.Skipped.Networks
		out.Skipped.Fingerprints += s.Skipped.Fingerprints
		out.Skipped.Domains += s.Skipped.Domains
		out.SensorCount++
		out.Sensors = append(out.Sensors, hunt.SensorHours{Name: cmp.Or(parts[i].Name, noSensor), Hours: s.HoursWithData})
		out.CaptureLoss, out.Dropped = worse(out.CaptureLoss, s.CaptureLoss), worse(out.Dropped, s.Dropped)
		out.Selftest = together(out.Selftest, s.Selftest)
		texts = append(texts, sensorName(parts[i].Name)+": "+s.Text)
	}
	if out != nil {
		slices.SortStableFunc(out.Sensors, func(a, b hunt.SensorHours) int { return cmp.Compare(a.Hours, b.Hours) })
		out.Sensors = out.Sensors[:min(len(out.Sensors), maxSensors)]
		out.Text = strings.Join(texts, " ")
	}
	return out
}

// worse is the larger loss: how much each sensor saw in all is not known here.
func worse(a, b *hunt.LossShare) *hunt.LossShare {
	if a == nil || b != nil && b.Percent > a.Percent {
		return b
	}
	return a
}

// together adds up self-tests by kind.
func together(a, b *hunt.Selftest) *hunt.Selftest {
	if a == nil || b == nil {
		return cmp.Or(a, b)
	}
	out := &hunt.Selftest{Seed: a.Seed, Injected: a.Injected + b.Injected, Found: a.Found + b.Found, Cells: slices.Clone(a.Cells)}
	for i := range min(len(out.Cells), len(b.Cells)) {
		c, d := &out.Cells[i], &b.Cells[i]
		c.InjectedAlone, c.FoundAlone = c.InjectedAlone+d.InjectedAlone, c.FoundAlone+d.FoundAlone
		c.InjectedAmong, c.FoundAmong = c.InjectedAmong+d.InjectedAmong, c.FoundAmong+d.FoundAmong
	}
	return out
}
