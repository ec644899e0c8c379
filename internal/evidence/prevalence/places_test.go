package prevalence

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
	"dwell/internal/pairs"
)

// TestPlacesOfADomainAreKeptOnce: what a look at a name needs does not grow with the places of its domain. Kept for each name, 20,000 names of a
// domain at 1,000 networks took 13 GB.
func TestPlacesOfADomainAreKeptOnce(t *testing.T) {
	const names, networks = 300, 2000
	uses := pairs.NewNames()
	src, dst := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("203.0.113.7")
	var batch []hunt.NameRecord
	for i := range names {
		batch = append(batch, hunt.NameRecord{Start: int64(i), Src: src, Dst: dst, DstPort: 443, Name: fmt.Sprintf("www%d.example.com", i), Count: 1})
	}
	uses.Add(batch)
	named := uses.Join(pairs.NewTable())
	domain, ok := domainOf("www1.example.com")
	require.True(t, ok)
	below := map[netip.Prefix][]place{}
	for i := range networks {
		net := hunt.NetworkOf(netip.AddrFrom4([4]byte{20, byte(i >> 8), byte(i), 1}))
		below[net] = append(below[net], place{net: net, port: 443})
	}
	p := &Count{reached: map[party]*reach{domain: newReach()}}
	places := map[string]map[netip.Prefix][]place{hunt.Below(domain.domain): below}
	var s scratch
	var ids []netip.Addr
	named.Table.WalkSources(func(_ int, _ netip.Addr, of *pairs.Of) {
		for i := range of.Len() {
			ids = append(ids, of.Dst(i))
		}
	})
	require.Len(t, ids, names)
	at := 0
	allocated := testing.AllocsPerRun(names-2, func() {
		l := p.look(&s, named, ids[at], places)
		require.Len(t, l.places[1], networks)
		at++
	})
	require.Less(t, allocated, 20.0, "allocations a name")
}
