package output

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"dwell/internal/hunt"
)

// column is one column of the table.
type column struct {
	head  string
	right bool
	count bool // of things
	value func(*hunt.Finding) string
}

func columns(wide bool) []column {
	cols := []column{
		{head: "SCORE", right: true, value: func(f *hunt.Finding) string { return fmt.Sprintf("%.3f", f.Dwell.Score) }},
		{head: "SEVERITY", value: func(f *hunt.Finding) string { return orDash(f.Dwell.Severity) }},
		{head: "SOURCE", value: func(f *hunt.Finding) string { return f.Source.IP.String() }},
		{head: "DESTINATION", value: destination},
		{head: "PORT", value: port},
		{head: "CONNS", right: true, count: true, value: func(f *hunt.Finding) string { return fmt.Sprint(f.Network.Connections) }},
		{head: "FOR", right: true, value: func(f *hunt.Finding) string { return hunt.Seconds(f.Dwell.Connection.Total) }},
	}
	if wide {
		cols = append(cols,
			column{head: "BYTES", right: true, count: true, value: func(f *hunt.Finding) string { return fmt.Sprint(f.Network.Bytes) }},
			column{head: "LAST", value: func(f *hunt.Finding) string { return f.Timestamp.Format(time.RFC3339) }},
			column{head: "RITA", right: true, value: func(f *hunt.Finding) string { return rita(f.Beacon) }},
			column{head: "UID", value: uid},
			column{head: "FINDING", value: func(f *hunt.Finding) string { return f.Dwell.FindingID }},
		)
	}
	return append(cols,
		column{head: "INDICATORS", value: func(f *hunt.Finding) string { return orDash(strings.Join(f.Dwell.Indicators, ",")) }},
		column{head: "WHY", value: func(f *hunt.Finding) string { return orDash(strings.Join(f.Dwell.Reasons, "; ")) }})
}

func writeTable(w io.Writer, findings []hunt.Finding, o Options) error {
	if len(findings) == 0 {
		return nil
	}
	cols := columns(o.Format == Wide)
	rows := cells(findings, cols)
	widths := make([]int, len(cols))
	for i, c := range cols {
		for _, r := range rows {
			if c.count {
				r[i] = apart(r[i])
			}
		}
		widths[i] = utf8.RuneCountInString(c.head)
		for _, r := range rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(r[i]))
		}
	}
	limit := o.Width
	if o.Format == Wide {
		limit = 0
	}
	b := bufio.NewWriter(w)
	head := make([]string, len(cols))
	for i, c := range cols {
		head[i] = c.head
	}
	shown, why := cols, len(cols)-1
	below := limit > 0 && limit-across(widths[:why]) < leastWhy
	if below {
		shown = cols[:why-1] // the indicators stand in the reasons, too
		if over := across(widths[:len(shown)]) - 2 - limit; over > 0 {
			widths[destinationAt] = max(widths[destinationAt]-over, leastDestination)
		}
		limit = max(limit, leastWhy)
	}
	b.WriteString(line(head[:len(shown)], shown, widths, limit) + "\n")
	for i, r := range rows {
		if below {
			r[destinationAt] = cut(r[destinationAt], widths[destinationAt])
		}
		text := line(r[:len(shown)], shown, widths, limit)
		if o.Color {
			text = colored(text, r[1], findings[i].Dwell.Severity)
		}
		b.WriteString(text + "\n")
		if below {
			b.WriteString(indent + cut(r[why], limit-len(indent)) + "\n")
		}
	}
	return b.Flush()
}

const (
	// leastWhy is how many columns the reasons need beside a finding's other columns; where a terminal has fewer, they stand below it.
	leastWhy = 40
	indent   = "       " // below what follows the score
	// destinationAt is the column that gives way where even the others do not fit, down to leastDestination.
	destinationAt    = 3
	leastDestination = 16
)

// across is how much columns take, with the blanks behind them.
func across(widths []int) (n int) {
	for _, w := range widths {
		n += w + 2
	}
	return n
}

func writeLines(w io.Writer, findings []hunt.Finding) error {
	b := bufio.NewWriter(w)
	for _, r := range cells(findings, columns(true)) {
		b.WriteString(strings.Join(r, "\t") + "\n")
	}
	return b.Flush()
}

// apart puts commas into a number of the table; lines for other programs have none.
func apart(text string) string {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return hunt.Count(n)
	}
	return text
}

func cells(findings []hunt.Finding, cols []column) [][]string {
	rows := make([][]string, len(findings))
	for i := range findings {
		rows[i] = make([]string, len(cols))
		for j, c := range cols {
			rows[i][j] = Clean(c.value(&findings[i]))
		}
	}
	return rows
}

// line lays one row out. The last column gives way when the terminal is too narrow.
func line(r []string, cols []column, widths []int, limit int) string {
	var b strings.Builder
	used := 0
	for i, text := range r {
		if i > 0 {
			b.WriteString("  ")
			used += 2
		}
		last := i == len(r)-1
		if last && limit > 0 {
			text = cut(text, max(limit-used, 20))
		}
		pad := strings.Repeat(" ", max(widths[i]-utf8.RuneCountInString(text), 0))
		switch {
		case cols[i].right:
			b.WriteString(pad + text)
		case last:
			b.WriteString(text)
		default:
			b.WriteString(text + pad)
		}
		used += widths[i]
	}
	return b.String()
}

func cut(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

// colored paints the severity's word: red for critical and high, yellow for medium.
func colored(text, word, severity string) string {
	code := map[string]string{"critical": "1;31", "high": "31", "medium": "33"}[severity]
	if code == "" {
		return text
	}
	return strings.Replace(text, word, "\x1b["+code+"m"+word+"\x1b[0m", 1)
}

func destination(f *hunt.Finding) string {
	switch {
	case f.Destination.Domain != "" && f.Destination.IP.IsValid():
		return f.Destination.Domain + " (" + f.Destination.IP.String() + ")"
	case f.Destination.Domain != "":
		return f.Destination.Domain
	case f.Dwell.Destination != nil:
		return cmp.Or(f.Dwell.Destination.Network, "*#"+f.Dwell.Destination.Fingerprint)
	}
	return address(f)
}

func port(f *hunt.Finding) string {
	s := fmt.Sprintf("%d/%s", f.Destination.Port, f.Network.Transport)
	if f.Network.Protocol != "" {
		s += " " + f.Network.Protocol
	}
	if f.Dwell.Ports > 1 {
		s += fmt.Sprintf(" +%d", f.Dwell.Ports-1)
	}
	return s
}

func uid(f *hunt.Finding) string {
	if f.Log == nil {
		return "-"
	}
	return orDash(f.Log.ID.UID)
}

func rita(b *hunt.BeaconScore) string {
	if b == nil || b.RITA == nil {
		return "-"
	}
	return fmt.Sprintf("%.3f", *b.RITA)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
