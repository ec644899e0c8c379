package pipeline

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
	"dwell/internal/pipeline/rank"
)

// by changes connections: another source, port, transport, service.
func by(conns []hunt.Connection, change func(*hunt.Connection)) []hunt.Connection {
	for i := range conns {
		change(&conns[i])
	}
	return conns
}

func dwellOptions() Options {
	o := options()
	o.Ranking = rank.Ranking{}
	return o
}

func hunted(t *testing.T, src hunt.Source, o Options) map[string]hunt.Finding {
	t.Helper()
	res, err := Run(t.Context(), src, o)
	require.NoError(t, err)
	out := map[string]hunt.Finding{}
	for _, f := range res.Findings {
		out[f.Dwell.Pair] = f
	}
	return out
}

func ofDay(conns ...[]hunt.Connection) *fixed {
	f := &fixed{reading: hunt.Reading{Window: dayWindow(), Source: "test"}}
	for _, c := range conns {
		f.conns = append(f.conns, c...)
	}
	return f
}

func TestEachPortIsAKeyOfItsOwn(t *testing.T) {
	web := by(every(server, day0.Add(7*time.Second), 17*time.Minute, 24*time.Hour), func(c *hunt.Connection) { c.DstPort = 80; c.Start += (c.Start / 7919 % 600) * 1000 })
	found := hunted(t, ofDay(every(server, day0, 5*time.Minute, 24*time.Hour), web), dwellOptions())
	f := found["10.0.0.5>203.0.113.9:443/tcp"]
	require.Equal(t, "critical", f.Dwell.Severity)
	require.Equal(t, 300.0, *f.Beacon.Period)
	require.InDelta(t, 287.0/288, *f.Beacon.Coverage, 0.001) // 287 gaps of 300 s in 86,400 s
	require.Equal(t, int64(288), *f.Beacon.CheckIns)
	require.Equal(t, 2, f.Dwell.Ports)
	// RITA's numbers are of both ports together (docs/design.md, 5.4).
	require.Equal(t, int64(288+85), *f.Beacon.RITAConnections)
}

func TestMovingServerIsOneFinding(t *testing.T) {
	var conns []hunt.Connection
	for i, c := range every(server, day0, 10*time.Minute, 24*time.Hour) {
		c.Dst = netip.AddrFrom4([4]byte{198, 51, 100, byte(i*37%143 + 1)})
		conns = append(conns, c)
	}
	found := hunted(t, ofDay(conns), dwellOptions())
	require.Len(t, found, 1)
	f := found["10.0.0.5>198.51.100.0/24"]
	require.Equal(t, "critical", f.Dwell.Severity)
	require.Equal(t, "198.51.100.0/24", f.Dwell.Destination.Network)
	require.False(t, f.Destination.IP.IsValid())
	require.Equal(t, 143, f.Dwell.Evidence.AddressCount)
	require.Len(t, f.Dwell.Evidence.Addresses, 20)
	require.Equal(t, int64(144), f.Network.Connections)
}

// Two implants of one host, on one port: each is told for itself, with its own period, unless their servers share a
// network. Then the network's finding names both, because a server that moves within it looks the same.
func TestTwoImplantsOfOneMachine(t *testing.T) {
	elsewhere, neighbor := netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("203.0.113.77")
	first, second := every(server, day0, 5*time.Minute, 24*time.Hour), every(elsewhere, day0.Add(9*time.Hour), 10*time.Minute, 8*time.Hour)
	by(second, func(c *hunt.Connection) { c.SrcPort++ }) // as no two connections at once are out of one port
	found := hunted(t, ofDay(first, second), dwellOptions())
	require.Len(t, found, 2)
	for pair, period := range map[string]float64{"10.0.0.5>203.0.113.9:443/tcp": 300, "10.0.0.5>198.51.100.7:443/tcp": 600} {
		f, ok := found[pair]
		require.True(t, ok, pair)
		require.InDelta(t, period, *f.Beacon.Period, 0, pair)
		// Timing alone is .85 at most, and eight hours of the twelve that are enough take (8/12)^0.4 = .85 of it.
		require.Equal(t, map[float64]string{300: "critical", 600: "high"}[period], f.Dwell.Severity, pair)
	}
	found = hunted(t, ofDay(first, every(neighbor, day0.Add(time.Minute), 7*time.Minute, 24*time.Hour)), dwellOptions())
	require.Len(t, found, 1)
	require.ElementsMatch(t, []string{"10.0.0.5>203.0.113.9:443/tcp", "10.0.0.5>203.0.113.77:443/tcp"}, found["10.0.0.5>203.0.113.0/24"].Dwell.Also)
}

