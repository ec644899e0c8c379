package hunt

import (
	"encoding/json"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestScopeKeeps(t *testing.T) {
	for _, tc := range []struct {
		src, dst               string
		outbound, inbound, any bool
	}{
		{"10.0.0.1", "203.0.113.1", true, false, true},
		{"203.0.113.1", "10.0.0.1", false, true, true},
		{"10.0.0.1", "192.168.1.1", false, false, false},
		{"198.51.100.1", "203.0.113.1", false, false, false},
		{"10.0.0.1", "224.0.0.251", false, false, false},
		{"10.0.0.1", "255.255.255.255", false, false, false},
		{"10.0.0.1", "169.254.1.1", false, false, false},
		{"fd00::1", "2001:db8::1", true, false, true},
		{"fd00::1", "fe80::1", false, false, false},
		{"fd00::1", "ff02::fb", false, false, false},
		{"100.64.3.4", "203.0.113.1", true, false, true},
	} {
		for d, want := range map[Direction]bool{Outbound: tc.outbound, Inbound: tc.inbound, Both: tc.any} {
			s := NewScope(nil, d)
			require.Equal(t, want, s.Keep(netip.MustParseAddr(tc.src), netip.MustParseAddr(tc.dst)), "%s %s>%s", d, tc.src, tc.dst)
		}
	}
	own := NewScope([]netip.Prefix{netip.MustParsePrefix("64.225.56.201/32")}, Both)
	require.True(t, own.Keep(netip.MustParseAddr("73.54.23.243"), netip.MustParseAddr("64.225.56.201")))
	require.True(t, own.Keep(netip.MustParseAddr("64.225.56.201"), netip.MustParseAddr("10.0.0.1")), "given networks replace the default")
}

func TestWindow(t *testing.T) {
	start := time.Date(2026, 3, 1, 10, 30, 0, 0, time.UTC)
	w, err := NewWindow(start, start.Add(24*time.Hour))
	require.NoError(t, err)
	require.True(t, w.Contains(start.UnixMilli()))
	require.False(t, w.Contains(w.End.UnixMilli()))
	require.Equal(t, start.Truncate(time.Hour), w.ReadFrom())
	w.End = start.Add(23 * time.Hour)
	require.Equal(t, start, w.ReadFrom(), "a shorter window has no margin")
	w.End = start.Add(72 * time.Hour)
	require.Equal(t, start, w.ReadFrom(), "RITA's day lies inside a longer window")
	_, err = NewWindow(start, start)
	require.Error(t, err)
}

func TestTimeIsAlwaysFixedAndZoned(t *testing.T) {
	b, err := json.Marshal(At(1_700_000_000_000))
	require.NoError(t, err)
	require.Equal(t, `"2023-11-14T22:13:20.000Z"`, string(b))
	var back Time
	require.NoError(t, json.Unmarshal([]byte(`"2023-11-14T23:13:20+01:00"`), &back))
	require.True(t, back.Equal(time.UnixMilli(1_700_000_000_000)))
}

func TestDigestKeepsPartsApart(t *testing.T) {
	require.NotEqual(t, Digest("ab", "c"), Digest("a", "bc"))
	require.Len(t, Digest("x"), 32)
}

func TestPairKeyReadsAsInTheContract(t *testing.T) {
	k := PairKey{Src: netip.MustParseAddr("10.1.4.22"), Dst: netip.MustParseAddr("203.0.113.7"), Port: 443, Proto: TCP}
	require.Equal(t, "10.1.4.22>203.0.113.7:443/tcp", k.String())
	k.AnyPort = true
	require.Equal(t, "10.1.4.22>203.0.113.7", k.String())
	k = PairKey{Src: netip.MustParseAddr("fd00::1"), Dst: netip.MustParseAddr("2001:db8::2"), Port: 443, Proto: UDP}
	require.Equal(t, "[fd00::1]>[2001:db8::2]:443/udp", k.String())

	stories := map[string]bool{}
	for _, c := range []struct{ ja4, ja3, name, want string }{
		{"t12i190800_d83cc789557e_16bbda4055b2", "e7d705a3286e19ea42f587b344ee6865", "", "10.1.4.22>*:443/tcp#ja4=t12i190800_d83cc789557e_16bbda4055b2"},
		{"", "e7d705a3286e19ea42f587b344ee6865", "", "10.1.4.22>*:443/tcp#ja3=e7d705a3286e19ea42f587b344ee6865"},
		{"", "", "", "10.1.4.22>*:443/tcp#no-server-name"},
	} {
		k = PairKey{Src: netip.MustParseAddr("10.1.4.22"), Fingerprint: FingerprintOf(c.ja4, c.ja3, c.name), Port: 443, Proto: TCP}
		require.Equal(t, c.want, k.String())
		require.Equal(t, "fingerprint", k.Kind())
		stories[k.FindingID()] = true
	}
	require.Len(t, stories, 3)
	require.Equal(t, Fingerprint{}, FingerprintOf("", "", "cdn.example"), "a name alone is followed by name")
}

func TestSeconds(t *testing.T) {
	for s, want := range map[float64]string{0: "0s", 0.9: "0s", 45: "45s", 750: "12m30s", 11100: "3h05m", 187200: "2d04h"} {
		require.Equal(t, want, Seconds(s))
	}
}

func TestUID(t *testing.T) {
	require.Equal(t, "C3Rk0e2qX1bYbN8hE9", NewUID([]byte("C3Rk0e2qX1bYbN8hE9")).String())
	require.Empty(t, UID{}.String())
	require.Len(t, NewUID([]byte("C1234567890123456789012345")).String(), 20)
}
