package hunt

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"sync"
)

// Suspect is a pair, or a domain that a host asked for, that a log other than conn makes worth a look whatever its
// rhythm.
type Suspect struct {
	Src netip.Addr
	// Dst and Port are the destination; unset for a domain.
	Dst  netip.Addr
	Port uint16
	// Domain is the name that was asked for by DNS, in lower case.
	Domain string
	// Listed: an indicator list names its TLS fingerprint or certificate, or Zeek's intelligence framework reported it.
	// Otherwise its protocol shows two oddities in one record, or Zeek raised a notice about it.
	Listed bool
}

// The bounds of Suspects: an intruder can produce records at will, and each suspect costs a look at the evidence.
const (
	maxListed      = 20_000
	maxOdd         = 2_000
	maxOddOfSource = 50
)

// Suspects collects suspects, each once, within bounds. The zero value is ready; it may be used from several
// goroutines.
type Suspects struct {
	mu       sync.Mutex
	seen     map[Suspect]struct{}
	of       map[netip.Addr]int
	listed   int
	odd      int
	left     int64
	leftPair map[Suspect]struct{}
}

// Add takes a suspect, or counts it as left out where there are too many.
func (s *Suspects) Add(x Suspect) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.seen[x]; ok {
		return
	}
	if s.seen == nil {
		s.seen, s.of, s.leftPair = map[Suspect]struct{}{}, map[netip.Addr]int{}, map[Suspect]struct{}{}
	}
	if x.Listed && s.listed >= maxListed || !x.Listed && (s.odd >= maxOdd || s.of[x.Src] >= maxOddOfSource) {
		if _, ok := s.leftPair[x]; !ok {
			if len(s.leftPair) < maxListed {
				s.leftPair[x] = struct{}{}
			}
			s.left++
		}
		return
	}
	s.seen[x] = struct{}{}
	if x.Listed {
		s.listed++
	} else {
		s.odd++
		s.of[x.Src]++
	}
}

// All returns the suspects in order, and what has to be said of those left out.
func (s *Suspects) All() ([]Suspect, []Note) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Suspect, 0, len(s.seen))
	for x := range s.seen {
		list = append(list, x)
	}
	slices.SortFunc(list, func(a, b Suspect) int {
		return cmp.Or(a.Src.Compare(b.Src), a.Dst.Compare(b.Dst), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Domain, b.Domain))
	})
	if s.left == 0 {
		return list, nil
	}
	return list, []Note{{What: Many(s.left, "pair") + " with an indicator match or protocol oddities were not judged: there are too many",
		Hint: "each source has " + Count(maxOddOfSource) + ", the hunt " + Count(maxOdd) + " for oddities and " + Count(maxListed) + " for matches; they were judged by their connections"}}
}

// IntelSuspect is what a hit of Zeek's intelligence framework between two hosts makes a suspect. Where the other end is
// a resolver or a proxy, what was asked for counts. False means that it is out of scope.
func IntelSuspect(x Suspect, indicator string, scope *Scope) (Suspect, bool) {
	x.Listed = true
	name := HostName(indicator)
	kept := x.Dst.IsValid() && scope.Keep(x.Src, x.Dst)
	if _, err := netip.ParseAddr(name); err != nil && name != "" && scope.IsInternal(x.Src) && (!kept || x.Port == 53) {
		return Suspect{Src: x.Src, Domain: name, Listed: true}, true
	}
	return x, kept
}

// SelfSigned reports whether a certificate is signed with its own key, by its names or by Zeek's validation status. A
// chain that ends in an unknown authority ("in certificate chain") is not: companies sign with their own authorities.
func SelfSigned(subject, issuer, validation string) bool {
	v := validationText(validation)
	return subject != "" && subject == issuer || strings.Contains(v, "self signed") && !strings.Contains(v, "chain")
}

// validationText is Zeek's validation status in one spelling: OpenSSL writes "self signed" and "self-signed".
func validationText(status string) string {
	return strings.ReplaceAll(strings.ToLower(status), "-", " ")
}

// OddTLS reports whether a handshake shows two oddities: no server name, a certificate that does not validate (an
// unknown authority counts here), a port that stands for another protocol.
func OddTLS(name, subject, issuer, validation string, port uint16) bool {
	odd := 0
	if name == "" {
		odd++
	}
	v := validationText(validation)
	if SelfSigned(subject, issuer, validation) || strings.Contains(v, "self signed") || strings.Contains(v, "expired") || strings.Contains(v, "not yet valid") {
		odd++
	}
	if spoken := Spoken(port, TCP); spoken != nil && !slices.Contains(spoken, "ssl") {
		odd++
	}
	return odd >= 2
}

// OddHTTP is OddTLS for a request: no host name, a program in the response, a port that stands for another protocol.
func OddHTTP(host string, types []string, port uint16) bool {
	odd := 0
	if _, err := netip.ParseAddr(host); err == nil || host == "" {
		odd++
	}
	if slices.ContainsFunc(types, func(mime string) bool { return Program(mime) != "" }) {
		odd++
	}
	if spoken := Spoken(port, TCP); spoken != nil && !slices.Contains(spoken, "http") {
		odd++
	}
	return odd >= 2
}
