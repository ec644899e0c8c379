package prevalence

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
	"dwell/internal/pairs"
)

var (
	start  = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	server = netip.MustParseAddr("203.0.113.7")
	inside = netip.MustParsePrefix("10.0.0.0/8")
)

// log is the recorded traffic: connections, with their names.
type log struct {
	conns []hunt.Connection
	names []hunt.NameRecord
}

// talk adds a connection, an hour of the day after start, that was answered with bytes unless resp is 0; name may be
// empty.
func (l *log) talk(src, dst string, port uint16, hour float64, resp int64, name string) {
	c := hunt.Connection{Start: start + int64(hour*3_600_000), Src: netip.MustParseAddr(src), Dst: netip.MustParseAddr(dst), SrcPort: uint16(20_000 + len(l.conns)),
		DstPort: port, Proto: hunt.TCP, Duration: 100, OrigBytes: 100, RespBytes: resp, OrigIPBytes: 200, Count: 1}
	if resp == 0 {
		c.OrigBytes, c.State = 0, hunt.StateSilent
	}
	l.conns = append(l.conns, c)
	if name != "" {
		l.names = append(l.names, hunt.NameRecord{Start: c.Start + 10, Src: c.Src, Dst: c.Dst, SrcPort: c.SrcPort, DstPort: port, Kind: hunt.TLS, Name: name, Count: 1})
	}
}

// count returns the company of a candidate and how many hosts touch and talk to its destination.
func (l *log) count(t *testing.T, c *Candidate) (company int64, touched, talks int) {
	t.Helper()
	table, names := pairs.NewTable(), pairs.NewNames(pairs.Budget{})
	table.Add(l.conns)
	names.Add(l.names)
	p := Of(slices.Values([]*Candidate{c}), Contacts{Addresses: table, Named: names.Join(table), Window: 24 * time.Hour, IsInternal: inside.Contains}, 0.2)
	at, ok := destinationOf(c)
	require.True(t, ok)
	return p.company(c), len(p.reached[at].touched), p.talking(p.reached[at], c.Src)
}

// A host that talks to a destination was answered by it, an hour apart. One that vouches does so on the same port,
// under the same name, and has another destination. The victim always counts as one.
func TestWhoVouches(t *testing.T) {
	const victim = "10.0.0.99"
	address := &Candidate{PairKey: hunt.PairKey{Src: netip.MustParseAddr(victim), Dst: server, Port: 443}, Port: pairs.Port{Number: 443}}
	named := &Candidate{PairKey: hunt.PairKey{Src: address.Src, Dst: server, Name: "a.example", Port: 443}, Port: address.Port,
		Addresses: []netip.Addr{server}, Uses: []pairs.Use{{Addr: server, Connections: 9}}}
	domain := &Candidate{PairKey: hunt.PairKey{Src: address.Src, Name: hunt.Below("cdn.example"), Port: 443}, Port: address.Port,
		Addresses: []netip.Addr{server}, Uses: []pairs.Use{{Addr: server, Connections: 9}}}
	for what, tc := range map[string]struct {
		of             *Candidate
		others         func(l *log, host string)
		company        int64
		touched, talks int
	}{
		"nobody else": {address, func(*log, string) {}, 1, 1, 1},
		"one packet":  {address, func(l *log, h string) { l.talk(h, server.String(), 443, 1, 0, "") }, 1, 4, 1},
		"packets all day": {address, func(l *log, h string) {
			l.talk(h, server.String(), 443, 1, 0, "")
			l.talk(h, server.String(), 443, 9, 0, "")
		}, 1, 4, 1},
		"one answered": {address, func(l *log, h string) { l.talk(h, server.String(), 443, 1, 300, "") }, 1, 4, 1},
		"answered within 59 min": {address, func(l *log, h string) {
			l.talk(h, server.String(), 443, 1, 300, "")
			l.talk(h, server.String(), 443, 1.98, 300, "")
		}, 1, 4, 1},
		"answered an hour apart": {address, func(l *log, h string) {
			l.talk(h, server.String(), 443, 1, 300, "")
			l.talk(h, server.String(), 443, 2.1, 300, "")
		}, 4, 4, 4},
		"a neighbor's": {address, func(l *log, h string) {
			l.talk(h, "203.0.113.8", 443, 1, 300, "")
			l.talk(h, "203.0.113.8", 443, 3, 300, "")
		}, 4, 1, 1},
		"on another port": {address, func(l *log, h string) {
			l.talk(h, server.String(), 80, 1, 300, "")
			l.talk(h, server.String(), 80, 3, 300, "")
		}, 1, 4, 4},
		"under the name": {named, func(l *log, h string) {
			l.talk(h, server.String(), 443, 1, 300, "a.example")
			l.talk(h, server.String(), 443, 3, 300, "a.example")
		}, 4, 4, 4},
		"the name, elsewhere": {named, func(l *log, h string) {
			l.talk(h, "192.0.2.7", 443, 1, 300, "a.example")
			l.talk(h, "192.0.2.7", 443, 3, 300, "a.example")
		}, 1, 4, 4},
		"there, another name": {named, func(l *log, h string) {
			l.talk(h, server.String(), 443, 1, 300, "b.example")
			l.talk(h, server.String(), 443, 3, 300, "b.example")
		}, 1, 1, 1},
		"the name there once, and at another of its networks": {named, func(l *log, h string) {
			l.talk(h, server.String(), 443, 1, 300, "a.example")
			l.talk(h, "192.0.2.7", 443, 3, 300, "a.example")
		}, 4, 4, 4},
		"each time another name of a domain": {domain, func(l *log, h string) {
			for i := range 5 {
				l.talk(h, server.String(), 443, float64(i), 300, fmt.Sprintf("x%d-%s.cdn.example", i, h))
			}
		}, 4, 4, 4},
	} {
		for _, known := range []bool{true, false} {
			var l log
			name := tc.of.Name
			if tc.of == domain {
				name = "own.cdn.example"
			}
			for h := range 9 {
				l.talk(victim, server.String(), 443, float64(h), 300, name)
			}
			for i := range 3 {
				host := fmt.Sprintf("10.0.0.%d", i+1)
				if tc.others(&l, host); known {
					l.talk(host, "198.51.100.9", 443, 5, 300, "")
				}
			}
			got, touched, talks := l.count(t, tc.of)
			require.Equal(t, []int{tc.touched, tc.talks}, []int{touched, talks}, what)
			if known {
				require.Equal(t, tc.company, got, what)
			} else if what != "the name there once, and at another of its networks" && what != "the name, elsewhere" {
				require.EqualValues(t, 1, got, "%s: of hosts of which nothing else is known", what)
			}
		}
	}
}
