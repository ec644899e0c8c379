package schedule

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"dwell/internal/es"
	"dwell/internal/hunt"
)

func at(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return t
}

func TestParse(t *testing.T) {
	for _, c := range []struct{ text, from, next string }{
		{"1h", "2026-03-02T10:00:00Z", "2026-03-02T11:00:00Z"},
		{"90m", "2026-03-02T00:00:01Z", "2026-03-02T01:30:00Z"}, // 2026-03-02 is 20,514 days after 1970, a multiple of 90 min
		{"1d", "2026-03-02T10:00:00Z", "2026-03-03T00:00:00Z"},
		{"15 */2 * * *", "2026-03-02T10:15:00Z", "2026-03-02T12:15:00Z"},
		{"0 6 * * 1", "2026-03-02T07:00:00+01:00", "2026-03-09T06:00:00Z"}, // Mondays; 07:00+01:00 is 06:00 UTC
	} {
		s, err := Parse(c.text)
		require.NoError(t, err, c.text)
		require.Equal(t, at(c.next), s.Next(at(c.from)), c.text)
	}
	for _, bad := range []string{"", "24", "30s", "61.5s", "* * * *", "99 * * * *", "0 0 31 2 *", "hourly"} {
		_, err := Parse(bad)
		require.ErrorContains(t, err, "serve.schedule", bad)
	}
}

func TestEndsOfWindows(t *testing.T) {
	now := at("2026-03-02T10:03:00Z") // the window ending at 10:00 has not settled yet
	newest := func(schedule string, now time.Time, n int) (out []string) {
		s, err := Parse(schedule)
		require.NoError(t, err)
		ends := (&Options{Schedule: s, Settle: 5 * time.Minute}).ends(now)
		for _, e := range ends[max(0, len(ends)-n):] {
			out = append(out, e.Format("02T15:04"))
		}
		return out
	}
	require.Equal(t, []string{"02T07:00", "02T08:00", "02T09:00"}, newest("1h", now, 3))
	require.Equal(t, []string{"02T10:00"}, newest("1h", now.Add(2*time.Minute), 1), "hunted once it has settled, not an hour later")
	require.Len(t, newest("1h", now, 10_000), 31*24-1)
	require.Equal(t, []string{"02T08:00", "02T09:00"}, newest("10m", now, 2), "due often, but a window is a window: hours")
	require.Equal(t, []string{"01T00:00", "02T00:00"}, newest("24h", now, 2))
	require.Equal(t, []string{"02T09:00"}, newest("0 0 1 1 *", now, 2), "nothing fell due for a month: the newest hour")
}

// job is a cluster that remembers, with its own clock.
type job struct {
	mu     sync.Mutex
	past   map[time.Time]hunt.Past
	hunted []string
	// skew is how far this host's clock is ahead, of the outcome of a hunt, looked the number of calls of Past.
	skew    time.Duration
	of      func(w hunt.Window) (done bool, err error)
	lookErr error
	looked  int
	took    time.Duration
	waiting bool
}

func newJob() *job { return &job{past: map[time.Time]hunt.Past{}} }

// set changes the job while a runner runs.
func (j *job) set(change func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	change()
}

// forget returns what was hunted since the last call.
func (j *job) forget() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	out := j.hunted
	j.hunted = nil
	return out
}

func (j *job) Clock(context.Context) (es.Clock, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return es.Clock{Now: time.Now().UTC().Add(-j.skew), Skew: j.skew}, j.lookErr
}

func (j *job) Past(_ context.Context, windows []hunt.Window) (map[time.Time]hunt.Past, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.looked++
	out := map[time.Time]hunt.Past{}
	for _, w := range windows {
		if p, ok := j.past[w.End]; ok {
			out[w.End] = p
		}
	}
	return out, nil
}

func (j *job) Waiting() bool { return j.waiting }

