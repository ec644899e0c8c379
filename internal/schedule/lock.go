package schedule

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"dwell/internal/atomicfile"
)

// ErrLocked means that another dwell has the state directory.
var ErrLocked = errors.New("another dwell uses this state directory")

// Lock makes the state directory where it is missing, for its owner alone, and takes it for this process until release is
// called or the process ends, however it ends.
func Lock(dir string) (release func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}
	release, err = atomicfile.TryLock(filepath.Join(dir, "lock"))
	if errors.Is(err, atomicfile.ErrLocked) {
		return nil, fmt.Errorf("%s: %w", dir, ErrLocked)
	}
	if err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}
	return release, nil
}