// Port, service, size and rate are the client's choice: names are explained where three hosts that talk to others, too,
// use the server, and time where everything is as RFC 5905 has it; then both are medium.
func TestProtocolExplainsNothingByItself(t *testing.T) {
	ntp := func(c *hunt.Connection) {
		c.DstPort, c.Proto, c.Service, c.OrigIPBytes, c.OrigBytes, c.RespBytes = 123, hunt.UDP, "ntp", 76, 48, 48
	}
	of := func(change func(*hunt.Connection), hosts int, period time.Duration) hunt.Finding {
		parts := [][]hunt.Connection{by(every(server, day0, period, 24*time.Hour), change)}
		for host := range hosts - 1 {
			src := netip.AddrFrom4([4]byte{10, 0, 0, byte(50 + host)})
			parts = append(parts, by(every(server, day0, 97*time.Minute, 24*time.Hour), func(c *hunt.Connection) { change(c); c.Src = src }),
				by(every(netip.MustParseAddr("192.0.2.50"), day0, 5*time.Hour, 24*time.Hour), func(c *hunt.Connection) { c.Src = src }))
		}
		for _, f := range hunted(t, ofDay(parts...), dwellOptions()) {
			if f.Source.IP == inside {
				return f
			}
		}
		t.Fatal("not found")
		return hunt.Finding{}
	}
	for name, tc := range map[string]struct {
		change    func(*hunt.Connection)
		hosts     int
		explained string
		severity  string
	}{
		"time":                           {ntp, 1, "none", "medium"},
		"time, as two others":            {ntp, 3, "weak", "medium"},
		"larger than time is":            {func(c *hunt.Connection) { ntp(c); c.OrigIPBytes, c.OrigBytes = 428, 400 }, 3, "none", "critical"},
		"more than time answers":         {func(c *hunt.Connection) { ntp(c); c.RespBytes = 400 }, 3, "none", "critical"},
		"the port alone":                 {func(c *hunt.Connection) { ntp(c); c.Service = "dns" }, 3, "none", "critical"},
		"never answered":                 {func(c *hunt.Connection) { ntp(c); c.RespBytes, c.State = 0, hunt.StateSilent }, 3, "none", "medium"},
		"names, alone":                   {func(c *hunt.Connection) { ntp(c); c.DstPort, c.Service = 53, "dns" }, 1, "none", "critical"},
		"names, as two others":           {func(c *hunt.Connection) { ntp(c); c.DstPort, c.Service = 53, "dns" }, 3, "weak", "medium"},
		"names over TLS, alone":          {func(c *hunt.Connection) { c.DstPort = 853 }, 1, "none", "critical"},
		"discovery of neighbors outside": {func(c *hunt.Connection) { ntp(c); c.DstPort, c.Service = 5353, "dns" }, 3, "none", "critical"},
	} {
		f := of(tc.change, tc.hosts, 64*time.Second)
		require.Equal(t, tc.explained, f.Dwell.Explained, name)
		require.Equal(t, tc.severity, f.Dwell.Severity, name)
	}
	f := of(ntp, 3, 30*time.Second)
	require.Equal(t, "none", f.Dwell.Explained, "faster than time servers are asked")
}

