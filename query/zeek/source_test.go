package zeek

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

// TestLayouts reads the same 100 connections out of every layout that Zeek and Security Onion know.
func TestLayouts(t *testing.T) {
	half, rest, all := tsvHeader+rows(0, 60), tsvHeader+rows(60, 100), tsvHeader+rows(0, 100)
	for name, files := range map[string]map[string]string{
		"one file":              {"conn.log": all},
		"gz by name and nature": {"conn.log.gz": gz(t, all)},
		"gz by nature alone":    {"conn.log": gz(t, all)},
		"several gz in one":     {"conn.log.gz": gz(t, half) + gz(t, rest)},
		"zst":                   {"conn.log.zst": zst(t, all)},
		"hourly": {"2024-06-01/conn.00:00:00-01:00:00.log.gz": gz(t, half), "2024-06-01/conn.01:00:00-02:00:00.log.gz": gz(t, rest),
			"2024-06-01/conn-summary.00:00:00-01:00:00.log.gz": gz(t, "\n>== Total === 2024\n"), "2024-06-01/notes.txt": "x"},
		"day directory and current": {"2024-06-01/conn.00:00:00-01:00:00.log.gz": gz(t, half), "current/conn.log": rest[:len(rest)-1],
			"current/known_hosts.log": strings.Replace(tsvHeader, "#path\tconn", "#path\tknown_hosts", 1)},
		"import by Security Onion": {"conn_20240601_00:00:00.log": half, "conn_20240601_01:00:00.log": rest},
		"put together":             {"conn.log": half + "#close\t2024-06-01-01-00-00\n" + rest},
		"Windows line ends":        {"conn.log": strings.ReplaceAll(all, "\n", "\r\n")},
		"byte order mark":          {"conn.log": "\xef\xbb\xbf" + all},
		"a copy, packed":           {"conn.log": all, "conn.log.gz": gz(t, all)},
		"a copy, older":            {"current/conn.log": half, "2024-06-01/conn.00:00:00-01:00:00.log": all},
		"a copy, newer":            {"2024-06-01/conn.00:00:00-01:00:00.log": half, "current/conn.log": all},
	} {
		t.Run(name, func(t *testing.T) {
			got, reading := collect(t, outbound(), folder(t, files))
			equal(t, wantRows(0, 100), got)
			require.Empty(t, reading.Gaps)
			require.Equal(t, int64(100), reading.Connections)
			require.Equal(t, time.Unix(epoch, 0).UTC(), reading.Window.Start)
			require.Equal(t, time.Unix(epoch+99*60, 0).Add(1501*time.Millisecond).UTC(), reading.Window.End, "when the last connection ended")
			switch {
			case strings.HasPrefix(name, "a copy"):
				require.Contains(t, said(reading.Notes), "and count once: ")
				require.Equal(t, reading.Records, 100+repeated(t, reading.Notes))
			case strings.Contains(name, "hourly"):
				require.Contains(t, said(reading.Notes), "conn-summary")
			default:
				require.Empty(t, reading.Notes)
			}
		})
	}
}

// TestSmallChunks cuts the file wherever a chunk may end: inside lines, headers and at their ends.
func TestSmallChunks(t *testing.T) {
	content := tsvHeader + rows(0, 10) + "#close\t2024-06-01-01-00-00\n" + strings.ReplaceAll(tsvHeader, "ts\tuid", "uid\tts")
	for n := 10; n < 20; n++ {
		cells := strings.SplitN(row(n), "\t", 3)
		content += cells[1] + "\t" + cells[0] + "\t" + cells[2]
	}
	path := filepath.Join(folder(t, map[string]string{"conn.log": content}), "conn.log")
	for size := 1; size < 400; size += 7 {
		s := New(Options{Paths: []string{path}, Workers: 1})
		s.chunkSize = size
		var got []hunt.Connection
		reading, err := s.Read(context.Background(), outbound(), func(b []hunt.Connection) error {
			got = append(got, b...)
			return nil
		})
		require.NoError(t, err)
		require.Empty(t, reading.Gaps, "chunks of %d bytes", size)
		equal(t, wantRows(0, 20), got)
	}
}

