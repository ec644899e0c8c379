package output

import (
	"strings"
	"unicode/utf8"
)

// Wrap breaks text at blanks so that no line has more than width columns, but for words that are longer; every line after
// the first begins with the indent. Width 0, or one that leaves next to nothing, breaks nothing.
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
