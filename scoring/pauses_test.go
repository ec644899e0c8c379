package scoring

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// working gives connections of a mean duration, seconds, with pauses of any law between the end of one and the start of
// the next.
func working(r *rand.Rand, n int, mean float64, pause func() float64) (s Series) {
	at := 0.0
	for range n {
		d := mean * r.ExpFloat64()
		s.Start, s.Duration = append(s.Start, int64(at*second)), append(s.Duration, int64(d*second))
		at += d + pause()
	}
	return s
}

// A loop that works for as long as it likes and then sleeps exactly is a beacon; by its starts alone it is a timer.
func TestPausesOfALoop(t *testing.T) {
	r := rand.New(rand.NewPCG(81, 1))
	var sc Scorer
	w := Window{0, day}
	s := working(r, 500, 30, func() float64 { return 100 })
	b := sc.Beacon(s, w)
	require.True(t, b.Paused)
	require.False(t, b.Timer)
	require.InDelta(t, 100, b.Pause, 0.1)
	require.InDelta(t, 130, b.Period, 5)
	require.Contains(t, b.Reasons(1000)[0], "sleeps 1.7m ±0% after each connection ends, 100% of 499 pauses")
	s.Duration = nil
	b = sc.Beacon(s, w)
	require.False(t, b.Paused)
	require.True(t, b.Timer, "nothing is known of the ends")
}

// Connections that begin at memoryless times have no rhythm in their pauses, however long they last and however many
// overlap; neither has a keep-alive whose user comes back when he likes.
func TestPausesOfChance(t *testing.T) {
	r := rand.New(rand.NewPCG(82, 1))
	var sc Scorer
	w := Window{0, day}
	for i := range 400 {
		s := exponentials(r, 20+r.IntN(800), []float64{1, 0.05}[i%2])
		for range s.Start {
			s.Duration = append(s.Duration, int64(float64(day/len(s.Start))*r.ExpFloat64()/2))
		}
		require.Less(t, sc.Beacon(s, w).Score(10_000).Score, 0.2)
	}
	for range 50 {
		b := sc.Beacon(working(r, 400, 30, func() float64 { return 60 * r.ExpFloat64() }), w)
		require.False(t, b.Paused)
		require.Less(t, b.Score(10_000).Score, 0.4)
	}
}

// What is connected nearly always and connects again after a moment does not sleep.
func TestPausesOfReconnects(t *testing.T) {
	r := rand.New(rand.NewPCG(83, 1))
	var sc Scorer
	require.False(t, sc.Beacon(working(r, 20, 3600, func() float64 { return 5 }), Window{0, day}).Paused)
}
