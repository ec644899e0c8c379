package firstseen

import (
	"context"
	"fmt"
	"time"

	"dwell/internal/evidence"
	"dwell/internal/hunt"
)

// Judge weighs how long a destination has been known. Err is the error of opening the store, reported once.
type Judge struct {
	Store *Store
	Err   error
}

var _ evidence.Judge = Judge{}

const (
	newDays   = 7
	knownDays = 30
)

// Revision implements [evidence.Judge]: later hunts do not change when something was first seen.
func (Judge) Revision() string { return "" }

// Missing reports that a store cannot be used. Its evidence is missing, so this is a gap.
func Missing(err error) (remarks hunt.Remarks) {
	if err != nil {
		remarks.Gaps = []hunt.Note{{What: "first-seen times are not known: " + err.Error(), Hint: "`dwell hunt --remember-only --since 30d` learns them again"}}
	}
	return remarks
}

// Judge implements [evidence.Judge]. A destination is new only if the store reaches back more than a week (otherwise
// everything would be new). A name is new only if its registered domain is new too, because services often add servers.
func (j Judge) Judge(ctx context.Context, h *evidence.Hunt, subjects []*evidence.Candidate) (remarks hunt.Remarks, err error) {
	remarks = Missing(j.Err)
	reach, ok := j.Store.Reach()
	if !ok {
		return remarks, ctx.Err()
	}
	days := func(first int64) int64 { return int64(h.Window.End.Sub(time.UnixMilli(first)).Hours() / 24) }
	for _, s := range subjects {
		now := s.Finding.Event.Start.UnixMilli()
		first := func(what string) int64 {
			if span, ok := j.Store.Seen(what); ok {
				return min(now, span.First)
			}
			return now
		}
		story := first(FindingKey(s.Finding.Dwell.FindingID))
		seen := &hunt.FirstSeen{Finding: hunt.At(story), Days: days(story)}
		s.Finding.Dwell.Evidence.FirstSeen = seen
		destination := s.Key.Name
		if destination == "" && s.Key.Dst.IsValid() {
			destination = s.Key.Dst.String()
		}
		if s.Finding.Dwell.DNS != nil { // a queried domain is no sighting: it has been known since the client's finding
			if s.Arrived = days(reach) >= knownDays && seen.Days < knownDays; seen.Days >= knownDays {
				s.Modify(evidence.Known, fmt.Sprintf("known for %d days in this network", seen.Days))
			}
			continue
		}
		if destination == "" {
			continue
		}
		at := first(destination)
		if _, answered := j.Store.Seen(destination); !answered {
			at = min(at, story) // a server that never answers is no sighting: it has been known since the finding
		}
		age := days(at)
		seen.Destination, seen.Days = hunt.At(at), age
		domain, domainAge := Domain(destination), int64(0)
		if domain != "" {
			at = min(at, first(domain))
			seen.Domain, domainAge = hunt.At(at), days(at)
		}
		s.Arrived = days(reach) >= knownDays && max(age, domainAge) < knownDays
		switch {
		case age >= knownDays && s.Shared < evidence.MinShared && days(first(s.Finding.Destination.IP.String())) < knownDays:
			s.Last(fmt.Sprintf("this name was first seen %d days ago, but its server is newer; a name can be forged, so it does not lower the score", age))
		case age >= knownDays:
			s.Modify(evidence.Known, fmt.Sprintf("seen for %d days in this network", age))
		case age > newDays || days(reach) <= newDays:
		case domainAge > newDays:
			s.Last(fmt.Sprintf("first seen %s, but %s has been seen for %d days", Ago(age), domain, domainAge))
		default:
			s.Modify(evidence.New, fmt.Sprintf("first seen %s", Ago(age)))
		}
	}
	return remarks, ctx.Err()
}

// Ago is how many days ago something was, in words.
func Ago(days int64) string {
	switch days {
	case 0:
		return "today"
	case 1:
		return "1 day ago"
	}
	return fmt.Sprintf("%d days ago", days)
}
