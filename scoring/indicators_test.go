package scoring_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"dwell/scoring"
)

func TestLong(t *testing.T) {
	const h = int64(3600e3)
	var sc scoring.Scorer
	for name, c := range map[string]struct {
		start, duration []int64
		window          scoring.Window
		want            scoring.Long
	}{
		"none":    {nil, nil, day, scoring.Long{}},
		"unknown": {[]int64{midnight}, []int64{-1}, day, scoring.Long{}},
		"zero":    {[]int64{midnight}, []int64{0}, day, scoring.Long{}},
		"an hour": {[]int64{midnight + h}, []int64{h}, day,
			scoring.Long{Score: 0.2, Union: 3600, Held: 3600, Share: 1.0 / 24, Longest: 3600, Connections: 1, Pieces: 1}},
		// Two overlap: 6 h together, not 8; then a hole of 2 h.
		"overlap and hole": {[]int64{midnight + 2*h, midnight, midnight + 8*h}, []int64{4 * h, 4 * h, 2 * h}, day,
			scoring.Long{Score: 0.6, Union: 8 * 3600, Held: 8 * 3600, Share: 8.0 / 24, Longest: 4 * 3600, Connections: 3, Pieces: 2, Hole: 2 * 3600}},
		// Begun before the window and still open after it.
		"clipped": {[]int64{midnight - 5*h}, []int64{100 * h}, day,
			scoring.Long{Score: 0.8, Union: 86400, Held: 86400, Share: 1, Longest: 86400, Connections: 1, Pieces: 1}},
		"outside":      {[]int64{midnight - 5*h, midnight + 24*h}, []int64{h, h}, day, scoring.Long{}},
		"for ever":     {[]int64{midnight}, []int64{math.MaxInt64}, day, scoring.Long{Score: 0.8, Union: 86400, Held: 86400, Share: 1, Longest: 86400, Connections: 1, Pieces: 1}},
		"scaled down":  {[]int64{midnight}, []int64{6 * h}, scoring.Window{Start: midnight, End: midnight + 12*h}, scoring.Long{Score: 0.8, Union: 6 * 3600, Held: 6 * 3600, Share: 0.5, Longest: 6 * 3600, Connections: 1, Pieces: 1}},
		"not up":       {[]int64{midnight}, []int64{12 * h}, scoring.Window{Start: midnight, End: midnight + 168*h}, scoring.Long{Score: 0.8, Union: 12 * 3600, Held: 12 * 3600, Share: 12.0 / 168, Longest: 12 * 3600, Connections: 1, Pieces: 1}},
		"inside other": {[]int64{midnight, midnight + h}, []int64{4 * h, h}, day, scoring.Long{Score: 0.4, Union: 4 * 3600, Held: 4 * 3600, Share: 4.0 / 24, Longest: 4 * 3600, Connections: 2, Pieces: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			got := sc.Long(scoring.Series{Start: c.start, Duration: c.duration}, c.window)
			c.want.Score, got.Score = math.Round(c.want.Score*1e9), math.Round(got.Score*1e9)
			c.want.Share, got.Share = math.Round(c.want.Share*1e9), math.Round(got.Share*1e9)
			require.Empty(t, cmp.Diff(c.want, got))
		})
	}
	got := sc.Long(scoring.Series{Start: []int64{midnight, midnight + 8*h, midnight + 11*h}, Duration: []int64{4 * h, 2 * h, h}}, day)
	require.Equal(t, []string{"connected for 7h, 29% of the window in 3 connections, the longest 4h; 2 reconnects, the longest pause 4h"}, got.Reasons())
	require.Empty(t, scoring.Long{}.Reasons())
}

func TestStrobe(t *testing.T) {
	var sc scoring.Scorer
	even := func(n int, length int64) (out []int64) {
		for i := range int64(n) {
			out = append(out, midnight+i*length/int64(n))
		}
		return out
	}
	for name, c := range map[string]struct {
		starts []int64
		window scoring.Window
		score  float64
		hour   int
	}{
		"RITA's":               {even(86400, 86400e3), day, 0.8, 3600},
		"one short of it":      {even(86399, 86400e3), day, 0.6 + 0.2*43199.0/43200, 3600},
		"an hour at one a sec": {even(3600, 3600e3), day, 0.2, 3600},
		"three minutes":        {even(3599, 180e3), day, 0, 0},
		"ten a second, 10 min": {even(6000, 600e3), day, 0.2 + 0.2*(6000.0-3600)/(14400-3600), 6000},
		"12 h in a week":       {even(43200, 43200e3), scoring.Window{Start: midnight, End: midnight + 7*86400e3}, 0.6, 3600},
		"a million":            {even(1_000_000, 86400e3), day, 0.8, 41667},
	} {
		t.Run(name, func(t *testing.T) {
			got := sc.Strobe(scoring.Series{Start: c.starts}, c.window)
			require.InDelta(t, c.score, got.Score, 1e-9)
			if c.hour > 0 {
				require.InDelta(t, c.hour, got.Hour, 1)
			}
			require.Equal(t, c.score > 0, len(got.Reasons()) == 1)
		})
	}
	got := sc.Strobe(scoring.Series{Start: even(86400, 86400e3)}, day)
	require.Equal(t, []string{"86,400 connections in the busiest day, 3,600 in the busiest hour: one per second or more"}, got.Reasons())
}

