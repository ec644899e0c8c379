package elastic

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

// Each sensor's part holds its own connections and those of no other, documents without a sensor included; together
// they are all.
func TestBySensor(t *testing.T) {
	forEachLine(t, func(t *testing.T, c cluster) {
		index := c.index(t, 2)
		want := map[string]int64{"north": 30, "south \"x\"": 20, "": 7}
		total := 0
		for sensor, n := range want {
			for range n {
				d := object{"@timestamp": day.Add(time.Duration(total) * time.Minute).UnixMilli(), "event": object{"dataset": datasetConn},
					"source": object{"ip": "10.0.0.1", "port": 5000 + total}, "destination": object{"ip": "203.0.113.7", "port": 443}, "network": object{"transport": "tcp"}}
				if sensor != "" {
					d["observer"] = object{"name": sensor}
				}
				c.do(t, "POST", fmt.Sprintf("/%s/_doc", index), d)
				total++
			}
		}
		c.do(t, "POST", "/"+index+"/_refresh", nil)
		src, err := New(c.Client, Options{Index: []string{index}, SliceDocs: 100})
		require.NoError(t, err)
		req := hunt.Request{From: day, To: day.Add(2 * time.Hour), Scope: hunt.NewScope(nil, hunt.Outbound)}
		window, parts, notes, err := src.BySensor(t.Context(), req)
		require.NoError(t, err)
		require.Empty(t, notes)
		require.Equal(t, req.From, window.Start)
		require.Len(t, parts, len(want))
		for _, p := range parts {
			var got collector
			r, err := p.Source.Open().Connections(t.Context(), req, got.emit)
			require.NoError(t, err)
			complete(t, r)
			require.Equal(t, want[p.Name], got.total, "%q", p.Name)
		}
		var all collector
		_, err = src.Read(t.Context(), req, all.emit)
		require.NoError(t, err)
		require.EqualValues(t, total, all.total)
	})
}
