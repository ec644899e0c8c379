package output

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// Clean makes text out of network data safe to show on a terminal: control characters, escape sequences, bidirectional
// overrides, letters without ink, piles of combining marks and invalid UTF-8 become visible escapes (\x1b, \u202e). Everything else
// printable stays as it is; a name with letters that are not ASCII, which may look like another name, has its xn-- form behind it.
func Clean(s string) string {
	if isClean(s) {
		return s
	}
	return withPlain(escaped(s))
}

func escaped(s string) string {
	var b strings.Builder
	marks := 0
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if marks++; !unicode.Is(unicode.Mn, r) {
			marks = 0
		}
		switch {
		case r == utf8.RuneError && n == 1, r < 0x80 && !unicode.IsPrint(r):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case !visible(r) || marks > maxMarks:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
		i += n
	}
	return b.String()
}

// maxMarks is how many combining marks one letter may bear.
const maxMarks = 2

// visible says whether a character shows as something and as itself alone.
func visible(r rune) bool {
	switch r {
	case 0x115f, 0x1160, 0x3164, 0xffa0, 0x2800: // fillers of Hangul, the empty Braille pattern
		return false
	}
	return unicode.IsPrint(r)
}

// foreign are names with a letter that is not ASCII.
var foreign = regexp.MustCompile(`[\pL\pN_-]+(\.[\pL\pN_-]+)+`)

// withPlain puts the form that the network uses behind such names.
func withPlain(s string) string {
	return foreign.ReplaceAllStringFunc(s, func(name string) string {
		if isClean(name) {
			return name
		}
		plain, err := idna.Punycode.ToASCII(name)
		if err != nil || plain == name {
			return name
		}
		return name + " (" + plain + ")"
	})
}

func isClean(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < 0x20 || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

// cell makes text safe as a CSV cell: cleaned, and with a quote in front where a spreadsheet would take it for a formula, full width
// signs included.
func cell(s string) string {
	s = escaped(s)
	if r, _ := utf8.DecodeRuneInString(s); s != "" && strings.ContainsRune("=+-@\uff1d\uff0b\uff0d\uff20\u2212", r) {
		return "'" + s
	}
	return s
}

// escaping writes JSON with what is not visible escaped. Each write has to hold whole characters, as an Encoder's does.
type escaping struct{ w io.Writer }

func (e escaping) Write(p []byte) (int, error) {
	invisible := func(r rune) bool { return r >= 0x7f && !visible(r) && r != utf8.RuneError }
	if !bytes.ContainsFunc(p, invisible) {
		return e.w.Write(p)
	}
	var b bytes.Buffer
	for _, r := range string(p) {
		switch {
		case !invisible(r):
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	if _, err := e.w.Write(b.Bytes()); err != nil {
		return 0, err
	}
	return len(p), nil
}
