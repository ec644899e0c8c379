package elastic

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

// A record arrives when its connection has ended, with its start time. A connection longer than the window is found in
// every window it reaches into, and one that ended before the window in none.
func TestLongConnections(t *testing.T) {
	forEachLine(t, func(t *testing.T, c cluster) {
		index := c.index(t, 2)
		end := day.Add(48 * time.Hour)
		lasting := func(src string, d time.Duration, ended time.Time) record {
			return record{Connection: hunt.Connection{Start: ended.Add(-d).UnixMilli(), Src: netip.MustParseAddr(src), Dst: netip.MustParseAddr("8.8.8.8"),
				SrcPort: 5, DstPort: 443, Proto: hunt.TCP, Count: 1}, dataset: datasetConn, seconds: d.Seconds()}
		}
		var recs []record
		reach := []float64{0.02, 2, 12, 23.8, 24.5, 25, 30, 72, 400, 30.9 * 24}
		for i, h := range reach {
			recs = append(recs, lasting(fmt.Sprintf("10.1.0.%d", i), time.Duration(h*float64(time.Hour)), end.Add(-400*time.Second)))
		}
		for i, h := range []float64{1, 26, 70} { // ended before the window
			recs = append(recs, lasting(fmt.Sprintf("10.2.0.%d", i), time.Duration(h*float64(time.Hour)), end.Add(-24*time.Hour-time.Minute)))
		}
		recs = append(recs, lasting("10.3.0.1", 40*24*time.Hour, end.Add(-time.Hour))) // further back than LookBack
		c.load(t, index, append(recs, traffic(65, 300, time.Hour)...))
		l := loaded{cluster: c, index: index}
		read := func(back time.Duration) (hunt.Reading, map[string]hunt.Connection) {
			got := map[string]hunt.Connection{}
			r, err := l.source(t, c.Client, Options{Concurrency: 1}).Read(t.Context(), hunt.Request{From: end.Add(-24 * time.Hour), To: end, LookBack: back,
				Scope: hunt.NewScope(nil, hunt.Outbound)}, func(batch []hunt.Connection) error {
				for _, conn := range batch {
					got[conn.Src.String()] = conn
				}
				return nil
			})
			require.NoError(t, err)
			require.Empty(t, r.Gaps)
			return r, got
		}
		r, got := read(0)
		for i, h := range reach {
			conn, ok := got[fmt.Sprintf("10.1.0.%d", i)]
			require.True(t, ok, "%v h", h)
			require.InDelta(t, h*3600, float64(conn.Duration)/1000, 1.1)
		}
		require.Len(t, got, len(reach))
		require.EqualValues(t, len(reach), r.Connections)
		_, got = read(-1)
		require.Len(t, got, 5, "those that began in the window, or in the margin before it")
		_, got = read(50 * time.Hour)
		require.Len(t, got, 8)
	})
}
