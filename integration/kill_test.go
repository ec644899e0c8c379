package integration_test

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

// Hunts and services are killed at random moments, up to three times, and then run to the end: the stored documents,
// the first-seen store and the state directory equal those of an undisturbed run. DWELL_KILLS is the number of trials
// of each (make chaos: 32). The seed is fixed, the moments are not.
func TestKilledAtRandomMoments(t *testing.T) {
	trials := 1
	if n, err := strconv.Atoi(os.Getenv("DWELL_KILLS")); err == nil {
		trials = n
	}
	g := newGrid(t)
	random := rand.New(rand.NewPCG(14, 14)) //nolint:gosec // Seeded on purpose.
	end := time.Now().UTC().Add(-5 * time.Minute).Truncate(time.Hour)
	w := []string{end.Add(-24 * time.Hour).Format(time.RFC3339), end.Format(time.RFC3339)}
	hunts := func() { g.run(t, 0, "hunt", "-q", "--write", "--from", w[0], "--to", w[1]) }
	serves := func() {
		s := g.serve(t)
		g.settled(t, s)
		s.stop(t)
	}
	for _, kind := range []struct {
		name string
		args []string
		run  func()
	}{
		{"hunt", []string{"hunt", "-q", "--write", "--from", w[0], "--to", w[1]}, hunts},
		{"serve", []string{"serve"}, serves},
	} {
		t.Run(kind.name, func(t *testing.T) {
			equal, kills, moved := 0, 0, 0
			for range trials {
				g.forget(t)
				window := over()
				began := time.Now()
				kind.run()
				took := time.Since(began)
				want, kept := g.stored(t), g.kept(t)
				require.Greater(t, len(want), 10)
				g.forget(t)
				for range 1 + random.IntN(3) {
					share := random.Float64() // two in five trials anywhere, the others near the end, where data is written
					if random.Float64() < 0.6 {
						share = 0.7 + 0.35*share
					}
					c := g.command(t.Context(), kind.args...)
					require.NoError(t, c.Start())
					time.Sleep(time.Duration(share * float64(took)))
					_ = c.Process.Kill() // it may have ended
					if c.Wait() != nil {
						kills++
					}
				}
				kind.run()
				got, left := g.stored(t), g.kept(t)
				if kind.name == "serve" && over() != window { // a full hour passed
					moved++
					continue
				}
				require.Equal(t, ids(want), ids(got), "documents")
				require.Equal(t, want, got, "content")
				require.Equal(t, kept, left, "the state directory")
				equal++
			}
			t.Logf("%d of %d equal after %d kills; %d fell over a full hour", equal, trials, kills, moved)
			require.Equal(t, trials-moved, equal)
		})
	}
}

// over is the end of the newest window that serve hunts now.
func over() hunt.Time {
	return hunt.Time{Time: time.Now().UTC().Add(-5 * time.Minute).Truncate(time.Hour)}
}
