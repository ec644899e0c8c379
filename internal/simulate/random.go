package simulate

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
	"sort"
)

// dice is one actor's randomness. Every method gives the same value for the same state on every host: curves come from
// tables rounded far above the last bit, and products are rounded before an addition (a compiler may otherwise fuse the
// two).
type dice struct{ *rand.Rand }

// newDice is the randomness of the named actor with this seed.
func newDice(seed uint64, name string) dice {
	h := fnv.New64a()
	h.Write([]byte(name))
	return dice{rand.New(rand.NewPCG(seed*0x9e3779b97f4a7c15+0x632be59bd9b4e019, h.Sum64()))}
}

const (
	cellBits = 12
	cells    = 1 << cellBits
	// grain is the precision to which table values are rounded.
	grain = 1 << 30
)

func table(n int, f func(u float64) float64) []float64 {
	t := make([]float64, n)
	for i := range t {
		t[i] = math.Round(f(float64(i))*grain) / grain
	}
	return t
}

// The tables are constant.
var (
	// expTable has the quantiles of the exponential distribution with mean 1; the last cell ends at its mean excess.
	expTable = table(cells+1, func(i float64) float64 { return -math.Log1p(-min(i, cells-0.3) / cells) })
	// normalTable has the quantiles of the standard normal distribution, cut at about 3.6.
	normalTable = table(cells+1, func(i float64) float64 {
		u := min(max(i, 0.6), cells-0.6) / cells
		return math.Sqrt2 * math.Erfinv(2*u-1)
	})
	// powTable has 2^(i/1024).
	powTable = table(1025, func(i float64) float64 { return math.Exp2(i / 1024) })
)

// quantile draws from a table by linear interpolation.
func (d dice) quantile(t []float64) float64 {
	u := d.Uint64()
	i := u >> (64 - cellBits)
	part := float64(u<<cellBits>>11) / (1 << 53)
	return t[i] + float64(part*(t[i+1]-t[i]))
}

// pow2 is 2^x within 1e-7, identical on every host.
func pow2(x float64) float64 {
	whole := math.Floor(x)
	fine := (x - whole) * 1024
	i := int(fine)
	v := powTable[i] + float64((fine-float64(i))*(powTable[i+1]-powTable[i]))
	return math.Ldexp(v, int(whole))
}

// chance is true with this probability.
func (d dice) chance(p float64) bool { return d.Float64() < p }

// between is uniform in [lo, hi].
func (d dice) between(lo, hi int64) int64 {
	if hi <= lo {
		return lo
	}
	return lo + d.Int64N(hi-lo+1)
}

// exp is exponential with this mean.
func (d dice) exp(mean int64) int64 { return int64(d.quantile(expTable) * float64(mean)) }

// logNormal has this median; sigma is the standard deviation of the natural logarithm.
func (d dice) logNormal(median int64, sigma float64) int64 {
	x := float64(sigma * d.quantile(normalTable))
	return int64(pow2(float64(x*math.Log2E)) * float64(median))
}

// normal is normal, cut at 3.6 sigma.
func (d dice) normal(mean, sigma int64) int64 {
	return mean + int64(d.quantile(normalTable)*float64(sigma))
}

// around is uniform within share of v in both directions.
func (d dice) around(v int64, share float64) int64 {
	w := int64(float64(v) * share)
	return d.between(v-w, v+w)
}

const base62 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// id is a Zeek identifier: a letter and 17 characters, C for connections and F for files.
func (d dice) id(kind byte) string {
	var b [18]byte
	b[0] = kind
	u, left := d.Uint64(), 10
	for i := 1; i < len(b); i++ {
		if left == 0 {
			u, left = d.Uint64(), 10
		}
		b[i] = base62[u%62]
		u /= 62
		left--
	}
	return string(b[:])
}

const hexDigits = "0123456789abcdef"

// hex is n random hexadecimal digits.
func (d dice) hex(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = hexDigits[d.IntN(16)]
	}
	return string(b)
}

// popularity draws a rank by Zipf's law with a flattened head: the weight of rank k is 1/(k+2.7), so that few
// destinations get most of the traffic and most get little.
type popularity struct{ cum []uint64 }

func newPopularity(n int) popularity {
	p := popularity{cum: make([]uint64, n)}
	var sum uint64
	for k := range n {
		sum += 1_000_000_000_000 / uint64(10*k+27)
		p.cum[k] = sum
	}
	return p
}

func (p popularity) draw(d dice) int {
	u := d.Uint64N(p.cum[len(p.cum)-1])
	return sort.Search(len(p.cum), func(i int) bool { return p.cum[i] > u })
}
