package pairs

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

// TestStatesAreKept: whether a connection was answered comes back with it, out of memory and off the disk, and under
// the name that was said in it; it changes nothing of its source port, up to the highest.
func TestStatesAreKept(t *testing.T) {
	states := []hunt.State{hunt.StateSilent, hunt.StateOther, hunt.StateRefused}
	src, dst := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("203.0.113.7")
	for _, bytes := range []int64{0, 1} {
		table := NewTableWithin(Budget{Bytes: bytes, Folder: t.TempDir()})
		names := NewNames(Budget{})
		for i := range 300 {
			c := hunt.Connection{Start: int64(i) * 60_000, Src: src, Dst: dst, SrcPort: uint16(65_535 - i), DstPort: uint16(443 + i%2), Proto: hunt.TCP, Count: 1, State: states[i%3]}
			table.Add([]hunt.Connection{c})
			names.Add([]hunt.NameRecord{{Start: c.Start, Src: src, Dst: dst, SrcPort: c.SrcPort, DstPort: c.DstPort, Name: "x.example", Count: 1}})
		}
		require.Equal(t, bytes > 0, table.Spilled() > 0)
		check := func(name string, of *Table) {
			seen := 0
			of.Walk(func(_ int, p *Pair) {
				for i, c := range p.Connections {
					require.Equal(t, states[i%3], c.State, "%s %d", name, i)
					require.Equal(t, uint16(65_535-i), c.SrcPort)
					seen++
				}
			})
			require.Equal(t, 300, seen, name)
		}
		check(fmt.Sprintf("pairs within %d bytes", bytes), table)
		named := names.Join(table)
		check("names", named.Table)
		require.NoError(t, named.Close())
		require.NoError(t, table.Close())
		require.NoError(t, table.Err())
	}
}
