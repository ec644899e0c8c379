package campaign

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/internal/evidence"
	"dwell/internal/hunt"
)

// beaconing is a finding of a host with a rare destination of its own.
func beaconing(i int, period, jitter, size float64) hunt.Finding {
	f := finding(fmt.Sprintf("10.0.%d.%d", i/250, 1+i%250), fmt.Sprintf("203.0.%d.%d", i/250, 1+i%250), fmt.Sprintf("own%d.example", i), 0.9)
	f.Beacon = &hunt.BeaconScore{Period: &period, Jitter: &jitter}
	f.Dwell.Explained, f.Event.Severity = "none", 4
	f.Dwell.Modifiers = []hunt.Modifier{{Name: evidence.Rare}}
	f.Destination.Port, f.Network.Transport, f.Client.Bytes = 443, "tcp", int64(size*float64(f.Network.Connections))
	return f
}

// TestRhythmIdentityOverDays: hosts with destinations of their own and one rhythm are one campaign with one identity,
// day by day, as hosts come and go and the measured values differ. Neither period, jitter nor size has a border that
// splits them.
func TestRhythmIdentityOverDays(t *testing.T) {
	r := rand.New(rand.NewPCG(17, 1))
	around := func(v, by float64) float64 { return v * (1 + by*(2*r.Float64()-1)) }
	for _, period := range usual() {
		for _, jitter := range []float64{0, 0.1, 0.19, 0.2, 0.21, 0.3, 0.4, 0.5, 0.6} {
			id := ""
			for day := range 5 {
				size := 100 * math.Pow(1.2, float64(r.IntN(30))/2) // also at what was a border
				var findings []hunt.Finding
				for i := range 3 + r.IntN(5) {
					findings = append(findings, beaconing(10*day+i, around(period, 0.03), max(0, around(jitter, 0.2)), around(size, 0.03)))
				}
				got := Of(findings)
				require.Len(t, got, 1, "every %g s, jitter %g", period, jitter)
				require.Equal(t, int64(len(findings)), got[0].HostCount)
				require.Equal(t, rhythm, got[0].Kind)
				if id == "" {
					id = got[0].ID
				}
				require.Equal(t, id, got[0].ID, "every %g s, jitter %g", period, jitter)
			}
		}
	}
}

// TestRhythmsApart: other ports, sizes, periods and jitters are other campaigns, one host alone is none, and two
// campaigns near one interval have two names.
func TestRhythmsApart(t *testing.T) {
	other := beaconing(2, 300, 0.1, 500)
	other.Destination.Port = 8443
	for name, f := range map[string]hunt.Finding{"port": other, "size": beaconing(2, 300, 0.1, 900), "period": beaconing(2, 350, 0.1, 500), "jitter": beaconing(2, 300, 0.5, 500)} {
		require.Empty(t, Of([]hunt.Finding{beaconing(1, 300, 0.1, 500), f}), name)
	}
	got := Of([]hunt.Finding{beaconing(1, 300, 0.1, 500), beaconing(2, 300, 0.1, 500), beaconing(3, 300, 0.1, 5000), beaconing(4, 300, 0.1, 5000), beaconing(5, 300, 0.1, 5000)})
	require.Len(t, got, 2)
	require.Equal(t, []string{"about every 5m, 443/tcp", "about every 5m, 443/tcp (2)"}, []string{got[0].Name, got[1].Name})
}

// TestProxiesAreNoHosts: a proxy's own connections belong to the campaign, but only the hosts behind it count.
func TestProxiesAreNoHosts(t *testing.T) {
	findings := []hunt.Finding{finding("10.0.0.1", "10.0.0.250", "evil.example", 0.9), finding("10.0.0.250", "203.0.113.7", "evil.example", 0.9)}
	require.Empty(t, Of(findings), "one host")
	got := Of(append(findings, finding("10.0.0.2", "10.0.0.250", "evil.example", 0.8)))
	require.Len(t, got, 1)
	require.Equal(t, int64(2), got[0].HostCount)
	require.Equal(t, int64(3), got[0].FindingCount)
}
