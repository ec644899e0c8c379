package who

import (
	"context"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
	"dwell/internal/pipeline/material"
)

// Hosts whose names are not looked up are reported, with their number.
func TestUnnamedHostsAreReported(t *testing.T) {
	asked := 0
	m := &material.Material{Session: &hunt.Session{Hosts: func(_ context.Context, _ hunt.Request, addrs []netip.Addr, _ bool) (map[netip.Addr]*hunt.HostLogs, hunt.Remarks, error) {
		asked = len(addrs)
		return nil, hunt.Remarks{}, nil
	}}}
	p := &Page{}
	for i := range maxNamed + 7 {
		p.Hosts = append(p.Hosts, Host{IP: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})})
	}
	remarks, err := p.name(t.Context(), m)
	require.NoError(t, err)
	require.Equal(t, maxNamed, asked)
	require.Equal(t, []hunt.Note{{What: "names were looked up for the 1,000 hosts with the most connections, of 1,007"}}, remarks.Notes)

	p.Hosts = p.Hosts[:maxNamed]
	remarks, err = p.name(t.Context(), m)
	require.NoError(t, err)
	require.Empty(t, remarks.Notes)
}
