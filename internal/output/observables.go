package output

import (
	"crypto/sha1" //nolint:gosec // RFC 4122 names version 5 by it; nothing is protected
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"dwell/internal/hunt"
)

// uuid5 is the UUID of a name in a namespace (RFC 4122, version 5), all as bytes: a name has the same id in every
// export.
func uuid5(namespace [16]byte, name string) string {
	h := sha1.New() //nolint:gosec // see above
	h.Write(namespace[:])
	h.Write([]byte(name))
	u := h.Sum(nil)[:16]
	u[6], u[8] = u[6]&0x0f|0x50, u[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

// ours is the namespace of dwell's ids: a random constant.
var ours = [16]byte{0x6b, 0x3d, 0x0f, 0x52, 0x8e, 0x41, 0x4c, 0x57, 0x9a, 0x1d, 0x2f, 0xe0, 0x5c, 0x73, 0x18, 0xb6}

// observables are what others can search for. All text is harmless: names hold only letters, digits, dashes, dots and
// underscores.
type observables struct {
	// Names are server names; Below are domains, with every name under them.
	Names, Below []string
	// Addresses and Networks of the destination.
	Addresses []netip.Addr
	Networks  []netip.Prefix
	// Shared is the known service that the addresses belong to. If it is set, the addresses alone are no evidence.
	Shared string
}

// observablesOf takes the finding's destination. It leaves out the addresses behind a name: they change, and others
// share them.
func observablesOf(f *hunt.Finding) (o observables) {
	e := f.Dwell.Evidence
	switch d := f.Dwell.Destination; {
	case f.Dwell.DNS != nil:
		o.Below = names(f.Destination.Domain)
		return o
	case d != nil && d.Network != "":
		if p, err := netip.ParsePrefix(d.Network); err == nil {
			o.Networks = []netip.Prefix{p}
		}
	case d != nil && hunt.ParseFingerprint(d.Fingerprint).Kind == hunt.UnsharedNames: // others use the addresses
		if e != nil {
			for _, n := range e.Names {
				if a, err := netip.ParseAddr(n); err == nil { // what a proxy was asked for may be an address
					o.Addresses = append(o.Addresses, a)
				} else {
					o.Names = append(o.Names, names(n)...)
				}
			}
		}
		return o
	case f.Destination.Domain != "":
		if domain, ok := hunt.CutBelow(f.Destination.Domain); ok {
			o.Below = names(domain)
		} else {
			o.Names = names(f.Destination.Domain)
		}
		return o
	case f.Destination.IP.IsValid():
		o.Addresses = []netip.Addr{f.Destination.IP}
	}
	if e == nil {
		return o
	}
	if len(o.Addresses) == 0 {
		o.Addresses = slices.Clone(e.Addresses)
	}
	if e.Service != nil {
		o.Shared = Clean(e.Service.Name)
	}
	return o
}

// confirmed says that a person escalated the finding and no safelist rule contradicts.
func confirmed(f *hunt.Finding) bool {
	return f.Dwell.Disposition == hunt.Escalated && !f.Dwell.Safelisted
}

// names returns a name if DNS and block lists accept it.
func names(s string) []string {
	s = strings.ToLower(strings.Trim(s, "."))
	if len(s) == 0 || len(s) > 253 || !strings.Contains(s, ".") || strings.ContainsFunc(s, func(c rune) bool {
		return c != '-' && c != '.' && c != '_' && (c < 'a' || c > 'z') && (c < '0' || c > '9')
	}) || strings.Contains(s, "..") {
		return nil
	}
	return []string{s}
}

// summary is a finding in one sentence for other programs, on one line, cleaned.
func summary(f *hunt.Finding) string {
	return Clean(fmt.Sprintf("%s, %s; score %.3f; %s", Rhythm(f), strings.Join(f.Dwell.Indicators, ", "), f.Dwell.Score, strings.Join(f.Dwell.Reasons, "; ")))
}
