package main

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"

	"dwell/scoring"
)

// keys is the size of the hunt that scores are weighed in.
const keys = 100_000

const epoch = int64(1_700_006_400_000) // a midnight, UTC

// result is what a row measured.
type result struct {
	row
	// figure is what the row promises; noise is one standard error of it.
	figure, noise float64
	// tenth percentile of the scores.
	tenth float64
	// timer is the share that is labeled a timer that restarts on use.
	timer float64
	// rita is the median of RITA's score with equal sizes, ritaAlarms the share above 0.7.
	rita, ritaAlarms float64
	connections      float64
}

// series in milliseconds from the epoch.
func (t seconds) series() scoring.Series {
	s := scoring.Series{Start: make([]int64, len(t)), Size: make([]int64, len(t))}
	for i, x := range t {
		s.Start[i], s.Size[i] = epoch+int64(x*1000), 100
	}
	return s
}

func measure(x row, runs int) result {
	h := fnv.New64a()
	h.Write([]byte(x.group + x.name)) // a row's figure does not depend on the others
	r := rand.New(rand.NewPCG(5, h.Sum64()))
	w := scoring.Window{Start: epoch, End: epoch + int64(x.length*1000)}
	var sc scoring.Scorer
	var scores, rita []float64
	res := result{row: x}
	for range runs {
		t := x.make(r)
		s := t.series()
		if x.people != nil {
			p := x.people(r).series()
			for i := range p.Start {
				s.Start, s.Size = append(s.Start, p.Start[i]), append(s.Size, 200+r.Int64N(4000))
			}
		}
		res.connections += float64(len(s.Start)) / float64(runs)
		b := sc.Beacon(s, w)
		score := b.Score(keys).Score // of timing alone
		if b.Beyond() {
			score = max(score, b.Value(keys, scoring.SizeScore{}))
		}
		switch x.kind {
		case loud:
			score = max(score, sc.Strobe(s, w).Score)
		case present, absent:
			score = sc.Presence(s, w).Score(24, habits(), 10_000).Score
		case anyAlarm:
			score = shown(&sc, s, w, r)
		case medium, high:
			score = hunted(&sc, s, w, manyKeys)
		}
		scores = append(scores, score)
		if b.Timer {
			res.timer += 1 / float64(runs)
		}
		v, _ := sc.RITA(s, scoring.RITAWindow{Min: max(w.Start, w.End-86400e3) / 1000, Max: w.End / 1000})
		rita = append(rita, v.Score)
	}
	slices.Sort(scores)
	slices.Sort(rita)
	res.tenth, res.rita = quantile(scores, 0.1), quantile(rita, 0.5)
	res.ritaAlarms = above(rita, 0.7)
	if x.kind == median || x.kind == loud {
		res.figure = quantile(scores, 0.5)
		// Of the median, by the spread of the middle half.
		res.noise = 0.93 * (quantile(scores, 0.75) - quantile(scores, 0.25)) / math.Sqrt(float64(runs))
		return res
	}
	res.figure = above(scores, 0.4)
	if x.kind == high {
		res.figure = above(scores, 0.6)
	}
	res.noise = math.Sqrt(max(res.figure*(1-res.figure), 1/float64(runs)) / float64(runs))
	return res
}

// habits are those of a site whose candidates are active in three to ten of their hosts' hours, but for one in two
// hundred that always is.
func habits() (h scoring.Habits) {
	for i := range 500 {
		h.Add(1, 3+i%8, 24)
		if i%200 == 0 {
			h.Add(1, 24, 24)
		}
	}
	return h
}

// rareWeight and sameWeight are the modifiers for a rare destination and for sameFewest messages or more of one size
// (internal/evidence).
const (
	rareWeight, sameWeight = 0.15, 0.02
	sameFewest             = 20
)

// manyKeys is the size of the hunt of a site of some dozen hosts, in which implants are counted.
const manyKeys = 10_000

// shown is what a hunt would show of connections to a rare destination, of equal sizes, that last five seconds or, one
// in three times, a minute on average.
func shown(sc *scoring.Scorer, s scoring.Series, w scoring.Window, r *rand.Rand) float64 {
	s.Duration = make([]int64, len(s.Start))
	for i := range s.Duration {
		mean := 5000.0
		if r.IntN(3) == 0 {
			mean = 60_000
		}
		s.Duration[i] = int64(exponential(r, mean))
	}
	return hunted(sc, s, w, keys)
}

// hunted is the score that a hunt of so many candidates would show of connections to a rare destination. There is no
// evidence of what they look like but their size, so a timer, few hours and slow strobes stay low, a presence of
// several sizes medium, and chance bounds the severity.
func hunted(sc *scoring.Scorer, s scoring.Series, w scoring.Window, keys int) float64 {
	b, size := sc.Beacon(s, w), sc.Size(s, w)
	v := scoring.Indicators{Beacon: b.Value(keys, size), Strobe: sc.Strobe(s, w).Score, Presence: sc.Presence(s, w).Score(24, habits(), keys).Score}
	if s.Duration != nil {
		v.Long = sc.Long(s, w).Score
	}
	if v.Strongest() < 0.2 {
		return v.Strongest()
	}
	modifiers, same := []float64{rareWeight}, len(s.Start) >= sameFewest && size.Share >= 0.95
	if same {
		modifiers = append(modifiers, sameWeight)
	}
	score := scoring.Final(v, modifiers, scoring.Unexplained)
	most, other := 1.0, max(v.Strobe, v.Long)
	switch {
	case other >= max(v.Beacon, v.Presence):
		if other < 0.4 {
			most = 0.39
		}
	case v.Presence >= v.Beacon:
		if !same {
			most = 0.59
		}
	case b.Timer:
		most = 0.39
	default:
		most = [...]float64{0, 0.39, 0.59, 0.79, 1}[b.Chance(keys)]
	}
	return min(score, most)
}

func above(ascending []float64, x float64) float64 {
	i, _ := slices.BinarySearch(ascending, x)
	return float64(len(ascending)-i) / float64(max(1, len(ascending)))
}

func quantile(ascending []float64, q float64) float64 {
	if len(ascending) == 0 {
		return 0
	}
	at := q * float64(len(ascending)-1)
	i := int(at)
	if i+1 >= len(ascending) {
		return ascending[len(ascending)-1]
	}
	return ascending[i] + (at-float64(i))*(ascending[i+1]-ascending[i])
}
