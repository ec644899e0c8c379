package main

import (
	"encoding/json"
	"flag"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write testdata/fast.json anew")

// guarded is a fast row's last accepted measurement.
type guarded struct {
	Figure float64 `json:"figure"`
	Noise  float64 `json:"noise"`
}

// TestFast measures the fast rows with a tenth of the runs, and fails if one got worse by more than its noise. The rows
// are seeded, so a figure changes only with the code. After an improvement run go test -run Fast -update.
func TestFast(t *testing.T) {
	path := filepath.Join("testdata", "fast.json")
	known := map[string]guarded{}
	if text, err := os.ReadFile(path); !*update {
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(text, &known))
	}
	measured := map[string]guarded{}
	for _, x := range rows() {
		if !x.fast {
			continue
		}
		r := measure(x, max(20, x.runs/10))
		measured[x.name] = guarded{math.Round(r.figure*1e4) / 1e4, math.Round(r.noise*1e4) / 1e4}
		if *update {
			continue
		}
		was, ok := known[x.name]
		require.True(t, ok, "%s: not in %s; run with -update", x.name, path)
		worse := r.figure - was.Figure
		if x.kind >= median {
			worse = -worse
		}
		allowed := 2*math.Hypot(was.Noise, r.noise) + 0.002
		if x.kind == falseAlarms {
			allowed = 0
		}
		require.LessOrEqual(t, worse, allowed, "%s: %.4f, was %.4f", x.name, r.figure, was.Figure)
	}
	if *update {
		text, err := json.MarshalIndent(measured, "", "\t")
		require.NoError(t, err)
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, append(text, '\n'), 0o644))
	}
}

// Implants that persist without looking like a beacon are as severe as they should be, and among the first twenty lines.
func TestDisguises(t *testing.T) {
	of := slices.DeleteFunc(disguises(), func(d disguise) bool { return !d.fast })
	ours, _, err := huntDisguises(t.Context(), 7, of)
	require.NoError(t, err)
	for i, d := range of {
		require.GreaterOrEqual(t, loudness(ours[i].severity), loudness(d.want), "%s: %s", d.Why, ours[i])
		require.LessOrEqual(t, ours[i].rank, 20, "%s: %s", d.Why, ours[i])
	}
}

// The list of a simulated day of about a hundred hosts is short enough to read in full, with the implants first. (`make
// quality` also has the large site.)
func TestListOfADay(t *testing.T) {
	if testing.Short() {
		t.Skip("hunts a whole day")
	}
	l, err := listed(t.Context(), days[0])
	require.NoError(t, err)
	require.Equal(t, 100, l.hosts)
	require.LessOrEqual(t, l.lines, 30)
	require.LessOrEqual(t, l.alerts, 24)
	require.GreaterOrEqual(t, l.implants, 12, "of 13")
	require.Empty(t, l.wrong)
}

func TestRowsHaveTheirOwnNames(t *testing.T) {
	seen := map[string]bool{}
	for _, x := range rows() {
		require.False(t, seen[x.name], x.name)
		seen[x.name] = true
		require.Positive(t, x.runs)
	}
}

// Generators stay within their window, in order, and follow their parameters.
func TestGenerators(t *testing.T) {
	for _, x := range rows() {
		s := x.make(rand.New(rand.NewPCG(1, 2)))
		require.True(t, slices.IsSorted(s), x.name)
		if len(s) > 0 {
			require.GreaterOrEqual(t, s[0], 0.0, x.name)
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	require.Len(t, implant{period: 3600}.generate(r), 24)
	require.Len(t, implant{period: 600, to: 6}.generate(r), 36)
	for i, gap := range []float64{300, 300} {
		s := renewal(0, 1000, func() float64 { return gap })
		require.InDelta(t, gap*float64(i+1), s[i+1], 1e-9)
	}
	sum := 0.0
	for range 20000 {
		sum += gamma2(r, 60) / 20000
	}
	require.InDelta(t, 60, sum, 2)
}

func TestAUC(t *testing.T) {
	require.InDelta(t, 1, auc([]float64{2, 3}, []float64{1, 0}), 0)
	require.InDelta(t, 0.5, auc([]float64{1, 1}, []float64{1, 1}), 0)
	require.InDelta(t, 0.75, auc([]float64{1, 3}, []float64{2, 0}), 0)
	require.InDelta(t, 0.5, recallAt([]float64{1, 5}, []float64{0, 4, 6}, 1), 0)
}

// TestHoursOfCommands: two in three hours of real command-and-control, laid into a day, are medium or more.
func TestHoursOfCommands(t *testing.T) {
	dir, err := capturesDir()
	if err != nil {
		t.Skip(err)
	}
	for _, of := range captured() {
		n, found, _, err := hours(dir, of, 12)
		require.NoError(t, err)
		require.Greater(t, n, 20, of.name)
		require.GreaterOrEqual(t, 3*found, 2*n, "%s: %d of %d", of.name, found, n)
	}
}
