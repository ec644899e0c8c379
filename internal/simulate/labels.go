package simulate

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// LabelsFile is the name of the truth file beside the logs.
const LabelsFile = "labels.json"

// Labels is the truth about simulated logs. New fields may be added.
type Labels struct {
	SchemaVersion int            `json:"schema_version"`
	Window        Window         `json:"window"`
	Seed          uint64         `json:"seed"`
	Internal      []netip.Prefix `json:"internal"`
	Domain        string         `json:"domain"`
	// Logs are the number of lines of each log, without headers.
	Logs map[Log]int64 `json:"logs"`
	// Implants are what a hunt should find; Services what it also sees, and should explain.
	Implants []*Label `json:"implants"`
	Services []*Label `json:"services"`
	Hosts    []Host   `json:"hosts"`
}

// Window is the simulated time, half-open.
type Window struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
}

// Host is one internal host.
type Host struct {
	Name    string     `json:"name"`
	Address netip.Addr `json:"address"`
	IPv6    netip.Addr `json:"ipv6,omitzero"`
	MAC     string     `json:"mac"`
	System  string     `json:"system"`
}

// Label is the truth about one talker, or about one service of the built-in background.
type Label struct {
	Name      string `json:"name"`
	Kind      string `json:"kind"`
	Malicious bool   `json:"malicious"`
	// Indicator is what a hunt should report for each of its pairs by timing alone: beacon, long_connection, strobe,
	// dns_tunnel or none.
	Indicator string `json:"indicator"`
	// Sources are the internal addresses, Destinations the external ones. For a DNS tunnel the destinations are the
	// site's resolvers, and Domain is what to look for.
	Sources      []netip.Addr `json:"sources"`
	Destinations []netip.Addr `json:"destinations"`
	Domain       string       `json:"domain,omitempty"`
	// Names are the domains that it uses in turn, if there are several; Domain is then none of them.
	Names []string `json:"names,omitempty"`
	// Proxy is the internal proxy it uses: sources connect to it, and it connects to the destinations.
	Proxy     netip.Addr `json:"proxy,omitzero"`
	Port      int        `json:"port"`
	Transport string     `json:"transport"`
	Service   string     `json:"service,omitempty"`
	// Connections is the number of its connections, including failed ones; those left open (Talker.Open) are not in
	// conn.log.
	Connections int64 `json:"connections"`
	// PeriodSeconds are the periods; Jitter and Loss are shares.
	PeriodSeconds []float64 `json:"period_seconds,omitempty"`
	Jitter        float64   `json:"jitter,omitempty"`
	Timing        string    `json:"timing,omitempty"`
	Loss          float64   `json:"loss,omitempty"`
	Why           string    `json:"why"`
}

func newLabel(t *Talker, malign bool, dsts []netip.Addr) *Label {
	port, proto, service := t.wire()
	l := &Label{Name: t.Name, Kind: t.Kind, Malicious: malign, Indicator: t.Indicator, Sources: []netip.Addr{}, Destinations: dsts, Domain: t.Domain,
		Port: int(port), Transport: proto.String(), Service: service, Jitter: float64(t.Jitter), Loss: float64(t.Loss), Timing: t.Timing, Why: t.Why}
	for i := range t.Names {
		l.Names = append(l.Names, t.name(i))
	}
	if l.Timing == "" {
		l.Timing = TimingBoth
	}
	if l.Indicator == "" {
		l.Indicator = map[string]string{KindBeacon: "beacon", KindLong: "long_connection", KindStrobe: "strobe", KindDNSTunnel: "dns_tunnel", KindDNSBeacon: "beacon"}[t.Kind]
	}
	for _, p := range append(slices.Clone(t.Periods), t.Period) {
		if p != 0 {
			l.PeriodSeconds = append(l.PeriodSeconds, time.Duration(p).Seconds())
		}
	}
	if l.Why == "" {
		l.Why = fmt.Sprintf("%s of the scenario: %s", t.Name, t.Kind)
	}
	if t.asks() {
		l.Port, l.Transport, l.Service = 53, "udp", "dns"
	}
	return l
}

// background makes the label of a built-in service.
func (e *engine) background(name string, port int, transport, indicator, why string) *Label {
	l := &Label{Name: name, Kind: "background", Sources: []netip.Addr{}, Destinations: []netip.Addr{}, Indicator: indicator, Port: port, Transport: transport, Why: why}
	e.labels = append(e.labels, l)
	return l
}

func (l *Label) host(h *host) {
	if !slices.Contains(l.Sources, h.addr) {
		l.Sources = append(l.Sources, h.addr)
	}
}

// involve records a host and its destination. The label may be nil.
func (l *Label) involve(h *host, dst netip.Addr) {
	if l == nil {
		return
	}
	l.host(h)
	if !slices.Contains(l.Destinations, dst) {
		l.Destinations = append(l.Destinations, dst)
	}
}

// truth assembles the labels after the engine has run.
func (e *engine) truth(lines map[Log]int64) *Labels {
	t := &Labels{SchemaVersion: 1, Window: Window{time.UnixMicro(e.start).UTC(), time.UnixMicro(e.end).UTC()}, Seed: e.sc.Seed,
		Internal: e.sc.Internal, Domain: e.sc.Domain, Logs: lines, Implants: []*Label{}, Services: []*Label{}}
	for _, l := range e.labels {
		if l.Connections == 0 {
			l.Indicator, l.Why = "none", l.Why+"; nothing of it is in this window"
		}
		if l.Malicious {
			t.Implants = append(t.Implants, l)
		} else {
			t.Services = append(t.Services, l)
		}
	}
	for _, h := range append(slices.Clone(e.servers), e.people...) {
		t.Hosts = append(t.Hosts, Host{h.name, h.addr, h.addr6, h.mac, h.system.String()})
	}
	return t
}

// bytes is the file's content.
func (t *Labels) bytes() ([]byte, error) {
	b, err := json.MarshalIndent(t, "", " ")
	return append(b, '\n'), err
}
