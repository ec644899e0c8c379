package intel

import (
	"compress/gzip"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// server is a feed with settable answers.
type server struct {
	*httptest.Server
	mu     sync.Mutex // an abandoned handler may still run
	answer http.HandlerFunc
	asked  atomic.Int64
}

// set changes the server's answer.
func (s *server) set(answer http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

func feed(t *testing.T) (*server, *Feeds, *time.Time) {
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		s.mu.Lock()
		answer := s.answer
		s.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	return s, &Feeds{Dir: filepath.Join(t.TempDir(), "state", "feeds"), Refresh: time.Hour, MaxAge: 7 * 24 * time.Hour, Version: "test",
		Now: func() time.Time { return now }, wait: time.Millisecond}, &now
}

func says(text string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }
}

func hits(t *testing.T, l *Lists, dst string) bool {
	return len(judged(t, l, "", dst, nil).Dwell.Evidence.Intel) > 0
}

// A feed is requested once an hour, by ETag and date, and a 304 renews the copy.
func TestFeedIsAskedSeldom(t *testing.T) {
	s, f, now := feed(t)
	var header http.Header
	s.set(func(w http.ResponseWriter, r *http.Request) {
		if header = r.Header.Clone(); r.Header.Get("If-None-Match") == `"one"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("ETag", `"one"`)
		w.Header().Set("Last-Modified", "Sun, 22 Nov 2026 10:00:00 GMT")
		fmt.Fprint(w, "date,ip\n2026-11-22,203.0.113.7\n")
	})
	spec := []string{s.URL + "/list.csv?key=secret#ip"}
	load := func() *Lists {
		l := Load(t.Context(), spec, f)
		require.Empty(t, l.notes)
		require.True(t, hits(t, l, "203.0.113.7"))
		return l
	}
	first := load()
	require.Equal(t, "dwell/test", header.Get("User-Agent"))
	require.Equal(t, s.URL+"/list.csv", judged(t, first, "", "203.0.113.7", nil).Dwell.Evidence.Intel[0].List, "without the key")
	*now = now.Add(59 * time.Minute)
	require.Equal(t, first.Revision(), load().Revision())
	require.EqualValues(t, 1, s.asked.Load())
	*now = now.Add(2 * time.Minute)
	require.Equal(t, first.Revision(), load().Revision())
	require.EqualValues(t, 2, s.asked.Load())
	require.Equal(t, `"one"`, header.Get("If-None-Match"))
	require.Equal(t, "Sun, 22 Nov 2026 10:00:00 GMT", header.Get("If-Modified-Since"))
	*now = now.Add(59 * time.Minute)
	load()
	require.EqualValues(t, 2, s.asked.Load(), "304 counts as asked")
	entries, err := os.ReadDir(f.Dir)
	require.NoError(t, err)
	require.Len(t, entries, 2)
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(f.Dir, e.Name()))
		require.NoError(t, err)
		require.NotContains(t, string(text)+e.Name(), "secret")
	}
}

// Whatever a feed does, it is reported once and the last good copy is used until it is too old; without a copy the
// other lists still apply.
func TestFeedsThatAreNone(t *testing.T) {
	good := list(t, "good.txt", "198.51.100.1\n")
	for name, tc := range map[string]struct {
		answer func(http.ResponseWriter, *http.Request)
		want   string
		asked  int64
	}{
		"down":      {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF", 3},
		"forbidden": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }, "the server answers 403 Forbidden", 1},
		"broken":    {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }, "the server answers 500", 3},
		"page":      {says("<!DOCTYPE html><html><body>log in</body>"), "is a web page, not a list", 1},
		"empty":     {says("# nothing today\n"), "holds no indicator", 1},
		"catch-all": {says("0.0.0.0/0\ncom\n"), `nothing usable, the first entry "0.0.0.0/0" would match a large part of the Internet`, 1},
		"a gigabyte, as it says": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1073741824")
			w.WriteHeader(http.StatusOK)
		}, "is larger than 64 MiB", 1},
		"a gigabyte, packed": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z, _ := gzip.NewWriterLevel(w, gzip.BestSpeed)
			line := []byte(strings.Repeat("# "+strings.Repeat("x", 1<<14)+"\n", 64))
			for range 1024 {
				if _, err := z.Write(line); err != nil {
					return
				}
			}
		}, "is larger than 64 MiB", 1},
		"cut off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, "203.0.113.9\n")
		}, "broke off", 1},
		"moved out of reach": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path+"x", http.StatusFound) }, "redirected more than five times", 5},
	} {
		t.Run(name, func(t *testing.T) {
			s, f, now := feed(t)
			spec := []string{s.URL + "/c2.txt?key=secret", good}
			load := func(told int) (*Lists, string) {
				l := Load(t.Context(), spec, f)
				require.Len(t, l.notes, told, notes(l))
				require.True(t, hits(t, l, "198.51.100.1"), "the other list")
				require.NotContains(t, notes(l), "secret")
				return l, notes(l)
			}
			s.set(tc.answer)
			_, said := load(1)
			require.Contains(t, said, tc.want)
			require.Contains(t, said, "there is no copy")
			require.Equal(t, tc.asked, s.asked.Load())

			s.set(says("203.0.113.7\n"))
			load(0)
			s.set(tc.answer)
			*now = now.Add(2 * time.Hour)
			l, said := load(1)
			require.Contains(t, said, tc.want)
			require.Contains(t, said, "using the last good copy, of 2026-11-22 12:00 UTC")
			require.True(t, hits(t, l, "203.0.113.7"))
			*now = now.Add(7 * 24 * time.Hour)
			l, said = load(1)
			require.Contains(t, said, "older than evidence.intel_max_age")
			require.False(t, hits(t, l, "203.0.113.7"))
		})
	}
}

// A truncated or modified copy is not used: the feed is fetched in full.
func TestCutOffCopyIsFetchedAnew(t *testing.T) {
	s, f, _ := feed(t)
	s.set(func(w http.ResponseWriter, r *http.Request) {
		require.Empty(t, r.Header.Get("If-None-Match"))
		w.Header().Set("ETag", `"one"`)
		fmt.Fprint(w, "203.0.113.7\n203.0.113.8\n")
	})
	spec := []string{s.URL + "/c2.txt"}
	require.Empty(t, Load(t.Context(), spec, f).notes)
	entries, err := os.ReadDir(f.Dir)
	require.NoError(t, err)
	for _, e := range entries { // the copy, then its metadata
		require.NoError(t, os.Truncate(filepath.Join(f.Dir, e.Name()), 12))
		l := Load(t.Context(), spec, f)
		require.Empty(t, l.notes)
		require.True(t, hits(t, l, "203.0.113.8"))
	}
	require.EqualValues(t, 3, s.asked.Load())
}

func TestFeedsWithoutAFolderOrInAHurry(t *testing.T) {
	s, f, _ := feed(t)
	require.Contains(t, notes(Load(t.Context(), []string{s.URL}, nil)), "set state.dir")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Contains(t, notes(Load(ctx, []string{s.URL}, f)), "context canceled")
	require.Zero(t, s.asked.Load())
	f.Dir = filepath.Join(list(t, "file", ""), "feeds")
	s.set(says("203.0.113.7\n"))
	l := Load(t.Context(), []string{s.URL}, f)
	require.Contains(t, notes(l), "could not be kept")
	require.True(t, hits(t, l, "203.0.113.7"))
}

// A feed's URL may contain a key: the server it redirects to must not receive it.
func TestRedirectTellsNoKey(t *testing.T) {
	s, f, _ := feed(t)
	var told []string
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		told = append(told, r.Referer())
		fmt.Fprint(w, "203.0.113.7\n")
	}))
	t.Cleanup(other.Close)
	s.set(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL+"/list", http.StatusFound) })
	require.True(t, hits(t, Load(t.Context(), []string{s.URL + "/c2.txt?key=TOPSECRET"}, f), "203.0.113.7"))
	require.Equal(t, []string{""}, told)
}
