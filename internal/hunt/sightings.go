package hunt

// Sighting is when a destination was seen: an external address, or a name from TLS, HTTP or a proxy request.
type Sighting struct {
	Destination string
	// First and Last are the starts of the first and last record in the span searched, in Unix milliseconds.
	First, Last int64
}
