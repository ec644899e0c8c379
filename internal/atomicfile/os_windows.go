package atomicfile

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"unsafe"
)

var lockFileEx = syscall.NewLazyDLL("kernel32.dll").NewProc("LockFileEx")

// Flags and results of LockFileEx.
const (
	failImmediately     = 1
	exclusive           = 2
	errorLockViolation  = syscall.Errno(33)
	errorSharingRefused = syscall.Errno(32)
)

// lockFile locks an open file, or returns [ErrLocked]. It locks one byte far beyond the end, because other processes
// cannot read a locked range.
func lockFile(f *os.File) error {
	at := syscall.Overlapped{OffsetHigh: 1 << 30}
	ok, _, err := lockFileEx.Call(f.Fd(), failImmediately|exclusive, 0, 1, 0, uintptr(unsafe.Pointer(&at)))
	switch {
	case ok != 0:
		return nil
	case errors.Is(err, errorLockViolation), errors.Is(err, errorSharingRefused), errors.Is(err, syscall.ERROR_IO_PENDING):
		return ErrLocked
	}
	return err
}

// rename closes the file first: Windows does not rename an open one.
func (f *File) rename() error {
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), f.path)
}

// syncDir does nothing: Windows cannot sync directories.
func syncDir(string) error { return nil }

// Keep does nothing: on Windows a new file takes its permissions from the directory.
func (f *File) Keep() error { return nil }

// openLock opens the file to lock. For a directory that is a file inside it, which the next Sweep removes.
func openLock(path string) (*os.File, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, prefix+"lock")
	}
	return os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
}
