package pipeline

import (
	"context"
	"time"

	"dwell/internal/hunt"
)

// dwellTimes says of each finding of medium or more how long it has been going on, as far as what is kept goes back.
func dwellTimes(ctx context.Context, in *hunt.Session, w hunt.Window, findings []hunt.Finding) hunt.Remarks {
	if in.First == nil || w == (hunt.Window{}) {
		return hunt.Remarks{}
	}
	var keys []hunt.PairKey
	for i := range findings {
		if findings[i].Event.Severity >= 2 {
			keys = append(keys, findings[i].Candidate)
		}
	}
	if len(keys) == 0 {
		return hunt.Remarks{}
	}
	first, oldest, err := in.First(ctx, keys, w.End)
	if err != nil {
		return hunt.Remarks{Notes: []hunt.Note{{What: "how long findings have been going on could not be looked up in history: " + err.Error()}}}
	}
	for i := range findings {
		f := &findings[i]
		at, ok := first[f.Candidate]
		if !ok || f.Event.Severity < 2 {
			continue
		}
		f.Dwell.DwellTime = &hunt.DwellTime{FirstCheckIn: hunt.At(at.UnixMilli()), Seconds: f.Event.End.Sub(at).Seconds(),
			LowerBound: at.Sub(oldest) < 24*time.Hour}
	}
	return hunt.Remarks{}
}
