package elastic

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

// Hours are counted by sensor, from the window's start on, whatever the scope; what Zeek says of its losses comes as
// the line in message.
func TestCoverage(t *testing.T) {
	forEachLine(t, func(t *testing.T, c cluster) {
		index := c.index(t, 2)
		from := day.Add(20 * time.Minute)
		doc := func(sensor string, at time.Duration, dataset, message string) object {
			d := object{"@timestamp": day.Add(at).UnixMilli(), "event": object{"dataset": dataset}, "message": message,
				"source": object{"ip": "10.0.0.1"}, "destination": object{"ip": "10.0.0.2"}}
			if sensor != "" {
				d["observer"] = object{"name": sensor}
			}
			return d
		}
		docs := []object{
			doc("north", 19*time.Minute, datasetConn, ""),                                                // before the window
			doc("north", 20*time.Minute, datasetConn, ""), doc("north", 79*time.Minute, datasetConn, ""), // both in its first hour
			doc("north", 80*time.Minute, datasetConn, ""), doc("north", 4*time.Hour, datasetConn, ""),
			doc("south", 3*time.Hour, datasetConn, ""), doc("south", 3*time.Hour, "zeek.dns", ""),
			doc("", 2*time.Hour, datasetConn, ""),
			doc("north", 2*time.Hour, "zeek.capture_loss", `{"ts":1,"ts_delta":900.0,"peer":"worker-1","gaps":3,"acks":100,"percent_lost":3.0}`),
			doc("north", 3*time.Hour, "zeek.capture_loss", `{"ts":1,"ts_delta":900.0,"peer":"worker-1","gaps":1,"acks":300,"percent_lost":0.33}`),
			doc("north", 3*time.Hour, "zeek.stats", `{"ts":1,"peer":"worker-1","pkts_proc":990,"pkts_dropped":10,"pkts_link":1000}`),
			doc("south", 3*time.Hour, "zeek.stats", "not JSON"),
			doc("south", 9*time.Hour, "zeek.stats", `{"peer":"late","pkts_dropped":10,"pkts_link":10}`),
		}
		for _, d := range docs {
			c.do(t, "POST", "/"+index+"/_doc", d)
		}
		c.do(t, "POST", "/"+index+"/_refresh", nil)
		src, err := New(c.Client, Options{Index: []string{index}})
		require.NoError(t, err)
		req := hunt.Request{From: from, To: day.Add(5 * time.Hour), Scope: hunt.NewScope([]netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, hunt.Outbound)}
		seen, notes, err := src.Coverage(t.Context(), req)
		require.NoError(t, err)
		// North: the hours that begin at 0:20, 1:20 and 3:20; south that of 2:20; the nameless one that of 1:20.
		require.Equal(t, []hunt.SensorHours{{Name: "", Hours: 1}, {Name: "north", Hours: 3}, {Name: "south", Hours: 1}}, seen.Sensors)
		require.Equal(t, []hunt.PeerLoss{{Sensor: "north", Peer: "worker-1", Gaps: 4, Acks: 400, Dropped: 10, Packets: 1000}}, seen.Loss)
		require.Len(t, notes, 1)
		require.Contains(t, notes[0].What, "1 records of capture_loss and stats do not carry Zeek's line")

		empty, err := New(c.Client, Options{Index: []string{"dwelltest-missing"}})
		require.NoError(t, err)
		seen, _, err = empty.Coverage(t.Context(), req)
		require.NoError(t, err)
		require.Empty(t, seen)
	})
}
