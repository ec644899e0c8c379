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

// Edit replaces the text of a list's file by what change makes of it: whole or not at all, with the owner and the rights that
// the file had, behind a link too. A file that is not there is an empty text. Others that edit it this way wait; what somebody else
// wrote meanwhile is never overwritten, but an error.
func Edit(path string, change func(text []byte) ([]byte, error)) error {
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		if path, err = filepath.EvalSymlinks(path); err != nil {
			return fmt.Errorf("follow the link to the safelist: %w", err)
		}
	}
	// Who may not lock, or has a file system without locks, has the comparison below alone.
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
	// dwell's service has to be able to read the list when an administrator was the last to write it.
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
