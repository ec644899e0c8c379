package scoring

import (
	"math"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"
)

// Expected values: scipy.stats.binom.logsf(k-1, n, q).
func TestLogBinomialTail(t *testing.T) {
	var sc Scorer
	for _, c := range []struct {
		k, n int
		q    float64
		want float64
	}{
		{10, 12, 0.25, -10.188226470897474},
		{19, 22, 0.3849, -12.164075487056904},
		{46, 46, 0.035, -154.21073200466526},
		{300, 1000, 0.1481, -77.37319933062204},
		{2000, 4000, 0.25, -579.3320572235015},
		{0, 5, 0.3, 0},
		{2, 10, 0.5, 0}, // below the mean: no evidence, so P = 1
	} {
		require.InDelta(t, c.want, sc.logBinomialTail(c.k, c.n, c.q), 1e-7*math.Abs(c.want)+1e-12, "k=%d n=%d q=%v", c.k, c.n, c.q)
	}
	require.True(t, math.IsInf(sc.logBinomialTail(6, 5, 0.5), -1))
	// Beyond what is kept of factorials it goes on.
	require.InDelta(t, sc.logBinomialTail(30_000, 65_535, 0.4), sc.logBinomialTail(30_001, 65_537, 0.4), 10)
}

// The largest mass of an exponential within a ratio, by search, against the closed form.
func TestTightnesses(t *testing.T) {
	for _, w := range tightnesses() {
		most := 0.0
		for a := 1e-3; a < 10; a += 1e-4 {
			most = max(most, math.Exp(-a)-math.Exp(-w.ratio*a))
		}
		require.InDelta(t, most, w.reach, 1e-7)
		require.InDelta(t, (w.ratio-1)/(w.ratio+1), w.jitter, 1e-15)
	}
}

// Expected values: ln(scipy.special.ive(0, x)) + x.
func TestLogBesselI0(t *testing.T) {
	for x, want := range map[float64]float64{0: 0, 0.5: 0.061549719185481355, 2: 0.8239935414829562, 3.7: 2.167751999143328, 3.8: 2.253067907348925, 10: 7.942972083118695, 100: 96.77973268994258} {
		require.InDelta(t, want, logBesselI0(x), 1e-6, "x=%v", x)
	}
}

// Expected values: the supremum by numerical search (scipy.optimize). Ours may be less, never more: it stays a bound.
func TestCosineRate(t *testing.T) {
	for c, want := range map[float64]float64{0.1: 0.010025139886036729, 0.3: 0.09213325122659533, 0.5: 0.268280794473821, 0.66: 0.5000975113815984, 0.9: 1.196304229259887, 0.99: 2.372430964386133} {
		got := cosineRate(c)
		require.LessOrEqual(t, got, want+1e-6, "c=%v", c)
		require.InEpsilon(t, want, got, 0.02, "c=%v", c)
	}
	require.False(t, math.IsInf(cosineRate(1), 0))
}

func TestCosine(t *testing.T) {
	for u := -0.5; u <= 0.5; u += 0.01 {
		require.InDelta(t, math.Cos(2*math.Pi*u), cosine(u), 2e-6, "u=%v", u)
	}
}

// The bound k!/x^k, in whole numbers.
func TestSteinhausTail(t *testing.T) {
	for _, x := range []int64{1, 2, 5, 20} {
		best := math.Inf(1)
		for k := int64(1); k <= 2*x; k++ {
			f, _ := new(big.Float).Quo(new(big.Float).SetInt(new(big.Int).MulRange(1, k)), new(big.Float).SetInt(new(big.Int).Exp(big.NewInt(x), big.NewInt(k), nil))).Float64()
			best = min(best, f)
		}
		require.InDelta(t, math.Log(best), steinhausTail(float64(x)), 1e-9, "x=%d", x)
	}
	require.Zero(t, steinhausTail(0.5))
}

func TestEntropy(t *testing.T) {
	require.Zero(t, entropy(""))
	require.Zero(t, entropy("aaaa"))
	require.InDelta(t, 1, entropy("abab"), 1e-12)
	require.InDelta(t, 4, entropy("0123456789abcdef"), 1e-12)
}