// TestSameFileTwice names one file in four ways.
func TestSameFileTwice(t *testing.T) {
	dir := folder(t, map[string]string{"logs/conn.log": tsvHeader + rows(0, 5)})
	require.NoError(t, os.Symlink(filepath.Join(dir, "logs"), filepath.Join(dir, "current")))
	got, reading := collect(t, outbound(), dir, filepath.Join(dir, "logs", "conn.log"), filepath.Join(dir, "logs", "*.log"), filepath.Join(dir, "current"))
	equal(t, wantRows(0, 5), got)
	require.Len(t, reading.Slices, 1)
}

func TestWindow(t *testing.T) {
	at := func(minute int) time.Time { return time.Unix(epoch+60*int64(minute), 0).UTC() }
	dir := folder(t, map[string]string{
		"conn.a.log":                 "", // Not named like a conn log: "a" is no time.
		"conn.00:00:00-05:00:00.log": tsvHeader + rows(0, 300), "conn.05:00:00-10:00:00.log.gz": gz(t, tsvHeader+rows(300, 600)),
		"conn.10:00:00-40:00:00.log": tsvHeader + rows(600, 2400)})
	for name, tc := range map[string]struct {
		from, to    time.Time
		since       time.Duration
		first, last int // Rows, half-open.
		start, end  time.Time
	}{
		"everything":        {first: 0, last: 2400, start: at(0), end: at(2399).Add(1503 * time.Millisecond)},
		"from and to":       {from: at(10), to: at(20), first: 10, last: 20, start: at(10), end: at(20)},
		"from":              {from: at(2390), first: 2390, last: 2400, start: at(2390), end: at(2399).Add(3 * time.Millisecond)},
		"to":                {to: at(20), first: 0, last: 20, start: at(0), end: at(20)},
		"since":             {since: time.Hour, first: 2339, last: 2400, start: at(2339).Add(3 * time.Millisecond), end: at(2399).Add(3 * time.Millisecond)},
		"since and to":      {since: time.Hour, to: at(100), first: 40, last: 100, start: at(40), end: at(100)},
		"a day, its margin": {since: 24 * time.Hour, first: 900, last: 2400, start: at(2399 - 1440).Add(3 * time.Millisecond), end: at(2399).Add(3 * time.Millisecond)},
	} {
		t.Run(name, func(t *testing.T) {
			req := outbound()
			req.From, req.To, req.Since = tc.from, tc.to, tc.since
			got, reading := collect(t, req, dir)
			equal(t, wantRows(tc.first, tc.last), got)
			require.Equal(t, tc.start, reading.Window.Start)
			require.Equal(t, tc.end, reading.Window.End)
			require.Len(t, reading.Slices, 3)
			require.Empty(t, reading.Gaps)
		})
	}
}

func TestWindowWithoutData(t *testing.T) {
	dir := folder(t, map[string]string{"conn.log": tsvHeader + rows(0, 10)})
	req := outbound()
	req.From, req.To = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2025, 1, 2, 0, 0, 0, 0, time.UTC)
	got, reading := collect(t, req, dir)
	require.Empty(t, got)
	require.Contains(t, said(reading.Gaps), "the logs span 2024-06-01T00:00:00Z/2024-06-01T00:09:01Z")

	req = outbound()
	req.From = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	got, reading = collect(t, req, dir)
	require.Empty(t, got)
	require.Equal(t, req.From, reading.Window.Start)

	for _, since := range []time.Duration{0, time.Hour} {
		req = hunt.Request{Scope: hunt.NewScope(nil, hunt.Inbound), Since: since}
		got, reading = collect(t, req, dir)
		require.Empty(t, got)
		require.Equal(t, at0(), reading.Window.Start, "what the logs span, whatever is in scope")
		require.Equal(t, int64(10), reading.Records)
		require.Contains(t, said(reading.Notes), "none of 10 records is in scope; name your own networks with --internal")
	}

	req.From, req.Since = at0(), time.Hour
	require.ErrorContains(t, readError(t, req, dir), "give it without from")
	req = outbound()
	req.From, req.To = at0(), at0()
	require.ErrorContains(t, readError(t, req, dir), "not after its start")
}

