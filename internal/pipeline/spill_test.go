package pipeline

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
	"dwell/internal/pairs"
	"dwell/internal/pipeline/rank"
	"dwell/internal/pipeline/rita"
	"dwell/internal/simulate"
	"dwell/query/zeek"
)

// sameOnDisk hunts with no bound of memory and with one that almost nothing fits in: the findings must be the same, to
// the last byte, by both profiles, and nothing may stay on disk.
func sameOnDisk(t *testing.T, path string) {
	t.Helper()
	for _, ranking := range []Ranking{rank.Ranking{}, rita.Ranking{}} {
		var told [2][]byte
		folder := t.TempDir()
		for i, memory := range []pairs.Budget{{}, {Bytes: 1, Folder: folder}} {
			o := options()
			o.Ranking, o.MinScore, o.Memory = ranking, 0.2, memory
			o.Request.Scope = hunt.NewScope(nil, hunt.Outbound)
			res, err := Run(t.Context(), zeek.New(zeek.Options{Paths: []string{path}}), o)
			require.NoError(t, err)
			require.True(t, ranking.Profile() == rita.Profile || len(res.Findings) > 0) // RITA's finds nothing in some captures
			told[i], err = json.Marshal(res.Findings)
			require.NoError(t, err)
		}
		require.Equal(t, string(told[0]), string(told[1]), ranking.Profile())
		left, err := os.ReadDir(folder)
		require.NoError(t, err)
		require.Empty(t, left)
	}
}

func TestSameFindingsOnDisk(t *testing.T) {
	sc := simulate.Default()
	sc.Hosts, sc.Length = 12, simulate.Duration(8*time.Hour)
	dir := t.TempDir()
	_, err := simulate.Run(t.Context(), sc, dir, simulate.Format{})
	require.NoError(t, err)
	sameOnDisk(t, dir)
}

func TestSameFindingsOnDiskOfCaptures(t *testing.T) {
	long(t)
	dir := captures(t)
	for _, name := range []string{"synthetic/conn.log.gz", "proxy"} {
		sameOnDisk(t, filepath.Join(dir, "rita", name))
	}
}
