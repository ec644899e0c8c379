//go:build !windows

package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// lockFile locks an open file, or returns [ErrLocked].
func lockFile(f *os.File) error {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EWOULDBLOCK):
			return ErrLocked
		default:
			return err
		}
	}
}

// rename moves the file to its path, then closes it. Closing releases the lock, so doing it first would let a sweeper
// remove the file.
func (f *File) rename() error {
	if err := os.Rename(f.Name(), f.path); err != nil {
		return err
	}
	return f.Close()
}

// syncDir makes a rename survive a power cut. A file system without directory sync is not an error.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		err = nil
	}
	return errors.Join(err, d.Close())
}

// Keep gives the file the owner and permissions of the one it replaces, if there is one.
func (f *File) Keep() error {
	info, err := os.Stat(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		if err := f.Chown(int(s.Uid), int(s.Gid)); err != nil {
			return fmt.Errorf("%s would get another owner; do it as its owner, or as root: %w", f.path, err)
		}
	}
	f.mode = info.Mode().Perm()
	return nil
}

// openLock opens the file or directory to lock.
func openLock(path string) (*os.File, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return os.Open(path)
	}
	return os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
}
