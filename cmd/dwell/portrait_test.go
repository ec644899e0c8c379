package main

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

// Whoever asks about an address is shown the finding that tells its story by name, and the other way round.
func TestSameTrafficUnderAnotherKey(t *testing.T) {
	addr, second := netip.MustParseAddr("203.0.113.7"), netip.MustParseAddr("203.0.113.9")
	f := hunt.Finding{Destination: hunt.Destination{IP: addr, Domain: "cdn.example"}, Dwell: hunt.Dwell{
		Evidence: &hunt.Evidence{Addresses: []netip.Addr{addr, second}},
		Also:     []string{"10.0.0.5>198.51.100.0/24", "10.0.0.5>*:443/tcp#ja4=t13d190900_9dc949149365_97f8aa674fd9"}}}
	for text, want := range map[string]bool{"203.0.113.7": true, "203.0.113.9:443": true, "203.0.113.8": false, "198.51.100.0/24": true, "198.51.100.0/25": false,
		"ja4=t13d190900_9dc949149365_97f8aa674fd9": true, "other.example": false, "*.cdn.example/dns": false} {
		to, err := hunt.ParseSide(text)
		require.NoError(t, err)
		require.Equal(t, want, sameTraffic(&f, &to), text)
	}
	f.Dwell.DNS = &hunt.DNSEvidence{} // its address is the resolver's
	require.False(t, sameTraffic(&f, &hunt.Side{Addr: addr}))
}
