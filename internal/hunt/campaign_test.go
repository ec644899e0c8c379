package hunt

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

// An address whose connections use one name has that name as its subject. What others resolved, or the server's
// certificate claims, does not count.
func TestSubjectHasTheNameThatTheHostAskedFor(t *testing.T) {
	f := &Finding{Destination: Destination{IP: netip.MustParseAddr("203.0.113.7"), Port: 443}}
	f.Network.Transport = "tcp"
	f.Dwell.InternalIP = netip.MustParseAddr("10.1.1.1")
	f.Dwell.Evidence = &Evidence{Names: []string{"claimed.example"}}
	require.Equal(t, "10.1.1.1 > 203.0.113.7", SubjectOf(f), "nobody asked for it")
	f.Dwell.Evidence.Asked = "cdn.example"
	require.Equal(t, "10.1.1.1 > cdn.example", SubjectOf(f))
	f.Destination.Domain = "cdn.example"
	require.Equal(t, "10.1.1.1 > cdn.example", SubjectOf(f))
	f.Dwell.DNS = &DNSEvidence{}
	require.Equal(t, "10.1.1.1 > *.cdn.example", SubjectOf(f))
	f.Dwell.Sensor, f.Dwell.DNS = "tap1", nil
	require.Equal(t, "10.1.1.1 at tap1 > cdn.example", SubjectOf(f))
	f.Dwell.Campaign = &CampaignOf{Name: "cdn.example"}
	require.Equal(t, "campaign cdn.example", SubjectOf(f))
}
