package main

import (
	"fmt"
	"math"
	"math/rand/v2"

	"dwell/scoring"
)

// kind is what a row's figure is.
type kind int

const (
	// falseAlarms: the share of series scored as a beacon of medium (0.4) or more, in a hunt of 1e5 candidates.
	falseAlarms kind = iota
	// timers: the same for regular series that are not beacons; they may be at most low.
	timers
	// median: the median score, in a hunt of 1e5 candidates.
	median
	// found: the share of series that score above 0.4, in a hunt of 1e5 candidates.
	found
	// loud: like median, for the higher of beacon and strobe.
	loud
	// present: the share of series whose presence is medium or more in a hunt of 1e4 pairs.
	present
	// medium and high: the share of series that a hunt of 1e4 candidates would show at that severity or more, with a
	// rare destination.
	medium
	high
)

// anyAlarm is like falseAlarms, for any indicator and with the modifier for a rare destination, as a hunt would show
// it. absent is the same for presence alone.
const (
	anyAlarm = falseAlarms - 1
	absent   = anyAlarm - 1
)

// presences are hosts that connect all day without a rhythm, and human activity, which must not count as presence.
func presences() (out []row) {
	add := func(name string, kind kind, target float64, g generator) {
		out = append(out, row{"presence", "presence: " + name, kind, dayLength, g, nil, 200, target, true})
	}
	for _, mean := range []float64{60, 300, 1200} {
		add(fmt.Sprintf("memoryless sleeps, mean %.0f s", mean), present, 0.9, memoryless(dayLength/mean, dayLength))
	}
	add("log-normal sigma 0.8, mean 300 s", present, 0.9, logNormals(288, 0.8))
	add("gamma shape 2, mean 300 s", present, 0.9, renewing(dayLength, gammaGap(300)))
	add("memoryless, mean 300 s, from 2 o'clock on", present, 0.9, later(2*3600, memoryless(264, dayLength-2*3600)))
	add("clicks, sessions 20 min on, 60 off, n = 1000", absent, 0.01, clicks(1000, dayLength, 1200, 3600))
	add("clicks, sessions 20 min on, 20 off, n = 1000", absent, 0.01, clicks(1000, dayLength, 1200, 1200))
	add("bursts of eight, all day, n = 1000", absent, 0.01, bursty(125, 8))
	add("office sessions, n = 1000", absent, 0.01, people(1000))
	add("memoryless, 7 to 23 o'clock, n = 500", absent, 0.01, later(7*3600, memoryless(500, 16*3600)))
	return out
}

// grid draws implants with the sleep of three frameworks over all periods, jitters, lifetimes and losses, with at least
// least check-ins.
func grid(least int) generator {
	return func(r *rand.Rand) seconds {
		for {
			pick := func(of ...float64) float64 { return of[r.IntN(len(of))] }
			alive := pick(1, 8, 24)
			from := uniform(r, 0, 24-alive)
			b := implant{period: pick(5, 60, 300, 1800, 7200, 28800), jitter: pick(0, 0.2, 0.5, 0.9), missed: pick(0, 0.1, 0.3), sleepOnly: r.IntN(3) == 0, from: from, to: from + alive}
			if t := b.generate(r); len(t) >= least {
				return t
			}
		}
	}
}

// asked draws DNS beacons: one name, every 10 s to an hour, all day. A resolver's client sends a query where others
// would connect.
func asked(r *rand.Rand) seconds {
	b := implant{period: 10 * math.Pow(360, r.Float64()), jitter: uniform(r, 0, 0.5)}
	return b.generate(r)
}

// implants are the targets of hunts, by the severity they should get.
func implants() []row {
	const group = "implants"
	return []row{
		{group, "grid of implants (see grid): medium or more", medium, dayLength, grid(4), nil, 648, 0.8, true},
		{group, "grid of implants (see grid): high or more", high, dayLength, grid(4), nil, 648, 0.7, true},
		{group, "grid of implants, 12 check-ins or more: medium or more", medium, dayLength, grid(12), nil, 648, 0.8, false},
		{group, "grid of implants, 12 check-ins or more: high or more", high, dayLength, grid(12), nil, 648, 0.7, false},
		{group, "DNS, one name, 10 s to 1 h, jitter 0-50 %", medium, dayLength, asked, nil, 200, 0.9, true},
		{group, "T=5 j=90 % missed 30 %, 8 h", medium, dayLength, implant{period: 5, jitter: 0.9, missed: 0.3, from: 9, to: 17}.generate, nil, 50, 0.9, true},
	}
}

