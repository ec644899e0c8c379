package hunt

import "net/netip"

// Signature is what a program showed of itself to a destination: an HTTP user agent or a JA3. RITA's profile looks for
// those that a host shows to only one destination.
type Signature struct {
	// Src showed it to Dst; Name is the destination's Host or server name, as [HostName] returns it, or empty.
	Src, Dst netip.Addr
	Name     string
	// Text is the user agent or the JA3. It may be kept.
	Text string
}