// A fleet that nothing is known of and that has no oddity is high, not critical, while one host is critical.
func TestFleetAndRarity(t *testing.T) {
	update, other := netip.MustParseAddr("192.0.2.50"), netip.MustParseAddr("198.51.100.9")
	var parts [][]hunt.Connection
	for host := range 20 {
		src := netip.AddrFrom4([4]byte{10, 0, 1, byte(host)})
		from := func(c *hunt.Connection) { c.Src = src }
		parts = append(parts, by(every(update, day0.Add(time.Duration(host)*time.Minute), 30*time.Minute, 23*time.Hour), from), by(every(other, day0, 9*time.Hour, 23*time.Hour), from))
	}
	parts = append(parts, every(server, day0, 30*time.Minute, 24*time.Hour))
	spoofed := netip.AddrFrom4([4]byte{10, 0, 9, 9}) // one packet each: neither hosts nor company
	for _, dst := range []netip.Addr{server, update} {
		parts = append(parts, by(every(dst, day0, time.Hour, time.Hour), func(c *hunt.Connection) { c.Src, c.OrigBytes, c.RespBytes, c.State = spoofed, 0, 0, hunt.StateSilent }))
	}
	found := hunted(t, ofDay(parts...), dwellOptions())
	implant := found["10.0.0.5>203.0.113.9:443/tcp"]
	require.Equal(t, "critical", implant.Dwell.Severity)
	require.Equal(t, &hunt.Prevalence{Hosts: 2, Active: 21}, implant.Dwell.Evidence.Prevalence)
	require.Equal(t, "rare", implant.Dwell.Modifiers[0].Name)
	require.Contains(t, implant.Dwell.Modifiers[0].Reason, "(1 more had brief contact)")
	software := found["10.0.1.3>192.0.2.50:443/tcp"]
	require.Equal(t, "weak", software.Dwell.Explained)
	require.Equal(t, "high", software.Dwell.Severity)
	require.Empty(t, software.Dwell.Modifiers)
	require.Contains(t, fmt.Sprint(software.Dwell.Reasons), "prevalence 20 of 21 active hosts; that alone does not lower the score")
	require.Contains(t, fmt.Sprint(software.Dwell.Reasons), "20 hosts beacon to it at the same interval")
}

// withNames is a source that has name and DNS logs too.
type withNames struct {
	fixed
	names []hunt.NameRecord
	dns   []hunt.DNSRecord
}

func (w *withNames) Open() *hunt.Session {
	in := w.fixed.Open()
	in.Names, in.DNS = w.readNames, w.readDNS
	return in
}

func (w *withNames) readNames(_ context.Context, _ hunt.Request, emit func([]hunt.NameRecord) error) (hunt.Reading, error) {
	return hunt.Reading{Connections: int64(len(w.names))}, emit(w.names)
}

func (w *withNames) readDNS(_ context.Context, _ hunt.Request, emit func([]hunt.DNSRecord) error) (hunt.Reading, error) {
	return hunt.Reading{Connections: int64(len(w.dns))}, emit(w.dns)
}

func TestNameLeadsWhereServersChange(t *testing.T) {
	src := &withNames{fixed: *ofDay(nil)}
	for i, c := range every(server, day0, 10*time.Minute, 24*time.Hour) {
		c.Dst = netip.AddrFrom4([4]byte{byte(20 + i%7), 51, byte(i), 9}) // another network each time
		c.SrcPort = uint16(40000 + i)
		src.conns = append(src.conns, c)
		src.names = append(src.names, hunt.NameRecord{Start: c.Start + 80, Src: c.Src, Dst: c.Dst, SrcPort: c.SrcPort, DstPort: 443, Kind: hunt.TLS, Name: "cdn.evil.example", Count: 1})
	}
	found := hunted(t, src, dwellOptions())
	f, ok := found["10.0.0.5>cdn.evil.example:443/tcp"]
	require.True(t, ok, "%v", found)
	require.Equal(t, "cdn.evil.example", f.Destination.Domain)
	require.Equal(t, "critical", f.Dwell.Severity)
	require.Equal(t, int64(144), f.Network.Connections)
	require.Equal(t, 144, f.Dwell.Evidence.AddressCount)
	require.Equal(t, int64(144*400), f.Network.Bytes, "sizes come from the joined connections")
}

// Servers behind a name are used unevenly: two addresses that are beacons by themselves are still told in the name's
// story.
func TestNameTellsForUnevenlyUsedAddresses(t *testing.T) {
	src := &withNames{fixed: *ofDay(nil)}
	busy, other := netip.MustParseAddr("198.51.100.9"), netip.MustParseAddr("192.0.2.77")
	for i, c := range every(server, day0, 5*time.Minute, 24*time.Hour) {
		switch {
		case i%10 < 5:
			c.Dst = busy
		case i%10 < 9:
			c.Dst = other
		}
		c.SrcPort = uint16(40000 + i)
		src.conns = append(src.conns, c)
		src.names = append(src.names, hunt.NameRecord{Start: c.Start + 80, Src: c.Src, Dst: c.Dst, SrcPort: c.SrcPort, DstPort: 443, Kind: hunt.TLS, Name: "cdn.evil.example", Count: 1})
	}
	found := hunted(t, src, dwellOptions())
	require.Len(t, found, 1, "%v", found)
	f := found["10.0.0.5>cdn.evil.example:443/tcp"]
	require.Subset(t, f.Dwell.Also, []string{"10.0.0.5>198.51.100.9:443/tcp", "10.0.0.5>192.0.2.77:443/tcp"})
}

