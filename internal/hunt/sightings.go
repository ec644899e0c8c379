package hunt

// Sighting is when a destination was seen: an external address, or the name that TLS, HTTP or a proxy was asked for.
type Sighting struct {
	Destination string
	// First and Last are the starts of the first and last record of the span that was looked at, Unix milliseconds.
	First, Last int64
}
