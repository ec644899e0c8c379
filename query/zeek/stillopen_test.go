package zeek

import (
	"fmt"
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
