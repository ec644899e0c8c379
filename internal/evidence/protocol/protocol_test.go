package protocol

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/evidence"
	"dwell/internal/hunt"
	"dwell/scoring"
)

// told is a source that has only facts.
type told struct {
	book hunt.FactBook
	err  error
}

func (s told) session() *hunt.Session {
	return &hunt.Session{Facts: func(context.Context, hunt.Request, []hunt.PairKey) (hunt.FactBook, hunt.Remarks, error) {
		return s.book, hunt.Remarks{}, s.err
	}}
}

var day = hunt.Window{Start: time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC), End: time.Date(2026, 3, 3, 0, 0, 0, 0, time.UTC)}

// judged returns a finding's modifiers by name. The finding is TLS to port 443, all day.
func judged(t *testing.T, facts hunt.Facts, change func(*evidence.Candidate, *hunt.FactBook)) map[string]float64 {
	t.Helper()
	f := &hunt.Finding{Network: hunt.Network{Protocol: "ssl", Transport: "tcp", Connections: 100}, Client: hunt.Bytes{Bytes: 1000}, Server: hunt.Bytes{Bytes: 1000},
		Event: hunt.Event{Start: hunt.Time{Time: day.Start}, End: hunt.Time{Time: day.End}}}
	key := hunt.PairKey{Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("203.0.113.7"), Port: 443, Proto: hunt.TCP}
	s := evidence.NewCandidate(key, scoring.Indicators{Beacon: 0.5}, f, nil)
	book := hunt.FactBook{Facts: []hunt.Facts{facts}, TLSHosts: 20, HTTPHosts: 20, Records: map[string]int64{"ssl": 1, "x509": 1, "http": 1, "dns": 1, "files": 1}}
	if change != nil {
		change(s, &book)
	}
	h := &evidence.Hunt{Window: day, Request: hunt.Request{Scope: hunt.NewScope(nil, hunt.Outbound)}, Source: told{book: book}.session()}
	notes, err := Judge{}.Judge(t.Context(), h, []*evidence.Candidate{s})
	require.NoError(t, err)
	require.Empty(t, notes)
	s.Settle()
	out := map[string]float64{}
	for _, m := range f.Dwell.Modifiers {
		require.NotEmpty(t, m.Reason)
		out[m.Name] = m.Value
	}
	return out
}

func counted(value string, n int64) []hunt.Counted { return []hunt.Counted{{Value: value, Count: n}} }

// values are the values of one of hunt.Columns.
func values(column int, list []hunt.Counted) (out [hunt.AllColumns][]hunt.Counted) {
	out[column] = list
	return out
}

// ms is noon of a day in 2026, in Unix milliseconds.
func ms(month time.Month, d int) int64 {
	return time.Date(2026, month, d, 12, 0, 0, 0, time.UTC).UnixMilli()
}

func trait(value string, count int64, hosts, destinations int) []hunt.Trait {
	return []hunt.Trait{{Counted: hunt.Counted{Value: value, Count: count}, Hosts: hosts, Destinations: destinations}}
}

