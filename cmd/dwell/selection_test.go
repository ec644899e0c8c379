package main

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

func TestMoment(t *testing.T) {
	now := time.Date(2026, 11, 22, 15, 30, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"2026-11-20T10:00:00Z": "2026-11-20T10:00:00Z", "2026-11-20T10:00:00+02:00": "2026-11-20T08:00:00Z", "2026-11-20 10:00": "2026-11-20T10:00:00Z",
		"2026-11-20": "2026-11-20T00:00:00Z", "today": "2026-11-22T00:00:00Z", "yesterday": "2026-11-21T00:00:00Z", "24h": "2026-11-21T15:30:00Z", "-7d": "2026-11-15T15:30:00Z",
	} {
		got, err := moment(text, now)
		require.NoError(t, err, text)
		require.Equal(t, want, got.Format(time.RFC3339), text)
	}
	_, err := moment("last week", now)
	require.ErrorContains(t, err, "yesterday")
}

func TestPick(t *testing.T) {
	f := &hunt.Finding{Source: hunt.Originator{IP: netip.MustParseAddr("10.1.4.22")}, Destination: hunt.Destination{IP: netip.MustParseAddr("203.0.113.7"), Domain: "cdn.evil.example"},
		Dwell: hunt.Dwell{Evidence: &hunt.Evidence{Addresses: []netip.Addr{netip.MustParseAddr("198.51.100.9")}}}}
	for _, c := range []struct {
		source, destination string
		want                bool
	}{
		{"", "", true}, {"10.1.4.0/24", "", true}, {"10.1.5.0/24", "", false}, {"", "203.0.113.7", true}, {"", "198.51.100.0/24", true},
		{"", "evil.example", true}, {"", "*.evil.example", true}, {"", "vil.example", false}, {"10.1.4.22", "192.0.2.1", false},
	} {
		p := pick{source: c.source, destination: c.destination}
		require.NoError(t, p.settle())
		require.Equal(t, c.want, p.has(f), c)
	}
	require.ErrorContains(t, (&pick{destination: "AS64500"}).settle(), "not an address")
}
