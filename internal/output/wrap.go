package output

import (
	"strings"
	"unicode/utf8"
)

// Wrap breaks text at blanks into lines of at most width columns, except for longer words. Lines after the first start
// with the indent. A width of 0, or one too small for the indent, breaks nothing.
func Wrap(text string, width int, indent string) string {
	if width < len(indent)+20 {
		return text
	}
	var b strings.Builder
	used, blank := 0, ""
	for _, word := range strings.Split(text, " ") {
		n := utf8.RuneCountInString(word)
		if used+len(blank)+n > width && used > len(indent) {
			blank, used = "\n"+indent, -1 // the line break takes no column
		}
		b.WriteString(blank + word)
		used, blank = used+len(blank)+n, " "
	}
	return b.String()
}
