package firstseen

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Eight processes write to one store at once, 4,000 new destinations each; none is lost. Leftovers of killed ones are
// removed.
func TestProcessesLoseNothing(t *testing.T) {
	const each = 4000
	if path := os.Getenv("DWELL_TEST_FEED"); path != "" {
		n, err := strconv.Atoi(os.Getenv("DWELL_TEST_FEED_NUMBER"))
		require.NoError(t, err)
		seen := map[string]Span{}
		for i := range each {
			seen[fmt.Sprintf("198.%d.%d.%d", 10+n, i/250, i%250)] = Span{1, 2}
		}
		_, err = Feed(path, maps.All(seen), end)
		require.NoError(t, err)
		return
	}
	path := filepath.Join(t.TempDir(), "state", "first-seen")
	require.NoError(t, os.Mkdir(filepath.Dir(path), 0o700))
	for _, left := range []string{path + ".123", filepath.Join(filepath.Dir(path), ".dwell-456")} {
		require.NoError(t, os.WriteFile(left, []byte("half"), 0o600))
	}
	var all []*exec.Cmd
	for n := range 8 {
		c := exec.Command(os.Args[0], "-test.run=^TestProcessesLoseNothing$")
		c.Env = append(os.Environ(), "DWELL_TEST_FEED="+path, "DWELL_TEST_FEED_NUMBER="+strconv.Itoa(n))
		require.NoError(t, c.Start())
		all = append(all, c)
	}
	for _, c := range all {
		require.NoError(t, c.Wait())
	}
	s, err := Open(path)
	require.NoError(t, err)
	require.Len(t, s.lines, 8*each)
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	names := []string{}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	require.Equal(t, []string{"first-seen", "first-seen.lock"}, names)
}

// A flood of destinations seen once evicts those seen repeatedly last.
func TestFloodTakesTheFleetingFirst(t *testing.T) {
	s := spans{}
	var kind []string
	add := func(what string, first, last int64) { s[what], kind = Span{first, last}, append(kind, what) }
	hour := time.Hour.Milliseconds()
	add("update.example", before(60), before(1))
	add("once-long-ago.example", before(60), before(60)+hour)
	for i := range 1000 {
		add("198.51.100."+strconv.Itoa(i), before(0), before(0)+int64(i))
	}
	s.cut(kind, 500)
	require.Len(t, s, 500)
	require.Contains(t, s, "update.example")
	require.NotContains(t, s, "once-long-ago.example")
	require.NotContains(t, s, "198.51.100.0")
}
