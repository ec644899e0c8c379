package integration_test

import (
	"bufio"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"dwell/integration/load"
	"dwell/integration/testnode"
	"dwell/internal/history"
	"dwell/internal/hunt"
	"dwell/internal/pipeline"
	"dwell/internal/pipeline/rank"
	"dwell/internal/simulate"
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

// same says in what the findings of two hunts differ, but for their revision and what history alone knows.
func same(cold, warm *pipeline.Result) string {
	return cmp.Diff(byPair(cold), byPair(warm), cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}),
		cmpopts.IgnoreFields(hunt.Dwell{}, "Revision", "DwellTime"), cmpopts.IgnoreFields(hunt.Event{}, "ID"))
}

// recordsOf are the connections, uses of names and queries of the one host of a request, as sorted texts.
func recordsOf(t *testing.T, src hunt.Source, req hunt.Request) (out [3][]string) {
	t.Helper()
	in, host := src.Open(), req.Scope.Only.Src
	var mu sync.Mutex
	take := func(kind int, src netip.Addr, record any) {
		if mu.Lock(); src == host { // of queries, the cluster gives those of all hosts
			out[kind] = append(out[kind], fmt.Sprintf("%+v", record))
		}
		mu.Unlock()
	}
	_, err := in.Connections(t.Context(), req, func(batch []hunt.Connection) error {
		for i := range batch {
			take(0, batch[i].Src, batch[i])
		}
		return nil
	})
	require.NoError(t, err)
	_, err = in.Names(t.Context(), req, func(batch []hunt.NameRecord) error {
		for i := range batch {
			take(1, batch[i].Src, batch[i])
		}
		return nil
	})
	require.NoError(t, err)
	_, err = in.DNS(t.Context(), req, func(batch []hunt.DNSRecord) error {
		for i := range batch {
			take(2, batch[i].Client, batch[i])
		}
		return nil
	})
	require.NoError(t, err)
	if in.Close != nil {
		require.NoError(t, in.Close())
	}
	for i := range out {
		slices.Sort(out[i])
	}
	return out
}

// Hourly hunts in a real Elasticsearch, to which records come as on a grid, with long connections hours after their
// start. The findings equal, byte for byte, those of hunts that read the whole window, and few records are requested.
func TestHuntsWithHistoryAreHuntsWithout(t *testing.T) {
	client := cluster(t, testnode.Line8)
	day := t.TempDir()
	labels := simulated(t, day, "testdata/office.yaml")
	src := sourceOf(t, client)
	state := t.TempDir()

	var had time.Time
	for i, hour := range []int{16, 17, 18, 20} {
		now := labels.Window.Start.Truncate(time.Hour).Add(time.Duration(hour) * time.Hour)
		dir := t.TempDir()
		arrived(t, day, dir, had, now.Add(5*time.Minute))
		_, err := load.Load(t.Context(), client, load.Options{Paths: []string{dir}})
		require.NoError(t, err)
		had = now.Add(5 * time.Minute)

		o := huntOf(rank.Ranking{}, simulate.Window{Start: now.Add(-12 * time.Hour), End: now})
		o.Now = func() time.Time { return now }
		cold := run(t, src, o)
		require.NotEmpty(t, cold.Findings)
		kept, err := history.Open(state, "one", history.Options{Now: o.Now})
		require.NoError(t, err)
		warm := run(t, &history.Cluster{Store: kept, Of: src}, o)
		require.Empty(t, warm.Reading.Gaps)
		require.Empty(t, same(cold, warm))
		require.Equal(t, cold.Document.Dwell.Hunt.Connections, warm.Document.Dwell.Hunt.Connections)

		again, err := history.Open(state, "one", history.Options{Now: o.Now})
		require.NoError(t, err)
		require.Len(t, again.Hours(o.Request.From, o.Request.To), 12)
		repeated := run(t, &history.Cluster{Store: again, Of: src}, o)
		require.Equal(t, warm.Document.Dwell.Revision, repeated.Document.Dwell.Revision, "hunted anew, it is the same hunt")
		// One host's records out of history are its records out of the cluster, and nothing of that part is kept.
		one := o.Request
		one.Scope.Only.Src = cold.Findings[0].Source.IP
		wholly := recordsOf(t, src, one)
		require.Equal(t, wholly, recordsOf(t, &history.Cluster{Store: again, Of: src}, one))
		for _, kind := range wholly {
			require.NotEmpty(t, kind)
		}
		require.Len(t, again.Hours(o.Request.From, o.Request.To), 12)
		// If the history is lost, the hunt reads the whole window and is the same hunt.
		if i == 0 {
			lost, err := history.Open(t.TempDir(), "one", history.Options{Now: o.Now})
			require.NoError(t, err)
			anew := run(t, &history.Cluster{Store: lost, Of: src}, o)
			require.Equal(t, warm.Document.Dwell.Revision, anew.Document.Dwell.Revision)
		}
	}
}
