package scoring_test

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/scoring"
)

// hunted are the lengths of window, in hours, that hunts are made over.
var hunted = []int64{12, 24, 72, 168}

func hoursWindow(hours int64) scoring.Window {
	return scoring.Window{Start: midnight, End: midnight + hours*3600e3}
}

// gapBound is log10 of docs/facts/scoring.md's p_gap for m intervals of which k lie in one window of ratio r, in large
// numbers: m P[Bin(m-1, q) >= k-1] with q = (1-1/r) r^(-1/(r-1)), times 2 for the tests and, as docs/detection.md
// shares INTERVAL's chance out, 10 for windows without bursts, 20 for those of ten seconds, 84 for others. It is at most
// m C(m-1,k-1) times the integral of (exp(-y)-exp(-ry))^(k-1) over ln y, divided by e.
func gapBound(m, k int, r, burst float64) float64 {
	windows := map[float64]int{0: 10, 10: 20}[burst]
	if windows == 0 || r == 1.02 {
		windows = 84 // the exact window has the share of one of them
	}
	q := new(big.Float).SetPrec(200).SetFloat64((1 - 1/r) * math.Pow(r, -1/(r-1)))
	rest := new(big.Float).Sub(new(big.Float).SetInt64(1), q)
	term := new(big.Float).SetPrec(200).SetInt(new(big.Int).Binomial(int64(m-1), int64(k-1)))
	for i := range m - 1 {
		if i < k-1 {
			term.Mul(term, q)
		} else {
			term.Mul(term, rest)
		}
	}
	sum := new(big.Float).SetPrec(200).Set(term)
	for i := k; i <= m-1; i++ { // from i-1 to i in the window
		term.Mul(term, new(big.Float).Quo(q, rest))
		term.Mul(term, new(big.Float).SetPrec(200).Quo(new(big.Float).SetInt64(int64(m-i)), new(big.Float).SetInt64(int64(i))))
		sum.Add(sum, term)
	}
	sum.Mul(sum, big.NewFloat(float64(2*windows*m)))
	mantissa := new(big.Float)
	exponent := sum.MantExp(mantissa)
	x, _ := mantissa.Float64()
	return min(0, math.Log10(x)+float64(exponent)*math.Log10(2), choices(m, k, r)+math.Log10(float64(2*windows)))
}

// choices is log10 of that integral times the number of choices. Beyond 64 others each counts as its largest share.
func choices(m, k int, r float64) float64 {
	q, others, sum := (1-1/r)*math.Pow(r, -1/(r-1)), float64(min(k-1, 64)), 0.0
	for l := -20.0; l < 7; l += 0.01 {
		y := math.Exp(l)
		sum += 0.01 * math.Pow((math.Exp(-y)-math.Exp(-r*y))/q, others)
	}
	of, _ := new(big.Float).SetInt(new(big.Int).Mul(big.NewInt(int64(m)), new(big.Int).Binomial(int64(m-1), int64(k-1)))).Float64()
	return math.Log10(of) + float64(k-1)*math.Log10(q) + math.Log10(min(1, sum/math.E))
}

// check-in is a rhythm whose intervals are known without looking: how many there are (m), how many of them keep it (k,
// in windows of ratio r), with which jitter, and for how many seconds that holds.
type beat struct {
	m, k    int
	r       float64
	jitter  float64
	covered float64
}

// score is docs/detection.md's formula in a hunt of 100,000 keys; enough is half the window, at most twelve hours
// (docs/facts/scoring.md, 2).
func (b beat) score(hours int64) float64 {
	enough := min(float64(hours)/2, 12) * 3600
	expected := math.Pow(10, 5+gapBound(b.m, b.k, b.r, 0))
	return math.Sqrt(float64(b.k)/float64(b.m)*(1-b.jitter/3)) * math.Pow(min(1, b.covered/enough), 0.4) / (1 + expected)
}

// exact is the ratio of the window that explains so many intervals without jitter: few of them are looked at more
// closely.
func exact(gaps int) float64 {
	if gaps <= 16 {
		return 1.02
	}
	return 1.1
}

