package firstseen

import (
	"context"
	"fmt"
	"time"

	"dwell/internal/evidence"
	"dwell/internal/hunt"
)

// Judge weighs how long a destination is known. Err is what opening the store said; it is told once.
type Judge struct {
	Store *Store
	Err   error
}

var _ evidence.Judge = Judge{}

const (
	newDays   = 7
	knownDays = 30
)

// Revision implements [evidence.Judge]: what was first seen when is a fact that later hunts do not change.
func (Judge) Revision() string { return "" }

// Judge implements [evidence.Judge]. A destination is new only where the store reaches further back than a week: else
// everything would be.
func (j Judge) Judge(ctx context.Context, h *evidence.Hunt, subjects []*evidence.Subject) (notes []hunt.Note, err error) {
	if j.Err != nil {
		notes = append(notes, hunt.Note{What: "what was seen first when is not known: the store " + j.Err.Error(), Hint: "the next stored hunts fill it again"})
	}
	reach, ok := j.Store.Reach()
	if !ok {
		return notes, ctx.Err()
	}
	days := func(first int64) int64 { return int64(h.Window.End.Sub(time.UnixMilli(first)).Hours() / 24) }
	for _, s := range subjects {
		destination := s.Key.Name
		if destination == "" && s.Key.Dst.IsValid() {
			destination = s.Key.Dst.String()
		}
		if destination == "" || s.Finding.Dwell.DNS != nil {
			continue
		}
		first := s.Finding.Event.Start.UnixMilli()
		if span, ok := j.Store.Seen(destination); ok {
			first = min(first, span.First)
		}
		age := days(first)
		s.Finding.Dwell.Evidence.FirstSeen = &hunt.FirstSeen{Destination: hunt.At(first), Days: age}
		switch {
		case age >= knownDays:
			s.Modify(evidence.Known, fmt.Sprintf("known for %d days in this network", age))
		case age <= newDays && days(reach) > newDays:
			s.Modify(evidence.New, fmt.Sprintf("first seen %s in this network", ago(age)))
		}
	}
	return notes, ctx.Err()
}

func ago(days int64) string {
	switch days {
	case 0:
		return "on the last day"
	case 1:
		return "a day ago"
	}
	return fmt.Sprintf("%d days ago", days)
}
