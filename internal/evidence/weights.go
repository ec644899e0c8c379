package evidence

import (
	"fmt"
	"maps"
	"slices"

	"dwell/internal/hunt"
)

// The terms of the final score besides the indicators.
const (
	Rare   = "rare"
	Common = "common"
	New    = "new"
	Known  = "known"
	Intel  = "intel"
)

// The terms of protocol behavior.
const (
	OddService    = "odd_service"
	NoService     = "no_service"
	NoName        = "no_name"
	NeverResolved = "never_resolved"
	BareAddress   = "bare_address"
	SelfSigned    = "self_signed"
	Expired       = "certificate_expired"
	NotYetValid   = "certificate_not_yet_valid"
	IssuedToday   = "certificate_new"
	OtherName     = "certificate_other_name"
	RareClient    = "rare_fingerprint"
	RareAgent     = "rare_user_agent"
	WrongContent  = "content_mismatch"
	Executable    = "executable"
	Unanswered    = "unanswered"
	Upload        = "upload"
	SameSize      = "same_size"
	ICMPData      = "icmp_data"
	DNSNames      = "dns_names"
	Noticed       = "zeek_notice"
	Weirdness     = "zeek_weird"
)

// Term is one modifier of a score.
type Term struct {
	// Name is dwell.modifiers.name.
	Name string
	// Weight is what it adds, -1..1.
	Weight float64
	// About says when it applies.
	About string
	// Short is its reason in a few words, for lists.
	Short string
	// Log is the log whose holes make it wrong, because it speaks of what is not there; conn for the others.
	Log string
}

// Terms lists every modifier with its default weight, in the documentation's order (docs/facts/scoring.md). It is the
// only definition of weights: settings, documentation and judges use it.
func Terms() []Term {
	return []Term{
		{Rare, 0.15, "of ten active hosts or more, one alone (or 2% at most) talks to the destination, and to no other name of its registered domain do more", "rare", "conn"},
		{Common, -0.15, "half of all active hosts, five at least, talk to the destination, which is known for long or whose address explains it", "common", "conn"},
		{New, 0.15, "the destination and its registered domain were first seen at most seven days ago, in a store that reaches further back", "new", "conn"},
		{Known, -0.15, "the destination was first seen thirty days ago or more, and three hosts vouch for it or its address explains it", "known", "conn"},
		{Intel, 0.25, "an indicator list, or Zeek's own intelligence framework, names the destination's address, name, certificate or TLS fingerprint", "intel", "conn"},
		{NoName, 0.10, "TLS without a server name, or HTTP without a Host, in at least half of the handshakes or requests", "no server name", "ssl"},
		{BareAddress, 0.05, "at least half of the HTTP requests name the address itself as Host", "Host is an address", "http"},
		{NeverResolved, 0.05, "no DNS answer in the window contains the address, although the host's queries are logged", "no DNS lookup", "dns"},
		{SelfSigned, 0.10, "the server's certificate is signed by itself", "self-signed", "ssl"},
		{Expired, 0.10, "the certificate had expired when it was shown", "certificate expired", "ssl"},
		{NotYetValid, 0.10, "the certificate was not yet valid when it was shown", "certificate not yet valid", "ssl"},
		{IssuedToday, 0.10, "the certificate became valid on the day it was seen", "certificate issued today", "ssl"},
		{OtherName, 0.10, "the certificate is for another name than the one asked for", "certificate name mismatch", "ssl"},
		{RareClient, 0.15, "ten hosts or more show TLS fingerprints, and this one (JA4, else JA3) no other, towards no other address; half where only one of both holds", "unique TLS client", "ssl"},
		{RareAgent, 0.15, "the same for the HTTP user agent", "unique user agent", "http"},
		{WrongContent, 0.10, "what came for most requests with a file extension is not what such files are", "content mismatch", "http"},
		{Executable, 0.10, "a program or library (PE, ELF, Mach-O) went over it, by files records or what HTTP responses hold", "executable transferred", "conn"},
		{Unanswered, 0.05, "nine in ten of ten connections or more got no answer or were refused (S0, REJ): its server is gone, or not there yet", "no answer", "conn"},
		{OddService, 0.10, "Zeek recognized another protocol than the port stands for", "unexpected protocol", "conn"},
		{NoService, 0.05, "a well-known port, data both ways, and no protocol that Zeek knows", "unknown protocol", "conn"},
		{Upload, 0.10, "ten times as much sent as received, a megabyte or more", "mostly upload", "conn"},
		{SameSize, 0.02, "twenty messages or more, 95% of them of one size, to a destination that is not common; little, because the beacon score counts sizes already", "constant size", "conn"},
		{ICMPData, 0.15, "ICMP with more data than a ping has", "ICMP with data", "conn"},
		{DNSNames, 0.10, "the names asked for below one domain are many, long and as good as random", "random names", "dns"},
		{Noticed, 0.10, "Zeek raised a notice about the two", "Zeek notice", "conn"},
		{Weirdness, 0.05, "Zeek found the protocol weird in at least half of the connections", "Zeek weird", "conn"},
	}
}

