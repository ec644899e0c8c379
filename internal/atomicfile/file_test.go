package atomicfile

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func names(t *testing.T, dir string) (out []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func TestWriteIsWholeOrNotAtAll(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	require.NoError(t, WriteBytes(path, 0o640, []byte("one")))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o640), info.Mode().Perm())
	broken := errors.New("broken")
	err = Write(path, 0o600, func(w io.Writer) error { _, _ = w.Write([]byte("tw")); return broken })
	require.ErrorIs(t, err, broken)
	require.ErrorContains(t, err, path)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "one", string(text))
	require.Equal(t, []string{"a"}, names(t, dir))
	require.Error(t, WriteBytes(filepath.Join(dir, "none", "a"), 0o600, nil))
	// A failed rename leaves nothing behind.
	require.NoError(t, os.Mkdir(filepath.Join(dir, "d"), 0o700))
	require.Error(t, WriteBytes(filepath.Join(dir, "d"), 0o600, []byte("x")))
	require.Equal(t, []string{"a", "d"}, names(t, dir))
}

func TestKeepGivesTheRightsOfTheOldFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	require.NoError(t, WriteBytes(path, 0o604, nil))
	f, err := Create(path, 0o600)
	require.NoError(t, err)
	defer f.Discard()
	require.NoError(t, f.Keep())
	require.NoError(t, f.Commit())
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o604), info.Mode().Perm())
}

func TestSweepTakesWhatNobodyWrites(t *testing.T) {
	dir := t.TempDir()
	for _, left := range []string{prefix + "1", prefix + "2", "kept", ".kept"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, left), []byte("half"), 0o600))
	}
	require.NoError(t, os.Mkdir(filepath.Join(dir, prefix+"dir"), 0o700))
	f, err := Create(filepath.Join(dir, "new"), 0o600) // sweeps
	require.NoError(t, err)
	require.NoError(t, Sweep(dir))
	require.Equal(t, []string{filepath.Base(f.Name()), prefix + "dir", ".kept", "kept"}, names(t, dir))
	require.NoError(t, f.Commit())
	require.Contains(t, names(t, dir), "new")
}

// A process is killed at random moments while it writes. The file must always be a whole version, and Sweep must remove
// the rest.
func TestKilledWriter(t *testing.T) {
	if dir := os.Getenv("DWELL_TEST_WRITE_INTO"); dir != "" {
		for i := 0; ; i++ {
			line := strings.Repeat(strconv.Itoa(i%10), 1<<16)
			if err := WriteBytes(filepath.Join(dir, "file"), 0o600, []byte(line)); err != nil {
				os.Exit(1)
			}
		}
	}
	dir := t.TempDir()
	for i := range 8 {
		c := exec.Command(os.Args[0], "-test.run=^TestKilledWriter$")
		c.Env = append(os.Environ(), "DWELL_TEST_WRITE_INTO="+dir)
		require.NoError(t, c.Start())
		require.Eventually(t, func() bool { return len(names(t, dir)) > 0 }, 20*time.Second, time.Millisecond)
		time.Sleep(time.Duration(i) * 3 * time.Millisecond) // The moment of death is what is tried out.
		require.NoError(t, c.Process.Kill())
		_ = c.Wait() // It says that it was killed.
		text, err := os.ReadFile(filepath.Join(dir, "file"))
		if !errors.Is(err, os.ErrNotExist) {
			require.NoError(t, err)
			require.Len(t, text, 1<<16)
			require.Empty(t, strings.Trim(string(text), string(text[0])))
		}
		require.NoError(t, Sweep(dir))
		for _, n := range names(t, dir) {
			require.Equal(t, "file", n)
		}
	}
}

func TestLockIsForOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	release, err := TryLock(path)
	require.NoError(t, err)
	_, err = TryLock(path)
	require.ErrorIs(t, err, ErrLocked)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = Lock(ctx, path)
	require.ErrorIs(t, err, ErrLocked)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	time.AfterFunc(10*time.Millisecond, release)
	release, err = Lock(t.Context(), path)
	require.NoError(t, err)
	release()
	_, err = TryLock(filepath.Join(path, "below-a-file"))
	require.Error(t, err)
	require.NotErrorIs(t, err, ErrLocked)
}
