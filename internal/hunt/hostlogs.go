package hunt

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// NoMachineLogs is the note that some of the logs that identify hosts are missing; ok is false if none is.
func NoMachineLogs(missing []string, hint string) (note Note, ok bool) {
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

// Said is a text from network data, with its log and number of records.
type Said struct {
	Text  string `json:"text"`
	By    string `json:"by"`
	Count int64  `json:"count"`
}

// Machine is what logs say about one internal address. Each list has the most frequent first.
type Machine struct {
	Names, MACs, Users []Said
	// Agents are HTTP user agents; Software is what zeek.software recognized, with its type in By.
	Agents, Software []Said
	// Alerts are other tools' alerts (tags:alert) with the address on either side, by rule; nil if they could not be
	// looked up.
	Alerts []Said
	// AlertCount is their total number, Absent if they could not be looked up.
	AlertCount int64
}

// Unknown reports whether nothing is known of the host.
func (m *Machine) Unknown() bool {
	return len(m.Names)+len(m.MACs)+len(m.Users)+len(m.Agents)+len(m.Software) == 0 && m.AlertCount <= 0
}

// machineTexts limits each list of a Machine.
const machineTexts = 20

// SortSaid sorts by count, highest first, then by text, and keeps the first machineTexts.
func SortSaid(list []Said) []Said {
	slices.SortFunc(list, func(a, b Said) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.By, b.By), cmp.Compare(a.Text, b.Text))
	})
	return list[:min(len(list), machineTexts)]
}

// Contacts are the connections of one internal host.
type Contacts struct {
	// Connections, First and Last cover all connections of the host, on either side.
	Connections int64
	First, Last int64 // Unix milliseconds; 0 without a connection
	// Inside are the host's internal destinations by address, port and transport, ordered by their first connection:
	// the MaxInside busiest. InsideConnections counts all of them.
	Inside            []Inside
	InsideConnections int64
	// Neighbors are the other internal sources of each external address, by address, at most MaxNeighbors.
	Neighbors map[netip.Addr][]netip.Addr
	// OutsideFirst is the host's first connection to each external address, in Unix milliseconds.
	OutsideFirst map[netip.Addr]int64
}

// The maximum number of internal destinations and neighbors listed.
const (
	MaxInside    = 1000
	MaxNeighbors = 100
)

// Inside is one internal destination of a host.
type Inside struct {
	IP          netip.Addr
	Port        uint16
	Proto       Transport
	Connections int64
	First, Last int64 // Unix milliseconds
}

// busier sorts the busiest first, then by address and port.
func busier(a, b Inside) int {
	return cmp.Or(cmp.Compare(b.Connections, a.Connections), a.IP.Compare(b.IP), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Proto, b.Proto))
}

// Settle truncates and sorts the lists.
func (c *Contacts) Settle() {
	slices.SortFunc(c.Inside, busier)
	c.Inside = c.Inside[:min(len(c.Inside), MaxInside)]
	slices.SortFunc(c.Inside, func(a, b Inside) int { return cmp.Or(cmp.Compare(a.First, b.First), busier(a, b)) })
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
