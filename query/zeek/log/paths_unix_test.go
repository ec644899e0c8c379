//go:build unix

package log

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// A directory that may not be listed is a gap however the logs are named: by a directory, by ** or by *. What is
// no regular file is said, whatever its name. Root may list everything, so a child that is nobody looks.
func TestWhatCannotBeListedIsSaid(t *testing.T) {
	if dir := os.Getenv("DWELL_TEST_UNLISTED"); dir != "" {
		for _, p := range []string{dir, dir + "/**/conn.log", dir + "/*/conn*.log", dir + "/*/conn.log", dir + "/*/*/conn.log"} {
			var r Report
			files, err := find([]string{p}, &r)
			fmt.Printf("%s: %d files, err %v, gaps %v, notes %v\n", strings.TrimPrefix(p, dir), len(files), err, r.Gaps, r.Notes)
		}
		return
	}
	dir, err := os.MkdirTemp("", "dwell-unlisted-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755))
	for _, d := range []string{"a", "b", "closed", "c/closed"} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, d), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, d, "conn.log"), []byte(connTSV+tsvRows(1)), 0o600))
		require.NoError(t, os.Chmod(filepath.Join(dir, d, "conn.log"), 0o644))
	}
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "a", "conn_pipe.log"), 0o644))
	for _, d := range []string{"closed", "c/closed"} {
		require.NoError(t, os.Chmod(filepath.Join(dir, d), 0))
		t.Cleanup(func() { _ = os.Chmod(filepath.Join(dir, d), 0o700) })
	}
	self, err := os.ReadFile(os.Args[0])
	require.NoError(t, err)
	program := filepath.Join(dir, "log.test")
	require.NoError(t, os.WriteFile(program, self, 0o755)) //nolint:gosec // nobody runs it
	c := exec.CommandContext(t.Context(), program, "-test.run=^TestWhatCannotBeListedIsSaid$")
	c.Dir, c.Env = dir, append(os.Environ(), "DWELL_TEST_UNLISTED="+dir)
	if os.Getuid() == 0 {
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	out, err := c.CombinedOutput()
	require.NoError(t, err, string(out))
	for what, gaps := range map[string]int{": ": 2, "/**/conn.log: ": 2, "/*/conn*.log: ": 1, "/*/conn.log: ": 1, "/*/*/conn.log: ": 2} {
		for line := range strings.Lines(string(out)) {
			if strings.HasPrefix(line, what) {
				require.Equal(t, gaps, strings.Count(line, "permission denied"), line)
				require.Equal(t, strings.Contains(what, "conn*") || what == ": ", strings.Contains(line, "no regular file"), line)
				gaps = -1
				break
			}
		}
		require.Equal(t, -1, gaps, "%s\n%s", what, out)
	}
}
