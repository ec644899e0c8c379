package protocol

import (
	"net/netip"
	"strconv"
	"strings"

	"dwell/internal/evidence"
	"dwell/scoring"
)

// special are domains whose names are not resolved externally: special use (RFC 6761, 6762, 8375, 9476, 7686), reserved
// for private use (ICANN, .internal), and those that sites traditionally use internally. Names for documentation and
// tests are not included: they are only queried by mistake.
var special = map[string]string{
	"local": "RFC 6762", "localhost": "RFC 6761", "invalid": "RFC 6761", "onion": "RFC 7686", "alt": "RFC 9476", "home.arpa": "RFC 8375",
	"internal": "ICANN's domain for private use", "lan": "a private domain", "corp": "a private domain", "home": "a private domain",
	"localdomain": "a private domain", "intranet": "a private domain", "private": "a private domain", "mail": "a private domain",
	"domain": "a private domain", "workgroup": "a private domain", "consul": "a private domain", "router": "a private domain",
	"gateway": "a private domain", "dhcp": "a private domain", "belkin": "a private domain", "dlink": "a private domain", "localnet": "a private domain",
}

// Names are a client's queries for names under a domain.
type Names struct {
	Domain string
	// Texts are the names, Unusual the number of queries for TXT, NULL, CNAME or MX.
	Texts   []string
	Unusual int64
	// Length is the mean length of a name below the domain.
	Length float64
	// Addresses are those in answers, AnswerBytes the length of all answers' text.
	Addresses   []netip.Addr
	AnswerBytes int64
	// Inside means that only internal resolvers, or the network's, were queried; Internal reports whether an address is
	// internal.
	InternalResolvers bool
	Internal          func(netip.Addr) bool
}

// ExplainNames adds an explanation if queries under a domain do not leave the network, or carry almost no data. What
// the domain's owner can answer himself is only a weak explanation, and only if the names have no room for data.
func ExplainNames(s *evidence.Candidate, n *Names) {
	switch rule := specialUse(n.Domain); {
	case rule != "" && n.InternalResolvers:
		s.Explain(scoring.Strong, "names under "+n.Domain+" are never resolved externally ("+rule+"), and only internal resolvers were asked")
	case n.isList():
		s.ExplainClaim(scoring.Weak, "DNS list lookups (RFC 5782): reversed addresses under a domain, answers in 127.0.0.0/8 or none")
	case n.allInternal():
		s.ExplainClaim(scoring.Weak, "short names, and all answers are internal addresses: the site's own domain")
	}
}

// SpecialUse reports whether names under a domain do not leave the network.
func SpecialUse(domain string) bool { return specialUse(domain) != "" }

// specialUse is the rule by which names under a domain do not leave the network, or empty.
func specialUse(domain string) string {
	for name := domain; name != ""; {
		if rule, ok := special[name]; ok && strings.HasSuffix(domain, name) {
			return rule
		}
		_, rest, more := strings.Cut(name, ".")
		if !more {
			return ""
		}
		name = rest
	}
	return ""
}

// shortest is the mean length of names that leave no room for data.
const shortest = 20

func (n *Names) allInternal() bool {
	if !n.InternalResolvers || n.Unusual > 0 || n.Length > shortest || len(n.Addresses) == 0 {
		return false
	}
	for _, a := range n.Addresses {
		if !n.Internal(a) {
			return false
		}
	}
	return true
}

// isList reports whether at least nine in ten names have the form of RFC 5782: a reversed IPv4 address, or 32 digits of
// an IPv6 address.
func (n *Names) isList() bool {
	for _, a := range n.Addresses {
		if !a.IsLoopback() {
			return false
		}
	}
	if n.Unusual > 0 || len(n.Texts) == 0 || len(n.Addresses) == 0 && n.AnswerBytes > 0 {
		return false
	}
	good := 0
	for _, name := range n.Texts {
		if isListed(strings.Split(strings.TrimSuffix(name, n.Domain), ".")) {
			good++
		}
	}
	return good*10 >= len(n.Texts)*9
}

// isListed reports whether labels start with a reversed address.
func isListed(labels []string) bool {
	digits := 0
	for _, l := range labels {
		if len(l) != 1 || !strings.Contains("0123456789abcdef", l) {
			break
		}
		digits++
	}
	if digits >= 32 {
		return true
	}
	for i := range 4 {
		if i >= len(labels) {
			return false
		}
		if v, err := strconv.ParseUint(labels[i], 10, 8); err != nil || strconv.FormatUint(v, 10) != labels[i] {
			return false
		}
	}
	return true
}
