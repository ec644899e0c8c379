package history

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
)

const (
	envKeep = "DWELL_TEST_KEEP"
	envFull = "DWELL_TEST_FULL"
)

// hourTraffic is what a process keeps of an hour: the same, whichever process it is.
func hourTraffic(h int) (c []hunt.Connection, n []hunt.NameRecord, q []hunt.DNSRecord) {
	return traffic(rand.New(rand.NewPCG(30, uint64(h))), day.Add(time.Duration(h)*time.Hour), 120)
}

// keepHours is the other process: it keeps hour after hour, and the day that they become, again and again, and writes a
// letter for each.
func keepHours(t *testing.T, dir string) {
	s, err := Open(dir, "one", Options{})
	require.NoError(t, err)
	for i := 0; ; i++ {
		h := i % 25
		r, err := s.Record(t.Context(), true)
		require.NoError(t, err)
		c, n, q := hourTraffic(h)
		r.AddConnections(c)
		r.AddNames(n)
		r.AddQueries(q)
		_, err = r.commit(map[int64]hunt.HourState{day.Add(time.Duration(h) * time.Hour).UnixMilli(): {Records: int64(len(c))}}, nil, day.Add(time.Duration(h)*time.Hour))
		if os.Getenv(envFull) != "" && err != nil {
			fmt.Println("FULL", err)
			return
		}
		require.NoError(t, err)
		fmt.Print("k")
	}
}

// whole holds a history to what was kept: each hour is there as it was put, or not at all.
func whole(t *testing.T, dir string) (hours int) {
	s, err := Open(dir, "one", Options{})
	require.NoError(t, err)
	for at := range s.Hours(day, day.AddDate(0, 0, 2)) {
		c, n, q := hourTraffic(int((at - day.UnixMilli()) / hourMS))
		from := time.UnixMilli(at)
		gc, gn, gq := everything(t, s, from, from.Add(time.Hour))
		require.Equal(t, texts(c), gc)
		require.Equal(t, texts(n), gn)
		require.Equal(t, texts(q), gq)
		hours++
	}
	return hours
}

// TestKilledAtAnyMoment kills real processes, two of them at a time on one history, at any moment: every hour is whole
// or absent, the next process goes on, and what the killed ones left is removed.
func TestKilledAtAnyMoment(t *testing.T) {
	if dir := os.Getenv(envKeep); dir != "" {
		keepHours(t, dir)
		return
	}
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(31, 1))
	kept, hours := 0, 0
	for range 6 {
		var out [2]strings.Builder
		var wg sync.WaitGroup
		for i := range out {
			c := exec.Command(os.Args[0], "-test.run=^TestKilledAtAnyMoment$")
			c.Env, c.Stdout = append(os.Environ(), envKeep+"="+dir), &out[i]
			require.NoError(t, c.Start())
			wait := 200*time.Millisecond + time.Duration(r.Int64N(int64(time.Second)))
			wg.Go(func() {
				time.Sleep(wait)     // the moment of death is what is tried out
				_ = c.Process.Kill() // it may have ended
				_ = c.Wait()         // it says that it was killed
			})
		}
		wg.Wait()
		for i := range out {
			require.NotContains(t, out[i].String(), "FAIL")
			kept += strings.Count(out[i].String(), "k")
		}
		hours = whole(t, dir)
		require.GreaterOrEqual(t, hours, min(kept, 1))
	}
	require.Positive(t, kept, "no process came to keep anything before it was killed")
	t.Logf("%d commits by killed processes, %d hours at the end", kept, hours)
	s, err := Open(dir, "one", Options{})
	require.NoError(t, err)
	days(t, s, day)
	named := map[string]bool{}
	for _, sp := range s.spans {
		for _, seg := range sp.Segments {
			named[seg.File] = true
		}
	}
	files, err := filepath.Glob(filepath.Join(s.dir, "*"))
	require.NoError(t, err)
	require.False(t, slices.ContainsFunc(files, func(f string) bool {
		base := filepath.Base(f)
		return base != manifestFile && base != "lock" && !named[base]
	}), "%v", files)
}

// TestHistoryOnAFullDisk keeps hours on a disk of 256 KiB until it is full: the commit that fails says so and changes
// nothing, all that was kept before is whole, and there is room again for the next one to begin.
func TestHistoryOnAFullDisk(t *testing.T) {
	if dir := os.Getenv(envKeep); dir != "" {
		if err := syscall.Mount("dwell", dir, "tmpfs", 0, "size=256k"); err != nil {
			fmt.Println("NOTE: mounting is not allowed here", err)
			return
		}
		keepHours(t, dir)
		require.Positive(t, whole(t, dir))
		s, err := Open(dir, "one", Options{})
		require.NoError(t, err)
		before := len(s.spans)
		r, err := s.Record(t.Context(), true) // sweeps
		require.NoError(t, err)
		require.NoError(t, r.Discard())
		require.Len(t, s.spans, before)
		fmt.Println("WHOLE")
		return
	}
	c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestHistoryOnAFullDisk$")
	c.Env = append(os.Environ(), envKeep+"="+t.TempDir(), envFull+"=1")
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}, GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}}
	out, err := c.CombinedOutput()
	if err != nil && len(out) == 0 || strings.Contains(string(out), "NOTE: mounting") {
		t.Skipf("no disk of its own can be mounted here: %v %s", err, out)
	}
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "no space left on device")
	require.Contains(t, string(out), "WHOLE")
}
