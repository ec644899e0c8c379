package atomicfile

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrLocked means that another process has the lock.
var ErrLocked = errors.New("another process has the lock")

// TryLock takes a lock for this process until release is called or the process ends, however it ends. The file of the lock is
// made where it is missing, and stays; a directory is a lock, too. Its error is [ErrLocked] where somebody else has it.
func TryLock(path string) (release func(), err error) {
	f, err := openLock(path)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	if err := lockFile(f); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { _ = f.Close() }, nil
}

// Lock is TryLock that waits for its turn, until ctx ends.
func Lock(ctx context.Context, path string) (release func(), err error) {
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		if release, err = TryLock(path); !errors.Is(err, ErrLocked) {
			return release, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, fmt.Errorf("lock %s: %w: %w", path, ErrLocked, ctx.Err())
		}
	}
}
