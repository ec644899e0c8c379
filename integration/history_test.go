package integration_test

import (
	"bufio"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"dwell/integration/load"
	"dwell/integration/testnode"
	"dwell/internal/es"
	"dwell/internal/history"
	"dwell/internal/hunt"
	"dwell/internal/pipeline"
	"dwell/internal/pipeline/rank"
	"dwell/query/elastic"
)

// arrived writes the records of a day's logs that an agent would have read between two times: ten seconds after they
// end.
func arrived(t *testing.T, day, dir string, after, until time.Time) {
	t.Helper()
	for _, log := range []string{"conn", "ssl", "http", "dns"} {
		in, err := os.Open(filepath.Join(day, log+".log"))
		require.NoError(t, err)
		defer in.Close()
		out, err := os.Create(filepath.Join(dir, log+".log"))
		require.NoError(t, err)
		defer out.Close()
		duration := -1
		for lines := bufio.NewScanner(in); lines.Scan(); {
			line := lines.Text()
			columns := strings.Split(line, "\t")
			switch {
			case columns[0] == "#fields":
				for i, c := range columns {
					if c == "duration" {
						duration = i - 1
					}
				}
			case !strings.HasPrefix(line, "#"):
				at, err := strconv.ParseFloat(columns[0], 64)
				require.NoError(t, err)
				if duration >= 0 && columns[duration] != "-" {
					d, err := strconv.ParseFloat(columns[duration], 64)
					require.NoError(t, err)
					at += d
				}
				if read := time.UnixMilli(int64(at * 1000)).Add(10 * time.Second); !read.After(after) || read.After(until) {
					continue
				}
			}
			_, err = out.WriteString(line + "\n")
			require.NoError(t, err)
		}
	}
}

// Hourly hunts in a real Elasticsearch, to which records come as on a grid, with long connections hours after their
// start. The findings equal, byte for byte, those of hunts that read the whole window, and few records are requested.
func TestHuntsWithHistoryAreHuntsWithout(t *testing.T) {
	node := testnode.ForTest(t, testnode.Line8)
	node.Exclusive(t)
	client, err := es.New(es.Config{Addresses: []string{node.URL}, CAFile: node.CAFile, Username: node.Username, Password: node.Password})
	require.NoError(t, err)
	day := t.TempDir()
	labels := simulated(t, day, "testdata/office.yaml")
	src, err := elastic.New(client, elastic.Options{SliceDocs: 1500})
	require.NoError(t, err)
	state := t.TempDir()

	var had time.Time
	for i, hour := range []int{16, 17, 18, 20} {
		now := labels.Window.Start.Truncate(time.Hour).Add(time.Duration(hour) * time.Hour)
		dir := t.TempDir()
		arrived(t, day, dir, had, now.Add(5*time.Minute))
		_, err = load.Load(t.Context(), client, load.Options{Paths: []string{dir}})
		require.NoError(t, err)
		had = now.Add(5 * time.Minute)

		o := pipeline.Options{Ranking: rank.Ranking{}, MinScore: 0, Version: "test", Now: func() time.Time { return now },
			Request: hunt.Request{From: now.Add(-12 * time.Hour), To: now, Scope: hunt.NewScope(nil, hunt.Outbound)}}
		cold, err := pipeline.Run(t.Context(), src, o)
		require.NoError(t, err)
		require.NotEmpty(t, cold.Findings)
		kept, err := history.Open(state, "one", history.Options{Now: o.Now})
		require.NoError(t, err)
		warm, err := pipeline.Run(t.Context(), &history.Cluster{Store: kept, Of: src}, o)
		require.NoError(t, err)
		require.Empty(t, warm.Reading.Gaps)
		require.Empty(t, cmp.Diff(byPair(cold), byPair(warm), cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}),
			cmpopts.IgnoreFields(hunt.Dwell{}, "Revision", "DwellTime"), cmpopts.IgnoreFields(hunt.Event{}, "ID")))
		require.Equal(t, cold.Document.Dwell.Hunt.Connections, warm.Document.Dwell.Hunt.Connections)

		again, err := history.Open(state, "one", history.Options{Now: o.Now})
		require.NoError(t, err)
		require.Len(t, again.Hours(o.Request.From, o.Request.To), 12)
		repeated, err := pipeline.Run(t.Context(), &history.Cluster{Store: again, Of: src}, o)
		require.NoError(t, err)
		require.Equal(t, warm.Document.Dwell.Revision, repeated.Document.Dwell.Revision, "hunted anew, it is the same hunt")
		// If the history is lost, the hunt reads the whole window and is the same hunt.
		if i == 0 {
			lost, err := history.Open(t.TempDir(), "one", history.Options{Now: o.Now})
			require.NoError(t, err)
			anew, err := pipeline.Run(t.Context(), &history.Cluster{Store: lost, Of: src}, o)
			require.NoError(t, err)
			require.Equal(t, warm.Document.Dwell.Revision, anew.Document.Dwell.Revision)
		}
	}
}
