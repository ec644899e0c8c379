package history_test

import (
	"fmt"
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

// shelf is an archive of logs in a folder, with a history of its own.
type shelf struct {
	t          *testing.T
	dir, state string
	keep       time.Duration
}

func newShelf(t *testing.T, keep time.Duration) *shelf {
	return &shelf{t, t.TempDir(), t.TempDir(), keep}
}

func (s *shelf) put(name, text string) {
	path := filepath.Join(s.dir, name)
	require.NoError(s.t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(s.t, os.WriteFile(path, []byte(text), 0o600))
}

// update reads what is new, and returns the archive with the number of files that were read and why all were.
func (s *shelf) update() (a *history.Archive, files int, why string) {
	paths := []string{s.dir}
	store, err := history.Open(s.state, "one", history.Options{EndOfData: true, Keep: s.keep})
	require.NoError(s.t, err)
	a = &history.Archive{Store: store, All: zeek.New(zeek.Options{Paths: paths}), List: func() ([]string, error) { return log.List(paths) },
		Only: func(only map[string]bool) hunt.Source { return zeek.New(zeek.Options{Paths: paths, Only: only}) }}
	files, why, err = a.Update(s.t.Context(), hunt.NewScope(nil, hunt.Outbound), nil)
	require.NoError(s.t, err)
	return a, files, why
}

// counted is what a reading of a window says: its connections, and how many gaps.
func (s *shelf) counted(of hunt.Source, req hunt.Request) (connections int64, gaps []hunt.Note) {
	req.Scope = hunt.NewScope(nil, hunt.Outbound)
	reading, err := of.Open().Connections(s.t.Context(), req, func([]hunt.Connection) error { return nil })
	require.NoError(s.t, err)
	return reading.Connections, reading.Gaps
}

// TestAnArchiveOfExactlyTheKeptDays: the first log of a day has what began before midnight, minutes or days before. All
// of it is kept, with as many days of logs as history.keep says; one day more is less than the archive has, and said.
func TestAnArchiveOfExactlyTheKeptDays(t *testing.T) {
	s := newShelf(t, 4*24*time.Hour)
	for day := 3; day <= 6; day++ {
		text := connLog(day, 1440, 0)
		if day == 3 {
			midnight := time.Date(2026, 3, 3, 0, 0, 0, 0, time.UTC).Unix()
			for _, before := range []int64{60, 50 * 3600} {
				text += fmt.Sprintf("%d.000000\tCb%d\t10.0.0.9\t%d\t198.51.100.77\t443\ttcp\tssl\t%d\t100\t900\tSF\t300\n", midnight-before, before, 1000+before%1000, before+600)
			}
		}
		s.put(fmt.Sprintf("2026-03-%02d/conn.log", day), text)
	}
	a, _, _ := s.update()
	warm, gaps := s.counted(a, hunt.Request{})
	require.Empty(t, gaps)
	cold, _ := s.counted(a.All, hunt.Request{})
	require.EqualValues(t, 4*1440+2, cold)
	require.Equal(t, cold, warm)
	for day := 7; day <= 8; day++ { // a day more is kept than asked for, and then no more
		s.put(fmt.Sprintf("2026-03-%02d/conn.log", day), connLog(day, 1440, 0))
	}
	a, _, why := s.update()
	require.Empty(t, why)
	_, gaps = s.counted(a, hunt.Request{})
	require.Len(t, gaps, 1)
	require.Contains(t, gaps[0].What, "history begins at 2026-03-04T00:00:00Z")
	_, gaps = s.counted(a, hunt.Request{Since: 4 * 24 * time.Hour})
	require.Empty(t, gaps)
}

// TestOnlyWindowsWithTheHole: a gap of an archive is one of the windows that have its time, and of no other.
func TestOnlyWindowsWithTheHole(t *testing.T) {
	at := func(day, hour int) time.Time { return time.Date(2026, 3, day, hour, 0, 0, 0, time.UTC) }
	for name, of := range map[string]func(*shelf){
		"no conn log": func(s *shelf) { s.put("2026-03-04/ssl.log", tlsLog(4, 1440)) },
		"a bad line": func(s *shelf) {
			text := connLog(4, 1440, 0)
			s.put("2026-03-04/conn.log", strings.Replace(text, "\t198.51.100.1\t", "\tnowhere\t", 1))
			s.put("2026-03-04/ssl.log", tlsLog(4, 1440))
		},
		"a log that ends early": func(s *shelf) {
			packed := gzipped(s.t, connLog(4, 1440, 0))
			s.put("2026-03-04/conn.log.gz", string(packed[:len(packed)*9/10]))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShelf(t, 0)
			for day := 2; day <= 7; day++ {
				if day == 4 {
					of(s)
					continue
				}
				s.put(fmt.Sprintf("2026-03-%02d/conn.log", day), connLog(day, 1440, 0))
				s.put(fmt.Sprintf("2026-03-%02d/ssl.log", day), tlsLog(day, 1440))
			}
			a, _, _ := s.update()
			for _, w := range []struct {
				from, to time.Time
				gap      bool
			}{{at(2, 0), at(8, 0), true}, {at(3, 12), at(4, 12), true}, {at(2, 0), at(3, 12), false}, {at(6, 6), at(8, 0), false}} {
				warm, gaps := s.counted(a, hunt.Request{From: w.from, To: w.to})
				require.Equal(t, w.gap, len(gaps) > 0, "%s to %s: %v", w.from, w.to, gaps)
				cold, _ := s.counted(zeek.New(zeek.Options{Paths: []string{s.dir}}), hunt.Request{From: w.from, To: w.to})
				require.Equal(t, cold, warm)
			}
			_, gaps := s.counted(a, hunt.Request{Since: 36 * time.Hour})
			require.Empty(t, gaps)
		})
	}
}

// TestLogsThatAreGone: what is not kept of logs that were deleted is missing, and said in windows of their time; logs that
// were moved or compressed are still there.
func TestLogsThatAreGone(t *testing.T) {
	s := newShelf(t, 0)
	for day := 2; day <= 6; day++ {
		s.put(fmt.Sprintf("2026-03-%02d/conn.log", day), connLog(day, 1440, 0))
	}
	notes := func(req hunt.Request) string {
		a, _, _ := s.update()
		req.Scope = hunt.NewScope(nil, hunt.Outbound)
		reading, err := a.Open().Connections(t.Context(), req, func([]hunt.Connection) error { return nil })
		require.NoError(t, err)
		require.Empty(t, reading.Gaps)
		return fmt.Sprint(reading.Notes)
	}
	require.NotContains(t, notes(hunt.Request{}), "gone")
	path := func(name string) string { return filepath.Join(s.dir, name) }
	require.NoError(t, os.Rename(path("2026-03-03"), path("moved")))
	s.put("2026-03-04/conn.log.gz", string(gzipped(t, connLog(4, 1440, 0))))
	require.NoError(t, os.Remove(path("2026-03-04/conn.log")))
	require.NotContains(t, notes(hunt.Request{}), "gone")
	require.NoError(t, os.RemoveAll(path("2026-03-05")))
	for range 2 { // not only by the hunt that finds out
		require.Contains(t, notes(hunt.Request{}), "1 conn log of this window are gone since history read them")
		require.NotContains(t, notes(hunt.Request{Since: 24 * time.Hour}), "gone")
	}
}

// TestHoursOfEachLog: names of QUIC and SOCKS, and messages of other logs, are no hours of ssl or http.
func TestHoursOfEachLog(t *testing.T) {
	s := newShelf(t, 0)
	s.put("conn.log", connLog(2, 1440, 0))
	s.put("ssl.log", tlsLog(2, 300))
	at := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC).Unix()
	var quic, socks, mqtt strings.Builder
	for i := range 1440 {
		id := fmt.Sprintf(`{"ts":%d,"uid":"C2%d","id.orig_h":"10.0.0.%d","id.orig_p":%d,"id.resp_h":"198.51.100.%d","id.resp_p":443`, at+int64(i)*60, i, 1+i%7, 20000+i, 1+i%50)
		fmt.Fprintln(&quic, id+`,"version":"1","server_name":"www.example.org"}`)
		fmt.Fprintln(&socks, id+`,"version":5,"request.name":"www.example.net","request_p":443}`)
		fmt.Fprintln(&mqtt, id+`,"topic":"a","status":"ok"}`)
	}
	s.put("quic.log", quic.String())
	s.put("socks.log", socks.String())
	s.put("mqtt_publish.log", mqtt.String())
	hours := func(of hunt.Source) []hunt.LogHours {
		in, req := of.Open(), hunt.Request{Scope: hunt.NewScope(nil, hunt.Outbound)}
		reading, err := in.Connections(t.Context(), req, func([]hunt.Connection) error { return nil })
		require.NoError(t, err)
		req.From, req.To = reading.Window.Start, reading.Window.End
		names, err := in.Names(t.Context(), req, func([]hunt.NameRecord) error { return nil })
		require.NoError(t, err)
		return slices.DeleteFunc(names.Logs, func(h hunt.LogHours) bool { return h.Log != "ssl" && h.Log != "http" })
	}
	a, _, _ := s.update()
	require.EqualValues(t, 5, hours(a)[0].Hours)
	require.Equal(t, hours(a.All), hours(a))
}

