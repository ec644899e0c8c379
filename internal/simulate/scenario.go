package simulate

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Scenario is what to simulate. [Default] is complete; a YAML file (see [Parse]) changes parts of it.
type Scenario struct {
	// Seed determines all randomness.
	Seed uint64 `yaml:"seed"`
	// Start is the window's start, truncated to seconds; Length is its duration.
	Start  time.Time `yaml:"start"`
	Length Duration  `yaml:"length"`
	// Internal are the networks of the site. The first IPv4 one has all hosts, the first IPv6 one their second
	// addresses.
	Internal []netip.Prefix `yaml:"internal"`
	// Domain is the site's own domain.
	Domain string `yaml:"domain"`
	// Hosts is the number of workstations, besides the site's servers.
	Hosts int `yaml:"hosts"`
	// Rate is the mean number of connections, including DNS, that a workstation makes per hour over a working day of 24
	// hours, without services and implants.
	Rate float64 `yaml:"rate"`
	// Destinations is the number of external sites.
	Destinations int `yaml:"destinations"`
	// Failed is the share of failed attempts.
	Failed Share `yaml:"failed"`
	// IPv6 is the share of workstations that also have an IPv6 address.
	IPv6 Share `yaml:"ipv6"`
	// Work are the working hours in UTC; weekends are nearly empty.
	Work Hours `yaml:"work"`
	// Logs are the logs to write, always including "conn". None means all of [Logs].
	Logs []string `yaml:"logs,omitempty"`
	// Services are benign programs that connect by themselves; Implants are malicious ones.
	Services []Talker `yaml:"services"`
	Implants []Talker `yaml:"implants"`
}

// Hours are the usual working hours, UTC.
type Hours struct {
	From Clock `yaml:"from"`
	To   Clock `yaml:"to"`
}

// The kinds of talkers.
const (
	// KindBeacon checks in repeatedly.
	KindBeacon = "beacon"
	// KindLong holds a connection open, and reconnects when it is lost.
	KindLong = "long"
	// KindStrobe connects at least once a second.
	KindStrobe = "strobe"
	// KindDNSTunnel carries data in the names that it queries from the site's resolver.
	KindDNSTunnel = "dns_tunnel"
	// KindDNSBeacon queries one name from the site's resolver repeatedly; its commands are in the answers.
	KindDNSBeacon = "dns_beacon"
)

// How a talker's intervals vary.
const (
	// TimingBoth draws each interval uniformly from period*(1-jitter) to period*(1+jitter).
	TimingBoth = "both"
	// TimingEarly draws each interval as period*(1 - jitter*u), like Cobalt Strike.
	TimingEarly = "early"
	// TimingClock keeps to a fixed grid; each check-in is up to jitter*period late, without accumulating.
	TimingClock = "clock"
	// TimingMemoryless draws each interval from an exponential distribution with mean period.
	TimingMemoryless = "memoryless"
	// TimingWork sleeps the period ± the jitter after its work: Work on average, memoryless, from the connection's
	// start.
	TimingWork = "work"
)

