package securityonion

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

// The first four are from the baseline of the Community ID specification, the others from ../shared/samples.
func TestCommunityID(t *testing.T) {
	for _, tc := range []struct {
		proto    uint8
		src, dst string
		sp, dp   uint16
		want     string
	}{
		{6, "128.232.110.120", "66.35.250.204", 34855, 80, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
		{17, "192.168.1.52", "8.8.8.8", 54585, 53, "1:d/FP5EW3wiY1vCndhwleRRKHowQ="},
		{1, "192.168.0.89", "192.168.0.1", 8, 0, "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="},
		{58, "fe80::200:86ff:fe05:80da", "fe80::260:97ff:fe07:69ea", 135, 0, "1:dGHyGvjMfljg6Bppwm3bg0LO8TY="},
		{6, "10.55.100.111", "165.227.216.194", 51234, 443, "1:K4LwzMoplMo3Ccd6rksc7vlLaGM="},
		{17, "10.55.100.111", "10.55.100.2", 58211, 53, "1:W7XgfBdvLPmiBf+kEiF2NnzIW88="},
		{6, "10.55.100.107", "104.131.28.214", 50211, 80, "1:s/T3NB2Ab6LP3yvhMnOg7flu+1Y="},
	} {
		src, dst := netip.MustParseAddr(tc.src), netip.MustParseAddr(tc.dst)
		require.Equal(t, tc.want, CommunityID(tc.proto, src, dst, tc.sp, tc.dp))
		if tc.proto == 6 || tc.proto == 17 {
			require.Equal(t, tc.want, CommunityID(tc.proto, dst, src, tc.dp, tc.sp), "both directions have one id")
		}
	}
	require.Empty(t, CommunityID(6, netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("::1"), 1, 2), "mixed families have none")
}
