package pipeline

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

func TestHistoryIsAskedAboutWhatIsWanted(t *testing.T) {
	start := time.Date(2026, 3, 10, 0, 0, 0, 0, time.UTC)
	w, err := hunt.NewWindow(start, start.Add(24*time.Hour))
	require.NoError(t, err)
	var findings []hunt.Finding
	for _, a := range []string{"10.1.1.1", "10.1.1.2", "10.1.1.3"} {
		f := hunt.Finding{Candidate: hunt.PairKey{Src: netip.MustParseAddr(a)}}
		f.Event.Severity, f.Event.Start, f.Event.End = lookedBack, hunt.Time{Time: start.Add(time.Hour)}, hunt.Time{Time: start.Add(2 * time.Hour)}
		findings = append(findings, f)
	}
	findings[2].Event.Severity--
	var asked []hunt.PairKey
	in := &hunt.Session{Earliest: func(_ context.Context, wanted map[hunt.PairKey]time.Time, _ time.Time) (map[hunt.PairKey]hunt.Earliest, error) {
		asked = slices.Collect(maps.Keys(wanted))
		return map[hunt.PairKey]hunt.Earliest{asked[0]: {First: start.Add(-48 * time.Hour)}}, nil
	}}
	require.Empty(t, dwellTimes(t.Context(), in, w, findings, func(f *hunt.Finding) bool { return f == &findings[1] }))
	require.Equal(t, []hunt.PairKey{findings[1].Candidate}, asked)
	require.InDelta(t, 50*3600, findings[1].Dwell.DwellTime.Seconds, 0.1, "history knows an earlier check-in")
	require.InDelta(t, 3600, findings[0].Dwell.DwellTime.Seconds, 0.1, "of others the window tells")
	dwellTimes(t.Context(), in, w, findings, nil)
	require.Len(t, asked, 2, "weak findings are not looked up")
}