// Each rule on both sides of its threshold. Expected values are the weights in evidence.Terms.
func TestRules(t *testing.T) {
	good := hunt.Certificate{Subject: "CN=www.example.com,O=Example", Issuer: "CN=CA", NotBefore: ms(1, 1), NotAfter: ms(12, 1), Names: []string{"*.example.com"}, Count: 10}
	tls := func(change func(*hunt.Certificate)) hunt.Facts {
		c := good
		change(&c)
		return hunt.Facts{TLS: hunt.TLSFacts{Records: 10, Names: counted("www.example.com", 10), Certificates: []hunt.Certificate{c}}}
	}
	web := func(uri, mime string, n int64) hunt.Facts {
		return hunt.Facts{HTTP: hunt.HTTPFacts{Requests: n, Hosts: counted("www.example.com", n), Contents: []hunt.Content{{URI: uri, MIME: mime, Count: n}}}}
	}
	for _, c := range []struct {
		name   string
		facts  hunt.Facts
		change func(*evidence.Candidate, *hunt.FactBook)
		want   map[string]float64
	}{
		{"nothing odd", tls(func(*hunt.Certificate) {}), nil, map[string]float64{}},
		{"half without a server name", hunt.Facts{TLS: hunt.TLSFacts{Records: 10, NoName: 5}}, nil, map[string]float64{evidence.NoName: 0.10}},
		{"fewer than half", hunt.Facts{TLS: hunt.TLSFacts{Records: 10, NoName: 4}}, nil, map[string]float64{}},
		{"no Host", hunt.Facts{HTTP: hunt.HTTPFacts{Requests: 3, NoHost: 3}}, nil, map[string]float64{evidence.NoName: 0.10}},
		{"bare address", hunt.Facts{HTTP: hunt.HTTPFacts{Requests: 4, Hosts: counted("203.0.113.7", 4)}}, nil, map[string]float64{evidence.BareAddress: 0.05}},
		{"never resolved", hunt.Facts{Queries: 10}, nil, map[string]float64{evidence.NeverResolved: 0.05}},
		{"too few queries to say so", hunt.Facts{Queries: 9}, nil, map[string]float64{}},
		{"resolved by somebody", hunt.Facts{Queries: 100, Names: counted("x.example", 1)}, nil, map[string]float64{}},
		{"self-signed by its names", tls(func(c *hunt.Certificate) { c.Issuer = c.Subject }), nil, map[string]float64{evidence.SelfSigned: 0.10}},
		{"an authority of one's own", hunt.Facts{TLS: hunt.TLSFacts{Records: 1, Names: counted("www.example.com", 1),
			Certificates: []hunt.Certificate{good}}, Values: values(hunt.Validation, counted("self signed certificate in certificate chain", 1))}, nil, map[string]float64{}},
		{"expired", tls(func(c *hunt.Certificate) { c.NotAfter = ms(3, 1) }), nil, map[string]float64{evidence.Expired: 0.10}},
		{"expires on the day", tls(func(c *hunt.Certificate) { c.NotAfter = ms(3, 2) }), nil, map[string]float64{}},
		{"not yet valid", tls(func(c *hunt.Certificate) { c.NotBefore = ms(3, 4) }), nil, map[string]float64{evidence.NotYetValid: 0.10}},
		{"issued that day", tls(func(c *hunt.Certificate) { c.NotBefore = ms(3, 1) }), nil, map[string]float64{evidence.IssuedToday: 0.10}},
		{"issued two days before", tls(func(c *hunt.Certificate) { c.NotBefore = ms(2, 28) }), nil, map[string]float64{}},
		{"a star is one label", tls(func(c *hunt.Certificate) { c.Names = []string{"*.com"} }), nil, map[string]float64{evidence.OtherName: 0.10}},
		{"CN counts without other names", tls(func(c *hunt.Certificate) { c.Names = nil }), nil, map[string]float64{}},
		{"no x509 record, so names are unknown", tls(func(c *hunt.Certificate) {
			c.Names, c.Subject, c.NotBefore, c.NotAfter = nil, "CN=other", hunt.Absent, hunt.Absent
		}), nil, map[string]float64{}},
		{"a fingerprint of its own", hunt.Facts{TLS: hunt.TLSFacts{Records: 10, JA3: trait("j", 10, 1, 1)}}, nil, map[string]float64{evidence.RareClient: 0.15}},
		{"of one host, to many", hunt.Facts{TLS: hunt.TLSFacts{Records: 10, JA3: trait("j", 10, 1, 5)}}, nil, map[string]float64{evidence.RareClient: 0.075}},
		{"of a fleet, to one server", hunt.Facts{TLS: hunt.TLSFacts{Records: 10, JA3: trait("j", 10, 9, 1)}}, nil, map[string]float64{}},
		{"JA4 says more than JA3", hunt.Facts{TLS: hunt.TLSFacts{Records: 10, JA3: trait("j", 10, 1, 1), JA4: trait("k", 10, 9, 9)}}, nil, map[string]float64{}},
		{"a JA3 that changes says nothing", hunt.Facts{TLS: hunt.TLSFacts{Records: 10, JA3: trait("j", 1, 1, 1)}}, nil, map[string]float64{}},
		{"few hosts", hunt.Facts{TLS: hunt.TLSFacts{Records: 10, JA3: trait("j", 10, 1, 1)}}, func(_ *evidence.Candidate, b *hunt.FactBook) { b.TLSHosts = 9 }, map[string]float64{}},
		{"a user agent of its own", hunt.Facts{HTTP: hunt.HTTPFacts{Requests: 10, Agents: trait("a", 10, 1, 1)}}, nil, map[string]float64{evidence.RareAgent: 0.15}},
		{"text for a picture", web("/a.png?x=1", "text/plain", 5), nil, map[string]float64{evidence.WrongContent: 0.10}},
		{"text for a picture, seldom", web("/a.png", "text/plain", 4), nil, map[string]float64{}},
		{"a picture for a picture", web("/a.png", "image/jpeg", 50), nil, map[string]float64{}},
		{"a program for a script", web("/a.js", "application/x-dosexec", 5), nil, map[string]float64{evidence.WrongContent: 0.10}},
		{"paths without extension", web("/a", "text/plain", 50), nil, map[string]float64{}},
		{"a program among files", hunt.Facts{Files: []hunt.Carried{{MIME: "text/plain", Count: 9}, {MIME: "application/x-dosexec", Count: 1, Bytes: 4096}}}, nil,
			map[string]float64{evidence.Executable: 0.10}},
		{"a program in a response", hunt.Facts{HTTP: hunt.HTTPFacts{Requests: 3}, Values: values(hunt.BodyTypes, counted("application/x-executable", 1))}, nil, map[string]float64{evidence.Executable: 0.10}},
		{"certificates are files, too", hunt.Facts{Files: []hunt.Carried{{MIME: "application/x-x509-user-cert", Count: 9}}}, nil, map[string]float64{}},
		{"nine in ten without an answer", hunt.Facts{}, func(s *evidence.Candidate, _ *hunt.FactBook) { s.Silent, s.Refused = 50, 40 }, map[string]float64{evidence.Unanswered: 0.05}},
		{"fewer", hunt.Facts{}, func(s *evidence.Candidate, _ *hunt.FactBook) { s.Silent, s.Refused = 50, 39 }, map[string]float64{}},
		{"nine of nine", hunt.Facts{}, func(s *evidence.Candidate, _ *hunt.FactBook) { s.Finding.Network.Connections, s.Silent = 9, 9 }, map[string]float64{}},
		{"refused, as the cluster counts", hunt.Facts{Refused: 90}, nil, map[string]float64{evidence.Unanswered: 0.05}},
		{"SSH on 443", hunt.Facts{}, func(s *evidence.Candidate, _ *hunt.FactBook) { s.Finding.Network.Protocol = "ssh" }, map[string]float64{evidence.OddService: 0.10}},
		{"nothing recognized", hunt.Facts{}, func(s *evidence.Candidate, _ *hunt.FactBook) { s.Finding.Network.Protocol = "" }, map[string]float64{evidence.NoService: 0.05}},
		{"no answer", hunt.Facts{}, func(s *evidence.Candidate, _ *hunt.FactBook) {
			s.Finding.Network.Protocol, s.Finding.Server.Bytes = "", 0
		}, map[string]float64{}},
		{"a port without a meaning", hunt.Facts{}, func(s *evidence.Candidate, _ *hunt.FactBook) { s.Key.Port, s.Finding.Network.Protocol = 4444, "" }, map[string]float64{}},
		{"upload", hunt.Facts{}, func(s *evidence.Candidate, _ *hunt.FactBook) {
			s.Finding.Client.Bytes, s.Finding.Server.Bytes = 1<<20, 100_000
		}, map[string]float64{evidence.Upload: 0.10}},
		{"less than ten times", hunt.Facts{}, func(s *evidence.Candidate, _ *hunt.FactBook) {
			s.Finding.Client.Bytes, s.Finding.Server.Bytes = 1<<20, 110_000
		}, map[string]float64{}},
		{"one size", hunt.Facts{}, func(s *evidence.Candidate, _ *hunt.FactBook) {
			s.Sizes = scoring.SizeScore{Known: 20, Share: 0.95, Median: 300}
		}, map[string]float64{evidence.SameSize: 0.02}},
		// 1,000 bytes of data and 28 of headers in one message per connection: 1,028 on the wire.
		{"data in ICMP", hunt.Facts{}, func(s *evidence.Candidate, _ *hunt.FactBook) {
			s.Key.Proto, s.Key.Port, s.Finding.Client.Bytes, s.Sizes = hunt.ICMP, 0, 100_000, scoring.SizeScore{Known: 100, Share: 1, Median: 1028}
		}, map[string]float64{evidence.ICMPData: 0.15}},
		// Ten pings of 56 bytes per connection: 560 of data, 840 on the wire.
		{"pings", hunt.Facts{}, func(s *evidence.Candidate, _ *hunt.FactBook) {
			s.Key.Proto, s.Key.Port, s.Finding.Client.Bytes, s.Sizes = hunt.ICMP, 0, 56_000, scoring.SizeScore{Known: 100, Share: 1, Median: 840}
		}, map[string]float64{}},
		{"encoded names", hunt.Facts{}, func(s *evidence.Candidate, _ *hunt.FactBook) {
			s.Key.DNS = "evil.example"
			s.Finding.Dwell.DNS = &hunt.DNSEvidence{Names: 100, MeanLength: 24, Entropy: 3.2}
		}, map[string]float64{evidence.DNSNames: 0.10}},
		{"a notice", hunt.Facts{Notices: counted("Scan::Address_Scan", 1)}, nil, map[string]float64{evidence.Noticed: 0.10}},
		{"a notice about the sensor", hunt.Facts{Notices: counted("CaptureLoss::Too_Much_Loss", 1)}, nil, map[string]float64{}},
		{"weird half the time", hunt.Facts{Weird: counted("unknown_HTTP_method", 50)}, nil, map[string]float64{evidence.Weirdness: 0.05}},
		{"weird by loss", hunt.Facts{Weird: counted("possible_split_routing", 100)}, nil, map[string]float64{}},
	} {
		t.Run(c.name, func(t *testing.T) { require.Equal(t, c.want, judged(t, c.facts, c.change)) })
	}
}