func (j *job) Hunt(ctx context.Context, w hunt.Window) (bool, error) {
	select {
	case <-time.After(j.took):
	case <-ctx.Done():
		return false, ctx.Err()
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.hunted = append(j.hunted, w.End.Format("02T15"))
	done, err := true, error(nil)
	if j.of != nil {
		done, err = j.of(w)
	}
	if err == nil {
		p := j.past[w.End]
		p.Try(done, time.Now())
		j.past[w.End] = p
	}
	return done, err
}

// log is a log that can be read while it is written.
type log struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// served is a running runner.
type served struct {
	*Runner
	*Health
	log  *log
	stop func()
}

func serve(t *testing.T, j *job, schedule string) *served {
	t.Helper()
	s, err := Parse(schedule)
	require.NoError(t, err)
	out := &served{Health: NewHealth("test"), log: &log{}}
	out.Runner = New(j, Options{Schedule: s, Window: 24 * time.Hour, Settle: 5 * time.Minute, CatchUp: 24,
		Logger: slog.New(slog.NewTextHandler(out.log, nil)), Watch: out.Health})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- out.Run(ctx) }()
	out.stop = func() { cancel(); require.NoError(t, <-ended) }
	return out
}

// pass lets the time of a synctest bubble go by: the test itself does not wait.
func pass(d time.Duration) { time.Sleep(d) }

// In a synctest bubble the clock starts at 2000-01-01T00:00:00Z and advances only when all goroutines sleep.
func TestRunnerHuntsEachWindowOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJob()
		j.took = time.Minute
		s := serve(t, j, "1h")
		pass(3*time.Hour + 30*time.Minute)
		s.stop()
		// At 00:00 the newest settled window ends at 23:00; each later one is hunted five minutes after its end.
		require.Equal(t, []string{"31T23", "01T00", "01T01", "01T02", "01T03"}, j.forget())
		ready, _ := s.Ready()
		require.True(t, ready)
		// After half a day of downtime it catches up, oldest first, and repeats nothing.
		pass(4 * time.Hour)
		s = serve(t, j, "1h")
		pass(10 * time.Minute)
		s.stop()
		require.Equal(t, []string{"01T04", "01T05", "01T06", "01T07"}, j.forget())
	})
}

// Holes among the windows to catch up on are found; older ones are reported once.
func TestHolesAreMadeUpFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pass(40 * 24 * time.Hour) // 10 February, 00:00
		now := time.Now().UTC()
		j := newJob()
		for _, hours := range []int{1, 4, 5, 9, 40} { // hunted, by their ends before now
			j.past[now.Add(-time.Duration(hours)*time.Hour)] = hunt.Past{Done: true}
		}
		s := serve(t, j, "1h")
		pass(time.Minute)
		require.Equal(t, []string{"09T01", "09T02", "09T03", "09T04", "09T05", "09T06", "09T07", "09T08", "09T09", "09T10", "09T11", "09T12", "09T13", "09T14",
			"09T16", "09T17", "09T18", "09T21", "09T22"}, without(j.forget(), "09T00"), "the newest 24 but for those hunted")
		require.InDelta(t, 15, testutil.ToFloat64(s.Health.missed), 0, "from 39 hours ago to 25")
		pass(3 * time.Hour)
		require.InDelta(t, 15, testutil.ToFloat64(s.Health.missed), 0, "told once")
		s.stop()
	})
}

func without(list []string, what string) []string {
	return slices.DeleteFunc(list, func(s string) bool { return s == what })
}

// With clocks too far apart, in either direction, nothing is scheduled and the cause is reported; it resumes when they
// agree.
func TestWrongClocks(t *testing.T) {
	for _, skew := range []time.Duration{6 * time.Minute, 5 * time.Hour, 365 * 24 * time.Hour} {
		for _, sign := range []time.Duration{1, -1} {
			synctest.Test(t, func(t *testing.T) {
				pass(400 * 24 * time.Hour)
				j := newJob()
				j.skew = sign * skew
				s := serve(t, j, "1h")
				pass(10 * time.Hour)
				require.Empty(t, j.forget())
				ready, reason := s.Ready()
				require.False(t, ready)
				require.Contains(t, reason, map[bool]string{true: "ahead of", false: "behind"}[sign > 0])
				require.Contains(t, reason, "nothing is scheduled")
				require.Equal(t, 1, strings.Count(s.log.String(), "nothing is scheduled"))
				j.set(func() { j.skew = sign * time.Minute })
				pass(30 * time.Minute)
				require.NotEmpty(t, j.forget())
				ready, _ = s.Ready()
				require.True(t, ready)
				s.stop()
			})
		}
	}
}

