package tile

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestShelfGivesBackWhatWasPut puts four megabytes on a shelf that holds one, and finds all of it, long and short,
// from memory and from disk.
func TestShelfGivesBackWhatWasPut(t *testing.T) {
	dir := t.TempDir()
	s := NewShelf(dir, "candidates", 1<<20)
	value := func(i int) []byte {
		return bytes.Repeat([]byte(fmt.Sprintf("value %d;", i)), 1+i%200+i%1000/999*40_000)
	}
	var places []Place
	for i := range 4000 {
		places = append(places, s.Put(value(i)))
	}
	require.NoError(t, s.Err())
	require.Greater(t, s.size, int64(2<<20), "most of it is on disk")
	require.LessOrEqual(t, s.held, int64(2<<20))
	for i, p := range places {
		require.Equal(t, value(i), s.Get(p), i)
	}
	require.Nil(t, s.Get(s.Put(nil)))
	require.NoError(t, s.Err())
	require.NoError(t, s.Close())
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left, "nothing stays behind")
}

// TestShelfTellsOfDamage changes a byte of the file, and takes the directory away before anything is written.
func TestShelfTellsOfDamage(t *testing.T) {
	dir := t.TempDir()
	s := NewShelf(dir, "candidates", 1)
	first := s.Put(bytes.Repeat([]byte("a"), shelfBlockSize))
	s.Put(bytes.Repeat([]byte("b"), shelfBlockSize))
	files, err := filepath.Glob(filepath.Join(dir, "*", "shelf"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	f, err := os.OpenFile(files[0], os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteAt([]byte("c"), 77)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.Nil(t, s.Get(first))
	require.ErrorIs(t, s.Err(), ErrDamaged)
	require.NoError(t, s.Close())

	occupied := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(occupied, nil, 0o600))
	s = NewShelf(occupied, "candidates", 1)
	s.Put(bytes.Repeat([]byte("a"), shelfBlockSize))
	s.Put([]byte("b"))
	require.ErrorContains(t, s.Err(), "could not go to disk")
	require.NoError(t, s.Close())
}
