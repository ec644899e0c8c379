package hunt

import (
	"fmt"
	"net/netip"
	"slices"
)

// Direction says which side of a connection has to be internal.
type Direction uint8

// The three directions of the contract. Outbound is the default: source internal, destination not.
const (
	Outbound Direction = iota
	Inbound
	Both
)

// ParseDirection reads outbound, inbound or both.
func ParseDirection(s string) (Direction, error) {
	switch s {
	case "outbound":
		return Outbound, nil
	case "inbound":
		return Inbound, nil
	case "both":
		return Both, nil
	}
	return 0, fmt.Errorf("direction %q is not one of outbound, inbound, both", s)
}

// String is the flag's spelling.
func (d Direction) String() string { return [...]string{"outbound", "inbound", "both"}[d] }

// DefaultInternal are the networks taken as internal when none are given: RFC 1918, unique local IPv6 (RFC 4193)
// and carrier-grade NAT (RFC 6598).
func DefaultInternal() []netip.Prefix {
	return prefixes("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "100.64.0.0/10")
}

// NeverDestination are networks that are no destination of a hunt: this network, loopback, link-local, multicast,
// broadcast and their IPv6 kin.
func NeverDestination() []netip.Prefix {
	return prefixes("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "255.255.255.255/32",
		"::/128", "::1/128", "fe80::/10", "ff00::/8")
}

func prefixes(s ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(s))
	for i, p := range s {
		out[i] = netip.MustParsePrefix(p)
	}
	return out
}

// Scope settles which connections a hunt reads, by their addresses alone.
type Scope struct {
	Internal  []netip.Prefix
	Direction Direction
	// Proxies, if set, narrow the scope to connections of internal sources to these addresses, internal or not: what
	// machines asked of an HTTP proxy is joined with them.
	Proxies []netip.Addr
	// Only, if set, narrows the scope to one pair of addresses.
	Only  Two
	never []netip.Prefix
}

// Two is a source and a destination.
type Two struct{ Src, Dst netip.Addr }

// NewScope makes a scope; an empty internal list means DefaultInternal.
func NewScope(internal []netip.Prefix, d Direction) Scope {
	if len(internal) == 0 {
		internal = DefaultInternal()
	}
	masked := make([]netip.Prefix, len(internal))
	for i, p := range internal {
		masked[i] = p.Masked()
	}
	return Scope{Internal: masked, Direction: d, never: NeverDestination()}
}

// IsInternal says whether an address lies in one of the internal networks.
func (s *Scope) IsInternal(a netip.Addr) bool { return within(s.Internal, a) }

// Keep says whether a connection from src to dst is in scope. Internal-to-internal and external-to-external never are.
func (s *Scope) Keep(src, dst netip.Addr) bool {
	srcIn, dstIn := s.IsInternal(src), s.IsInternal(dst)
	if len(s.Proxies) > 0 {
		return srcIn && slices.Contains(s.Proxies, dst)
	}
	if s.Only.Src.IsValid() && (src != s.Only.Src || dst != s.Only.Dst) {
		return false
	}
	if srcIn == dstIn || within(s.never, dst) {
		return false
	}
	switch s.Direction {
	case Outbound:
		return srcIn
	case Inbound:
		return dstIn
	case Both:
	}
	return true
}

func within(ps []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(ps, func(p netip.Prefix) bool { return p.Contains(a) })
}

// NetworkOf is the /24 or /48 of an address.
func NetworkOf(a netip.Addr) netip.Prefix {
	bits := 48
	if a.Is4() {
		bits = 24
	}
	prefix, err := a.Prefix(bits)
	if err != nil {
		return netip.PrefixFrom(a, a.BitLen())
	}
	return prefix
}
