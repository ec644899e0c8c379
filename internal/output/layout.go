package output

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// fit gives the widths that the columns of some rows need.
func fit(rows [][]string) []int {
	var widths []int
	for _, r := range rows {
		for j, text := range r {
			if j == len(widths) {
				widths = append(widths, 0)
			}
			widths[j] = max(widths[j], Columns(text))
		}
	}
	return widths
}

// totalWidth is how much columns take, with the blanks behind them.
func totalWidth(widths []int) (n int) {
	for _, w := range widths {
		n += w + 2
	}
	return n
}

// layOut puts a row into columns; right says which of them are flush right.
func layOut(row []string, widths []int, right []bool) string {
	var b strings.Builder
	for j, text := range row {
		pad := strings.Repeat(" ", max(widths[j]-Columns(text), 0))
		if j > 0 {
			b.WriteString("  ")
		}
		if j < len(right) && right[j] {
			b.WriteString(pad + text)
		} else {
			b.WriteString(text + pad)
		}
	}
	return strings.TrimRight(b.String(), " ")
}

// PrintTable prints rows in columns, the heading first. What is wider than the terminal goes on in the next line, where
// below has what else is to be said of a row; it may be nil. Width 0 is endless.
func PrintTable(w io.Writer, rows [][]string, right []bool, below []string, width int) error {
	for _, r := range rows {
		for j := range r {
			r[j] = Clean(r[j])
		}
	}
	b, widths := bufio.NewWriter(w), fit(rows)
	print := func(text string) { fmt.Fprintln(b, Wrap(Chopped(text, width-4), width, "    ")) }
	for i, r := range rows {
		print(layOut(r, widths, right))
		if i < len(below) && below[i] != "" {
			print("    " + Clean(below[i]))
		}
	}
	return b.Flush()
}
