package safelist

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

// shown is a finding with every value that a rule may record.
func shown(change func(*hunt.Finding)) *hunt.Finding {
	f := finding("10.1.4.22", "203.0.113.7", 443, "files.backup.example")
	f.Network.Transport = "tcp"
	f.Dwell.Pair = "10.1.4.22>files.backup.example:443/tcp"
	f.Dwell.Evidence = &hunt.Evidence{Addresses: []netip.Addr{netip.MustParseAddr("203.0.113.7"), netip.MustParseAddr("203.0.113.9")},
		ASN: &hunt.ASN{Number: 64500}, Protocol: &hunt.Protocol{JA4: []string{"t13d190900_aa_bb"}, Certificate: &hunt.CertificateSeen{Hash: "abcd"}}}
	if change != nil {
		change(f)
	}
	return f
}

// Another server, client or certificate, or a hit of an indicator list, breaks a rule, with the cause. Only values
// recorded on both sides are compared. Each rule goes through the file, as dwell safelist add writes it.
func TestRuleBreaks(t *testing.T) {
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct{ made, now, want string }{
		"the same":                             {"", "", ""},
		"another AS":                           {"", "as", "its destination is in AS64501 now, not in AS64500"},
		"another network, same AS":             {"", "moved", ""},
		"another network, no AS now":           {"", "moved no-as", "its destination is in another network now, 198.51.100.0/24"},
		"another network, no AS then":          {"no-as", "moved", "its destination is in another network now, 198.51.100.0/24"},
		"one of two networks is another":       {"no-as", "half", "its destination is in another network now, 198.51.100.0/24"},
		"another fingerprint":                  {"", "ja4", "it has another TLS fingerprint now, t13d1516h2_cc_dd"},
		"a second, rarer fingerprint":          {"", "ja4-second", "it has another TLS fingerprint now, t13d1516h2_cc_dd"},
		"a second server, AS unknown of it":    {"", "half", "its destination is in another network now, 198.51.100.0/24"},
		"no fingerprint now":                   {"", "bare", ""},
		"nothing was known then":               {"bare no-as", "", ""},
		"another certificate":                  {"", "certificate", "its certificate is another one now, ef01"},
		"on an indicator list":                 {"", "listed", "an indicator list names 203.0.113.7"},
		"on a list then already":               {"listed", "listed", ""},
		"on a list, though nothing was known ": {"bare no-as", "listed", "an indicator list names 203.0.113.7"},
	} {
		as := func(how string) *hunt.Finding {
			return shown(func(f *hunt.Finding) {
				e := f.Dwell.Evidence
				for _, h := range strings.Fields(how) {
					switch other := netip.MustParseAddr("198.51.100.4"); h {
					case "as":
						e.ASN.Number = 64501
					case "no-as":
						e.ASN = nil
					case "moved":
						f.Destination.IP, e.Addresses = other, []netip.Addr{other}
					case "half":
						e.Addresses = append(e.Addresses, other)
					case "ja4":
						e.Protocol.JA4 = []string{"t13d1516h2_cc_dd", "t13d190900_aa_bb"}
					case "ja4-second":
						e.Protocol.JA4 = []string{"t13d190900_aa_bb", "t13d1516h2_cc_dd"}
					case "certificate":
						e.Protocol.Certificate.Hash = "ef01"
					case "bare":
						e.Protocol = nil
					case "listed":
						e.Intel = []hunt.IntelHit{{Indicator: "203.0.113.7", Type: "address", List: "iocs.txt"}}
					}
				}
			})
		}
		r := For(as(tc.made))
		r.Name, r.Reason, r.Owner, r.Expires = "backup", "nightly", "ops", "2027-01-01"
		text, err := Add([]byte("# ours\n"), r)
		require.NoError(t, err, name)
		l, err := Parse(strings.NewReader(string(text)))
		require.NoError(t, err, name)
		by := l.Match(as(tc.now), now)
		require.NotNil(t, by, name)
		require.Equal(t, tc.want, by.Broken, name)
		require.Equal(t, tc.want == "", by.Marks(), name)
	}
}

// An unbroken rule marks a finding even if a broken one before it matches.
func TestWholeRuleBeforeBroken(t *testing.T) {
	l, err := Parse(strings.NewReader(`rules:
  - {name: old, domain: files.backup.example, seen: {as: AS1}, reason: r, owner: o, expires: "2027-01-01"}
  - {name: new, domain: files.backup.example, seen: {as: "AS64500, AS2", networks: 203.0.113.0/24}, reason: r, owner: o, expires: "2027-01-01"}
`))
	require.NoError(t, err)
	require.Equal(t, "new", l.Match(shown(nil), time.Unix(0, 0)).Name)
	require.True(t, (&Rule{Domain: "a.example"}).Forgeable())
	require.True(t, (&Rule{Fingerprint: "ja4=x", Seen: Seen{Fingerprints: "x"}}).Forgeable(), "a fingerprint is the client's word, too")
	require.False(t, l.Rules[1].Forgeable())
	require.False(t, (&Rule{Destination: "203.0.113.7"}).Forgeable())
	for _, bad := range []string{"as: 64500", "as: ASx", "networks: 203.0.113.7", "networks: 203.0.113.7/24"} {
		_, err := Parse(strings.NewReader(`rules: [{name: x, domain: a.example, seen: {` + bad + `}, owner: o, reason: r, expires: "2027-01-01"}]`))
		require.ErrorContains(t, err, "seen.", bad)
	}
}

// A rule for domains in turn holds for those domains: the finding is called the same, whichever they are.
func TestRuleForNamesInTurn(t *testing.T) {
	turning := func(names ...string) *hunt.Finding {
		f := finding("10.1.4.22", "", 443, "")
		f.Dwell.Pair, f.Dwell.Destination = "10.1.4.22>*:443/tcp#unshared-names", &hunt.DestinationNetwork{Fingerprint: "unshared-names"}
		f.Dwell.Evidence = &hunt.Evidence{Names: names}
		return f
	}
	queried := func(names ...string) *hunt.Finding {
		f := turning(names...)
		f.Dwell.Destination, f.Dwell.DNS, f.Destination.Domain = nil, &hunt.DNSEvidence{}, hunt.UnsharedDomains
		return f
	}
	for _, of := range []func(...string) *hunt.Finding{turning, queried} {
		r := For(of("a1.one.example", "a2.two.example", "three.example", "45.1.7.9"))
		require.Equal(t, "one.example, two.example, three.example, 45.1.7.9", r.Seen.Domains)
		require.Empty(t, r.Seen.broken(of("b7.one.example", "two.example", "other.example")))
		require.Equal(t, "it uses other domains now, such as evil.example", r.Seen.broken(of("one.example", "evil.example")))
	}
}
