package tile

import (
	"encoding/binary"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

type entry struct {
	key   Key
	value string
}

// entries makes n entries, some empty, every tenth larger than a block.
func entries(n int) []entry {
	out := make([]entry, n)
	for i := range out {
		binary.BigEndian.PutUint64(out[i].key[8:], uint64(i)*7)
		size := i % 50
		if i%10 == 9 {
			size = blockSize + i
		}
		out[i].value = strings.Repeat(string(rune('a'+i%26)), size)
	}
	return out
}

func write(t *testing.T, path string, list []entry) {
	t.Helper()
	w, err := Create(path)
	require.NoError(t, err)
	for _, e := range list {
		require.NoError(t, w.Add(e.key, []byte(e.value)))
	}
	require.NoError(t, w.Close())
}

func read(path string) (out []entry, err error) {
	r, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	for {
		key, value, err := r.Next()
		if err == io.EOF {
			if _, _, again := r.Next(); again != io.EOF {
				return out, io.ErrNoProgress
			}
			return out, nil
		}
		if err != nil {
			return out, err
		}
		out = append(out, entry{key, string(value)})
	}
}

func TestTilesComeBack(t *testing.T) {
	for _, n := range []int{0, 1, 2, 100} {
		path := filepath.Join(t.TempDir(), "a.tile")
		write(t, path, entries(n))
		got, err := read(path)
		require.NoError(t, err)
		require.Equal(t, n, len(got))
		for i, e := range entries(n) {
			require.Equal(t, e, got[i])
		}
		left, err := os.ReadDir(filepath.Dir(path))
		require.NoError(t, err)
		require.Len(t, left, 1, "no temporary file stays")
	}
}

// Changing any byte, or cutting the file anywhere, is an error, never different entries.
func TestDamageIsFound(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.tile")
	write(t, path, entries(9))
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	for i := range whole {
		bad := append([]byte(nil), whole...)
		bad[i] ^= 0x20
		require.NoError(t, os.WriteFile(path, bad, 0o600))
		_, err := read(path)
		require.Error(t, err, "byte %d", i)
		require.NoError(t, os.WriteFile(path, whole[:i], 0o600))
		_, err = read(path)
		require.ErrorIs(t, err, ErrDamaged, "cut after %d bytes", i)
	}
	require.NoError(t, os.WriteFile(path, append(whole, 0), 0o600))
	_, err = read(path)
	require.ErrorContains(t, err, "something follows its end")
	whole[len(magic)-1] = 1
	require.NoError(t, os.WriteFile(path, whole, 0o600))
	_, err = read(path)
	require.ErrorContains(t, err, "version 1, this program reads version 3")
	require.NoError(t, os.WriteFile(path, []byte("something else altogether"), 0o600))
	_, err = read(path)
	require.ErrorContains(t, err, "is not a spill file")
}

func TestKeysMustAscend(t *testing.T) {
	w, err := Create(filepath.Join(t.TempDir(), "a.tile"))
	require.NoError(t, err)
	defer w.Discard()
	require.NoError(t, w.Add(Key{5}, nil))
	require.ErrorContains(t, w.Add(Key{5}, nil), "do not ascend")
}

// An entry that readers would reject is not written.
func TestEntryTooLarge(t *testing.T) {
	w, err := Create(filepath.Join(t.TempDir(), "a.tile"))
	require.NoError(t, err)
	defer w.Discard()
	require.ErrorContains(t, w.Add(Key{1}, make([]byte, maxValue+1)), "does not fit")
	require.NoError(t, w.Add(Key{1}, nil))
}

// /dev/full fails every write like a full disk.
func TestDiskFullSaysSo(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("SKIPPED: there is no /dev/full here")
	}
	defer full.Close()
	path := filepath.Join(t.TempDir(), "a.tile")
	w, err := Create(path)
	require.NoError(t, err)
	w.out = full
	require.NoError(t, w.Add(Key{1}, []byte("x")))
	err = w.Close()
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.ErrorContains(t, err, "no space left on device")
	left, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestLeftoversOfTheDeadAreRemoved(t *testing.T) {
	base := t.TempDir()
	ended := exec.Command(os.Args[0], "-test.run=^$")
	require.NoError(t, ended.Run())
	dead := filepath.Join(base, prefix+strconv.Itoa(ended.Process.Pid)+"-1")
	living := filepath.Join(base, prefix+strconv.Itoa(os.Getppid())+"-1")
	foreign := filepath.Join(base, "something")
	for _, dir := range []string{dead, living, foreign} {
		require.NoError(t, os.Mkdir(dir, 0o700))
		write(t, filepath.Join(dir, "a.tile"), entries(1))
	}
	own, err := Folder(base)
	require.NoError(t, err)
	require.NoError(t, Sweep(base))
	require.NoDirExists(t, dead)
	for _, dir := range []string{living, foreign, own} {
		require.DirExists(t, dir)
	}
	require.NoError(t, Sweep(filepath.Join(base, "nowhere")))
}