func at0() time.Time { return time.Unix(epoch, 0).UTC() }

// TestBadInput has the bad inputs that end in an error.
func TestBadInput(t *testing.T) {
	require.ErrorContains(t, readError(t, outbound(), t.TempDir()), "found no file at all; give the directory that holds conn.log")
	require.ErrorContains(t, readError(t, outbound(), folder(t, map[string]string{"dns.log": "x", "notes.md": "y", "ftp.log": strings.Replace(tsvHeader, "#path\tconn", "#path\tftp", 1)})),
		"notes.md is neither Zeek TSV (no #fields line) nor JSON; ")
	require.ErrorContains(t, readError(t, outbound(), filepath.Join(t.TempDir(), "conn.log")), "no such file")
	require.ErrorContains(t, readError(t, outbound(), filepath.Join(t.TempDir(), "*.log")), "no file matches")
	require.ErrorContains(t, readError(t, outbound()), "no path")

	binary := "\x7fELF\x02\x01\x01\x00\x00\x00"
	dir := folder(t, map[string]string{"conn.log": binary})
	require.ErrorContains(t, readError(t, outbound(), filepath.Join(dir, "conn.log")), "is binary, no Zeek log")
	require.ErrorContains(t, readError(t, outbound(), dir), "is binary, no Zeek log")
	dir = folder(t, map[string]string{"conn.log": "hello\nworld\n"})
	require.ErrorContains(t, readError(t, outbound(), dir), "neither Zeek TSV (no #fields line) nor JSON")
	dir = folder(t, map[string]string{"conn.log": "\xfd7zXZ\x00"})
	require.ErrorContains(t, readError(t, outbound(), dir), "compressed with xz")
	dir = folder(t, map[string]string{"conn.log.gz": gz(t, tsvHeader)[:12]})
	require.ErrorContains(t, readError(t, outbound(), dir), "conn.log.gz")

	for _, field := range []string{"ts", "id.orig_h", "id.resp_h"} {
		dir := folder(t, map[string]string{"conn.log": strings.Replace(tsvHeader, "\t"+field+"\t", "\tother\t", 1) + rows(0, 3)})
		err := readError(t, outbound(), dir)
		require.ErrorContains(t, err, "has no field "+field)
		require.ErrorContains(t, err, "conn.log")
	}
	dir = folder(t, map[string]string{"conn.log": `{"ts":1.0,"uid":"C1","id.orig_h":"10.0.0.1","conn_state":"SF"}` + "\n"})
	_, reading := collect(t, outbound(), dir)
	require.Contains(t, said(reading.Gaps), "no id.orig_h or no id.resp_h")
	dir = folder(t, map[string]string{"conn.log": strings.Replace(tsvHeader, `\x09`, `\x09\x09`, 1) + rows(0, 3)})
	require.ErrorContains(t, readError(t, outbound(), dir), "is not one byte")
}

