package pairs

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

var (
	client = netip.MustParseAddr("10.0.0.1")
	first  = netip.MustParseAddr("203.0.113.1")
	second = netip.MustParseAddr("203.0.113.2")
)

func conn(dst netip.Addr, start int64, srcPort uint16, size int64) hunt.Connection {
	return hunt.Connection{Start: start, Src: client, Dst: dst, SrcPort: srcPort, DstPort: 443, Proto: hunt.TCP, OrigIPBytes: size, Count: 1}
}

func named1(dst netip.Addr, start int64, srcPort uint16, name string) hunt.NameRecord {
	return hunt.NameRecord{Start: start, Src: client, Dst: dst, SrcPort: srcPort, DstPort: 443, Kind: hunt.TLS, Name: name, Count: 1}
}

// series gives the starts and sizes under each name.
func series(d *Named) map[string][][2]int64 {
	out := map[string][][2]int64{}
	d.Table.Walk(func(_ int, p *Pair) {
		for _, c := range p.Connections {
			out[d.Name(p.Dst)] = append(out[d.Name(p.Dst)], [2]int64{c.Start, c.OrigIPBytes})
		}
	})
	return out
}

func TestNamesJoinTheNearestConnection(t *testing.T) {
	table, names := NewTable(), NewNames(Budget{})
	table.Add([]hunt.Connection{
		conn(first, 1_000_000, 5000, 100),
		conn(first, 2_000_000, 5000, 200), // the same ports again, later
		conn(second, 1_500_000, 6000, 300),
		conn(second, 1_600_000, 6001, 400), // nobody named it
	})
	names.Add([]hunt.NameRecord{
		named1(first, 1_000_120, 5000, "a.example"),
		named1(first, 2_000_110, 5000, "a.example"),
		named1(first, 2_100_000, 5000, "a.example"), // a later request on the same connection counts once
		named1(first, 2_100_500, 5000, "b.example"), // another name on it counts for both
		named1(second, 1_500_090, 6000, "a.example"),
		named1(second, 1_700_000, 7000, "c.example"),  // no such connection: it stands at its own time
		named1(second, 1_700_000, 7000, ""),           // names nobody
		named1(first, 1_000_120, 5000, "203.0.113.1"), // nor does an address
		named1(first, 1_000_120, 5000, "2001:db8::1"),
	})
	d := names.Join(table)
	require.Equal(t, map[string][][2]int64{
		"a.example": {{1_000_000, 100}, {1_500_000, 300}, {2_000_000, 200}},
		"b.example": {{2_000_000, 200}},
		"c.example": {{1_700_000, hunt.Absent}},
	}, series(d))
	require.Equal(t, int64(1), d.Unjoined)
	list, count := under(d, "a.example").Addresses()
	require.Equal(t, []netip.Addr{first, second}, list, "the address most used comes first")
	require.Equal(t, 2, count)
	require.Equal(t, uint8(1<<hunt.TLS), under(d, "a.example").Kinds())
}

func TestNamesWithoutAnyConnection(t *testing.T) {
	names := NewNames(Budget{})
	names.Add([]hunt.NameRecord{named1(first, 1000, 1, "x.example"), named1(first, 2000, 2, "x.example")})
	d := names.Join(NewTable())
	require.Equal(t, map[string][][2]int64{"x.example": {{1000, hunt.Absent}, {2000, hunt.Absent}}}, series(d))
	require.Equal(t, int64(2), d.Unjoined)
}

func TestConnectCountsForTheHostAskedFor(t *testing.T) {
	proxy := netip.MustParseAddr("10.0.0.250")
	table, names := NewTable(), NewNames(Budget{})
	c := conn(proxy, 5000, 4444, 900)
	c.DstPort = 3128
	table.Add([]hunt.Connection{c})
	names.Add([]hunt.NameRecord{{Start: 5010, Src: client, Dst: proxy, SrcPort: 4444, DstPort: 3128, Kind: hunt.Connect, Name: "evil.example", Port: 443, Count: 1}})
	d := names.Join(table)
	d.Table.Walk(func(_ int, p *Pair) {
		require.Equal(t, "evil.example", d.Name(p.Dst))
		require.Equal(t, uint16(443), p.Ports[0].Number)
		require.Equal(t, int64(900), p.Connections[0].OrigIPBytes)
	})
	require.Equal(t, uint8(1<<hunt.Connect), under(d, "evil.example").Kinds())
}

func TestUIDSettlesWhatPortsCannot(t *testing.T) {
	table, names := NewTable(), NewNames(Budget{})
	one, two := conn(first, 1000, 5000, 100), conn(first, 1900, 5000, 200) // the same ports twice within a second
	one.UID, two.UID = hunt.NewUID([]byte("Cone")), hunt.NewUID([]byte("Ctwo"))
	table.Add([]hunt.Connection{one, two})
	late := named1(first, 1950, 5000, "a.example") // written after the second began, but of the first
	late.UID = one.UID
	names.Add([]hunt.NameRecord{late, named1(first, 1960, 5000, "b.example")})
	require.Equal(t, map[string][][2]int64{"a.example": {{1000, 100}}, "b.example": {{1900, 200}}}, series(names.Join(table)))
}

// A name longer than any that DNS has costs no more than that, and nothing of the text that it is part of is kept.
func TestLongNamesAreCut(t *testing.T) {
	long := strings.Repeat("a", 60_000) + ".example"
	require.Len(t, cut(long), longestName)
	require.Equal(t, "a.example", cut("a.example"))
}

// under is the client's pair with a name.
func under(d *Named, name string) *Pair {
	out := &Pair{}
	d.Table.WalkSources(func(_ int, src netip.Addr, of *Of) {
		for i := range of.Len() {
			if src == client && of.Dst(i) == stand(name) {
				of.Decode(i, out)
			}
		}
	})
	return out
}

// What was reached under a name goes to disk with the pair, of whatever kind the addresses are.
func TestUsesAreKeptWithThePair(t *testing.T) {
	long := []netip.Addr{netip.MustParseAddr("2001:db8::9"), netip.MustParseAddr("2001:db8::1")}
	for _, budget := range []int64{0, 1} {
		table, names := NewTableWithin(Budget{Bytes: budget, Folder: t.TempDir()}), NewNames(Budget{})
		for i, dst := range []netip.Addr{long[0], first, long[1], long[0], second} {
			c := conn(dst, int64(i)*1_000_000, uint16(5000+i), 100)
			table.Add([]hunt.Connection{c})
			names.Add([]hunt.NameRecord{named1(dst, c.Start+10, c.SrcPort, "a.example"), named1(dst, c.Start+20, c.SrcPort, "a.example")})
		}
		web := named1(first, 1_000_030, 5001, "a.example")
		web.Kind = hunt.HTTP
		names.Add([]hunt.NameRecord{web})
		d := names.Join(table)
		require.Equal(t, []Use{{first, 1}, {second, 1}, {long[1], 1}, {long[0], 2}}, under(d, "a.example").Uses())
		require.Equal(t, uint8(1<<hunt.TLS|1<<hunt.HTTP), under(d, "a.example").Kinds())
		require.NoError(t, d.Close())
		require.NoError(t, table.Close())
	}
}
