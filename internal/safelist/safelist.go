// Package safelist matches findings against safelist rules, each with a reason, an owner and an expiry. A rule marks a
// finding; it never removes one from the store and never changes a score.
package safelist

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"dwell/internal/hunt"
)

// Rule is one safelist rule. Source and one of Destination, Domain, Fingerprint, ASN and Finding select findings; empty
// means any.
type Rule struct {
	// Name is unique in the list and appears in the findings that the rule marks.
	Name string `yaml:"name"`
	// Source and Destination are networks in CIDR notation or single addresses.
	Source      string `yaml:"source,omitempty"`
	Destination string `yaml:"destination,omitempty"`
	// Domain is a name; "*.example.com" matches it and every name under it.
	Domain string `yaml:"domain,omitempty"`
	// Fingerprint is a TLS fingerprint over any destinations, as in a finding: ja4=..., ja3=..., no-server-name.
	Fingerprint string `yaml:"fingerprint,omitempty"`
	// Finding is the id of the one finding that matches (dwell.finding_id).
	Finding string `yaml:"finding,omitempty"`
	// ASN is the autonomous system that announces the destination, whatever its address. It does not narrow the rule
	// further.
	ASN int64 `yaml:"asn,omitempty"`
	// Port is the destination port, Transport its tcp, udp or icmp; 0 and empty mean any.
	Port      int    `yaml:"port,omitempty"`
	Transport string `yaml:"transport,omitempty"`
	// DNS limits the rule to queries for names, whatever the port and transport that carry them.
	DNS bool `yaml:"dns,omitempty"`
	// Seen is what the rule was made for. A finding that shows something else is not safelisted.
	Seen Seen `yaml:"seen,omitempty"`
	// Reason is why this is no threat, Owner who decided.
	Reason string `yaml:"reason"`
	Owner  string `yaml:"owner"`
	// Expires is the day (YYYY-MM-DD, UTC) from which the rule no longer holds. Every rule has one.
	Expires string `yaml:"expires"`

	source, destination netip.Prefix
	expires             time.Time
}

// List is a safelist.
type List struct {
	Rules []Rule `yaml:"rules"`
}

// maxList bounds what is read, in bytes; real lists are far smaller.
const maxList = 4 << 20

// Parse reads a list in YAML. Unknown keys, rules without name, reason, owner or expiry, invalid networks, duplicate
// names and rules that match everything are errors. It returns all of them, joined, each naming its rule.
func Parse(r io.Reader) (*List, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxList+1))
	if err != nil {
		return nil, fmt.Errorf("read safelist: %w", err)
	}
	if len(text) > maxList {
		return nil, fmt.Errorf("safelist is larger than %d bytes", maxList)
	}
	var l List
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&l); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("safelist: %w", reword(err))
	}
	if err := d.Decode(&List{}); !errors.Is(err, io.EOF) {
		return nil, errors.New("safelist: a second YAML document begins (---): put all rules into one, under one \"rules:\"")
	}
	var errs []error
	names := map[string]bool{}
	for i := range l.Rules {
		rule := &l.Rules[i]
		at := fmt.Sprintf("rules[%d] %q", i, rule.Name)
		if names[rule.Name] {
			errs = append(errs, fmt.Errorf("%s: the name is used twice", at))
		}
		names[rule.Name] = true
		for _, problem := range rule.settle() {
			errs = append(errs, fmt.Errorf("%s: %w", at, problem))
		}
	}
	if len(errs) > 0 {
		return nil, fmt.Errorf("safelist: %w", errors.Join(errs...))
	}
	return &l, nil
}

var unknownKey = regexp.MustCompile(`^(line \d+: )field (.*) not found in type .*`)

// reword has a decoder's errors in terms of the file: it names Go types.
func reword(err error) error {
	var types *yaml.TypeError
	if !errors.As(err, &types) {
		return err
	}
	var errs []error
	for _, e := range types.Errors {
		errs = append(errs, errors.New(unknownKey.ReplaceAllString(e, `${1}there is no such key: $2`)))
	}
	return errors.Join(errs...)
}