// TestDamage has the bad inputs of which something can be read: everything readable is, and the rest is told.
func TestDamage(t *testing.T) {
	good := tsvHeader + rows(0, 10)
	// Bytes that do not shrink, so that cutting the packed file loses records in the middle.
	long := tsvHeader + rows(0, 30000)
	packed := gz(t, long)
	for name, tc := range map[string]struct {
		files       map[string]string
		notes, gaps string
		least       int
	}{
		"torn last line":      {map[string]string{"conn.log": good + row(10)[:60]}, "the last line is cut off (it has fewer fields than the header names); everything before it was read", "", 10},
		"torn last JSON":      {map[string]string{"conn.log": jsonRows(0, 10) + jsonRows(10, 11)[:60]}, "the last line is cut off (its JSON object does not end)", "", 10},
		"torn gz":             {map[string]string{"conn.log.gz": packed[:len(packed)/2]}, "", "the file ends early (unexpected EOF)", 10000},
		"torn zst":            {map[string]string{"conn.log": good, "a/conn.log.zst": zst(t, good)[:200]}, "", "its compression ends before the first record (unexpected EOF)", 10},
		"bad line":            {map[string]string{"conn.log": tsvHeader + rows(0, 5) + "garbage\n" + rows(5, 10)}, "", "line 14 is no record and was left out", 10},
		"bad address":         {map[string]string{"conn.log": good + strings.Replace(row(1), "10.0.0.2", "10.0.0.256", 1)}, "", "line 19 is no record and was left out: id.orig_h is not an address", 10},
		"bad number":          {map[string]string{"conn.log": good + strings.Replace(row(11), "\t2000\t", "\t2x00\t", 1)}, "taken as not set: 1, the first is line 19", "", 11},
		"bad JSON":            {map[string]string{"conn.log": jsonRows(0, 5) + "{\"ts\":tru}\n" + jsonRows(5, 10)}, "", "line 6 is no record and was left out: it is not a JSON object", 10},
		"two lines in one":    {map[string]string{"conn.log": good + strings.TrimSuffix(row(1), "\n") + row(2)}, "", "line 19", 10},
		"binary beside a log": {map[string]string{"conn.log": good, "a/conn.log": "\x00\x01\x02"}, "", "is binary, no Zeek log", 10},
		"no ts beside a log":  {map[string]string{"conn.log": good, "a/conn.log": strings.Replace(tsvHeader, "\tts\t", "\ttime\t", 1) + row(1)}, "", "has no field ts in its #fields line", 10},
		"empty beside a log":  {map[string]string{"conn.log": good, "a/conn.log": ""}, "this log is empty", "", 10},
		"packed, of no bytes": {map[string]string{"conn.log": good, "a/conn.log.gz": ""}, "", "left out: it has no bytes, and a packed log always has some", 10},
		"clock set back":      {map[string]string{"conn.log": tsvHeader + rows(5000, 5005) + rows(0, 20)}, "places where time goes back by more than an hour: 1, the first is line 14", "", 25},
		"stragglers":          {map[string]string{"conn.log": tsvHeader + rows(5000, 5005) + rows(0, 5) + rows(5005, 5010)}, "", "", 15},
		"copy that parts":     {map[string]string{"conn.log": good, "a/conn.log": tsvHeader + rows(0, 5) + rows(20, 25)}, "and count once: 5 of 10", "", 15},
		"clock not set":       {map[string]string{"conn.log": good + strings.Replace(row(10), "17172006", "00000006", 1)}, "", "records of a time far from all others in this log, left out of the window: 1", 11},
		"negative duration":   {map[string]string{"conn.log": good + strings.Replace(row(10), "1.500000", "-0.500000", 1)}, "durations below zero, taken as 0: 1", "", 11},
	} {
		t.Run(name, func(t *testing.T) {
			got, reading := collect(t, outbound(), folder(t, tc.files))
			require.GreaterOrEqual(t, len(got), tc.least)
			if name != "torn gz" {
				require.Len(t, got, tc.least)
			}
			if tc.notes == "" {
				require.Empty(t, reading.Notes)
			}
			if tc.gaps == "" {
				require.Empty(t, reading.Gaps)
			}
			require.Contains(t, said(reading.Notes), tc.notes)
			require.Contains(t, said(reading.Gaps), tc.gaps)
		})
	}
}

// jsonRows are the same connections as rows, as Security Onion's Zeek writes them.
func jsonRows(from, to int) string {
	var b strings.Builder
	for n := from; n < to; n++ {
		fmt.Fprintf(&b, `{"ts":%d.%06d,"uid":"C%017d","id.orig_h":"10.0.0.%d","id.orig_p":%d,"id.resp_h":"203.0.113.7","id.resp_p":443,"proto":"tcp","service":"ssl","duration":1.5,"orig_bytes":100,"resp_bytes":2000,"conn_state":"SF","local_orig":true,"tunnel_parents":["CaXy\"}"],"orig_ip_bytes":%d}`+"\n",
			epoch+60*n, n, n, 1+n%250, 1024+n, 300+n)
	}
	return b.String()
}

