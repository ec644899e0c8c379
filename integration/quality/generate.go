package main

import (
	"math"
	"math/rand/v2"
	"slices"
)

// seconds are start times in seconds from a window's start, ascending.
type seconds []float64

const dayLength = 86400.0

// generator generates one series of a kind.
type generator func(r *rand.Rand) seconds

func exponential(r *rand.Rand, mean float64) float64 { return r.ExpFloat64() * mean }

func uniform(r *rand.Rand, from, to float64) float64 { return from + (to-from)*r.Float64() }

func logNormal(r *rand.Rand, mu, sigma float64) float64 { return math.Exp(mu + sigma*r.NormFloat64()) }

// gamma2 draws from a gamma distribution of shape 2.
func gamma2(r *rand.Rand, mean float64) float64 {
	return exponential(r, mean/2) + exponential(r, mean/2)
}

// poisson draws from a Poisson distribution.
func poisson(r *rand.Rand, mean float64) int {
	n := 0
	for at := r.ExpFloat64(); at < mean; at += r.ExpFloat64() {
		n++
	}
	return n
}

func scattered(r *rand.Rand, mean, length float64) seconds {
	t := make(seconds, poisson(r, mean))
	for i := range t {
		t[i] = uniform(r, 0, length)
	}
	return sorted(t)
}

func sorted(t seconds) seconds {
	slices.Sort(t)
	return t
}

// renewal adds intervals until the window is full.
func renewal(start, length float64, gap func() float64) seconds {
	var t seconds
	for at := start; at < length; at += gap() {
		t = append(t, at)
	}
	return t
}

// implant describes a program that checks in.
type implant struct {
	period, jitter float64
	// sleepOnly jitter only shortens the period, as in Cobalt Strike; otherwise it is symmetric.
	sleepOnly bool
	missed    float64 // share of check-ins not observed
	burst     int     // connections per check-in
	from, to  float64 // hours of the day in which it is active; to 0 means all day
	days      int     // of a week on which it is active; 0 means all
	restarts  bool    // check-ins begin anew each day, within a period
	length    float64 // of the window, seconds; 0 means a day
	periods   []float64
	grid      bool    // check-ins on a fixed grid with jitter, not relative to the previous one
	noise     float64 // memoryless connections of users with the same candidate, per day
}

func (b implant) generate(r *rand.Rand) seconds {
	length := b.length
	if length == 0 {
		length = dayLength
	}
	var t seconds
	at, tick := uniform(r, 0, b.period), 0.0
	if b.grid {
		tick = at
	}
	for at < length {
		h := math.Mod(at/3600, 24)
		alive := b.to == 0 || h >= b.from && h < b.to
		alive = alive && (b.days == 0 || int(at/dayLength)%7 < b.days)
		if alive && r.Float64() >= b.missed && at >= 0 {
			t = append(t, at)
			for k := 1; k < b.burst; k++ {
				t = append(t, at+exponential(r, 0.8)*float64(k))
			}
		}
		period := b.period
		if len(b.periods) > 0 {
			period = b.periods[r.IntN(len(b.periods))]
		}
		switch {
		case b.restarts && !alive:
			next := dayLength*math.Floor(at/dayLength) + b.from*3600
			if at >= next {
				next += dayLength
			}
			at = next + uniform(r, 0, period)
		case b.grid:
			tick += period
			at = tick + period*b.jitter*uniform(r, -1, 1)
		case b.sleepOnly:
			at += period * (1 - b.jitter*r.Float64())
		default:
			at += period * (1 + b.jitter*uniform(r, -1, 1))
		}
	}
	t = append(t, scattered(r, b.noise*length/dayLength, length)...)
	for len(t) > 0 && slices.Max(t) >= length {
		t = slices.DeleteFunc(t, func(x float64) bool { return x >= length })
	}
	return sorted(t)
}

// sessions runs intervals in periods of use of on seconds, with memoryless pauses between them. (Sessions at fixed
// intervals would be a rhythm, which the INTERVAL test finds.)
func sessions(length, on, off float64, gap func(r *rand.Rand) float64) generator {
	return func(r *rand.Rand) seconds {
		var t seconds
		for start := uniform(r, 0, on+off); start < length; {
			for at := start; at < min(start+on, length); at += gap(r) {
				t = append(t, at)
			}
			start += on + exponential(r, off)
		}
		return sorted(t)
	}
}

