package schedule

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

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

func TestDueWindows(t *testing.T) {
	hourly, err := Parse("1h")
	require.NoError(t, err)
	now := at("2026-03-02T10:03:00Z") // the window to 10:00 is not settled yet
	ends, left := due(hourly, at("2026-03-02T06:00:00Z"), now, 5*time.Minute, 24)
	require.Equal(t, []time.Time{at("2026-03-02T07:00:00Z"), at("2026-03-02T08:00:00Z"), at("2026-03-02T09:00:00Z")}, ends)
	require.Zero(t, left)
	ends, _ = due(hourly, at("2026-03-02T09:00:00Z"), at("2026-03-02T10:05:00Z"), 5*time.Minute, 24)
	require.Equal(t, []time.Time{at("2026-03-02T10:00:00Z")}, ends, "hunted once it has settled, not an hour later")
	// A long downtime: the newest are made up for, the rest is counted.
	ends, left = due(hourly, at("2026-02-28T09:00:00Z"), now, 5*time.Minute, 2)
	require.Equal(t, []time.Time{at("2026-03-02T08:00:00Z"), at("2026-03-02T09:00:00Z")}, ends)
	require.Equal(t, 46, left) // 48 hours between, 2 of them kept
	// Due every ten minutes, but a window is a window: hours.
	often, err := Parse("10m")
	require.NoError(t, err)
	ends, _ = due(often, at("2026-03-02T08:00:00Z"), now, 5*time.Minute, 24)
	require.Equal(t, []time.Time{at("2026-03-02T09:00:00Z")}, ends)
}

// job is a cluster that remembers.
type job struct {
	done    []time.Time
	hunted  []string
	fail    error
	doneErr error
	took    time.Duration
	waiting bool
}

func (j *job) Done(context.Context, time.Time) ([]time.Time, error) { return j.done, j.doneErr }
func (j *job) Waiting() bool                                        { return j.waiting }
func (j *job) Hunt(ctx context.Context, w hunt.Window) error {
	select {
	case <-time.After(j.took):
	case <-ctx.Done():
		return ctx.Err()
	}
	if j.fail != nil {
		return j.fail
	}
	j.done = append(j.done, w.End)
	j.hunted = append(j.hunted, w.End.Format("02T15"))
	return nil
}

func runner(t *testing.T, j *job, log io.Writer) (*Runner, *Health) {
	t.Helper()
	s, err := Parse("1h")
	require.NoError(t, err)
	h := NewHealth("test")
	return New(j, Options{Schedule: s, Window: 24 * time.Hour, Settle: 5 * time.Minute, CatchUp: 24, Logger: slog.New(slog.NewTextHandler(log, nil)), Watch: h}), h
}

// In a synctest bubble the clock starts at 2000-01-01T00:00:00Z and moves only when all sleep.
func TestRunnerHuntsEachWindowOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		j := &job{took: time.Minute}
		r, h := runner(t, j, io.Discard)
		ended := make(chan error)
		go func() { ended <- r.Run(ctx) }()
		time.Sleep(3*time.Hour + 30*time.Minute)
		stop()
		require.NoError(t, <-ended)
		// At 00:00 the newest settled window ends at 23:00; each later one is hunted five minutes after its end.
		require.Equal(t, []string{"31T23", "01T00", "01T01", "01T02", "01T03"}, j.hunted)
		ready, _ := h.Ready()
		require.True(t, ready)

		// Somebody's own hunt, which does not end at a full hour, hides no window.
		j.done = append(j.done, time.Now().Add(4*time.Hour-time.Minute))

		// After half a day away it makes up for what it missed, oldest first, and hunts nothing again.
		time.Sleep(4 * time.Hour)
		j.hunted = nil
		ctx, stop = context.WithCancel(t.Context())
		r, _ = runner(t, j, io.Discard)
		go func() { ended <- r.Run(ctx) }()
		time.Sleep(10 * time.Minute)
		stop()
		require.NoError(t, <-ended)
		require.Equal(t, []string{"01T04", "01T05", "01T06", "01T07"}, j.hunted)
	})
}

func TestRunnerTriesAgainAndSaysItOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		j := &job{fail: errors.New("the cluster is busy")}
		var log strings.Builder
		r, h := runner(t, j, &log)
		ended := make(chan error)
		go func() { ended <- r.Run(ctx) }()
		time.Sleep(20 * time.Minute) // tries at 0, 1, 3, 7, 15 min
		require.Equal(t, 1, strings.Count(log.String(), "tried again"))
		ready, reason := h.Ready()
		require.False(t, ready)
		require.Contains(t, reason, "the cluster is busy")
		require.InDelta(t, 5, testutil.ToFloat64(h.hunts.WithLabelValues("failed")), 0)
		j.fail = nil
		time.Sleep(15 * time.Minute)
		require.Equal(t, []string{"01T00"}, j.hunted) // the newest window by then, as nothing was ever hunted
		require.Contains(t, log.String(), "the trouble is over")
		stop()
		require.NoError(t, <-ended)
	})
}

func TestRunnerStopsInMidHunt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		j := &job{took: time.Hour}
		r, _ := runner(t, j, io.Discard)
		ended := make(chan error)
		go func() { ended <- r.Run(ctx) }()
		time.Sleep(time.Minute)
		stop()
		begun := time.Now()
		require.NoError(t, <-ended)
		require.Less(t, time.Since(begun), 20*time.Second)
		require.Empty(t, j.done)
	})
}

func TestHeldHuntsAreAskedForEachMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		j := &job{waiting: true}
		r, _ := runner(t, j, io.Discard)
		looked := 0
		r.job = counting{j, &looked}
		ended := make(chan error)
		go func() { ended <- r.Run(ctx) }()
		time.Sleep(5*time.Minute + time.Second)
		stop()
		require.NoError(t, <-ended)
		require.Equal(t, 6, looked)
	})
}

type counting struct {
	*job
	looked *int
}

func (c counting) Done(ctx context.Context, since time.Time) ([]time.Time, error) {
	*c.looked++
	return c.job.Done(ctx, since)
}

func TestMetricsAreClean(t *testing.T) {
	h := NewHealth("1.2.3")
	doc := hunt.Document{}
	doc.Dwell.Hunt.Complete = true
	doc.Dwell.Hunt.BySeverity.High = 3
	doc.Dwell.Window.End = hunt.Time{Time: at("2026-03-02T10:00:00Z")}
	h.Stored(&doc, nil)
	h.Stored(&doc, errors.New("disk full"))
	h.Looked(2, nil)
	h.Missed(4)
	h.Spool(1, 2)
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
	for _, line := range []string{`dwell_hunts_total{outcome="complete"} 1`, `dwell_hunts_total{outcome="held"} 1`, `dwell_hunts_total{outcome="failed"} 0`,
		`dwell_findings{severity="high"} 3`, "dwell_window_end_timestamp_seconds 1.7724456e+09", "dwell_windows_due 2", "dwell_windows_missed_total 4",
		"dwell_spool_hunts 1", "dwell_dead_letters 2", `dwell_build_info{version="1.2.3"} 1`} {
		require.Contains(t, body, line)
	}
	code, _ = get("/readyz")
	require.Equal(t, 200, code)
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
