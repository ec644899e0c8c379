package pairs

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

func TestFingerprintsJoinConnectionsToManyDestinations(t *testing.T) {
	ja3 := hunt.Fingerprint{Kind: hunt.JA3, Value: "e7d705a3286e19ea42f587b344ee6865"}
	table, names := NewTable(), NewNames(Budget{})
	show := func(src, dst netip.Addr, i int, name string, print hunt.Fingerprint) {
		c, r := conn(dst, int64(i)*1_000_000, uint16(5000+i), int64(100+i)), named1(dst, int64(i)*1_000_000+90, uint16(5000+i), name)
		c.Src, r.Src, r.Fingerprint = src, src, print
		table.Add([]hunt.Connection{c})
		names.Add([]hunt.NameRecord{r, r}) // a second record on the same connection counts once
	}
	for i := range 6 {
		dst := []netip.Addr{first, second}[i/4]
		show(client, dst, i, []string{"", "a.example"}[i%2], ja3)
		show(client, first, 100+i, "", hunt.Fingerprint{Kind: hunt.JA4, Value: "t13 one destination"})
		show(client, dst, 200+i, "", hunt.Fingerprint{Kind: hunt.JA3, Value: "shuffled " + string(rune('a'+i))})
		show(client, dst, 300+i, "b.example", hunt.Fingerprint{})
	}
	other := netip.MustParseAddr("10.0.0.2")
	for i := range 2 {
		show(other, second, i, "", ja3) // too few to be followed, but a host that shows it
	}
	d := names.Join(table)
	pairs := 0
	d.Prints.Walk(func(_ int, p *Pair) {
		pairs++
		require.Equal(t, Print{Fingerprint: ja3, Port: 443, Hosts: 2}, d.Print(p.Dst))
		require.Equal(t, client, p.Src)
		require.Equal(t, []Use{{first, 4}, {second, 2}}, p.Uses())
		list, count := p.Addresses()
		require.Equal(t, []netip.Addr{first, second}, list)
		require.Equal(t, 2, count)
		require.Len(t, p.Connections, 6)
		for i, c := range p.Connections {
			require.Equal(t, int64(i)*1_000_000, c.Start)
			require.Equal(t, int64(100+i), c.OrigIPBytes)
		}
	})
	require.Equal(t, 1, pairs)
	require.Len(t, series(d)["a.example"], 3, "names are joined as ever")
	require.Len(t, series(d)["b.example"], 6)
}

func TestTextsOfFingerprintsSeenOnceAreNotKept(t *testing.T) {
	p := newPrints()
	once, twice := hunt.Fingerprint{Kind: hunt.JA3, Value: "once"}, hunt.Fingerprint{Kind: hunt.JA3, Value: "twice"}
	require.Zero(t, p.number(hunt.Fingerprint{}))
	require.NotZero(t, p.number(once))
	require.Equal(t, p.number(twice), p.number(twice))
	require.Len(t, p.of, 1)
	require.Len(t, p.once, 1)
	require.Equal(t, twice, p.of[p.number(twice)])
}

// A fingerprint in more than MaxPrinted records is left alone and counted; so often to one destination it is that pair,
// and in just MaxPrinted it is followed.
func TestBusyFingerprintsAreCounted(t *testing.T) {
	n := NewNames(Budget{})
	show := func(src string, f hunt.Fingerprint, records, destinations int) {
		var batch []hunt.NameRecord
		for i := range records {
			batch = append(batch, hunt.NameRecord{Start: int64(i), Src: netip.MustParseAddr(src), Dst: netip.AddrFrom4([4]byte{203, 0, 113, byte(i % destinations)}),
				SrcPort: uint16(i), DstPort: 443, Kind: hunt.TLS, Fingerprint: f, Count: 1})
		}
		n.Add(batch)
	}
	busy, quiet, one := hunt.Fingerprint{Kind: hunt.JA4, Value: "busy"}, hunt.Fingerprint{Kind: hunt.JA4, Value: "quiet"}, hunt.Fingerprint{Kind: hunt.JA4, Value: "one"}
	show("10.0.0.1", busy, MaxPrinted+1, 3)
	show("10.0.0.2", quiet, MaxPrinted, 3)
	show("10.0.0.3", one, MaxPrinted+1, 1)
	named := n.Join(NewTable())
	require.Equal(t, Busy{Fingerprints: 1, Records: MaxPrinted + 1}, named.Busy)
	require.Len(t, named.prints, 1)
}