// Talker is a program that connects to external hosts by itself: a benign service or an implant.
type Talker struct {
	// Name is unique in the scenario.
	Name string `yaml:"name"`
	// Kind is beacon, long, strobe, dns_tunnel or dns_beacon.
	Kind string `yaml:"kind"`
	// Why describes it in a sentence for the labels.
	Why string `yaml:"why,omitempty"`
	// Hosts names the workstations and servers it runs on ("ws-007", "dc-1"). Without it, Share of the workstations of
	// that System are picked at random; without both, one workstation.
	Hosts []string `yaml:"hosts,omitempty"`
	Share Share    `yaml:"share,omitempty"`
	// System limits Share to windows, macos or linux hosts.
	System string `yaml:"system,omitempty"`

	// Destinations are external addresses; none means that one is picked. With several, Rotate is in_turn or random.
	Destinations []netip.Addr `yaml:"destinations,omitempty"`
	Rotate       string       `yaml:"rotate,omitempty"`
	// Domain is the name that it looks up and uses; empty means that it connects to the address directly.
	Domain string `yaml:"domain,omitempty"`
	// Names is the number of domains of which it uses another one at random for each check-in: n1-, n2- and so on before
	// Domain. 0 means Domain itself.
	Names int `yaml:"names,omitempty"`
	// Proxy uses the site's web proxy (proxy-1, port 3128), by HTTP CONNECT for TLS, or plain HTTP.
	Proxy bool `yaml:"proxy,omitempty"`
	// SOCKS asks that host by SOCKS 5 (port 1080) instead. The loader into Elasticsearch has no socks log.
	SOCKS bool `yaml:"socks,omitempty"`
	// Port, Transport (tcp, udp) and Service (as Zeek recognizes it: ssl, http, ntp, or nothing). Defaults: 443, tcp,
	// and ssl on port 443, http on port 80.
	Port int `yaml:"port,omitempty"`
	// AnyPort uses another port for each connection; Port determines the default Service.
	AnyPort   bool   `yaml:"any_port,omitempty"`
	Transport string `yaml:"transport,omitempty"`
	Service   string `yaml:"service,omitempty"`

	// Period is the time from one check-in to the next; for a long kind, the pause before it reconnects. Periods are
	// several, each used for Hold in turn.
	Period  Duration   `yaml:"period,omitempty"`
	Periods []Duration `yaml:"periods,omitempty"`
	Hold    Duration   `yaml:"hold,omitempty"`
	// Jitter is the share of the period by which intervals vary, as in Timing: both (default), early, clock,
	// memoryless, work.
	Jitter Share  `yaml:"jitter,omitempty"`
	Timing string `yaml:"timing,omitempty"`
	// Work is the mean working time of TimingWork.
	Work Duration `yaml:"work,omitempty"`
	// Loss is the share of check-ins that do not occur.
	Loss Share `yaml:"loss,omitempty"`
	// From and To are when it is active, after the window's start; without To it is active to the end. One that starts
	// after the window's end does not occur, and its label says so. OfficeHours pauses it outside Scenario.Work.
	From        Duration `yaml:"from,omitempty"`
	To          Duration `yaml:"to,omitempty"`
	OfficeHours bool     `yaml:"office_hours,omitempty"`
	// Burst is the number of connections per check-in, within Spread.
	Burst  int      `yaml:"burst,omitempty"`
	Spread Duration `yaml:"spread,omitempty"`

	// Request and Response are payload bytes per connection, Duration its length; all three vary by the share
	// SizeJitter.
	Request    int64    `yaml:"request,omitempty"`
	Response   int64    `yaml:"response,omitempty"`
	Duration   Duration `yaml:"duration,omitempty"`
	SizeJitter Share    `yaml:"size_jitter,omitempty"`
	// Requests is the number of HTTP requests per connection, spread evenly over its Duration; 0 means one.
	Requests int `yaml:"requests,omitempty"`
	// Open leaves its connections open beyond the window: their handshakes are logged, the connections are not.
	Open bool `yaml:"open,omitempty"`
	// Fails is the share of connections without an answer (S0) or, with Refused, rejected (REJ).
	Fails   Share `yaml:"fails,omitempty"`
	Refused bool  `yaml:"refused,omitempty"`

	// SelfSigned gives its server a self-signed certificate. NoServerName omits the name from the TLS hello.
	SelfSigned   bool `yaml:"self_signed,omitempty"`
	NoServerName bool `yaml:"no_server_name,omitempty"`
	// UserAgent, URI and Method apply to its HTTP requests, JA3 and JA4 to its TLS hello. Empty ones are invented.
	UserAgent string `yaml:"user_agent,omitempty"`
	URI       string `yaml:"uri,omitempty"`
	Method    string `yaml:"method,omitempty"`
	JA3       string `yaml:"ja3,omitempty"`
	JA4       string `yaml:"ja4,omitempty"`
	// Intel is the list in Zeek's intelligence framework that has its domain, or its address without one: intel.log has
	// a record for each connection.
	Intel string `yaml:"intel,omitempty"`
	// Indicator is what a hunt should report. Empty means the kind's; "none" that no hunt can see it.
	Indicator string `yaml:"indicator,omitempty"`
}

// Limits of a scenario's resource use.
const (
	maxHosts        = 100_000
	maxDestinations = 60_000
	maxLength       = 92 * 24 * time.Hour
	maxRate         = 100_000
	minPeriod       = 10 * time.Millisecond
)

var (
	nameOK = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$`)
	hostOK = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$`)
)

