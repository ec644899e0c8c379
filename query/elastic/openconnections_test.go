package elastic

import (
	"fmt"
	"strings"
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
			// The same ends had short connections, before and after it, and one has the port of another host's.
			strings.ReplaceAll(line("ssl", "CHIDDEN", "10.0.0.4", end.Add(-6*time.Hour), ""), "5000", "5001") +
			// A late request on a connection that ended, and QUIC.
			line("http", "CENDED", "10.0.0.4", end.Add(-3*time.Hour), "") +
			strings.ReplaceAll(line("quic", "CQUIC", "10.0.0.4", end.Add(-2*time.Hour), ""), "tcp", "udp") +
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
		var uids []string
		for _, c := range got {
			uids = append(uids, c.UID.String())
		}
		require.Equal(t, []string{"CHIDDEN", "COPEN", "CTWICE", "CSSH", "CQUIC"}, uids)
		require.EqualValues(t, (5 * time.Hour).Milliseconds(), got[1].Duration)
		require.Equal(t, "ssl", got[1].Service)
		require.Equal(t, hunt.UDP, got[4].Proto)
		require.Contains(t, notes(r), "5 connections still open")
	})
}
