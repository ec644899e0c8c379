package pipeline

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
	"dwell/internal/pairs"
	"dwell/internal/simulate"
	"dwell/query/zeek"
)

const (
	envLogs  = "DWELL_TEST_LOGS"
	envTiles = "DWELL_TEST_TILES"
	envFull  = "DWELL_TEST_FULL"
)

// A hunt whose tiles find no room ends with an error that says where, how much and what to do, and leaves nothing
// there. The disk is a real one of 64 KiB where this host lets a process mount one; otherwise files may not grow beyond
// 4 KiB.
func TestDiskFullInMidHunt(t *testing.T) {
	if logs := os.Getenv(envLogs); logs != "" {
		huntOnFullDisk(t, logs)
		return
	}
	sc := simulate.Default()
	sc.Hosts, sc.Length = 12, simulate.Duration(2*time.Hour)
	logs, tiles := t.TempDir(), t.TempDir()
	_, err := simulate.Run(t.Context(), sc, logs, simulate.Format{})
	require.NoError(t, err)
	child := func(full string, attr *syscall.SysProcAttr) ([]byte, error) {
		c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestDiskFullInMidHunt$", "-test.v")
		c.Env = append(os.Environ(), envLogs+"="+logs, envTiles+"="+tiles, envFull+"="+full)
		c.SysProcAttr = attr
		return c.CombinedOutput()
	}
	out, err := child("limit", nil)
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "file too large")

	own := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}, GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}}
	out, err = child("mount", own)
	if err != nil && len(out) == 0 {
		t.Logf("NOTE: no disk of its own can be mounted here (%v), so only the limit of a file's size was tried", err)
		return
	}
	require.NoError(t, err, string(out))
	if t.Logf("%s", out); !strings.Contains(string(out), noMount) {
		require.Contains(t, string(out), "no space left on device")
	}
}

const noMount = "NOTE: mounting is not allowed here"

// huntOnFullDisk is the other process.
func huntOnFullDisk(t *testing.T, logs string) {
	tiles := os.Getenv(envTiles)
	switch os.Getenv(envFull) {
	case "limit":
		signal.Ignore(syscall.SIGXFSZ)
		var before syscall.Rlimit
		require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before))
		require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 4096, Max: before.Max}))
		t.Cleanup(func() { require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before)) }) // a test that measures coverage writes a file at its end
	case "mount":
		if err := syscall.Mount("dwell", tiles, "tmpfs", 0, "size=64k"); err != nil {
			t.Log(noMount, err)
			return
		}
	}
	o := options()
	o.Memory = pairs.Budget{Bytes: 1, Folder: filepath.Join(tiles, "tiles")}
	o.Request.Scope = hunt.NewScope(nil, hunt.Outbound)
	_, err := Run(t.Context(), zeek.New(zeek.Options{Paths: []string{logs}}), o)
	require.Error(t, err)
	for _, part := range []string{"outgrew its memory budget", o.Memory.Folder, "MiB more", "state.dir", "raise hunt.memory"} {
		require.ErrorContains(t, err, part)
	}
	left, err2 := os.ReadDir(o.Memory.Folder)
	require.NoError(t, err2)
	require.Empty(t, left)
	fmt.Println(err)
}
