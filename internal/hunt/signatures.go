package hunt

import "net/netip"

// Signature is what a program showed of itself to one other side: an HTTP user agent or a JA3. RITA's profile asks which
// of them a host shows to one other side alone.
type Signature struct {
	// Src showed it to Dst; Name is the Host or server name of it, as [HostName] gives it, or empty.
	Src, Dst netip.Addr
	Name     string
	// Text is the user agent or the JA3. It may be kept.
	Text string
}
