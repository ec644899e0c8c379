package elastic

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

// A handshake whose uid has no connection record belongs to a connection that is still open.
func TestConnectionsStillOpen(t *testing.T) {
	forEachLine(t, func(t *testing.T, c cluster) {
		index := c.index(t, 2)
		end := day.Add(12 * time.Hour)
		line := func(dataset, uid, src string, at time.Time, more string) string {
			return "{\"create\":{}}\n" + fmt.Sprintf(`{"@timestamp":%d,"event":{"dataset":"zeek.%s"%s},"log":{"id":{"uid":%q}},"source":{"ip":%q,"port":5000},"destination":{"ip":"203.0.113.9","port":443},"network":{"transport":"tcp"}}`,
				at.UnixMilli(), dataset, more, uid, src) + "\n"
		}
		body := line("ssl", "COPEN", "10.0.0.1", end.Add(-5*time.Hour), "") +
			line("ssh", "CSSH", "10.0.0.2", end.Add(-3*time.Hour), "") +
			line("ssl", "CYOUNG", "10.0.0.3", end.Add(-10*time.Minute), "") +
			line("ssl", "CENDED", "10.0.0.4", end.Add(-4*time.Hour), "") + line("conn", "CENDED", "10.0.0.4", end.Add(-4*time.Hour), `,"duration":5`) +
			// Its connection's record is from before the window, beyond the look-back.
			line("ssl", "CEARLY", "10.0.0.5", end.Add(-11*time.Hour), "") + line("conn", "CEARLY", "10.0.0.5", end.Add(-40*24*time.Hour), `,"duration":5`) +
			line("ssl", "CTWICE", "10.0.0.1", end.Add(-5*time.Hour+time.Second), "")
		c.bulk(t, index, []byte(body))
		c.load(t, index, traffic(67, 300, 12*time.Hour))
		var got []hunt.Connection
		l := loaded{cluster: c, index: index}
		r, err := l.source(t, c.Client, Options{Concurrency: 1}).Read(t.Context(), hunt.Request{From: day, To: end, Scope: hunt.NewScope(nil, hunt.Outbound)}, func(batch []hunt.Connection) error {
			for _, x := range batch {
				if x.State == hunt.StateOpen {
					got = append(got, x)
				}
			}
			return nil
		})
		require.NoError(t, err)
		require.Empty(t, r.Gaps)
		require.Len(t, got, 3, "the first host has two")
		require.Equal(t, []string{"10.0.0.1", "10.0.0.1", "10.0.0.2"}, []string{got[0].Src.String(), got[1].Src.String(), got[2].Src.String()})
		require.EqualValues(t, (5 * time.Hour).Milliseconds(), got[0].Duration)
		require.Equal(t, "ssl", got[0].Service)
		require.Contains(t, notes(r), "3 connections still open")
	})
}
