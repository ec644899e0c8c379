package testnode

import "fmt"

// Line is a major version of Elasticsearch that Security Onion ships: 8 (Security Onion 2.4) or 9 (3.x).
type Line int

// The supported lines.
const (
	Line8 Line = 8
	Line9 Line = 9
)

// ParseLine reads "8" or "9".
func ParseLine(s string) (Line, error) {
	switch s {
	case "8":
		return Line8, nil
	case "9":
		return Line9, nil
	}
	return 0, fmt.Errorf("line %q: there are 8 and 9", s)
}

// Validate returns an error if l is not a supported line.
func (l Line) Validate() error {
	if l != Line8 && l != Line9 {
		return fmt.Errorf("line %d: there are 8 and 9", int(l))
	}
	return nil
}

// minJDK is the oldest Java release that the line's classes run on.
func (l Line) minJDK() int {
	if l == Line9 {
		return 21
	}
	return 17
}

// maxJDK is the newest Java release that the line is known to run on. Elasticsearch depends on JVM internals (native
// calls, unsafe memory, the vector module), so a newer release is not suitable for tests.
func (l Line) maxJDK() int { return 25 }

// hasSecurity reports whether the line's modules on Maven Central include TLS and users.
func (l Line) hasSecurity() bool { return l == Line8 }

// folder is the line's directory under java/.
func (l Line) folder() string { return fmt.Sprintf("es%d", int(l)) }
