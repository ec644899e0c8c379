package hunt

import (
	"bytes"
	"net/netip"
)

// Transport is the layer-4 protocol of a connection, as Zeek's conn.log names it.
type Transport uint8

// The transports that Zeek logs. TransportUnknown is any other ("unknown_transport").
const (
	TransportUnknown Transport = iota
	TCP
	UDP
	ICMP
)

// ParseTransport parses Zeek's proto column. It also accepts upper case (Suricata metadata).
func ParseTransport[T string | []byte](s T) Transport {
	switch string(s) {
	case "tcp", "TCP":
		return TCP
	case "udp", "UDP":
		return UDP
	case "icmp", "ICMP":
		return ICMP
	}
	return TransportUnknown
}

// String is Zeek's spelling, except "unknown" for the unknown transport.
func (t Transport) String() string {
	switch t {
	case TCP:
		return "tcp"
	case UDP:
		return "udp"
	case ICMP:
		return "icmp"
	case TransportUnknown:
	}
	return "unknown"
}

// Number is the protocol number of IP for a connection of an address, 0 for the unknown transport.
func (t Transport) Number(src netip.Addr) uint8 {
	switch t {
	case TCP:
		return 6
	case UDP:
		return 17
	case ICMP:
		if src.Unmap().Is6() {
			return 58
		}
		return 1
	case TransportUnknown:
	}
	return 0
}

// State is whether a connection was answered, from Zeek's conn_state.
type State uint8

// The states. StateOther is any other, or unknown.
const (
	StateOther State = iota
	// StateSilent is an unanswered attempt (S0), StateRefused a rejected one (REJ).
	StateSilent
	StateRefused
	// StateOpen is a connection that had not ended when last logged, or whose record is yet to come.
	StateOpen
	// StateMiddle is that of a TCP connection of which Zeek saw neither beginning nor end (OTH). Its record may be one
	// of many.
	StateMiddle
)

// ParseState parses Zeek's conn_state of a connection.
func ParseState[T string | []byte](s T, proto Transport) State {
	switch string(s) {
	case "S0":
		return StateSilent
	case "REJ":
		return StateRefused
	case "OTH":
		if proto == TCP {
			return StateMiddle
		}
	}
	return StateOther
}

// Absent marks a duration or byte count that Zeek did not log ("-"), as for unanswered attempts.
const Absent = -1

// Near is the maximum distance of two records' starts of one connection, in milliseconds: two taps' clocks differ.
const Near = 1000

// Lasting is the duration of a lasting connection, in milliseconds. It and a short one are two, though they have the same
// ends and begin within a second; the number is one that no protocol's time limit has.
const Lasting = 97_000

// Connection is one Zeek conn record, the same from Elasticsearch and from files. Sources emit connections in batches
// and reuse the memory: keep values, never the slice.
type Connection struct {
	// Start is the time of the first packet, Unix milliseconds, truncated as in Security Onion's index.
	Start int64
	// Duration is in milliseconds, or Absent. From Elasticsearch it is whole seconds (docs/facts/security-onion.md,
	// 1.2).
	Duration int64
	// OrigBytes and RespBytes are payload bytes, or Absent.
	OrigBytes, RespBytes int64
	// OrigIPBytes is the originator's bytes including IP headers, or Absent. RITA's data size is this.
	OrigIPBytes int64
	// Count is the number of identical records: 1 from files, the bucket's document count from Elasticsearch.
	Count int64
	// Src is the originator, Dst the responder.
	Src, Dst netip.Addr
	// Service is what Zeek recognized ("ssl", "ssl,http"), or empty. Sources intern it.
	Service string
	// SrcPort and DstPort are the ports; for ICMP the type and code, as in Zeek.
	SrcPort, DstPort uint16
	// Proto is the transport.
	Proto Transport
	// State is StateOther if the source does not read it with the connection.
	State State
	// UID is Zeek's uid, or zero if the source does not read it (Elasticsearch pages).
	UID UID
}

// Ends are a connection's addresses and ports. At a time, one connection has them.
type Ends struct{ Src, Dst netip.AddrPort }

// Ends returns the connection's.
func (c *Connection) Ends() Ends {
	return Ends{netip.AddrPortFrom(c.Src, c.SrcPort), netip.AddrPortFrom(c.Dst, c.DstPort)}
}

// UID is a Zeek connection uid ("C3Rk0e2qX1bYbN8hE9"), padded with zero bytes. Zeek's have 17 to 19 bytes.
type UID [20]byte

// NewUID returns the UID of a text, truncated if longer.
func NewUID(s []byte) (u UID) {
	copy(u[:], s)
	return u
}

// String is the uid as Zeek writes it, empty if unknown.
func (u UID) String() string {
	if i := bytes.IndexByte(u[:], 0); i >= 0 {
		return string(u[:i])
	}
	return string(u[:])
}
