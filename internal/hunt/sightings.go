package hunt

import "net/netip"

// Sighting is when a destination was seen: an external address, or a name from TLS, HTTP or a proxy request.
type Sighting struct {
	Destination string
	// Source is the internal host. It is invalid if the source did not distinguish hosts; then no host contacts very
	// many destinations.
	Source netip.Addr
	// First and Last are the starts of the first and last record in the span searched, in Unix milliseconds; Count is
	// the number of records.
	First, Last, Count int64
}
