package hunt

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
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
	// hosts asked of an HTTP proxy is joined with them.
	Proxies []netip.Addr
	// Only, if its Dst is set, narrows the scope to one pair of addresses, or without a Src to one destination.
	Only  Two
	never []netip.Prefix
	// octets has a bit for each first octet of IPv4 that an address of never may have.
	octets [4]uint64
	// local are internal addresses beside Internal, if that is the default: those that Zeek calls local. Networks that
	// somebody named are all of them.
	local *localSet
}

// localSet is a set of addresses that grows while records are read. All copies of a scope share it.
type localSet struct {
	mu    sync.RWMutex
	addrs map[netip.Addr]struct{}
	some  atomic.Bool
}

// maxLocal bounds the addresses that are learned: some 60 MB.
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

// NewScope makes a scope; an empty internal list means DefaultInternal.
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

// IsInternal says whether an address lies in one of the internal networks, or was called local by a record.
func (s *Scope) IsInternal(a netip.Addr) bool { return within(s.Internal, a) || s.local.has(a) }

// AddLocal makes an address internal that a sensor called local, and says whether that is news. Where somebody named the
// internal networks, those are all.
func (s *Scope) AddLocal(a netip.Addr) bool {
	if s.local == nil || s.IsInternal(a) || s.Never(a) {
		return false
	}
	s.local.add(a)
	return s.local.has(a)
}

// Local are the addresses that are internal because a sensor called them local, in order.
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

// Never says that an address is no host of anybody's: multicast, loopback and the like.
func (s *Scope) Never(a netip.Addr) bool {
	if a.Is4() {
		if b := a.As4()[0]; s.octets[b>>6]>>(b&63)&1 == 0 {
			return false
		}
	}
	return within(s.never, a)
}

// Narrowed says that the scope is for one pair or destination, or for what goes to some proxies.
func (s *Scope) Narrowed() bool { return len(s.Proxies) > 0 || s.Only.Dst.IsValid() }

// KeepLocal is Keep for a record that says which side its sensor has among its own networks (Zeek's local_orig and
// local_resp, Security Onion's connection.local): such an address is internal from then on, whatever its network. That an
// address is not local says less, since many sensors are not told their networks; it only takes 100.64.0.0/10 out, where
// other customers of a carrier are.
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

// SharedOutside says that hosts in other internal networks see 100.64.0.0/10 from outside: where nobody named the internal networks,
// it may be the site's own or a carrier's with other customers behind it, and only the hosts in it count it as theirs.
func (s *Scope) SharedOutside() bool { return s.local != nil }

// acrossShared takes the side in 100.64.0.0/10 out, where the destination is not in it and no record called it local.
func (s *Scope) acrossShared(src, dst netip.Addr, srcIn, dstIn bool) (bool, bool) {
	if !s.SharedOutside() || !srcIn || !dstIn {
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

// isLocal says whether an address is internal, and learns it where a record calls it local.
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

// PlainAddr is the IPv4 address that an IPv6 address stands for, IPv4-mapped (::ffff:0:0/96) or by NAT64 (64:ff9b::/96,
// RFC 6052), so that one host has one address; any other address is given as it is, without its zone.
func PlainAddr(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is6() && nat64.Contains(a) {
		b := a.As16()
		return netip.AddrFrom4([4]byte(b[12:]))
	}
	return a
}

// Keep says whether a connection from src to dst is in scope. Internal-to-internal and external-to-external never are.
func (s *Scope) Keep(src, dst netip.Addr) bool {
	srcIn, dstIn := s.IsInternal(src), s.IsInternal(dst)
	if len(s.Proxies) > 0 {
		return srcIn && slices.Contains(s.Proxies, dst)
	}
	if o := s.Only; o.Dst.IsValid() && (dst != o.Dst || o.Src.IsValid() && src != o.Src) {
		return false
	}
	srcIn, dstIn = s.acrossShared(src, dst, srcIn, dstIn)
	return s.keep(srcIn, dstIn, dst)
}

// keep is Keep when it is known who is internal.
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

// within is asked several times a record: a plain loop, without a call for each network.
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