// Within five minutes the cluster's clock decides what is over: a window that has ended by this host's clock may still
// be filling.
func TestTheClusterSaysWhatIsOver(t *testing.T) {
	for skew, want := range map[time.Duration][]string{
		4 * time.Minute:  {"31T22", "31T23"}, // the cluster's 00:05 is 00:09 here
		-4 * time.Minute: {"31T23", "01T00"}, // at 00:01 here
	} {
		synctest.Test(t, func(t *testing.T) {
			j := newJob()
			j.skew = skew
			pass(-5 * time.Minute % time.Hour)
			s := serve(t, j, "1h")
			pass(8 * time.Minute)
			s.stop()
			got := j.forget()
			require.Contains(t, got, "31T23", skew)
			require.Equal(t, skew < 0, slices.Contains(got, "01T00"), "%s %v", skew, want)
		})
	}
}

// An incomplete or empty window is retried a limited number of times, with growing pauses, also across restarts.
func TestIncompleteWindowsAreTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJob()
		var at []time.Duration
		begun := time.Now()
		j.of = func(w hunt.Window) (bool, error) {
			if w.End.Hour() == 23 {
				at = append(at, time.Since(begun).Round(time.Minute))
				return false, nil
			}
			return true, nil
		}
		s := serve(t, j, "1h")
		pass(20 * time.Minute)
		s.stop()
		s = serve(t, j, "1h") // a restart does not reset the count
		pass(10 * time.Hour)
		s.stop()
		require.Equal(t, []time.Duration{0, 5 * time.Minute, 35 * time.Minute, 215 * time.Minute}, at)
		require.Equal(t, 1, strings.Count(s.log.String(), "stays incomplete"))
		ready, _ := s.Ready()
		require.True(t, ready)
		j.forget()
		s = serve(t, j, "1h")
		pass(time.Minute)
		s.stop()
		require.Empty(t, j.forget(), "settled as it is")
	})
}

// An attempt that was stored by a clock a day ahead is waited for as if it was made now.
func TestAttemptsOfTheFuture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJob()
		end := time.Now().UTC().Add(-time.Hour)
		j.past[end] = hunt.Past{Tries: 1, Last: time.Now().Add(24 * time.Hour)}
		s := serve(t, j, "1h")
		time.Sleep(7 * time.Minute)
		s.stop()
		require.Contains(t, j.forget(), end.Format("02T15"))
	})
}

// A failing window does not block others, and is hunted as soon as possible.
func TestAFailingWindowBlocksNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pass(24 * time.Hour)
		j := newJob()
		j.past[time.Now().UTC().Add(-7*time.Hour)] = hunt.Past{Done: true}
		bad := true
		j.of = func(w hunt.Window) (bool, error) {
			if bad && w.End.Hour() == 18 {
				return false, errors.New("port 70000 at 12:34:56")
			}
			return true, nil
		}
		s := serve(t, j, "1h")
		pass(30 * time.Second)
		require.Equal(t, []string{"01T18", "01T19", "01T20", "01T21", "01T22", "01T23"}, j.forget())
		ready, reason := s.Ready()
		require.False(t, ready)
		require.Contains(t, reason, "port 70000")
		require.InDelta(t, 1, testutil.ToFloat64(s.Health.due), 0)
		pass(4 * time.Hour)
		require.Equal(t, []string{"02T00", "02T01", "02T02", "02T03"}, without(j.forget(), "01T18"), "the schedule goes on")
		require.Equal(t, 1, strings.Count(s.log.String(), "tried again"), "said once")
		j.set(func() { bad = false })
		pass(3 * time.Hour)
		require.Contains(t, j.forget(), "01T18")
		ready, _ = s.Ready()
		require.True(t, ready)
		require.Contains(t, s.log.String(), "the problem is solved")
		s.stop()
	})
}

// An unreachable cluster is retried with growing pauses and logged once.
func TestRunnerTriesAgainAndSaysItOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJob()
		j.lookErr = errors.New("the cluster is busy")
		s := serve(t, j, "1h")
		pass(20 * time.Minute) // checks at 0, 1, 3, 7, 15 min
		require.Equal(t, 1, strings.Count(s.log.String(), "tried again"))
		ready, reason := s.Ready()
		require.False(t, ready)
		require.Contains(t, reason, "the cluster is busy")
		require.Empty(t, j.forget())
		j.set(func() { j.lookErr = nil })
		pass(15 * time.Minute)
		require.Equal(t, []string{"01T00"}, j.forget()) // the newest window by then, because nothing was ever hunted
		require.Contains(t, s.log.String(), "the problem is solved")
		s.stop()
	})
}

