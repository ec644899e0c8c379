package safelist

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Edit replaces the text of a list's file by what change makes of it: whole or not at all, with the owner and the rights that
// the file had, behind a link too. A file that is not there is an empty text. Others that edit it this way wait; what somebody else
// wrote meanwhile is never overwritten, but an error.
func Edit(path string, change func(text []byte) ([]byte, error)) error {
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		if path, err = filepath.EvalSymlinks(path); err != nil {
			return fmt.Errorf("follow the link to the safelist: %w", err)
		}
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("write safelist: %w", err)
	}
	defer dir.Close() // and with it the lock goes
	// A file system without locks has the comparison below alone.
	for errors.Is(syscall.Flock(int(dir.Fd()), syscall.LOCK_EX), syscall.EINTR) {
	}
	before, err := readText(path)
	if err != nil {
		return fmt.Errorf("read safelist: %w", err)
	}
	after, err := change(before)
	if err != nil {
		return err
	}
	if err := replace(path, before, after); err != nil {
		return fmt.Errorf("write safelist: %w", err)
	}
	return dir.Sync()
}

func readText(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return text, err
}

func replace(path string, before, after []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone once it is renamed
	_, err = f.Write(after)
	if err = errors.Join(err, keepRights(f, path), f.Sync(), f.Close()); err != nil {
		return err
	}
	now, err := readText(path)
	if err != nil {
		return err
	}
	if !bytes.Equal(now, before) {
		return fmt.Errorf("%s was changed meanwhile: try again", path)
	}
	return os.Rename(f.Name(), path)
}

// keepRights gives a new file the owner and the rights of the one that it replaces: dwell's service has to be able to read it
// when an administrator was the last to write it.
func keepRights(f *os.File, path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return f.Chmod(0o644)
	}
	if err != nil {
		return err
	}
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		if err := f.Chown(int(s.Uid), int(s.Gid)); err != nil {
			return fmt.Errorf("%s would get another owner; do it as its owner, or as root: %w", path, err)
		}
	}
	return f.Chmod(info.Mode().Perm())
}
