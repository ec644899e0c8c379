package zeek

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

// A record with a time of another year in the middle of a log is left out, and that is a gap, if the window is what the
// logs span; in a window that was asked for, other times are no fault.
func TestFarRecordsOfOtherLogs(t *testing.T) {
	var conn, dns strings.Builder
	for i := range 100 {
		fmt.Fprintf(&conn, `{"ts":%d,"uid":"C%d","id.orig_h":"10.0.0.1","id.orig_p":%d,"id.resp_h":"203.0.113.7","id.resp_p":80,"proto":"tcp"}`+"\n", epoch+60*i, i, 40000+i)
		at := epoch + 60*i
		if i == 50 {
			at = 915148800 // 1999
		}
		fmt.Fprintf(&dns, `{"ts":%d,"uid":"D%d","id.orig_h":"10.0.0.1","id.orig_p":%d,"id.resp_h":"10.0.0.53","id.resp_p":53,"query":"q%d.example","qtype_name":"A"}`+"\n", at, i, 50000+i, i)
	}
	s := New(Options{Paths: []string{folder(t, map[string]string{"conn.log": conn.String(), "dns.log": dns.String()})}})
	read := func(req hunt.Request) string {
		r, err := s.Read(t.Context(), req, func([]hunt.Connection) error { return nil })
		require.NoError(t, err)
		req.From, req.To, req.Since = r.Window.Start, r.Window.End, 0
		r, err = s.ReadDNS(t.Context(), req, func([]hunt.DNSRecord) error { return nil })
		require.NoError(t, err)
		return said(r.Gaps)
	}
	require.Contains(t, read(outbound()), "records of a time far from all others in this log, left out of the window: 1")
	since := outbound()
	since.Since = 3600e9
	require.Empty(t, read(since))
}
