package history_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/history"
	"dwell/internal/hunt"
	"dwell/query/zeek"
	"dwell/query/zeek/log"
)

// connLog is so many lines of a day's conn.log, one connection a minute, of which every skip-th is left out.
func connLog(day, lines, skip int) string {
	var b strings.Builder
	b.WriteString("#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n" +
		"#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tservice\tduration\torig_bytes\tresp_bytes\tconn_state\torig_ip_bytes\n" +
		"#types\ttime\tstring\taddr\tport\taddr\tport\tenum\tstring\tinterval\tcount\tcount\tstring\tcount\n")
	begins := time.Date(2026, 3, day, 0, 0, 0, 0, time.UTC).Unix()
	for i := range lines {
		if skip > 0 && i%skip == 0 {
			continue
		}
		fmt.Fprintf(&b, "%d.000000\tC%d%d\t10.0.0.%d\t%d\t198.51.100.%d\t443\ttcp\tssl\t1.5\t100\t%d\tSF\t300\n", begins+int64(i)*60, day, i, 1+i%7, 20000+i, 1+i%50, 1000+i)
	}
	return b.String()
}

func gzipped(t *testing.T, text string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

// TestArchiveSaysWhatTheLogsSay changes an archive in the ways that people do between hunts. Each time what comes out of
// history is what comes out of the logs.
func TestArchiveSaysWhatTheLogsSay(t *testing.T) {
	dir, state := t.TempDir(), t.TempDir()
	put := func(name string, content []byte) {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, content, 0o600))
		changed := time.Now().Add(time.Duration(len(content)) * time.Second) // a clock too coarse for a test would hide a change
		require.NoError(t, os.Chtimes(path, changed, changed))
	}
	records := func(source hunt.Source) (out []string, gaps int) {
		in := source.Open()
		var mu sync.Mutex
		reading, err := in.Connections(t.Context(), hunt.Request{Scope: hunt.NewScope(nil, hunt.Outbound)}, func(batch []hunt.Connection) error {
			mu.Lock()
			defer mu.Unlock()
			for _, c := range batch {
				out = append(out, fmt.Sprint(c.Src, c.SrcPort, c.Dst, c.Start, c.Duration, c.RespBytes, c.Count))
			}
			return nil
		})
		require.NoError(t, err)
		slices.Sort(out)
		return out, len(reading.Gaps)
	}
	paths := []string{dir}
	hunted := func(files int, anew bool) {
		t.Helper()
		store, err := history.Open(state, "one", history.Options{EndOfData: true})
		require.NoError(t, err)
		a := &history.Archive{Store: store, All: zeek.New(zeek.Options{Paths: paths}), List: func() ([]string, error) { return log.List(paths) },
			Only: func(only map[string]bool) hunt.Source { return zeek.New(zeek.Options{Paths: paths, Only: only}) }}
		read, why, err := a.Update(context.Background(), hunt.NewScope(nil, hunt.Outbound), nil)
		require.NoError(t, err)
		require.Equal(t, files, read)
		require.Equal(t, anew, why != "", why)
		warm, warmGaps := records(a)
		cold, coldGaps := records(a.All)
		require.Equal(t, cold, warm)
		require.Equal(t, coldGaps, warmGaps)
	}
	put("2026-03-03/conn.log", []byte(connLog(3, 1000, 0)))
	hunted(1, false)
	put("2026-03-01/conn.log", []byte(connLog(1, 1000, 0))) // days out of order
	hunted(1, false)
	put("again/conn.log", []byte(connLog(1, 1000, 0))) // a day twice
	hunted(1, false)
	hunted(0, false)
	put("2026-03-03/conn.log", []byte(connLog(3, 1200, 0))) // it has grown
	hunted(1, false)
	put("2026-03-03/conn.log", []byte(connLog(3, 1200, 5))) // records turned out to be wrong
	hunted(3, true)
	require.NoError(t, os.Chtimes(filepath.Join(dir, "2026-03-01/conn.log"), time.Now(), time.Now())) // touched, not changed
	hunted(0, false)
	cut := connLog(2, 1000, 0)
	put("2026-03-02/conn.log", []byte(cut[:len(cut)-200])) // copied in the middle of a line
	hunted(1, false)
	put("2026-03-02/conn.log", []byte(cut))
	hunted(4, true)
	damaged := gzipped(t, connLog(4, 1000, 0))
	put("2026-03-04/conn.log.gz", damaged[:len(damaged)/2])
	hunted(1, false)
	put("2026-03-04/conn.log.gz", damaged)
	hunted(5, true)
}

