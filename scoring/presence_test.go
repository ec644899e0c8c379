package scoring

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// The tail of a beta-binomial of whole parameters in exact fractions: P(k of n) = C(n,k) (a)_k (b)_(n-k) / (a+b)_n,
// rising factorials.
func betaTail(a, b int64, k, n int64) float64 {
	rising := func(x, n int64) *big.Rat {
		r := big.NewRat(1, 1)
		for i := range n {
			r.Mul(r, big.NewRat(x+i, 1))
		}
		return r
	}
	sum := new(big.Rat)
	for ; k <= n; k++ {
		t := new(big.Rat).SetInt(new(big.Int).Binomial(n, k))
		t.Mul(t, rising(a, k)).Mul(t, rising(b, n-k)).Quo(t, rising(a+b, n))
		sum.Add(sum, t)
	}
	v, _ := sum.Float64()
	return v
}

// Habits of a mean and a spread that belong to a beta-binomial of known parameters give its tail. Fractions of n hours
// with mean a/(a+b) and variance mean(1-mean)/n (1+(n-1)/(a+b+1)).
func TestHabitsTail(t *testing.T) {
	for _, c := range []struct{ a, b, k, n int64 }{{2, 6, 24, 24}, {2, 6, 16, 24}, {3, 9, 20, 24}, {1, 7, 100, 168}} {
		mean := float64(c.a) / float64(c.a+c.b)
		n := float64(c.n)
		variance := mean * (1 - mean) / n * (1 + (n-1)/float64(c.a+c.b+1))
		// So many candidates that the one that is added for few does not matter.
		const many = 1e9
		h := Habits{many, many * mean, many * (variance + mean*mean)}
		require.InEpsilon(t, math.Log10(betaTail(c.a, c.b, c.k, c.n)), h.LogP(int(c.k), int(c.n)), 1e-4, "%+v", c)
	}
	require.Zero(t, Habits{}.LogP(0, 24))
	require.Greater(t, Habits{}.LogP(24, 24), -1.6, "without others there is little to say")
}

func TestHabitsWithout(t *testing.T) {
	var all, own Habits
	for i := range 50 {
		all.Add(1, 3+i%5, 24)
	}
	quiet := all.LogP(24, 24)
	for range 20 {
		own.Add(1, 24, 24)
	}
	all.Join(own)
	require.Greater(t, all.LogP(24, 24), quiet+2)
	require.InDelta(t, quiet, all.Without(own).LogP(24, 24), 1e-9)
}

func TestPresence(t *testing.T) {
	w := Window{0, day}
	var host Hours
	for h := range int64(24) {
		host.Note(h*hour, w)
	}
	require.Equal(t, 24, host.Count())
	var sc Scorer
	r := rand.New(rand.NewPCG(1, 2))
	random := func(n int, from, to int64) (s Series) {
		for range n {
			s.Start = append(s.Start, from+r.Int64N(to-from))
		}
		return s
	}
	all := sc.Presence(random(288, 0, day), w)
	require.True(t, all.Holds, "%+v", all)
	require.Equal(t, 24, all.Active)
	require.InDelta(t, 12, all.Rate, 2)
	require.InDelta(t, 1, all.Spread, 0.1)
	for name, s := range map[string]Series{
		"a working day":     random(288, 8*hour, 18*hour),
		"a proxy":           random(5000, 0, day),
		"too few":           random(12, 0, day),
		"silent at night":   {Start: append(random(200, 5*hour+minute, day).Start, random(5, 0, minute).Start...)},
		"beyond the window": random(288, day, 2*day),
		"none":              {},
	} {
		require.False(t, sc.Presence(s, w).Holds, name)
	}
	require.Equal(t, Presence{}, sc.Presence(random(288, 0, 12*hour), Window{0, 12 * hour}), "half a day is no day and night")
	require.Empty(t, Presence{}.Reasons(PresenceScore{}, 1))
	var habits Habits
	for i := range 200 {
		habits.Add(1, 1+i%6, 24)
	}
	s := all.Score(host.Count(), habits, 1000)
	require.InDelta(t, presenceMost, s.Score, 0.01)
	require.Contains(t, all.Reasons(s, 1000)[0], "active in 24 of the 24 hours")
	require.Zero(t, all.Score(40, habits, 1000).Score, "its host is active far longer")
}

func TestHours(t *testing.T) {
	w := Window{0, 7 * day}
	var h Hours
	h.Note(-1, w)
	h.Note(7*day, w)
	require.Zero(t, h.Count())
	h.Note(0, w)
	h.Note(1, w)
	h.Note(100*hour, w)
	h.Note(100*hour, w)
	h.Note(167*hour, w)
	require.Equal(t, 3, h.Count())
}

// A flood is one act, however many hours it lasts: it is a strobe, and no presence.
func TestPresenceOfAStrobe(t *testing.T) {
	var s Series
	for at := int64(0); at < day; at += 900 {
		s.Start = append(s.Start, at)
	}
	var sc Scorer
	w := Window{0, day}
	require.False(t, sc.Presence(s, w).Holds)
	require.GreaterOrEqual(t, sc.Strobe(s, w).Score, 0.4)
}
