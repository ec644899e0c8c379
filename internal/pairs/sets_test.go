package pairs

import (
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// A set of numbers has what a map would have, in any order, in less than half of the memory.
func TestNumberSet(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{0, 1, fewestNew, 1000, 50_000} {
		var s numberSet
		want := map[uint32]struct{}{}
		for range size {
			n := r.Uint32N(uint32(3 * size))
			_, known := want[n]
			require.Equal(t, known, s.has(n))
			if !known {
				s.add(n)
				want[n] = struct{}{}
			}
		}
		require.Equal(t, slices.Sorted(maps.Keys(want)), slices.Sorted(slices.Values(s.list)))
		require.LessOrEqual(t, cap(s.list), len(s.list)+len(s.list)/4+8, "of %d", size)
	}
}

// Of too many addresses the lowest are kept, IPv4 before IPv6, whichever come first.
func TestAddressSet(t *testing.T) {
	var all []netip.Addr
	for i := range 2 * MaxAddresses {
		all = append(all, netip.AddrFrom4([4]byte{198, 51, byte(i >> 3), byte(i * 37)}), netip.AddrFrom16([16]byte{0x20, 0x01, 15: byte(i)}))
	}
	for _, of := range [][]netip.Addr{all[:10], all[:MaxAddresses+6], all} {
		want := slices.SortedFunc(slices.Values(of), netip.Addr.Compare)
		want = slices.Compact(want)
		want = want[:min(len(want), MaxAddresses)]
		for seed := range uint64(20) {
			r := rand.New(rand.NewPCG(seed, 3))
			var s addressSet
			for _, at := range append(r.Perm(len(of)), r.Perm(len(of))...) {
				s.add(of[at])
			}
			require.Equal(t, want, slices.Collect(s.all()))
		}
	}
	var s addressSet
	s.add(netip.MustParseAddr("::ffff:192.0.2.1"))
	s.add(netip.MustParseAddr("fe80::1%eth0"))
	require.Equal(t, []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("fe80::1")}, slices.Collect(s.all()))
}