// TestJSONLayouts reads the same connections out of the spellings of JSON that shippers make of Zeek's.
func TestJSONLayouts(t *testing.T) {
	plain := jsonRows(0, 50)
	for name, content := range map[string]string{
		"Zeek":        plain,
		"underscores": strings.NewReplacer("id.orig", "id_orig", "id.resp", "id_resp", `{"ts"`, `{"@stream":"conn","@system":"s","ts"`).Replace(plain),
		"nested": strings.NewReplacer(`"id.orig_h"`, `"id":{"orig_h"`, "id.orig_p", "orig_p", "id.resp_h", "resp_h",
			`"id.resp_p":443`, `"resp_p":443}`, `"uid"`, `"_path":"conn","uid"`).Replace(plain),
		"spaces":               strings.NewReplacer(`":`, `" : `, `,"`, ` , "`).Replace(plain),
		"escaped key and text": strings.NewReplacer(`"service"`, "\"\\u0073ervice\"", `"ssl"`, `"s\u0073l"`).Replace(plain),
	} {
		t.Run(name, func(t *testing.T) {
			got, reading := collect(t, outbound(), folder(t, map[string]string{"conn.log": content}))
			equal(t, wantRows(0, 50), got)
			require.Empty(t, reading.Gaps)
			require.Empty(t, reading.Notes)
		})
	}
	mixed := plain + strings.Replace(jsonRows(50, 60), `{"ts"`, `{"_path":"dns","ts"`, 10)
	got, _ := collect(t, outbound(), folder(t, map[string]string{"conn.log": mixed}))
	equal(t, wantRows(0, 50), got)
}

// TestFieldsAnyOrder turns the columns round, leaves out what may be missing, and uses other markers.
func TestFieldsAnyOrder(t *testing.T) {
	log := "#separator \\x7c\n#set_separator|;\n#empty_field|EMPTY\n#unset_field|NULL\n#path|conn\n" +
		"#fields|proto|id.resp_p|id.resp_h|more|id.orig_h|ts|service|duration|orig_bytes\n" +
		"udp|53|2001:db8::53|x|fd00::1|1717200000.123999|NULL|NULL|EMPTY\n" +
		"icmp|NULL|::ffff:198.51.100.9|x|::ffff:10.0.0.1|1717200001|EMPTY|0.0019|7\n"
	got, reading := collect(t, outbound(), folder(t, map[string]string{"conn.log": log}))
	equal(t, []hunt.Connection{
		{Start: epoch*1000 + 123, Duration: hunt.Absent, OrigBytes: hunt.Absent, RespBytes: hunt.Absent, OrigIPBytes: hunt.Absent, Count: 1,
			Src: addr("fd00::1"), Dst: addr("2001:db8::53"), DstPort: 53, Proto: hunt.UDP},
		{Start: epoch*1000 + 1000, Duration: 1, OrigBytes: 7, RespBytes: hunt.Absent, OrigIPBytes: hunt.Absent, Count: 1,
			Src: addr("10.0.0.1"), Dst: addr("198.51.100.9"), Proto: hunt.ICMP},
	}, got)
	require.Empty(t, reading.Gaps)
}

// TestIoT23 has the data set's habit of separating the last columns by spaces, in header and lines or in either.
func TestIoT23(t *testing.T) {
	tabs := strings.Replace(tsvHeader, "tunnel_parents", "tunnel_parents\tlabel\tdetailed-label", 1)
	spaces := strings.Replace(tsvHeader, "tunnel_parents", "tunnel_parents   label   detailed-label", 1)
	line := strings.TrimSuffix(row(0), "\n")
	for name, log := range map[string]string{
		"both":   spaces + line + "   Malicious   C&C\n",
		"lines":  tabs + line + "   Malicious   C&C\n",
		"header": spaces + line + "\tMalicious\tC&C\n",
		"none":   tabs + line + "\tMalicious\tC&C\n",
	} {
		t.Run(name, func(t *testing.T) {
			got, reading := collect(t, outbound(), folder(t, map[string]string{"conn.log.labeled": log}))
			equal(t, wantRows(0, 1), got)
			require.Empty(t, reading.Gaps)
		})
	}
}

