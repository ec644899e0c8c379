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

// Spoken describes the protocol of a candidate's connections.
type Spoken struct {
	// Port is the finding's port. Several means a roll-up of several ports.
	Port    pairs.Port
	Several bool
	Size    scoring.SizeScore
	// Inside means that the server is internal. Period is the interval in seconds, 0 without a rhythm.
	Internal bool
	Period   float64
}

// Explain adds an explanation if the protocol itself repeats by design. The client chooses port and protocol, so sizes,
// rates and answers must match too, and a protocol that can carry any data (DNS) must use a server that several hosts
// use. For internal servers, and addresses in the catalog, the explanation is strong.
func Explain(s *evidence.Candidate, k *Spoken) {
	what := k.conforms(s.Finding)
	if s.Conforms = what != ""; !s.Conforms {
		return
	}
	switch {
	case k.Internal:
		s.Explain(scoring.Strong, what+" by an internal server")
		return
	case s.Vouching >= shared:
		s.ExplainClaim(scoring.Weak, fmt.Sprintf("%s, and %s hosts use servers of its network for it", what, hunt.Count(s.Vouching)))
	case k.Port.Proto != hunt.ICMP && k.Port.Number != 123 && keepAlives[k.Port.Number] == "":
		return // room for data of any kind, and port, sizes and rate are the client's choice
	}
	s.AtMost(scoring.Medium, "medium at most: sizes, rate and answers fit the protocol")
}

// Forwarded explains DNS from a resolver that hosts use: it queries on their behalf, even once a second.
func Forwarded(s *evidence.Candidate, k *Spoken) {
	if what := k.conforms(s.Finding); what == "" {
		return
	}
	s.ExplainClaim(scoring.Weak, "name resolution (DNS) by a resolver that other hosts ask")
	s.AtMost(scoring.Medium, "medium at most: sizes, rate and answers fit the protocol")
}

// shared is how many hosts, including the candidate's own, must use a server for it to be one of the network's.
const shared = 3

// conforms names the protocol that repeats by design, if the connections match it in port, service, size, rate and
// answers; otherwise it is empty.
func (k *Spoken) conforms(f *hunt.Finding) string {
	service := strings.Split(k.Port.Service, ",")
	has := func(s string) bool { return slices.Contains(service, s) }
	out, in, n := float64(f.Client.Bytes), float64(f.Server.Bytes), float64(f.Network.Connections)
	if k.Several || n == 0 || out <= 0 || in <= 0 {
		return ""
	}
	const fastest, request, response = 63, 300, 4096 // seconds (RFC 5905: every 64 s by default), bytes
	udp, port := k.Port.Proto == hunt.UDP, k.Port.Number
	switch {
	case udp && port == 123 && (has("ntp") || k.Port.Service == "") && k.ntpSized() && in <= 1.5*out && k.Period >= fastest:
		return "time synchronization (NTP) repeats by design"
	case udp && port == 53 && has("dns") && out/n <= request && in/n <= response:
		return "name resolution (DNS) repeats by design, and tunnels in it are looked for by their names"
	case k.Port.Proto == hunt.ICMP && in >= 0.8*out && in <= 1.2*out && k.echo(out/n):
		return "pings that are answered repeat by design, and these carry no more than pings do"
	case udp && k.keepsAlive(out, in, n, f.Dwell.Connection.Total):
		return fmt.Sprintf("keep-alives of %s repeat by design, and these carry no more than keep-alives do", keepAlives[port])
	case k.Port.Proto == hunt.TCP && port == 853 && has("ssl"):
		return "name resolution by DNS over TLS, perhaps: what is asked cannot be seen"
	}
	return ""
}

// keepAlives are the UDP ports of calls and tunnels, which send small packets to keep address mappings alive (RFC 8489
// section 6.1, RFC 3948 section 4, WireGuard's persistent keep-alive).
var keepAlives = map[uint16]string{
	3478: "calls (STUN)", 3479: "calls (STUN)", 3480: "calls (STUN)", 3481: "calls (STUN)", 5349: "calls (STUN)", 19302: "calls (STUN)",
	500: "IPsec", 4500: "IPsec", 1194: "OpenVPN", 51820: "WireGuard",
}

const (
	// keepAliveSize is the maximum payload of a keep-alive in bytes: a STUN request or answer with its usual
	// attributes.
	keepAliveSize = 100
	// keepAliveRate is the maximum payload per second of keep-alives in one connection: 32 bytes every 15 s, and
	// handshakes.
	keepAliveRate = 8
	// keepAliveEvery is the minimum number of seconds between keep-alives.
	keepAliveEvery = 10
)

// keepsAlive reports whether connections carry only keep-alives: small packets of one size, or so little per second
// that nothing else fits. out and in are total bytes, lasted is in seconds.
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

// echo reports whether ICMP messages carry a ping's data: 32 bytes on Windows, 56 elsewhere, in any case a multiple of
// 8 and of one size. data is a connection's mean; each message has 28 bytes of headers besides its data.
func (k *Spoken) echo(data float64) bool {
	const headers, most = 28, 64
	messages := math.Round((k.Size.Median - data) / headers)
	if k.Size.Known == 0 {
		messages = 1
	}
	return messages >= 1 && data/messages <= most && k.Size.Share >= 0.9
}

// Mundane reports whether a port's traffic repeats by design, so that it is left out of roll-ups: pools of time servers
// and resolvers share networks with everything else.
func Mundane(p pairs.Port) bool {
	return p.Proto == hunt.UDP && slices.Contains(MundanePorts(), p.Number)
}

// MundanePorts are the UDP ports of time and DNS.
func MundanePorts() []uint16 { return []uint16{53, 123} }

// ntpSized reports whether requests have NTP's size: 48 bytes, 76 with IPv4 headers, 96 with IPv6 headers, or a
// multiple if Zeek logs several requests as one connection.
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
