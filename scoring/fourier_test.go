package scoring

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPowers compares with the sum of the definition.
func TestPowers(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for n := 4; n <= 512; n *= 2 {
		x := make([]float64, n)
		for i := range x {
			x[i] = r.Float64()
		}
		got := make([]float64, n/2+1)
		plan := newTransform(n)
		for range 2 { // it reuses its memory
			plan.powers(got, x)
		}
		for k := range got {
			var re, im float64
			for j, v := range x {
				sin, cos := math.Sincos(2 * math.Pi * float64(j*k%n) / float64(n))
				re, im = re+v*cos, im+v*sin
			}
			require.InDelta(t, re*re+im*im, got[k], 1e-9*float64(n), "%d of %d", k, n)
		}
	}
}