// TermOf returns a term by its name, or nil: hunts stored by another version may have others.
func TermOf(name string) *Term {
	all := Terms()
	if i := slices.IndexFunc(all, func(t Term) bool { return t.Name == name }); i >= 0 {
		return &all[i]
	}
	return nil
}

// Group is a set of terms that often apply together, so their sum is limited: one oddity with three symptoms is one
// oddity.
type Group struct {
	// Name for display.
	Name string
	// Ceiling limits the sum of the members' values.
	Ceiling float64
	Members []string
}

// Groups lists the groups; a term is in at most one.
func Groups() []Group {
	return []Group{
		{"without a name", 0.10, []string{NoName, BareAddress, NeverResolved}},
		{"certificate", 0.15, []string{SelfSigned, Expired, NotYetValid, IssuedToday, OtherName}},
		{"client", 0.15, []string{RareClient, RareAgent}},
		{"service", 0.10, []string{OddService, NoService, WrongContent, Unanswered}},
		{"flow", 0.15, []string{Upload, SameSize, ICMPData, DNSNames}},
		{"Zeek's own remarks", 0.10, []string{Noticed, Weirdness}},
	}
}

// Oddities is how many independent protocol oddities count: groups with a member that raises the score, and each term
// that is in no group but about the protocol.
func (s *Candidate) Oddities() (n int) {
	for _, g := range Groups() {
		if slices.ContainsFunc(g.Members, func(term string) bool { return term != SameSize && s.Has(term) }) {
			n++
		}
	}
	if s.Has(Executable) {
		n++
	}
	return n
}

// limit reduces the values of terms, heaviest first, to their groups' ceilings. A value reduced to 0 is still shown.
func limit(modifiers []hunt.Modifier) {
	for _, g := range Groups() {
		left := g.Ceiling
		for i := range modifiers {
			if m := &modifiers[i]; slices.Contains(g.Members, m.Name) {
				m.Value = round(min(m.Value, left))
				left -= max(m.Value, 0)
			}
		}
	}
}

// Weights are the weights of terms by name. A missing name has its default weight; a nil map is all defaults.
type Weights map[string]float64

// Of is a term's weight. An unknown term is a bug.
func (w Weights) Of(term string) float64 {
	if v, ok := w[term]; ok {
		return v
	}
	for _, t := range Terms() {
		if t.Name == term {
			return t.Weight
		}
	}
	panic(fmt.Sprintf("evidence: no term %q", term))
}

// Revisions are the judges' and weights' part of a hunt's revision; empty if all are the program's own.
func Revisions(judges []Judge, w Weights) []string {
	var out []string
	for _, j := range judges {
		if r := j.Revision(); r != "" {
			out = append(out, r)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w)) {
		out = append(out, fmt.Sprintf("%s=%g", name, w[name]))
	}
	return out
}
