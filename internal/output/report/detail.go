package report

import (
	"cmp"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"dwell/internal/hunt"
)

// reason is one fact with its weight, which is empty unless it is a modifier.
type reason struct{ Weight, Text string }

// Reasons are the finding's reasons, each once. A modifier with the same text adds its weight; the other modifiers
// follow.
func (e *entry) Reasons() []reason {
	d := &e.Lead.Dwell
	var out []reason
	if e.Campaign != nil && len(e.Campaign.Reasons) > len(d.Reasons) { // the first is what the hosts share
		out = append(out, reason{Text: e.Campaign.Reasons[0]})
	}
	used := map[int]bool{}
	for _, text := range d.Reasons {
		r := reason{Text: text}
		for i, m := range d.Modifiers {
			if !used[i] && m.Reason == text {
				r.Weight, used[i] = fmt.Sprintf("%+.2f", m.Value), true
				break
			}
		}
		out = append(out, r)
	}
	for i, m := range d.Modifiers {
		if !used[i] {
			out = append(out, reason{fmt.Sprintf("%+.2f", m.Value), m.Reason})
		}
	}
	return out
}

// part is an indicator's share of the score.
type part struct {
	Name  string
	Value float64
}

// Parts are the indicators' nonzero values before modifiers.
func (e *entry) Parts() []part {
	p := e.Lead.Dwell.Parts
	all := []part{{"beacon", p.Beacon}, {"long connection", p.LongConnection}, {"strobe", p.Strobe}, {"DNS tunnel", p.DNSTunnel},
		{"presence", p.Presence}, {"listed", p.Listed}}
	return slices.DeleteFunc(all, func(x part) bool { return x.Value <= 0 })
}

// fact is one line of facts.
type fact struct{ Name, Value string }

// facts collects lines, without empty ones.
type facts []fact

func (l *facts) add(name, format string, args ...any) {
	*l = append(*l, fact{name, fmt.Sprintf(format, args...)})
}

func (l *facts) list(name string, values []string) {
	if len(values) > 0 {
		*l = append(*l, fact{name, strings.Join(values, ", ")})
	}
}

// Facts are those of the strongest finding: host, destination, certificate, client, traffic, disposition.
func (e *entry) Facts() []fact {
	f := e.Lead
	d := &f.Dwell
	var l facts
	l.traffic(f)
	l.list("ATT&CK", f.Threat.Techniques())
	if x := d.Evidence; x != nil {
		l.host(f, x)
		l.destination(x)
		if x.Protocol != nil {
			l.protocol(x.Protocol)
		}
	}
	if s := d.DNS; s != nil {
		l.add("DNS", "%s names in %s queries, mean length %.0f, %.1f bits a character", hunt.Count(s.Names), hunt.Count(s.Queries), s.MeanLength, s.Entropy)
	}
	if b := f.Beacon; b != nil && b.RITA != nil {
		l.add("RITA v5", "%.3f", *b.RITA)
	}
	l.list("same traffic as", d.Also)
	l.decided(f)
	l.add("finding id", "%s", d.FindingID)
	if e.Campaign != nil {
		l.add("campaign id", "%s", e.Campaign.ID)
	}
	if f.Log != nil {
		l.add("Zeek uid", "%s", f.Log.ID.UID)
	}
	return l
}

func (l *facts) traffic(f *hunt.Finding) {
	l.add("pair", "%s", f.Dwell.Pair)
	port := fmt.Sprintf("%d/%s %s", f.Destination.Port, f.Network.Transport, f.Network.Protocol)
	if f.Dwell.Ports > 1 {
		port += fmt.Sprintf(" and %s", hunt.Many(f.Dwell.Ports-1, "other port"))
	}
	l.add("port", "%s", strings.TrimSpace(port))
	l.add("traffic", "%s, %s sent, %s received", hunt.Many(f.Network.Connections, "connection"), hunt.Size(f.Client.Bytes), hunt.Size(f.Server.Bytes))
	if f.Dwell.Connection.Total > 0 {
		l.add("connected", "%s in all, longest %s", hunt.Brief(f.Dwell.Connection.Total), hunt.Brief(f.Dwell.Connection.Longest))
	}
	until := moment(f.Event.End)
	if f.Dwell.Connection.Open != nil {
		until += ", still open"
	}
	l.add("in the window", "%s to %s", moment(f.Event.Start), until)
	if t := f.Dwell.DwellTime; t != nil {
		at := ""
		if t.LowerBound {
			at = ", at least: history begins then"
		}
		l.add("dwell time", "%s, first check-in %s%s", hunt.Brief(t.Seconds), moment(t.FirstCheckIn), at)
		if !t.RhythmSince.IsZero() {
			l.add("rhythm since", "%s", moment(t.RhythmSince))
		}
	}
}

func (l *facts) host(f *hunt.Finding, x *hunt.Evidence) {
	l.list("host", slices.Concat([]string{f.Dwell.InternalIP.String()}, hostList(x.Host, func(h *hunt.HostEvidence) []string { return h.Names })))
	l.list("users", hostList(x.Host, func(h *hunt.HostEvidence) []string { return h.Users }))
	l.list("MAC", hostList(x.Host, func(h *hunt.HostEvidence) []string { return h.MAC }))
	l.list("system", hostList(x.Host, func(h *hunt.HostEvidence) []string { return h.OS }))
	l.list("software", hostList(x.Host, func(h *hunt.HostEvidence) []string { return h.Software }))
	if x.Host != nil && x.Host.Alerts != nil && *x.Host.Alerts > 0 {
		l.add("other alerts", "%s in the window", hunt.Count(*x.Host.Alerts))
	}
}

