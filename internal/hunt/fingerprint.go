package hunt

import "strings"

// FingerprintKind says what a fingerprint is made of.
type FingerprintKind uint8

// The kinds of fingerprints, from none to the best that a TLS record can show. JA4 is preferred to JA3 because it stays
// the same where a program shuffles its extensions.
const (
	NoFingerprint FingerprintKind = iota
	// NoServerName is a TLS hello with neither fingerprint nor server name: what it does not say is all there is.
	NoServerName
	JA3
	JA4
	// Unshared is no fingerprint but what roll-ups have that follow none: destinations that no other host uses. Value is
	// the class of sizes, or empty for any.
	Unshared
)

// Fingerprint is what tells one TLS client program from another, whatever server it talks to. The zero Fingerprint is none.
type Fingerprint struct {
	Kind FingerprintKind
	// Value is the JA4 or JA3 as Zeek logged it, empty for the other kinds.
	Value string
}

// FingerprintOf takes the best of what a TLS record shows; texts may be empty.
func FingerprintOf(ja4, ja3, serverName string) Fingerprint {
	switch {
	case ja4 != "":
		return Fingerprint{JA4, ja4}
	case ja3 != "":
		return Fingerprint{JA3, ja3}
	case serverName == "":
		return Fingerprint{Kind: NoServerName}
	}
	return Fingerprint{}
}

// ParseFingerprint reads what String writes; anything else is none.
func ParseFingerprint(s string) Fingerprint {
	kind, value, _ := strings.Cut(s, "=")
	switch {
	case s == "no-server-name":
		return Fingerprint{Kind: NoServerName}
	case kind == "ja4" && value != "":
		return Fingerprint{JA4, value}
	case kind == "ja3" && value != "":
		return Fingerprint{JA3, value}
	case s == "unshared" || kind == "unshared" && value != "":
		return Fingerprint{Unshared, value}
	}
	return Fingerprint{}
}

// String reads ja4=t13d1516h2_8daaf6152771_b186095e22b6, ja3=..., no-server-name, or is empty for none.
func (f Fingerprint) String() string {
	switch f.Kind {
	case JA4:
		return "ja4=" + f.Value
	case JA3:
		return "ja3=" + f.Value
	case NoServerName:
		return "no-server-name"
	case Unshared:
		if f.Value != "" {
			return "unshared=" + f.Value
		}
		return "unshared"
	case NoFingerprint:
	}
	return ""
}