// tlsLog is an ssl.log beside connLog: a record for each of its connections.
func tlsLog(day, lines int) string {
	var b strings.Builder
	b.WriteString("#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tssl\n" +
		"#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tserver_name\n#types\ttime\tstring\taddr\tport\taddr\tport\tstring\n")
	begins := time.Date(2026, 3, day, 0, 0, 0, 0, time.UTC).Unix()
	for i := range lines {
		fmt.Fprintf(&b, "%d.100000\tC%d%d\t10.0.0.%d\t%d\t198.51.100.%d\t443\twww.example.com\n", begins+int64(i)*60, day, i, 1+i%7, 20000+i, 1+i%50)
	}
	return b.String()
}

// TestAHoleInAnArchive: a day without its conn.log is a gap until that comes. New days are read alone all the same.
func TestAHoleInAnArchive(t *testing.T) {
	dir, state := t.TempDir(), t.TempDir()
	paths := []string{dir}
	put := func(day int, name, text string) {
		path := filepath.Join(dir, fmt.Sprintf("2026-03-%02d", day), name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	update := func(files, gaps int, anew bool) {
		t.Helper()
		store, err := history.Open(state, "one", history.Options{EndOfData: true})
		require.NoError(t, err)
		a := &history.Archive{Store: store, All: zeek.New(zeek.Options{Paths: paths}), List: func() ([]string, error) { return log.List(paths) },
			Only: func(only map[string]bool) hunt.Source { return zeek.New(zeek.Options{Paths: paths, Only: only}) }}
		read, why, err := a.Update(t.Context(), hunt.NewScope(nil, hunt.Outbound), nil)
		require.NoError(t, err)
		require.Equal(t, files, read)
		require.Equal(t, anew, why != "", why)
		var n [2]int64
		for i, source := range []hunt.Source{a, a.All} {
			reading, err := source.Open().Connections(t.Context(), hunt.Request{Scope: hunt.NewScope(nil, hunt.Outbound)}, func([]hunt.Connection) error { return nil })
			require.NoError(t, err)
			require.Len(t, reading.Gaps, gaps)
			n[i] = reading.Connections
		}
		require.Equal(t, n[1], n[0])
	}
	put(1, "conn.log", connLog(1, 1440, 0))
	put(1, "ssl.log", tlsLog(1, 1440))
	put(2, "ssl.log", tlsLog(2, 1440))
	update(3, 1, false)
	for day := 3; day <= 4; day++ {
		put(day, "conn.log", connLog(day, 1440, 0))
		put(day, "ssl.log", tlsLog(day, 1440))
		update(2, 1, false)
	}
	update(0, 1, false)
	put(2, "conn.log", connLog(2, 1440, 0))
	update(8, 0, true)
	update(0, 0, false)
}

// TestLiveLogsKeepWhatWasRotated: what Zeek writes now is moved elsewhere each hour, and what was read of it stays.
func TestLiveLogsKeepWhatWasRotated(t *testing.T) {
	dir, state := t.TempDir(), t.TempDir()
	paths := []string{dir}
	path := filepath.Join(dir, "current", "conn.log")
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	kept := func() (n int64) {
		store, err := history.Open(state, "one", history.Options{EndOfData: true})
		require.NoError(t, err)
		a := &history.Archive{Store: store, All: zeek.New(zeek.Options{Paths: paths}), List: func() ([]string, error) { return log.List(paths) },
			Only: func(only map[string]bool) hunt.Source { return zeek.New(zeek.Options{Paths: paths, Only: only}) }}
		_, why, err := a.Update(t.Context(), hunt.NewScope(nil, hunt.Outbound), nil)
		require.NoError(t, err)
		require.Empty(t, why)
		reading, err := a.Open().Connections(t.Context(), hunt.Request{Scope: hunt.NewScope(nil, hunt.Outbound)}, func([]hunt.Connection) error { return nil })
		require.NoError(t, err)
		return reading.Connections
	}
	require.NoError(t, os.WriteFile(path, []byte(connLog(1, 100, 0)), 0o600))
	require.EqualValues(t, 100, kept())
	require.NoError(t, os.WriteFile(path, []byte(connLog(2, 50, 0)), 0o600))
	require.EqualValues(t, 150, kept())
}

// TestLocalAddressesAreRemembered: hosts with public addresses that Zeek calls local are internal to a hunt that reads no
// log any more.
func TestLocalAddressesAreRemembered(t *testing.T) {
	dir, state := t.TempDir(), t.TempDir()
	paths := []string{dir}
	text := strings.ReplaceAll(connLog(1, 100, 0), "\t10.0.0.", "\t130.20.0.")
	text = strings.ReplaceAll(strings.ReplaceAll(text, "orig_ip_bytes", "orig_ip_bytes\tlocal_orig"), "\t300\n", "\t300\tT\n")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "conn.log"), []byte(text), 0o600))
	for _, files := range []int{1, 0} {
		store, err := history.Open(state, "one", history.Options{EndOfData: true})
		require.NoError(t, err)
		a := &history.Archive{Store: store, All: zeek.New(zeek.Options{Paths: paths}), List: func() ([]string, error) { return log.List(paths) },
			Only: func(only map[string]bool) hunt.Source { return zeek.New(zeek.Options{Paths: paths, Only: only}) }}
		scope := hunt.NewScope(nil, hunt.Outbound)
		read, _, err := a.Update(t.Context(), scope, nil)
		require.NoError(t, err)
		require.Equal(t, files, read)
		reading, err := a.Open().Connections(t.Context(), hunt.Request{Scope: scope}, func([]hunt.Connection) error { return nil })
		require.NoError(t, err)
		require.EqualValues(t, 100, reading.Connections)
		require.Len(t, scope.Local(), 7)
	}
}