func TestAddressIsNotHiddenByAName(t *testing.T) {
	src := &withNames{fixed: *ofDay(every(server, day0, 5*time.Minute, 24*time.Hour))}
	c := src.conns[100]
	src.names = []hunt.NameRecord{{Start: c.Start + 10, Src: c.Src, Dst: c.Dst, SrcPort: c.SrcPort, DstPort: 443, Kind: hunt.TLS, Name: "harmless.example", Count: 1}}
	require.Contains(t, hunted(t, src, dwellOptions()), "10.0.0.5>203.0.113.9:443/tcp")
}

func TestDNSTunnelIsFoundByItsNames(t *testing.T) {
	src := &withNames{fixed: *ofDay(every(server, day0, 5*time.Minute, time.Hour))}
	resolver := netip.MustParseAddr("10.0.0.53")
	for i := range 1200 {
		src.dns = append(src.dns, hunt.DNSRecord{Start: day0.Add(time.Duration(i) * time.Minute).UnixMilli(), Client: inside, Resolver: resolver, Type: "TXT", Count: 1,
			Query: hunt.Digest("chunk", fmt.Sprint(i)) + ".t.evil.example"})
	}
	f, ok := hunted(t, src, dwellOptions())["10.0.0.5>*.evil.example/dns"]
	require.True(t, ok)
	require.Equal(t, []string{hunt.Beacon, hunt.DNSTunnel}, f.Dwell.Indicators, "it is asked every minute, too")
	require.Equal(t, 0.8, f.Dwell.Parts.DNSTunnel)
	require.Equal(t, "evil.example", f.Destination.Domain)
	require.Equal(t, resolver, f.Destination.IP)
	require.Equal(t, int64(1200), f.Dwell.DNS.Names)
	require.Equal(t, inside, f.Dwell.InternalIP)
}

// A name that one host alone uses is rare unless others use names of the domain that somebody registered: below a
// public suffix (github.io) everybody has a domain of his own.
func TestRareNameOfADomainThatOthersUse(t *testing.T) {
	for _, tc := range []struct {
		name, others, domain string
		hosts                int64
		rare                 bool
	}{
		{"h5.vendor.co.uk", "cdn.vendor.co.uk", "vendor.co.uk", 21, false},
		{"h5.vendor.co.uk", "cdn.other.co.uk", "vendor.co.uk", 1, true},
		{"evil.github.io", "docs.github.io", "evil.github.io", 1, true},
		{"203.0.113.9", "203.0.113.8", "", 0, true},
	} {
		src := &withNames{fixed: *ofDay(every(server, day0, 30*time.Minute, 24*time.Hour))}
		for host := range 20 {
			at := netip.AddrFrom4([4]byte{10, 0, 1, byte(host)})
			src.conns = append(src.conns, by(every(netip.MustParseAddr("192.0.2.50"), day0, time.Hour, 2*time.Hour), func(c *hunt.Connection) { c.Src = at })...)
		}
		for i := range src.conns {
			c, name := &src.conns[i], tc.name
			if c.SrcPort = uint16(40000 + i); c.Src != inside {
				name = tc.others
			}
			src.names = append(src.names, hunt.NameRecord{Start: c.Start + 80, Src: c.Src, Dst: c.Dst, SrcPort: c.SrcPort, DstPort: 443, Kind: hunt.TLS, Name: name, Count: 1})
		}
		var f hunt.Finding
		for _, found := range hunted(t, src, dwellOptions()) {
			if found.Source.IP == inside {
				f = found
			}
		}
		require.Equal(t, &hunt.Prevalence{Hosts: 1, Active: 21, Domain: tc.domain, DomainHosts: tc.hosts}, f.Dwell.Evidence.Prevalence, tc.name)
		if tc.rare {
			require.Equal(t, "rare", f.Dwell.Modifiers[0].Name, tc.name)
		} else {
			require.Empty(t, f.Dwell.Modifiers)
			require.Contains(t, f.Dwell.Reasons, "21 of 21 active hosts contact names under vendor.co.uk, so this one does not count as rare")
		}
	}
}
