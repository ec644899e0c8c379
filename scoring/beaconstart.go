package scoring

import "math"

const (
	// A interval is in step if it is the period, give or take this much of the jitter and this share of the period, but
	// within bounds.
	beganJitter, beganSlack, beganLeast, beganMost = 1.25, 0.02, 0.05, 0.6
	// Of a rhythm with less jitter than beganFew, intervals of up to beganMissed periods are in step, too.
	beganFew, beganMissed = 0.2, 2
	// beganSure bounds the share of intervals that are taken to be in step: one more may always be out of it.
	beganSure = 0.98
	// beganBurst: what follows within this share of the shortest interval in step, and within ten minutes, is the same
	// check-in.
	beganBurst, longestBurst = 0.5, 600 * second
	// beganDoubt is what a change has to gain, as ln of likelihoods, beside the ln of how many there might be.
	beganDoubt = 3
)

// Began finds where a rhythm began. Starts are all start times that are known of a key, Unix milliseconds, ascending; a
// rhythm of this period (seconds) and jitter (share of it) was found in those from the given time on. Before the change
// point the intervals are taken to have no memory, at the rate that they have there; from it on they are in step as
// often as they were found to be. The likeliest change point is given, or the first start where none is likely enough.
// Nights without connections, and single intervals out of step, do not make it begin again. ok is false where there are
// too few intervals to say, or where they are hardly more often in step than chance has it.
func Began(starts []int64, from int64, period, jitter float64) (at int64, ok bool) {
	width := min(max(jitter*beganJitter+beganSlack, beganLeast), beganMost)
	every := period * second
	burst := min(int64(beganBurst*(1-width)*every), longestBurst)
	var beats []int64
	for i, t := range starts {
		if i == 0 || t-starts[i-1] > burst {
			beats = append(beats, t)
		}
	}
	// The most that memoryless traffic puts into such a width (see tightnesses), twice that for the multiples.
	ratio := (1 + width) / (1 - width)
	chance, multiples := (1-1/ratio)*math.Pow(ratio, -1/(ratio-1)), 1.0
	if width < beganFew {
		chance, multiples = 2*chance, beganMissed
	}
	inStep := func(gap float64) bool {
		return math.Abs(gap/every-min(max(1, math.Round(gap/every)), multiples)) <= width
	}
	inside, agree, others := 0, 0, 0.0
	for i := 1; i < len(beats); i++ {
		if beats[i-1] < from {
			continue
		}
		inside++
		if gap := float64(beats[i] - beats[i-1]); inStep(gap) {
			agree++
		} else {
			others += gap
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
	likely := func(gap float64) float64 {
		if inStep(gap) {
			return step
		}
		return math.Log((1-share)/mean) - gap/mean
	}
	// rhythm is how likely the intervals up to a check-in are in the rhythm, less how likely they are without memory at
	// their own rate: the check-in at which that is least is where the rhythm began.
	least, began := -beganDoubt-math.Log(float64(len(beats))), 0
	rhythm := 0.0
	for i := 1; i < len(beats) && beats[i-1] < max(from, beats[0]+1); i++ {
		rhythm += likely(float64(beats[i] - beats[i-1]))
		length := float64(beats[i]-beats[0]) / float64(i)
		if gain := rhythm + float64(i)*(math.Log(length)+1); gain < least {
			least, began = gain, i
		}
	}
	return beats[began], true
}
