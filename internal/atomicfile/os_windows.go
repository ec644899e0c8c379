package atomicfile

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"unsafe"
)

var lockFileEx = syscall.NewLazyDLL("kernel32.dll").NewProc("LockFileEx")

// The flags of LockFileEx, and what it says where another has the lock.
const (
	failImmediately     = 1
	exclusive           = 2
	errorLockViolation  = syscall.Errno(33)
	errorSharingRefused = syscall.Errno(32)
)

// lockFile takes a lock on an open file, or gives [ErrLocked] where another has it. It locks one byte far behind the file's
// end, since others cannot read what is locked here.
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

// rename closes the file first: an open one cannot be renamed here.
func (f *File) rename() error {
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), f.path)
}

// syncDir does nothing: directories cannot be synced here.
func syncDir(string) error { return nil }

// Keep does nothing: a new file takes its rights from the directory here.
func (f *File) Keep() error { return nil }

// openLock opens what is locked; of a directory that is a file in it, which the next Sweep removes.
func openLock(path string) (*os.File, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, prefix+"lock")
	}
	return os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
}