func TestRunnerStopsInMidHunt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJob()
		j.took = time.Hour
		s := serve(t, j, "1h")
		pass(time.Minute)
		begun := time.Now()
		s.stop()
		require.Less(t, time.Since(begun), 20*time.Second)
		require.Empty(t, j.past)
	})
}

func TestHeldHuntsAreAskedForEachMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJob()
		j.waiting = true
		s := serve(t, j, "1h")
		pass(5*time.Minute - time.Second)
		s.stop()
		require.Equal(t, 5, j.looked)
	})
}

// A stalled hunt stops the signs of life; waiting, or hunting with progress, does not.
func TestAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJob()
		s := serve(t, j, "24h")
		pass(20 * time.Hour)
		require.True(t, s.Alive(), "it waits")
		s.stop()
		j.took = 100 * time.Hour
		j.past = map[time.Time]hunt.Past{}
		s = serve(t, j, "1h")
		for range 10 {
			pass(30 * time.Minute)
			s.Heartbeat()
			require.True(t, s.Alive(), "it reads")
		}
		pass(2 * time.Hour)
		require.False(t, s.Alive(), "it hangs")
		s.stop()
	})
}

// New options apply at once, and a hunt under way continues.
func TestSetOptions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJob()
		s := serve(t, j, "24h")
		pass(90 * time.Minute)
		require.Equal(t, []string{"31T00", "01T00"}, j.forget())
		o := s.options()
		o.Schedule = every(time.Hour)
		s.Set(o)
		pass(time.Second)
		require.Contains(t, j.forget(), "01T01")
		s.stop()
	})
}

func TestMetricsAreClean(t *testing.T) {
	h := NewHealth("1.2.3")
	doc := hunt.Document{}
	doc.Dwell.Hunt.Connections = 7
	doc.Dwell.Hunt.Complete = true
	doc.Dwell.Hunt.BySeverity.High = 3
	doc.Dwell.Window.End = hunt.Time{Time: at("2026-03-02T10:00:00Z")}
	h.Stored(&doc, nil)
	h.Stored(&doc, errors.New("disk full"))
	empty := doc
	empty.Dwell.Hunt.Connections = 0
	h.Stored(&empty, nil)
	h.Newest(time.Now().Add(-time.Minute))
	h.Clock(es.Clock{Skew: -2 * time.Second})
	h.Looked(2, nil)
	h.Missed(4)
	h.Spool(1, 2, 3, 4000)
	h.Notifications(5, 6)
	problems, err := testutil.GatherAndLint(h.registry)
	require.NoError(t, err)
	require.Empty(t, problems)

	get := func(path string) (int, string) {
		w := httptest.NewRecorder()
		h.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w.Code, w.Body.String()
	}
	code, body := get("/metrics")
	require.Equal(t, 200, code)
	for _, line := range []string{`dwell_hunts_total{outcome="complete"} 1`, `dwell_hunts_total{outcome="held"} 1`, `dwell_hunts_total{outcome="failed"} 0`, `dwell_hunts_total{outcome="empty"} 1`,
		"dwell_last_hunt_connections 0", "dwell_clock_skew_seconds -2", "dwell_spool_damaged_files 3", "dwell_spool_bytes 4000",
		`dwell_findings{severity="high"} 3`, "dwell_window_end_timestamp_seconds 1.7724456e+09", "dwell_windows_due 2", "dwell_windows_missed_total 4",
		"dwell_spool_hunts 1", "dwell_notifications_waiting 5", "dwell_notifications_lost 6", "dwell_dead_letters 2", `dwell_build_info{version="1.2.3"} 1`} {
		require.Contains(t, body, line)
	}
	code, _ = get("/readyz")
	require.Equal(t, 200, code)
	h.Silence(time.Hour)
	h.Newest(time.Now().Add(-2 * time.Hour))
	code, body = get("/readyz")
	require.Equal(t, 503, code)
	require.Contains(t, body, "no data")
	h.Looked(0, errors.New("no such key"))
	code, body = get("/readyz")
	require.Equal(t, 503, code)
	require.Contains(t, body, "no such key")
	code, _ = get("/healthz")
	require.Equal(t, 200, code)
}

func TestLockIsForOne(t *testing.T) {
	dir := t.TempDir() + "/state"
	release, err := Lock(dir)
	require.NoError(t, err)
	_, err = Lock(dir)
	require.ErrorIs(t, err, ErrLocked)
	release()
	release, err = Lock(dir)
	require.NoError(t, err)
	release()
}
