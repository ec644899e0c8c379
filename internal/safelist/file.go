package safelist

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"dwell/internal/atomicfile"
)

// Edit replaces the text of the file by the result of change, atomically, with the same owner and permissions, and
// through symbolic links. A missing file is an empty text. Concurrent calls wait for each other; a change by any other
// program in between is an error and is never overwritten.
func Edit(path string, change func(text []byte) ([]byte, error)) error {
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		if path, err = filepath.EvalSymlinks(path); err != nil {
			return fmt.Errorf("follow the link to the safelist: %w", err)
		}
	}
	// Without permission to lock, or without locks in the file system, only the comparison below protects the file.
	if release, err := atomicfile.Lock(context.Background(), filepath.Dir(path)); err == nil {
		defer release()
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
	return nil
}

func readText(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return text, err
}

func replace(path string, before, after []byte) error {
	f, err := atomicfile.Create(path, 0o644)
	if err != nil {
		return err
	}
	defer f.Discard()
	// dwell's service must be able to read the list after an administrator edits it.
	if _, err := f.Write(after); err != nil {
		return err
	}
	if err := f.Keep(); err != nil {
		return err
	}
	now, err := readText(path)
	if err != nil {
		return err
	}
	if !bytes.Equal(now, before) {
		return fmt.Errorf("%s was changed meanwhile: try again", path)
	}
	return f.Commit()
}
