package safelist

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"dwell/internal/hunt"
)

// Seen is what the findings of a rule showed when the rule was made, of what a client cannot choose freely, and of what it would have to
// copy. A finding that shows another is shown in spite of the rule. Each is a list with commas; what is empty is not compared.
type Seen struct {
	// AS are the autonomous systems of the destination, as in AS64500; Networks its /24s and /48s, which are compared where an AS is
	// not known on both sides.
	AS       string `yaml:"as,omitempty"`
	Networks string `yaml:"networks,omitempty"`
	// Fingerprints are the client's JA4s, or JA3s where it has none; Certificates the hashes of the server's.
	Fingerprints string `yaml:"fingerprints,omitempty"`
	Certificates string `yaml:"certificates,omitempty"`
	// Indicators are those of indicator lists that matched and did not matter.
	Indicators string `yaml:"indicators,omitempty"`
}

const (
	// maxNoted is how many values of a kind are noted: a client that shows more shows none that means anything.
	maxNoted = 20
	// shuffled is from how many JA3s on a client is taken to change them with each connection.
	shuffled = 3
)

// seenOf notes what a finding shows.
func seenOf(f *hunt.Finding) (s Seen) {
	e := f.Dwell.Evidence
	if e == nil {
		e = &hunt.Evidence{}
	}
	if e.ASN != nil && e.ASN.Number != 0 {
		s.AS = "AS" + strconv.FormatInt(e.ASN.Number, 10)
	}
	if f.Dwell.DNS == nil {
		var networks []string
		for _, a := range addresses(f) {
			if n := hunt.NetworkOf(a).String(); !slices.Contains(networks, n) {
				networks = append(networks, n)
			}
		}
		s.Networks = strings.Join(networks, ", ")
	}
	s.Fingerprints = strings.Join(fingerprints(e), ", ")
	if p := e.Protocol; p != nil && p.Certificate != nil {
		s.Certificates = p.Certificate.Hash
	}
	var indicators []string
	for _, h := range e.Intel {
		indicators = append(indicators, h.Indicator)
	}
	s.Indicators = strings.Join(indicators, ", ")
	return s
}

// addresses are the destination's, the one that the finding shows first.
func addresses(f *hunt.Finding) (out []netip.Addr) {
	if f.Destination.IP.IsValid() {
		out = append(out, f.Destination.IP)
	}
	if e := f.Dwell.Evidence; e != nil {
		for _, a := range e.Addresses {
			if !slices.Contains(out, a) {
				out = append(out, a)
			}
		}
	}
	return out[:min(len(out), maxNoted)]
}

// fingerprints are the client's, the most used first.
func fingerprints(e *hunt.Evidence) []string {
	p := e.Protocol
	switch {
	case p == nil:
		return nil
	case len(p.JA4) > 0:
		return p.JA4
	case len(p.JA3) <= shuffled:
		return p.JA3
	}
	return nil
}

// broken says why a finding is shown in spite of the rule that it matches; empty where it is not.
func (s *Seen) broken(f *hunt.Finding) string {
	now := seenOf(f)
	for _, indicator := range list(now.Indicators) {
		if !slices.Contains(list(s.Indicators), indicator) {
			return "an indicator list names " + indicator
		}
	}
	switch {
	case s.AS != "" && now.AS != "":
		if !slices.Contains(list(s.AS), now.AS) {
			return fmt.Sprintf("its destination is in %s now, not in %s", now.AS, s.AS)
		}
	case s.Networks != "" && now.Networks != "":
		// Large services move between networks; most of them have to stay, and the busiest, which comes first.
		other, known := "", 0
		networks := list(now.Networks)
		for _, n := range networks {
			if within(n, list(s.Networks)) {
				known++
			} else if other == "" {
				other = n
			}
		}
		if other == networks[0] || 2*known <= len(networks) {
			return "its destination is in another network now, " + other
		}
	}
	if p := list(now.Fingerprints); s.Fingerprints != "" && len(p) > 0 && !slices.Contains(list(s.Fingerprints), p[0]) {
		return "its TLS fingerprint is another one now, " + p[0]
	}
	if now.Certificates != "" && s.Certificates != "" && !slices.Contains(list(s.Certificates), now.Certificates) {
		return "its certificate is another one now, " + now.Certificates
	}
	return ""
}

// within says whether a network lies in one of some others. Those that cannot be read hold nothing: Parse refuses them.
func within(network string, in []string) bool {
	n, err := netip.ParsePrefix(network)
	return err == nil && slices.ContainsFunc(in, func(s string) bool {
		p, err := netip.ParsePrefix(s)
		return err == nil && p.Bits() <= n.Bits() && p.Contains(n.Addr())
	})
}

// list reads a list with commas.
func list(text string) []string {
	return strings.FieldsFunc(text, func(c rune) bool { return c == ',' || c == ' ' })
}

// settle checks what was noted.
func (s *Seen) settle() (errs []error) {
	for _, n := range list(s.Networks) {
		if p, err := netip.ParsePrefix(n); err != nil || p != p.Masked() {
			errs = append(errs, fmt.Errorf("seen.networks: %q is not a network, as in 203.0.113.0/24", n))
		}
	}
	for _, as := range list(s.AS) {
		digits, ok := strings.CutPrefix(as, "AS")
		if n, err := strconv.ParseUint(digits, 10, 32); !ok || err != nil || n == 0 {
			errs = append(errs, fmt.Errorf("seen.as: %q is not an autonomous system, as in AS64500", as))
		}
	}
	return errs
}

// Note puts what a finding shows into the rule, so that the rule stands on more than names.
func (r *Rule) Note(f *hunt.Finding) { r.Seen = seenOf(f) }

// About says whether a rule that was not read from a list is about a finding.
func (r *Rule) About(f *hunt.Finding) bool {
	settled := *r
	settled.settle() // what is missing yet does not matter here
	return settled.Matches(f)
}

// Forgeable says whether the rule goes by what a client says of itself alone.
func (r *Rule) Forgeable() bool {
	return r.Destination == "" && r.Seen.AS == "" && r.Seen.Networks == "" && r.Seen.Certificates == "" && (r.Domain != "" || r.Fingerprint != "" || r.Finding != "")
}
