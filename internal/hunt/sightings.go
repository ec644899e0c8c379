package hunt

import "net/netip"

// Sighting is when a destination was seen: an external address, or the name that TLS, HTTP or a proxy was asked for.
type Sighting struct {
	Destination string
	// Source is the internal host, invalid where the source did not tell hosts apart: no host contacts very many destinations then.
	Source netip.Addr
	// First and Last are the starts of the first and last record of the span that was looked at, Unix milliseconds; Count is
	// the number of records.
	First, Last, Count int64
}
