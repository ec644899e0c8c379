package scoring

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestShortcutsMissNothing holds what is skipped as hopeless to the whole computation.
func TestShortcutsMissNothing(t *testing.T) {
	var sc Scorer
	lattices, folds, windows := 0, 0, 0
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 9))
		n := 20 + r.IntN(200)
		period := []float64{10, 60, 120, 300, 600}[r.IntN(5)] * second
		share, width := r.Float64(), 0.3*r.Float64() // of the connections, and of the period, that keep to it
		times, at := make([]int64, n), 0.0
		for i := range times {
			step := r.ExpFloat64() * 400 * second
			if r.Float64() < share {
				step = period * (float64(1+r.IntN(4)) + width*(r.Float64()-0.5))
				if seed%2 == 0 {
					step = (math.Round(at/period)+float64(1+r.IntN(2))+width*r.Float64())*period - at
				}
			}
			at += max(step, 1)
			times[i] = int64(at)
		}
		slices.Sort(times)
		sc.load(times)
		for _, p := range []int64{600, 300, 120, 60, 10} {
			if l, ok := lattice(sc.beyond(latticeBurst), p*second); ok && l.logP <= clockReach {
				lattices++
				require.True(t, perhapsLattice(sc.beyond(latticeBurst), p*second), "%d: %d s", seed, p)
			}
		}
		events := sc.collapse(clockBurst)
		for _, p := range []int64{900, 600, 300, 120, 60} {
			periods := int(events[len(events)-1]/(p*second)-events[0]/(p*second)) + 1
			sc.phases(events, p*second)
			for _, h := range []float64{0.01, 0.03, 0.1, 0.2} {
				hits, chance := sc.fold(h)
				if sc.logBinomialTail(hits, periods, chance/float64(periods))+math.Log(foldPeriods*foldWidths*2/h) <= clockReach {
					folds++
					require.True(t, sc.perhapsFold(h, periods), "%d: %g of %d s", seed, h, p)
				}
			}
		}
		lengths := lessBurst(nil, sc.intervals, 0)
		for _, width := range tightnesses() {
			all := sc.densest(lengths, width, math.Inf(1))
			for _, highest := range []float64{-1, modeLogP, -40} {
				got := sc.densest(lengths, width, highest)
				if all.logP <= highest {
					windows++
					require.Equal(t, all, got, "%d", seed)
				} else {
					require.True(t, got.k < 2 || got.logP > highest, "%d", seed)
				}
			}
		}
	}
	require.Greater(t, min(lattices, folds, windows), 300, "%d, %d, %d", lattices, folds, windows)
}