func hostList(h *hunt.HostEvidence, of func(*hunt.HostEvidence) []string) []string {
	if h == nil {
		return nil
	}
	return of(h)
}

func (l *facts) destination(x *hunt.Evidence) {
	if p := x.Prevalence; p != nil && p.Active > 0 {
		l.add("prevalence", "%s of %s hosts", hunt.Count(p.Hosts), hunt.Count(p.Active))
	}
	if s := x.FirstSeen; s != nil {
		for _, at := range []struct {
			name string
			time hunt.Time
		}{{"destination first seen", s.Destination}, {"domain first seen", s.Domain}, {"finding first seen", s.Finding}} {
			if !at.time.IsZero() {
				l.add(at.name, "%s", moment(at.time))
			}
		}
	}
	l.list("names", x.Names)
	addresses := make([]string, len(x.Addresses))
	for i, a := range x.Addresses {
		addresses[i] = a.String()
	}
	if more := x.AddressCount - len(addresses); more > 0 {
		addresses = append(addresses, fmt.Sprintf("%s more", hunt.Count(more)))
	}
	l.list("addresses", addresses)
	if x.ASN != nil || x.Country != "" {
		owner := x.Country
		if x.ASN != nil {
			owner = strings.TrimSpace(fmt.Sprintf("AS%d %s %s", x.ASN.Number, x.ASN.Organization, x.Country))
		}
		l.add("owner", "%s", owner)
	}
	if s := x.Service; s != nil {
		l.add("known service", "%s (%s)", s.Name, s.Category)
	}
	for _, hit := range x.Intel {
		l.add("threat intelligence", "%s %s on %s", hit.Type, hit.Indicator, hit.List)
	}
}

func (l *facts) protocol(p *hunt.Protocol) {
	if c := p.Certificate; c != nil {
		text := c.Subject + ", issued by " + cmp.Or(c.Issuer, "unknown")
		if c.NotBefore != nil && c.NotAfter != nil {
			text += fmt.Sprintf(", valid %s to %s", c.NotBefore.UTC().Format("2006-01-02"), c.NotAfter.UTC().Format("2006-01-02"))
		}
		l.add("certificate", "%s", text)
		if c.Hash != "" {
			l.add("certificate SHA-256", "%s", c.Hash)
		}
	}
	l.list("JA4", p.JA4)
	l.list("JA3", p.JA3)
	l.list("user agents", p.UserAgents)
	l.list("content", p.MIME)
	l.list("Zeek weird", p.Weird)
	l.list("Zeek notices", p.Notices)
}

func (l *facts) decided(f *hunt.Finding) {
	text := statusOf(f)
	if f.Dwell.Assignee != "" {
		text += ", " + f.Dwell.Assignee
	}
	l.add("disposition", "%s", text)
	if r := f.Dwell.Safelist; r != nil {
		l.add("safelist rule", "%s: %s (%s, until %s)", r.Name, r.Reason, r.Owner, r.Expires)
		if r.Broken != "" {
			l.add("shown all the same", "%s", r.Broken)
		}
	}
}

// consoleLink is a console URL that is safe to link; empty if it is not absolute, as without links.base_url.
func consoleLink(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return ""
	}
	return text
}

// consoleQuery is the query in a Hunt URL, as a user types it; empty if there is none.
func consoleQuery(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	_, query, _ := strings.Cut(u.EscapedFragment(), "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		return ""
	}
	return values.Get("q")
}

// hostRow is an internal host and its entries.
type hostRow struct {
	Addr             netip.Addr
	Name, OS         string
	Findings         int
	Score            float64
	Severity, Strong string
	Entry            string
	First            hunt.Time
}

// maxHosts is the maximum length of the list of hosts.
const maxHosts = 500

// hosts lists the internal hosts, strongest finding first.
func hosts(entries []entry) []hostRow {
	at := map[netip.Addr]int{}
	var out []hostRow
	for i := range entries {
		e := &entries[i]
		for _, f := range e.Members {
			place, ok := at[f.Dwell.InternalIP]
			if !ok {
				place = len(out)
				at[f.Dwell.InternalIP] = place
				row := hostRow{Addr: f.Dwell.InternalIP, Name: hostName(f), First: f.Event.Start}
				if x := f.Dwell.Evidence; x != nil && x.Host != nil {
					row.OS = strings.Join(x.Host.OS[:min(1, len(x.Host.OS))], "")
				}
				out = append(out, row)
			}
			row := &out[place]
			row.Findings++
			if f.Event.Start.Before(row.First.Time) {
				row.First = f.Event.Start
			}
			if f.Dwell.Score > row.Score || row.Strong == "" {
				row.Score, row.Severity, row.Strong, row.Entry = f.Dwell.Score, cmp.Or(f.Dwell.Severity, "none"), f.Dwell.Pair, e.ID
			}
		}
	}
	slices.SortStableFunc(out, func(a, b hostRow) int { return cmp.Compare(b.Score, a.Score) })
	return out
}
