package tile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// prefix starts the names of tile directories; the process id and a random part follow.
const prefix = "dwell-tiles-"

// Folder creates a directory for one hunt's tiles under base, and removes those of hunts whose process is gone.
func Folder(base string) (string, error) {
	if err := os.MkdirAll(base, 0o700); err != nil {
		return "", fmt.Errorf("make a directory for tiles: %w", err)
	}
	if err := Sweep(base); err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp(base, prefix+strconv.Itoa(os.Getpid())+"-")
	if err != nil {
		return "", fmt.Errorf("make a directory for tiles: %w", err)
	}
	return dir, nil
}

// Sweep removes what killed hunts left under base. Directories of other users stay.
func Sweep(base string) error {
	entries, err := os.ReadDir(base)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for tiles that a killed hunt left: %w", err)
	}
	for _, e := range entries {
		rest, ok := strings.CutPrefix(e.Name(), prefix)
		if !ok || !e.IsDir() {
			continue
		}
		number, _, _ := strings.Cut(rest, "-")
		pid, err := strconv.Atoi(number)
		if err != nil || alive(pid) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(base, e.Name())); err != nil && !errors.Is(err, os.ErrPermission) {
			return fmt.Errorf("remove tiles that a killed hunt left: %w", err)
		}
	}
	return nil
}

// alive reports whether a process may still exist.
func alive(pid int) bool {
	p, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	defer func() { _ = p.Release() }() // It was only asked about.
	return !errors.Is(p.Signal(syscall.Signal(0)), os.ErrProcessDone)
}
