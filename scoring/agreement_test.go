package scoring_test

import (
	"math"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/scoring"
)

// TestReferenceAgreement compares with timing-reference/proto_*.tsv, what a plain Python implementation of the
// statistics as they were first proposed found in the captures (N = 1e5, key source, destination, port; last 24 h).
//
// What was changed since, and so is not compared as it stands:
//   - p: the reference multiplies by 30 windows and 3 tests; here GAP has half of the chance (2), the windows without
//     bursts half of GAP's (10) or the others (50). And the reference reports the smallest p of all tests and windows,
//     not that of the result. So ours is up to 0.66 below, and above where another cell than the smallest explains more.
//   - S: hours count with exponent 0.4 instead of 0.5, jitter a third instead of half, as measured instead of by the
//     window's class, so ours is higher; timers are brought down to 0.39 at most.
//   - the reference gives CLOCK and LATTICE the span of all connections as coverage, ours the time the rhythm was held;
//     so where they lead, on either side, only that S does not fall is looked at, and not where they lead there.
//
// What still differs is another window (tightness) that explains more of the gaps: ours weighs how much it explains
// against its p, the reference takes what explains most and another window's p. On ctu-normal-008 one p there is
// LATTICE's, for 19 gaps; ours asks for 20.
func TestReferenceAgreement(t *testing.T) {
	root := captures(t)
	for _, c := range []struct {
		file, internal string
		conns          []conn
		// rows is how many are compared, gap in how many GAP leads on both sides.
		rows, gap int
		// other is how many differ in more than the comment above allows for.
		other int
	}{
		{"iot23-8-1-hakai", "192.168.100.0/24", readConns(t, filepath.Join(root, "iot23-8-1-hakai")), 8, 8, 0},
		{"iot23-21-1-torii", "192.168.100.0/24", readConns(t, filepath.Join(root, "iot23-21-1-torii")), 30, 8, 3},
		{"ctu-normal-008", "147.32.80.0/20", readConns(t, filepath.Join(root, "ctu-normal-008")), 75, 5, 2},
		{"ctu-normal-011", "147.32.80.0/20", readConns(t, filepath.Join(root, "ctu-normal-011")), 184, 6, 2},
		{"ctu-kovter-009-http", "192.168.1.0/24", httpConns(t, filepath.Join(root, "ctu-kovter-009", "http.log.gz")), 5, 1, 1},
		{"ctu-kovter-009-ssl", "192.168.1.0/24", httpConns(t, filepath.Join(root, "ctu-kovter-009", "ssl.log.gz")), 5, 0, 0},
	} {
		t.Run(c.file, func(t *testing.T) {
			ours := map[pairKey]scored{}
			for i := range c.conns {
				c.conns[i].proto = "" // the reference does not tell transports apart
			}
			for _, s := range scoreConns(t, c.conns, c.internal) {
				ours[s.pairKey] = s
			}
			rows, gap, other := 0, 0, 0
			for _, row := range zeekTable(t, filepath.Join(root, "timing-reference", "proto_"+c.file+".tsv"), "src", "dst", "port", "n", "via", "S", "log10p", "f", "jitter", "coverage", "burst_gap") {
				s, ok := ours[pairKey{row[0], row[1], number(t, row[2]), ""}]
				if !ok || int64(s.beacon.Connections) != number(t, row[3]) {
					t.Logf("not compared: %v, ours n=%d", row, s.beacon.Connections)
					continue
				}
				rows++
				b := s.beacon
				p, f, jitter, coverage := decimal(t, row[6]), decimal(t, row[7]), decimal(t, row[8]), decimal(t, row[9])
				agrees := true
				window, gaps := 0.0, 0.0
				for _, m := range b.Modes[:b.ModeCount] {
					window += m.Window * float64(m.Gaps)
					gaps += float64(m.Gaps)
				}
				window /= math.Max(gaps, 1)
				S := b.Score(100_000).Score
				if row[4] == "gap" && b.Test == scoring.Gap && b.Burst == decimal(t, row[10]) && p <= -4 {
					gap++
					agrees = b.LogP <= p+1e-9 || b.LogP > p-0.7
					agrees = agrees && math.Abs(f-b.Fraction) < 0.01 && math.Abs(jitter-window) < 0.01 && math.Abs(coverage-b.Coverage) < 0.01
				}
				if want := decimal(t, row[5]); row[4] == "gap" && want >= 0.2 && !b.Timer && S < want-0.03 {
					agrees = false
				}
				if !agrees {
					other++
					t.Logf("%v: ours %s p=%.1f f=%.3f j=%.3f c=%.3f S=%.3f burst=%v timer=%v", row, b.Test, b.LogP, b.Fraction, window, b.Coverage, S, b.Burst, b.Timer)
				}
			}
			require.Equal(t, []int{c.rows, c.gap, c.other}, []int{rows, gap, other}, "rows compared, with GAP on both sides, that differ")
		})
	}
}
