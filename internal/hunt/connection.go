package hunt

import (
	"bytes"
	"net/netip"
)

// Transport is the layer-4 protocol of a connection, as Zeek's conn.log names it.
type Transport uint8

// The transports that Zeek logs. TransportUnknown stands for everything else ("unknown_transport").
const (
	TransportUnknown Transport = iota
	TCP
	UDP
	ICMP
)

// ParseTransport reads Zeek's proto column. Upper case (Suricata metadata) is accepted.
func ParseTransport(s string) Transport {
	switch s {
	case "tcp", "TCP":
		return TCP
	case "udp", "UDP":
		return UDP
	case "icmp", "ICMP":
		return ICMP
	}
	return TransportUnknown
}

// String gives Zeek's spelling; the unknown transport reads "unknown".
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

// State is whether a connection was answered, as Zeek's conn_state tells it.
type State uint8

// The states. StateOther is every other one, and what is not known.
const (
	StateOther State = iota
	// StateSilent is an attempt without an answer (S0), StateRefused one that was rejected (REJ).
	StateSilent
	StateRefused
	// StateOpen is that of a connection that had not ended when it was logged last, or whose record is still to come.
	StateOpen
)

// ParseState reads Zeek's conn_state.
func ParseState[T string | []byte](s T) State {
	switch string(s) {
	case "S0":
		return StateSilent
	case "REJ":
		return StateRefused
	}
	return StateOther
}

// Absent marks a duration or a byte count that Zeek did not log ("-"), as it does for attempts that were never answered.
const Absent = -1

// Connection is one Zeek conn record, the same whether it came out of Elasticsearch or out of a file.
// Sources hand connections over in batches and reuse the memory: keep values, never the slice.
type Connection struct {
	// Start is the time of the first packet, Unix milliseconds (cut, not rounded, as Security Onion's index does).
	Start int64
	// Duration is milliseconds, or Absent. Out of Elasticsearch it is whole seconds (docs/facts/security-onion.md, 1.2).
	Duration int64
	// OrigBytes and RespBytes are payload bytes, or Absent.
	OrigBytes, RespBytes int64
	// OrigIPBytes is what the originator sent, IP headers included, or Absent. RITA's data size is this.
	OrigIPBytes int64
	// Count is how many records look exactly like this one: 1 from files, the bucket's document count from Elasticsearch.
	Count int64
	// Src is the originator, Dst the responder.
	Src, Dst netip.Addr
	// Service is what Zeek recognised ("ssl", "ssl,http"), or empty. Sources intern it.
	Service string
	// SrcPort and DstPort are the ports; for ICMP Zeek puts type and code there.
	SrcPort, DstPort uint16
	// Proto is the transport.
	Proto Transport
	// State says whether it was answered, where the source reads that with the connection.
	State State
	// UID is Zeek's name for the connection, or zero where the source does not read it (Elasticsearch pages).
	UID UID
}

// UID is a Zeek connection uid ("C3Rk0e2qX1bYbN8hE9"), padded with zero bytes. Zeek's are 17 to 19 bytes long.
type UID [20]byte

// NewUID makes a UID of its text; a longer text is cut.
func NewUID(s []byte) (u UID) {
	copy(u[:], s)
	return u
}

// String is the uid as Zeek writes it, empty when unknown.
func (u UID) String() string {
	if i := bytes.IndexByte(u[:], 0); i >= 0 {
		return string(u[:i])
	}
	return string(u[:])
}