// TestConnectionsThatStayOpen: a connection that a log says has begun counts up to the end of all logs, however many are
// read at a time, until its record comes. One that was too young to be taken for open is not forgotten.
func TestConnectionsThatStayOpen(t *testing.T) {
	s := newShelf(t, 0)
	midnight := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC).Unix()
	line := func(uid string, at int64, port int) string {
		return fmt.Sprintf("%d.500000\t%s\t10.0.0.3\t%d\t203.0.113.9\t443\twww.example.org\n", at, uid, port)
	}
	ended := fmt.Sprintf("%d.100000\tCe\t10.0.0.3\t41001\t203.0.113.9\t443\ttcp\tssl\t%d\t100\t900\tSF\t300\n", midnight+3600, 30*3600)
	for day := 2; day <= 4; day++ {
		conn, tls := connLog(day, 1440, 0), tlsLog(day, 1440)
		switch day {
		case 2:
			tls += line("Ce", midnight+3600, 41001) + line("Cs", midnight+7200, 41002) + line("Cy", midnight+86400-600, 41003)
		case 3:
			conn += ended
		}
		s.put(fmt.Sprintf("2026-03-%02d/conn.log", day), conn)
		s.put(fmt.Sprintf("2026-03-%02d/ssl.log", day), tls)
		a, _, why := s.update()
		require.Empty(t, why)
		long := func(of hunt.Source) (out []string, notes []hunt.Note) {
			var mu sync.Mutex
			reading, err := of.Open().Connections(t.Context(), hunt.Request{Scope: hunt.NewScope(nil, hunt.Outbound)}, func(batch []hunt.Connection) error {
				mu.Lock()
				defer mu.Unlock()
				for _, c := range batch {
					if c.Src.String() == "10.0.0.3" && c.Dst.String() == "203.0.113.9" {
						out = append(out, fmt.Sprint(c.SrcPort, c.Start, c.Duration, c.State))
					}
				}
				return nil
			})
			require.NoError(t, err)
			require.Empty(t, reading.Gaps)
			slices.Sort(out)
			return out, slices.DeleteFunc(reading.Notes, func(n hunt.Note) bool { return len(n.Logs) > 0 })
		}
		cold, coldNotes := long(zeek.New(zeek.Options{Paths: []string{s.dir}}))
		warm, warmNotes := long(a)
		require.Len(t, cold, map[int]int{2: 2, 3: 3, 4: 3}[day])
		require.Equal(t, cold, warm)
		require.Equal(t, coldNotes, warmNotes)
	}
}

