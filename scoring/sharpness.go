package scoring

import (
	"math"
	"sync"
)

// sharpMost is the largest number of other intervals that sharpness is computed for; with more it is lower.
const sharpMost = 64

// sharpness is ln of a factor, at most 1, by the number k of other intervals, for the chance that all lie within a
// ratio above one of them. Each may reach the largest share only for that one's most favorable length, and it has that
// length by chance: the chance is the integral over its logarithm of its density, which has a maximum, times the
// others' shares. Where their rates differ, Hölder's inequality bounds that by the integral for equal rates.
type sharpness [sharpMost + 1]float64

// newSharpness computes it. density is the largest density of the logarithm of an interval, mass the share of intervals
// that lie within the ratio above x, reach the largest one.
func newSharpness(density, reach float64, mass func(x float64) float64) (out sharpness) {
	const step, margin = 0.02, 1.001 // the trapezoidal rule is exact to less than the margin
	for l := -16.0; l < 6; l += step {
		q := mass(math.Exp(l)) / reach
		product := step * density * margin
		for k := 1; k <= sharpMost; k++ {
			product *= q
			out[k] += product
		}
	}
	for k := 1; k <= sharpMost; k++ {
		out[k] = min(0, math.Log(out[k]))
	}
	return out
}

// intervalSharpness is for exponential intervals, and so for mixtures of them: the logarithm of one has a density of at
// most 1/e.
var intervalSharpness = sync.OnceValue(func() *[6]sharpness {
	var out [6]sharpness
	widths := tightnesses()
	for i, t := range append(widths[:], exactly) {
		out[i] = newSharpness(1/math.E, t.reach, func(x float64) float64 { return math.Exp(-x) - math.Exp(-t.ratio*x) })
	}
	return &out
})

// logPairs bounds ln P that k or more of m others lie within the ratio above any one of the m+1: by the number of such
// choices, and by the binomial tail given the best length of the one. sharp is ln of the factor for k.
func (sc *Scorer) logPairs(k, m int, reach float64, sharp *sharpness) float64 {
	tail := sc.logBinomialTail(k, m, reach)
	if tail < 0 {
		choices := sc.logFactorial(m) - sc.logFactorial(k) - sc.logFactorial(m-k)
		tail = min(tail, choices+float64(k)*math.Log(reach)+sharp[min(k, sharpMost)])
	}
	return min(0, math.Log(float64(m+1))+tail)
}

// fewestPairs is at most the smallest k for which logPairs is highest or less. Instead of the binomial tail it takes its
// first term, which costs no loop; beyond the mean that falls with k.
func (sc *Scorer) fewestPairs(m int, reach float64, sharp *sharpness, highest float64) int {
	const rounded = 1e-9
	if highest >= 0 {
		return 0
	}
	in, out := math.Log(reach), math.Log1p(-reach)
	all := math.Log(float64(m+1)) + sc.logFactorial(m) - rounded
	low, high := int(reach*float64(m))+1, m+1 // the first one that may suffice is among these
	for low < high {
		k := (low + high) / 2
		if all-sc.logFactorial(k)-sc.logFactorial(m-k)+float64(k)*in+min(float64(m-k)*out, sharp[min(k, sharpMost)]) <= highest {
			high = k
		} else {
			low = k + 1
		}
	}
	return low
}
