package protocol

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"dwell/internal/evidence"
	"dwell/internal/hunt"
)

// nameless judges missing names: legitimate software names its server.
func (v *view) nameless() {
	t, h := &v.TLS, &v.HTTP
	switch {
	case half(t.NoName, t.Records):
		v.odd(evidence.NoName, "TLS without a server name (%s of %s)", hunt.Count(t.NoName), hunt.Many(t.Records, "handshake"))
	case half(h.NoHost, h.Requests):
		v.odd(evidence.NoName, "HTTP without a Host header (%s of %s)", hunt.Count(h.NoHost), hunt.Many(h.Requests, "request"))
	}
	bare := int64(0)
	for _, host := range h.Hosts {
		if _, err := netip.ParseAddr(host.Value); err == nil {
			bare += host.Count
		}
	}
	if half(bare, h.Requests) {
		v.odd(evidence.BareAddress, "HTTP request to a bare IP address (%s of %s)", hunt.Count(bare), hunt.Many(h.Requests, "request"))
	}
	// Require enough queries to be sure that this sensor sees the host's look-ups.
	const enough = 10
	// A single connection that began before the window was looked up before it.
	began := v.s.Finding.Network.Connections > 1 || !v.s.Finding.Event.Start.Before(v.window.Start)
	if began && v.s.Key.Kind() == "address" && v.outbound && v.s.Key.Proto != hunt.ICMP && v.Queries >= enough && len(v.Names) == 0 {
		v.odd(evidence.NeverResolved, "no DNS lookup: the host never resolved this address (%s queries seen)", hunt.Count(v.Queries))
	}
}

// certificate judges the server's most frequent certificate.
func (v *view) certificate() {
	if len(v.TLS.Certificates) == 0 {
		return
	}
	c := v.TLS.Certificates[0]
	validation := ""
	if list := v.Values[hunt.Validation]; len(list) > 0 {
		validation = list[0].Value
	}
	if hunt.SelfSigned(c.Subject, c.Issuer, validation) {
		v.odd(evidence.SelfSigned, "self-signed certificate (%s, %s)", subjectOf(&c), hunt.Many(c.Count, "handshake"))
		v.s.SetApart("the certificate is self-signed")
	}
	start, end := v.window.Start.UnixMilli(), v.window.End.UnixMilli()
	const layout = "2006-01-02"
	if c.NotAfter != hunt.Absent && c.NotAfter < start {
		v.odd(evidence.Expired, "certificate expired on %s (%s)", hunt.At(c.NotAfter).Format(layout), hunt.Many(c.Count, "handshake"))
	}
	if c.NotAfter == hunt.Absent && len(v.Values[hunt.Validation]) > 0 { // Zeek's own validation result
		switch said := v.Values[hunt.Validation][0]; {
		case strings.Contains(said.Value, "expired"):
			v.odd(evidence.Expired, "certificate expired (%s)", hunt.Many(said.Count, "handshake"))
		case strings.Contains(said.Value, "not yet valid"):
			v.odd(evidence.NotYetValid, "certificate not yet valid (%s)", hunt.Many(said.Count, "handshake"))
		}
	}
	if c.NotBefore != hunt.Absent {
		switch begins := hunt.At(c.NotBefore).Format(layout); {
		case c.NotBefore >= end:
			v.odd(evidence.NotYetValid, "certificate valid only from %s (%s)", begins, hunt.Many(c.Count, "handshake"))
		case c.NotBefore >= start-(24*time.Hour).Milliseconds():
			v.odd(evidence.IssuedToday, "certificate issued the same day, %s (%s)", begins, hunt.Many(c.Count, "handshake"))
		}
	}
	// Without the x509 record the certificate's alternative names are unknown.
	if c.NotAfter == hunt.Absent || len(v.TLS.Names) == 0 || !half(v.TLS.Names[0].Count, v.TLS.Records) {
		return
	}
	if asked := v.TLS.Names[0]; !isFor(&c, asked.Value) {
		v.odd(evidence.OtherName, "certificate name mismatch: certificate %s, requested %s (%s)", subjectOf(&c), asked.Value, hunt.Many(asked.Count, "handshake"))
		v.s.SetApart("the certificate is for another name")
	}
}

func subjectOf(c *hunt.Certificate) string {
	if name := commonName(c.Subject); name != "" {
		return name
	}
	if c.Subject != "" {
		return c.Subject
	}
	return "without a subject"
}

// commonName is the CN of a subject as Zeek writes it ("CN=example.com,O=Example,C=US"; a comma inside is "\,").
func commonName(subject string) string {
	for rest := subject; rest != ""; {
		end := 0
		for end < len(rest) && rest[end] != ',' {
			if rest[end] == '\\' {
				end++
			}
			end++
		}
		end = min(end, len(rest))
		if name, ok := strings.CutPrefix(strings.TrimSpace(rest[:end]), "CN="); ok {
			return name
		}
		rest = rest[min(end+1, len(rest)):]
	}
	return ""
}

// isFor reports whether a certificate is for a name; a wildcard is one label (RFC 6125, 6.4.3).
func isFor(c *hunt.Certificate, name string) bool {
	names := c.Names
	if len(names) == 0 {
		names = []string{commonName(c.Subject)}
	}
	for _, n := range names {
		n = hunt.HostName(n)
		if n == name {
			return true
		}
		if below, ok := strings.CutPrefix(n, "*."); ok {
			if _, parent, _ := strings.Cut(name, "."); parent == below {
				return true
			}
		}
	}
	return false
}

// manyHosts is the number of hosts from which a value shown by only one is significant.
const manyHosts = 10

// client judges the client's fingerprints and user agent. Values that change with each connection, like browsers' JA3s,
// do not count: one must be in most of them.
func (v *view) client() {
	if !v.outbound {
		return
	}
	traits, word := v.TLS.JA4, "JA4"
	if len(traits) == 0 {
		traits, word = v.TLS.JA3, "JA3"
	}
	v.rare(evidence.RareClient, "TLS fingerprint "+word, traits, v.TLS.Records, v.book.TLSHosts)
	v.rare(evidence.RareAgent, "user agent", v.HTTP.Agents, v.HTTP.Requests, v.book.HTTPHosts)
}

func (v *view) rare(term, word string, traits []hunt.Trait, all int64, hosts int) {
	if len(traits) == 0 || !half(traits[0].Count, all) || hosts < manyHosts {
		return
	}
	t := traits[0]
	const few = 2
	switch oneHost, oneDestination := t.Hosts == 1, t.Destinations == 1; {
	case oneHost && oneDestination:
		v.s.SetApart(fmt.Sprintf("its %s is unique to this host and destination", word))
		v.odd(term, "%[2]s %[3]s unique: only this host of %[1]s, only to this destination (%[4]s)", hunt.Count(hosts), word, t.Value, hunt.Many(t.Count, "time"))
	case oneHost:
		v.oddBy(term, 0.5, "%[2]s %[3]s unique to this host, 1 of %[1]s (%[4]s)", hunt.Count(hosts), word, t.Value, hunt.Many(t.Count, "time"))
	case oneDestination && t.Hosts <= few:
		v.s.SetApart(fmt.Sprintf("its %s is used only with this destination", word))
		v.oddBy(term, 0.5, "%s %s used only with this destination (%s)", word, t.Value, hunt.Many(t.Count, "time"))
	}
}
