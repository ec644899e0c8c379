package pairs

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// Connections are in order of their start, those of one start as before, also where the times do not fit into a number.
func TestOrder(t *testing.T) {
	var o Order
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		records := make([]Record, r.IntN(300))
		span := []int64{3, 1000, 86_400_000, 1 << 50, math.MaxInt64}[r.IntN(5)]
		for i := range records {
			records[i] = Record{Start: r.Int64N(span) - span/2, SrcPort: uint16(i)}
		}
		if len(records) > 1 && seed%3 == 0 {
			records[1].Start = records[0].Start
		}
		want := slices.Clone(records)
		slices.SortStableFunc(want, func(a, b Record) int { return cmp.Compare(a.Start, b.Start) })
		o.Sort(records)
		require.Equal(t, want, records, "%d", seed)
	}
}
