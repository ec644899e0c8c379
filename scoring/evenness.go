package scoring

import "math"

const (
	// faintMost is the largest score that evenness alone gives. It is far below what a finding needs (0.2), so it only
	// orders what the tests leave undecided.
	faintMost = 0.05
	// faintLogP is the p-value (log10) at or below which the tests decide.
	faintLogP = -7
	// faintBurst: connections within it are one check-in. faintSpread is the spread of the intervals' logarithms that
	// halves the score, faintIntervals the number of intervals that does. Of 48 choices none was better by more than
	// .001 on hosts not used for choosing.
	faintBurst                  = 30 * second
	faintSpread, faintIntervals = 0.7, 3.0
)

// evenness says how evenly check-ins are spread over the window, 0..1: similar intervals, many of them, over a long
// time. It is not a test: memoryless traffic may have any value. Below the detection floor nothing else can be said.
func (sc *Scorer) evenness(enough float64) float64 {
	checkIns := sc.collapse(faintBurst)
	m := float64(len(checkIns) - 1)
	if m < 2 || enough <= 0 {
		return 0
	}
	sum, squares := 0.0, 0.0
	for i, t := range checkIns[1:] {
		l := math.Log(float64(t - checkIns[i]))
		sum += l
		squares += l * l
	}
	spread := math.Sqrt(max(0, squares-sum*sum/m) / (m - 1))
	held := float64(checkIns[len(checkIns)-1]-checkIns[0]) / second / enough
	ratio := spread / faintSpread
	return math.Pow(min(1, held), reachExponent) * m / (m + faintIntervals) / (1 + ratio*ratio)
}
