package scoring

// Strobe says whether a candidate connects all the time.
type Strobe struct {
	// Score is the indicator's value: 0 below StrobeHour connections in any hour, else by the connections in the
	// busiest 24 hours: 0.2 at 3,600, 0.4 at 14,400, 0.6 at 43,200, RITA's 0.8 at 86,400. Windows under a day need
	// proportionally fewer; longer ones need no more. Traffic without a steady pace gets 0.2 at most.
	Score float64
	// Paced is the largest share of the intervals that lie within a ratio of two: nearly all of a loop's. Memoryless
	// traffic puts a quarter there at most.
	Paced float64
	// Hour and Day are the connections in the busiest 60 minutes and 24 hours.
	Hour, Day int
	// Connections in the window.
	Connections int
}

// StrobeHour is the number of connections in some hour that makes a strobe: one a second.
const StrobeHour = 3600

// strobePaced is the least share of paced intervals of a loop. A busy proxy or resolver has as many connections without
// a pace: any mixture of exponentials puts a quarter at most within a ratio of two.
const strobePaced = 0.5

func strobeThresholds() Thresholds {
	return Thresholds{StrobeHour, 4 * StrobeHour, 12 * StrobeHour, RITAStrobeConnections}
}

// Strobe counts the connections that start in the window, in its busiest hour and day.
func (sc *Scorer) Strobe(s Series, w Window) Strobe {
	w = w.bounded()
	sc.inside = sc.inside[:0]
	for _, t := range s.Start {
		if t >= w.Start && t < w.End {
			sc.inside = append(sc.inside, t)
		}
	}
	st := Strobe{Connections: len(sc.inside)}
	if st.Connections < StrobeHour {
		return st
	}
	sortInts(sc.inside)
	st.Hour, st.Day = busiest(sc.inside, hour), busiest(sc.inside, day)
	if st.Hour >= StrobeHour {
		scale := min(1, float64(w.Length())/day)
		st.Score = BucketedScore(float64(st.Day)/scale, strobeThresholds())
		if st.Paced = sc.paced(sc.inside); st.Paced < strobePaced {
			st.Score = min(st.Score, 0.2)
		}
	}
	return st
}

// paced is the largest share of intervals within a ratio of two; times ascend. Times are whole milliseconds, so
// intervals of 0 and 1 ms belong together.
func (sc *Scorer) paced(times []int64) float64 {
	intervals := sc.values[:0]
	for i := 1; i < len(times); i++ {
		intervals = append(intervals, times[i]-times[i-1])
	}
	sc.values = intervals
	sc.intScratch = sortDigits(intervals, sc.intScratch, 0)
	most, to := 0, 0
	for from, shortest := range intervals {
		for to < len(intervals) && intervals[to] <= max(1, 2*shortest) {
			to++
		}
		most = max(most, to-from)
	}
	return float64(most) / float64(max(1, len(intervals)))
}

// busiest is the largest number of times within any span of this length.
func busiest(times []int64, length int64) int {
	most, from := 0, 0
	for i, t := range times {
		for t-times[from] >= length {
			from++
		}
		most = max(most, i-from+1)
	}
	return most
}
