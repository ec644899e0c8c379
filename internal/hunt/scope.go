package hunt

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
)

// Direction is which side of a connection must be internal.
type Direction uint8

// The directions. Outbound, the default, means an internal source and an external destination.
const (
	Outbound Direction = iota
	Inbound
	Both
)

// ParseDirection parses outbound, inbound or both.
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

// DefaultInternal are the internal networks if none are configured: RFC 1918, unique local IPv6 (RFC 4193) and
// carrier-grade NAT (RFC 6598).
func DefaultInternal() []netip.Prefix {
	return prefixes("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "100.64.0.0/10")
}

// NeverDestination are networks that are never a destination: this network, loopback, link-local, multicast, broadcast
// and their IPv6 counterparts.
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

// Scope decides by address alone which connections a hunt reads.
type Scope struct {
	Internal  []netip.Prefix
	Direction Direction
	// Proxies, if set, restricts the scope to connections of internal sources to these addresses, internal or not. They
	// are joined with the requests that hosts made to an HTTP proxy.
	Proxies []netip.Addr
	// Only restricts the scope to one pair of addresses, or to one source or destination where only that is set.
	Only  Two
	never []netip.Prefix
	// octets has a bit for each first IPv4 octet that occurs in never.
	octets [4]uint64
	// local are addresses that Zeek calls local, internal in addition to Internal. It is set only if Internal is the
	// default: configured networks are complete.
	local *localSet
}

// localSet is a set of addresses that grows during reading. All copies of a scope share it.
type localSet struct {
	mu    sync.RWMutex
	addrs map[netip.Addr]struct{}
	some  atomic.Bool
}

// maxLocal limits the learned addresses, to about 60 MB.
const maxLocal = 1 << 20

func (l *localSet) has(a netip.Addr) bool {
	if l == nil || !l.some.Load() {
		return false
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	_, ok := l.addrs[a]
	return ok
}

func (l *localSet) add(a netip.Addr) {
	if l == nil || l.has(a) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.addrs) < maxLocal {
		l.addrs[a] = struct{}{}
		l.some.Store(true)
	}
}

// Two is a source and a destination.
type Two struct{ Src, Dst netip.Addr }

// NewScope returns a scope; an empty internal list means DefaultInternal.
func NewScope(internal []netip.Prefix, d Direction) Scope {
	if len(internal) == 0 {
		internal = DefaultInternal()
	}
	masked := make([]netip.Prefix, len(internal))
	for i, p := range internal {
		masked[i] = p.Masked()
	}
	s := Scope{Internal: masked, Direction: d, never: NeverDestination()}
	for _, p := range s.never {
		if p.Addr().Is4() {
			first := int(p.Addr().As4()[0])
			for b := first; b < first+1<<max(8-p.Bits(), 0); b++ {
				s.octets[b>>6] |= 1 << (b & 63)
			}
		}
	}
	if slices.Equal(masked, DefaultInternal()) {
		s.local = &localSet{addrs: map[netip.Addr]struct{}{}}
	}
	return s
}

// IsInternal reports whether an address is in an internal network, or a record called it local.
func (s *Scope) IsInternal(a netip.Addr) bool { return within(s.Internal, a) || s.local.has(a) }

// Names reports whether an address is in an internal network, whatever sensors call local.
func (s *Scope) Names(a netip.Addr) bool { return within(s.Internal, a) }

// AddLocal makes an address internal that a sensor called local, and reports whether that is new. Configured internal
// networks are complete, so then it does nothing.
func (s *Scope) AddLocal(a netip.Addr) bool {
	if s.local == nil || s.IsInternal(a) || s.Never(a) {
		return false
	}
	s.local.add(a)
	return s.local.has(a)
}

// Local are the addresses that are internal because a sensor called them local, sorted.
func (s *Scope) Local() (out []netip.Addr) {
	if s.local == nil {
		return nil
	}
	s.local.mu.RLock()
	defer s.local.mu.RUnlock()
	for a := range s.local.addrs {
		out = append(out, a)
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return out
}

// Never reports whether an address cannot be a host: multicast, loopback and the like.
func (s *Scope) Never(a netip.Addr) bool {
	if a.Is4() {
		if b := a.As4()[0]; s.octets[b>>6]>>(b&63)&1 == 0 {
			return false
		}
	}
	return within(s.never, a)
}

// Narrowed reports whether the scope is for one pair, source or destination, or for traffic to some proxies.
func (s *Scope) Narrowed() bool { return len(s.Proxies) > 0 || s.Only != (Two{}) }

// KeepLocal is Keep for a record that says which side its sensor considers local (Zeek's local_orig and local_resp,
// Security Onion's connection.local). A local address is internal from then on, in any network. Not local means less,
// because many sensors have no list of networks: it only excludes 100.64.0.0/10, where a carrier's other customers are.
func (s *Scope) KeepLocal(src, dst netip.Addr, srcLocal, dstLocal, dstForeign bool) bool {
	if s.local == nil || s.Narrowed() {
		return s.Keep(src, dst)
	}
	srcIn, dstIn := s.isLocal(src, srcLocal), s.isLocal(dst, dstLocal)
	if dstForeign && dstIn && SharedSpace().Contains(dst) {
		dstIn = false
	}
	srcIn, dstIn = s.acrossShared(src, dst, srcIn, dstIn)
	return s.keep(srcIn, dstIn, dst)
}

// SharedIsExternal reports whether 100.64.0.0/10 is external to hosts in other internal networks. Without configured
// networks it may be the site's own or a carrier's, so only the hosts in it treat it as internal.
func (s *Scope) SharedIsExternal() bool { return s.local != nil }

// acrossShared makes the side in 100.64.0.0/10 external if the other is not in it and no record called it local.
func (s *Scope) acrossShared(src, dst netip.Addr, srcIn, dstIn bool) (bool, bool) {
	if !s.SharedIsExternal() || !srcIn || !dstIn {
		return srcIn, dstIn
	}
	shared := SharedSpace()
	switch a, b := shared.Contains(src), shared.Contains(dst); {
	case b && !a && !s.local.has(dst):
		return srcIn, false
	case a && !b && !s.local.has(src):
		return false, dstIn
	}
	return srcIn, dstIn
}

// isLocal reports whether an address is internal, and learns it if a record calls it local.
func (s *Scope) isLocal(a netip.Addr, called bool) bool {
	if within(s.Internal, a) {
		return true
	}
	if called && !s.Never(a) {
		s.local.add(a)
		return true
	}
	return s.local.has(a)
}

// SharedSpace is 100.64.0.0/10, which carriers use between themselves and their customers (RFC 6598).
func SharedSpace() netip.Prefix { return sharedSpace }

var sharedSpace = netip.MustParsePrefix("100.64.0.0/10")

var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// PlainAddr is the IPv4 address in an IPv4-mapped (::ffff:0:0/96) or NAT64 (64:ff9b::/96, RFC 6052) address, so that
// one host has one address. Any other address is returned without its zone.
func PlainAddr(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is6() && nat64.Contains(a) {
		b := a.As16()
		return netip.AddrFrom4([4]byte(b[12:]))
	}
	return a
}

// Keep reports whether a connection from src to dst is in scope. Internal-to-internal and external-to-external never
// are.
func (s *Scope) Keep(src, dst netip.Addr) bool {
	srcIn, dstIn := s.IsInternal(src), s.IsInternal(dst)
	if len(s.Proxies) > 0 {
		return srcIn && slices.Contains(s.Proxies, dst)
	}
	if o := s.Only; o.Dst.IsValid() && dst != o.Dst || o.Src.IsValid() && src != o.Src {
		return false
	}
	srcIn, dstIn = s.acrossShared(src, dst, srcIn, dstIn)
	return s.keep(srcIn, dstIn, dst)
}

// keep is Keep for sides already classified.
func (s *Scope) keep(srcIn, dstIn bool, dst netip.Addr) bool {
	if srcIn == dstIn || s.Never(dst) {
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

// within is called several times per record, hence a plain loop without a function call per network.
func within(ps []netip.Prefix, a netip.Addr) bool {
	for i := range ps {
		if ps[i].Contains(a) {
			return true
		}
	}
	return false
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
