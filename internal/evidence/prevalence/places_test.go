package prevalence

import (
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
	"dwell/internal/pairs"
)

// A host may forge a name at any number of networks, and many hosts one domain. With 20,000 names at 1,000 networks, a
// set per network and name took 13 GB, and the next design 300 bytes per place.
func TestPlacesCostLittle(t *testing.T) {
	const hosts, networks = 20, 20_000
	var all []*Candidate
	for h := range hosts {
		c := &Candidate{PairKey: hunt.PairKey{Src: netip.MustParseAddr(fmt.Sprintf("10.0.0.%d", h+1)), Name: hunt.Below("example.com"), Port: 443}, Port: pairs.Port{Number: 443}}
		for i := range networks {
			c.Uses = append(c.Uses, pairs.Use{Addr: netip.AddrFrom4([4]byte{20 + byte(h), byte(i >> 8), byte(i), 1}), Connections: 1})
		}
		all = append(all, c)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	p := Of(slices.Values(all), Contacts{Addresses: pairs.NewTable(), Window: 24 * time.Hour, IsInternal: inside.Contains}, 0.2)
	runtime.ReadMemStats(&after)
	require.Less(t, float64(after.TotalAlloc-before.TotalAlloc)/(hosts*networks), 24.0, "bytes a place")
	require.Zero(t, p.shared(all[0]))
}

// Each voucher counts once, the candidate's own host as one, and unknown hosts do not count.
func TestVouchersOfAPlace(t *testing.T) {
	at, other := place{net: netip.MustParsePrefix("203.0.113.0/24"), port: 443}, place{net: netip.MustParsePrefix("203.0.113.0/24"), port: 80}
	p := &Count{numbers: map[netip.Addr]uint32{}, known: map[uint32]struct{}{}}
	for i := range 5 {
		n := p.number(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}))
		if i < 4 {
			p.known[n] = struct{}{}
		}
		p.vouching = append(p.vouching, voucher{at.hash(), n}, voucher{at.hash(), n})
	}
	p.settle()
	require.EqualValues(t, 4, p.vouch(at, netip.MustParseAddr("10.0.0.1")), "one of four")
	require.EqualValues(t, 5, p.vouch(at, netip.MustParseAddr("10.0.0.4")), "not known itself")
	require.EqualValues(t, 5, p.vouch(at, netip.MustParseAddr("10.0.9.9")), "never met")
	require.EqualValues(t, 1, p.vouch(other, netip.MustParseAddr("10.0.0.1")), "another port")
}

// No member is missed, and almost no other value is taken for one.
func TestSketch(t *testing.T) {
	const members = 100_000
	s := NewSketch(members)
	for i := range uint64(members) {
		s.Add(mix(i + 1))
	}
	wrong := 0
	for i := range uint64(members) {
		require.True(t, s.Has(mix(i+1)))
		if s.Has(mix(i + members + 1)) {
			wrong++
		}
	}
	require.Less(t, wrong, members/500)
}
