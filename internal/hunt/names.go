package hunt

import (
	"net/netip"
	"strings"
)

// Below is the name of keys that stand for all names below a domain: no host has such a name.
func Below(domain string) string { return "*." + domain }

// CutBelow is the domain of such a name.
func CutBelow(name string) (domain string, ok bool) { return strings.CutPrefix(name, "*.") }

// Within says whether a name is a domain, or lies below it. Both are in lower case.
func Within(name, domain string) bool {
	above, ok := strings.CutSuffix(name, domain)
	return ok && (above == "" || strings.HasSuffix(above, "."))
}

// NameKind says in which protocol a name was used.
type NameKind uint8

// The kinds of names. TLS is a server name (SNI), HTTP a Host header, Connect the host that a proxy was asked for.
const (
	TLS NameKind = iota
	HTTP
	Connect
)

// String is the kind's word.
func (k NameKind) String() string { return [...]string{"tls", "http", "connect"}[k] }

// NameRecord is one use of a name: a line of ssl.log or http.log. Records are handed over in batches whose memory is
// used again; Name may be kept (it is a string of its own, interned by the source).
type NameRecord struct {
	// Start is the record's own time, Unix milliseconds: at or a little after its connection's start.
	Start int64
	// Src and Dst are the connection's two ends; of a Connect record Dst is the proxy.
	Src, Dst         netip.Addr
	SrcPort, DstPort uint16
	Kind             NameKind
	// Name is the host in lower case, without port and final dot; empty when the protocol allows one and none was given
	// (an HTTP request without Host, TLS without server name).
	Name string
	// Port is the port that was asked for in a Connect record, else 0.
	Port uint16
	// Count is how many records look exactly like this one.
	Count int64
	// Fingerprint is what a TLS record shows of the client's program, else none. Its text may be kept, like Name.
	Fingerprint Fingerprint
	// UID is Zeek's name for the connection, or zero where the source does not read it.
	UID UID
}

// DNSRecord is one DNS query: a line of dns.log.
type DNSRecord struct {
	// Start is the query's time, Unix milliseconds.
	Start int64
	// Client asked Resolver.
	Client, Resolver netip.Addr
	// Query is the name in lower case, without final dot.
	Query string
	// Type is the query type's name ("A", "TXT"), empty if unknown.
	Type string
	// Answers are names and addresses as Zeek logged them; their text is valid until emit returns.
	Answers []string
	// Count is how many records look like this one.
	Count int64
}

// Answers is what a client was answered below one registered domain.
type Answers struct {
	Client netip.Addr
	Domain string
	// Bytes is the length of all answers' text; Addresses are those among the answers, at most 64.
	Bytes     int64
	Addresses []netip.Addr
}
