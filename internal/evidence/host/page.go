package host

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"dwell/internal/hunt"
)

// Page is everything known of one internal address in a window, for `dwell host` and its JSON.
type Page struct {
	SchemaVersion int            `json:"schema_version"`
	IP            netip.Addr     `json:"ip"`
	Window        hunt.TimeSpan  `json:"window"`
	Names         []hunt.LogText `json:"names"`
	MAC           []hunt.LogText `json:"mac"`
	Users         []hunt.LogText `json:"users"`
	OS            []string       `json:"os"`
	Software      []hunt.LogText `json:"software"`
	UserAgents    []hunt.LogText `json:"user_agents"`
	// FirstSeen and LastSeen are the starts of the first and last connection in the window on either side; nil without
	// one.
	FirstSeen   *hunt.Time `json:"first_seen,omitempty"`
	LastSeen    *hunt.Time `json:"last_seen,omitempty"`
	Connections int64      `json:"connections"`
	// Alerts are other tools' alerts in the window by rule; AlertCount is nil if they could not be looked up.
	Alerts     []hunt.LogText `json:"alerts"`
	AlertCount *int64         `json:"alert_count,omitempty"`
	Pairs      []Pair         `json:"pairs"`
	// FirstContact is the first connection in the window to the strongest pair's destination.
	FirstContact *hunt.Time `json:"first_contact,omitempty"`
	// early says that too little was read before it to know what is new.
	early bool
	// Internal are internal destinations by port, those with most new hosts first.
	Internal            []Port   `json:"internal"`
	InternalConnections int64    `json:"internal_connections"`
	Notes               []string `json:"notes,omitempty"`
}

// Pair is one finding about the host, with the other hosts that contact the same destination.
type Pair struct {
	hunt.Finding
	Neighbors []netip.Addr `json:"neighbors"`
}

// Port is one internal service that the host used.
type Port struct {
	Port        string      `json:"port"`
	Connections int64       `json:"connections"`
	Hosts       []Contacted `json:"hosts"`
	// New counts the hosts first contacted after the first contact.
	New int `json:"new"`
}

// Contacted is one internal host that was contacted.
type Contacted struct {
	IP          netip.Addr `json:"ip"`
	Connections int64      `json:"connections"`
	First       hunt.Time  `json:"first"`
	New         bool       `json:"new"`
}

// maxExternal limits how many external addresses are looked up.
const maxExternal = 50

// settled is how much of a window must precede the first contact for "new" to mean something.
const settled = time.Hour

// Look returns the page of an address. The findings are those about it, strongest first; req has both ends of its
// window, or neither. With gaps the page is valid but incomplete.
func Look(ctx context.Context, source *hunt.Session, req hunt.Request, addr netip.Addr, findings []hunt.Finding) (*Page, hunt.Remarks, error) {
	hosts, remarks, err := source.Hosts(ctx, req, []netip.Addr{addr}, true)
	if err != nil {
		return nil, remarks, err
	}
	var outside []netip.Addr
	for i := range findings {
		outside = append(outside, destinations(&findings[i])...)
	}
	outside = unique(outside)
	if more := len(outside) - maxExternal; more > 0 {
		remarks.Notes = append(remarks.Notes, hunt.Note{What: fmt.Sprintf("neighbors were looked up for %s of %s destinations", hunt.Count(maxExternal), hunt.Count(len(outside)))})
		outside = outside[:maxExternal]
	}
	contacts, more, err := source.Contacts(ctx, req, addr, outside)
	if err != nil {
		return nil, remarks, err
	}
	remarks.Add(more)
	p := &Page{SchemaVersion: hunt.SchemaVersion, IP: addr, Window: hunt.TimeSpan{Start: hunt.Time{Time: req.From}, End: hunt.Time{Time: req.To}},
		Connections: contacts.Connections, InternalConnections: contacts.InternalConnections, Pairs: []Pair{}}
	if m := hosts[addr]; m != nil {
		p.Names, p.MAC, p.Users, p.Software, p.UserAgents, p.OS, p.Alerts = m.Names, m.MACs, m.Users, m.Software, m.Agents, Systems(m), m.Alerts
		if m.AlertCount >= 0 {
			p.AlertCount = &m.AlertCount
		}
	}
	if contacts.Connections > 0 {
		first, last := hunt.At(contacts.First), hunt.At(contacts.Last)
		p.FirstSeen, p.LastSeen = &first, &last
	}
	for i := range findings {
		p.Pairs = append(p.Pairs, Pair{Finding: findings[i], Neighbors: neighbors(&contacts, &findings[i])})
	}
	p.contact(&contacts)
	p.internalPorts(&contacts)
	for _, list := range []*[]hunt.LogText{&p.Names, &p.MAC, &p.Users, &p.Software, &p.UserAgents, &p.Alerts} {
		if *list == nil {
			*list = []hunt.LogText{}
		}
	}
	if p.OS == nil {
		p.OS = []string{}
	}
	return p, remarks, nil
}