// TestAnyName reads a file that the user names, whatever its name.
func TestAnyName(t *testing.T) {
	dir := folder(t, map[string]string{"monday.txt": tsvHeader + rows(0, 3), "dns.log": strings.Replace(tsvHeader, "#path\tconn", "#path\tdns", 1) + row(1)})
	got, _ := collect(t, outbound(), filepath.Join(dir, "monday.txt"), filepath.Join(dir, "dns.log"))
	equal(t, wantRows(0, 3), got)
	got, reading := collect(t, outbound(), filepath.Join(dir, "dns.log"))
	require.Empty(t, got)
	require.Contains(t, said(reading.Notes), "there is no conn log, so no beacon")
}

// TestLinks follows links once, also in a circle, and tells of one that leads nowhere.
func TestLinks(t *testing.T) {
	dir := folder(t, map[string]string{"logs/2024-06-01/conn.log": tsvHeader + rows(0, 5)})
	require.NoError(t, os.Symlink(filepath.Join(dir, "logs"), filepath.Join(dir, "logs", "2024-06-01", "up")))
	require.NoError(t, os.Symlink(filepath.Join(dir, "gone.log"), filepath.Join(dir, "logs", "conn.log")))
	require.NoError(t, os.Symlink(filepath.Join(dir, "gone.log"), filepath.Join(dir, "logs", "dns.log")))
	got, reading := collect(t, outbound(), dir)
	equal(t, wantRows(0, 5), got)
	require.Len(t, reading.Gaps, 2)
	require.Contains(t, said(reading.Gaps), "logs/conn.log: this log could not be opened")
}

func TestOpenConnections(t *testing.T) {
	open := strings.Replace(tsvHeader, "#path\tconn", "#path\topen_conn", 1)
	longer := strings.Replace(row(20), "1.500000", "7200.250000", 1)
	dir := folder(t, map[string]string{
		"conn.log":                             tsvHeader + rows(0, 10),
		"open_conn.00:00:00-01:00:00.log.gz":   gz(t, open+row(5)+row(20)),
		"open_conn.01:00:00-02:00:00.log.gz":   gz(t, open+longer+row(21)),
		"open_conn.02:00:00-03:00:00.log":      tsvHeader + row(20), // Calls itself conn, as some do.
		"conn_long.00:00:00-01:00:00.log":      strings.Replace(open, "open_conn", "conn_long", 1) + row(7),
		"conn-summary.00:00:00-01:00:00.log":   "text",
		"known_conns.00:00:00-01:00:00.log.gz": "text",
	})
	want := wantRows(20, 22)
	want[0].Duration = 7200250
	want[0].State, want[1].State = hunt.StateOpen, hunt.StateOpen
	got, reading := collect(t, outbound(), dir)
	equal(t, append(wantRows(0, 10), want...), got)
	require.Empty(t, reading.Gaps)
	require.Contains(t, said(reading.Notes), "connections still open when last logged: 2;")
	require.Equal(t, int64(12), reading.Connections)
	require.Len(t, reading.Slices, 5)

	req := outbound()
	req.From, req.To = at0().Add(30*time.Minute), at0().Add(40*time.Minute)
	got, reading = collect(t, req, dir)
	equal(t, want[:1], got) // it began before the window, and reaches into it
}

// TestStops ends when emit refuses or the context is done, with that error.
func TestStops(t *testing.T) {
	dir := folder(t, map[string]string{"conn.log": tsvHeader + rows(0, 20000)})
	refused := errors.New("disk full")
	_, err := New(Options{Paths: []string{dir}}).Read(context.Background(), outbound(), func([]hunt.Connection) error { return refused })
	require.ErrorIs(t, err, refused)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = New(Options{Paths: []string{dir}}).Read(ctx, outbound(), func([]hunt.Connection) error { return nil })
	require.ErrorIs(t, err, context.Canceled)
}