// TestLogsThatComeLater: a log that one day lacked and the next has is no longer missing, and the hours that it has are
// told as of logs that are read.
func TestLogsThatComeLater(t *testing.T) {
	dir, state := t.TempDir(), t.TempDir()
	paths := []string{dir}
	update := func() *history.Archive {
		store, err := history.Open(state, "one", history.Options{EndOfData: true})
		require.NoError(t, err)
		a := &history.Archive{Store: store, All: zeek.New(zeek.Options{Paths: paths}), List: func() ([]string, error) { return log.List(paths) },
			Only: func(only map[string]bool) hunt.Source { return zeek.New(zeek.Options{Paths: paths, Only: only}) }}
		_, _, err = a.Update(t.Context(), hunt.NewScope(nil, hunt.Outbound), nil)
		require.NoError(t, err)
		return a
	}
	read := func(source hunt.Source) (missing []string, logs []hunt.LogHours) {
		in := source.Open()
		req := hunt.Request{Scope: hunt.NewScope(nil, hunt.Outbound)}
		reading, err := in.Connections(t.Context(), req, func([]hunt.Connection) error { return nil })
		require.NoError(t, err)
		if in.DNS != nil {
			req.From, req.To = reading.Window.Start, reading.Window.End
			more, err := in.DNS(t.Context(), req, func([]hunt.DNSRecord) error { return nil })
			require.NoError(t, err)
			reading.Notes, logs = append(reading.Notes, more.Notes...), more.Logs
		}
		for _, n := range reading.Notes {
			missing = append(missing, n.Logs...)
		}
		slices.Sort(missing)
		return slices.Compact(missing), logs
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "conn.log"), []byte(connLog(1, 1000, 0)), 0o600))
	missing, _ := read(update())
	require.Contains(t, missing, "dns")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "dns.log"), []byte("#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tdns\n"+
		"#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tquery\tqtype_name\n#types\ttime\tstring\taddr\tport\taddr\tport\tenum\tstring\tstring\n"+
		fmt.Sprintf("%d.5\tCq\t10.0.0.1\t50000\t10.0.0.53\t53\tudp\twww.example.com\tA\n", time.Date(2026, 3, 1, 4, 0, 0, 0, time.UTC).Unix())), 0o600))
	update() // what the hunt before it read does not matter to the next one
	warm := update()
	missing, logs := read(warm)
	_, coldLogs := read(warm.All)
	require.NotContains(t, missing, "dns")
	require.Equal(t, coldLogs, logs)
}

