package pipeline

import (
	"fmt"
	"slices"
	"strings"

	"dwell/internal/hunt"
	"dwell/internal/pairs"
	"dwell/scoring"
)

// explained says what in the protocol itself explains that a machine keeps coming back. It lowers a score and says so;
// it hides nothing. Ports alone prove nothing, so the service that Zeek recognised has to agree, or the size.
func explained(k *key) (scoring.Explanation, string) {
	service := strings.Split(k.port.Service, ",")
	has := func(s string) bool { return slices.Contains(service, s) }
	udp, port := k.port.Proto == hunt.UDP, k.port.Number
	switch {
	case k.kind == scoring.NetworkKey && k.ports > 1:
		return scoring.Unexplained, ""
	case udp && port == 123 && (has("ntp") || ntpSized(k)):
		return scoring.Strong, "time synchronisation (NTP): every machine asks for the time again and again"
	case udp && port == 53 && has("dns"):
		return scoring.Strong, "name resolution (DNS): resolvers are asked again and again; tunnels in it are looked for by their names"
	case k.port.Proto == hunt.TCP && port == 853 && has("ssl"):
		return scoring.Weak, "name resolution by DNS over TLS, perhaps: what is asked cannot be seen"
	case udp && slices.Contains([]uint16{137, 138, 1900, 5353, 5355}, port):
		return scoring.Weak, "discovery of neighbours (NetBIOS, SSDP, mDNS, LLMNR) repeats by design, though no neighbour is outside"
	}
	return scoring.Unexplained, ""
}

// mundane says that a port's traffic repeats by design, so that it has no place in a roll-up: pools of time servers and
// resolvers share networks with everything else.
func mundane(p pairs.Port) bool {
	return p.Proto == hunt.UDP && slices.Contains(mundanePorts(), p.Number)
}

// mundanePorts are those of time and of names, over UDP.
func mundanePorts() []uint16 { return []uint16{53, 123} }

// ntpSized says that the requests have the size of NTP: 48 bytes, 76 with the headers of IPv4 and 96 with those of IPv6.
func ntpSized(k *key) bool {
	return k.size.Known > 0 && k.size.Share > 0.9 && (k.size.Median == 76 || k.size.Median == 96 || k.size.Median == 48)
}

// maxAlso is how many other keys of a story a finding names.
const maxAlso = 20

// listed names the first few.
func listed(names []string) string {
	const few = 3
	if len(names) <= few {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %s more", strings.Join(names[:few], ", "), hunt.Count(len(names)-few))
}