// settle validates a rule and parses its networks and its expiry.
func (r *Rule) settle() (errs []error) {
	for _, f := range []struct{ key, value string }{{"name", r.Name}, {"reason", r.Reason}, {"owner", r.Owner}, {"expires", r.Expires}} {
		if strings.TrimSpace(f.value) == "" {
			errs = append(errs, fmt.Errorf("%s is missing", f.key))
		}
	}
	errs = append(errs, r.Seen.settle()...)
	var err error
	if r.source, err = network(r.Source); err != nil {
		errs = append(errs, fmt.Errorf("source: %w", err))
	}
	if r.destination, err = network(r.Destination); err != nil {
		errs = append(errs, fmt.Errorf("destination: %w", err))
	}
	if r.expires, err = time.Parse(time.DateOnly, r.Expires); err != nil && r.Expires != "" {
		errs = append(errs, fmt.Errorf("expires: %q is not a day, as in 2027-06-30", r.Expires))
	}
	if r.Port < 0 || r.Port > 65535 {
		errs = append(errs, fmt.Errorf("port: %d is not between 0 and 65535", r.Port))
	}
	r.Domain = strings.ToLower(strings.TrimSuffix(r.Domain, "."))
	if r.Fingerprint != "" && hunt.ParseFingerprint(r.Fingerprint).Kind == hunt.NoFingerprint {
		errs = append(errs, fmt.Errorf("fingerprint: %q is not ja4=..., ja3=... or no-server-name", r.Fingerprint))
	}
	if r.Finding != "" && (len(r.Finding) != 32 || strings.Trim(r.Finding, "0123456789abcdef") != "") {
		errs = append(errs, fmt.Errorf("finding: %q is not the id of a finding, 32 hexadecimal digits", r.Finding))
	}
	if !slices.Contains([]string{"", "tcp", "udp", "icmp"}, r.Transport) {
		errs = append(errs, fmt.Errorf("transport: %q is not tcp, udp or icmp", r.Transport))
	}
	if r.Fingerprint == "no-server-name" && r.Source == "" {
		errs = append(errs, errors.New("fingerprint: no-server-name without a source would match every host that shows neither name nor fingerprint"))
	}
	switch {
	case r.Domain == "*" || strings.Contains(strings.TrimPrefix(r.Domain, "*."), "*"):
		errs = append(errs, fmt.Errorf("domain: %q: a star stands only in front, as in *.example.com", r.Domain))
	case r.Domain != "" && !strings.Contains(strings.TrimPrefix(r.Domain, "*."), "."):
		errs = append(errs, fmt.Errorf("domain: %q would match a whole top level", r.Domain))
	case r.ASN < 0 || r.ASN > 1<<32-1:
		errs = append(errs, fmt.Errorf("asn: %d is not the number of an autonomous system", r.ASN))
	case r.Finding != "" || r.Fingerprint != "" || r.ASN != 0:
	case r.Domain == "" && (r.Destination == "" || r.destination.IsValid() && r.destination.Bits() == 0):
		errs = append(errs, errors.New("destination, domain, fingerprint, asn or finding has to narrow the rule: without one it would match every server"))
	}
	return errs
}

func network(s string) (netip.Prefix, error) {
	if s == "" {
		return netip.Prefix{}, nil
	}
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil || p != p.Masked() {
		return netip.Prefix{}, fmt.Errorf("%q is not a network, as in 203.0.113.0/24", s)
	}
	return p, nil
}

// Match returns the first rule that holds for a finding at a time, or nil. If every matching rule is broken (the
// finding shows another server or client than the rule was made for, or an indicator list names it), it returns the
// first of them with the cause: such a finding is not safelisted.
func (l *List) Match(f *hunt.Finding, now time.Time) (by *hunt.SafelistRule) {
	if l == nil {
		return nil
	}
	for i := range l.Rules {
		r := &l.Rules[i]
		if !r.Holds(now) || !r.Matches(f) {
			continue
		}
		why := r.Seen.broken(f)
		if why == "" {
			return r.mark()
		}
		if by == nil {
			by = r.mark()
			by.Broken = why
		}
	}
	return by
}

// Holds reports whether the rule has not expired at a time.
func (r *Rule) Holds(now time.Time) bool { return now.Before(r.expires) }

// mark is what the rule adds to a finding.
func (r *Rule) mark() *hunt.SafelistRule {
	return &hunt.SafelistRule{Name: r.Name, Reason: r.Reason, Owner: r.Owner, Expires: r.Expires}
}

// Marked reports whether a finding has the mark of the named rule, whatever its reason was.
func Marked(f *hunt.Finding, name string) bool {
	return f.Dwell.Safelist != nil && f.Dwell.Safelist.Name == name
}

// Matches reports whether the rule is about a finding, expired or not.
func (r *Rule) Matches(f *hunt.Finding) bool {
	switch {
	case r.DNS && f.Dwell.DNS == nil, r.source.IsValid() && !r.source.Contains(f.Source.IP), r.Port != 0 && r.Port != f.Destination.Port,
		r.Transport != "" && r.Transport != f.Network.Transport, r.Finding != "" && r.Finding != f.Dwell.FindingID:
		return false
	}
	if r.Fingerprint != "" && (f.Dwell.Destination == nil || r.Fingerprint != f.Dwell.Destination.Fingerprint) {
		return false
	}
	if e := f.Dwell.Evidence; r.ASN != 0 && (e == nil || e.ASN == nil || e.ASN.Number != r.ASN) {
		return false
	}
	if r.destination.IsValid() && !r.covers(f) {
		return false
	}
	if r.Domain == "" {
		return true
	}
	name := strings.ToLower(f.Destination.Domain)
	parent, below := strings.CutPrefix(r.Domain, "*.")
	return name == parent || below && strings.HasSuffix(name, "."+parent)
}

// covers reports whether the destination network contains the finding's whole destination.
func (r *Rule) covers(f *hunt.Finding) bool {
	if n := f.Dwell.Destination; n != nil {
		p, err := netip.ParsePrefix(n.Network)
		return err == nil && r.destination.Bits() <= p.Bits() && r.destination.Contains(p.Addr())
	}
	all := addresses(f)
	return len(all) > 0 && !slices.ContainsFunc(all, func(a netip.Addr) bool { return !r.destination.Contains(a) })
}

// Expired returns the rules that have expired at a time.
func (l *List) Expired(now time.Time) (out []Rule) {
	for _, r := range l.Rules {
		if !now.Before(r.expires) {
			out = append(out, r)
		}
	}
	return out
}
