package hunt

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Side is the destination of a pair of any kind, as a user writes it. One of Addr, Network, Fingerprint and Name is
// set.
type Side struct {
	Addr    netip.Addr
	Network netip.Prefix
	// Fingerprint is as [Fingerprint.String] writes it; Port is the port it is shown to, 0 for any.
	Fingerprint string
	Port        uint16
	// Transport belongs to Port: tcp, udp, icmp, or empty.
	Transport string
	// Name is a server's name or, with DNS, the domain whose names were queried.
	Name string
	DNS  bool
}

// ParseSide parses the part of a pair after ">" (see [PairKey.String]), with or without port and transport:
// 203.0.113.7, 203.0.113.0/24, cdn.example, *:443/tcp#ja4=..., ja4=..., *.evil.example/dns.
func ParseSide(text string) (Side, error) {
	text = strings.ToLower(strings.TrimSpace(text))
	if where, print, ok := strings.Cut(text, "#"); ok || isFingerprint(text) {
		if !ok {
			where, print = "", text
		}
		s := Side{Fingerprint: print}
		if !isFingerprint(print) {
			return s, fmt.Errorf("%q is not a TLS fingerprint, as in ja4=t13d1516h2_8daaf6152771_b186095e22b6, ja3=... or no-server-name", print)
		}
		if port, _, _ := strings.Cut(strings.TrimPrefix(where, "*:"), "/"); port != "" && port != "*" {
			n, err := strconv.ParseUint(port, 10, 16)
			if err != nil {
				return s, fmt.Errorf("%q is not a port", port)
			}
			s.Port = uint16(n)
		}
		return s, nil
	}
	if domain, ok := strings.CutSuffix(text, "/dns"); ok {
		return Side{Name: strings.TrimPrefix(domain, "*."), DNS: true}, nil
	}
	if p, err := netip.ParsePrefix(text); err == nil {
		return Side{Network: p.Masked()}, nil
	}
	transport := ""
	if before, after, ok := strings.Cut(text, "/"); ok && slices.Contains([]string{"tcp", "udp", "icmp"}, after) {
		text, transport = before, after
	}
	if a, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		return Side{Addr: a.Unmap(), Transport: transport}, nil
	}
	if a, err := netip.ParseAddrPort(text); err == nil {
		return Side{Addr: a.Addr().Unmap(), Port: a.Port(), Transport: transport}, nil
	}
	s := Side{Name: text, Transport: transport}
	if name, port, ok := strings.Cut(text, ":"); ok {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return s, fmt.Errorf("%q is not a port", port)
		}
		s.Name, s.Port = name, uint16(n)
	}
	if s.Name == "" || strings.ContainsAny(s.Name, "/ >*") {
		return s, errors.New("the destination is an address, a network (203.0.113.0/24), a name, a TLS fingerprint (*:443/tcp#ja4=...) or a domain (*.evil.example/dns)")
	}
	if last := s.Name[strings.LastIndexByte(s.Name, '.')+1:]; strings.Trim(last, "0123456789") == "" { // no top-level domain is a number (RFC 3696)
		return s, fmt.Errorf("%q is neither an address nor a name", s.Name)
	}
	return s, nil
}

func isFingerprint(s string) bool {
	return s == "no-server-name" || strings.HasPrefix(s, "ja3=") || strings.HasPrefix(s, "ja4=")
}

// ParsePair parses a whole pair as in dwell.pair.
func ParsePair(text string) (src netip.Addr, to Side, err error) {
	from, other, ok := strings.Cut(text, ">")
	if !ok {
		return src, to, errors.New("a pair reads SOURCE>OTHER SIDE, as dwell.pair does")
	}
	if src, err = netip.ParseAddr(strings.Trim(strings.TrimSpace(from), "[]")); err != nil {
		return src, to, fmt.Errorf("source %q is not an address", from)
	}
	to, err = ParseSide(other)
	return src.Unmap(), to, err
}

// String is the side without a port, except for a fingerprint, which reads as in a pair.
func (s Side) String() string {
	switch {
	case s.Addr.IsValid():
		return s.Addr.String()
	case s.Network.IsValid():
		return s.Network.String()
	case s.Fingerprint != "" && s.Port != 0:
		return fmt.Sprintf("*:%d/tcp#%s", s.Port, s.Fingerprint)
	case s.Fingerprint != "":
		return "*#" + s.Fingerprint
	case s.DNS:
		return "*." + s.Name + "/dns"
	}
	return s.Name
}

// SideOf is the destination of a finding.
func SideOf(f *Finding) Side {
	switch d := f.Dwell.Destination; {
	case f.Dwell.DNS != nil:
		return Side{Name: f.Destination.Domain, DNS: true}
	case d != nil && d.Network != "":
		p, err := netip.ParsePrefix(d.Network)
		if err == nil {
			return Side{Network: p}
		}
	case d != nil && d.Fingerprint != "":
		return Side{Fingerprint: d.Fingerprint, Port: uint16(f.Destination.Port)}
	case f.Destination.Domain != "":
		return Side{Name: f.Destination.Domain}
	}
	return Side{Addr: f.Destination.IP}
}

// Is reports whether a finding is about this side.
func (s Side) Is(f *Finding) bool {
	o := SideOf(f)
	if s.Fingerprint != "" {
		return s.Fingerprint == o.Fingerprint && (s.Port == 0 || s.Port == o.Port)
	}
	return s.Addr == o.Addr && s.Network == o.Network && o.Fingerprint == "" && s.DNS == o.DNS && strings.EqualFold(s.Name, o.Name)
}
