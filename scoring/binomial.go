package scoring

import "math"

// factorialsKept bounds the n whose ln n! are kept: 512 kB.
const factorialsKept = 1 << 16

// logBinomialTail is ln P[Bin(n, q) >= k], exact in the far tail where the probability itself would underflow. For k
// not above the mean it is 0 (P = 1), a valid bound: no test rejects there.
func (sc *Scorer) logBinomialTail(k, n int, q float64) float64 {
	if k <= 0 || float64(k) <= q*float64(n) {
		return 0
	}
	if k > n {
		return math.Inf(-1)
	}
	// The first term, then the rest relative to it: beyond the mean each term is smaller than the last.
	first := sc.logFactorial(n) - sc.logFactorial(k) - sc.logFactorial(n-k) + float64(k)*math.Log(q) + float64(n-k)*math.Log1p(-q)
	odds := q / (1 - q)
	sum, term := 1.0, 1.0
	for i := k; i < n; i++ {
		term *= float64(n-i) / float64(i+1) * odds
		sum += term
		if term < 1e-16*sum {
			break
		}
	}
	return min(0, first+math.Log(sum))
}

// logFactorial is ln n!, kept for the next time.
func (sc *Scorer) logFactorial(n int) float64 {
	if n >= factorialsKept {
		v, _ := math.Lgamma(float64(n) + 1)
		return v
	}
	for i := len(sc.factorials); i <= n; i++ {
		v, _ := math.Lgamma(float64(i) + 1)
		sc.factorials = append(sc.factorials, v)
	}
	return sc.factorials[n]
}
