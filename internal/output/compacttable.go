package output

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"dwell/internal/hunt"
)

// fullWidth is the terminal width from which the table also has score, prevalence, first and last seen, disposition and
// names.
const fullWidth = 120

// dwellWidth is the width from which it also has the dwell time. On narrower ones FIRST shows nearly the same.
const dwellWidth = 140

// writeTable prints an entry per finding: a row that fits the terminal, then its id and strongest reasons. A value that
// does not fit its column is printed in full on the second line, so that nothing decisive is cut.
func writeTable(w io.Writer, findings []hunt.Finding, o Options) error {
	if len(findings) == 0 {
		return nil
	}
	ids := Short(findings)
	width := o.Width
	if width == 0 {
		width = 1 << 10
	}
	cols := lineColumns(width, o.Groups)
	rows, head, right := make([][]string, len(findings)), make([]string, len(cols)), make([]bool, len(cols))
	for j, c := range cols {
		head[j], right[j] = c.head, c.right
	}
	for i := range findings {
		rows[i] = make([]string, len(cols))
		for j, c := range cols {
			if rows[i][j] = Clean(c.value(&findings[i])); c.head == "#" {
				rows[i][j] = fmt.Sprint(i + 1)
			}
		}
	}
	widths := fit(append(rows, head))
	const most = 12
	less := 0
	for over := totalWidth(widths) - 2 - width; over > 0; { // shorten the widest column that may be shortened
		at := -1
		for j, c := range cols {
			if c.least > 0 && widths[j] > max(c.least-less, 1) && (at < 0 || widths[j] > widths[at]) {
				at = j
			}
		}
		if at < 0 && less < most { // very large numbers: shorten further the values printed in full below
			less++
			continue
		}
		if at < 0 {
			break
		}
		widths[at]--
		over--
	}
	b := bufio.NewWriter(w)
	b.WriteString(layOut(head, widths, right) + "\n")
	indent := strings.Repeat(" ", widths[0]+2)
	for i := range findings {
		f := &findings[i]
		var whole []string
		for j, c := range cols {
			if Columns(rows[i][j]) > widths[j] {
				whole = append(whole, rows[i][j])
				rows[i][j] = c.shorten(rows[i][j], widths[j])
			}
		}
		text := layOut(rows[i], widths, right)
		if o.Color {
			text = colored(text, orDash(f.Dwell.Severity), f.Dwell.Severity)
		}
		b.WriteString(text + "\n")
		facts := append(whole, ShortReasons(f)...)
		if g, ok := o.Groups[f.Dwell.FindingID]; ok {
			ids[i] = g.Campaign.ID[:min(len(g.Campaign.ID), len(ids[i]))]
			facts = slices.Insert(facts, len(whole), fmt.Sprintf("campaign of %s, strongest %s", hunt.Many(g.Members, "finding"), f.Source.IP))
		} else if who := user(f); who != "" && width >= fullWidth {
			facts = slices.Insert(facts, len(whole), who)
		}
		if s := status(f); s != "-" && s != hunt.Open && width < fullWidth {
			facts = slices.Insert(facts, len(whole), strings.ToUpper(s))
		}
		if len(facts) == 0 {
			facts = []string{"no modifiers"}
		}
		under := indent + strings.Repeat(" ", len(ids[i])+2)
		facts[0] = ids[i] + "  " + facts[0]
		b.WriteString(Wrap(indent+Chopped(Clean(strings.Join(facts, "; ")), o.Width-len(under)), o.Width, under) + "\n")
	}
	return b.Flush()
}

// Chopped splits words longer than a line, such as names that a client invents, into pieces that fill lines. Room 0 or
// less splits nothing.
func Chopped(text string, room int) string {
	if room <= 0 {
		return text
	}
	words := strings.Split(text, " ")
	for i, w := range words {
		r := []rune(w)
		var pieces []string
		for n := fitting(r, room); n > 0 && n < len(r); n = fitting(r, room) {
			pieces = append(pieces, string(r[:n]))
			r = r[n:]
		}
		words[i] = strings.Join(append(pieces, string(r)), " ")
	}
	return strings.Join(words, " ")
}

