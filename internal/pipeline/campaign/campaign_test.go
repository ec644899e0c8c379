package campaign

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/internal/evidence"
	"dwell/internal/hunt"
)

func finding(src, dst, name string, score float64) hunt.Finding {
	f := hunt.Finding{Source: hunt.Originator{IP: netip.MustParseAddr(src)}, Destination: hunt.Destination{Domain: name}, Network: hunt.Network{Connections: 10}}
	if dst != "" {
		f.Destination.IP = netip.MustParseAddr(dst)
	}
	f.Dwell = hunt.Dwell{Score: score, Severity: "high", InternalIP: f.Source.IP, Indicators: []string{hunt.Beacon}, Reasons: []string{"every 60 s"},
		FindingID: hunt.Digest(src, dst, name), Evidence: &hunt.Evidence{Prevalence: &hunt.Prevalence{Hosts: 3, Active: 24}}}
	return f
}

// Hosts that ask for names of one domain are one campaign, with those that show only the domain's address. Its identity
// stays as hosts come and go, and its score is the strongest member's.
func TestOneLineForAnOutbreak(t *testing.T) {
	findings := []hunt.Finding{finding("10.0.0.1", "203.0.113.7", "a.evil.example", 0.9), finding("10.0.0.2", "203.0.113.8", "b.evil.example", 0.8),
		finding("10.0.0.3", "203.0.113.7", "", 0.7), finding("10.0.0.1", "198.51.100.1", "alone.example", 0.95)}
	findings[1].Dwell.Indicators = []string{hunt.LongConnection}
	got := Of(findings)
	require.Len(t, got, 1)
	c := got[0]
	require.Equal(t, []any{"domain", "evil.example", 0.9, "high", int64(3), int64(24), int64(30)}, []any{c.Kind, c.Name, c.Score, c.Severity, c.HostCount, c.Active, c.Connections})
	require.Equal(t, []string{hunt.Beacon, hunt.LongConnection}, c.Indicators)
	require.Equal(t, []string{"203.0.113.7", "a.evil.example", "b.evil.example"}, c.Destinations)
	require.Equal(t, []string{findings[0].Dwell.FindingID, findings[1].Dwell.FindingID, findings[2].Dwell.FindingID}, c.Findings)
	require.Equal(t, "3 of 24 active hosts keep talking to evil.example", c.Reasons[0])
	for _, f := range findings[:3] {
		require.Equal(t, c.ID, f.Dwell.Campaign.ID)
	}
	require.Nil(t, findings[3].Dwell.Campaign, "one host is no campaign")

	more := append(slices.Clone(findings[1:3]), finding("10.0.0.9", "203.0.113.9", "c.evil.example", 0.5))
	require.Equal(t, c.ID, Of(more)[0].ID)
}

// A shared address says nothing where several domains are served from it, and a browser's fingerprint tells nobody
// apart; a rare one, and a self-signed certificate, do.
func TestWhatIsShared(t *testing.T) {
	cdn := []hunt.Finding{finding("10.0.0.1", "203.0.113.7", "a.example", 0.9), finding("10.0.0.2", "203.0.113.7", "b.example", 0.9), finding("10.0.0.3", "203.0.113.7", "", 0.9)}
	require.Empty(t, Of(cdn))

	var apart []hunt.Finding // what no other host uses is not shared, though it is called the same
	for i, print := range []string{"unshared", "unshared-names=647-807B", ""} {
		for h := range 2 {
			f := finding(fmt.Sprintf("10.0.%d.%d", i, h), "", "", 0.9)
			f.Dwell.Destination, f.Dwell.Evidence.Prevalence.Hosts = &hunt.DestinationNetwork{Fingerprint: print}, 1
			if print == "" {
				f.Dwell.Destination, f.Destination.Domain, f.Dwell.DNS = nil, hunt.UnsharedDomains, &hunt.DNSEvidence{}
			}
			apart = append(apart, f)
		}
	}
	require.Empty(t, Of(apart))

	shown := func(src string, hosts int64) hunt.Finding {
		f := finding(src, "", "", 0.9)
		f.Dwell.Destination = &hunt.DestinationNetwork{Fingerprint: "ja4=t13d190900_9dc949149365_97f8aa674fd9"}
		f.Dwell.Evidence.Prevalence.Hosts = hosts
		return f
	}
	require.Empty(t, Of([]hunt.Finding{shown("10.0.0.1", 12), shown("10.0.0.2", 12)}))
	require.Equal(t, "fingerprint", Of([]hunt.Finding{shown("10.0.0.1", 2), shown("10.0.0.2", 2)})[0].Kind)

	certified := func(src, dst string, oddities ...string) hunt.Finding {
		f := finding(src, dst, "", 0.9)
		f.Dwell.Evidence.Protocol = &hunt.Protocol{Oddities: oddities, Certificate: &hunt.CertificateSeen{Hash: "c0ffee"}}
		return f
	}
	require.Empty(t, Of([]hunt.Finding{certified("10.0.0.1", "203.0.113.1"), certified("10.0.0.2", "203.0.113.2")}))
	got := Of([]hunt.Finding{certified("10.0.0.1", "203.0.113.1", evidence.SelfSigned), certified("10.0.0.2", "203.0.113.2", evidence.SelfSigned)})
	require.Equal(t, []string{"certificate", "c0ffee"}, []string{got[0].Kind, got[0].Name})
}

// What a rule hides and what is too weak for a severity is in no campaign; lists have bounds, counts do not.
func TestCampaignsAreBounded(t *testing.T) {
	var findings []hunt.Finding
	for i := range hunt.MaxCampaignHosts + 5 {
		findings = append(findings, finding(fmt.Sprintf("10.1.%d.%d", i/250, 1+i%250), "203.0.113.7", "evil.example", 0.9))
	}
	findings[0].Dwell.Safelisted, findings[1].Dwell.Severity = true, ""
	c := Of(findings)[0]
	require.Equal(t, int64(hunt.MaxCampaignHosts+3), c.HostCount)
	require.Len(t, c.Hosts, hunt.MaxCampaignHosts)
	require.Nil(t, findings[0].Dwell.Campaign)
	require.Nil(t, findings[1].Dwell.Campaign)
}