// Validate returns all problems, joined; each names its key in the YAML file.
func (s *Scenario) Validate() error {
	var errs []error
	bad := func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: %s", key, fmt.Sprintf(format, args...)))
	}
	if s.Start.IsZero() || s.Start.Year() < 1980 || s.Start.Year() > 2200 {
		bad("start", "%s is no usable time: give an RFC 3339 time from 1980 to 2200", s.Start.Format(time.RFC3339))
	}
	if l := time.Duration(s.Length); l < time.Minute || l > maxLength {
		bad("length", "%s is out of range: from 1m to %s", l, maxLength)
	}
	if s.Hosts < 1 || s.Hosts > maxHosts {
		bad("hosts", "%d is out of range: from 1 to %d", s.Hosts, maxHosts)
	} else {
		s.validateNetworks(bad)
	}
	if !(s.Rate >= 0 && s.Rate <= maxRate) {
		bad("rate", "%v is out of range: from 0 to %d", s.Rate, maxRate)
	}
	if s.Destinations < 100 || s.Destinations > maxDestinations {
		bad("destinations", "%d is out of range: from 100 to %d", s.Destinations, maxDestinations)
	}
	share := func(key string, v Share) {
		if !(v >= 0 && v <= 1) {
			bad(key, "%v is no share between 0 and 1", float64(v))
		}
	}
	share("failed", s.Failed)
	share("ipv6", s.IPv6)
	if len(s.Domain) > 200 || !hostOK.MatchString(s.Domain) {
		bad("domain", "%q is no domain name in lower case", s.Domain)
	}
	if s.Work.From < 0 || s.Work.To > 24*60 || s.Work.To-s.Work.From < 60 {
		bad("work", "from must be at least an hour before to, on the same day")
	}
	for i, l := range s.Logs {
		if !slices.Contains(Logs(), l) {
			bad(fmt.Sprintf("logs[%d]", i), "%q is not one of %s", l, strings.Join(Logs(), ", "))
		}
	}
	names := map[string]string{}
	for list, talkers := range [][]Talker{s.Services, s.Implants} {
		for i := range talkers {
			key := fmt.Sprintf("%s[%d]", []string{"services", "implants"}[list], i)
			t := &talkers[i]
			if other, taken := names[t.Name]; taken {
				bad(key+".name", "%q is the name of %s already", t.Name, other)
			}
			names[t.Name] = key
			t.validate(s, func(k, format string, args ...any) { bad(key+"."+k, format, args...) })
		}
	}
	return errors.Join(errs...)
}

func (s *Scenario) validateNetworks(bad func(key, format string, args ...any)) {
	four := false
	for i, p := range s.Internal {
		if !p.IsValid() {
			bad(fmt.Sprintf("internal[%d]", i), "is not a network")
			return
		}
		if p.Addr().Is4() && !four {
			four = true
			if room := hostRoom(p); room < s.Hosts {
				bad(fmt.Sprintf("internal[%d]", i), "%s has room for %d workstations, not for %d: give a larger network or fewer hosts", p, max(room, 0), s.Hosts)
			}
		}
		if !p.Addr().Is4() && p.Bits() > 104 {
			bad(fmt.Sprintf("internal[%d]", i), "%s is too small: an IPv6 network of /104 or larger is needed", p)
		}
		for _, out := range outside() {
			if p.Overlaps(out) {
				bad(fmt.Sprintf("internal[%d]", i), "%s overlaps %s, where the simulated outside is", p, out)
			}
		}
	}
	if !four {
		bad("internal", "needs at least one IPv4 network, for example 10.20.0.0/16")
	}
}

