//go:build unix

package main

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// nobody is a user without rights. Root may do anything, so a child process that is nobody hunts.
const nobody = 65534

// TestHistoryOfAnotherUser: where the state directory cannot be written, or belongs to somebody else, the logs are read
// without it, the findings are the same, and the hunt says so.
func TestHistoryOfAnotherUser(t *testing.T) {
	dir, err := os.MkdirTemp("", "dwell-other-")
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = modes(dir, 0o700, 0o600)
		_ = os.RemoveAll(dir)
	})
	self, err := os.ReadFile(os.Args[0])
	require.NoError(t, err)
	program := filepath.Join(dir, "dwell") // TestMain runs the program under this name
	require.NoError(t, os.WriteFile(program, self, 0o700))
	root := os.Getuid() == 0
	run := func(state string, other bool, args ...string) (out, said string) {
		c := exec.CommandContext(t.Context(), program, args...)
		var stdout, stderr bytes.Buffer
		c.Dir, c.Stdout, c.Stderr = dir, &stdout, &stderr
		c.Env = append(os.Environ(), "XDG_CONFIG_HOME="+dir+"/none", "XDG_STATE_HOME="+filepath.Join(dir, state), "HOME="+dir)
		if other && root {
			c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		}
		if err := c.Run(); c.ProcessState == nil || c.ProcessState.ExitCode() != 0 && c.ProcessState.ExitCode() != exitIncomplete {
			require.NoError(t, err, stderr.String())
		}
		return stdout.String(), stderr.String()
	}
	hunt := func(state string, other bool) (out, said string) {
		return run(state, other, "hunt", "--zeek", "day", "--history", "-o", "csv", "--min-score", "0.2")
	}
	run("own", false, "simulate", "--out", "day", "--hosts", "2", "--seed", "3", "--length", "6h")
	require.NoError(t, modes(dir, 0o755, 0o644))
	require.NoError(t, os.Chmod(program, 0o755)) //nolint:gosec // nobody runs it
	want, said := hunt("own", false)
	require.Contains(t, said, "history: read")
	require.Greater(t, strings.Count(want, "\n"), 1)
	for _, tc := range []struct {
		name string
		// root says that only root can make it.
		root bool
		// closed says that what was seen first cannot be read either.
		closed bool
		make   func(state string) error
	}{
		{"nothing can be written", false, false, func(state string) error { return os.Mkdir(state, 0o555) }},
		{"a read-only history of one's own", false, false, func(state string) error {
			if err := os.Mkdir(state, 0o755); err != nil {
				return err
			}
			if root {
				if err := os.Chown(state, nobody, nobody); err != nil {
					return err
				}
			}
			_, said := hunt(filepath.Base(state), true)
			require.Contains(t, said, "history: read")
			return modes(state, 0o555, 0o444)
		}},
		{"another user's, closed", true, true, func(state string) error {
			if err := os.Mkdir(state, 0o700); err != nil {
				return err
			}
			hunt(filepath.Base(state), false)
			return nil
		}},
		{"another user's, to be read", true, false, func(state string) error {
			if err := os.Mkdir(state, 0o755); err != nil {
				return err
			}
			hunt(filepath.Base(state), false)
			return modes(state, 0o755, 0o644)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.root && !root {
				t.Skip("only root can be two users")
			}
			state := strings.ReplaceAll(strings.ReplaceAll(tc.name, " ", "-"), ",", "")
			require.NoError(t, tc.make(filepath.Join(dir, state)))
			got, said := hunt(state, true)
			require.Equal(t, plain(want), plain(got))
			require.Contains(t, said, "history cannot be kept, so all logs are read without it")
			require.Contains(t, said, "permission denied")
			require.Equal(t, tc.closed, strings.Contains(said, "INCOMPLETE: first-seen times are not known"))
		})
	}
}

// plain is a table without the columns that history adds to.
func plain(csv string) (out []string) {
	for line := range strings.Lines(csv) {
		columns := strings.Split(line, ",")
		out = append(out, strings.Join(columns[:min(8, len(columns))], ","))
	}
	return out
}

// modes sets the modes of all folders and files below a path.
func modes(path string, folder, file os.FileMode) error {
	var all []string
	folders := map[string]bool{}
	err := filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
		all, folders[p] = append(all, p), d != nil && d.IsDir()
		return err
	})
	for i := len(all) - 1; i >= 0 && err == nil; i-- { // a folder after what is in it
		if folders[all[i]] {
			err = os.Chmod(all[i], folder)
		} else {
			err = os.Chmod(all[i], file)
		}
	}
	return err
}
