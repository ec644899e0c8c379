package safelist

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/publicsuffix"

	"dwell/internal/hunt"
)

// Seen is what a rule's findings showed when the rule was made: what a client cannot choose freely, and what it would
// have to copy. A finding that shows something else breaks the rule. Each field is a list with commas; an empty one is
// not compared.
type Seen struct {
	// AS are the autonomous systems of the destination, as in AS64500. Networks are its /24s and /48s, compared only if
	// either side lacks an AS.
	AS       string `yaml:"as,omitempty"`
	Networks string `yaml:"networks,omitempty"`
	// Domains are the registered domains of a finding about names in turn, which has no name of its own.
	Domains string `yaml:"domains,omitempty"`
	// Fingerprints are the client's JA4s, or its JA3s if it has none; Certificates are the hashes of the server's.
	Fingerprints string `yaml:"fingerprints,omitempty"`
	Certificates string `yaml:"certificates,omitempty"`
	// Indicators are the matches of indicator lists that were judged harmless.
	Indicators string `yaml:"indicators,omitempty"`
}

const (
	// maxNoted bounds the values recorded of a kind: with more of them, none identifies a client.
	maxNoted = 20
	// shuffled is the number of JA3s from which a client is assumed to change them with each connection.
	shuffled = 3
)

// seenOf records what a finding shows.
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
	if turning(f) {
		s.Domains = strings.Join(domains(e.Names), ", ")
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

// turning says that a finding is about names in turn: it is called the same, whichever they are.
func turning(f *hunt.Finding) bool {
	d := f.Dwell.Destination
	return f.Destination.Domain == hunt.UnsharedDomains || d != nil && hunt.ParseFingerprint(d.Fingerprint).Kind == hunt.UnsharedNames
}

// domains are the registered domains of names, or the names that have none.
func domains(names []string) (out []string) {
	for _, n := range names {
		if d, err := publicsuffix.EffectiveTLDPlusOne(n); err == nil && strings.Trim(n, "0123456789.") != "" {
			n = d
		}
		if plain(n) && !slices.Contains(out, n) && len(out) < maxNoted {
			out = append(out, n)
		}
	}
	return out
}

// addresses are the destination's, starting with the finding's own.
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

// fingerprints are the client's, most used first.
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

// broken says why a matching finding is not safelisted; it is empty if the rule holds.
func (s *Seen) broken(f *hunt.Finding) string {
	now := seenOf(f)
	for _, indicator := range list(now.Indicators) {
		if !slices.Contains(list(s.Indicators), indicator) {
			return "an indicator list names " + indicator
		}
	}
	if all := list(now.Domains); s.Domains != "" && len(all) > 0 {
		others := slices.DeleteFunc(slices.Clone(all), func(d string) bool { return slices.Contains(list(s.Domains), d) })
		if 2*len(others) >= len(all) {
			return "it uses other domains now, such as " + others[0]
		}
	}
	// Large services move between networks: most must stay the same, including the busiest, which comes first. Within
	// an AS they may all move; one beside those that were seen is another server, of which the AS is not known.
	networks, other, known := list(now.Networks), "", 0
	for _, n := range networks {
		if within(n, list(s.Networks)) {
			known++
		} else if other == "" {
			other = n
		}
	}
	sameAS := s.AS != "" && now.AS != ""
	switch {
	case sameAS && !slices.Contains(list(s.AS), now.AS):
		return fmt.Sprintf("its destination is in %s now, not in %s", now.AS, s.AS)
	case s.Networks == "" || other == "" || sameAS && other == networks[0]:
	case other == networks[0] || 2*known <= len(networks):
		return "its destination is in another network now, " + other
	}
	if s.Fingerprints != "" { // a second client behind the rule may be rarer than the first
		for _, p := range list(now.Fingerprints) {
			if !slices.Contains(list(s.Fingerprints), p) {
				return "it has another TLS fingerprint now, " + p
			}
		}
	}
	if now.Certificates != "" && s.Certificates != "" && !slices.Contains(list(s.Certificates), now.Certificates) {
		return "its certificate is another one now, " + now.Certificates
	}
	return ""
}

// within reports whether a network lies in one of the others. Invalid ones contain nothing; Parse rejects them.
func within(network string, in []string) bool {
	n, err := netip.ParsePrefix(network)
	return err == nil && slices.ContainsFunc(in, func(s string) bool {
		p, err := netip.ParsePrefix(s)
		return err == nil && p.Bits() <= n.Bits() && p.Contains(n.Addr())
	})
}

// list splits a list with commas.
func list(text string) []string {
	return strings.FieldsFunc(text, func(c rune) bool { return c == ',' || c == ' ' })
}

// settle validates the recorded values.
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

// Note records what a finding shows, so that the rule depends on more than names.
func (r *Rule) Note(f *hunt.Finding) { r.Seen = seenOf(f) }

// About reports whether a rule that was not read from a list is about a finding.
func (r *Rule) About(f *hunt.Finding) bool {
	settled := *r
	settled.settle() // errors about fields not yet filled in do not matter here
	return settled.Matches(f)
}

// Forgeable reports whether the rule depends only on what a client says about itself.
func (r *Rule) Forgeable() bool {
	return r.Destination == "" && r.Seen.AS == "" && r.Seen.Networks == "" && r.Seen.Certificates == "" && (r.Domain != "" || r.Fingerprint != "" || r.Finding != "")
}
