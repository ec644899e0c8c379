package protocol

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"dwell/internal/evidence"
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
	// Inside says that the server is internal. Period is the seconds between check-ins, 0 where there is no rhythm.
	Inside bool
	Period float64
}

// Explain says what in the protocol itself explains that a host keeps coming back. Port and protocol are the client's choice, so
// they explain little: sizes, rates and answers have to be those of the protocol, and what carries data of any kind (DNS) has to go to
// a server that several hosts use. What is inside, or whose address the catalogue knows, is explained well.
func Explain(s *evidence.Subject, k *Spoken) {
	what, tight := k.conforms(s.Finding)
	if s.Conforms = what != ""; !s.Conforms {
		return
	}
	switch {
	case k.Inside:
		s.Explain(scoring.Strong, what+" by an internal server")
		return
	case s.Company >= shared:
		s.ExplainClaim(scoring.Weak, fmt.Sprintf("%s, and %s hosts use this server", what, hunt.Count(s.Company)))
	case !tight: // room for data of any kind
		return
	}
	s.AtMost(scoring.Medium, "medium at most: sizes, rate and answers fit the protocol")
}

// Forwarded says that the source is a resolver that hosts ask, so that what it asks others, as DNS is spoken, is asked in their name. That
// may be once a second, too.
func Forwarded(s *evidence.Subject, k *Spoken) {
	if what, _ := k.conforms(s.Finding); what == "" {
		return
	}
	s.ExplainClaim(scoring.Weak, "name resolution (DNS) by a resolver that other hosts ask")
	s.AtMost(scoring.Medium, "medium at most: sizes, rate and answers fit the protocol")
}

// shared is by how many hosts a server has to be used, the candidate's own included, to be one of the network's.
const shared = 3

// conforms names the protocol that repeats by design, if these connections are like its own in port, service, size, rate and
// answers; empty otherwise. It is tight if it leaves hardly any room for data.
func (k *Spoken) conforms(f *hunt.Finding) (what string, tight bool) {
	service := strings.Split(k.Port.Service, ",")
	has := func(s string) bool { return slices.Contains(service, s) }
	out, in, n := float64(f.Client.Bytes), float64(f.Server.Bytes), float64(f.Network.Connections)
	if k.Several || n == 0 || out <= 0 || in <= 0 {
		return "", false
	}
	const fastest, request, response = 63, 300, 4096 // seconds (RFC 5905: every 64 s by default), bytes
	udp, port := k.Port.Proto == hunt.UDP, k.Port.Number
	switch {
	case udp && port == 123 && (has("ntp") || k.Port.Service == "") && k.ntpSized() && in <= 1.5*out && k.Period >= fastest:
		return "time synchronisation (NTP) repeats by design", true
	case udp && port == 53 && has("dns") && out/n <= request && in/n <= response:
		return "name resolution (DNS) repeats by design, and tunnels in it are looked for by their names", false
	case k.Port.Proto == hunt.ICMP && in >= 0.8*out && in <= 1.2*out && k.echo(out/n):
		return "pings that are answered repeat by design, and these carry no more than pings do", true
	case udp && k.keepsAlive(out, in, n, f.Dwell.Connection.Total):
		return fmt.Sprintf("keep-alives of %s repeat by design, and these carry no more than keep-alives do", keepAlives[port]), true
	case k.Port.Proto == hunt.TCP && port == 853 && has("ssl"):
		return "name resolution by DNS over TLS, perhaps: what is asked cannot be seen", false
	}
	return "", false
}

// keepAlives are the UDP ports of calls and tunnels that send a small packet now and then, so that the addresses between them are
// not forgotten (RFC 8489 section 6.1, RFC 3948 section 4, WireGuard's persistent keep-alive).
var keepAlives = map[uint16]string{
	3478: "calls (STUN)", 3479: "calls (STUN)", 3480: "calls (STUN)", 3481: "calls (STUN)", 5349: "calls (STUN)", 19302: "calls (STUN)",
	500: "IPsec", 4500: "IPsec", 1194: "OpenVPN", 51820: "WireGuard",
}

const (
	// keepAliveSize is the most payload of a keep-alive, bytes: a STUN request or answer with its usual attributes.
	keepAliveSize = 100
	// keepAliveRate is the most payload a second of keep-alives in one connection: 32 bytes each 15 s, and handshakes.
	keepAliveRate = 8
	// keepAliveEvery is how many seconds keep-alives are apart at least.
	keepAliveEvery = 10
)

// keepsAlive says that connections carry keep-alives alone: small packets of one size, or so little a second that nothing else has
// room. out and in are bytes in all, lasted is seconds.
func (k *Spoken) keepsAlive(out, in, n, lasted float64) bool {
	if keepAlives[k.Port.Number] == "" || strings.ContainsAny(k.Port.Service, ",") {
		return false
	}
	switch k.Port.Service {
	case "", "stun", "spicy_stun", "ipsec", "wireguard", "openvpn", "spicy_ipsec", "spicy_wireguard", "spicy_openvpn":
	default:
		return false
	}
	small := k.Size.Known > 0 && k.Size.Share >= 0.9 && out/n <= keepAliveSize && in/n <= 2*keepAliveSize
	if small && k.Period >= keepAliveEvery {
		return true
	}
	return lasted >= 60*n && out/lasted <= keepAliveRate && in/lasted <= keepAliveRate
}

// echo says that messages of ICMP carry what a ping does: 32 bytes on Windows, 56 elsewhere, a multiple of 8 in any case and of
// one size. data is the mean of a connection's; each message has 28 bytes of headers beside its data.
func (k *Spoken) echo(data float64) bool {
	const headers, most = 28, 64
	messages := math.Round((k.Size.Median - data) / headers)
	if k.Size.Known == 0 {
		messages = 1
	}
	return messages >= 1 && data/messages <= most && k.Size.Share >= 0.9
}

// Mundane says that a port's traffic repeats by design, so that it has no place in a roll-up: pools of time servers and
// resolvers share networks with everything else.
func Mundane(p pairs.Port) bool {
	return p.Proto == hunt.UDP && slices.Contains(MundanePorts(), p.Number)
}

// MundanePorts are those of time and of names, over UDP.
func MundanePorts() []uint16 { return []uint16{53, 123} }

// ntpSized says that the requests have the size of NTP: 48 bytes, 76 with the headers of IPv4 and 96 with those of IPv6, or those of
// several requests that Zeek logs as one connection.
func (k *Spoken) ntpSized() bool {
	if k.Size.Known == 0 || k.Size.Share <= 0.9 {
		return false
	}
	for _, one := range []float64{48, 76, 96} {
		if n := k.Size.Median / one; n >= 1 && n == math.Trunc(n) {
			return true
		}
	}
	return false
}
