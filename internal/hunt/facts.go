package hunt

import (
	"cmp"
	"slices"
	"strings"
)

// FactsTop is the number of values of a kind that Facts keep, most frequent first. TraitSpread caps the count of a
// trait's spread: more than ten makes no difference.
const (
	FactsTop    = 10
	TraitSpread = 10
)

// Counted is a value with the number of records that show it.
type Counted struct {
	Value string
	Count int64
}

// Top sorts by count, highest first, then by value, and keeps FactsTop.
func Top(counts map[string]int64) []Counted {
	out := make([]Counted, 0, len(counts))
	for v, n := range counts {
		out = append(out, Counted{v, n})
	}
	slices.SortFunc(out, func(a, b Counted) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Value, b.Value))
	})
	if len(out) == 0 {
		return nil
	}
	return slices.Clip(out[:min(len(out), FactsTop)])
}

// Trait is a value that clients show (JA3, JA4, user agent), with its spread over the whole window: how many internal
// hosts show it, and to how many addresses, each up to TraitSpread. Zero means unknown: the spread is looked up only
// for the candidate's [Distinctive] values, and for JA3 only if it shows no JA4.
type Trait struct {
	Counted
	Hosts, Destinations int
}

// Distinctive is the first trait if at least half of all records show it, as a one-element part of the list. Values
// that change with each record identify no program.
func Distinctive(traits []Trait, all int64) []Trait {
	if len(traits) == 0 || 2*traits[0].Count < all {
		return nil
	}
	return traits[:1]
}

// Certificate is a server's certificate. Texts are as Zeek logs them.
type Certificate struct {
	// Hash is the certificate's SHA-256 as hex, or empty.
	Hash            string
	Subject, Issuer string
	// NotBefore and NotAfter are Unix milliseconds, or Absent without an x509 record.
	NotBefore, NotAfter int64
	// Names are the subject alternative names.
	Names []string
	// Count is the number of handshakes that showed it.
	Count int64
}

// Content is the type of the HTTP response bodies for a path, as Zeek detects it.
type Content struct {
	URI, MIME string
	Count     int64
}

// TLSFacts are counts of ssl records.
type TLSFacts struct {
	// Records counts handshakes, NoName those without a server name.
	Records, NoName int64
	// Names are server names in lower case.
	Names        []Counted
	JA3, JA4     []Trait
	Certificates []Certificate
}

// HTTPFacts are counts of http records.
type HTTPFacts struct {
	// Requests counts all requests, NoHost those without a Host header, which HTTP/1.1 requires.
	Requests, NoHost int64
	// Hosts are Host headers, normalized by [HostName].
	Hosts  []Counted
	Agents []Trait
	// Contents are the response types of the FactsTop most frequent URIs.
	Contents []Content
}

// Column is a column of ssl or http records whose values are counted for every candidate.
type Column struct {
	// Log and Name are Zeek's, Field is Security Onion's. List means that a record may have several values.
	Log, Name, Field string
	List             bool
}

// The counted columns, as indexes of Facts.Values. A new one needs a line here and one in Columns; both sources then
// count it.
const (
	// Validation is the result of certificate validation.
	Validation = iota
	// BodyTypes are the detected types of response bodies.
	BodyTypes
	// AllColumns is the number of columns.
	AllColumns
)

// Columns returns where the values of Facts.Values come from.
func Columns() [AllColumns]Column {
	return [...]Column{
		Validation: {Log: "ssl", Name: "validation_status", Field: "ssl.validation_status"},
		BodyTypes:  {Log: "http", Name: "resp_mime_types", Field: "file.resp_mime_types", List: true},
	}
}

// Facts are what logs other than conn say about one candidate's connections.
type Facts struct {
	TLS  TLSFacts
	HTTP HTTPFacts
	// Values are the FactsTop most frequent values of Columns, as logged.
	Values [AllColumns][]Counted
	// Weird and Notices are names of weird records and types of notices for the same two hosts.
	Weird, Notices []Counted
	// Intel are hits of Zeek's intelligence framework between the two hosts, or in the source's records of the
	// candidate's name.
	Intel []IntelSeen
	// Files are the types of files transferred between the two hosts, in either direction and on any port, most
	// frequent first.
	Files []Carried
	// Silent and Refused count unanswered (S0) and rejected (REJ) connections, for candidates by address and by
	// network; such a connection never has a name. They are 0 if the source has the state with each connection.
	Silent, Refused int64
	// Names are the names that any host's DNS queries resolved to the destination's address; Queries is the source's
	// number of DNS queries. Both are only for candidates by address.
	Names   []Counted
	Queries int64
}

// IntelSeen is a hit of Zeek's intelligence framework.
type IntelSeen struct {
	// Indicator is as in Zeek's intelligence file, Type as Zeek names it (Intel::ADDR, Intel::DOMAIN).
	Indicator, Type string
	// Sources are the lists that contain it, most frequent first.
	Sources []Counted
	Count   int64
}

// Carried is the files of one type.
type Carried struct {
	// MIME is the type that Zeek detected.
	MIME string
	// Count is the number of files, Bytes the size seen.
	Count, Bytes int64
}

// TopCarried sorts by count, highest first, then by type, and keeps FactsTop.
func TopCarried(list []Carried) []Carried {
	slices.SortFunc(list, func(a, b Carried) int { return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.MIME, b.MIME)) })
	return slices.Clip(list[:min(len(list), FactsTop)])
}

// TopIntel sorts by count, highest first, then by indicator, and keeps FactsTop.
func TopIntel(list []IntelSeen) []IntelSeen {
	slices.SortFunc(list, func(a, b IntelSeen) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Indicator, b.Indicator), strings.Compare(a.Type, b.Type))
	})
	return slices.Clip(list[:min(len(list), FactsTop)])
}

// FactBook is a source's answer for many candidates at once.
type FactBook struct {
	// Facts are in the order of the requested candidates.
	Facts []Facts
	// TLSHosts and HTTPHosts count the internal hosts in the window that show a JA3 or JA4, or a user agent.
	TLSHosts, HTTPHosts int
	// Records is the number of records of each log in the window; a log without any is absent.
	Records map[string]int64
}

// FactLogs are Zeek's names of the logs from which facts are read.
func FactLogs() []string {
	return []string{"ssl", "x509", "http", "dns", "files", "weird", "notice", "intel"}
}

// TopContents returns the contents of the most frequent URIs, in that order.
func TopContents(uris map[string]int64, contents map[Content]int64) []Content {
	rank := map[string]int{}
	for i, u := range Top(uris) {
		rank[u.Value] = i
	}
	var out []Content
	for c, n := range contents {
		if _, ok := rank[c.URI]; ok {
			c.Count = n
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b Content) int {
		return cmp.Or(cmp.Compare(rank[a.URI], rank[b.URI]), cmp.Compare(b.Count, a.Count), strings.Compare(a.MIME, b.MIME))
	})
	return out
}

// TopCertificates merges equal certificates and keeps the FactsTop most frequent.
func TopCertificates(list []Certificate) []Certificate {
	type same struct {
		hash, subject, issuer string
		from, to              int64
	}
	at := map[same]int{}
	var out []Certificate
	for _, c := range list {
		k := same{c.Hash, c.Subject, c.Issuer, c.NotBefore, c.NotAfter}
		if i, ok := at[k]; ok {
			out[i].Count += c.Count
			continue
		}
		at[k] = len(out)
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b Certificate) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Subject, b.Subject), strings.Compare(a.Hash, b.Hash), cmp.Compare(a.NotBefore, b.NotBefore))
	})
	return out[:min(len(out), FactsTop)]
}
