package hunt

import "context"

// Sighting is when a destination was seen: an external address, or the name that TLS, HTTP or a proxy was asked for.
type Sighting struct {
	Destination string
	// First and Last are the starts of the first and last record of the span that was looked at, Unix milliseconds.
	First, Last int64
}

// SightingSource is a source that can say when each destination was seen without giving its connections: so that weeks of the past
// cost little.
type SightingSource interface {
	// Sightings gives the destinations of the records that start in the window of the request (settled as [Source.Read] settles it)
	// and are in scope; one may come several times, and then it was seen over all of its spans. emit may be called from several
	// goroutines at once and does not keep the batch. What could not be read is a Gap.
	Sightings(ctx context.Context, req Request, emit func([]Sighting) error) (Reading, error)
}
