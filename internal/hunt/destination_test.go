package hunt

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every form of PairKey.String parses back to its side.
func TestParsePair(t *testing.T) {
	src, dst, dst6 := netip.MustParseAddr("10.0.0.5"), netip.MustParseAddr("203.0.113.9"), netip.MustParseAddr("2001:db8::2")
	ja4 := Fingerprint{JA4, "t13d190900_9dc949149365_97f8aa674fd9"}
	for _, tc := range []struct {
		key  PairKey
		want Side
	}{
		{PairKey{Src: src, Dst: dst, Port: 443, Proto: TCP}, Side{Addr: dst, Port: 443, Transport: "tcp"}},
		{PairKey{Src: src, Dst: dst, AnyPort: true}, Side{Addr: dst}},
		{PairKey{Src: netip.MustParseAddr("2001:db8::1"), Dst: dst6, Port: 53, Proto: UDP}, Side{Addr: dst6, Port: 53, Transport: "udp"}},
		{PairKey{Src: src, Dst: dst6, AnyPort: true}, Side{Addr: dst6}},
		{PairKey{Src: src, Name: "cdn.example", Port: 443, Proto: TCP}, Side{Name: "cdn.example", Port: 443, Transport: "tcp"}},
		{PairKey{Src: src, Name: "cdn.example", AnyPort: true}, Side{Name: "cdn.example"}},
		{PairKey{Src: src, Network: netip.MustParsePrefix("203.0.113.0/24"), AnyPort: true}, Side{Network: netip.MustParsePrefix("203.0.113.0/24")}},
		{PairKey{Src: src, Network: netip.MustParsePrefix("2001:db8::/48"), AnyPort: true}, Side{Network: netip.MustParsePrefix("2001:db8::/48")}},
		{PairKey{Src: src, Fingerprint: ja4, Port: 443, Proto: TCP}, Side{Fingerprint: ja4.String(), Port: 443}},
		{PairKey{Src: src, Fingerprint: Fingerprint{Kind: NoServerName}, Port: 8443, Proto: TCP}, Side{Fingerprint: "no-server-name", Port: 8443}},
		{PairKey{Src: src, DNS: "evil.example", Port: 53, Proto: UDP}, Side{Name: "evil.example", DNS: true}},
	} {
		from, to, err := ParsePair(tc.key.String())
		require.NoError(t, err, tc.key.String())
		require.Equal(t, tc.key.Src, from)
		require.Equal(t, tc.want, to, tc.key.String())
	}
	for text, what := range map[string]string{"10.0.0.5": "SOURCE>", "x>203.0.113.9": "is not an address", "10.0.0.5>": "the destination is", "10.0.0.5>a b": "the destination is",
		"10.0.0.5>a.example:http": "not a port", "10.0.0.5>*:443/tcp#md5=1": "not a TLS fingerprint", "10.0.0.5>*:x/tcp#ja3=1": "not a port", "10.0.0.5>203.0.113.0/33": "the destination is"} {
		_, _, err := ParsePair(text)
		require.ErrorContains(t, err, what, text)
	}
	for _, f := range []Fingerprint{{}, ja4, {JA3, "e7d705a3286e19ea42f587b344ee6865"}, {Kind: NoServerName}, {Kind: Unshared}, {Unshared, "647-807B"}, {Kind: UnsharedNames}, {UnsharedNames, "647-807B"}} {
		require.Equal(t, f, ParseFingerprint(f.String()))
	}
}