func (t *Talker) validate(s *Scenario, bad func(key, format string, args ...any)) {
	oneOf := func(key, v string, allowed ...string) {
		if !slices.Contains(allowed, v) {
			bad(key, "%q is not one of %s", v, strings.Join(slices.DeleteFunc(slices.Clone(allowed), func(a string) bool { return a == "" }), ", "))
		}
	}
	if !nameOK.MatchString(t.Name) {
		bad("name", "%q is needed: up to 63 letters, digits, dots, dashes", t.Name)
	}
	oneOf("kind", t.Kind, KindBeacon, KindLong, KindStrobe, KindDNSTunnel, KindDNSBeacon)
	oneOf("rotate", t.Rotate, "", "in_turn", "random")
	oneOf("transport", t.Transport, "", "tcp", "udp")
	oneOf("timing", t.Timing, "", TimingBoth, TimingEarly, TimingClock, TimingMemoryless, TimingWork)
	oneOf("system", t.System, "", "windows", "macos", "linux")
	oneOf("indicator", t.Indicator, "", "beacon", "long_connection", "strobe", "dns_tunnel", "none")
	for _, p := range []struct {
		key string
		v   Share
	}{{"share", t.Share}, {"jitter", t.Jitter}, {"loss", t.Loss}, {"size_jitter", t.SizeJitter}, {"fails", t.Fails}} {
		if !(p.v >= 0 && p.v <= 1) {
			bad(p.key, "%v is no share between 0 and 1", float64(p.v))
		}
	}
	for i, a := range t.Destinations {
		if !a.IsValid() || a.IsMulticast() || a.IsUnspecified() || slices.ContainsFunc(s.Internal, func(p netip.Prefix) bool { return p.Contains(a) }) {
			bad(fmt.Sprintf("destinations[%d]", i), "%s is no outside address", a)
		}
	}
	for i, h := range t.Hosts {
		if !s.isHost(h) {
			bad(fmt.Sprintf("hosts[%d]", i), "%q is no host of this scenario: ws-001 to %s, or one of %s", h, workstationName(s.Hosts-1), strings.Join(serverNames(), ", "))
		}
	}
	if t.Domain != "" && (len(t.Domain) > 150 || !hostOK.MatchString(t.Domain)) {
		bad("domain", "%q is no domain name in lower case", t.Domain)
	}
	if t.Names < 0 || t.Names > 10_000 || t.Names > 0 && (t.Domain == "" || t.Kind == KindDNSTunnel) {
		bad("names", "%d is out of range: from 1 to 10000, with a domain, and not in a DNS tunnel", t.Names)
	}
	if t.Port < 0 || t.Port > 65535 {
		bad("port", "%d is no port", t.Port)
	}
	if t.Proxy && (t.Domain == "" || t.asks() || t.Transport == "udp") {
		bad("proxy", "needs a domain, and TCP: what goes through a web proxy asks for a name")
	}
	if t.SOCKS && !t.Proxy {
		bad("socks", "needs proxy: it is how the proxy is asked")
	}
	t.validateTimes(bad)
	if t.Burst < 0 || t.Burst > 10_000 {
		bad("burst", "%d is out of range: from 1 to 10000", t.Burst)
	}
	for _, p := range []struct {
		key string
		v   int64
	}{{"request", t.Request}, {"response", t.Response}} {
		if p.v < 0 || p.v > 1<<40 {
			bad(p.key, "%d is out of range: bytes, at most 2^40", p.v)
		}
	}
}

// asks reports whether it communicates by DNS queries to the site's resolver.
func (t *Talker) asks() bool { return t.Kind == KindDNSTunnel || t.Kind == KindDNSBeacon }

func (t *Talker) validateTimes(bad func(key, format string, args ...any)) {
	switch {
	case len(t.Periods) > 0 && t.Period != 0:
		bad("periods", "give either period or periods")
	case len(t.Periods) > 0 && t.Hold < Duration(time.Second):
		bad("hold", "is required with periods: how long each lasts, at least 1s")
	case len(t.Periods) == 0 && time.Duration(t.Period) < minPeriod:
		bad("period", "%s is too short: at least %s", time.Duration(t.Period), minPeriod)
	}
	for i, p := range t.Periods {
		if time.Duration(p) < minPeriod {
			bad(fmt.Sprintf("periods[%d]", i), "%s is too short: at least %s", time.Duration(p), minPeriod)
		}
	}
	if t.Kind == KindStrobe && time.Duration(t.Period) > time.Second {
		bad("period", "%s is no strobe: at most 1s", time.Duration(t.Period))
	}
	if t.Kind == KindLong && t.Duration == 0 {
		bad("duration", "is needed for a long connection")
	}
	if t.asks() && t.Domain == "" {
		bad("domain", "is needed for a DNS tunnel or beacon")
	}
	if t.Timing == TimingWork && t.Work <= 0 {
		bad("work", "is needed with timing: work")
	}
	if t.Requests < 0 || t.Requests > 1_000_000 {
		bad("requests", "%d is out of range: from 1 to 1000000", t.Requests)
	}
	if t.Duration < 0 || t.Spread < 0 || t.From < 0 || t.To < 0 {
		bad("duration", "durations are never negative (duration, spread, from, to)")
	}
	if t.To != 0 && t.To <= t.From {
		bad("to", "%s is not after from (%s)", time.Duration(t.To), time.Duration(t.From))
	}
}
