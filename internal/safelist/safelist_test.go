package safelist

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

const good = `rules:
  - {name: backup, source: 10.1.4.0/24, destination: 203.0.113.7, port: 443, reason: nightly backup, owner: ops, expires: "2027-01-01"}
  - {name: cdn, domain: "*.cdn.example", reason: our own CDN, owner: web, expires: "2027-01-01"}
  - {name: net, destination: 198.51.100.0/24, reason: partner, owner: net, expires: "2026-01-01"}
`

func finding(src, dst string, port int, domain string) *hunt.Finding {
	f := &hunt.Finding{Source: hunt.Originator{IP: netip.MustParseAddr(src)}, Destination: hunt.Destination{Port: port, Domain: domain}}
	if dst != "" {
		f.Destination.IP = netip.MustParseAddr(dst)
	}
	return f
}

func TestMatch(t *testing.T) {
	l, err := Parse(strings.NewReader(good))
	require.NoError(t, err)
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	roll := finding("10.9.9.9", "", 443, "")
	roll.Dwell.Destination = &hunt.DestinationNetwork{Network: "198.51.100.0/24"}
	for _, tc := range []struct {
		name string
		f    *hunt.Finding
		at   time.Time
		want string
	}{
		{"as narrow as the rule", finding("10.1.4.22", "203.0.113.7", 443, ""), now, "backup"},
		{"another source", finding("10.1.5.22", "203.0.113.7", 443, ""), now, ""},
		{"another port", finding("10.1.4.22", "203.0.113.7", 8443, ""), now, ""},
		{"another server", finding("10.1.4.22", "203.0.113.8", 443, ""), now, ""},
		{"below the domain", finding("10.9.9.9", "192.0.2.1", 443, "A.cdn.example"), now, "cdn"},
		{"the domain itself", finding("10.9.9.9", "192.0.2.1", 443, "cdn.example"), now, "cdn"},
		{"a name that only ends alike", finding("10.9.9.9", "192.0.2.1", 443, "evilcdn.example"), now, ""},
		{"expired", finding("10.9.9.9", "198.51.100.4", 443, ""), now, ""},
		{"before it expired", finding("10.9.9.9", "198.51.100.4", 443, ""), now.AddDate(-1, 0, 0), "net"},
		{"a roll-up within the network", roll, now.AddDate(-1, 0, 0), "net"},
	} {
		name := ""
		if rule := l.Match(tc.f, tc.at); rule != nil {
			name = rule.Name
		}
		require.Equal(t, tc.want, name, tc.name)
	}
	require.Len(t, l.Expired(now), 1)
}

func TestParseRefuses(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"unknown key":     {`rules: [{nme: x}]`, "line 1: there is no such key: nme"},
		"nothing narrows": {`rules: [{name: x, source: 10.0.0.0/8, reason: r, owner: o, expires: "2027-01-01"}]`, "would match every server"},
		"catch-all":       {`rules: [{name: x, destination: 0.0.0.0/0, reason: r, owner: o, expires: "2027-01-01"}]`, "would match every server"},
		"top level":       {`rules: [{name: x, domain: "*.com", reason: r, owner: o, expires: "2027-01-01"}]`, "whole top level"},
		"star inside":     {`rules: [{name: x, domain: "a.*.com", reason: r, owner: o, expires: "2027-01-01"}]`, "a star stands only in front"},
		"no reason":       {`rules: [{name: x, domain: a.example, owner: o, expires: "2027-01-01"}]`, "reason is missing"},
		"no expiry":       {`rules: [{name: x, domain: a.example, owner: o, reason: r}]`, "expires is missing"},
		"bad day":         {`rules: [{name: x, domain: a.example, owner: o, reason: r, expires: soon}]`, "is not a day"},
		"bad network":     {`rules: [{name: x, destination: 10.0.0.1/8, owner: o, reason: r, expires: "2027-01-01"}]`, "is not a network"},
		"twice":           {`rules: [{name: x, domain: a.example, owner: o, reason: r, expires: "2027-01-01"}, {name: x, domain: b.example, owner: o, reason: r, expires: "2027-01-01"}]`, "used twice"},
	} {
		_, err := Parse(strings.NewReader(tc.text))
		require.ErrorContains(t, err, tc.want, name)
	}
	l, err := Parse(strings.NewReader(""))
	require.NoError(t, err)
	require.Empty(t, l.Rules)
}

// FuzzParse: parsing any file returns an error or a list without catch-all rules.
func FuzzParse(f *testing.F) {
	f.Add(good)
	f.Add("rules: [{name: x, domain: \"*.com\"}]")
	f.Add("rules: {")
	f.Fuzz(func(t *testing.T, text string) {
		l, err := Parse(strings.NewReader(text))
		if err != nil {
			return
		}
		stranger := finding("192.0.2.77", "192.0.2.99", 1, "")
		for _, r := range l.Rules {
			if r.destination.IsValid() && r.destination.Contains(stranger.Destination.IP) {
				return
			}
		}
		if rule := l.Match(stranger, time.Unix(0, 0)); rule != nil {
			t.Fatalf("%s matches a server that it does not name", rule.Name)
		}
	})
}
