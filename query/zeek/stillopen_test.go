package zeek

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

// TestStillOpen finds the connection whose handshake is there and whose record is not; where many records are missing,
// none is taken for open.
func TestStillOpen(t *testing.T) {
	ssl := func(n int) string {
		return fmt.Sprintf(`{"ts":%d.5,"uid":"C%017d","id.orig_h":"10.0.0.%d","id.orig_p":%d,"id.resp_h":"203.0.113.7","id.resp_p":443,"version":"TLSv12","cipher":"x"}`+"\n", epoch+60*n, n, 1+n%250, 1024+n)
	}
	var conn, tls strings.Builder
	for n := range 600 {
		tls.WriteString(ssl(n))
		if n != 100 && n != 590 { // the second is too young to be open
			conn.WriteString(row(n))
		}
	}
	got, reading := collect(t, outbound(), folder(t, map[string]string{"conn.log": tsvHeader + conn.String(), "ssl.log": tls.String()}))
	var open []hunt.Connection
	for _, c := range got {
		if c.State == hunt.StateOpen {
			open = append(open, c)
		}
	}
	require.Len(t, open, 1)
	require.Equal(t, int64(epoch+6000)*1000+500, open[0].Start)
	require.InDelta(t, (499 * time.Minute).Milliseconds(), open[0].Duration, 2000)
	require.Contains(t, said(reading.Notes), "still open: 10.0.0.101 > 203.0.113.7 port 443, since 2024-06-01T01:40:00Z")

	// A record of the middle of a connection (OTH) is a record, too.
	middle := strings.Replace(row(100), "\tSF\t", "\tOTH\t", 1)
	require.NotEqual(t, row(100), middle)
	got, _ = collect(t, outbound(), folder(t, map[string]string{"conn.log": tsvHeader + conn.String() + middle, "ssl.log": tls.String()}))
	require.False(t, slices.ContainsFunc(got, func(c hunt.Connection) bool { return c.State == hunt.StateOpen }))

	got, reading = collect(t, outbound(), folder(t, map[string]string{"conn.log": tsvHeader + rows(0, 100) + rows(500, 600), "ssl.log": tls.String()}))
	for _, c := range got {
		require.NotEqual(t, hunt.StateOpen, c.State)
	}
	require.Contains(t, said(reading.Gaps), "too many to be still open")

	// Conn logs that end hours before the others do are missing the rest.
	_, reading = collect(t, outbound(), folder(t, map[string]string{"conn.log": tsvHeader + rows(0, 300), "ssl.log": tls.String()}))
	require.Contains(t, said(reading.Gaps), "240 of 480 ")
	require.Contains(t, said(reading.Gaps), "connection records are missing")
}

// TestStillOpenByHTTP: a first request without a connection record tells an open connection; a later one on a
// connection that came, and one on a connection that was opened minutes before it was needed, do not.
func TestStillOpenByHTTP(t *testing.T) {
	request := func(n int, late float64, depth int) string {
		return fmt.Sprintf(`{"ts":%f,"uid":"C%017d","id.orig_h":"10.0.0.%d","id.orig_p":%d,"id.resp_h":"203.0.113.7","id.resp_p":443,"method":"GET","uri":"/","trans_depth":%d}`+"\n",
			float64(epoch+60*n)+late, n, 1+n%250, 1024+n, depth)
	}
	var conn, http strings.Builder
	for n := range 600 {
		late, depth := 0.5, 1
		switch n {
		case 200:
			late, depth = 1900, 9
		case 300:
			late = 240
		}
		http.WriteString(request(n, late, depth))
		if n != 100 {
			conn.WriteString(row(n))
		}
	}
	got, _ := collect(t, outbound(), folder(t, map[string]string{"conn.log": tsvHeader + conn.String(), "http.log": http.String()}))
	var open []string
	for _, c := range got {
		if c.State == hunt.StateOpen {
			open = append(open, c.Src.String())
		}
	}
	require.Equal(t, []string{"10.0.0.101"}, open)
}

