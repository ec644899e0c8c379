package scoring

import "math"

const (
	// faintMost is what the evenness of intervals alone can make of a score: far below what any finding needs (0.2), so
	// it orders what the tests leave undecided and does nothing else.
	faintMost = 0.05
	// faintLogP is the p-value (log10) from which the tests decide.
	faintLogP = -7
	// faintBurst: connections within it are one check-in. faintSpread is the spread of intervals (of their logarithms)
	// that halves what they count, faintGaps the number of intervals that does. Of 48 choices none is better by more
	// than .001 on hosts that none was chosen on (docs/detection.md, 6).
	faintBurst                  = 30 * second
	faintSpread, faintIntervals = 0.7, 3.0
)

// evenness says how evenly check-ins are spread over the window, 0..1: alike intervals, many of them, over a long time.
// It is no test: memoryless traffic may have any value. Below the detection floor it is all that can be told.
func (sc *Scorer) evenness(enough float64) float64 {
	beats := sc.collapse(faintBurst)
	m := float64(len(beats) - 1)
	if m < 2 || enough <= 0 {
		return 0
	}
	sum, squares := 0.0, 0.0
	for i, t := range beats[1:] {
		l := math.Log(float64(t - beats[i]))
		sum += l
		squares += l * l
	}
	spread := math.Sqrt(max(0, squares-sum*sum/m) / (m - 1))
	held := float64(beats[len(beats)-1]-beats[0]) / second / enough
	ratio := spread / faintSpread
	return math.Pow(min(1, held), reachExponent) * m / (m + faintIntervals) / (1 + ratio*ratio)
}
