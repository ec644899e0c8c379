package elastic

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/evidence/firstseen"
	"dwell/internal/hunt"
	"dwell/query/zeek"
)

// seenIn is what Sightings has to give, out of the records and lines alone.
func seenIn(t *testing.T, recs []record, l logs, scope hunt.Scope, from, to time.Time) map[string]firstseen.Span {
	t.Helper()
	out := map[string]firstseen.Span{}
	see := func(what string, at int64) {
		span := firstseen.Span{First: at, Last: at}
		if old, ok := out[what]; ok {
			span = span.Join(old)
		}
		out[what] = span
	}
	for _, r := range recs {
		if r.dataset == datasetConn && r.Start >= from.UnixMilli() && r.Start < to.UnixMilli() && r.RespBytes > 0 && scope.Keep(r.Src, r.Dst) && !scope.IsInternal(r.Dst) {
			see(r.Dst.String(), r.Start)
		}
	}
	for n := range l.namesOf(t, scope, from, to) {
		if _, err := netip.ParseAddr(n.Name); err != nil && n.Name != "" {
			see(n.Name, n.Start)
		}
	}
	return out
}

func learn(t *testing.T, src hunt.Source, req hunt.Request) (map[string]firstseen.Span, hunt.Reading) {
	t.Helper()
	got := map[string]firstseen.Span{}
	reading, err := firstseen.Learn(t.Context(), src, req, func(seen map[string]firstseen.Span) error {
		for what, span := range seen {
			if old, ok := got[what]; ok {
				span = span.Join(old)
			}
			got[what] = span
		}
		return nil
	})
	require.NoError(t, err)
	return got, reading
}

// TestSightings: when each destination was seen, to the millisecond, out of the cluster and out of files, whatever the
// size of slices and pages.
func TestSightings(t *testing.T) {
	const span = 2 * time.Hour
	recs, l := traffic(43, 2000, span), names(t, 44, 400, span)
	from, to := day.Add(17*time.Minute+time.Millisecond), day.Add(span-time.Minute)
	forEachLine(t, func(t *testing.T, c cluster) {
		index := c.index(t, 2)
		c.load(t, index, recs)
		c.loadLogs(t, index, l)
		for _, direction := range []hunt.Direction{hunt.Outbound, hunt.Both} {
			req := hunt.Request{From: from, To: to, Scope: hunt.NewScope(nil, direction)}
			want := seenIn(t, recs, l, req.Scope, from, to)
			require.NotEmpty(t, want)
			for i, opt := range []Options{{}, {MaxPage: 64, Concurrency: 3}, {}} {
				opt.Index = []string{index}
				src, err := New(c.Client, opt)
				require.NoError(t, err)
				if i == 2 {
					src.many = 3 // hosts are told apart
				}
				got, r := learn(t, src, req)
				require.Equal(t, want, got)
				require.Empty(t, r.Gaps)
				require.LessOrEqual(t, len(r.Slices), 3, "a slice for each log")
			}
		}
	})
	t.Run("files", func(t *testing.T) {
		dir := t.TempDir()
		for log, lines := range l {
			require.NoError(t, os.WriteFile(filepath.Join(dir, log+".log"), []byte(strings.Join(lines, "\n")+"\n"), 0o600))
		}
		var conns strings.Builder
		for _, r := range recs {
			if r.dataset == datasetConn {
				fmt.Fprintf(&conns, `{"ts":%.3f,"uid":"C1","id.orig_h":%q,"id.orig_p":%d,"id.resp_h":%q,"id.resp_p":%d,"proto":"tcp","orig_bytes":10,"resp_bytes":%d}`+"\n",
					float64(r.Start)/1000, r.Src, r.SrcPort, r.Dst, r.DstPort, max(r.RespBytes, 0))
			}
		}
		require.NoError(t, os.WriteFile(filepath.Join(dir, "conn.log"), []byte(conns.String()), 0o600))
		req := hunt.Request{From: from, To: to, Scope: hunt.NewScope(nil, hunt.Outbound)}
		got, _ := learn(t, zeek.New(zeek.Options{Paths: []string{dir}}), req)
		want := seenIn(t, recs, l, req.Scope, from, to)
		for what, span := range want {
			have, ok := got[what]
			require.True(t, ok, what)
			require.Equal(t, span.Last, have.Last, what)
			require.LessOrEqual(t, have.First, span.First, "the margin before the window is read, too: %s", what)
		}
		for what := range got {
			require.False(t, strings.HasPrefix(what, "10."), what)
		}
	})
}