// TestStillOpenHidden: what a host did before from the same port hides no open connection, and two logs of one, or two
// sensors, make no second one.
func TestStillOpenHidden(t *testing.T) {
	const at, port = epoch + 20000, 50000
	conn := func(kind, uid string, start, duration float64) string {
		return fmt.Sprintf(`{"_path":%q,"ts":%f,"uid":%q,"id.orig_h":"10.0.0.7","id.orig_p":%d,"id.resp_h":"203.0.113.99","id.resp_p":443,"proto":"tcp","duration":%f,"orig_bytes":9,"resp_bytes":9,"conn_state":"SF"}`+"\n",
			kind, start, uid, port, duration)
	}
	ssl := func(uid, dst string, start float64) string {
		return fmt.Sprintf(`{"_path":"ssl","ts":%f,"uid":%q,"id.orig_h":"10.0.0.7","id.orig_p":%d,"id.resp_h":%q,"id.resp_p":443,"version":"TLSv12"}`+"\n", start, uid, port, dst)
	}
	request := func(uid string, n int) string {
		return fmt.Sprintf(`{"_path":"http","ts":%d,"uid":%q,"id.orig_h":"10.0.0.7","id.orig_p":%d,"id.resp_h":"203.0.113.99","id.resp_p":443,"method":"GET","uri":"/","trans_depth":%d}`+"\n", at+300*n, uid, port, 500+n)
	}
	const server = "203.0.113.99"
	open := (epoch + 599*60 - at) * time.Second.Milliseconds()
	many := ""
	for n := range 100 {
		many += conn("conn", fmt.Sprintf("CS%d", n), at-60*float64(n+1), .1) + ssl(fmt.Sprintf("CS%d", n), server, at-60*float64(n+1))
	}
	requests, others := "", ""
	for n := range 60 {
		requests += request("COPEN", n)
		others += fmt.Sprintf(`{"_path":"ssl","ts":%d.5,"uid":"C%017d","id.orig_h":"10.0.0.%d","id.orig_p":%d,"id.resp_h":"203.0.113.7","id.resp_p":443,"version":"TLSv12"}`+"\n", epoch+60*n, n, 1+n%250, 1024+n)
	}
	for name, c := range map[string]struct {
		logs string
		want []int64 // durations of lasting connections
	}{
		"short one a minute before":   {conn("conn", "CSHORT", at-60, .1) + ssl("COPEN", server, at), []int64{open}},
		"short one half a second ago": {conn("conn", "CSHORT", at-.5, .1) + ssl("COPEN", server, at), []int64{open}},
		"a hundred short ones":        {many + ssl("COPEN", server, at), []int64{open}},
		"short one, then ended":       {conn("conn", "CSHORT", at-.5, .1) + conn("conn", "CENDED", at, 9000), []int64{9_000_000}},
		"short one, then logged open": {conn("conn", "CSHORT", at-.5, .1) + conn("conn_long", "COPEN", at, 600) + conn("conn_long", "COPEN", at, 3600), []int64{3_600_000}},
		"logged open, with handshake": {conn("conn_long", "COPEN", at, 600) + conn("conn_long", "COPEN", at, 3600) + ssl("COPEN", server, at+.1), []int64{open}},
		"two sensors, logged open":    {conn("conn_long", "COPEN", at, 3600) + conn("conn_long", "COTHER", at+.4, 3600), []int64{3_600_400}},
		"two sensors, handshake":      {ssl("COPEN", server, at) + ssl("COTHER", server, at+.4), []int64{open}},
		"another sensor has no uids":  {strings.ReplaceAll(conn("conn", "CNONE", at, 30), `"uid":"CNONE",`, "") + ssl("COTHER", server, at+.1), nil},
		"two servers":                 {ssl("COPEN", server, at) + ssl("COTHER", "203.0.113.98", at), []int64{open, open}},
		"only later requests":         {requests, []int64{open}},
		"later requests, ended":       {requests + conn("conn", "COPEN", at-90000, 110000), []int64{110_000_000}},
		"handshake a minute, ended":   {conn("conn", "CENDED", at-240, 400) + ssl("CENDED", server, at), []int64{400_000}},
	} {
		got, _ := collect(t, outbound(), folder(t, map[string]string{"conn.log": tsvHeader + rows(0, 600), "mixed.log": c.logs + others}))
		var lasting []int64
		for _, c := range got {
			if c.Duration > 60_000 {
				lasting = append(lasting, c.Duration)
			}
		}
		require.Len(t, lasting, len(c.want), name)
		for i := range lasting {
			require.InDelta(t, c.want[i], lasting[i], 3000, name)
		}
	}
}

