package scoring

import (
	"math"
	"math/bits"
	"slices"
)

const (
	// clockBurst: connections within two seconds are one event for the clock.
	clockBurst = 2 * second
	// clockFewest and clockMost bound the number of events. Fewer cannot reach a small p-value; more cost more than
	// they tell.
	clockFewest, clockMost = 22, 4000
	// clockBlocks is the largest number of blocks, each a whole number of periods.
	clockBlocks = 48
	// clockFastest is the largest number of periods an event, on average. Beacons that miss most check-ins are for
	// LATTICE and SCHEDULE.
	clockFastest = 1.25
	// clockProposed is the least power of a period that is looked at, as a share of the z that is needed.
	clockProposed = 0.6
	// clockLapse is after how many periods without a check-in the rhythm counts as interrupted.
	clockLapse = 6
	// clockReach is the largest p-value (ln) that the tests other than INTERVAL may report.
	clockReach = -6 * math.Ln10
)

// clockResult is a period with which check-ins are in phase.
type clockResult struct {
	logP      float64 // ln
	period    float64 // seconds
	resultant float64 // 0..1: how far the phases of all events agree
	fraction  float64 // of all events, those in phase beyond chance
	occupied  float64 // of all periods while it ran, those with a check-in beyond chance
	jitter    float64 // half width of the phases in phase, as a share of the period
	covered   float64 // seconds
	checkIns  int     // events in phase
}

func (c *clockResult) efficiency() float64 { return c.occupied * (1 - c.jitter/jitterCost) }

// clockTest looks for check-ins that follow a clock, whatever else goes on between them and however many are missed.
// The statistic is Rayleigh's, with one vote for each block of whole periods: V, the sum of the phase vectors of its
// events. z = |sum V|^2 / sum |V|^2, so it does not matter how events crowd within a block (pages, sessions, busy
// hours), and the spectrum needs no whitening. The votes' directions are independent and uniform for any traffic whose
// rate does not follow the period. Then E z^k <= k! whatever their lengths (Khinchine's inequality for Steinhaus sums),
// so P(z > x) <= min over k of k!/x^k: a bound, not an approximation. It is multiplied by the number of periods tried.
func (sc *Scorer) clockTest() (best clockResult, ok bool) {
	t := sc.collapse(clockBurst)
	n := len(t)
	if n < clockFewest || n > clockMost {
		return best, false
	}
	span := float64(t[n-1]-t[0]) / second
	lowest, highest := 6/span, min(clockFastest*float64(n)/span, 0.5*second/clockBurst)
	if !(highest > 2*lowest) {
		return best, false
	}
	tried := 2 * 4 * span * (highest - lowest)
	needed := clockNeeded(math.Log(tried))
	// No sum of votes can be longer than all of them in one direction: z is at most their number.
	if needed > float64(min(n, occupiedBlocks(t, clockBlocks))) {
		return best, false
	}
	if !sc.spectrum(t, span, highest, needed*clockProposed) {
		return best, false
	}
	step := 1 / (2 * span) // of a place in sc.power
	found := false
	for low := lowest; low < highest; low *= math.Sqrt2 {
		from, to := int(math.Ceil(low/step)), int(min(low*math.Sqrt2, highest)/step)
		if from >= to {
			continue
		}
		peak := from
		for i := from + 1; i < to; i++ {
			if sc.power[i] > sc.power[peak] {
				peak = i
			}
		}
		// The spectrum only proposes; the blocks decide.
		if sc.power[peak] < needed*clockProposed {
			continue
		}
		for i, off := range [...]float64{0, -0.5, -0.25, 0.25, 0.5} {
			f := (float64(peak) + off) * step
			z, r := votes(t, f, span)
			if i == 0 && z < needed*clockProposed {
				break
			}
			logP := math.Log(tried) + steinhausTail(z)
			// A beacon agrees with its period and with every fraction of it; the longest is taken.
			if logP < best.logP-2 && (!found || logP < best.logP*1.15 || math.Abs(best.period*f-1) < 0.02) {
				best, found = clockResult{logP: logP, period: 1 / f, resultant: r}, true
			}
		}
	}
	if !found || best.logP > clockReach {
		return best, false
	}
	describeClock(t, &best)
	return best, best.checkIns > 0
}

// occupiedBlocks counts the equal parts of the events' span that contain events.
func occupiedBlocks(t []int64, blocks int) int {
	occupied, last := 0, -1
	perBlock := float64(blocks) / float64(t[len(t)-1]-t[0]+1)
	for _, at := range t {
		if b := int(float64(at-t[0]) * perBlock); b != last {
			occupied++
			last = b
		}
	}
	return occupied
}

// clockNeeded is the smallest z with a p-value that may be reported.
func clockNeeded(logTried float64) float64 {
	z := 10.0
	for logTried+steinhausTail(z) > clockReach {
		z++
	}
	return z
}

// steinhausTail is ln of the bound on P(z > x): k!/x^k at the best k, the whole part of x.
func steinhausTail(x float64) float64 {
	if x < 1 {
		return 0
	}
	k := math.Floor(x)
	v, _ := math.Lgamma(k + 1)
	return min(0, v-k*math.Log(x))
}

