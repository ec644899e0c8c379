package host

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/evidence"
	"dwell/internal/hunt"
	"dwell/scoring"
)

// Typical strings of programs on each system, and the derived system.
func TestSystems(t *testing.T) {
	for _, c := range []struct {
		by, text string
		want     []string
	}{
		{"HTTP::BROWSER", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0 Safari/537.36", []string{"Windows 10 or later"}},
		{"HTTP::BROWSER", "Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; rv:11.0) like Gecko", []string{"Windows 7"}},
		{"HTTP::BROWSER", "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 5.1; Trident/4.0)", []string{"Windows XP or 2003"}},
		{"http", "Microsoft-CryptoAPI/10.0", []string{"Windows 10 or later"}},
		{"http", "Microsoft BITS/7.8", []string{"Windows"}},
		{"http", "Windows-Update-Agent/10.0.10011.16384 Client-Protocol/2.50", []string{"Windows"}},
		{"HTTP::BROWSER", "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148", []string{"iOS"}},
		{"HTTP::BROWSER", "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15", []string{"macOS"}},
		{"http", "trustd (unknown version) CFNetwork/1496.0.7 Darwin/23.5.0", []string{"macOS or iOS"}},
		{"HTTP::BROWSER", "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0 Mobile Safari/537.36", []string{"Android"}},
		{"http", "Dalvik/2.1.0 (Linux; U; Android 13; SM-A536B)", []string{"Android"}},
		{"HTTP::BROWSER", "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0 Safari/537.36", []string{"ChromeOS"}},
		{"HTTP::BROWSER", "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", []string{"Ubuntu Linux"}},
		{"HTTP::BROWSER", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", []string{"Linux"}},
		{"http", "Debian APT-HTTP/1.3 (2.6.1)", []string{"Debian Linux"}},
		{"SSH::SERVER", "OpenSSH_8.9p1 Ubuntu-3ubuntu0.10", []string{"Ubuntu Linux"}},
		{"http", "curl/8.5.0", nil},
		// A database server's version is also recorded for its clients' hosts, and is not their system.
		{"MYSQL::SERVER", "5.7.44-Ubuntu", nil},
	} {
		m := &hunt.HostLogs{Software: []hunt.LogText{{Text: c.text, By: c.by, Count: 3}}}
		require.Equal(t, c.want, Systems(m), c.text)
	}
}

// The most frequent comes first, and Windows without a version only if no version is known.
func TestSystemsOfOneMachine(t *testing.T) {
	m := &hunt.HostLogs{
		Software: []hunt.LogText{{Text: "Windows-Update-Agent", By: "HTTP::APPCLIENT", Count: 50}, {Text: "Mozilla/5.0 (Windows NT 10.0; Win64; x64)", By: "HTTP::BROWSER", Count: 9}},
		Agents:   []hunt.LogText{{Text: "Mozilla/5.0 (X11; Linux x86_64)", By: "http", Count: 10}},
	}
	require.Equal(t, []string{"Linux", "Windows 10 or later"}, Systems(m))
}

// known is a source of hosts and contacts that records its requests.
type known struct {
	machines map[netip.Addr]*hunt.HostLogs
	contacts hunt.Contacts
	remarks  hunt.Remarks
	// ofContacts are those of Contacts.
	ofContacts hunt.Remarks
	err        error
	asked      [][]netip.Addr
	talk       bool
}

func (k *known) session() *hunt.Session { return &hunt.Session{Hosts: k.lookUp, Contacts: k.meet} }

func (k *known) lookUp(_ context.Context, _ hunt.Request, addrs []netip.Addr, talk bool) (map[netip.Addr]*hunt.HostLogs, hunt.Remarks, error) {
	k.asked, k.talk = append(k.asked, addrs), talk
	return k.machines, k.remarks, k.err
}

func (k *known) meet(_ context.Context, _ hunt.Request, _ netip.Addr, outside []netip.Addr) (hunt.Contacts, hunt.Remarks, error) {
	k.asked = append(k.asked, outside)
	return k.contacts, k.ofContacts, nil
}

func subjectOf(internal netip.Addr) *evidence.Candidate {
	return evidence.NewCandidate(hunt.PairKey{Src: internal}, scoring.Indicators{Beacon: 0.5}, &hunt.Finding{Dwell: hunt.Dwell{InternalIP: internal}}, nil)
}

// 140 findings about 70 hosts, half of them IPv6, are one request with each host once, and each finding gets its own
// host.
func TestManyMachinesAtOnce(t *testing.T) {
	k := &known{machines: map[netip.Addr]*hunt.HostLogs{}, remarks: hunt.Remarks{Notes: []hunt.Note{{What: "a note"}}, Gaps: []hunt.Note{{What: "a gap"}}}}
	var subjects []*evidence.Candidate
	for range 2 {
		for i := 1; i <= 35; i++ {
			for _, a := range []string{fmt.Sprintf("10.0.0.%d", i), fmt.Sprintf("fd00::%x", i)} {
				addr := netip.MustParseAddr(a)
				k.machines[addr] = &hunt.HostLogs{Names: []hunt.LogText{{Text: "ws-" + a}, {Text: "WS-" + a}}, AlertCount: 0}
				subjects = append(subjects, subjectOf(addr))
			}
		}
	}
	unknown, nobody := subjectOf(netip.MustParseAddr("10.9.9.9")), subjectOf(netip.Addr{})
	notes, err := Judge{}.Judge(t.Context(), &evidence.Hunt{Source: k.session()}, append(subjects, unknown, nobody))
	require.NoError(t, err)
	require.Len(t, notes.Notes, 1)
	require.Len(t, notes.Gaps, 1, "what could not be read is missing in the findings")
	require.Len(t, k.asked, 1)
	require.Len(t, k.asked[0], 71)
	require.False(t, k.talk)
	for _, s := range subjects {
		e := s.Finding.Dwell.Evidence.Host
		require.NotNil(t, e, s.Finding.Dwell.InternalIP)
		require.Equal(t, []string{"ws-" + s.Finding.Dwell.InternalIP.String()}, e.Names)
		require.NotNil(t, e.Alerts, "none is not the same as not looked up")
	}
	require.Nil(t, unknown.Finding.Dwell.Evidence.Host)
}

// A failed look-up is reported and the hunt continues; only cancellation ends it.
func TestMachinesThatCannotBeLookedUp(t *testing.T) {
	k := &known{err: errors.New("no shard")}
	notes, err := Judge{}.Judge(t.Context(), &evidence.Hunt{Source: k.session()}, []*evidence.Candidate{subjectOf(netip.MustParseAddr("10.0.0.1"))})
	require.NoError(t, err)
	require.Len(t, notes.Gaps, 1)
	require.Contains(t, notes.Gaps[0].String(), "no shard")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Judge{}.Judge(ctx, &evidence.Hunt{Source: k.session()}, []*evidence.Candidate{subjectOf(netip.MustParseAddr("10.0.0.1"))})
	require.ErrorIs(t, err, context.Canceled)
}

// An IPv6 host with findings about 60 destinations: the first 50 are looked up, and a note says so. Its internal
// contacts before and after the first contact with its strongest destination are distinguished, and gaps of all
// look-ups are passed on.
func TestPage(t *testing.T) {
	start := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	at := func(hours int) int64 { return start.Add(time.Duration(hours) * time.Hour).UnixMilli() }
	self, other := netip.MustParseAddr("fd00::5"), netip.MustParseAddr("fd00::6")
	var findings []hunt.Finding
	for i := range 60 {
		f := hunt.Finding{Event: hunt.Event{Start: hunt.At(at(5))}, Source: hunt.Originator{IP: self}, Destination: hunt.Destination{IP: netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", i+1))}}
		f.Dwell.InternalIP = self
		findings = append(findings, f)
	}
	strongest := findings[0].Destination.IP
	k := &known{machines: map[netip.Addr]*hunt.HostLogs{self: {AlertCount: hunt.Absent}}, remarks: hunt.Remarks{Gaps: []hunt.Note{{What: "torn"}}}, ofContacts: hunt.Remarks{Gaps: []hunt.Note{{What: "torn, too"}}},
		contacts: hunt.Contacts{Connections: 70, First: at(0), Last: at(9), InternalConnections: 1003,
			ExternalFirst: map[netip.Addr]int64{strongest: at(4)}, Neighbors: map[netip.Addr][]netip.Addr{strongest: {other}},
			Internal: []hunt.InternalDestination{
				{IP: netip.MustParseAddr("fd00::a"), Port: 445, Proto: hunt.TCP, Connections: 2, First: at(1)},
				{IP: netip.MustParseAddr("fd00::b"), Port: 3389, Proto: hunt.TCP, Connections: 1, First: at(6)},
			}}}
	req := hunt.Request{From: start, To: start.Add(24 * time.Hour)}
	p, remarks, err := Look(t.Context(), k.session(), req, self, findings)
	require.NoError(t, err)
	require.True(t, k.talk)
	require.Len(t, k.asked[1], maxExternal)
	require.Len(t, remarks.Notes, 1)
	require.Equal(t, "neighbors were looked up for 50 of 60 destinations", remarks.Notes[0].What)
	require.Len(t, remarks.Gaps, 2)
	require.Nil(t, p.AlertCount)
	require.Len(t, p.Pairs, 60)
	require.Equal(t, []netip.Addr{other}, p.Pairs[0].Neighbors)
	require.Empty(t, p.Pairs[1].Neighbors)
	require.Equal(t, at(4), p.FirstContact.UnixMilli(), "the first connection, not the first beat")
	require.Len(t, p.Internal, 2)
	require.Equal(t, "3389/tcp", p.Internal[0].Port, "what is new comes first")
	require.Equal(t, 1, p.Internal[0].New)
	require.True(t, p.Internal[0].Hosts[0].New)
	require.Equal(t, 0, p.Internal[1].New)
	require.Equal(t, []string{"1,000 internal connections went to more destinations than are listed (the 1,000 busiest are)"}, p.Notes)
	require.True(t, p.Known())

	empty, _, err := Look(t.Context(), (&known{}).session(), req, self, nil)
	require.NoError(t, err)
	require.False(t, empty.Known())
}
