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

// Clean makes text from network data safe to show on a terminal. Control characters, escape sequences, bidirectional
// overrides, invisible letters, stacks of combining marks and invalid UTF-8 become visible escapes (\x1b, \u202e).
// Other printable text is kept; a name with non-ASCII letters, which may imitate another, is followed by its xn-- form.
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

// maxMarks is the maximum number of combining marks on a letter.
const maxMarks = 2

// visible reports whether a character is visible and cannot alter others.
func visible(r rune) bool {
	switch r {
	case 0x115f, 0x1160, 0x3164, 0xffa0, 0x2800: // Hangul fillers, the empty Braille pattern
		return false
	}
	return unicode.IsPrint(r)
}

// foreign matches dotted names; only those with a non-ASCII letter are changed.
var foreign = regexp.MustCompile(`[\pL\pN_-]+(\.[\pL\pN_-]+)+`)

// withPlain adds the ASCII (xn--) form after such names.
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

// cell makes text safe as a CSV cell: cleaned, and prefixed with a quote if a spreadsheet would read it as a formula,
// including full-width signs.
func cell(s string) string {
	s = escaped(s)
	if r, _ := utf8.DecodeRuneInString(s); s != "" && strings.ContainsRune("=+-@\uff1d\uff0b\uff0d\uff20\u2212", r) {
		return "'" + s
	}
	return s
}

// escaping escapes invisible characters in JSON. Each write must hold whole characters, as an Encoder's does.
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