// clicks puts n memoryless connections into sessions.
func clicks(n, length, on, off float64) generator {
	rate := n / (length * on / (on + off))
	inner := sessions(length, on, off, func(r *rand.Rand) float64 { return exponential(r, 1/rate) })
	return inner
}

// people generates page loads of eight connections in office hours, nine to five.
func people(n int) generator {
	return func(r *rand.Rand) seconds {
		var t seconds
		for range max(1, n/8) {
			at := uniform(r, 9*3600, 17*3600)
			pace := []float64{0.5, 5, 30}[r.IntN(3)]
			for range 8 {
				at += exponential(r, pace)
				t = append(t, at)
			}
		}
		return sorted(t)
	}
}

// workers make bursts of so many connections, each a minute after the last on average, at any time between two hours of
// the first days of a week, n connections in all.
func workers(n float64, burst, days int, from, to float64) generator {
	return func(r *rand.Rand) seconds {
		var t seconds
		for day := range days {
			for range poisson(r, n/float64(burst*days)) {
				at := float64(day)*dayLength + uniform(r, from*3600, to*3600)
				for range burst {
					t = append(t, at)
					at += exponential(r, 60)
				}
			}
		}
		return sorted(t)
	}
}

func memoryless(n, length float64) generator {
	return func(r *rand.Rand) seconds { return scattered(r, n, length) }
}

func renewing(length float64, gap func(r *rand.Rand) float64) generator {
	return func(r *rand.Rand) seconds {
		return renewal(gap(r)*r.Float64(), length, func() float64 { return gap(r) })
	}
}

// hyper mixes two exponentials, one with twenty times the mean of the other.
func hyper(n float64) generator { return hyperOver(n, dayLength) }

func hyperOver(n, length float64) generator {
	mean := length / n
	return renewing(length, func(r *rand.Rand) float64 {
		if r.Float64() < 0.8 {
			return exponential(r, mean*0.2)
		}
		return exponential(r, mean*4.2)
	})
}

func logNormals(n, sigma float64) generator { return logNormalsOver(n, sigma, dayLength) }

func logNormalsOver(n, sigma, length float64) generator {
	return renewing(length, func(r *rand.Rand) float64 { return logNormal(r, math.Log(length/n)-sigma*sigma/2, sigma) })
}

func deadTime(limit, mean float64) func(r *rand.Rand) float64 {
	return func(r *rand.Rand) float64 { return limit + exponential(r, mean) }
}

func together(a, b generator) generator {
	return func(r *rand.Rand) seconds { return sorted(append(a(r), b(r)...)) }
}

func gammaGap(mean float64) func(r *rand.Rand) float64 {
	return func(r *rand.Rand) float64 { return gamma2(r, mean) }
}

// exactly takes the first n check-ins of an implant that starts with the window.
func exactly(n int, b implant) generator {
	return func(r *rand.Rand) seconds {
		var t seconds
		for at := 0.0; len(t) < n; at += b.period * (1 + b.jitter*uniform(r, -1, 1)) {
			if r.Float64() >= b.missed {
				t = append(t, at)
			}
		}
		return t
	}
}

// setClock adjusts the clock at noon by this many seconds, back if negative.
func setClock(by float64, g generator) generator {
	return func(r *rand.Rand) seconds {
		t := g(r)
		for i := range t {
			if t[i] > dayLength/2 {
				t[i] += by
			}
		}
		return sorted(t)
	}
}

// rapid sends this many connections per check-in, 0.3 s apart.
func rapid(b implant, sent int) generator {
	return func(r *rand.Rand) seconds {
		var t seconds
		for _, at := range b.generate(r) {
			for i := range sent {
				if x := at + 0.3*float64(i)*uniform(r, 0.9, 1.1); x < dayLength {
					t = append(t, x)
				}
			}
		}
		return sorted(t)
	}
}

// later delays a series by this many seconds.
func later(by float64, g generator) generator {
	return func(r *rand.Rand) seconds {
		t := g(r)
		for i := range t {
			t[i] += by
		}
		return t
	}
}

// bursty generates bursts of connections a second apart, at any time of day; half of the time it pauses for about three
// hours.
func bursty(bursts float64, of int) generator {
	return func(r *rand.Rand) seconds {
		var t seconds
		for at := uniform(r, 0, 7200); at < dayLength; at += exponential(r, 10800) {
			for end := at + exponential(r, 7200); at < min(end, dayLength); at += exponential(r, dayLength/bursts/2) {
				for i := range of {
					t = append(t, min(at+float64(i), dayLength-1))
				}
			}
		}
		return sorted(t)
	}
}