// TestAWindowWithoutLogs: a window in which an archive has nothing is a gap, as it is without history.
func TestAWindowWithoutLogs(t *testing.T) {
	s := newShelf(t, 0)
	s.put("2026-03-02/conn.log", connLog(2, 1440, 0))
	a, _, _ := s.update()
	req := hunt.Request{From: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2020, 1, 2, 0, 0, 0, 0, time.UTC)}
	n, warm := s.counted(a, req)
	require.Zero(t, n)
	_, cold := s.counted(zeek.New(zeek.Options{Paths: []string{s.dir}}), req)
	require.Len(t, cold, 1)
	require.Equal(t, cold, warm)
}

// TestAGapAndALogThatIsRotated: a gap elsewhere is no reason to read all logs again when Zeek rotates one, whose copy has
// what was read already, nor is a bad line in the log that Zeek writes.
func TestAGapAndALogThatIsRotated(t *testing.T) {
	s := newShelf(t, 0)
	s.put("2026-03-01/conn.log", connLog(1, 1440, 0))
	s.put("2026-03-01/ssl.log", tlsLog(1, 1440))
	s.put("2026-03-02/ssl.log", tlsLog(2, 1440)) // the hole
	s.put("current/conn.log", connLog(5, 200, 0))
	s.put("current/ssl.log", tlsLog(5, 200))
	_, files, _ := s.update()
	require.Equal(t, 5, files)
	s.put("2026-03-05/conn.00.log", connLog(5, 200, 0))
	s.put("current/conn.log", strings.Replace(connLog(6, 100, 0), "\t198.51.100.1\t", "\tnowhere\t", 1))
	a, files, why := s.update()
	require.Empty(t, why)
	require.Equal(t, 2, files)
	warm, gaps := s.counted(a, hunt.Request{})
	require.Len(t, gaps, 2)
	require.EqualValues(t, 1440+200+99, warm)
	s.put("current/conn.log", connLog(7, 50, 0))
	a, files, why = s.update()
	require.Empty(t, why)
	require.Equal(t, 1, files)
	warm, _ = s.counted(a, hunt.Request{})
	require.EqualValues(t, 1440+200+99+50, warm)
}

// TestNewLogsWithoutAConnLog: TLS logs that come before their conn log stand for no connections, and the day is a gap, as
// it is in a hunt without history.
func TestNewLogsWithoutAConnLog(t *testing.T) {
	s := newShelf(t, 0)
	s.put("2026-03-01/conn.log", connLog(1, 1440, 0))
	s.put("2026-03-01/ssl.log", tlsLog(1, 1440))
	s.update()
	s.put("2026-03-02/ssl.log", tlsLog(2, 1440))
	for range 2 {
		a, _, _ := s.update()
		warm, gaps := s.counted(a, hunt.Request{})
		require.EqualValues(t, 1440, warm)
		require.Len(t, gaps, 1)
	}
	s.put("2026-03-02/conn.log", connLog(2, 1440, 0))
	a, _, _ := s.update()
	warm, gaps := s.counted(a, hunt.Request{})
	require.EqualValues(t, 2880, warm)
	require.Empty(t, gaps)
}
