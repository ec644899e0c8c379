package main

import (
	"math"
	"math/rand/v2"
)

// weeks are slow beacons of working hours over seven days, and what must not look like them: memoryless connections,
// bursts and people, 5 to 500 of them, by any indicator, the destination being rare; and timers of working hours.
func weeks() (out []row) {
	const group = "working hours"
	add := func(name string, b implant, target float64, fast bool) {
		b.length = 7 * dayLength
		out = append(out, row{group, "7 d, " + name, medium, 7 * dayLength, b.generate, nil, 200, target, fast})
	}
	add("8 to 18 o'clock, T=1 h j=50 %", implant{period: 3600, jitter: 0.5, from: 8, to: 18}, 0.9, true)
	add("8 to 18 o'clock, T=2 h j=20 %", implant{period: 7200, jitter: 0.2, from: 8, to: 18}, 0.9, false)
	add("8 to 18 o'clock, T=2 h j=50 %", implant{period: 7200, jitter: 0.5, from: 8, to: 18}, 0.9, true)
	add("8 to 18 o'clock, T=4 h j=20 %", implant{period: 14400, jitter: 0.2, from: 8, to: 18}, 0.8, true)
	add("8 to 18 o'clock, T=4 h j=0 %", implant{period: 14400, jitter: 0.01, from: 8, to: 18}, 0.9, false)
	add("8 to 18 o'clock, T=8 h j=10 %", implant{period: 28800, jitter: 0.1, from: 8, to: 18}, 0, false)
	add("9 to 17 o'clock, T=2 h j=20 %", implant{period: 7200, jitter: 0.2, from: 9, to: 17}, 0.9, false)
	add("9 to 17 o'clock, five days, T=1 h j=50 %", implant{period: 3600, jitter: 0.5, from: 9, to: 17, days: 5}, 0.9, false)
	add("9 to 17 o'clock, five days, T=2 h j=20 %", implant{period: 7200, jitter: 0.2, from: 9, to: 17, days: 5}, 0.9, false)
	add("9 to 17 o'clock, five days, T=2 h j=50 %", implant{period: 7200, jitter: 0.5, from: 9, to: 17, days: 5}, 0, false)
	add("a laptop, T=2 h j=50 %", implant{period: 7200, jitter: 0.5, from: 8, to: 18, restarts: true}, 0.9, false)
	add("a laptop, T=4 h j=20 %", implant{period: 14400, jitter: 0.2, from: 7, to: 20, restarts: true}, 0.9, true)
	add("a laptop, five days, T=4 h j=20 %", implant{period: 14400, jitter: 0.2, from: 8, to: 18, days: 5, restarts: true}, 0, false)
	null := func(name string, kind kind, of func(n float64) generator, fast bool) {
		out = append(out, row{group, "7 d, 5 to 500, " + name, kind, 7 * dayLength, func(r *rand.Rand) seconds {
			return of(5 * math.Pow(100, r.Float64()))(r)
		}, nil, 4000, 0, fast})
	}
	const length = 7 * dayLength
	// What is memoryless round the clock is a presence: only its rhythm must not count.
	null("Poisson", falseAlarms, func(n float64) generator { return memoryless(n, length) }, true)
	null("hyper-exponential", anyAlarm, func(n float64) generator { return hyperOver(n, length) }, false)
	null("log-normal sigma 1.5", anyAlarm, func(n float64) generator { return logNormalsOver(n, 1.5, length) }, false)
	null("sessions", anyAlarm, func(n float64) generator { return clicks(n, length, 1200, 3600) }, false)
	null("people at any time from 8 to 18 o'clock", anyAlarm, func(n float64) generator { return workers(n, 1, 7, 8, 18) }, true)
	null("people at any time from 9 to 17 o'clock, five days", anyAlarm, func(n float64) generator { return workers(n, 1, 5, 9, 17) }, false)
	null("people, in bursts of four, from 8 to 18 o'clock", anyAlarm, func(n float64) generator { return workers(n, 4, 7, 8, 18) }, true)
	timer := func(name string, gap func(r *rand.Rand, mean float64) float64, fast bool) {
		out = append(out, row{group, "7 d, " + name, timers, length, func(r *rand.Rand) seconds {
			mean := 600 * math.Pow(24, r.Float64())
			return daily(8, 18, func() float64 { return gap(r, mean) })
		}, nil, 1000, 0.02, fast})
	}
	timer("log-normal sigma 0.6, from 8 to 18 o'clock", func(r *rand.Rand, mean float64) float64 { return logNormal(r, math.Log(mean), 0.6) }, true)
	timer("gamma shape 2, from 8 to 18 o'clock", gamma2, true)
	timer("a limit and as much again, from 8 to 18 o'clock", func(r *rand.Rand, mean float64) float64 { return mean/2 + exponential(r, mean/2) }, true)
	return out
}

// daily renews from the first to the last of some hours of each day of a week, beginning anew each day.
func daily(from, to float64, gap func() float64) seconds {
	var t seconds
	for day := range 7 {
		for at := from*3600 + gap(); at < to*3600; at += gap() {
			t = append(t, float64(day)*dayLength+at)
		}
	}
	return t
}
