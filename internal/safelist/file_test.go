package safelist

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func addNumbered(n int) func([]byte) ([]byte, error) {
	return func(text []byte) ([]byte, error) {
		r := newRule()
		r.Name = fmt.Sprintf("rule-%d", n)
		return Add(text, r)
	}
}

// Concurrent edits keep each other's rules.
func TestEditorsWaitForEachOther(t *testing.T) {
	path := filepath.Join(t.TempDir(), "safelist.yaml")
	var all sync.WaitGroup
	errs := make([]error, 20)
	for i := range errs {
		all.Go(func() { errs[i] = Edit(path, addNumbered(i)) })
	}
	all.Wait()
	require.NoError(t, errors.Join(errs...))
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	l, err := Parse(bytes.NewReader(text))
	require.NoError(t, err)
	require.Len(t, l.Rules, len(errs))
	left, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, left, 1, "nothing else is left there")
}

// Edit keeps what a text editor saved meanwhile.
func TestEditNeverOverwrites(t *testing.T) {
	path := filepath.Join(t.TempDir(), "safelist.yaml")
	require.NoError(t, os.WriteFile(path, []byte(kept), 0o600))
	err := Edit(path, func(text []byte) ([]byte, error) {
		require.NoError(t, os.WriteFile(path, []byte("# other\n"), 0o600))
		return addNumbered(1)(text)
	})
	require.ErrorContains(t, err, "was changed meanwhile")
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "# other\n", string(text))
	refused := errors.New("refused")
	require.ErrorIs(t, Edit(path, func([]byte) ([]byte, error) { return nil, refused }), refused)
	text, err = os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "# other\n", string(text))
}
