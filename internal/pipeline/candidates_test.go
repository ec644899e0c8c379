package pipeline

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/evidence"
	"dwell/internal/evidence/intel"
	"dwell/internal/hunt"
	"dwell/internal/pipeline/rank"
)

// site is twelve hosts that browse the same twenty servers, each 60 times at random times of the day. Random is seeded.
func site(r *rand.Rand) (out []hunt.Connection) {
	for host := range 12 {
		for range 60 {
			out = append(out, hunt.Connection{Start: day0.UnixMilli() + r.Int64N(86400e3), Duration: 500, OrigBytes: 500, RespBytes: 900, OrigIPBytes: 300 + r.Int64N(4000), Count: 1,
				Src: netip.AddrFrom4([4]byte{10, 0, 1, byte(host)}), Dst: netip.AddrFrom4([4]byte{151, byte(r.IntN(20)), 1, 1}), SrcPort: uint16(r.IntN(60000)), DstPort: 443, Proto: hunt.TCP, Service: "ssl"})
		}
	}
	return out
}

// A port for each connection, a server for each, random times: each is found for what it does not vary.
func TestWhatAnImplantCannotVary(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for name, c := range map[string]struct {
		conns []hunt.Connection
		pair  string
		least string
	}{
		"a port for each connection": {by(every(server, day0, 5*time.Minute, 24*time.Hour), func(c *hunt.Connection) { c.DstPort = uint16(1024 + r.IntN(60000)) }),
			"10.0.0.5>203.0.113.9", "critical"},
		"a server for each connection": {by(every(server, day0, 5*time.Minute, 24*time.Hour), func(c *hunt.Connection) {
			c.Dst = netip.AddrFrom4([4]byte{45, byte(r.IntN(250)), byte(r.IntN(250)), 9})
		}), "10.0.0.5>*#unshared", "critical"},
		"random times": {by(every(server, day0, 5*time.Minute, 24*time.Hour), func(c *hunt.Connection) { c.Start = day0.UnixMilli() + r.Int64N(86400e3) }),
			"10.0.0.5>203.0.113.9:443/tcp", "medium"},
	} {
		t.Run(name, func(t *testing.T) {
			found := hunted(t, ofDay(site(r), c.conns), dwellOptions())
			f, ok := found[c.pair]
			require.True(t, ok, "%v", names(found))
			require.Equal(t, c.least, f.Dwell.Severity, "%+v", f.Dwell)
			for pair, other := range found {
				require.True(t, pair == c.pair || other.Dwell.Score < 0.4, "%s: %.3f", pair, other.Dwell.Score)
			}
		})
	}
}

// Packets that anyone can send in another host's name, to each of the servers that an implant uses in turn, do not make
// them shared.
func TestSpoofedCompany(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 2))
	implant := by(every(server, day0, 5*time.Minute, 24*time.Hour), func(c *hunt.Connection) {
		c.Dst = netip.AddrFrom4([4]byte{45, byte(r.IntN(30)), 7, 9})
	})
	for _, sent := range []int{0, 1, 5} {
		var spoofed []hunt.Connection
		for i := range 30 * sent {
			spoofed = append(spoofed, hunt.Connection{Start: day0.UnixMilli() + r.Int64N(86400e3), Duration: hunt.Absent, OrigBytes: hunt.Absent, RespBytes: hunt.Absent, OrigIPBytes: 40, Count: 1,
				Src: netip.AddrFrom4([4]byte{10, 0, 1, 3}), Dst: netip.AddrFrom4([4]byte{45, byte(i % 30), 7, 9}), SrcPort: uint16(r.IntN(60000)), DstPort: 443, Proto: hunt.TCP, State: hunt.StateSilent})
		}
		found := hunted(t, ofDay(site(r), implant, spoofed), dwellOptions())
		f, ok := found["10.0.0.5>*#unshared"]
		require.True(t, ok, "%v", names(found))
		require.Equal(t, "critical", f.Dwell.Severity, "%d packets each", sent)
	}
}

// The same connections in working hours, in sessions or to servers that others use are nothing.
func TestPresenceOfPeople(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var sessions [12]int64
	for i := range sessions {
		sessions[i] = r.Int64N(23 * 3600e3)
	}
	for name, place := range map[string]func() int64{
		"working hours":             func() int64 { return 8*3600e3 + r.Int64N(10*3600e3) },
		"twelve sessions of 10 min": func() int64 { return sessions[r.IntN(12)] + r.Int64N(600e3) },
	} {
		conns := by(every(server, day0, 5*time.Minute, 24*time.Hour), func(c *hunt.Connection) { c.Start = day0.UnixMilli() + place() })
		for pair, f := range hunted(t, ofDay(site(r), conns), dwellOptions()) {
			require.Less(t, f.Dwell.Score, 0.4, "%s: %s", name, pair)
		}
	}
}

func names(found map[string]hunt.Finding) (out []string) {
	for pair, f := range found {
		out = append(out, fmt.Sprintf("%s %.3f", pair, f.Dwell.Score))
	}
	return out
}

