package hunt

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

// A million ended connections are all known, and of as many others fewer than one in 250 over the
// four seconds that are looked up.
func TestEnded(t *testing.T) {
	var e Ended
	conn := func(i int) Connection {
		return Connection{Src: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), Dst: netip.MustParseAddr("203.0.113.9"),
			SrcPort: uint16(i >> 4), DstPort: 443, Start: 1_700_000_000_000 + int64(i)*80}
	}
	require.False(t, e.Around(&Connection{Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("203.0.113.9")}, 0))
	for i := range 1_000_000 {
		e.Add([]Connection{conn(i)})
	}
	wrong := 0
	for i := range 1_000_000 {
		c := conn(i)
		c.Start += 2000
		if !e.Around(&c, 2000) {
			t.Fatalf("connection %d is not known", i)
		}
		c.DstPort++
		if e.Around(&c, 2000) {
			wrong++
		}
	}
	require.Less(t, wrong, 4000)
	c := conn(7)
	c.Start += 4000
	require.False(t, e.Around(&c, 2000), "it began before")
	open := Connection{Src: netip.MustParseAddr("10.1.1.1"), Dst: c.Dst, SrcPort: 9, DstPort: 443, State: StateOpen, Start: c.Start}
	e.Add([]Connection{open})
	require.False(t, e.Around(&open, 0), "an open one has not ended")
}

// A million uids are all known, for a day after their start, and of as many others fewer than one in 200.
func TestEndedUIDs(t *testing.T) {
	var e EndedUIDs
	conn := func(i int) Connection {
		return Connection{UID: NewUID(fmt.Appendf(nil, "C%09d", i)), Start: 1_700_000_000_000 + int64(i)*80}
	}
	for i := range 1_000_000 {
		e.Add([]Connection{conn(i)})
	}
	wrong := 0
	for i := range 1_000_000 {
		c := conn(i)
		c.Start += 3_600_000
		if !e.Has(&c) {
			t.Fatalf("connection %d is not known", i)
		}
		c = conn(i + 1_000_000)
		c.Start -= 80 * 1_000_000
		if e.Has(&c) {
			wrong++
		}
	}
	require.Less(t, wrong, 5000)
	open := conn(1_000_001)
	open.State = StateOpen
	e.Add([]Connection{open, {Start: open.Start}})
	require.False(t, e.Has(&open), "an open one has not ended")
	require.False(t, e.Has(&Connection{Start: open.Start}), "no uid is none")
}
