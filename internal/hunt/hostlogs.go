package hunt

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// NoHostLogs is the note that some of the logs that identify hosts are missing; ok is false if none is.
func NoHostLogs(missing []string, hint string) (note Note, ok bool) {
	return Note{What: "there is no " + strings.Join(missing, ", ") + " log, so less is known of hosts", Hint: hint, Logs: missing}, len(missing) > 0
}

// NamesFrom is the time from which host names are looked up: a day before the window, because hosts get an address and
// log on before they connect. An open window stays open.
func NamesFrom(req Request) time.Time {
	if req.From.IsZero() {
		return req.From
	}
	return req.From.Add(-24 * time.Hour)
}

// Sources of a name.
const (
	ByDHCP     = "dhcp"
	ByKerberos = "kerberos"
	ByNTLM     = "ntlm"
	ByDNS      = "dns"
)

// LogText is a text from network data, with its log and number of records.
type LogText struct {
	Text  string `json:"text"`
	By    string `json:"by"`
	Count int64  `json:"count"`
}

// HostLogs is what logs say about one internal address. Each list has the most frequent first.
type HostLogs struct {
	Names, MACs, Users []LogText
	// Agents are HTTP user agents; Software is what zeek.software recognized, with its type in By.
	Agents, Software []LogText
	// Alerts are other tools' alerts (tags:alert) with the address on either side, by rule; nil if they could not be
	// looked up.
	Alerts []LogText
	// AlertCount is their total number, Absent if they could not be looked up.
	AlertCount int64
}

// Unknown reports whether nothing is known of the host.
func (m *HostLogs) Unknown() bool {
	return len(m.Names)+len(m.MACs)+len(m.Users)+len(m.Agents)+len(m.Software) == 0 && m.AlertCount <= 0
}

// hostTexts limits each list of a HostLogs.
const hostTexts = 20

// SortLogTexts sorts by count, highest first, then by text, and keeps the first hostTexts.
func SortLogTexts(list []LogText) []LogText {
	slices.SortFunc(list, func(a, b LogText) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.By, b.By), cmp.Compare(a.Text, b.Text))
	})
	return list[:min(len(list), hostTexts)]
}

// Contacts are the connections of one internal host.
type Contacts struct {
	// Connections, First and Last cover all connections of the host, on either side.
	Connections int64
	First, Last int64 // Unix milliseconds; 0 without a connection
	// Internal are the host's internal destinations by address, port and transport, ordered by their first connection:
	// the MaxInternal busiest. InternalConnections counts all of them.
	Internal            []InternalDestination
	InternalConnections int64
	// Neighbors are the other internal sources of each external address, by address, at most MaxNeighbors.
	Neighbors map[netip.Addr][]netip.Addr
	// ExternalFirst is the host's first connection to each external address, in Unix milliseconds.
	ExternalFirst map[netip.Addr]int64
}

// The maximum number of internal destinations and neighbors listed.
const (
	MaxInternal  = 1000
	MaxNeighbors = 100
)

// InternalDestination is one internal destination of a host.
type InternalDestination struct {
	IP          netip.Addr
	Port        uint16
	Proto       Transport
	Connections int64
	First, Last int64 // Unix milliseconds
}

// busier sorts the busiest first, then by address and port.
func busier(a, b InternalDestination) int {
	return cmp.Or(cmp.Compare(b.Connections, a.Connections), a.IP.Compare(b.IP), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Proto, b.Proto))
}

// Settle truncates and sorts the lists.
func (c *Contacts) Settle() {
	slices.SortFunc(c.Internal, busier)
	c.Internal = c.Internal[:min(len(c.Internal), MaxInternal)]
	slices.SortFunc(c.Internal, func(a, b InternalDestination) int { return cmp.Or(cmp.Compare(a.First, b.First), busier(a, b)) })
	for outside, list := range c.Neighbors {
		slices.SortFunc(list, netip.Addr.Compare)
		c.Neighbors[outside] = list[:min(len(list), MaxNeighbors)]
	}
}

// KerberosClient splits a Kerberos client ("FRANK/CORP.EXAMPLE", "WS04$/CORP.EXAMPLE"): the name without the realm, and
// whether it is a host's account, which ends with a dollar sign.
func KerberosClient(client string) (name string, machine bool) {
	name, _, _ = strings.Cut(client, "/")
	return strings.CutSuffix(name, "$")
}

// SoftwareText names a program from zeek.software: its name, and its own version text if that says more.
func SoftwareText(name, unparsed string) string {
	switch {
	case unparsed == "" || unparsed == name:
		return name
	case name == "" || strings.HasPrefix(unparsed, name):
		return unparsed
	}
	return name + ": " + unparsed
}

// ReverseName is the name for an address's reverse DNS lookup (RFC 1035, 3.5; RFC 3596, 2.5).
func ReverseName(a netip.Addr) string {
	var b strings.Builder
	raw := a.AsSlice()
	for i := len(raw) - 1; i >= 0; i-- {
		if a.Is4() {
			fmt.Fprintf(&b, "%d.", raw[i])
		} else {
			fmt.Fprintf(&b, "%x.%x.", raw[i]&15, raw[i]>>4)
		}
	}
	if a.Is4() {
		return b.String() + "in-addr.arpa"
	}
	return b.String() + "ip6.arpa"
}
