package scoring

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// Sorting by digits gives what comparing gives, for every length about the one at which it begins, and keeps the places
// of equal intervals in order.
func TestSortDigits(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	var scratch []int64
	var gapScratch []intervalOrder
	for range 400 {
		n := 1 + r.IntN(3*radixFrom)
		ints, gaps := make([]int64, n), make([]intervalOrder, n)
		most := int64(1) << (1 + r.IntN(61))
		for i := range n {
			ints[i] = r.Int64N(most)
			gaps[i] = intervalOrder(uint64(r.Int64N(min(most, longestInterval)))<<placeBits | uint64(i))
		}
		wantInts, wantGaps := slices.Sorted(slices.Values(ints)), slices.Sorted(slices.Values(gaps))
		scratch = sortDigits(ints, scratch, 0)
		gapScratch = sortDigits(gaps, gapScratch, placeBits)
		require.Equal(t, wantInts, ints)
		require.Equal(t, wantGaps, gaps)
	}
}
