package zeek

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

// Two directories are two sensors, each with its own hours, whatever the scope; Zeek's own figures are summed by
// process.
func TestCoverage(t *testing.T) {
	begin := time.Date(2026, 11, 22, 0, 10, 0, 0, time.UTC)
	folder := func(minutes ...int) string {
		dir := t.TempDir()
		var b strings.Builder
		for i, m := range minutes {
			fmt.Fprintf(&b, `{"ts":%d,"uid":"C%d","id.orig_h":"10.0.0.5","id.orig_p":%d,"id.resp_h":"10.0.0.6","id.resp_p":443,"proto":"tcp"}`+"\n", begin.Add(time.Duration(m)*time.Minute).Unix(), i, 50000+i)
		}
		require.NoError(t, os.WriteFile(filepath.Join(dir, "conn.log"), []byte(b.String()), 0o600))
		return dir
	}
	north, south := folder(0, 59, 60, 181, 600), folder(30)
	at := func(m int) int64 { return begin.Add(time.Duration(m) * time.Minute).Unix() }
	loss := fmt.Sprintf("#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tcapture_loss\n#fields\tts\tts_delta\tpeer\tgaps\tacks\tpercent_lost\n#types\ttime\tinterval\tstring\tcount\tcount\tdouble\n"+
		"%d.5\t900.0\tworker-1\t3\t100\t3.0\n%d.5\t900.0\tworker-1\t1\t300\t0.33\n%d.5\t900.0\tworker-2\t0\t50\t0.0\n%d.5\t900.0\tlate\t9\t9\t100.0\n", at(15), at(30), at(30), at(500))
	require.NoError(t, os.WriteFile(filepath.Join(north, "capture_loss.log"), []byte(loss), 0o600))
	stats := fmt.Sprintf(`{"ts":%d,"peer":"worker-1","pkts_proc":990,"pkts_dropped":10,"pkts_link":1000}`+"\n"+`{"ts":%d,"peer":"manager","pkts_proc":0}`+"\n", at(20), at(20))
	require.NoError(t, os.WriteFile(filepath.Join(south, "stats.log"), []byte(stats), 0o600))

	s := New(Options{Paths: []string{north, south}})
	req := hunt.Request{From: begin, To: begin.Add(4 * time.Hour), Scope: hunt.NewScope(nil, hunt.Outbound)}
	r, err := s.Read(t.Context(), req, func([]hunt.Connection) error { return nil })
	require.NoError(t, err)
	require.ElementsMatch(t, []hunt.SensorHours{{Name: north, Hours: 3}, {Name: south, Hours: 1}}, r.Sensors, "hours 0, 1 and 3; hour 0")
	seen, notes, err := s.Coverage(t.Context(), req)
	require.NoError(t, err)
	require.Empty(t, notes)
	require.Equal(t, []hunt.PeerLoss{{Peer: "manager"}, {Peer: "worker-1", Gaps: 4, Acks: 400, Dropped: 10, Packets: 1000}, {Peer: "worker-2", Acks: 50}}, seen.Loss)

	alone := New(Options{Paths: []string{south}})
	r, err = alone.Read(t.Context(), req, func([]hunt.Connection) error { return nil })
	require.NoError(t, err)
	require.Empty(t, r.Sensors, "one directory is what the hunt's own hours say")
}
