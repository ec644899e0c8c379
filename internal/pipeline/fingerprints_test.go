package pipeline

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

// shown makes TLS records of connections, all with one fingerprint.
func shown(src *withNames, conns []hunt.Connection, name string, print hunt.Fingerprint) {
	for _, c := range conns {
		c.SrcPort = uint16(20000 + len(src.conns))
		src.conns = append(src.conns, c)
		src.names = append(src.names, hunt.NameRecord{Start: c.Start + 80, Src: c.Src, Dst: c.Dst, SrcPort: c.SrcPort, DstPort: c.DstPort, Kind: hunt.TLS, Name: name, Fingerprint: print, Count: 1})
	}
}

// A fingerprint that other programs of the host share, as those on the system's own TLS do, does not swallow a beat
// among them: it stands for itself, under its own address.
func TestSharedFingerprintDoesNotHideAnImplant(t *testing.T) {
	system := hunt.Fingerprint{Kind: hunt.JA3, Value: "3b5074b1b5d032e5620f69f9f700ff0e"}
	for _, period := range []time.Duration{5 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour} {
		src := &withNames{fixed: *ofDay(nil)}
		shown(src, every(netip.MustParseAddr("192.0.2.50"), day0.Add(11*time.Minute), 30*time.Minute, 23*time.Hour), "updates.example", system)
		shown(src, every(netip.MustParseAddr("198.51.100.7"), day0.Add(3*time.Minute), 17*time.Minute, 23*time.Hour), "telemetry.example", system)
		shown(src, every(server, day0.Add(time.Minute), period, 24*time.Hour), "", system)
		found := hunted(t, src, dwellOptions())
		f, ok := found["10.0.0.5>203.0.113.9:443/tcp"]
		require.True(t, ok, "every %s: %v", period, found)
		require.Equal(t, "critical", f.Dwell.Severity)
	}
}

// Rotating over names as well as over networks, as generated domains do, leaves only the fingerprint.
func TestMovingNamesAreOneFinding(t *testing.T) {
	src := &withNames{fixed: *ofDay(nil)}
	print := hunt.Fingerprint{Kind: hunt.JA4, Value: "t13d190900_9dc949149365_97f8aa674fd9"}
	for i, c := range every(server, day0, 10*time.Minute, 24*time.Hour) {
		c.Dst = netip.AddrFrom4([4]byte{byte(20 + i%7), 51, byte(i), 9})
		shown(src, []hunt.Connection{c}, hunt.Digest("name", string(rune('a'+i)))+".example", print)
	}
	found := hunted(t, src, dwellOptions())
	require.Len(t, found, 1)
	f, ok := found["10.0.0.5>*:443/tcp#ja4="+print.Value]
	require.True(t, ok, "%v", found)
	require.Equal(t, "critical", f.Dwell.Severity)
	require.Equal(t, int64(144), f.Network.Connections)
	require.Equal(t, int64(144*400), f.Network.Bytes)
	require.Equal(t, 144, f.Dwell.Evidence.AddressCount)
}

// Three servers of three networks in turn: each alone keeps a beat three times as slow, and together they are one
// finding.
func TestServersUsedInTurnAreOneFinding(t *testing.T) {
	src := &withNames{fixed: *ofDay(nil)}
	for i, c := range every(server, day0, 10*time.Minute, 24*time.Hour) {
		c.Dst = netip.AddrFrom4([4]byte{45, byte(10 + i%3), 7, 9})
		shown(src, []hunt.Connection{c}, "", hunt.Fingerprint{Kind: hunt.NoServerName})
	}
	found := hunted(t, src, dwellOptions())
	require.Len(t, found, 1)
	f, ok := found["10.0.0.5>*:443/tcp#no-server-name"]
	require.True(t, ok, "%v", found)
	require.Equal(t, 600.0, *f.Beacon.Period)
	require.Len(t, f.Dwell.Also, 3)
}