// spectrum fills sc.power with Rayleigh's |sum exp(2 pi i f t)|^2/n at f = 0, 1, 2... times 1/(2 span), up to highest.
// It is a Fourier transform of the times, each shared between the two nearest bins. It stops and returns false if all are
// below least.
func (sc *Scorer) spectrum(t []int64, span, highest, least float64) bool {
	length := max(4, 1<<bits.Len(uint(4*1.25*span*highest)))
	sc.bins = slices.Grow(sc.bins[:0], length)[:length]
	clear(sc.bins)
	width := 2 * span / float64(length)
	for _, at := range t {
		x := float64(at-t[0]) / second / width
		i := int(x)
		part := x - float64(i)
		sc.bins[i] += 1 - part
		sc.bins[(i+1)%length] += part
	}
	last := min(length/2, int(highest*2*span)+1)
	sc.power = slices.Grow(sc.power[:0], last+1)[:last+1]
	sc.plan(length).powers(sc.power, sc.bins)
	most := 0.0
	for i := range sc.power {
		sc.power[i] /= float64(len(t))
		if i > 0 {
			most = max(most, sc.power[i])
		}
	}
	if most < 0.999*least*shared(last, length) {
		return false
	}
	for i := 1; i <= last; i++ {
		sc.power[i] /= shared(i, length)
	}
	return true
}

// shared is by how much sharing between two bins damps the power of a place: sinc^4. It falls with the place.
func shared(place, length int) float64 {
	x := math.Pi * float64(place) / float64(length)
	s := math.Sin(x) / x
	return s * s * s * s
}

// plan keeps one transform for each length, which is a power of two.
func (sc *Scorer) plan(length int) *transform {
	i := bits.Len(uint(length))
	if sc.plans[i] == nil {
		sc.plans[i] = newTransform(length)
	}
	return sc.plans[i]
}

// votes computes z and the resultant of the events' phases at one frequency.
func votes(t []int64, f, span float64) (z, resultant float64) {
	perBlock := max(1, math.Ceil(span*f/clockBlocks))
	var sumC, sumS, squares, c, s float64
	block := 0.0
	for _, at := range t {
		x := float64(at-t[0]) / second * f
		if b := math.Floor(x / perBlock); b != block {
			squares += c*c + s*s
			block, c, s = b, 0, 0
		}
		sin, cos := math.Sincos(2 * math.Pi * (x - math.Floor(x)))
		c, s = c+cos, s+sin
		sumC, sumS = sumC+cos, sumS+sin
	}
	squares += c*c + s*s
	length := sumC*sumC + sumS*sumS
	return length / max(squares, 1e-9), math.Sqrt(length) / float64(len(t))
}

// describeClock fills in how many events follow the period, how tightly, and for how long.
func describeClock(t []int64, c *clockResult) {
	f := 1 / c.period
	var sumC, sumS float64
	for _, at := range t {
		sin, cos := math.Sincos(2 * math.Pi * math.Mod(float64(at-t[0])/second*f, 1))
		sumC, sumS = sumC+cos, sumS+sin
	}
	mean := math.Atan2(sumS, sumC) / (2 * math.Pi)
	var near, far [4]int
	widths := [...]float64{0.05, 0.1, 0.2, 0.25}
	for _, at := range t {
		d := offset(at-t[0], f, mean)
		for i, w := range widths {
			if d <= w {
				near[i]++
			} else if 0.5-d <= w {
				far[i]++
			}
		}
	}
	most, width := 0, 0
	for i := range widths {
		most = max(most, near[i]-far[i])
	}
	for i := range widths {
		if float64(near[i]-far[i]) >= 0.9*float64(most) {
			width = i
			break
		}
	}
	c.jitter, c.checkIns = widths[width], near[width]-far[width]
	c.fraction = float64(max(0, c.checkIns)) / float64(len(t))
	hits, active := occupancy(t, f, mean, c.jitter)
	chance, of := occupancy(t, f, mean+0.5, c.jitter)
	b := 0.0
	if of > 0 {
		b = min(chance/max(of, active), 0.99)
	}
	if active > 0 {
		c.occupied = max(0, (hits/active-b)/(1-b))
	}
	c.covered = active * c.period
}

// offset is how far a time is from the phase, in periods: 0 to 0.5.
func offset(at int64, f, phase float64) float64 {
	d := float64(at)/second*f - phase
	return math.Abs(d - math.Round(d))
}

// occupancy counts the periods with an event within width of the phase (hits), and all periods without interruptions of
// more than clockLapse periods (active).
func occupancy(t []int64, f, phase, width float64) (hits, active float64) {
	last := math.Inf(-1)
	for _, at := range t {
		d := float64(at-t[0])/second*f - phase
		p := math.Round(d)
		if math.Abs(d-p) > width || p == last {
			continue
		}
		hits++
		if p-last <= clockLapse {
			active += p - last
		} else {
			active++
		}
		last = p
	}
	return hits, active
}