func TestProgress(t *testing.T) {
	dir := folder(t, map[string]string{"conn.log": tsvHeader + rows(0, 20000)})
	info, err := os.Stat(filepath.Join(dir, "conn.log"))
	require.NoError(t, err)
	req := outbound()
	req.Since = time.Hour
	var last hunt.Progress
	req.Progress = func(p hunt.Progress) { last = p }
	collect(t, req, dir)
	require.Equal(t, hunt.Progress{Done: 2 * info.Size(), Total: 2 * info.Size(), Unit: "bytes", Connections: last.Connections}, last)
}

// TestMonths has 30 days of logs: a hunt over the last day reads those that may concern it, and finds what it finds
// when it reads everything.
func TestMonths(t *testing.T) {
	const perDay = 1440
	files := map[string]string{}
	for d := range 30 {
		date := time.Unix(epoch, 0).UTC().AddDate(0, 0, d).Format("2006-01-02")
		files[date+"/conn.00:00:00-00:00:00.log"] = tsvHeader + rows(d*perDay, (d+1)*perDay)
	}
	// A directory whose date is wrong is not believed: it holds the newest connection of all.
	files["2024-06-02/conn.01:00:00-02:00:00.log"] = tsvHeader + row(30*perDay)
	dir := folder(t, files)
	for d := range 30 { // as Zeek and rsync -a leave them
		day := time.Unix(epoch, 0).UTC().AddDate(0, 0, d)
		path := filepath.Join(dir, day.Format("2006-01-02"), "conn.00:00:00-00:00:00.log")
		require.NoError(t, os.Chtimes(path, day.AddDate(0, 0, 1), day.AddDate(0, 0, 1)))
	}
	at := func(minute int) time.Time { return time.Unix(epoch+60*int64(minute), 0).UTC() }
	for name, req := range map[string]hunt.Request{
		"since":        {Since: 12 * time.Hour},
		"from and to":  {From: at(30*perDay - 719), To: at(30*perDay + 1)},
		"from":         {From: at(30*perDay - 719)},
		"since and to": {Since: 12 * time.Hour, To: at(30*perDay + 1)},
	} {
		t.Run(name, func(t *testing.T) {
			req.Scope = hunt.NewScope(nil, hunt.Outbound)
			var last hunt.Progress
			req.Progress = func(p hunt.Progress) { last = p }
			got, reading := collect(t, req, dir)
			got = slices.DeleteFunc(got, func(c hunt.Connection) bool { return c.Start == wantRow(30*perDay-720).Start }) // it reaches in
			equal(t, wantRows(30*perDay-719, 30*perDay+1), got)
			require.Empty(t, reading.Gaps)
			require.Less(t, reading.Records, int64(8*perDay))
			require.Contains(t, said(reading.Notes), "logs that were last written well before the window, not read: ")
			require.Equal(t, last.Total, last.Done)
		})
	}
	// The last days hold nothing in scope: the search goes back as far as it has to.
	for d := 1; d < 30; d++ {
		date := time.Unix(epoch, 0).UTC().AddDate(0, 0, d).Format("2006-01-02")
		files[date+"/conn.00:00:00-00:00:00.log"] = strings.ReplaceAll(files[date+"/conn.00:00:00-00:00:00.log"], "203.0.113.7", "10.9.9.9")
	}
	delete(files, "2024-06-02/conn.01:00:00-02:00:00.log")
	req := outbound()
	req.Since = time.Hour
	got, _ := collect(t, req, folder(t, files))
	equal(t, wantRows(perDay-61, perDay), got)
}