// A grid with only conn records loses the rules, not the hunt; a failed look-up does not end it either.
func TestMissingLogsAreToldOnce(t *testing.T) {
	s := []*evidence.Candidate{evidence.NewCandidate(hunt.PairKey{}, scoring.Indicators{Beacon: 0.5}, &hunt.Finding{}, nil)}
	h := &evidence.Hunt{Window: day, Source: told{book: hunt.FactBook{Facts: make([]hunt.Facts, 1)}}.session()}
	notes, err := Judge{}.Judge(t.Context(), h, s)
	require.NoError(t, err)
	require.Len(t, notes.Notes, 1)
	require.Contains(t, notes.Notes[0].String(), "without ssl, x509, http, dns, files records")

	h.Missing = []string{"ssl", "http", "dns"} // as the reading of names and queries reported
	notes, err = Judge{}.Judge(t.Context(), h, s)
	require.NoError(t, err)
	require.Len(t, notes.Notes, 1)
	require.Contains(t, notes.Notes[0].String(), "without x509, files records")

	h.Source = told{err: errors.New("the cluster is busy")}.session()
	notes, err = Judge{}.Judge(t.Context(), h, s)
	require.NoError(t, err)
	require.Len(t, notes.Gaps, 1, "scores would be others with it")
	require.Contains(t, notes.Gaps[0].String(), "the cluster is busy")
}

