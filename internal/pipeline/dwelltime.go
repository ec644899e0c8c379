package pipeline

import (
	"context"
	"time"

	"dwell/internal/hunt"
	"dwell/scoring"
)

const (
	// lookedBack is the least severity for which history is asked: medium.
	lookedBack = 2
	// startsAtOnce is the number of findings whose start times are in memory at once: three megabytes each at most.
	startsAtOnce = 32
	// knownDay: a first check-in within a day of the beginning of what is known may have earlier ones.
	knownDay = 24 * time.Hour
)

// dwellTimes finds out for each finding how long it has been going on, from the window, the first-seen store and, for
// findings of medium or more, history. Of those, history is asked only about the ones that of wants; nil wants all.
func dwellTimes(ctx context.Context, in *hunt.Session, w hunt.Window, findings []hunt.Finding, of func(*hunt.Finding) bool) (r hunt.Remarks) {
	if w == (hunt.Window{}) {
		return r
	}
	keys := map[hunt.PairKey]time.Time{}
	for i := range findings {
		f := &findings[i]
		d := &hunt.DwellTime{FirstCheckIn: f.Event.Start}
		if f.Dwell.DwellTime != nil { // the ranking knows when its rhythm began in the window
			d.RhythmSince = f.Dwell.DwellTime.RhythmSince
		}
		if e := f.Dwell.Evidence; e != nil && e.FirstSeen != nil && !e.FirstSeen.Finding.IsZero() && e.FirstSeen.Finding.Before(d.FirstCheckIn.Time) {
			d.FirstCheckIn = e.FirstSeen.Finding
		}
		f.Dwell.DwellTime = d
		if f.Event.Severity >= lookedBack && (of == nil || of(f)) {
			keys[f.Candidate] = f.Event.Start.Time
		}
	}
	past := map[hunt.PairKey]hunt.Earliest{}
	if in.Earliest != nil && len(keys) > 0 {
		var err error
		if past, err = in.Earliest(ctx, keys, w.Start); err != nil {
			r.Notes = append(r.Notes, hunt.Note{What: "dwell times could not be looked up in history: " + err.Error(),
				Hint: "their first check-ins are those in the window"})
		}
	}
	var before []int
	for i := range findings {
		f := &findings[i]
		d := f.Dwell.DwellTime
		p, looked := past[f.Candidate]
		if looked && p.First.Before(d.FirstCheckIn.Time) {
			d.FirstCheckIn = hunt.At(p.First.UnixMilli())
		}
		known := w.Start
		if looked && p.HistoryStart.Before(known) {
			known = p.HistoryStart
		}
		d.LowerBound = d.FirstCheckIn.Sub(known) < knownDay
		d.Seconds = f.Event.End.Sub(d.FirstCheckIn.Time).Seconds() // a long connection has one check-in
		if !looked || in.Starts == nil || !p.First.Before(w.Start) || !began(f, w) {
			continue
		}
		if !p.RhythmSince.IsZero() {
			d.RhythmSince = hunt.At(p.RhythmSince.UnixMilli())
			continue
		}
		before = append(before, i)
	}
	found := map[hunt.PairKey]time.Time{}
	for len(before) > 0 {
		n := min(startsAtOnce, len(before))
		if err := rhythmsSince(ctx, in, w, findings, before[:n], found); err != nil {
			r.Notes = append(r.Notes, hunt.Note{What: "when rhythms began could not be looked up in history: " + err.Error(),
				Hint: "they are reported as begun in the window"})
			break
		}
		before = before[n:]
	}
	if in.Began != nil && len(found) > 0 {
		if err := in.Began(ctx, found); err != nil {
			r.Notes = append(r.Notes, hunt.Note{What: "when rhythms began could not be stored: " + err.Error(), Hint: "the next hunt looks it up again"})
		}
	}
	return r
}

// began says whether a finding's rhythm was there when the window began, so that it may have begun earlier.
func began(f *hunt.Finding, w hunt.Window) bool {
	since := f.Dwell.DwellTime.RhythmSince
	return !since.IsZero() && since.Sub(w.Start).Seconds() <= 2*(1+*f.Beacon.Jitter)**f.Beacon.Period
}

// rhythmsSince looks up in history where the rhythms of some findings began, and notes it.
func rhythmsSince(ctx context.Context, in *hunt.Session, w hunt.Window, findings []hunt.Finding, some []int, found map[hunt.PairKey]time.Time) error {
	keys := make([]hunt.PairKey, 0, len(some))
	for _, i := range some {
		keys = append(keys, findings[i].Candidate)
	}
	starts, err := in.Starts(ctx, keys, w.End)
	if err != nil {
		return err
	}
	for _, i := range some {
		f := &findings[i]
		if at, ok := scoring.Began(starts[f.Candidate], w.Start.UnixMilli(), *f.Beacon.Period, *f.Beacon.Jitter); ok {
			f.Dwell.DwellTime.RhythmSince = hunt.At(at)
			found[f.Candidate] = time.UnixMilli(at).UTC()
		}
	}
	return nil
}