// row is one target of docs/detection.md.
type row struct {
	group, name string
	kind        kind
	length      float64 // window, seconds
	make        generator
	// people, if set, use the same candidate: their connections vary in size, those of make all have 100 bytes.
	people generator
	runs   int
	// target is a maximum (falseAlarms, timers) or a minimum (median, found). 0 in a median row means none.
	target float64
	// fast rows are part of the subset that go test runs.
	fast bool
}

// dense are busy memoryless pairs: a proxy's, a resolver's, a browser's. Connections have realistic durations, and the
// window is their span, because shorter windows require less.
func dense() (out []row) {
	for _, hour := range []float64{200, 550, 1500, 5000} {
		for _, hours := range []float64{2, 4, 10, 22, 168} {
			if hour*hours > 120_000 {
				continue
			}
			n, length := hour*hours, hours*3600
			for _, kind := range []struct {
				name string
				make generator
			}{
				{"Poisson", memoryless(n, length)},
				{"hyper-exponential", hyperOver(n, length)},
				{"log-normal sigma 1.5", logNormalsOver(n, 1.5, length)},
				{"sessions", clicks(n, length, 1200, 3600)},
			} {
				runs := int(min(200, 4e6/n))
				out = append(out, row{"dense", fmt.Sprintf("%s, %.0f an hour for %.0f h", kind.name, hour, hours), anyAlarm, length, kind.make, nil, runs, 0, hour == 550 && hours == 4})
			}
		}
	}
	return out
}

