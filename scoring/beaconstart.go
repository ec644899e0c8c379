package scoring

import "math"

const (
	// An interval is in step if it differs from the period by at most this much of the jitter plus this share of the
	// period, within bounds.
	beganJitter, beganSlack, beganLeast, beganMost = 1.25, 0.02, 0.05, 0.6
	// With less jitter than beganFew, intervals of up to beganMissed periods are in step, too.
	beganFew, beganMissed = 0.2, 2
	// beganSure bounds the assumed share of intervals in step: another one may always be out of step.
	beganSure = 0.98
	// beganBurst: connections within this share of the shortest interval in step, and within ten minutes, are one
	// check-in.
	beganBurst, longestBurst = 0.5, 600 * second
	// beganDoubt is what a change point must gain (ln of the likelihood ratio) beside ln of the number of possible
	// ones.
	beganDoubt = 3
)

// Began finds where a rhythm began. starts are all known start times of a candidate, Unix milliseconds, ascending; a
// rhythm of this period (seconds) and jitter (share of it) was found in those at or after from. Before the change point
// intervals are memoryless, at their own rate; after it they are in step as often as they were found to be. Began
// returns the likeliest change point, or the first start where none is likely enough. Nights without connections, and
// single intervals out of step, are no change point. ok is false with too few intervals, or where they are in step
// little more often than by chance.
func Began(starts []int64, from int64, period, jitter float64) (at int64, ok bool) {
	width := min(max(jitter*beganJitter+beganSlack, beganLeast), beganMost)
	every := period * second
	burst := min(int64(beganBurst*(1-width)*every), longestBurst)
	var checkIns []int64
	for i, t := range starts {
		if i == 0 || t-starts[i-1] > burst {
			checkIns = append(checkIns, t)
		}
	}
	// The most that memoryless traffic puts into such a width (see tightnesses), twice that with the multiples.
	ratio := (1 + width) / (1 - width)
	chance, multiples := (1-1/ratio)*math.Pow(ratio, -1/(ratio-1)), 1.0
	if width < beganFew {
		chance, multiples = 2*chance, beganMissed
	}
	inStep := func(interval float64) bool {
		return math.Abs(interval/every-min(max(1, math.Round(interval/every)), multiples)) <= width
	}
	inside, agree, others := 0, 0, 0.0
	for i := 1; i < len(checkIns); i++ {
		if checkIns[i-1] < from {
			continue
		}
		inside++
		if interval := float64(checkIns[i] - checkIns[i-1]); inStep(interval) {
			agree++
		} else {
			others += interval
		}
	}
	share := min(float64(agree)/float64(max(inside, 1)), beganSure)
	if inside < fewestConnections-1 || share < chance+0.1 {
		return 0, false
	}
	mean := every
	if agree < inside {
		mean = others / float64(inside-agree)
	}
	step := math.Log(share / (2 * width * multiples * every))
	likely := func(interval float64) float64 {
		if inStep(interval) {
			return step
		}
		return math.Log((1-share)/mean) - interval/mean
	}
	// rhythm is the log-likelihood of the intervals up to a check-in in the rhythm. Less that of memoryless ones at
	// their own rate, it is smallest at the check-in where the rhythm began.
	least, began := -beganDoubt-math.Log(float64(len(checkIns))), 0
	rhythm := 0.0
	for i := 1; i < len(checkIns) && checkIns[i-1] < max(from, checkIns[0]+1); i++ {
		rhythm += likely(float64(checkIns[i] - checkIns[i-1]))
		length := float64(checkIns[i]-checkIns[0]) / float64(i)
		if gain := rhythm + float64(i)*(math.Log(length)+1); gain < least {
			least, began = gain, i
		}
	}
	return checkIns[began], true
}
