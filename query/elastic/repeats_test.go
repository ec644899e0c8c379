package elastic

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

// A connection counts once, however many documents it has: delivered twice, or seen by two sensors some milliseconds
// apart.
func TestEachConnectionCountsOnce(t *testing.T) {
	forEachLine(t, func(t *testing.T, c cluster) {
		recs := traffic(66, 600, time.Hour)
		scope := hunt.NewScope(nil, hunt.Outbound)
		req := hunt.Request{From: day, To: day.Add(time.Hour), Scope: scope}
		want := expected(recs, scope, req.From, req.To)
		for name, copies := range map[string][]record{"delivered twice": recs, "seen by two sensors": moved(recs, 13*time.Millisecond), "thrice": append(moved(recs, 200*time.Millisecond), recs...)} {
			index, other := c.index(t, 2), c.index(t, 1)
			c.load(t, index, recs)
			c.load(t, other, copies)
			var got collector
			l := loaded{cluster: c}
			r, err := l.source(t, c.Client, Options{Index: []string{index, other}, SliceDocs: 100}).Read(t.Context(), req, got.emit)
			require.NoError(t, err, name)
			require.Empty(t, r.Gaps)
			tuples := func(of map[hunt.Connection]int64) (n int64) {
				bare := map[hunt.Connection]bool{}
				for x := range of {
					if x.SrcPort == 0 && x.DstPort == 0 {
						continue
					}
					bare[hunt.Connection{Src: x.Src, Dst: x.Dst, SrcPort: x.SrcPort, DstPort: x.DstPort, Proto: x.Proto}] = true
				}
				return int64(len(bare))
			}
			require.Equal(t, sum(want), got.total, name)
			require.Equal(t, tuples(want), tuples(got.conns), name)
			require.Equal(t, sum(want), r.Connections, name)
			require.Contains(t, notes(r), "count once")
		}
		// Connections with the same ports that start at least a second apart are several.
		again := recs[0]
		for _, r := range recs {
			if r.dataset == datasetConn && scope.Keep(r.Src, r.Dst) {
				again = r
				break
			}
		}
		index := c.index(t, 1)
		again.Start = day.Add(time.Minute).UnixMilli()
		c.load(t, index, append(moved([]record{again}, 1100*time.Millisecond), again))
		var got collector
		l := loaded{cluster: c}
		_, err := l.source(t, c.Client, Options{Index: []string{index}}).Read(t.Context(), req, got.emit)
		require.NoError(t, err)
		require.EqualValues(t, 2, got.total)
	})
}
