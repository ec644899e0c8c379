package scoring

// Strobe is whether a key connects all the time.
type Strobe struct {
	// Score is the indicator's value: 0 below StrobeHour connections in any hour; from there by the connections in the
	// busiest 24 hours: 0.2 at 3,600, 0.4 at 14,400, 0.6 at 43,200, and RITA's 0.8 at 86,400. In windows shorter than a
	// day as many fewer are needed; longer windows need no more.
	Score float64
	// Hour and Day are the connections in the busiest 60 minutes and 24 hours.
	Hour, Day int
	// Connections in the window.
	Connections int
}

// StrobeHour is how many connections in some hour make a strobe: one a second.
const StrobeHour = 3600

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
	}
	return st
}

// busiest is the largest number of times within a length.
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