// Known reports whether anything is known of the host.
func (p *Page) Known() bool {
	return p.Connections > 0 || len(p.Pairs)+len(p.Names)+len(p.MAC)+len(p.Users)+len(p.Software)+len(p.UserAgents)+len(p.Alerts) > 0
}

// destinations are a finding's external addresses.
func destinations(f *hunt.Finding) []netip.Addr {
	if f.Dwell.DNS != nil {
		return nil // every host uses the resolver
	}
	var out []netip.Addr
	for _, a := range []netip.Addr{f.Destination.IP, f.Source.IP} {
		if a.IsValid() && a != f.Dwell.InternalIP {
			out = append(out, a)
		}
	}
	if f.Dwell.Evidence != nil {
		out = append(out, f.Dwell.Evidence.Addresses...)
	}
	return unique(out)
}

// unique removes duplicate addresses, keeping the first.
func unique(list []netip.Addr) []netip.Addr {
	seen := map[netip.Addr]bool{}
	return slices.DeleteFunc(list, func(a netip.Addr) bool {
		was := seen[a]
		seen[a] = true
		return was
	})
}

func neighbors(c *hunt.Contacts, f *hunt.Finding) []netip.Addr {
	out := []netip.Addr{}
	for _, a := range destinations(f) {
		out = append(out, c.Neighbors[a]...)
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return slices.Compact(out)
}

// contact determines when the host first contacted the strongest pair's destination.
func (p *Page) contact(c *hunt.Contacts) {
	if len(p.Pairs) == 0 {
		return
	}
	f := &p.Pairs[0].Finding
	first := f.Event.Start
	for _, a := range destinations(f) {
		if at, ok := c.ExternalFirst[a]; ok && at < first.UnixMilli() {
			first = hunt.At(at)
		}
	}
	p.FirstContact = &first
	if p.FirstSeen != nil && first.Sub(p.FirstSeen.Time) < settled {
		p.early = true
		p.Notes = append(p.Notes, fmt.Sprintf("the first contact, %s, comes less than %s after the host is first seen, so it is not known which internal connections are new: look further back (--since, --from)", first.Format(time.RFC3339), hunt.Brief(settled.Seconds())))
	}
}

// inside groups internal destinations by port.
func (p *Page) internalPorts(c *hunt.Contacts) {
	p.Internal = []Port{}
	at := map[string]int{}
	var listed int64
	for _, i := range c.Internal {
		name := strconv.Itoa(int(i.Port)) + "/" + i.Proto.String()
		n, ok := at[name]
		if !ok {
			n = len(p.Internal)
			at[name] = n
			p.Internal = append(p.Internal, Port{Port: name})
		}
		port := &p.Internal[n]
		m := Contacted{IP: i.IP, Connections: i.Connections, First: hunt.At(i.First), New: p.FirstContact != nil && !p.early && i.First > p.FirstContact.UnixMilli()}
		port.Hosts = append(port.Hosts, m)
		port.Connections += i.Connections
		listed += i.Connections
		if m.New {
			port.New++
		}
	}
	if more := c.InternalConnections - listed; more > 0 {
		p.Notes = append(p.Notes, fmt.Sprintf("%s internal connections went to more destinations than are listed (the %s busiest are)", hunt.Count(more), hunt.Count(hunt.MaxInternal)))
	}
	slices.SortStableFunc(p.Internal, func(a, b Port) int {
		return cmp.Or(cmp.Compare(b.New, a.New), cmp.Compare(len(b.Hosts), len(a.Hosts)), cmp.Compare(b.Connections, a.Connections), cmp.Compare(a.Port, b.Port))
	})
}
