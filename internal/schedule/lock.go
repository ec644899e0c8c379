package schedule

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"dwell/internal/atomicfile"
)

// ErrLocked means that another dwell process uses the state directory.
var ErrLocked = errors.New("another dwell uses this state directory")

// Lock creates the state directory if necessary, accessible by its owner only, and locks it until release is called or
// the process ends, however it ends.
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