// TestStillOpenInArchive: of an archive of days, a window's hunt reads older conn logs only to know what has ended.
func TestStillOpenInArchive(t *testing.T) {
	files := map[string]string{}
	for d := range 4 {
		var conn, tls strings.Builder
		for n := range 300 {
			at, uid := epoch+86400*d+60*n, fmt.Sprintf("C%d%016d", d, n)
			ends := fmt.Sprintf(`"uid":%q,"id.orig_h":"10.0.0.%d","id.orig_p":%d,"id.resp_h":"203.0.113.7","id.resp_p":443`, uid, 1+n%250, 1024+n)
			fmt.Fprintf(&tls, `{"ts":%d.1,%s,"version":"TLSv12","cipher":"x"}`+"\n", at, ends)
			if d != 1 || n != 7 {
				fmt.Fprintf(&conn, `{"ts":%d,%s,"proto":"tcp","duration":1,"orig_bytes":9,"resp_bytes":9,"conn_state":"SF"}`+"\n", at, ends)
			}
		}
		files[fmt.Sprintf("conn.%d.log", d)], files[fmt.Sprintf("ssl.%d.log", d)] = conn.String(), tls.String()
	}
	dir := folder(t, files)
	for name := range files {
		var d int
		_, err := fmt.Sscanf(strings.SplitN(name, ".", 2)[1], "%d.log", &d)
		require.NoError(t, err)
		at := time.Unix(epoch+86400*int64(d)+300*60, 0)
		require.NoError(t, os.Chtimes(filepath.Join(dir, name), at, at))
	}
	for name, window := range map[string]hunt.Request{
		"all":       {},
		"since":     {Since: 5 * time.Hour},
		"from, to":  {From: time.Unix(epoch+3*86400, 0), To: time.Unix(epoch+3*86400+18000, 0)},
		"look back": {From: time.Unix(epoch+3*86400, 0), To: time.Unix(epoch+3*86400+18000, 0), LookBack: 24 * time.Hour},
	} {
		window.Scope = hunt.NewScope(nil, hunt.Outbound)
		var open []string
		got, reading := collect(t, window, dir)
		for _, c := range got {
			if c.State == hunt.StateOpen {
				open = append(open, c.Src.String())
			}
		}
		require.Empty(t, reading.Gaps, name)
		if name == "look back" {
			require.Empty(t, open, name)
			continue
		}
		require.Equal(t, []string{"10.0.0.8"}, open, name)
	}

	// Where older logs are larger than what the hunt reads, they are left out, and nothing of theirs is taken for open.
	source := New(Options{Paths: []string{dir}})
	source.openBytes = 0
	for n := range 3 {
		name := filepath.Join(dir, fmt.Sprintf("conn.%d.log", n))
		info, err := os.Stat(name)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(name, []byte(strings.Repeat(files[fmt.Sprintf("conn.%d.log", n)], 9)), 0o600))
		require.NoError(t, os.Chtimes(name, info.ModTime(), info.ModTime()))
	}
	reading, err := source.Read(t.Context(), hunt.Request{Scope: hunt.NewScope(nil, hunt.Outbound), Since: 5 * time.Hour}, func(batch []hunt.Connection) error {
		for _, c := range batch {
			if c.State == hunt.StateOpen {
				return fmt.Errorf("open: %v", c)
			}
		}
		return nil
	})
	require.NoError(t, err)
	require.Empty(t, reading.Gaps)
	require.Contains(t, said(reading.Notes), "conn logs from before were not read")

	_, reading = collect(t, hunt.Request{Scope: hunt.NewScope(nil, hunt.Outbound), From: time.Unix(epoch+90*86400, 0), To: time.Unix(epoch+91*86400, 0)}, dir)
	require.Contains(t, said(reading.Gaps), "no conn log was written in the window")
}
