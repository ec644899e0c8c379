package hunt

import (
	"net/netip"
	"strings"
)

// Below is the name of a candidate for all names under a domain. No host has such a name.
func Below(domain string) string { return "*." + domain }

// CutBelow returns the domain of such a name.
func CutBelow(name string) (domain string, ok bool) { return strings.CutPrefix(name, "*.") }

// Within reports whether a name equals a domain or is under it. Both are in lower case.
func Within(name, domain string) bool {
	above, ok := strings.CutSuffix(name, domain)
	return ok && (above == "" || strings.HasSuffix(above, "."))
}

// NameKind is the protocol in which a name was used.
type NameKind uint8

// The kinds of names. TLS is a server name (SNI), HTTP a Host header, Connect the host requested from a proxy. Message
// is no name: a record of a log that may hold many of one connection, by address alone.
const (
	TLS NameKind = iota
	HTTP
	Connect
	Message
)

// String is tls, http, connect or message.
func (k NameKind) String() string { return [...]string{"tls", "http", "connect", "message"}[k] }

// NameRecord is one use of a name: a line of ssl.log or http.log. Records come in batches whose memory is reused; Name
// may be kept (the source interns it).
type NameRecord struct {
	// Start is the record's own time, in Unix milliseconds: at or shortly after its connection's start.
	Start int64
	// Src and Dst are the connection's two ends; for a Connect record Dst is the proxy.
	Src, Dst         netip.Addr
	SrcPort, DstPort uint16
	Kind             NameKind
	// Aside says that the record is of a log of its own, quic or socks, not of ssl or http. Only files say so.
	Aside bool
	// Name is the host in lower case, without port and final dot; empty if none was given (an HTTP request without
	// Host, TLS without server name).
	Name string
	// Port is the requested port of a Connect record, otherwise 0.
	Port uint16
	// Count is the number of identical records.
	Count int64
	// Fingerprint is the TLS client's, otherwise none. Its text may be kept, like Name.
	Fingerprint Fingerprint
	// UID is Zeek's uid, or zero if the source does not read it.
	UID UID
}

// DNSRecord is one DNS query: a line of dns.log.
type DNSRecord struct {
	// Start is the query's time, Unix milliseconds.
	Start int64
	// Client queried Resolver.
	Client, Resolver netip.Addr
	// Query is the name in lower case, without final dot.
	Query string
	// Type is the query type ("A", "TXT"), empty if unknown.
	Type string
	// Answers are names and addresses as logged; their text is valid until emit returns.
	Answers []string
	// Count is the number of identical records.
	Count int64
}

// Answers are the DNS answers that a client received for one registered domain.
type Answers struct {
	Client netip.Addr
	Domain string
	// Bytes is the length of all answers' text; Addresses are the addresses among them, at most 64.
	Bytes     int64
	Addresses []netip.Addr
}
