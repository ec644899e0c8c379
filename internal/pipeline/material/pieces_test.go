package material

import (
	"context"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

// What Zeek logged in pieces is one connection per silence of five minutes, in whatever order the pieces come.
func TestPieces(t *testing.T) {
	const minute = 60_000
	middle := func(start, duration int64, port uint16) hunt.Connection {
		return hunt.Connection{Start: start, Duration: duration, OrigBytes: 10, RespBytes: hunt.Absent, OrigIPBytes: 50, Count: 1, State: hunt.StateMiddle,
			Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("203.0.113.9"), SrcPort: port, DstPort: 443, Proto: hunt.TCP}
	}
	whole := middle(7*minute, 1000, 5000)
	whole.State = hunt.StateOther
	in := &hunt.Session{Connections: func(_ context.Context, _ hunt.Request, emit func([]hunt.Connection) error) (hunt.Reading, error) {
		for _, batch := range [][]hunt.Connection{
			{middle(8*minute, 2000, 5000), middle(20*minute, hunt.Absent, 5000), whole},
			{middle(0, hunt.Absent, 5000), middle(4*minute, 0, 5000), middle(4*minute, 0, 5001)},
		} {
			if err := emit(batch); err != nil {
				return hunt.Reading{}, err
			}
		}
		return hunt.Reading{Connections: 6}, nil
	}}
	var got []hunt.Connection
	reading, err := connections(t.Context(), in, hunt.Request{}, func(batch []hunt.Connection) error {
		got = append(got, batch...)
		return nil
	})
	require.NoError(t, err)
	joined := middle(0, 8*minute+2000, 5000)
	joined.OrigBytes, joined.OrigIPBytes = 30, 150
	late, other := middle(20*minute, hunt.Absent, 5000), middle(4*minute, 0, 5001)
	for _, c := range []*hunt.Connection{&joined, &late, &other} {
		c.State = hunt.StateOther
	}
	require.Equal(t, []hunt.Connection{whole, joined, other, late}, got)
	require.EqualValues(t, 4, reading.Connections)
	require.Contains(t, reading.Notes[0].What, "pieces of one connection whose beginning Zeek missed, and count as one with the others: 2")
}
