package elastic

import (
	"fmt"
	"net/netip"
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
			// A second sensor's record of the first one; the same port, half a minute after a short connection; a port that had
			// hundreds of them; later requests on a connection that began long before, and on one that ended; conn_long.
			line("ssl", "CTWICE", "10.0.0.1", end.Add(-5*time.Hour+1500*time.Millisecond), "") +
			line("conn", "CSHORT", "10.0.0.6", end.Add(-7*time.Hour-30*time.Second), `,"duration":0.1`) + line("ssl", "CAFTER", "10.0.0.6", end.Add(-7*time.Hour), "") +
			line("conn_long", "CLONG", "10.0.0.8", end.Add(-9*time.Hour), `,"duration":3600`) + line("conn_long", "CLONG", "10.0.0.8", end.Add(-9*time.Hour), `,"duration":600`)
		for n := range 300 {
			at := end.Add(-8*time.Hour - time.Duration(n)*30*time.Second)
			body += line("conn", fmt.Sprintf("CS%d", n), "10.0.0.7", at, `,"duration":0.1`) + line("ssl", fmt.Sprintf("CS%d", n), "10.0.0.7", at, "")
			for src, uid := range map[string]string{"10.0.0.9": "CLATER", "10.0.0.10": "CENDS"} {
				body += strings.ReplaceAll(line("http", uid, src, end.Add(-10*time.Hour+time.Duration(n)*time.Minute), ""), `"network"`, fmt.Sprintf(`"http":{"trans_depth":%d},"network"`, n+2))
			}
		}
		body += line("ssl", "CPORT", "10.0.0.7", end.Add(-8*time.Hour+30*time.Second), "") + line("conn", "CENDS", "10.0.0.10", end.Add(-30*24*time.Hour), `,"duration":2574000`)
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
		require.Equal(t, []string{"CLATER", "CLONG", "CPORT", "CAFTER", "CHIDDEN", "COPEN", "CSSH", "CQUIC"}, uids)
		require.EqualValues(t, (5 * time.Hour).Milliseconds(), got[5].Duration)
		require.Equal(t, "ssl", got[5].Service)
		require.EqualValues(t, (9 * time.Hour).Milliseconds(), got[1].Duration)
		require.Equal(t, hunt.UDP, got[7].Proto)
		require.Contains(t, notes(r), "8 connections still open")

		// Of one pair, too, though it has no other connection.
		pair := hunt.NewScope(nil, hunt.Outbound)
		pair.Only = hunt.Two{Src: netip.MustParseAddr("10.0.0.2"), Dst: netip.MustParseAddr("203.0.113.9")}
		var alone []string
		_, err = l.source(t, c.Client, Options{Concurrency: 1}).Read(t.Context(), hunt.Request{From: day, To: end, Scope: pair}, func(batch []hunt.Connection) error {
			for _, x := range batch {
				alone = append(alone, x.UID.String())
			}
			return nil
		})
		require.NoError(t, err)
		require.Equal(t, []string{"CSSH"}, alone)

		// The hunt after an earlier one finds the same, though it looks only at what began since then, and at what was open.
		source := l.source(t, c.Client, Options{Concurrency: 1})
		hunted := func(to time.Time, begun *hunt.Begun) (uids []string) {
			var ended hunt.Ended
			req := hunt.Request{From: day, To: to, Scope: hunt.NewScope(nil, hunt.Outbound), Part: true}
			_, err := source.Read(t.Context(), req, func(batch []hunt.Connection) error { ended.Add(batch); return nil })
			require.NoError(t, err)
			req.Part, req.OnlyEarlier, req.Ended, req.Begun = false, true, &ended, begun
			r, err := source.Read(t.Context(), req, func(batch []hunt.Connection) error {
				for _, x := range batch {
					if x.State == hunt.StateOpen {
						uids = append(uids, x.UID.String())
					}
				}
				return nil
			})
			require.NoError(t, err)
			require.Empty(t, r.Gaps)
			return uids
		}
		var begun hunt.Begun
		require.Equal(t, []string{"CLATER", "CLONG", "CPORT", "CAFTER", "CHIDDEN", "COPEN"}, hunted(end.Add(-3*time.Hour), &begun))
		require.Equal(t, end.Add(-4*time.Hour).UnixMilli(), begun.To)
		require.Len(t, begun.Open, 6)
		began := begun
		require.Equal(t, []string{"CLATER", "CLONG", "CPORT", "CAFTER", "CHIDDEN", "COPEN", "CSSH", "CQUIC"}, hunted(end, &begun))
		require.Equal(t, hunt.Begun{From: began.From, To: end.Add(-time.Hour).UnixMilli(), Open: begun.Open}, begun)
		require.Len(t, begun.Open, 8)
		began.Open = began.Open[:1] // what it is not told, it does not look at
		require.Equal(t, []string{"CLATER", "CSSH", "CQUIC"}, hunted(end, &began))

		// What arrives late is looked at, too, and what has ended is open no more.
		late := strings.ReplaceAll(line("ssl", "CLATE", "10.0.0.11", end.Add(-10*time.Hour), `,"ingested":"`+end.Add(-time.Minute).Format(time.RFC3339)+`"`), "5000", "5002")
		c.bulk(t, index, []byte(late+line("conn", "CHIDDEN", "10.0.0.4", end.Add(-6*time.Hour), `,"duration":9000`)))
		c.do(t, "POST", "/"+index+"/_refresh", nil)
		begun.To -= time.Hour.Milliseconds()
		begun.Later = map[int64]int64{end.Add(-10 * time.Hour).Truncate(time.Hour).UnixMilli(): end.Add(-2 * time.Minute).UnixMilli()}
		require.ElementsMatch(t, []string{"CLATE", "CLATER", "CLONG", "CPORT", "CAFTER", "COPEN", "CSSH", "CQUIC"}, hunted(end, &begun))
	})
}
