//go:build unix

package main

import (
	"os"
	"path/filepath"
	"syscall"
)

// shareWithGroup gives a file to its directory's group to read, where that directory lets a group in and no other host.
func shareWithGroup(path string) error {
	info, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || info.Mode().Perm()&0o057 != 0o050 {
		return nil
	}
	if err := os.Chown(path, -1, int(owner.Gid)); err != nil {
		return err
	}
	return os.Chmod(path, 0o640)
}
