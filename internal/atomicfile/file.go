// Package atomicfile writes a file whole or not at all: it writes a temporary file, syncs it, renames it and syncs the
// directory. A reader sees the old content or the new, even after a crash. dwell writes every file through it.
//
// It also provides the locks by which processes share a directory ([Lock], [TryLock]).
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

// prefix starts the names of temporary files. No permanent file may use it: [Sweep] removes what has it.
const prefix = ".dwell-"

// File is a file being written. End it with Commit or Discard.
type File struct {
	*os.File
	path string
	mode fs.FileMode
	done bool
}

// Create starts the file that will replace path, with these permissions. The first Create of a process in a directory
// removes what killed processes left there.
func Create(path string, mode fs.FileMode) (*File, error) {
	dir := filepath.Dir(path)
	if _, swept := sweptDirs.LoadOrStore(dir, true); !swept {
		_ = Sweep(dir) // Leftovers only cost space: failing to remove them must not stop the write.
	}
	for range 10 {
		f, err := os.CreateTemp(dir, prefix+"*")
		if err != nil {
			return nil, fmt.Errorf("write %s: %w", path, err)
		}
		// A lock marks the file as being written. A file swept before it was locked is created again.
		_ = lockFile(f) // Whoever else holds it is sweeping; Lstat tells.
		if _, err := os.Lstat(f.Name()); err == nil {
			return &File{File: f, path: path, mode: mode}, nil
		}
		_ = f.Close() // Nothing was written.
	}
	return nil, fmt.Errorf("write %s: its temporary file is removed again and again", path)
}

// sweptDirs holds the directories that this process has swept.
var sweptDirs sync.Map

// Commit makes the file durable and moves it to its path. On an error the path is unchanged.
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

// Discard abandons the file. After Commit it does nothing, so it can be deferred.
func (f *File) Discard() {
	if !f.done {
		f.done = true
		_ = f.Close()           // What is abandoned cannot be lost,
		_ = os.Remove(f.Name()) // and Sweep removes what stays.
	}
}

// Write writes a whole file with these permissions.
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

// WriteBytes writes b as a whole file with these permissions.
func WriteBytes(path string, mode fs.FileMode, b []byte) error {
	return Write(path, mode, func(w io.Writer) error { _, err := w.Write(b); return err })
}

// Sweep removes the temporary files in a directory that no process has locked for writing.
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
			continue // owned by another user, or gone
		}
		if lockFile(f) == nil {
			errs = append(errs, os.Remove(path))
		}
		_ = f.Close() // It was opened to be locked.
	}
	return errors.Join(errs...)
}
