package hunt

import (
	"cmp"
	"slices"
	"strings"
)

// FactsTop is how many values of a kind Facts keep, the most frequent first; TraitSpread is how far the spread of a
// trait is counted: "ten or more" is as good as any larger number.
const (
	FactsTop    = 10
	TraitSpread = 10
)

// Counted is a value with the number of records that show it.
type Counted struct {
	Value string
	Count int64
}

// Top orders what was counted, the most frequent first and then by value, and keeps FactsTop of it.
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
// hosts show it and towards how many addresses, each up to TraitSpread. Zero means that this is not known: it is known
// of the key's [Telling] values, of JA3 where the key shows no JA4.
type Trait struct {
	Counted
	Hosts, Destinations int
}

// Telling is the first of these traits, if at least half of all records show it: the one that says something of a program. Of values
// that differ from record to record none does. It is part of the list that was given.
func Telling(traits []Trait, all int64) []Trait {
	if len(traits) == 0 || 2*traits[0].Count < all {
		return nil
	}
	return traits[:1]
}

// Certificate is what a server showed. Texts are as Zeek logs them.
type Certificate struct {
	// Hash is the certificate's SHA-256 as hex, or empty.
	Hash            string
	Subject, Issuer string
	// NotBefore and NotAfter are Unix milliseconds, or Absent where no x509 record tells them.
	NotBefore, NotAfter int64
	// Names are those that the certificate is for beside its subject (subject alternative names).
	Names []string
	// Count is how many handshakes showed it.
	Count int64
}

// Content is what came for a path: the type of an HTTP response's body as Zeek sees it.
type Content struct {
	URI, MIME string
	Count     int64
}

// TLSFacts are counts of ssl records.
type TLSFacts struct {
	// Records of handshakes; NoName of them had no server name.
	Records, NoName int64
	// Names are server names in lower case.
	Names        []Counted
	JA3, JA4     []Trait
	Certificates []Certificate
}

// HTTPFacts are counts of http records.
type HTTPFacts struct {
	// Requests in all; NoHost of them had no Host header, which for HTTP/1.1 is against the protocol.
	Requests, NoHost int64
	// Hosts are Host headers as [HostName] gives them.
	Hosts  []Counted
	Agents []Trait
	// Contents are the types that came for the FactsTop most frequent URIs.
	Contents []Content
}

// Column is a column of ssl or http records whose values are counted for every key.
type Column struct {
	// Log and Name are Zeek's, Field is that of Security Onion's documents. List says that a record may have several values.
	Log, Name, Field string
	List             bool
}

// The columns that are counted, as places in Facts.Values. A new one is a line here and one in Columns: both sources count it.
const (
	// Validation is what became of checking certificates.
	Validation = iota
	// BodyTypes are the types of the bodies of responses as Zeek sees them.
	BodyTypes
	// AllColumns is how many there are.
	AllColumns
)

// Columns says where the values of Facts.Values come from.
func Columns() [AllColumns]Column {
	return [...]Column{
		Validation: {Log: "ssl", Name: "validation_status", Field: "ssl.validation_status"},
		BodyTypes:  {Log: "http", Name: "resp_mime_types", Field: "file.resp_mime_types", List: true},
	}
}

// Facts are what the logs beside conn tell about the connections of one key.
type Facts struct {
	TLS  TLSFacts
	HTTP HTTPFacts
	// Values are the values of Columns as they were logged, the FactsTop most frequent.
	Values [AllColumns][]Counted
	// Weird and Notices are names of weird records and types of notices of the same two hosts.
	Weird, Notices []Counted
	// Intel are the indicators that Zeek's own intelligence framework saw between the two, or in what the source said of
	// the key's name.
	Intel []IntelSeen
	// Files are the kinds of files that Zeek saw go between the two hosts, either way and whatever the port, the most frequent
	// first.
	Files []Carried
	// Silent and Refused are how many connections had no answer (Zeek's S0) and were rejected (REJ), of keys by address and by
	// network; a name is never said in such a connection. 0 of sources that tell the state with each connection.
	Silent, Refused int64
	// Names are those for which anybody's DNS query was answered with the destination's address; Queries is how many
	// DNS queries of the source there are at all. Both are for keys by address alone.
	Names   []Counted
	Queries int64
}

// IntelSeen is an indicator that Zeek was told to look for and saw.
type IntelSeen struct {
	// Indicator is as it stands in Zeek's intelligence file, Type as Zeek names it (Intel::ADDR, Intel::DOMAIN).
	Indicator, Type string
	// Sources are the lists it is from, the most frequent first.
	Sources []Counted
	Count   int64
}

// Carried is a kind of files.
type Carried struct {
	// MIME is the type that Zeek takes them for.
	MIME string
	// Count is how many there are, Bytes how much of them was seen.
	Count, Bytes int64
}

// TopCarried orders kinds of files, the most frequent first and then by type, and keeps FactsTop of them.
func TopCarried(list []Carried) []Carried {
	slices.SortFunc(list, func(a, b Carried) int { return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.MIME, b.MIME)) })
	return slices.Clip(list[:min(len(list), FactsTop)])
}

// TopIntel orders what was seen, the most frequent first and then by indicator, and keeps FactsTop of it.
func TopIntel(list []IntelSeen) []IntelSeen {
	slices.SortFunc(list, func(a, b IntelSeen) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Indicator, b.Indicator), strings.Compare(a.Type, b.Type))
	})
	return slices.Clip(list[:min(len(list), FactsTop)])
}

// FactBook is what a source gives about many keys at once.
type FactBook struct {
	// Facts are in the order of the keys that were asked for.
	Facts []Facts
	// TLSHosts and HTTPHosts are how many internal hosts show a JA3 or JA4, and a user agent, in the window.
	TLSHosts, HTTPHosts int
	// Records are how many records of each log the window holds; a log that is not there is missing.
	Records map[string]int64
}

// FactLogs are the logs that facts come out of, by Zeek's names.
func FactLogs() []string {
	return []string{"ssl", "x509", "http", "dns", "files", "weird", "notice", "intel"}
}

// TopContents gives the contents of the most frequent URIs, in their order.
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

// TopCertificates adds equal certificates up and gives the most frequent, at most FactsTop.
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
