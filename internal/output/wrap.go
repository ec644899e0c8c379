package output

import (
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// Columns is how many columns of a terminal a text takes: two for wide characters as Chinese has them, none for marks
// above or below a letter.
func Columns(s string) (n int) {
	for _, r := range s {
		n += columnsOf(r)
	}
	return n
}

func columnsOf(r rune) int {
	if r < 0x300 {
		return 1
	}
	if unicode.In(r, unicode.Mn, unicode.Me) {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// fitting is how many of the first runes take no more than so many columns.
func fitting(runes []rune, columns int) int {
	for i, r := range runes {
		if columns -= columnsOf(r); columns < 0 {
			return i
		}
	}
	return len(runes)
}

// Wrap breaks text at blanks into lines of at most width columns, except for longer words. Lines after the first start
// with the indent. A width of 0, or one too small for the indent, breaks nothing.
func Wrap(text string, width int, indent string) string {
	if width < len(indent)+20 {
		return text
	}
	var b strings.Builder
	used, blank := 0, ""
	for _, word := range strings.Split(text, " ") {
		n := Columns(word)
		if used+len(blank)+n > width && used > len(indent) {
			blank, used = "\n"+indent, -1 // the line break takes no column
		}
		b.WriteString(blank + word)
		used, blank = used+len(blank)+n, " "
	}
	return b.String()
}
