package scoring_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"dwell/scoring"
)

// population makes keys as a hunt has them: connections log-normal with a median of 50 and sigma 1.2, at most 4,000;
// two thirds people in sessions, the rest memoryless, timers and check-ins.
func population(keys int) []scoring.Series {
	r := rand.New(rand.NewPCG(1, 2))
	out := make([]scoring.Series, keys)
	for i := range out {
		n := min(4000, max(4, int(50*math.Exp(1.2*r.NormFloat64()))))
		s := scoring.Series{Start: make([]int64, n), Size: make([]int64, n), Duration: make([]int64, n)}
		at := 0.0
		mean := 86400 / float64(n)
		for j := range n {
			switch i % 12 {
			case 0:
				at += mean * (0.8 + 0.4*r.Float64())
			case 1:
				at += mean/2 + r.ExpFloat64()*mean/2
			case 2, 3:
				at += r.ExpFloat64() * mean
			default:
				if r.IntN(8) == 0 {
					at += r.ExpFloat64() * mean * 7.5
				} else {
					at += r.ExpFloat64() * mean / 15
				}
			}
			s.Start[j] = midnight + int64(math.Mod(at, 86400)*1000)
			s.Size[j], s.Duration[j] = 200+int64(r.IntN(20)*r.IntN(50)), int64(r.ExpFloat64()*1000)
		}
		slices.Sort(s.Start)
		out[i] = s
	}
	return out
}

var day = scoring.Window{Start: midnight, End: midnight + 86400e3}

// BenchmarkKeys scores a population by everything there is, on one core: twice its keys/s are two cores'.
func BenchmarkKeys(b *testing.B) {
	keys := population(2000)
	var sc scoring.Scorer
	var sum float64
	for _, s := range keys { // warm
		x := sc.Beacon(s, day)
		sum += x.LogP
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		s := keys[i%len(keys)]
		x := sc.Beacon(s, day)
		l, t, z := sc.Long(s, day), sc.Strobe(s, day), sc.Size(s, day)
		r, _ := sc.RITA(s, scoring.RITAWindow{Min: midnight / 1000, Max: midnight/1000 + 86400})
		sum += x.Score(1000).Score + l.Score + t.Score + z.Share + r.Score
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "keys/s")
	if math.IsNaN(sum) {
		b.Fatal("NaN")
	}
}

// BenchmarkMillion scores one key with a million connections.
func BenchmarkMillion(b *testing.B) {
	r := rand.New(rand.NewPCG(3, 4))
	s := scoring.Series{}
	for range 1_000_000 {
		s.Start, s.Size, s.Duration = append(s.Start, midnight+r.Int64N(86400e3)), append(s.Size, r.Int64N(3000)), append(s.Duration, r.Int64N(9000))
	}
	slices.Sort(s.Start) // as the merged connections of a pair come
	var sc scoring.Scorer
	for b.Loop() {
		x := sc.Beacon(s, day)
		l, t, z := sc.Long(s, day), sc.Strobe(s, day), sc.Size(s, day)
		if x.LogP+l.Score+t.Score+z.Share > 1e9 {
			b.Fatal("impossible")
		}
	}
}

// BenchmarkTests shows what one key of each size costs.
func BenchmarkTests(b *testing.B) {
	for _, n := range []int{10, 50, 200, 1000, 4000} {
		r := rand.New(rand.NewPCG(3, uint64(n)))
		var s scoring.Series
		for range n {
			s.Start = append(s.Start, midnight+r.Int64N(86400e3))
		}
		slices.Sort(s.Start)
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			var sc scoring.Scorer
			for b.Loop() {
				sc.Beacon(s, day)
			}
		})
	}
}
