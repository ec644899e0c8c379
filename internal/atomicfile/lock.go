package atomicfile

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrLocked means that another process has the lock.
var ErrLocked = errors.New("another process has the lock")

// TryLock takes a lock until release is called or the process ends, however it ends. It creates the lock file if
// necessary and leaves it in place; path may also be a directory. The error is [ErrLocked] if another process has the
// lock.
func TryLock(path string) (release func(), err error) {
	f, err := openLock(path)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	if err := lockFile(f); err != nil {
		_ = f.Close() // The lock is what failed.
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { _ = f.Close() }, nil
}

// Lock is TryLock, but waits for the lock until ctx ends.
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
