package hunt

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// NoMachineLogs is the note that some of the logs in which hosts say who they are are not there; of none, ok is false.
func NoMachineLogs(missing []string, hint string) (note Note, ok bool) {
	return Note{What: "there is no " + strings.Join(missing, ", ") + " log, so less is known of hosts", Hint: hint,
		Count: int64(len(missing)), Logs: missing}, len(missing) > 0
}

// NamesFrom is where looking for names begins: a day before the window, since hosts take an address and log on before
// they talk. An open window stays open.
func NamesFrom(req Request) time.Time {
	if req.From.IsZero() {
		return req.From
	}
	return req.From.Add(-24 * time.Hour)
}

// How a name became known.
const (
	ByDHCP     = "dhcp"
	ByKerberos = "kerberos"
	ByNTLM     = "ntlm"
	ByDNS      = "dns"
)

// Said is a text out of network data, with the log it stood in and how many records said it.
type Said struct {
	Text  string `json:"text"`
	By    string `json:"by"`
	Count int64  `json:"count"`
}

// Machine is what logs say about one internal address. Each list has the most frequent first.
type Machine struct {
	Names, MACs, Users []Said
	// Agents are HTTP user agents; Software is what zeek.software recognised, By its type.
	Agents, Software []Said
	// Alerts of others (tags:alert) that name the address on either side, by rule; nil where they could not be looked up.
	Alerts []Said
	// AlertCount is how many there are in all, Absent where they could not be looked up.
	AlertCount int64
}

// Unknown says that nothing is known of the host.
func (m *Machine) Unknown() bool {
	return len(m.Names)+len(m.MACs)+len(m.Users)+len(m.Agents)+len(m.Software) == 0 && m.AlertCount <= 0
}

// machineTexts bounds each list of a Machine.
const machineTexts = 20

// SortSaid puts the most frequent first, then by text, and keeps a few.
func SortSaid(list []Said) []Said {
	slices.SortFunc(list, func(a, b Said) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.By, b.By), cmp.Compare(a.Text, b.Text))
	})
	return list[:min(len(list), machineTexts)]
}

// Contacts are the connections of one host, seen from inside.
type Contacts struct {
	// Connections, First and Last are of all connections that the host took part in, on either side.
	Connections int64
	First, Last int64 // Unix milliseconds; 0 without a connection
	// Inside are the internal destinations that the host connected to, by address, port and transport, in order of
	// their first connection; at most MaxInside, the busiest. InsideConnections counts all of them.
	Inside            []Inside
	InsideConnections int64
	// Neighbours are the other internal sources of each outside address, by address, at most MaxNeighbours.
	Neighbours map[netip.Addr][]netip.Addr
	// OutsideFirst is the host's first connection to each outside address, Unix milliseconds.
	OutsideFirst map[netip.Addr]int64
}

// The most internal destinations and neighbours that are listed.
const (
	MaxInside     = 1000
	MaxNeighbours = 100
)

// Inside is one internal destination of a host.
type Inside struct {
	IP          netip.Addr
	Port        uint16
	Proto       Transport
	Connections int64
	First, Last int64 // Unix milliseconds
}

// busier puts the busiest first, then by address and port.
func busier(a, b Inside) int {
	return cmp.Or(cmp.Compare(b.Connections, a.Connections), a.IP.Compare(b.IP), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Proto, b.Proto))
}

// Settle cuts the lists to their bounds and puts them in order.
func (c *Contacts) Settle() {
	slices.SortFunc(c.Inside, busier)
	c.Inside = c.Inside[:min(len(c.Inside), MaxInside)]
	slices.SortFunc(c.Inside, func(a, b Inside) int { return cmp.Or(cmp.Compare(a.First, b.First), busier(a, b)) })
	for outside, list := range c.Neighbours {
		slices.SortFunc(list, netip.Addr.Compare)
		c.Neighbours[outside] = list[:min(len(list), MaxNeighbours)]
	}
}

// KerberosClient takes a Kerberos client ("FRANK/CORP.EXAMPLE", "WS04$/CORP.EXAMPLE") apart: the name without the
// realm, and whether it is a host's account, which ends with a dollar sign.
func KerberosClient(client string) (name string, machine bool) {
	name, _, _ = strings.Cut(client, "/")
	return strings.CutSuffix(name, "$")
}

// SoftwareText names a program by what zeek.software says: the name, and what it said of itself where that says more.
func SoftwareText(name, unparsed string) string {
	switch {
	case unparsed == "" || unparsed == name:
		return name
	case name == "" || strings.HasPrefix(unparsed, name):
		return unparsed
	}
	return name + ": " + unparsed
}

// ReverseName is the name under which DNS keeps an address's name (RFC 1035, 3.5; RFC 3596, 2.5).
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