// One name asked again and again is a rhythm, whatever the name; what the client connects to as often is told by its
// connections.
func TestQueriesHaveARhythm(t *testing.T) {
	beacon := every(server, day0, 5*time.Minute, 24*time.Hour)
	var asked []hunt.DNSRecord
	for _, c := range beacon {
		asked = append(asked, hunt.DNSRecord{Start: c.Start, Client: inside, Resolver: netip.MustParseAddr("10.0.0.53"), Query: "cmd.evil.example", Type: "A", Answers: []string{server.String()}, Count: 1})
	}
	r := rand.New(rand.NewPCG(5, 6))
	alone := hunted(t, withDNS{ofDay(site(r)), asked}, dwellOptions())
	require.Equal(t, "critical", alone["10.0.0.5>*.evil.example/dns"].Dwell.Severity, "%v", names(alone))
	both := hunted(t, withDNS{ofDay(site(r), beacon), asked}, dwellOptions())
	require.Contains(t, both, "10.0.0.5>203.0.113.9:443/tcp")
	require.NotContains(t, both, "10.0.0.5>*.evil.example/dns", "%v", names(both))
}

// Queries every 15 s on average round the clock, without a rhythm, of a domain that no other host asks for, are a
// presence; of one that other hosts ask for as often, or of a day's work, they are not.
func TestQueriesRoundTheClock(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	ask := func(host byte, domain string, n int, from, hours int64) (out []hunt.DNSRecord) {
		for range n {
			out = append(out, hunt.DNSRecord{Start: day0.UnixMilli() + from*3600e3 + r.Int64N(hours*3600e3), Client: netip.AddrFrom4([4]byte{10, 0, 1, host}),
				Resolver: netip.MustParseAddr("10.0.0.53"), Query: "a." + domain, Type: "A", Count: 1})
		}
		return out
	}
	var asked []hunt.DNSRecord
	for host := range byte(12) {
		asked = append(asked, ask(host, "usual.example", 60, 8, 10)...)
	}
	asked = append(asked, ask(3, "evil.example", 5760, 0, 24)...)
	asked = append(asked, ask(4, "work.example", 2400, 8, 10)...)
	for host := range byte(3) {
		asked = append(asked, ask(5+host, "shared.example", 5760, 0, 24)...)
	}
	slices.SortFunc(asked, func(a, b hunt.DNSRecord) int { return cmp.Compare(a.Start, b.Start) })
	found := hunted(t, withDNS{ofDay(site(r)), asked}, dwellOptions())
	require.Equal(t, []string{hunt.Presence}, found["10.0.1.3>*.evil.example/dns"].Dwell.Indicators, "%v", names(found))
	require.Equal(t, "medium", found["10.0.1.3>*.evil.example/dns"].Dwell.Severity)
	for pair, f := range found {
		require.True(t, pair == "10.0.1.3>*.evil.example/dns" || f.Dwell.Score < 0.4, "%s: %.3f", pair, f.Dwell.Score)
	}
}

// withDNS is a source with queries.
type withDNS struct {
	*fixed
	asked []hunt.DNSRecord
}

func (s withDNS) Open() *hunt.Session {
	in := s.fixed.Open()
	in.Names = func(context.Context, hunt.Request, func([]hunt.NameRecord) error) (hunt.Reading, error) {
		return hunt.Reading{}, nil
	}
	in.DNS = func(_ context.Context, _ hunt.Request, emit func([]hunt.DNSRecord) error) (hunt.Reading, error) {
		return hunt.Reading{Connections: int64(len(s.asked))}, emit(s.asked)
	}
	return in
}

// What an indicator list names is a finding, of five connections at random times, too.
func TestListedWhateverItsRhythm(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	few := by(every(server, day0, 4*time.Hour, 20*time.Hour), func(c *hunt.Connection) { c.Start += r.Int64N(3 * 3600e3) })
	o := dwellOptions()
	o.MinScore = 0.2
	require.NotContains(t, hunted(t, ofDay(site(r), few), o), "10.0.0.5>203.0.113.9:443/tcp")
	list := filepath.Join(t.TempDir(), "list.txt")
	require.NoError(t, os.WriteFile(list, []byte(server.String()+"\n"), 0o600))
	o.Ranking = rank.Ranking{Judges: []evidence.Judge{intel.Load(t.Context(), []string{list}, nil)}}
	f := hunted(t, ofDay(site(r), few), o)["10.0.0.5>203.0.113.9:443/tcp"]
	require.Equal(t, "high", f.Dwell.Severity, "%+v", f.Dwell)
	require.Equal(t, []string{hunt.OnList}, f.Dwell.Indicators)
}

// A new source address of one /64 for each connection is one host.
func TestSourcesThatScatter(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	dst := netip.MustParseAddr("2001:db8:77::9")
	conns := by(every(dst, day0, 5*time.Minute, 24*time.Hour), func(c *hunt.Connection) {
		a := netip.MustParseAddr("fd00:1:2:3::").As16()
		for i := 8; i < 16; i++ {
			a[i] = byte(r.IntN(256))
		}
		c.Src = netip.AddrFrom16(a)
	})
	found := hunted(t, ofDay(site(r), conns), dwellOptions())
	f, ok := found["[fd00:1:2:3::]>[2001:db8:77::9]:443/tcp"]
	require.True(t, ok, "%v", names(found))
	require.Equal(t, "critical", f.Dwell.Severity)
	require.Contains(t, f.Dwell.Reasons[len(f.Dwell.Reasons)-1], "288 addresses of fd00:1:2:3::/64")
}