// Beacons over the four windows: fast, slow, alive for a part of them, with jitter, with check-ins missing. The
// expected scores are the formulas of docs/facts/scoring.md (2) and docs/detection.md (1), computed here from how the
// series is made. What scales with the window is how many hours are enough (6, 12, 12, 12); what does not is how likely
// the intervals are by chance.
func TestBeaconOverWindows(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(hours int64) []int64
		want func(hours int64) beat
		// words are the severities in the four windows.
		words [4]string
	}{
		{"every minute", func(h int64) []int64 { return every(60, 0, int(60*h)) },
			func(h int64) beat { m := int(60*h) - 1; return beat{m, m, 1.1, 0, float64(m) * 60} },
			[4]string{"critical", "critical", "critical", "critical"}},
		{"every minute for three hours", func(int64) []int64 { return every(60, 7000, 180) },
			func(int64) beat { return beat{179, 179, 1.1, 0, 179 * 60} },
			[4]string{"high", "medium", "medium", "medium"}}, // (3/6)^0.4 = 0.76, (3/12)^0.4 = 0.57
		{"every minute for twelve hours", func(h int64) []int64 { return every(60, 0, 720) },
			func(int64) beat { return beat{719, 719, 1.1, 0, 719 * 60} },
			[4]string{"critical", "critical", "critical", "critical"}}, // twelve hours are enough, in a week too
		{"every two hours", func(h int64) []int64 { return every(7200, 60, int(h/2)) },
			func(h int64) beat { m := int(h/2) - 1; return beat{m, m, exact(m), 0, float64(m) * 7200} },
			[4]string{"critical", "critical", "critical", "critical"}}, // six that agree within a hundredth are proof
		{"every four hours", func(h int64) []int64 { return every(14400, 60, int(h/4)) },
			func(h int64) beat { m := int(h/4) - 1; return beat{m, m, exact(m), 0, float64(m) * 14400} },
			[4]string{"", "critical", "critical", "critical"}},
		// Intervals of 0.8, 0.9, 1, 1.1, 1.2 hours in turn: a window of ratio 1.5 holds them all, the next narrower
		// three of five.
		{"about every hour", func(h int64) []int64 {
			var out []int64
			for i, at := 0, int64(0); at < h*3600; i++ {
				out = append(out, midnight+at*1000)
				at += 2880 + 360*int64(i%5)
			}
			return out
		}, func(h int64) beat { return beat{int(h), int(h), 1.5, 0.2, float64(h) * 3500} },
			[4]string{"critical", "critical", "critical", "critical"}},
		// Every third check-in missing, so intervals of one and two periods in turn: all of them keep the rhythm, and
		// chance is far off in all windows.
		{"every half hour, a third missing", func(h int64) []int64 {
			return slices.DeleteFunc(every(1800, 60, int(2*h)), func(at int64) bool { return (at-midnight)/1800e3%3 == 2 })
		}, func(h int64) beat { m := int(4*h/3) - 1; return beat{m, m, 1.1, 0, float64(h) * 3400} },
			[4]string{"critical", "critical", "critical", "critical"}},
	} {
		for i, hours := range hunted {
			t.Run(fmt.Sprintf("%s, %d h", c.name, hours), func(t *testing.T) {
				want := 0.0
				if of := c.want(hours); of.m >= 3 {
					want = of.score(hours)
				}
				var sc scoring.Scorer
				b := sc.Beacon(scoring.Series{Start: c.make(hours)}, hoursWindow(hours))
				got := b.Score(100_000).Score
				require.InDelta(t, want, got, 0.02, "%+v", b)
				require.Equal(t, c.words[i], scoring.SeverityOf(got).String())
			})
		}
	}
}

// A rhythm of a day counts the same wherever in a longer window it lies, and what is older than the window not at all.
func TestBeaconPlaceInWindow(t *testing.T) {
	var sc scoring.Scorer
	week := hoursWindow(168)
	first := sc.Beacon(scoring.Series{Start: every(300, 0, 288)}, week)
	for _, day := range []int64{1, 3, 6} {
		b := sc.Beacon(scoring.Series{Start: every(300, day*86400, 288)}, week)
		require.InDelta(t, first.Score(1000).Score, b.Score(1000).Score, 1e-9)
	}
	b := sc.Beacon(scoring.Series{Start: every(300, -7*86400, 288)}, week)
	require.Zero(t, b.Connections)
}

// Strobes over the four windows, by hand from docs/facts/scoring.md (3): RITA's 86,400 a day, and one a second for an
// hour (0.2 at 3,600, 0.4 at 14,400, 0.6 at 43,200, 0.8 at 86,400 in the busiest 24 hours). Windows shorter than a day
// need as much less, as for long connections; longer ones no more: the busiest day decides.
func TestStrobeOverWindows(t *testing.T) {
	for _, c := range []struct {
		name   string
		starts func(hours int64) []int64
		want   [4]float64
	}{
		{"one a second, always", func(h int64) []int64 { return every(1, 0, int(3600*h)) }, [4]float64{0.8, 0.8, 0.8, 0.8}},
		// 21,600: half of twelve hours' 43,200; a quarter of the way from 14,400 to 43,200.
		{"one a second, six hours", func(int64) []int64 { return every(1, 3600, 21600) }, [4]float64{0.6, 0.45, 0.45, 0.45}},
		// 3,600: a third of the way from 1,800 to 7,200.
		{"one a second, one hour", func(int64) []int64 { return every(1, 3600, 3600) }, [4]float64{0.2 + 0.2/3, 0.2, 0.2, 0.2}},
		{"one in two seconds, always", func(h int64) []int64 { return every(2, 0, int(1800*h)) }, [4]float64{0, 0, 0, 0}},
		// 12,000 in twenty minutes: between 7,200 and 21,600; between 3,600 and 14,400.
		{"ten a second, twenty minutes", func(int64) []int64 {
			out := make([]int64, 12000)
			for i := range out {
				out[i] = midnight + int64(i)*100
			}
			return out
		}, [4]float64{0.4 + 0.2/3, 0.2 + 0.2*7.0/9, 0.2 + 0.2*7.0/9, 0.2 + 0.2*7.0/9}},
	} {
		for i, hours := range hunted {
			t.Run(fmt.Sprintf("%s, %d h", c.name, hours), func(t *testing.T) {
				var sc scoring.Scorer
				got := sc.Strobe(scoring.Series{Start: c.starts(hours)}, hoursWindow(hours))
				require.InDelta(t, c.want[i], got.Score, 1e-9, "%+v", got)
			})
		}
	}
}