// lineColumn is a column of the table. With a least width it may be shortened to that.
type lineColumn struct {
	head  string
	right bool
	least int
	tail  bool // shortening keeps the end
	value func(*hunt.Finding) string
}

func (c *lineColumn) shorten(s string, n int) string {
	r := []rune(s)
	if c.tail {
		slices.Reverse(r)
	}
	r = r[:fitting(r, n-1)]
	if c.tail {
		slices.Reverse(r)
		return "…" + string(r)
	}
	return string(r) + "…"
}

func lineColumns(width int, groups map[string]Group) []lineColumn {
	rank := lineColumn{head: "#", right: true, value: func(*hunt.Finding) string { return "" }}
	severity := lineColumn{head: "SEVERITY", value: func(f *hunt.Finding) string { return orDash(f.Dwell.Severity) }}
	host := lineColumn{head: "HOST", least: 15}
	to := lineColumn{head: "DESTINATION", least: 20, tail: true}
	rhythm := lineColumn{head: "RHYTHM", least: 18, value: Rhythm}
	if width >= fullWidth {
		host.least, to.least, rhythm.least = 18, 18, 24
	}
	to.value = func(f *hunt.Finding) string {
		return cmp.Or(groups[f.Dwell.FindingID].Destination, Destination(f))
	}
	host.value = func(f *hunt.Finding) string {
		if g, ok := groups[f.Dwell.FindingID]; ok {
			return g.hosts()
		}
		return hostOf(f)
	}
	if width < fullWidth {
		return []lineColumn{rank, severity, host, to, rhythm}
	}
	cols := []lineColumn{rank, severity, {head: "SCORE", right: true, value: func(f *hunt.Finding) string { return fmt.Sprintf("%.3f", f.Dwell.Score) }}, host, to, rhythm,
		{head: "HOSTS", right: true, value: Prevalence},
		{head: "FIRST", value: func(f *hunt.Finding) string {
			return strings.TrimPrefix(day(FirstSeen(f)), f.Event.End.UTC().Format("2006-"))
		}},
		{head: "LAST", value: last},
		{head: "STATUS", value: status}}
	if width >= dwellWidth {
		cols = slices.Insert(cols, len(cols)-2, lineColumn{head: "DWELL", right: true, value: DwellTime})
	}
	return cols
}

// Short returns the shortest unique prefix of each finding's id, at least seven digits.
func Short(findings []hunt.Finding) []string {
	n := 7
	for ; n < 32; n++ {
		seen := map[string]string{}
		unique := true
		for i := range findings {
			id := findings[i].Dwell.FindingID
			short := id[:min(n, len(id))]
			if had, ok := seen[short]; ok && had != id {
				unique = false
				break
			}
			seen[short] = id
		}
		if unique {
			break
		}
	}
	out := make([]string, len(findings))
	for i := range findings {
		id := findings[i].Dwell.FindingID
		out[i] = id[:min(n, len(id))]
	}
	return out
}

// hostOf is the internal host, with its name if known.
func hostOf(f *hunt.Finding) string {
	host := f.Source.IP.String()
	if e := f.Dwell.Evidence; e != nil && e.Host != nil && len(e.Host.Names) > 0 {
		host += " " + e.Host.Names[0]
	}
	return host
}

func user(f *hunt.Finding) string {
	if e := f.Dwell.Evidence; e != nil && e.Host != nil && len(e.Host.Users) > 0 {
		return e.Host.Users[0]
	}
	return ""
}

// Destination is the destination for display: a name or address with port, a network, a fingerprint, or a DNS domain.
func Destination(f *hunt.Finding) string {
	switch d := f.Dwell.Destination; {
	case f.Dwell.DNS != nil && f.Destination.Domain == hunt.UnsharedDomains:
		return "several domains dns"
	case f.Dwell.DNS != nil:
		return "*." + f.Destination.Domain + " dns"
	case d != nil && d.Network != "":
		return d.Network
	case d != nil && d.Fingerprint != "":
		return fmt.Sprintf("*:%d#%s", f.Destination.Port, d.Fingerprint)
	}
	to := cmp.Or(f.Destination.Domain, address(f))
	if strings.Contains(to, ":") {
		to = "[" + to + "]"
	}
	port := fmt.Sprintf(":%d", f.Destination.Port)
	if f.Network.Transport == "icmp" {
		port = " icmp"
	}
	if f.Network.Transport == "udp" {
		port += "/udp"
	}
	return to + port
}