func TestSize(t *testing.T) {
	var sc scoring.Scorer
	for name, c := range map[string]struct {
		sizes  []int64
		want   scoring.SizeScore
		factor float64
	}{
		"absent": {[]int64{-1, -1}, scoring.SizeScore{}, 1},
		"zeros":  {[]int64{0, 0, 0, 0}, scoring.SizeScore{Share: 1, Known: 4}, 1},
		// Median 500: 450 to 550 count.
		"half": {[]int64{500, 500, 449, 551, 450, 550, 5000, 20}, scoring.SizeScore{Share: 0.5, Median: 500, Known: 8}, 0.875},
		// Median 100: 32 bytes beside it count.
		"small":     {[]int64{68, 100, 132, 133, 67}, scoring.SizeScore{Share: 0.6, Median: 100, Known: 5}, 0.9},
		"one known": {[]int64{-1, 77}, scoring.SizeScore{Share: 1, Median: 77, Known: 1}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			got := sc.Size(scoring.Series{Start: every(60, 0, len(c.sizes)), Size: c.sizes}, day)
			require.Equal(t, c.want, got)
			require.InDelta(t, c.factor, got.Factor(), 1e-12)
		})
	}
	require.Zero(t, sc.Size(scoring.Series{Start: every(60, 0, 5)}, day))
	require.Equal(t, "50% of 8 connections sent 500 bytes, ±10%", scoring.SizeScore{Share: 0.5, Median: 500, Known: 8}.Reason())
}

func TestDNSTunnel(t *testing.T) {
	names := func(n int, format string) (out []string) {
		for i := range n {
			out = append(out, fmt.Sprintf(format, i*2654435761%4294967296, i*40503%65536))
		}
		return out
	}
	no := false
	for name, c := range map[string]struct {
		in         scoring.DNSNames
		score, old float64
	}{
		"nothing":         {scoring.DNSNames{Domain: "evil.example"}, 0, 0},
		"encoded":         {scoring.DNSNames{Domain: "evil.example", Names: names(500, "%08x7f3a%04x9bc2d1e05a4c.t.evil.example")}, 0.8, 0.4},
		"encoded, few":    {scoring.DNSNames{Domain: "evil.example", Names: names(60, "%08x7f3a%04x9bc2d1e05a4c.t.evil.example")}, 0.21, 0},
		"hosts of a blog": {scoring.DNSNames{Domain: "blog.example", Names: names(500, "user%d-%d.blog.example")}, 0.4, 0.4},
		"short words":     {scoring.DNSNames{Domain: "b.example", Names: names(500, "u%[2]d.b.example")}, 0.275, 0.4},
		"short, but TXT":  {scoring.DNSNames{Domain: "b.example", Names: names(500, "u%[2]d.b.example"), Queries: 500, Unusual: 400, AnswerBytes: 50000, Contacted: &no}, 0.4, 0.4},
	} {
		t.Run(name, func(t *testing.T) {
			got := scoring.ScoreDNSTunnel(c.in)
			require.InDelta(t, c.old, scoring.RITADNSThreat(int64(len(c.in.Names))), 1e-9)
			require.InDelta(t, c.score, got.Score, 1e-9, "%+v", got)
			require.Equal(t, c.score > 0, len(got.Reasons()) > 0)
		})
	}
	got := scoring.ScoreDNSTunnel(scoring.DNSNames{Domain: "b.example", Names: names(500, "%08x%04x.b.example"), Queries: 500, Unusual: 400, AnswerBytes: 50000, Contacted: &no})
	require.Len(t, got.Reasons(), 4)
	require.Equal(t, "80% of queries ask for TXT, NULL, CNAME or MX records", got.Reasons()[1])
	require.Equal(t, "answers of 100 bytes on average", got.Reasons()[2])
	require.Equal(t, "no host connected to an address in the answers", got.Reasons()[3])
}

