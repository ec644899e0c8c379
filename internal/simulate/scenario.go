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

// Scenario says what to simulate. [Default] is a whole one; a YAML file (see [Parse]) changes what it names.
type Scenario struct {
	// Seed decides all chance.
	Seed uint64 `yaml:"seed"`
	// Start is the window's first moment, cut to whole seconds; Length is how long it lasts.
	Start  time.Time `yaml:"start"`
	Length Duration  `yaml:"length"`
	// Internal are the networks of the site. The first IPv4 one holds all hosts, the first IPv6 one their second
	// addresses.
	Internal []netip.Prefix `yaml:"internal"`
	// Domain is the site's own domain.
	Domain string `yaml:"domain"`
	// Hosts is how many workstations there are. The site's servers come on top.
	Hosts int `yaml:"hosts"`
	// Rate is the connections a workstation makes in an hour, DNS included, in the mean over a working day of 24 hours.
	// Services and implants come on top.
	Rate float64 `yaml:"rate"`
	// Destinations is how many sites there are outside.
	Destinations int `yaml:"destinations"`
	// Failed is the share of attempts that get no connection.
	Failed Share `yaml:"failed"`
	// IPv6 is the share of workstations that have an IPv6 address too.
	IPv6 Share `yaml:"ipv6"`
	// Work are the hours in which people are there, in UTC; weekends are nearly empty.
	Work Hours `yaml:"work"`
	// Logs are the logs to write, "conn" always among them. None means all of [Logs].
	Logs []string `yaml:"logs,omitempty"`
	// Services are benign programs that talk by themselves; Implants are not benign.
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
	// KindBeacon checks in again and again.
	KindBeacon = "beacon"
	// KindLong holds a connection open, and makes a new one when it is lost.
	KindLong = "long"
	// KindStrobe connects at least once a second.
	KindStrobe = "strobe"
	// KindDNSTunnel carries data in the names that it asks the site's resolver for.
	KindDNSTunnel = "dns_tunnel"
	// KindDNSBeacon asks the site's resolver for its one name again and again: what it is told stands in the answers.
	KindDNSBeacon = "dns_beacon"
)

// How a talker's gaps vary.
const (
	// TimingBoth draws each gap evenly from period*(1-jitter) to period*(1+jitter).
	TimingBoth = "both"
	// TimingEarly draws each gap as period*(1 - jitter*u), as Cobalt Strike sleeps.
	TimingEarly = "early"
	// TimingClock keeps to a fixed grid; each beat comes up to jitter*period after its place, and the errors do not add up.
	TimingClock = "clock"
	// TimingMemoryless draws each gap from an exponential distribution of mean period: no gap says anything of the next.
	TimingMemoryless = "memoryless"
	// TimingWork sleeps the period, give or take the jitter, after it has worked: Work on average, memoryless, from the
	// connection's start on.
	TimingWork = "work"
)