// Rhythm sums up the finding by its main indicator: "5m ±5%, 287x, 23.9h".
func Rhythm(f *hunt.Finding) string {
	active := hunt.Brief(f.Event.End.Sub(f.Event.Start.Time).Seconds())
	main := ""
	if len(f.Dwell.Indicators) > 0 {
		main = f.Dwell.Indicators[0]
	}
	switch b := f.Beacon; {
	case main == hunt.DNSTunnel && f.Dwell.DNS != nil:
		return fmt.Sprintf("%s names, %s", hunt.Count(f.Dwell.DNS.Names), active)
	case main == hunt.LongConnection:
		return fmt.Sprintf("open %s, %sx", hunt.Brief(f.Dwell.Connection.Total), hunt.Count(f.Network.Connections))
	case main == hunt.Strobe:
		return fmt.Sprintf("%sx, %s", hunt.Count(f.Network.Connections), active)
	case b != nil && b.Period != nil && *b.Period > 0:
		jitter, n := 0.0, f.Network.Connections
		if b.Jitter != nil {
			jitter = *b.Jitter
		}
		if b.CheckIns != nil && *b.CheckIns > 0 {
			n = *b.CheckIns
		}
		return fmt.Sprintf("%s ±%.0f%%, %sx, %s", hunt.Brief(*b.Period), 100*jitter, hunt.Count(n), active)
	}
	return fmt.Sprintf("%sx, %s", hunt.Count(f.Network.Connections), active)
}

// Prevalence is the share of active hosts that contact the destination: 1/87.
func Prevalence(f *hunt.Finding) string {
	if e := f.Dwell.Evidence; e != nil && e.Prevalence != nil && e.Prevalence.Hosts > 0 {
		return fmt.Sprintf("%d/%d", e.Prevalence.Hosts, e.Prevalence.Active)
	}
	return "-"
}

// FirstSeen is the finding's first check-in if that is known exactly, otherwise when its destination or itself was
// first seen in this network, otherwise its earliest known check-in; zero if unknown.
func FirstSeen(f *hunt.Finding) time.Time {
	if d := f.Dwell.DwellTime; d != nil && !d.LowerBound {
		return d.FirstCheckIn.Time
	}
	if e := f.Dwell.Evidence; e != nil && e.FirstSeen != nil {
		if !e.FirstSeen.Destination.IsZero() {
			return e.FirstSeen.Destination.Time
		}
		if !e.FirstSeen.Finding.IsZero() {
			return e.FirstSeen.Finding.Time
		}
	}
	if d := f.Dwell.DwellTime; d != nil {
		return d.FirstCheckIn.Time
	}
	return time.Time{}
}

// DwellTime is the finding's dwell time: "27d", "≥27d" if history starts too late to know, "-" if unknown.
func DwellTime(f *hunt.Finding) string {
	switch d := f.Dwell.DwellTime; {
	case d == nil:
		return "-"
	case d.LowerBound:
		return "≥" + hunt.Brief(d.Seconds)
	default:
		return hunt.Brief(d.Seconds)
	}
}

// last is when the last connection ended, or that one is open.
func last(f *hunt.Finding) string {
	if f.Dwell.Connection.Open != nil {
		return "open"
	}
	return f.Event.End.UTC().Format("01-02 15:04")
}

func day(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.DateOnly)
}

// status is the disposition, or "safelisted". A finding with a broken rule is not safelisted.
func status(f *hunt.Finding) string {
	switch {
	case f.Dwell.Safelisted && f.Dwell.Disposition == hunt.Escalated: // neither hides the other
		return "escalated, safelisted"
	case f.Dwell.Safelisted:
		return "safelisted"
	}
	return orDash(f.Dwell.Disposition)
}

// colored colors the severity: red for critical and high, yellow for medium.
func colored(text, word, severity string) string {
	code := map[string]string{"critical": "1;31", "high": "31", "medium": "33"}[severity]
	if code == "" {
		return text
	}
	return strings.Replace(text, word, "\x1b["+code+"m"+word+"\x1b[0m", 1)
}
