// Package atomicfile is the only way dwell writes a file: write a temporary file, sync it, rename it, sync the
// directory. Whoever reads sees the old file or the new one, after a crash as well.
//
// It also has the locks by which processes share a directory ([Lock], [TryLock]).
package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// prefix begins the names of temporary files; no file that is meant to stay is called so.
const prefix = ".dwell-"

// File is a file on its way. It must be ended by Commit or Discard.
type File struct {
	*os.File
	path string
	mode fs.FileMode
	done bool
}

// Create begins the file that will be at path with these rights. The first Create of a process in a directory removes what
// killed processes left there.
func Create(path string, mode fs.FileMode) (*File, error) {
	dir := filepath.Dir(path)
	if _, swept := sweptDirs.LoadOrStore(dir, true); !swept {
		_ = Sweep(dir) // Leftovers cost room, never a file: who cannot remove them can still write.
	}
	for range 10 {
		f, err := os.CreateTemp(dir, prefix+"*")
		if err != nil {
			return nil, fmt.Errorf("write %s: %w", path, err)
		}
		// A lock marks the file as being written. One that was swept before the lock came is made again.
		_ = lockFile(f)
		if _, err := os.Lstat(f.Name()); err == nil {
			return &File{File: f, path: path, mode: mode}, nil
		}
		_ = f.Close()
	}
	return nil, fmt.Errorf("write %s: its temporary file is removed again and again", path)
}

// sweptDirs are the directories that this process swept already.
var sweptDirs sync.Map

// Commit makes the file durable and puts it into its place. On an error the place is as it was.
func (f *File) Commit() error {
	if f.done {
		return nil
	}
	err := errors.Join(f.Chmod(f.mode), f.Sync())
	if err == nil {
		err = f.rename()
	}
	if err != nil {
		f.Discard()
		return fmt.Errorf("write %s: %w", f.path, err)
	}
	f.done = true
	if err := syncDir(filepath.Dir(f.path)); err != nil {
		return fmt.Errorf("write %s: sync its directory: %w", f.path, err)
	}
	return nil
}

// Discard gives the file up. After Commit it does nothing, so it can be deferred.
func (f *File) Discard() {
	if !f.done {
		f.done = true
		_ = f.Close() // what was written is thrown away
		_ = os.Remove(f.Name())
	}
}

// Write writes a whole file with these rights.
func Write(path string, mode fs.FileMode, write func(io.Writer) error) error {
	f, err := Create(path, mode)
	if err != nil {
		return err
	}
	defer f.Discard()
	if err := write(f); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return f.Commit()
}

// WriteBytes writes a whole file of these bytes with these rights.
func WriteBytes(path string, mode fs.FileMode, b []byte) error {
	return Write(path, mode, func(w io.Writer) error { _, err := w.Write(b); return err })
}

// Sweep removes the temporary files in a directory that nobody is writing any more. A file that is being written is locked.
func Sweep(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("look for leftovers: %w", err)
	}
	var errs []error
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), prefix) || !e.Type().IsRegular() {
			continue
		}
		path := filepath.Join(dir, e.Name())
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			continue // another user's, or gone
		}
		if lockFile(f) == nil {
			errs = append(errs, os.Remove(path))
		}
		_ = f.Close()
	}
	return errors.Join(errs...)
}