func rows() []row {
	var out []row
	null := func(name string, length float64, g generator, runs int, fast bool) {
		out = append(out, row{"memoryless", name, falseAlarms, length, g, nil, runs, 0, fast})
	}
	for _, n := range []float64{10, 24, 100, 1000} {
		fast := n == 24 || n == 100
		null(fmt.Sprintf("Poisson, n = %.0f", n), dayLength, memoryless(n, dayLength), 1000, fast)
		null(fmt.Sprintf("hyper-exponential, n = %.0f", n), dayLength, hyper(n), 1000, fast)
		null(fmt.Sprintf("log-normal sigma 1.5, n = %.0f", n), dayLength, logNormals(n, 1.5), 1000, fast)
		null(fmt.Sprintf("office sessions, n = %.0f", n), dayLength, people(int(n)), 1000, fast)
	}
	for _, n := range []float64{1000, 2000} {
		null(fmt.Sprintf("clicks, sessions 20 min on, 60 off, n = %.0f", n), dayLength, clicks(n, dayLength, 1200, 3600), 1000, n == 1000)
	}
	out = append(out, dense()...)
	out = append(out, presences()...)
	out = append(out, implants()...)
	out = append(out, weeks()...)
	null("Poisson, 72 h, n = 4000", 3*dayLength, memoryless(4000, 3*dayLength), 1000, true)
	null("Poisson, 7 d, n = 5000", 7*dayLength, memoryless(5000, 7*dayLength), 1000, false)
	null("Poisson, 7 d, n = 12000", 7*dayLength, memoryless(12000, 7*dayLength), 1000, false)

	timer := func(name string, g generator, fast bool) {
		out = append(out, row{"timers", name, timers, dayLength, g, nil, 1000, 0.02, fast})
	}
	for _, d := range [][2]float64{{5, 20}, {60, 60}, {300, 300}} {
		gap := deadTime(d[0], d[1])
		timer(fmt.Sprintf("dead time %.0f + %.0f s", d[0], d[1]), renewing(dayLength, gap), d[0] == 300)
		timer(fmt.Sprintf("dead time %.0f + %.0f s, sessions of 30 min", d[0], d[1]), sessions(dayLength, 1800, 3600, gap), d[0] == 300)
	}
	for _, k := range []float64{5, 60, 115} {
		timer(fmt.Sprintf("keep-alive %.0f s, think time 10 s", k), renewing(dayLength, deadTime(k, 10)), false)
		timer(fmt.Sprintf("keep-alive %.0f s, think time 30 s, sessions", k), sessions(dayLength, 1800, 3600, deadTime(k, 30)), k == 60)
	}
	for _, n := range []float64{24, 100, 1000} {
		timer(fmt.Sprintf("log-normal sigma 0.6, n = %.0f", n), logNormals(n, 0.6), n == 100)
		timer(fmt.Sprintf("log-normal sigma 0.8, n = %.0f", n), logNormals(n, 0.8), false)
		timer(fmt.Sprintf("gamma shape 2, n = %.0f", n), renewing(dayLength, gammaGap(dayLength/n)), false)
	}
	timer("gamma shape 2, mean 60 s", renewing(dayLength, gammaGap(60)), true)

	beat := func(group, name string, b implant, target float64, runs int, fast bool) {
		length := b.length
		if length == 0 {
			length = dayLength
		}
		out = append(out, row{group, name, median, length, b.generate, nil, runs, target, fast})
	}
	const table = "beacons"
	for _, p := range []float64{60, 300} {
		for _, j := range []struct{ jitter, target float64 }{{0, 1}, {0.2, 0.97}, {0.5, 0.93}} {
			beat(table, fmt.Sprintf("T=%.0f j=%.0f %%", p, j.jitter*100), implant{period: p, jitter: j.jitter}, j.target, 50, p == 300)
		}
	}
	beat(table, "T=3600 j=0 %", implant{period: 3600}, 0.97, 200, false)
	beat(table, "T=3600 j=20 % (n=24)", implant{period: 3600, jitter: 0.2}, 0.97, 200, true)
	beat(table, "T=3600 j=50 % (n=24)", implant{period: 3600, jitter: 0.5}, 0.75, 200, true)
	beat(table, "Cobalt Strike sleep 3600 jitter 50", implant{period: 3600, jitter: 0.5, sleepOnly: true}, 0.95, 200, false)
	for _, b := range []struct {
		burst  int
		target float64
	}{{2, 0.96}, {5, 0.95}, {20, 0.90}} {
		beat(table, fmt.Sprintf("T=300 j=30 %% burst %d", b.burst), implant{period: 300, jitter: 0.3, burst: b.burst}, b.target, 50, b.burst == 5)
	}
	beat(table, "T=300 j=10 % missed 50 %", implant{period: 300, jitter: 0.1, missed: 0.5}, 0.92, 100, true)
	beat(table, "T=300 j=10 % missed 80 %", implant{period: 300, jitter: 0.1, missed: 0.8}, 0.75, 100, true)
	beat(table, "T=300 j=30 % 10 h", implant{period: 300, jitter: 0.3, to: 10}, 0.87, 50, false)
	beat(table, "T=300 j=30 % 6 h only", implant{period: 300, jitter: 0.3, to: 6}, 0.66, 50, true)
	beat(table, "two modes 60/600", implant{period: 300, jitter: 0.1, periods: []float64{60, 600}}, 0.98, 50, true)
	beat(table, "T=300 j=5 % + 288 of people", implant{period: 300, jitter: 0.05, noise: 288}, 0.86, 50, true)
	beat(table, "T=300 j=5 % + 1000 of people", implant{period: 300, jitter: 0.05, noise: 1000}, 0.16, 50, true)
	beat(table, "T=300 j=90 %", implant{period: 300, jitter: 0.9}, 0.89, 100, true)
	beat(table, "T=7200 j=20 % (12 a day)", implant{period: 7200, jitter: 0.2}, 0.63, 200, true)
	beat(table, "T=3600 j=20 % missed 30 % (16)", implant{period: 3600, jitter: 0.2, missed: 0.3}, 0.01, 200, false)
	beat(table, "T=10800 j=10 % (8 a day)", implant{period: 10800, jitter: 0.1}, 0.05, 200, false)

	for _, period := range []float64{60, 600, 3600} {
		for _, jitter := range []float64{0.05, 0.2, 0.5} {
			for _, missed := range []float64{0, 0.3} {
				f := scoring.DetectionFloor(keys, dayLength, period, jitter, missed, 0.4)
				if f.CheckIns == 0 {
					continue // cannot be found in a day
				}
				out = append(out, row{"floor", fmt.Sprintf("T=%.0f j=%.0f %% missed %.0f %%: %d check-ins, %.1f h", period, jitter*100, missed*100, f.CheckIns, f.Hours),
					found, dayLength, exactly(f.CheckIns, implant{period: period, jitter: jitter, missed: missed}), nil, 200, 0.95, period == 600 && (missed == 0 || jitter < 0.5)})
			}
		}
	}
	if f := scoring.DetectionFloor(keys, dayLength, 60, 0.9, 0, 0.4); f.CheckIns > 0 {
		out = append(out, row{"floor", fmt.Sprintf("T=60 j=90 %%: %d check-ins, %.1f h", f.CheckIns, f.Hours), found, dayLength,
			exactly(f.CheckIns, implant{period: 60, jitter: 0.9}), nil, 200, 0.95, true})
	}
	for _, of := range [][2]float64{{3600, 0.2}, {7200, 0.2}, {7200, 0.5}, {14400, 0.2}} {
		f := scoring.DayFloor(keys, 30*dayLength, of[0], of[1], 0.4)
		b := implant{period: of[0], jitter: of[1], from: 8, to: 8 + scoring.WorkingHours, length: f.Hours / scoring.WorkingHours * dayLength}
		out = append(out, row{"floor", fmt.Sprintf("30 d, ten hours a day, T=%.0f j=%.0f %%: %.0f days", of[0], of[1]*100, f.Hours/scoring.WorkingHours), found, 30 * dayLength,
			b.generate, nil, 200, 0.95, true})
	}

	const hard = "harder"
	for _, x := range [][2]float64{{5, 1}, {10, 1}, {10, 3}, {60, 2}, {300, 5}} {
		out = append(out, row{hard, fmt.Sprintf("sleeps %.0f s, then works for %.0f s on average", x[0], x[1]), median, dayLength, renewing(dayLength, deadTime(x[0], x[1])), nil, 30, 0.8, x[0] == 10 && x[1] == 1})
	}
	for _, x := range []implant{{period: 5, jitter: 0.007, from: 9, to: 9.84}, {period: 10, jitter: 0.05, from: 9, to: 9.5}, {period: 30, jitter: 0.1, from: 9, to: 10}} {
		out = append(out, row{hard, fmt.Sprintf("strong and short: T=%.0f for %.0f min", x.period, (x.to-x.from)*60), median, dayLength, x.generate, nil, 30, 0.4, x.period == 5})
	}
	for _, h := range []struct{ hours, target float64 }{{1, 0}, {2, 0}, {3, 0}, {4, 0.6}, {6, 0.6}} {
		beat(hard, fmt.Sprintf("flawless T=60 for %.0f h", h.hours), implant{period: 60, jitter: 0.02, to: h.hours}, h.target, 50, h.hours == 4)
	}
	beat(hard, "flawless T=300 j=10 % for 4 h", implant{period: 300, jitter: 0.1, to: 4}, 0.6, 100, false)
	for _, d := range []float64{3, 7} {
		beat(hard, fmt.Sprintf("T=3600 j=20 %% missed 30 %%, %.0f d", d), implant{period: 3600, jitter: 0.2, missed: 0.3, length: d * dayLength}, 0, 100, false)
		beat(hard, fmt.Sprintf("T=7200 j=20 %% missed 30 %%, %.0f d", d), implant{period: 7200, jitter: 0.2, missed: 0.3, length: d * dayLength}, 0, 100, false)
		beat(hard, fmt.Sprintf("T=14400 j=20 %%, %.0f d", d), implant{period: 14400, jitter: 0.2, length: d * dayLength}, 0, 100, false)
		beat(hard, fmt.Sprintf("T=14400 j=20 %% missed 30 %%, %.0f d", d), implant{period: 14400, jitter: 0.2, missed: 0.3, length: d * dayLength}, 0, 100, false)
		beat(hard, fmt.Sprintf("T=3600 j=50 %% missed 30 %%, %.0f d", d), implant{period: 3600, jitter: 0.5, missed: 0.3, length: d * dayLength}, 0, 100, false)
		beat(hard, fmt.Sprintf("T=300 j=30 %%, 12 h of %.0f d", d), implant{period: 300, jitter: 0.3, to: 12, length: d * dayLength}, 0, 30, false)
	}
	for _, j := range []float64{0, 0.05, 0.1, 0.2, 0.3} {
		for _, n := range []float64{288, 1000, 3000} {
			if j == 0.05 && n < 3000 {
				continue // in the table above
			}
			beat(hard, fmt.Sprintf("T=300 j=%.0f %% + %.0f of people", j*100, n), implant{period: 300, jitter: j, noise: n}, 0, 30, j == 0.1 && n == 1000)
		}
	}
	beat(hard, "cron T=3600 j=1 % + 300 of people", implant{period: 3600, jitter: 0.01, grid: true, noise: 300}, 0, 100, false)
	beat(hard, "cron T=600 j=5 % + 1000 of people", implant{period: 600, jitter: 0.05, grid: true, noise: 1000}, 0, 50, false)
	beat(hard, "cron T=900 j=5 % missed 60 %", implant{period: 900, jitter: 0.05, grid: true, missed: 0.6}, 0, 100, false)
	beat(hard, "cron T=300 j=20 % missed 50 %", implant{period: 300, jitter: 0.2, grid: true, missed: 0.5}, 0, 50, false)
	beat(hard, "T=300 j=50 % missed 30 %", implant{period: 300, jitter: 0.5, missed: 0.3}, 0, 50, false)
	beat(hard, "working hours 9-17, T=600 j=20 %", implant{period: 600, jitter: 0.2, from: 9, to: 17}, 0, 50, false)
	beat(hard, "working hours 9-17, T=600 j=20 % missed 30 %", implant{period: 600, jitter: 0.2, missed: 0.3, from: 9, to: 17}, 0, 50, false)
	beat(hard, "working hours 9-17, T=600 j=20 % + 300 of people", implant{period: 600, jitter: 0.2, from: 9, to: 17, noise: 300}, 0, 50, false)
	beat(hard, "T=3600 j=90 %", implant{period: 3600, jitter: 0.9}, 0, 100, false)
	beat(hard, "T=3600 j=90 %, 7 d", implant{period: 3600, jitter: 0.9, length: 7 * dayLength}, 0, 50, false)
	beat(hard, "T=1800 j=20 % missed 30 %", implant{period: 1800, jitter: 0.2, missed: 0.3}, 0, 100, true)
	beat(hard, "T=1800 j=50 % missed 30 %", implant{period: 1800, jitter: 0.5, missed: 0.3}, 0, 100, true)
	beat(hard, "working hours 9-17, T=1800 j=20 %, 72 h", implant{period: 1800, jitter: 0.2, from: 9, to: 17, length: 3 * dayLength}, 0, 100, false)
	beat(hard, "any k of 600 s (k = 1..6), j=2 %", implant{period: 600, jitter: 0.02, periods: []float64{600, 1200, 1800, 2400, 3000, 3600}}, 0, 100, false)
	pair := func(name string, a, b implant) {
		out = append(out, row{hard, name, median, dayLength, together(a.generate, b.generate), nil, 50, 0, false})
	}
	pair("two implants on one key, 300 and 420 s, j=5 %", implant{period: 300, jitter: 0.05}, implant{period: 420, jitter: 0.05})
	pair("two implants on one key, 60 and 3600 s, j=20 %", implant{period: 60, jitter: 0.2}, implant{period: 3600, jitter: 0.2})
	pair("sleep 60 s until 8, then 900 s, j=20 %", implant{period: 60, jitter: 0.2, to: 8}, implant{period: 900, jitter: 0.2, from: 8, to: 24})
	pair("sleep 300 s until 12, then 3600 s, j=20 %", implant{period: 300, jitter: 0.2, to: 12}, implant{period: 3600, jitter: 0.2, from: 12, to: 24})
	sized := func(name string, b implant, people float64, fast bool) {
		out = append(out, row{hard, name, median, dayLength, b.generate, memoryless(people, dayLength), 50, 0, fast})
	}
	sized("same size: T=300 j=20 % + 1000 of people", implant{period: 300, jitter: 0.2}, 1000, true)
	sized("same size: T=300 j=50 % + 3000 of people", implant{period: 300, jitter: 0.5}, 3000, false)
	sized("same size: T=3600 j=20 % + 3000 of people", implant{period: 3600, jitter: 0.2}, 3000, false)
	strobe := func(name string, b implant, sent int) {
		out = append(out, row{"strobes", name, loud, dayLength, rapid(b, sent), nil, 20, 0, false})
	}
	strobe("every 0.9 s all day", implant{period: 0.9, jitter: 0.1}, 1)
	strobe("every 0.5 s for an hour", implant{period: 0.5, jitter: 0.2, to: 1}, 1)
	strobe("every 0.1 s for ten minutes", implant{period: 0.1, jitter: 0.2, to: 1. / 6}, 1)
	strobe("every 0.3 s for a quarter of an hour", implant{period: 0.3, jitter: 0.2, to: 0.25}, 1)
	strobe("200 at a time, 0.3 s apart, every hour", implant{period: 3600, jitter: 0.2}, 200)
	out = append(out,
		row{hard, "same size at random times (n = 100), alone", median, dayLength, memoryless(100, dayLength), nil, 50, 0, false},
		row{hard, "T=300 j=10 %, clock set back an hour at noon", median, dayLength, setClock(-3600, implant{period: 300, jitter: 0.1}.generate), nil, 50, 0, false},
		row{hard, "T=300 j=10 %, clock set on an hour at noon", median, dayLength, setClock(3600, implant{period: 300, jitter: 0.1}.generate), nil, 50, 0, false},
		row{hard, "cron T=600 j=5 %, clock set back an hour at noon", median, dayLength, setClock(-3600, implant{period: 600, jitter: 0.05, grid: true}.generate), nil, 50, 0, false})
	return out
}