// A record of the future is no end of the window.
func TestFutureEndsNoWindow(t *testing.T) {
	future := strings.Replace(row(5), "1717200300.", "4099680000.", 1)
	require.NotEqual(t, row(5), future)
	path := filepath.Join(t.TempDir(), "conn.log")
	require.NoError(t, os.WriteFile(path, []byte(tsvHeader+rows(0, 10)+future), 0o600))
	r, err := New(Options{Paths: []string{path}}).Read(t.Context(), outbound(), func([]hunt.Connection) error { return nil })
	require.NoError(t, err)
	require.EqualValues(t, 10, r.Connections)
	require.Equal(t, int64(epoch+9*60)*1000+1501, r.Window.End.UnixMilli())
	require.Contains(t, fmt.Sprint(r.Gaps), "records of the future, up to 2099-11-30")
	require.NoError(t, os.WriteFile(path, []byte(tsvHeader+future), 0o600))
	r, err = New(Options{Paths: []string{path}}).Read(t.Context(), outbound(), func([]hunt.Connection) error { return nil })
	require.NoError(t, err)
	require.Contains(t, fmt.Sprint(r.Gaps), "records of the future, up to 2099-11-30")
	require.NotContains(t, fmt.Sprint(r.Notes), "in scope", "the clock is the reason, not the networks")
}

// TestOtherLogsOfWrongTimes: a record of another log with an impossible time makes no window of years, and is reported.
func TestOtherLogsOfWrongTimes(t *testing.T) {
	query := func(ts int) string {
		return fmt.Sprintf(`{"_path":"dns","ts":%d,"uid":"D%d","id.orig_h":"10.0.0.1","id.orig_p":5353,"id.resp_h":"10.0.0.53","id.resp_p":53,"query":"a.example"}`+"\n", ts, ts)
	}
	var queries strings.Builder
	for i := range 200 {
		queries.WriteString(query(epoch - 3600 + 60*i))
	}
	start := int64(epoch-3600) * 1000
	for name, c := range map[string]struct{ dns, mixed, gap string }{
		"1970, first":         {query(12) + queries.String(), "", "records of a time far from all others in this log, left out of the window: 1"},
		"1999, last":          {queries.String() + query(915_148_800), "", ""},
		"1999, first":         {query(915_148_800) + queries.String(), "", "records of a time far from all others in this log, left out of the window: 1"},
		"2099, first":         {query(4_099_680_000) + queries.String(), "", "records of the future, up to 2099-11-30T00:00:00Z, left out: 1"},
		"2099, last":          {queries.String() + query(4_099_680_000), "", "records of the future, up to 2099-11-30T00:00:00Z, left out: 1"},
		"1999, in one stream": {queries.String(), query(915_148_800), "a time far from its connections"},
		"none":                {queries.String(), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := folder(t, map[string]string{"conn.log": tsvHeader + rows(0, 10) + c.mixed, "dns.log": c.dns})
			r, err := New(Options{Paths: []string{dir}}).Read(t.Context(), outbound(), func([]hunt.Connection) error { return nil })
			require.NoError(t, err)
			require.Equal(t, start, r.Window.Start.UnixMilli())
			require.Equal(t, int64(epoch-3600+60*199)*1000, r.Window.End.UnixMilli()-1)
			require.Equal(t, c.gap == "", len(r.Gaps) == 0, "%v", r.Gaps)
			require.Contains(t, fmt.Sprint(r.Gaps), c.gap)
		})
	}
}

// TestDestinationCalledLocal reports connections to destinations outside the internal networks that a sensor calls
// local: they are not hunted.
func TestDestinationCalledLocal(t *testing.T) {
	row := func(i int, dst string) string {
		return fmt.Sprintf(`{"ts":%d,"uid":"C%d","id.orig_h":"10.0.0.1","id.orig_p":1,"id.resp_h":"%s","id.resp_p":443,"proto":"tcp","conn_state":"SF","local_resp":true}`+"\n", epoch+i, i, dst)
	}
	dir := folder(t, map[string]string{"conn.log": row(0, "192.0.2.7") + row(60, "192.0.2.8") + row(120, "198.51.100.9") + row(180, "10.0.0.5")})
	got, reading := collect(t, outbound(), dir)
	require.Empty(t, got)
	require.Contains(t, said(reading.Notes), "out of scope, since sensors call both sides local: 3 connections, most to 192.0.2.0/24 (2), 198.51.100.0/24 (1)")
	req := outbound()
	req.Scope = hunt.NewScope([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, hunt.Outbound)
	got, reading = collect(t, req, dir)
	require.Len(t, got, 3)
	require.NotContains(t, said(reading.Notes), "both sides local")
}
