package hunt

import "strings"

// FingerprintKind is what a fingerprint is made of.
type FingerprintKind uint8

// The kinds of fingerprints, worst to best. JA4 is preferred to JA3 because it does not change if a program shuffles
// its TLS extensions.
const (
	NoFingerprint FingerprintKind = iota
	// NoServerName is a TLS hello with neither fingerprint nor server name.
	NoServerName
	JA3
	JA4
	// Unshared is not a fingerprint. It marks roll-ups over addresses that no other host uses; Value is the size class,
	// or empty for any.
	Unshared
	// UnsharedNames is the same over names under domains that no other host uses, at addresses that others use, too.
	UnsharedNames
)

// Fingerprint identifies a TLS client program across servers. The zero Fingerprint is none.
type Fingerprint struct {
	Kind FingerprintKind
	// Value is the JA4 or JA3 as logged, empty for the other kinds.
	Value string
}

// FingerprintOf returns the best fingerprint of a TLS record; texts may be empty.
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

// ParseFingerprint parses what String writes; anything else is none.
func ParseFingerprint(s string) Fingerprint {
	kind, value, _ := strings.Cut(s, "=")
	switch {
	case s == "no-server-name":
		return Fingerprint{Kind: NoServerName}
	case kind == "ja4" && value != "":
		return Fingerprint{JA4, value}
	case kind == "ja3" && value != "":
		return Fingerprint{JA3, value}
	case s == kind && kind == unshared || kind == unshared && value != "":
		return Fingerprint{Unshared, value}
	case s == kind && kind == unsharedNames || kind == unsharedNames && value != "":
		return Fingerprint{UnsharedNames, value}
	}
	return Fingerprint{}
}

// String is ja4=t13d1516h2_8daaf6152771_b186095e22b6, ja3=..., no-server-name, or empty for none.
func (f Fingerprint) String() string {
	switch f.Kind {
	case JA4:
		return "ja4=" + f.Value
	case JA3:
		return "ja3=" + f.Value
	case NoServerName:
		return "no-server-name"
	case Unshared, UnsharedNames:
		what := unshared
		if f.Kind == UnsharedNames {
			what = unsharedNames
		}
		if f.Value != "" {
			return what + "=" + f.Value
		}
		return what
	case NoFingerprint:
	}
	return ""
}

const unshared, unsharedNames = "unshared", "unshared-names"

// IsUnshared reports whether it marks a roll-up over what no other host uses.
func (f Fingerprint) IsUnshared() bool { return f.Kind == Unshared || f.Kind == UnsharedNames }
