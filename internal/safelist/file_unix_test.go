//go:build !windows

package safelist

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEditFollowsLinksAndKeepsRights(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "real", "list.yaml"), filepath.Join(dir, "safelist.yaml")
	require.NoError(t, os.Mkdir(filepath.Dir(path), 0o700))
	require.NoError(t, os.Symlink("real/list.yaml", link))
	require.ErrorContains(t, Edit(link, addNumbered(0)), "follow the link", "it leads nowhere yet")
	require.NoError(t, os.WriteFile(path, []byte(kept), 0o640))
	owner := 4242 // stands for dwell's service; only root can change an owner
	if os.Getuid() != 0 {
		owner = os.Getuid()
	}
	require.NoError(t, os.Chown(path, owner, -1))
	require.NoError(t, Edit(link, addNumbered(0)))
	info, err := os.Lstat(link)
	require.NoError(t, err)
	require.Equal(t, os.ModeSymlink, info.Mode().Type(), "still a link")
	info, err = os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o640), info.Mode().Perm())
	require.Equal(t, owner, int(ownerOf(info)))
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(text), "rule-0")
}

func ownerOf(info os.FileInfo) uint32 { return info.Sys().(*syscall.Stat_t).Uid }
