package protocol

import (
	"slices"
	"strings"

	"dwell/internal/hunt"
	"dwell/internal/pairs"
	"dwell/scoring"
)

// Spoken is how the connections of a candidate are spoken.
type Spoken struct {
	// Port is the one that its finding names. Several says that it is a roll-up of several.
	Port    pairs.Port
	Several bool
	Size    scoring.SizeScore
}

// Explained says what in the protocol itself explains that a machine keeps coming back. It lowers a score and says so;
// it hides nothing. Ports alone prove nothing, so the service that Zeek recognised has to agree, or the size.
func Explained(k *Spoken) (scoring.Explanation, string) {
	service := strings.Split(k.Port.Service, ",")
	has := func(s string) bool { return slices.Contains(service, s) }
	udp, port := k.Port.Proto == hunt.UDP, k.Port.Number
	switch {
	case k.Several:
		return scoring.Unexplained, ""
	case udp && port == 123 && (has("ntp") || ntpSized(k)):
		return scoring.Strong, "time synchronisation (NTP): every machine asks for the time again and again"
	case udp && port == 53 && has("dns"):
		return scoring.Strong, "name resolution (DNS): resolvers are asked again and again; tunnels in it are looked for by their names"
	case k.Port.Proto == hunt.TCP && port == 853 && has("ssl"):
		return scoring.Weak, "name resolution by DNS over TLS, perhaps: what is asked cannot be seen"
	case udp && slices.Contains([]uint16{137, 138, 1900, 5353, 5355}, port):
		return scoring.Weak, "discovery of neighbours (NetBIOS, SSDP, mDNS, LLMNR) repeats by design, though no neighbour is outside"
	}
	return scoring.Unexplained, ""
}

// Mundane says that a port's traffic repeats by design, so that it has no place in a roll-up: pools of time servers and
// resolvers share networks with everything else.
func Mundane(p pairs.Port) bool {
	return p.Proto == hunt.UDP && slices.Contains(MundanePorts(), p.Number)
}

// MundanePorts are those of time and of names, over UDP.
func MundanePorts() []uint16 { return []uint16{53, 123} }

// ntpSized says that the requests have the size of NTP: 48 bytes, 76 with the headers of IPv4 and 96 with those of IPv6.
func ntpSized(k *Spoken) bool {
	return k.Size.Known > 0 && k.Size.Share > 0.9 && (k.Size.Median == 76 || k.Size.Median == 96 || k.Size.Median == 48)
}
