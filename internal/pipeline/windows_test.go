package pipeline

import (
	"bufio"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
	"dwell/query/zeek"
)

// A week of Zeek logs, hunted over its last 12 hours, 24 hours, three days and all of it. Each indicator's value is by
// hand from docs/facts/scoring.md (2, 3) and docs/detection.md: a rhythm is enough when it is held for half the window
// or twelve hours, and needs more check-ins than chance makes; long connections and strobes need as much less as a
// window is shorter than a day, and no more in longer ones; a tunnel is the number of names in the window, which does
// not scale.
func TestIndicatorsOverWindows(t *testing.T) {
	end := day0.Add(7 * 24 * time.Hour)
	dir := t.TempDir()
	logs := map[string]*bufio.Writer{}
	for _, name := range []string{"conn.log", "dns.log"} {
		f, err := os.Create(filepath.Join(dir, name))
		require.NoError(t, err)
		defer f.Close()
		logs[name] = bufio.NewWriter(f)
	}
	seconds := func(at time.Time) float64 { return float64(at.UnixMilli()) / 1000 }
	connect := func(host int, dst string, from time.Time, period time.Duration, lasts time.Duration) {
		for at := from; at.Before(end); at = at.Add(period) {
			fmt.Fprintf(logs["conn.log"], `{"ts":%.3f,"uid":"C%d","id.orig_h":"10.0.0.%d","id.orig_p":40000,"id.resp_h":"%s","id.resp_p":443,"proto":"tcp","duration":%.1f,"orig_bytes":100,"resp_bytes":300,"orig_ip_bytes":400,"resp_ip_bytes":600,"conn_state":"SF"}`+"\n",
				seconds(at), at.UnixMilli(), host, dst, lasts.Seconds())
		}
	}
	names := 0
	ask := func(from time.Time, count int, within time.Duration) {
		for i := range count {
			names++
			fmt.Fprintf(logs["dns.log"], `{"ts":%.3f,"uid":"D%d","id.orig_h":"10.0.0.8","id.orig_p":50000,"id.resp_h":"10.0.0.53","id.resp_p":53,"proto":"udp","query":"%s.t.evil.example","qtype_name":"TXT"}`+"\n",
				seconds(from.Add(time.Duration(i)*within/time.Duration(count))), names, hunt.Digest("chunk", fmt.Sprint(names)))
		}
	}
	connect(5, "203.0.113.9", day0, 5*time.Minute, time.Second)                     // fast
	connect(6, "203.0.113.10", day0, 4*time.Hour, time.Second)                      // slow: 3, 6, 18, 42 check-ins
	connect(7, "203.0.113.11", end.Add(-3*time.Hour), 2*time.Minute, 2*time.Minute) // new: three hours, open all along
	connect(9, "203.0.113.12", end.Add(-6*time.Hour), time.Second, 100*time.Millisecond)
	ask(end.Add(-12*time.Hour), 150, 12*time.Hour)
	ask(end.Add(-24*time.Hour), 100, 12*time.Hour)
	ask(end.Add(-72*time.Hour), 150, 48*time.Hour)
	ask(day0, 100, 96*time.Hour)
	for _, w := range logs {
		require.NoError(t, w.Flush())
	}
	for _, c := range []struct {
		hours                               int
		fast, slow, held, open, strobe, dns float64
	}{
		// Three hours of the six that are enough in half a day, of the twelve in longer windows: (3/6)^0.4, (3/12)^0.4.
		// Three hours open are six of a day, half way from 4 to 8, or two thirds of the way from 1 to 4. 21,600
		// connections in six hours are half of twelve hours' 43,200, or a quarter of the way from 14,400 to 43,200.
		// 150, 250, 400, 500 encoded names weigh double against RITA's 100, 500, 800, 1,000. Timing alone weighs 0.85
		// at most. Ninety exact check-ins are beyond doubt: 0.65 at least, which timing's scale brings to 0.625.
		{12, 0.85, 0, 0.58 + (0.758-0.58)*0.27/0.42, 0.5, 0.6, 0.3},
		{24, 0.85, 0.85, 0.58 + (0.65-0.58)*0.27/0.42, 0.2 + 0.2*2/3, 0.45, 0.4},
		{72, 0.85, 0.85, 0.58 + (0.65-0.58)*0.27/0.42, 0.2 + 0.2*2/3, 0.45, 0.6},
		{168, 0.85, 0.85, 0.58 + (0.65-0.58)*0.27/0.42, 0.2 + 0.2*2/3, 0.45, 0.8},
	} {
		t.Run(fmt.Sprintf("%d h", c.hours), func(t *testing.T) {
			o := dwellOptions()
			o.Request.From, o.Request.To = end.Add(-time.Duration(c.hours)*time.Hour), end
			found := hunted(t, zeek.New(zeek.Options{Paths: []string{dir}}), o)
			of := func(host int, dst string) hunt.Parts {
				return found[fmt.Sprintf("10.0.0.%d>%s", host, dst)].Dwell.Parts
			}
			require.InDelta(t, c.fast, of(5, "203.0.113.9:443/tcp").Beacon, 0.005)
			require.InDelta(t, c.slow, of(6, "203.0.113.10:443/tcp").Beacon, 0.05)
			require.InDelta(t, c.held, of(7, "203.0.113.11:443/tcp").Beacon, 0.01)
			require.InDelta(t, c.open, of(7, "203.0.113.11:443/tcp").LongConnection, 0.005)
			require.InDelta(t, c.strobe, of(9, "203.0.113.12:443/tcp").Strobe, 0.001)
			require.InDelta(t, c.dns, of(8, "*.evil.example/dns").DNSTunnel, 1e-9)
			for pair, f := range found {
				require.True(t, f.Dwell.InternalIP.Is4() && netip.MustParsePrefix("10.0.0.0/24").Contains(f.Dwell.InternalIP), pair)
			}
		})
	}
}