func TestFinal(t *testing.T) {
	i := scoring.Indicators{Beacon: 0.5, Long: 0.7, DNSTunnel: math.NaN()}
	require.InDelta(t, 0.7, i.Strongest(), 0)
	require.InDelta(t, 1, scoring.Final(i, []float64{0.6}, scoring.Unexplained), 0)
	require.InDelta(t, 0.7, scoring.Final(i, []float64{0.6}, scoring.Weak), 1e-12)
	require.InDelta(t, 0.21, scoring.Final(i, nil, scoring.Strong), 1e-12)
	require.Zero(t, scoring.Final(i, []float64{-2}, scoring.Unexplained))
	// 0.7, of what is left a quarter, and of that a sixth less.
	require.InDelta(t, (0.7+0.3/4)*5/6, scoring.Final(i, []float64{0.15, -0.1}, scoring.Unexplained), 1e-12)
	require.Equal(t, "none weak strong", fmt.Sprint(scoring.Unexplained, " ", scoring.Weak, " ", scoring.Strong))
}

func TestStories(t *testing.T) {
	of := func(shares ...int) (out []uint64) { // pair, connections, pair, connections: its first so many
		for i := 0; i < len(shares); i += 2 {
			for c := range shares[i+1] {
				out = append(out, uint64(shares[i]*1000+c))
			}
		}
		return out
	}
	for name, c := range map[string]struct {
		keys []scoring.ScoredKey
		want []scoring.KeyGroup
	}{
		"nothing": {},
		"address, name and roll-ups of the same connections: the name leads": {
			[]scoring.ScoredKey{
				{Kind: scoring.FingerprintKey, Score: 0.9, Of: of(1, 100)},
				{Kind: scoring.NetworkKey, Score: 0.9, Of: of(1, 100)},
				{Kind: scoring.AddressKey, Score: 0.9, Of: of(1, 100)},
				{Kind: scoring.NameKey, Score: 0.9, Of: of(1, 100)},
			},
			[]scoring.KeyGroup{{Lead: 3, Also: []int{0, 1, 2}}},
		},
		"an address that explains its network leads": {
			[]scoring.ScoredKey{{Kind: scoring.NetworkKey, Score: 0.92, Of: of(1, 100, 2, 5)}, {Kind: scoring.AddressKey, Score: 0.88, Of: of(1, 100)}},
			[]scoring.KeyGroup{{Lead: 1, Also: []int{0}}},
		},
		"addresses that rotate: the network leads": {
			[]scoring.ScoredKey{
				{Kind: scoring.AddressKey, Score: 0.1, Of: of(1, 20)}, {Kind: scoring.AddressKey, Score: 0.3, Of: of(2, 20)},
				{Kind: scoring.NetworkKey, Score: 0.9, Of: of(1, 20, 2, 20, 3, 20)},
			},
			[]scoring.KeyGroup{{Lead: 2, Also: []int{0, 1}}},
		},
		"two implants in one network are two": {
			[]scoring.ScoredKey{
				{Kind: scoring.NetworkKey, Score: 0.6, Of: of(1, 100, 2, 100)},
				{Kind: scoring.AddressKey, Score: 0.9, Of: of(1, 100)}, {Kind: scoring.AddressKey, Score: 0.8, Of: of(2, 100)},
			},
			[]scoring.KeyGroup{{Lead: 1, Also: []int{0}}, {Lead: 2}},
		},
		"a name on addresses that others share": {
			[]scoring.ScoredKey{
				{Kind: scoring.AddressKey, Score: 0.2, Of: of(1, 500)}, {Kind: scoring.AddressKey, Score: 0.2, Of: of(2, 500)},
				{Kind: scoring.NameKey, Score: 0.9, Of: of(1, 40, 2, 40)},
			},
			[]scoring.KeyGroup{{Lead: 2}, {Lead: 0}, {Lead: 1}},
		},
		"two names on one address, each with connections of its own": {
			[]scoring.ScoredKey{
				{Kind: scoring.AddressKey, Score: 0.5, Of: of(1, 300)},
				{Kind: scoring.NameKey, Score: 0.9, Of: of(1, 100)},
				{Kind: scoring.NameKey, Score: 0.9, Of: of(1, 300)[100:200]},
			},
			[]scoring.KeyGroup{{Lead: 1, Also: []int{0}}, {Lead: 2}},
		},
		"one port after the other: the pair leads": {
			[]scoring.ScoredKey{
				{Kind: scoring.AddressKey, Score: 0.2, Of: of(1, 30)}, {Kind: scoring.AddressKey, Score: 0.2, Of: of(2, 30)},
				{Kind: scoring.PairKey, Score: 0.9, Of: of(1, 30, 2, 30, 3, 30)},
			},
			[]scoring.KeyGroup{{Lead: 2, Also: []int{0, 1}}},
		},
		"one size of what goes to an address scores a little better: the address leads": {
			[]scoring.ScoredKey{
				{Kind: scoring.AddressKey, Score: 0.85, Of: of(1, 24)}, {Kind: scoring.UnsharedKey, Score: 0.86, Of: of(1, 24)},
				{Kind: scoring.UnsharedKey, Score: 0.9, Of: of(1, 24)[:18]},
			},
			[]scoring.KeyGroup{{Lead: 0, Also: []int{1, 2}}},
		},
		"one size of busy traffic is a beacon, the rest is none: the size leads": {
			[]scoring.ScoredKey{
				{Kind: scoring.AddressKey, Score: 0.1, Of: of(1, 24)},
				{Kind: scoring.UnsharedKey, Score: 0.9, Of: of(1, 24)[:18]},
			},
			[]scoring.KeyGroup{{Lead: 1, Also: []int{0}}},
		},
		"nothing in common": {
			[]scoring.ScoredKey{{Score: 0.3, Of: of(1, 9)}, {Score: 0.4, Of: of(2, 9)}, {Score: 0.2}},
			[]scoring.KeyGroup{{Lead: 1}, {Lead: 0}, {Lead: 2}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			require.Empty(t, cmp.Diff(c.want, scoring.GroupKeys(c.keys)))
		})
	}
}

