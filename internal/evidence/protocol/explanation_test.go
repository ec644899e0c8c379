package protocol

import (
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
	"dwell/internal/pairs"
	"dwell/scoring"
)

// The keep-alives of a call or tunnel are explained by their size and rate; the port alone, which the client chooses,
// explains nothing.
func TestKeepAlives(t *testing.T) {
	const day = 86400.0
	for name, c := range map[string]struct {
		port           uint16
		service        string
		connections    int64
		out, in        int64
		lasted, period float64
		share          float64
		explained      bool
	}{
		"STUN every 30 s":                    {port: 3478, connections: 2800, out: 2800 * 20, in: 2800 * 32, period: 30, share: 1, explained: true},
		"STUN that Zeek names":               {port: 3479, service: "spicy_stun", connections: 280, out: 280 * 20, in: 280 * 32, period: 30, share: 1, explained: true},
		"a tunnel with nothing to say":       {port: 51820, connections: 1, out: 3456*32 + 720*148, in: 720 * 92, lasted: day, explained: true},
		"a tunnel that carries something":    {port: 51820, connections: 1, out: 40 << 20, in: 80 << 20, lasted: day},
		"large messages on the port":         {port: 3478, connections: 280, out: 280 * 400, in: 280 * 32, period: 300, share: 1},
		"large answers on the port":          {port: 3478, connections: 280, out: 280 * 40, in: 280 * 900, period: 300, share: 1},
		"messages of many sizes":             {port: 3478, connections: 280, out: 280 * 60, in: 280 * 60, period: 300, share: 0.4},
		"another port":                       {port: 4444, connections: 2800, out: 2800 * 20, in: 2800 * 32, period: 30, share: 1},
		"another protocol on the port":       {port: 3478, service: "ssl", connections: 2800, out: 2800 * 20, in: 2800 * 32, period: 30, share: 1},
		"faster than keep-alives have to be": {port: 3478, connections: 2800, out: 2800 * 20, in: 2800 * 32, period: 2, share: 1, lasted: 2800},
		"nobody answers":                     {port: 3478, connections: 2800, out: 2800 * 20, period: 30, share: 1},
	} {
		t.Run(name, func(t *testing.T) {
			f := hunt.Finding{Network: hunt.Network{Connections: c.connections}, Client: hunt.Bytes{Bytes: c.out}, Server: hunt.Bytes{Bytes: c.in}}
			f.Dwell.Connection.Total = c.lasted
			k := Spoken{Port: pairs.Port{Number: c.port, Proto: hunt.UDP, Service: c.service}, Period: c.period, Size: scoring.SizeScore{Known: int(c.connections), Share: c.share}}
			what := k.conforms(&f)
			require.Equal(t, c.explained, what != "", what)
		})
	}
}