// TestUIDsOfFindings: history keeps no uids, so those of findings come from the logs of their last connections, of the
// strongest first. What is too large to be read again is said.
func TestUIDsOfFindings(t *testing.T) {
	dir, state := t.TempDir(), t.TempDir()
	for day := 3; day < 6; day++ {
		require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("conn.2026-03-0%d.log", day)), []byte(connLog(day, 1000, 0)), 0o600))
	}
	store, err := history.Open(state, "one", history.Options{EndOfData: true})
	require.NoError(t, err)
	paths := []string{dir}
	a := &history.Archive{Store: store, All: zeek.New(zeek.Options{Paths: paths}), List: func() ([]string, error) { return log.List(paths) },
		Only: func(only map[string]bool) hunt.Source { return zeek.New(zeek.Options{Paths: paths, Only: only}) }}
	scope := hunt.NewScope(nil, hunt.Outbound)
	_, _, err = a.Update(t.Context(), scope, nil)
	require.NoError(t, err)
	findings := func() []hunt.Finding { // the 500th connection of days 5 and 3, and a DNS finding
		out := make([]hunt.Finding, 3)
		for i, day := range []int{5, 3} {
			out[i].Timestamp.Time = time.Date(2026, 3, day, 0, 500, 0, 0, time.UTC)
			out[i].Source = hunt.Originator{IP: netip.AddrFrom4([4]byte{10, 0, 0, 1 + 500%7}), Port: 20500}
		}
		out[2].Source.IP = out[0].Source.IP
		return out
	}
	sampled := func() (uids []string, notes []hunt.Note) {
		in, found := a.Open(), findings()
		_, err := in.Connections(t.Context(), hunt.Request{Scope: scope}, func([]hunt.Connection) error { return nil })
		require.NoError(t, err)
		said, err := in.Samples(t.Context(), found)
		require.NoError(t, err)
		require.Empty(t, said.Gaps, "a uid changes no score")
		for _, f := range found {
			if f.Log != nil {
				uids = append(uids, f.Log.ID.UID)
			}
		}
		return uids, said.Notes
	}
	uids, notes := sampled()
	require.Equal(t, []string{"C5500", "C3500"}, uids)
	require.Empty(t, notes)
	a.ReadAgain = 100_000 // a day's log has 90,000 bytes
	uids, notes = sampled()
	require.Equal(t, []string{"C5500"}, uids)
	require.Len(t, notes, 1)
	require.Contains(t, notes[0].What, "1 finding without log.id.uid")
	a.ReadAgain = 0
	require.NoError(t, os.Remove(filepath.Join(dir, "conn.2026-03-05.log")))
	uids, notes = sampled()
	require.Equal(t, []string{"C3500"}, uids, "a log that is gone costs its own findings' uids")
	require.Empty(t, notes, "that it is gone is said when it is hunted")
	require.NoError(t, os.RemoveAll(dir))
	uids, notes = sampled()
	require.Empty(t, uids)
	require.Empty(t, notes)
}
