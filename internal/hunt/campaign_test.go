package hunt

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSubjectHasTheNameThatTheHostAskedFor: an address that is known by one name is the same in lists as that name, unless the host asked for none:
// then the name is what others resolved, or what the server's certificate claims.
func TestSubjectHasTheNameThatTheHostAskedFor(t *testing.T) {
	f := &Finding{Destination: Destination{IP: netip.MustParseAddr("203.0.113.7"), Port: 443}}
	f.Network.Transport = "tcp"
	f.Dwell.InternalIP = netip.MustParseAddr("10.1.1.1")
	f.Dwell.Evidence = &Evidence{Names: []string{"cdn.example"}}
	require.Equal(t, "10.1.1.1 > cdn.example", SubjectOf(f))
	for _, oddity := range []string{"no_name", "bare_address"} {
		f.Dwell.Evidence.Protocol = &Protocol{Oddities: []string{"self_signed", oddity}}
		require.Equal(t, "10.1.1.1 > 203.0.113.7", SubjectOf(f), oddity)
	}
	f.Dwell.Evidence.Protocol.Oddities = []string{"self_signed"}
	f.Dwell.Evidence.Names = append(f.Dwell.Evidence.Names, "other.example")
	require.Equal(t, "10.1.1.1 > 203.0.113.7", SubjectOf(f), "of two names none is the name")
	f.Destination.Domain = "cdn.example"
	require.Equal(t, "10.1.1.1 > cdn.example", SubjectOf(f))
	f.Dwell.DNS = &DNSEvidence{}
	require.Equal(t, "10.1.1.1 > *.cdn.example", SubjectOf(f))
	f.Dwell.Sensor, f.Dwell.DNS = "tap1", nil
	require.Equal(t, "10.1.1.1 at tap1 > cdn.example", SubjectOf(f))
	f.Dwell.Campaign = &CampaignOf{Name: "cdn.example"}
	require.Equal(t, "campaign cdn.example", SubjectOf(f))
}
