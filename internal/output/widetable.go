package output

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"dwell/internal/hunt"
)

// column is one column of -o wide and of the tab-separated lines.
type column struct {
	head  string
	right bool
	count bool // a count of things
	value func(*hunt.Finding) string
}

// columns are those of -o wide and, in this order, of piped output; new ones go at the end (docs/output.md).
func columns() []column {
	return []column{
		{head: "SCORE", right: true, value: func(f *hunt.Finding) string { return fmt.Sprintf("%.3f", f.Dwell.Score) }},
		{head: "SEVERITY", value: func(f *hunt.Finding) string { return orDash(f.Dwell.Severity) }},
		{head: "SOURCE", value: func(f *hunt.Finding) string { return f.Source.IP.String() }},
		{head: "DESTINATION", value: destination},
		{head: "PORT", value: port},
		{head: "CONNS", right: true, count: true, value: func(f *hunt.Finding) string { return fmt.Sprint(f.Network.Connections) }},
		{head: "CONNECTED", right: true, value: func(f *hunt.Finding) string { return hunt.Brief(f.Dwell.Connection.Total) }},
		{head: "BYTES", right: true, count: true, value: func(f *hunt.Finding) string { return fmt.Sprint(f.Network.Bytes) }},
		{head: "LAST", value: func(f *hunt.Finding) string { return f.Timestamp.Format(time.RFC3339) }},
		{head: "RITA", right: true, value: func(f *hunt.Finding) string { return rita(f.Beacon) }},
		{head: "UID", value: uid},
		{head: "ID", value: func(f *hunt.Finding) string { return f.Dwell.FindingID }},
		{head: "INDICATORS", value: func(f *hunt.Finding) string { return orDash(strings.Join(f.Dwell.Indicators, ",")) }},
		{head: "WHY", value: func(f *hunt.Finding) string { return orDash(strings.Join(f.Dwell.Reasons, "; ")) }},
		{head: "RHYTHM", value: Rhythm},
		{head: "HOST", value: func(f *hunt.Finding) string {
			return orDash(strings.TrimSpace(strings.TrimPrefix(hostOf(f), f.Source.IP.String()) + " " + user(f)))
		}},
		{head: "HOSTS", value: Prevalence},
		{head: "FIRST", value: func(f *hunt.Finding) string { return day(FirstSeen(f)) }},
		{head: "STATUS", value: status},
		{head: "DWELL", right: true, value: DwellTime},
	}
}

// writeWide prints every column in full.
func writeWide(w io.Writer, findings []hunt.Finding, o Options) error {
	if len(findings) == 0 {
		return nil
	}
	cols := columns()
	rows := cells(findings, cols)
	head, right := make([]string, len(cols)), make([]bool, len(cols))
	for i, c := range cols {
		head[i], right[i] = c.head, c.right
		for _, r := range rows {
			if c.count {
				r[i] = withCommas(r[i])
			}
		}
	}
	widths := fit(append(rows, head))
	b := bufio.NewWriter(w)
	b.WriteString(layOut(head, widths, right) + "\n")
	for i, r := range rows {
		text := layOut(r, widths, right)
		if o.Color {
			text = colored(text, r[1], findings[i].Dwell.Severity)
		}
		b.WriteString(text + "\n")
	}
	return b.Flush()
}

func writeLines(w io.Writer, findings []hunt.Finding) error {
	b := bufio.NewWriter(w)
	for _, r := range cells(findings, columns()) {
		b.WriteString(strings.Join(r, "\t") + "\n")
	}
	return b.Flush()
}

// withCommas adds thousands separators to a number in the table; piped lines have none.
func withCommas(text string) string {
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