func TestCommonName(t *testing.T) {
	for subject, want := range map[string]string{
		"CN=www.example.com,O=Example":  "www.example.com",
		`O=Example\, Inc.,CN=x.example`: "x.example",
		"O=Example":                     "",
		"":                              "",
		`CN=a\`:                         `a\`,
	} {
		require.Equal(t, want, commonName(subject), subject)
	}
}

// A hit of Zeek's intelligence framework counts like one of an indicator list, once, and names its source.
func TestWhatZeekSaw(t *testing.T) {
	facts := hunt.Facts{TLS: hunt.TLSFacts{Records: 10, Names: counted("www.example.com", 10)}, Intel: []hunt.IntelSeen{
		{Indicator: "203.0.113.7", Type: "Intel::ADDR", Sources: counted("feed-a", 4), Count: 4}, {Indicator: "evil.example", Type: "Intel::DOMAIN", Count: 1}}}
	var seen *evidence.Candidate
	require.Equal(t, map[string]float64{evidence.Intel: 0.25}, judged(t, facts, func(s *evidence.Candidate, _ *hunt.FactBook) { seen = s }))
	require.Equal(t, []hunt.IntelHit{{Indicator: "203.0.113.7", Type: "addr", List: "zeek.intel: feed-a"}, {Indicator: "evil.example", Type: "domain", List: "zeek.intel"}},
		seen.Finding.Dwell.Evidence.Intel)
	require.Equal(t, []string{"Zeek intel hit: 203.0.113.7 (4 times; zeek.intel: feed-a) and 1 more"}, seen.Finding.Dwell.Reasons)
}