// Talker is a program that talks to the outside by itself: a service of the background or an implant.
type Talker struct {
	// Name is unique in the scenario.
	Name string `yaml:"name"`
	// Kind is beacon, long, strobe, dns_tunnel or dns_beacon.
	Kind string `yaml:"kind"`
	// Why says in a sentence what it is; it goes into the labels.
	Why string `yaml:"why,omitempty"`
	// Hosts names the workstations and servers it runs on ("ws-007", "dc-1"). Without it, Share of the workstations of
	// that System, picked by chance; without both, one workstation.
	Hosts []string `yaml:"hosts,omitempty"`
	Share Share    `yaml:"share,omitempty"`
	// System narrows Share to windows, macos or linux hosts.
	System string `yaml:"system,omitempty"`

	// Destinations are outside addresses; none means that one is picked. With several, Rotate is in_turn or random.
	Destinations []netip.Addr `yaml:"destinations,omitempty"`
	Rotate       string       `yaml:"rotate,omitempty"`
	// Domain is the name that it looks up and asks for; empty means that it goes straight to the address.
	Domain string `yaml:"domain,omitempty"`
	// Proxy sends it through the site's web proxy (proxy-1, port 3128): over TLS with HTTP CONNECT, or plain.
	Proxy bool `yaml:"proxy,omitempty"`
	// Port, Transport (tcp, udp) and Service (as Zeek recognises it: ssl, http, ntp, or nothing). Defaults: 443, tcp,
	// and ssl on port 443, http on port 80.
	Port int `yaml:"port,omitempty"`
	// AnyPort takes another port at each connection; Port says what it would be on its usual one.
	AnyPort   bool   `yaml:"any_port,omitempty"`
	Transport string `yaml:"transport,omitempty"`
	Service   string `yaml:"service,omitempty"`

	// Period is the time from one check-in to the next; of a long kind, the pause before it connects again.
	// Periods are several, each held for Hold, then the next.
	Period  Duration   `yaml:"period,omitempty"`
	Periods []Duration `yaml:"periods,omitempty"`
	Hold    Duration   `yaml:"hold,omitempty"`
	// Jitter is the share of the period by which gaps vary, in the way that Timing says: both (default), early, clock, memoryless, work.
	Jitter Share  `yaml:"jitter,omitempty"`
	Timing string `yaml:"timing,omitempty"`
	// Work is how long TimingWork works on average.
	Work Duration `yaml:"work,omitempty"`
	// Loss is the share of check-ins that do not happen.
	Loss Share `yaml:"loss,omitempty"`
	// From and To are when it lives, after the window's start; no To means to the end. One that begins after the
	// window's end is not there, and its label says so. OfficeHours stops it outside of
	// the hours of Scenario.Work.
	From        Duration `yaml:"from,omitempty"`
	To          Duration `yaml:"to,omitempty"`
	OfficeHours bool     `yaml:"office_hours,omitempty"`
	// Burst is how many connections a check-in makes, within Spread.
	Burst  int      `yaml:"burst,omitempty"`
	Spread Duration `yaml:"spread,omitempty"`

	// Request and Response are payload bytes a connection, Duration how long one lasts; SizeJitter is the share by
	// which all three vary.
	Request    int64    `yaml:"request,omitempty"`
	Response   int64    `yaml:"response,omitempty"`
	Duration   Duration `yaml:"duration,omitempty"`
	SizeJitter Share    `yaml:"size_jitter,omitempty"`
	// Requests is how many HTTP requests a connection carries, evenly over its Duration; 0 means one.
	Requests int `yaml:"requests,omitempty"`
	// Open leaves its connections open beyond the window: what is said at their beginning is logged, they themselves are not.
	Open bool `yaml:"open,omitempty"`
	// Fails is the share of connections that nobody answers (S0) or, with Refused, that are refused (REJ).
	Fails   Share `yaml:"fails,omitempty"`
	Refused bool  `yaml:"refused,omitempty"`

	// SelfSigned gives its server a certificate of its own making. NoServerName leaves the name out of the TLS hello.
	SelfSigned   bool `yaml:"self_signed,omitempty"`
	NoServerName bool `yaml:"no_server_name,omitempty"`
	// UserAgent, URI and Method are of its HTTP requests; JA3 and JA4 of its TLS hello. Empty ones are made up.
	UserAgent string `yaml:"user_agent,omitempty"`
	URI       string `yaml:"uri,omitempty"`
	Method    string `yaml:"method,omitempty"`
	JA3       string `yaml:"ja3,omitempty"`
	JA4       string `yaml:"ja4,omitempty"`
	// Intel is the list by which Zeek's intelligence framework knows its domain, or its address where it has none: intel.log tells of each
	// connection.
	Intel string `yaml:"intel,omitempty"`
	// Indicator is what a hunt should call it. Empty means what the kind says; "none" that no hunt can see it.
	Indicator string `yaml:"indicator,omitempty"`
}

// Limits that keep a scenario from eating the host.
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

// Validate gives all problems, joined; each names its key as the YAML file has it.
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
			bad(fmt.Sprintf("internal[%d]", i), "is no network")
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
	if t.Port < 0 || t.Port > 65535 {
		bad("port", "%d is no port", t.Port)
	}
	if t.Proxy && (t.Domain == "" || t.asks() || t.Transport == "udp") {
		bad("proxy", "needs a domain, and TCP: what goes through a web proxy asks for a name")
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

// asks says that it speaks in DNS queries to the site's resolver.
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