// In short windows the steps are shorter, but never below a quarter of an hour.
func TestLongInShortWindows(t *testing.T) {
	var sc scoring.Scorer
	of := func(window, open int64) float64 {
		s := scoring.Series{Start: []int64{0}, Duration: []int64{open * 60_000}}
		return sc.Long(s, scoring.Window{Start: 0, End: window * 3600_000}).Score
	}
	for _, x := range []struct {
		hours, minutes int64
		want           float64
	}{{2, 10, 0}, {2, 14, 0}, {2, 20, 0.4}, {2, 60, 0.8}, {12, 29, 0}, {12, 30, 0.2}, {24, 59, 0}, {24, 60, 0.2}, {72, 60, 0.2}, {168, 720, 0.8}} {
		got := of(x.hours, x.minutes)
		if x.want == 0 {
			require.Less(t, got, 0.2, "%v", x)
		} else {
			require.InDelta(t, x.want, got, 1e-9, "%v", x)
		}
	}
}

// Whatever is asked below a domain: values within their bounds, never NaN, in any order of the names; twice the names,
// each as long and as disordered as before, never score less.
func TestDNSTunnelProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := scoring.DNSNames{
			Domain: rapid.SampledFrom([]string{"", ".", "evil.example", "co.uk"}).Draw(t, "domain"),
			Names:  rapid.SliceOfN(rapid.String(), 0, 300).Draw(t, "names"),
			// Counts that do not go together, as a log that was cut off gives them.
			Queries: rapid.IntRange(-1, 1000).Draw(t, "queries"), Unusual: rapid.IntRange(0, 2000).Draw(t, "unusual"),
			AnswerBytes: rapid.Int64Range(-1, 1<<40).Draw(t, "bytes"),
		}
		one := scoring.ScoreDNSTunnel(d)
		for _, x := range []float64{one.Score, one.Unusual} {
			require.True(t, x >= 0 && x <= 1, "%+v", one)
		}
		require.False(t, math.IsNaN(one.Length+one.Entropy+one.Carried+one.AnswerMean))
		require.True(t, one.Entropy >= 0 && one.Entropy <= 8)
		for _, r := range one.Reasons() {
			require.NotContains(t, r, "NaN")
		}
		back := d
		back.Names = slices.Clone(d.Names)
		slices.Reverse(back.Names)
		require.InDelta(t, one.Score, scoring.ScoreDNSTunnel(back).Score, 1e-9)
		twice := d
		twice.Names = append(slices.Clone(d.Names), d.Names...)
		require.GreaterOrEqual(t, scoring.ScoreDNSTunnel(twice).Score, one.Score-1e-9)
	})
}
