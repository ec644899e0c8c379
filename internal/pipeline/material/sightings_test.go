package material

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/internal/evidence/firstseen"
	"dwell/internal/hunt"
	"dwell/internal/pairs"
)

// Unanswered contacts are no sighting, and of what a host alone contacts a share is remembered: the most contacted.
func TestSightingsCannotBeFlooded(t *testing.T) {
	table := pairs.NewTable()
	inside, other := netip.MustParseAddr("10.0.0.9"), netip.MustParseAddr("10.0.0.8")
	to := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{203, 0, byte(113 + i/250), byte(i % 250)}) }
	add := func(src, dst netip.Addr, bytes int64, state hunt.State, times int) {
		for i := range times {
			table.Add([]hunt.Connection{{Start: int64(1000 + i), Count: 1, Src: src, Dst: dst, DstPort: 443, Proto: hunt.TCP, RespBytes: bytes, State: state}})
		}
	}
	for i := range 600 {
		add(inside, to(i), 100, hunt.StateOther, 1)
	}
	add(inside, to(7), 100, hunt.StateOther, 5)
	add(other, to(8), 100, hunt.StateOther, 1)
	add(inside, to(700), hunt.Absent, hunt.StateSilent, 3)
	add(inside, to(701), 0, hunt.StateRefused, 3)
	add(inside, to(702), 0, hunt.StateOther, 3) // as a scan looks like where no state is read
	seen := collect(table, hunt.Window{Start: hunt.At(0).Time, End: hunt.At(1 << 40).Time})
	require.Len(t, seen, 600)
	kept, notes := seen.share("destinations", 100)
	require.Len(t, kept, 101, "the share, and what somebody else contacted, too")
	require.Len(t, notes, 1)
	require.Contains(t, notes[0].What, "10.0.0.9 contacted 599 destinations")
	have := map[netip.Addr]firstseen.Span{}
	for i := range kept {
		have[kept[i].addr()] = kept[i].span
	}
	require.Equal(t, firstseen.Span{First: 1000, Last: 1004}, have[to(7)])
	require.Contains(t, have, to(8))
	all, none := seen.share("destinations", 1000)
	require.Len(t, all, 600)
	require.Empty(t, none)
}
