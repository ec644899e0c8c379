package hunt

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Digest hashes the parts with their lengths, so that different lists never collide by concatenation, and returns 32
// hex digits.
func Digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		part(h, p)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func part(h hash.Hash, p string) {
	h.Write([]byte(strconv.Itoa(len(p))))
	h.Write([]byte{':'})
	h.Write([]byte(p))
}

// Definition identifies a hunt: the same definition is the same hunt.
type Definition struct {
	Source     string
	Window     Window
	Internal   []netip.Prefix
	Direction  Direction
	Indicators []string
	Profile    string
	BySensor   bool
	// NoEvidence means that evidence is not considered: such a hunt finds less, so it is a different one.
	NoEvidence bool
}

// ID is the hash of the definition; the order of networks and indicators does not matter.
func (d Definition) ID() string {
	networks := make([]string, len(d.Internal))
	for i, p := range d.Internal {
		networks[i] = p.String()
	}
	slices.Sort(networks)
	indicators := slices.Sorted(slices.Values(d.Indicators))
	return Digest("hunt", d.Source, d.Window.String(), strings.Join(networks, ","), d.Direction.String(),
		strings.Join(indicators, ","), d.Profile, strconv.FormatBool(d.BySensor), strconv.FormatBool(d.NoEvidence))
}

// Revision is the hash of a hunt's inputs: the counts of its slices, the code's version, the lists and weights of the
// evidence, and what was missing (gaps and absent logs). The same revision gives the same findings, and a hunt that
// could look up more replaces one that could not. r is the reading after all look-ups.
func Revision(huntID string, r *Reading, version string, evidence ...string) string {
	h := sha256.New()
	part(h, "revision")
	part(h, huntID)
	part(h, version)
	for _, s := range r.Slices {
		part(h, fmt.Sprintf("%s %d %d %d", s.Name, s.Start.UnixMilli(), s.End.UnixMilli(), s.Read))
	}
	for _, g := range r.Gaps {
		part(h, g.String())
	}
	var missing []string
	for _, n := range r.Notes {
		missing = append(missing, n.Logs...)
	}
	slices.Sort(missing)
	part(h, strings.Join(slices.Compact(missing), ","))
	for _, e := range evidence {
		part(h, e)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// PairKey identifies a candidate: an internal and an external side, with port and transport if known.
type PairKey struct {
	Src, Dst netip.Addr
	// Name is the server's name, for candidates by name; Dst is then its most used address.
	Name string
	// Network is the destination's network, for roll-ups; Dst is then not set.
	Network netip.Prefix
	// Fingerprint is the TLS fingerprint of a roll-up over any destinations; Dst is then not set.
	Fingerprint Fingerprint
	// DNS is the registered domain of a DNS candidate; Dst is then the resolver.
	DNS   string
	Port  uint16
	Proto Transport
	// AnyPort means all ports.
	AnyPort bool
	// Sensor is set only in hunts by sensor. It is part of the identity because addresses overlap.
	Sensor string
}

// UnsharedDomains is PairKey.DNS for all domains together that no other client queries.
const UnsharedDomains = "*"

// String is the readable form: 10.1.4.22>203.0.113.7:443/tcp, 10.1.4.22>cdn.example:443/tcp, 10.1.4.22>203.0.113.0/24,
// 10.1.4.22>*:443/tcp#ja3=e7d705a3286e19ea42f587b344ee6865, [2001:db8::1]>[2001:db8::2]:443/tcp.
func (k PairKey) String() string {
	var dst string
	switch {
	case k.DNS == UnsharedDomains:
		return host(k.Src) + ">*/dns#unshared"
	case k.DNS != "":
		return host(k.Src) + ">*." + k.DNS + "/dns"
	case k.Name != "":
		dst = k.Name
	case k.Network.IsValid():
		dst = k.Network.String()
	case k.Fingerprint.Kind != NoFingerprint && k.AnyPort:
		return fmt.Sprintf("%s>*#%s", host(k.Src), k.Fingerprint)
	case k.Fingerprint.Kind != NoFingerprint:
		return fmt.Sprintf("%s>*:%d/%s#%s", host(k.Src), k.Port, k.Proto, k.Fingerprint)
	default:
		dst = host(k.Dst)
	}
	if k.AnyPort {
		return host(k.Src) + ">" + dst
	}
	return fmt.Sprintf("%s>%s:%d/%s", host(k.Src), dst, k.Port, k.Proto)
}

// Kind is dns, name, network, fingerprint or address.
func (k PairKey) Kind() string {
	switch {
	case k.DNS != "":
		return "dns"
	case k.Name != "":
		return "name"
	case k.Network.IsValid():
		return "network"
	case k.Fingerprint.Kind != NoFingerprint:
		return "fingerprint"
	}
	return "address"
}

// FindingID is the same in every hunt for the same candidate.
func (k PairKey) FindingID() string {
	if k.Sensor != "" {
		return Digest("story", k.Kind(), k.String(), k.Sensor)
	}
	return Digest("story", k.Kind(), k.String())
}

func host(a netip.Addr) string {
	if a.Is6() {
		return "[" + a.String() + "]"
	}
	return a.String()
}
